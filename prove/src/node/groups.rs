//! The control groups of a run, for what competes for its processors: the node's own programs, what runs beside them,
//! this program, and the pods, for which the kubelet makes one.
//!
//! A node that systemd manages has `system.slice` and `kubepods.slice`. Without the first each program of the node may
//! weigh as much as all pods together, which would get next to nothing of a busy machine. Callers, registries and the load
//! are on other machines in truth: here they must not have to wait for a processor because pods start.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::process::{Process, Spec};

/// Says to the processes in the enclosure what the one outside has named the group.
pub const VARIABLE: &str = "PROVE_CGROUP";

const PREFIX: &str = "silkroll-prove-";

/// What one process weighs in version 1, and the most that there is.
const SHARES: (&str, usize, usize) = ("cpu.shares", 1024, 262_144);

/// The same in version 2.
const WEIGHT: (&str, usize, usize) = ("cpu.weight", 100, 10_000);

/// What the kubelet asks for before it makes groups of its own in version 2; not every kernel has all of them.
const CONTROLLERS: [&str; 5] = ["cpuset", "cpu", "memory", "hugetlb", "pids"];

/// The control group that this run's groups are in: a name of its own, so that two runs do not
/// meet and nothing of another node is touched.
pub(super) fn name() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| format!("{PREFIX}{}", std::process::id()))
}

/// One of those that are made here.
#[derive(Clone, Copy, Debug)]
pub enum Group {
    /// The node's own programs.
    System,
    /// Registries, gateways and the ingress controller.
    Beside,
    /// This program, with the load, and the kubectl that it starts.
    Load,
}

impl Group {
    /// Starts a program in it, which ends with the enclosure at the latest.
    ///
    /// # Errors
    ///
    /// Where program or log cannot be opened, or the kernel refuses.
    pub fn start(self, spec: &Spec, logs: &Path) -> Result<Process> {
        let process = Process::start(spec, logs)?;
        self.take(process.id()?)?;
        Ok(process)
    }

    const ALL: [Self; 3] = [Self::System, Self::Beside, Self::Load];

    fn folders(self) -> Vec<PathBuf> {
        let name = match self {
            Self::System => "system",
            Self::Beside => "beside",
            Self::Load => "load",
        };
        let mut folders = folders(&self::name());
        // In version 1 the controllers are apart, and only that of processors is of interest.
        folders.retain(|folder| is_version_2() || folder.join(SHARES.0).exists());
        folders.iter().map(|folder| folder.join(name)).collect()
    }

    /// Puts a process that has just begun into it.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses.
    pub fn take(self, process: u32) -> Result<()> {
        for folder in self.folders() {
            let path = folder.join("cgroup.procs");
            fs::write(&path, process.to_string())
                .with_context(|| format!("writing {process} to {}", path.display()))?;
        }
        Ok(())
    }
}

/// Makes them.
///
/// # Errors
///
/// Where the kernel refuses.
pub(super) fn make() -> Result<()> {
    for folder in folders(&name()) {
        make_folder(&folder)?;
        if is_version_2() {
            enable_controllers(&folder);
        }
    }
    let processors = processors()?;
    for group in Group::ALL {
        // systemd gives a node's own programs the weight of one process, and the kubelet gives all pods that of one
        // on each processor, or nearly so in version 2.
        let times = match group {
            Group::System => 1,
            Group::Beside | Group::Load => processors,
        };
        for folder in group.folders() {
            make_folder(&folder)?;
            weigh(&folder, times)?;
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

/// Those that are missing in the end the kubelet names.
fn enable_controllers(folder: &Path) {
    for parent in [Path::new(ROOT), folder] {
        for controller in CONTROLLERS {
            drop(fs::write(
                parent.join("cgroup.subtree_control"),
                format!("+{controller}"),
            ));
        }
    }
}

/// So often the weight of one process.
fn weigh(folder: &Path, times: usize) -> Result<()> {
    for (file, weight, most) in [SHARES, WEIGHT] {
        let path = folder.join(file);
        if path.exists() {
            let value = (weight * times).min(most).to_string();
            fs::write(&path, value).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

/// All of the machine's, as the kubelet counts them: this process may have been given fewer.
fn processors() -> Result<usize> {
    let all = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
    let count = all.lines().filter(|line| line.starts_with("processor"));
    Ok(count.count().max(1))
}

const ROOT: &str = "/sys/fs/cgroup";

fn is_version_2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The folders of a control group: one, or one for each controller where they are version 1.
fn folders(name: &str) -> Vec<PathBuf> {
    if is_version_2() {
        return vec![Path::new(ROOT).join(name)];
    }
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    // `cpu` may be a link to `cpu,cpuacct`: the same folder twice is no harm.
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .map(|path| path.join(name))
        .collect()
}

/// Control groups are the one thing that is in no namespace. They are empty by now, or will be in a
/// moment: the kernel is still burying their processes.
pub(super) fn remove(name: &str) {
    for _ in 0..50 {
        let left = folders(name)
            .iter()
            .filter(|folder| folder.exists() && !remove_below(folder))
            .count();
        if left == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    eprintln!("left behind: the empty control groups {name} under {ROOT}");
}

/// Those of runs that were killed outright, and could not clean up: the process that their names
/// name is no more.
pub(super) fn remove_stale() {
    for folder in folders("") {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
                remove_below(&entry.path());
            }
        }
    }
}

fn remove_below(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
        }
    }
    fs::remove_dir(folder).is_ok()
}
