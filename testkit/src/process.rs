//! Programs: one that runs on beside the caller with a log of its own, and one whose end is waited for.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::wait::within;

const SUPERVISE: &str = include_str!("supervise.sh");

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// What it is called in messages; its log is NAME.log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside those that are inherited, of which KUBECONFIG is none.
    pub env: Vec<(String, String)>,
}

/// In which order a supervised program ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order<'a> {
    /// The program of this name, in the same folder, first.
    pub after: Option<&'a str>,
    /// The folder is removed when this one has been told to end and has.
    pub clean: bool,
}

/// A program that runs until this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    supervised: bool,
}

/// How much of a log is worth showing.
const TAIL: usize = 4000;

/// Bounds the end of a supervised program; the supervisor's own bounds are 20 s for the program before it and 10 s
/// until SIGKILL.
const ENDS: Duration = Duration::from_secs(40);

impl Process {
    /// Starts it. Dropping this kills it; where this process ends without that, it runs on.
    ///
    /// # Errors
    ///
    /// Where program or log cannot be opened.
    pub fn start(spec: &Spec, logs: &Path) -> Result<Self> {
        let mut command = Command::new(&spec.program);
        command.stdin(Stdio::null());
        Self::spawn(command, spec, logs, false)
    }

    /// Starts it in a folder, which is also its HOME and has its log and its process id, NAME.pid. It is asked to end
    /// when this is dropped or this process ends, in whatever way (see `supervise.sh`).
    ///
    /// # Errors
    ///
    /// Where there is no `sh` or the log cannot be opened.
    pub fn supervised(spec: &Spec, folder: &Path, order: Order<'_>) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SUPERVISE, "supervise", &spec.name])
            .arg(order.after.unwrap_or("-"))
            .arg(if order.clean {
                folder.as_os_str()
            } else {
                "-".as_ref()
            })
            .arg(&spec.program)
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::piped());
        Self::spawn(command, spec, folder, true)
    }

    fn spawn(mut command: Command, spec: &Spec, logs: &Path, supervised: bool) -> Result<Self> {
        let log = logs.join(format!("{}.log", spec.name));
        let open = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&log)
                .with_context(|| format!("opening {}", log.display()))
        };
        let child = command
            .args(&spec.args)
            .env_remove("KUBECONFIG")
            .envs(spec.env.iter().cloned())
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .with_context(|| format!("starting {}", spec.program.display()))?;
        Ok(Self {
            name: spec.name.clone(),
            log,
            child,
            supervised,
        })
    }

    /// Its process id.
    ///
    /// # Errors
    ///
    /// Where a supervised program has ended, or has not begun yet.
    pub fn id(&self) -> Result<u32> {
        if !self.supervised {
            return Ok(self.child.id());
        }
        let path = self.log.with_extension("pid");
        let id =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        id.trim().parse().context("an odd process id")
    }

    /// What it has used until now, as the kernel counts it.
    ///
    /// # Errors
    ///
    /// Where it does not run.
    pub fn used(&self) -> Result<Used> {
        used(self.id()?)
    }

    /// Ends it as a crash would: no handler runs, nothing is given back.
    ///
    /// # Errors
    ///
    /// Where it has ended before.
    pub fn kill(mut self) -> Result<()> {
        self.signal("KILL")?;
        within(ENDS, "its end", || Ok(self.ended().then_some(())))
    }

    /// Sends it a signal, by its name without SIG, and does not wait for what comes of it.
    ///
    /// # Errors
    ///
    /// Where it has ended before.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let id = self.id()?.to_string();
        let sent = run(Command::new("kill").args(["-s", signal, &id]), b"")?;
        if !sent.success {
            bail!("{} got no SIG{signal}: {}", self.name, sent.stderr);
        }
        Ok(())
    }

    /// Has it ended by itself?
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// It still runs.
    ///
    /// # Errors
    ///
    /// With the end of its log where it does not.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status})\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// The end of its log, for messages.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(TAIL)..];
        format!(
            "--- the end of {}:\n{}",
            self.log.display(),
            String::from_utf8_lossy(tail)
        )
    }

    /// Asks a supervised program to end; dropping this waits for that.
    pub fn ask_to_end(&mut self) {
        drop(self.child.stdin.take());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.supervised {
            self.ask_to_end();
            let ended = within(ENDS, "its end", || Ok(self.ended().then_some(())));
            drop(ended);
        }
        // Both fail where it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time since its start.
    pub cpu: Duration,
    /// Bytes of memory now.
    pub memory: u64,
    /// Bytes of it that are not pages of the program's own file, which all of its processes share.
    pub anonymous: u64,
    /// Bytes of memory at most.
    pub most: u64,
}

/// What the process of this number has used until now, as the kernel counts it.
///
/// # Errors
///
/// Where it does not run.
pub fn used(id: u32) -> Result<Used> {
    let read = |name: &str| {
        let path = format!("/proc/{id}/{name}");
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    };
    let stat = read("stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    let status = read("status")?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let kib = kib.with_context(|| format!("no {name} of process {id}"))?;
        anyhow::Ok(kib * 1024)
    };
    Ok(Used {
        // USER_HZ is 100 on every Linux that Rust runs on.
        cpu: Duration::from_millis(ticks * 10),
        memory: bytes("VmRSS:")?,
        anonymous: bytes("RssAnon:")?,
        most: bytes("VmHWM:")?,
    })
}

/// Bytes in MiB, for people.
#[must_use]
pub fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}

/// What a program said until it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// It ended with 0.
    pub success: bool,
    /// What it ended with; none where a signal ended it.
    pub code: Option<i32>,
    /// Its output, as text.
    pub stdout: String,
    /// What it said besides, as text.
    pub stderr: String,
}

/// Runs a program to its end, with this as its input.
///
/// # Errors
///
/// Where it cannot be started.
pub fn run(command: &mut Command, stdin: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let pipe = child.stdin.take();
    let stdin = stdin.to_owned();
    // It may end before it has read everything: its exit code says what that means.
    let feeder = thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&stdin)));
    let output = child.wait_with_output()?;
    drop(feeder.join());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Output {
        success: output.status.success(),
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Spec {
        Spec {
            name: "program".to_owned(),
            program: "sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            ..Spec::default()
        }
    }

    /// A folder of one test.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("testkit-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_program_that_ended_is_told_with_its_log() {
        let folder = folder("ended");
        let mut process = Process::start(&shell("echo what it said; exit 3"), &folder).unwrap();
        crate::wait::eventually("its end", || process.ended().then_some(()));
        let error = process.check().unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("what it said"),
            "{error}"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_supervised_program_is_asked_to_end_and_its_folder_goes_with_it() {
        let folder = folder("supervised");
        let told = folder.with_extension("told");
        let script = format!(
            "trap 'echo asked >{}; exit' TERM; echo up; while :; do sleep 0.05; done",
            told.display()
        );
        let clean = Order {
            clean: true,
            ..Order::default()
        };
        let process = Process::supervised(&shell(&script), &folder, clean).unwrap();
        crate::wait::eventually("that it is up", || {
            process.tail().ends_with("\nup\n").then_some(())
        });
        let id = crate::wait::eventually("its process id", || process.id().ok());
        assert_ne!(id, process.child.id());
        drop(process);
        assert_eq!(fs::read_to_string(&told).unwrap(), "asked\n");
        assert!(!folder.exists());
        fs::remove_file(told).unwrap();
    }

    #[test]
    fn a_supervised_program_can_be_killed() {
        let folder = folder("killed");
        let script = "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done";
        let process = Process::supervised(&shell(script), &folder, Order::default()).unwrap();
        crate::wait::eventually("its start", || process.id().ok());
        process.kill().unwrap();
        let log = fs::read_to_string(folder.join("program.log")).unwrap();
        assert!(!log.contains("asked"), "{log}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_program_gets_and_says_is_kept_apart() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo besides >&2; exit 4"]);
        let output = run(&mut command, b"its input").unwrap();
        assert_eq!(
            (
                output.success,
                output.code,
                &*output.stdout,
                &*output.stderr
            ),
            (false, Some(4), "its input", "besides\n")
        );
        // More than a pipe holds, to one that reads nothing.
        assert!(
            run(&mut Command::new("true"), &vec![0; 1 << 20])
                .unwrap()
                .success
        );
    }
}
