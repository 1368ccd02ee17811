//! Memory, and what becomes of a bug: callers get their drain all the same.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::clock;

struct Malloc;

/// What malloc aligns to on 64-bit Linux.
const ALIGNED: usize = 16;

// SAFETY: malloc, realloc and free keep the contract for alignments up to `ALIGNED`; others get no memory.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNED {
            return core::ptr::null_mut();
        }
        // SAFETY: any size is allowed.
        unsafe { libc::malloc(layout.size()) }.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller hands back what `alloc` or `realloc` gave.
        unsafe { libc::free(memory.cast()) }
    }

    unsafe fn realloc(&self, memory: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller hands over what `alloc` or `realloc` gave.
        unsafe { libc::realloc(memory.cast(), size) }.cast()
    }
}

#[global_allocator]
static MALLOC: Malloc = Malloc;

static DRAIN_MILLIS: AtomicU64 = AtomicU64::new(0);

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// As sysexits.h has it for an error in the software itself.
const FAILED: libc::c_int = 70;

/// From here on a panic does not wait, and is told to the process that waits for this one.
pub(super) fn now_in_child() {
    drain_on_panic(0);
    IS_CHILD.store(true, Ordering::Relaxed);
}

/// Seconds that this process waits should it panic.
pub(crate) fn drain_on_panic(seconds: u64) {
    DRAIN_MILLIS.store(seconds * 1000, Ordering::Relaxed);
}

/// Memory that has run out ends here, too. The hook's own status is 0: a failing postStart would kill the container.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // At once, or a second panic would wait again.
    let millis = DRAIN_MILLIS.swap(0, Ordering::Relaxed);
    clock::sleep_until(clock::now().saturating_add(millis));
    let status = if IS_CHILD.load(Ordering::Relaxed) {
        FAILED
    } else {
        0
    };
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}
