//! A clock that only goes forward, in milliseconds.

use libc::timespec;

pub(crate) fn now() -> u64 {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is there to be written. This clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

pub(super) fn timespec(millis: u64) -> timespec {
    // The remainder is below a thousand.
    timespec {
        tv_sec: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
    }
}

/// However often signals interrupt it.
pub(crate) fn sleep_until(until: u64) {
    loop {
        let left = until.saturating_sub(now());
        if left == 0 {
            return;
        }
        let left = timespec(left);
        // SAFETY: `left` is a valid time; what remains is not asked for.
        unsafe { libc::nanosleep(&raw const left, core::ptr::null_mut()) };
    }
}
