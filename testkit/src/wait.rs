//! Waiting for a condition: it is asked for again and again, and not for ever. And the time that a machine has.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError, channel};
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

/// What a [`step`] takes on a machine with nothing else to do: what it sleeps, and what it takes to start a program and to
/// hear of its end.
const STEP: Duration = Duration::from_millis(25);

/// A program that starts, sleeps and ends.
fn step() {
    let slept = Command::new("/bin/sleep").arg("0.02").status();
    drop(slept);
}

/// Does something that has a budget, and tells what it took beyond that: not by the clock, but by what this machine got done
/// meanwhile. A script starts programs and waits for them, and takes long where the machine is slow or busy; so do the steps
/// that are counted here.
pub fn over<T>(budget: Duration, work: impl FnOnce() -> T) -> (T, Duration) {
    let (ended, end) = channel::<()>();
    thread::scope(|scope| {
        let counting = scope.spawn(move || {
            let mut over = Duration::ZERO;
            if end.recv_timeout(budget) == Err(RecvTimeoutError::Timeout) {
                while end.try_recv() == Err(TryRecvError::Empty) {
                    step();
                    over += STEP;
                }
            }
            over
        });
        let done = work();
        drop(ended);
        (done, counting.join().unwrap_or_default())
    })
}

/// Between two beats of a [`Pulse`].
const BEAT: Duration = Duration::from_millis(10);

/// Time as this machine has it: how long a thread that sleeps again and again has slept. Where the machine keeps up that is
/// the time by the clock; where it is busy or stands still, it is less, for the program that is timed and for this alike.
#[derive(Debug)]
pub struct Pulse(Arc<AtomicU32>);

impl Pulse {
    /// Begins, and ends when it is dropped.
    #[must_use]
    pub fn start() -> Self {
        let beats = Arc::<AtomicU32>::default();
        let pulse = Self(Arc::clone(&beats));
        thread::spawn(move || {
            // The other is the pulse itself.
            while Arc::strong_count(&beats) > 1 {
                thread::sleep(BEAT);
                beats.fetch_add(1, Ordering::Relaxed);
            }
        });
        pulse
    }

    /// Since its start, and never more than by the clock.
    #[must_use]
    pub fn time(&self) -> Duration {
        BEAT * self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_budget_is_counted_and_nothing_else() {
        assert_eq!(over(Duration::MAX, || ()).1, Duration::ZERO);
        let begun = Instant::now();
        // Long enough for a busy machine to begin counting meanwhile.
        let ((), counted) = over(BEAT, || thread::sleep(Duration::from_secs(2)));
        // A step takes 20 ms at least.
        let most = begun.elapsed() * 5 / 4;
        assert!(STEP <= counted && counted <= most, "{counted:?}");
    }

    #[test]
    fn a_pulse_goes_on_and_is_never_ahead_of_the_clock() {
        let begun = Instant::now();
        let pulse = Pulse::start();
        for beats in 1..5 {
            let time = eventually("a beat", || {
                let time = pulse.time();
                (time >= BEAT * beats).then_some(time)
            });
            assert!(time <= begun.elapsed());
        }
    }
}
