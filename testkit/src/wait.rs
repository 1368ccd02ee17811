//! Waiting for a condition: it is asked for again and again, and not for ever.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Bounds a wait: ten times what anything here takes on a busy machine of two cores, so it turns a hang into a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks. Many of them start a kubectl.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something, and not longer than `patience`.
///
/// # Errors
///
/// That of `look`, which ends the wait, or that the time is up.
pub fn within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() > patience {
            bail!("waited {} s in vain: {what}", patience.as_secs());
        }
        thread::sleep(PAUSE);
    }
}

/// Looks until there is something, in a test: what never comes fails it.
///
/// # Panics
///
/// After [`PATIENCE`].
#[allow(clippy::panic, reason = "so does a test fail")]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, || Ok(look())).unwrap_or_else(|error| panic!("{error}"))
}
