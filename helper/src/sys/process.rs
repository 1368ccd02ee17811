//! Processes: started, waited for, ended.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libc::{c_int, c_uint, pid_t, sigset_t};

use super::clock::timespec;
use super::file::{File, close, pipe, poll};
use super::memory::now_in_child;
use super::{c_text, errno, now};

/// As a shell says it.
pub(crate) const NOT_FOUND: c_int = 127;
const NOT_RUN: c_int = 126;
const KILLED_BY: c_int = 128;

/// What the user's own hook gets back as it was.
static PIPE_WAS: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static CHILD_WAS: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static CHILD_WAS_BLOCKED: AtomicBool = AtomicBool::new(false);

fn only_child_signal() -> sigset_t {
    let mut set = core::mem::MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: sigemptyset makes a valid set of the memory, which then is one.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        set.assume_init()
    }
}

/// A reader that went away must not end us, and the end of a child has to be waited for with a bound.
pub(crate) fn prepare_signals() {
    let set = only_child_signal();
    let mut before = set;
    // SAFETY: dispositions without a handler; the sets are valid.
    unsafe {
        PIPE_WAS.store(
            libc::signal(libc::SIGPIPE, libc::SIG_IGN),
            Ordering::Relaxed,
        );
        CHILD_WAS.store(
            libc::signal(libc::SIGCHLD, libc::SIG_DFL),
            Ordering::Relaxed,
        );
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
        CHILD_WAS_BLOCKED.store(
            libc::sigismember(&raw const before, libc::SIGCHLD) == 1,
            Ordering::Relaxed,
        );
    }
}

fn signals_as_they_were() {
    let set = only_child_signal();
    // SAFETY: what is put back is what `signal` gave; SIG_ERR cannot be, for both signals may be set.
    unsafe {
        libc::signal(libc::SIGPIPE, PIPE_WAS.load(Ordering::Relaxed));
        libc::signal(libc::SIGCHLD, CHILD_WAS.load(Ordering::Relaxed));
        if !CHILD_WAS_BLOCKED.load(Ordering::Relaxed) {
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, core::ptr::null_mut());
        }
    }
}

/// A process that was started and is waited for.
pub(crate) struct Child(pid_t);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Its status as a shell says it: above 128 it was killed.
    Ended(c_int),
    /// It still runs.
    Over,
}

/// Runs `work` in a process of its own, which ends with what it gives.
pub(crate) fn fork(work: impl FnOnce() -> c_int) -> Option<Child> {
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        ..0 => None,
        0 => {
            now_in_child();
            let status = work();
            // SAFETY: ends the process. Nothing is buffered.
            unsafe { libc::_exit(status) }
        }
        pid => Some(Child(pid)),
    }
}

/// Runs `work` in a process that is not waited for, but for its dropping what it was given, until `until`.
pub(crate) fn fork_ready(until: u64, work: impl FnOnce(File) -> c_int) {
    let Some((reader, writer)) = pipe() else {
        return;
    };
    let number = writer.0;
    // The child has a copy of the writer, the only one once the parent has closed its own.
    let child = fork(|| work(File(number)));
    drop(writer);
    if child.is_some() {
        poll(reader.0, libc::POLLIN, until);
    }
}

impl Child {
    /// Waits until it has ended, or `until`.
    pub(crate) fn wait(&self, until: Option<u64>) -> Waited {
        /// Should the signal be lost.
        const LOOK_MILLIS: u64 = 200;
        loop {
            let mut status = 0;
            // SAFETY: `status` is there to be written.
            let ended = unsafe { libc::waitpid(self.0, &raw mut status, libc::WNOHANG) };
            if ended == self.0 {
                return Waited::Ended(if libc::WIFEXITED(status) {
                    libc::WEXITSTATUS(status)
                } else {
                    KILLED_BY + libc::WTERMSIG(status)
                });
            }
            if ended < 0 && errno() != libc::EINTR {
                // Another has reaped it: it is not known how it ended.
                return Waited::Ended(1);
            }
            let left = until.map_or(u64::MAX, |until| until.saturating_sub(now()));
            if left == 0 {
                return Waited::Over;
            }
            let set = only_child_signal();
            let time = timespec(left.min(LOOK_MILLIS));
            // SAFETY: set and time are valid; which signal it was is not asked for.
            unsafe { libc::sigtimedwait(&raw const set, core::ptr::null_mut(), &raw const time) };
        }
    }

    /// Ends it, whatever it does, and reaps it.
    pub(crate) fn kill(&self) {
        /// A process in the kernel's own sleep takes its time; it is not waited for.
        const REAP_MILLIS: u64 = 100;
        // SAFETY: it is a child of ours that has not been reaped, so no other process has its number.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        self.wait(Some(now() + REAP_MILLIS));
    }
}

/// Becomes the command. Gives a status only where that fails.
pub(crate) fn exec(command: &[Vec<u8>]) -> c_int {
    let Some(texts) = command
        .iter()
        .map(|text| c_text(text))
        .collect::<Option<Vec<CString>>>()
    else {
        return NOT_RUN;
    };
    let mut pointers: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
    let Some(&program) = pointers.first() else {
        return NOT_RUN;
    };
    pointers.push(core::ptr::null());
    signals_as_they_were();
    // SAFETY: the texts end with a zero, and the list of them with a null.
    unsafe { libc::execvp(program, pointers.as_ptr()) };
    let status = if errno() == libc::ENOENT {
        NOT_FOUND
    } else {
        NOT_RUN
    };
    // Where there was none, a later write may still meet a reader that went away.
    // SAFETY: a disposition without a handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    status
}

/// Ends this process for certain after so many seconds.
pub(crate) fn end_after(seconds: u64) {
    // SAFETY: the signal's disposition is set to ending the process, which needs no handler.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(c_uint::try_from(seconds).unwrap_or(c_uint::MAX));
    }
}

/// Ends this process with the one that started it.
pub(super) fn end_with_parent() {
    // SAFETY: takes a number of a signal.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// What ends the hook's group of processes does not end this one.
pub(crate) fn own_session() {
    // SAFETY: takes nothing; fails only for a leader of a group, which a forked process is not.
    unsafe { libc::setsid() };
}

/// Closes all that this process has from others but one file.
pub(super) fn close_all_but(kept: c_int) {
    /// The hook opens a handful.
    const FILES: c_int = 64;
    (0..FILES).filter(|file| *file != kept).for_each(close);
}

pub(crate) fn own_pid() -> u64 {
    // SAFETY: takes nothing and cannot fail.
    u64::try_from(unsafe { libc::getpid() }).unwrap_or(0)
}

/// False where it was refused, or the process is not there.
pub(crate) fn send_signal(pid: u64, signal: c_int) -> bool {
    match pid_t::try_from(pid) {
        // Numbers below mean groups.
        // SAFETY: takes numbers.
        Ok(pid) if pid > 0 => unsafe { libc::kill(pid, signal) == 0 },
        _ => false,
    }
}

/// The number of a signal that has this name, without SIG.
pub(crate) fn signal(name: &[u8]) -> Option<c_int> {
    const NAMES: &[(&str, c_int)] = &[
        ("HUP", libc::SIGHUP),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("ABRT", libc::SIGABRT),
        ("KILL", libc::SIGKILL),
        ("USR1", libc::SIGUSR1),
        ("USR2", libc::SIGUSR2),
        ("ALRM", libc::SIGALRM),
        ("TERM", libc::SIGTERM),
        ("CONT", libc::SIGCONT),
        ("STOP", libc::SIGSTOP),
        ("TSTP", libc::SIGTSTP),
        ("TTIN", libc::SIGTTIN),
        ("TTOU", libc::SIGTTOU),
        ("WINCH", libc::SIGWINCH),
        ("PWR", libc::SIGPWR),
    ];
    NAMES
        .iter()
        .find(|(known, _)| known.as_bytes() == name)
        .map(|(_, number)| *number)
}
