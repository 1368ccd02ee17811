//! What threads share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, also where another thread has panicked with it: that thread's failure is told where it is joined.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
