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

/// Says to the processes in the enclosure what the one outside has named the group.
pub(super) const VARIABLE: &str = "PROVE_CGROUP";

const PREFIX: &str = "silkroll-prove-";

/// What one process weighs, and a group that nobody has weighed, in version 1.
const SHARES: (&str, usize) = ("cpu.shares", 1024);

/// The same in version 2.
const WEIGHT: (&str, usize) = ("cpu.weight", 100);

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
    let processors = thread::available_parallelism()?.get();
    for folder in folders(&name()) {
        make_folder(&folder)?;
        // As heavy as all that are in it.
        weigh(&folder, 3 * processors + 1)?;
    }
    for group in Group::ALL {
        // The kubelet gives to all pods the weight of a process on each processor, and systemd that of one to a
        // node's own programs. In version 2 there is nothing to be set before the kubelet comes; the default is near.
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

/// So often the weight of one process, where the controller of processors is.
fn weigh(folder: &Path, times: usize) -> Result<()> {
    for (file, weight) in [SHARES, WEIGHT] {
        let path = folder.join(file);
        if path.exists() {
            let value = (weight * times).to_string();
            fs::write(&path, value).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
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
