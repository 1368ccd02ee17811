//! The C library and the kernel, behind functions that are safe to call. One thread, no handlers of signals.
//! The declarations are those of the `libc` crate for glibc; what is used of them has the same form in musl, which is
//! linked: numbers and structures of the kernel, and `addrinfo`, `dirent` and `sigset_t`, which were compared.

mod clock;
mod entry;
mod file;
mod lock;
mod memory;
mod net;
mod process;
mod procfs;
mod resolve;

pub(crate) use clock::{now, sleep_until};
pub(crate) use entry::var;
pub(crate) use file::{close, complain, duplicate_stdout, null_stdio, open_log, print_to, write};
pub(crate) use lock::{end_lock, lock};
pub(crate) use memory::drain_on_panic;
pub(crate) use net::exchange;
pub(crate) use process::{
    Child, NOT_FOUND, Waited, end_after, exec, fork, fork_ready, own_pid, own_session,
    prepare_signals, send_signal, signal,
};
pub(crate) use procfs::{age, process, processes, whole};

use alloc::ffi::CString;
use libc::c_int;

fn errno() -> c_int {
    // SAFETY: the C library gives the address of this thread's errno, which is always there.
    unsafe { *libc::__errno_location() }
}

/// As C takes a text: none where a zero byte is inside.
fn c_text(text: &[u8]) -> Option<CString> {
    CString::new(text).ok()
}

/// Repeats what a signal interrupted.
fn retried(mut call: impl FnMut() -> isize) -> isize {
    loop {
        let result = call();
        if result >= 0 || errno() != libc::EINTR {
            return result;
        }
    }
}
