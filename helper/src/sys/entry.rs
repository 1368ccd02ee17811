//! Where the C library calls us, and the environment.

use alloc::vec::Vec;
use core::ffi::CStr;
use libc::{c_char, c_int};

use super::c_text;

/// # Safety
/// The C library calls it, with `count` texts at `values`.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(count: c_int, values: *const *const c_char) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    let arguments: Vec<Vec<u8>> = (1..count)
        .map(|at| {
            // SAFETY: there are `count` pointers at `values`, each to a text that ends with a zero and stays.
            unsafe { CStr::from_ptr(*values.add(at)) }
                .to_bytes()
                .to_vec()
        })
        .collect();
    let status = crate::run(&arguments);
    // SAFETY: ends the process. Nothing is buffered.
    unsafe { libc::_exit(status) }
}

/// A variable of the environment.
pub(crate) fn var(name: &[u8]) -> Option<Vec<u8>> {
    let name = c_text(name)?;
    // SAFETY: `name` is a text that ends with a zero. Nothing here changes the environment, so the value stays.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv gave a text that ends with a zero.
    Some(unsafe { CStr::from_ptr(value) }.to_bytes().to_vec())
}
