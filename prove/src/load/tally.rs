//! Counting, in memory that does not grow with the number of requests.

use std::time::Duration;

use crate::record::{Lateness, Load, Lost, Second};

/// So many lost requests are kept with all they say, about 30 MB: eight minutes of losing every
/// one at 200 a second. The counts go on.
const MOST_LOST: usize = 100_000;
/// Lateness beyond this is counted as this; the greatest is known exactly.
const LATEST_MS: usize = 10_000;

/// The counts of a run.
#[derive(Debug)]
pub(super) struct Tally {
    load: Load,
    /// How many requests were late by so many milliseconds.
    late: Vec<u64>,
}

/// A duration in whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Tally {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            load: Load {
                rate,
                ..Load::default()
            },
            late: vec![0; LATEST_MS + 1],
        }
    }

    fn second(&mut self, due: Duration) -> &mut Second {
        let second = due.as_secs();
        let seconds = &mut self.load.seconds;
        let index = usize::try_from(second).unwrap_or(usize::MAX);
        while seconds.len() <= index {
            seconds.push(Second {
                second: seconds.len() as u64,
                ..Second::default()
            });
        }
        &mut seconds[index]
    }

    pub(super) fn sent(&mut self, due: Duration) {
        self.second(due).sent += 1;
    }

    pub(super) fn begun(&mut self, late: Duration) {
        let late = millis(late);
        self.late[usize::try_from(late).map_or(LATEST_MS, |late| late.min(LATEST_MS))] += 1;
        self.load.lateness.max_ms = self.load.lateness.max_ms.max(late);
    }

    /// An answer that came `took` after its request was due, beyond what was asked for.
    pub(super) fn ok(&mut self, due: Duration, took: Duration) {
        let took = millis(took);
        self.load.slowest_ms = self.load.slowest_ms.max(took);
        let second = self.second(due);
        second.ok += 1;
        second.slowest_ms = second.slowest_ms.max(took);
    }

    pub(super) fn lost(&mut self, due: Duration, lost: Lost) {
        self.second(due).lost += 1;
        if self.load.lost.len() < MOST_LOST {
            self.load.lost.push(lost);
        }
    }

    pub(super) fn retried(&mut self) {
        self.load.retried += 1;
    }

    /// Sent, ok and lost so far.
    pub(super) fn so_far(&self) -> (u64, u64, u64) {
        self.load.seconds.iter().fold((0, 0, 0), |sum, second| {
            (sum.0 + second.sent, sum.1 + second.ok, sum.2 + second.lost)
        })
    }

    pub(super) fn finish(&mut self, closed_idle: u64) -> Load {
        let mut load = std::mem::take(&mut self.load);
        load.closed_idle = closed_idle;
        load.lost.sort_by_key(|lost| lost.at_ms);
        load.lateness = Lateness {
            p50_ms: self.late_at(50),
            p99_ms: self.late_at(99),
            max_ms: load.lateness.max_ms,
        };
        load
    }

    /// The lateness that so many of a hundred requests did not exceed.
    fn late_at(&self, percent: u64) -> u64 {
        let total: u64 = self.late.iter().sum();
        let mut below = 0;
        let at = self.late.iter().position(|count| {
            below += count;
            below * 100 >= total * percent
        });
        at.unwrap_or_default() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_what_so_many_did_not_exceed() {
        let mut tally = Tally::new(1);
        for late in 1..=100 {
            tally.begun(Duration::from_millis(late));
        }
        tally.begun(Duration::from_secs(60));
        let lateness = tally.finish(0).lateness;
        assert_eq!(
            lateness,
            Lateness {
                p50_ms: 51,
                p99_ms: 100,
                max_ms: 60_000
            }
        );
        assert_eq!(Tally::new(1).finish(0).lateness, Lateness::default());
    }

    #[test]
    fn seconds_have_no_gaps() {
        let mut tally = Tally::new(1);
        tally.sent(Duration::from_millis(2500));
        tally.ok(Duration::from_millis(2500), Duration::from_millis(7));
        let seconds: Vec<(u64, u64)> = tally
            .finish(0)
            .seconds
            .iter()
            .map(|second| (second.second, second.sent))
            .collect();
        assert_eq!(seconds, [(0, 0), (1, 0), (2, 1)]);
    }
}
