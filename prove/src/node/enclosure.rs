//! The namespaces that the node lives in, and that everything ends with.
//!
//! Three processes stand around it. The command that the user typed spawns `unshare`, which goes
//! when its parent goes and takes its child along; that child is the first process of a PID
//! namespace, and when it ends the kernel kills whatever else is in there. The first process has
//! to collect the dead, as every container's shim becomes its child, so the work is done by a
//! child of it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::thread;

use anyhow::{Context as _, Result};
use rustix::fs::Mode;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, umask, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{ground, groups};

/// Says to the program which of the three it is: `first` or `inside`; outside there is none.
pub const ROLE: &str = "PROVE_ROLE";

/// Which of the processes around the node this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the user started.
    Outside,
    /// The first process of the namespaces.
    First,
    /// The one that does the work.
    Inside,
}

impl Role {
    /// This process's own.
    #[must_use]
    pub fn of_this_process() -> Self {
        match std::env::var(ROLE).as_deref() {
            Ok("first") => Self::First,
            Ok("inside") => Self::Inside,
            _ => Self::Outside,
        }
    }
}

/// Runs this same program with the same arguments in namespaces of its own, and gives back how it
/// ended. Ctrl-C ends both; so does the end of this process, in whatever way.
///
/// # Errors
///
/// Where `unshare` cannot be started.
pub fn enter() -> Result<ExitStatus> {
    groups::remove_stale();
    let group = groups::name();
    let this = std::env::current_exe().context("finding this program")?;
    // `--kill-child` covers the death of unshare, the parent-death signal that of this process.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(this)
        .args(std::env::args_os().skip(1))
        .env(ROLE, "first")
        .env(groups::VARIABLE, &group)
        .spawn()
        .context("starting setpriv and unshare: apt-get install util-linux")?;
    end_at_signals(Pid::from_child(&child))?;
    let status = child.wait().context("waiting for the enclosure")?;
    groups::remove(&group);
    Ok(status)
}

/// On a signal that asks for the end the enclosure ends first, and then this process, which has to clean up.
fn end_at_signals(enclosure: Pid) -> Result<()> {
    at_signals(move || {
        // Where it has ended by itself, this process is about to end, too.
        let _ = kill_process(enclosure, Signal::KILL);
    })
}

/// What asks a program to end: Ctrl-C, `kill`, a terminal that goes away, and Ctrl-\.
const ENDS: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Does this on the first signal that asks for the end, instead of what the system would do.
///
/// # Errors
///
/// Where signals cannot be listened to.
pub fn at_signals(then: impl FnOnce() + Send + 'static) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    // nohup ignores it for those who want a program to outlive their terminal.
    let heard = |end: &Signal| *end != Signal::HUP || !ignored(&status, *end);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (sender, mut receiver) = mpsc::channel(1);
    for end in ENDS.into_iter().filter(heard) {
        let _inside = runtime.enter();
        let mut signals = signal(SignalKind::from_raw(end.as_raw()))?;
        let sender = sender.clone();
        runtime.spawn(async move {
            signals.recv().await;
            // One before may have filled it, and that is enough.
            let _ = sender.try_send(());
        });
    }
    thread::spawn(move || {
        runtime.block_on(receiver.recv());
        then();
    });
    Ok(())
}

/// Whether a process ignores a signal, by its `/proc/PID/status`.
fn ignored(status: &str, signal: Signal) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first signal is number 1 and has the lowest bit.
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

/// What the first process does: start the work, collect the dead, and end as the work ended.
///
/// # Errors
///
/// Where this program cannot be started again.
pub fn be_first() -> Result<i32> {
    let this = std::env::current_exe().context("finding this program")?;
    // What is made has to be readable for the users that containers run as.
    umask(Mode::WGRP | Mode::WOTH);
    let mut work = Command::new(this);
    work.args(std::env::args_os().skip(1)).env(ROLE, "inside");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_the_user) {
            work.env_remove(name);
        }
    }
    // kubectl keeps a cache there, Java and buildah what they have been told.
    let child = work
        .env("HOME", ground::HOME)
        .spawn()
        .context("starting the work")?;
    let child = i32::try_from(child.id()).context("an odd process id")?;
    loop {
        if let Some((pid, status)) = wait(WaitOptions::empty())?
            && pid.as_raw_nonzero().get() == child
        {
            let status = ExitStatus::from_raw(status.as_raw());
            // A shell's way to say that a signal ended it.
            return Ok(status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
        }
    }
}

/// Variables that hold for the user and the machine, and not for the node: proxies, which are not
/// reached from there, for Java in its own options, and folders, which are not for the node to write to.
fn is_of_the_user(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    name.ends_with("_PROXY")
        || name.starts_with("XDG_")
        || name.ends_with("JAVA_OPTIONS")
        || [
            "CLASSPATH",
            "JAVA_TOOL_OPTIONS",
            "KUBECACHEDIR",
            "KUBERC",
            "TMPDIR",
        ]
        .contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_user_stay_outside() {
        for name in ["HTTPS_PROXY", "http_proxy", "no_proxy", "ALL_PROXY"] {
            assert!(is_of_the_user(name), "{name}");
        }
        assert!(is_of_the_user("XDG_CACHE_HOME"));
        for name in ["PATH", "COMMAND", "TERM", ROLE, groups::VARIABLE] {
            assert!(!is_of_the_user(name), "{name}");
        }
    }

    #[test]
    fn an_ignored_signal_is_known_by_its_bit() {
        let nohup = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(ignored(nohup, Signal::HUP));
        assert!(!ignored(nohup, Signal::INT));
        assert!(!ignored("", Signal::HUP));
    }
}
