//! How fast what others undo is done again.

use std::time::Duration;

use tokio::time::Instant;

/// So many times it is done at once: what happens now and then is put back within a second.
const AT_ONCE: u32 = 5;
/// From how many times on it is no accident.
const FIGHT: u32 = 3;
/// The first interval after that; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
/// What went is to be back within 5 s, in a fight, too.
const LONGEST: Duration = Duration::from_secs(2);
/// What has stayed this long is not fought over.
const STAYS: Duration = Duration::from_secs(60);

/// When it was done last, and how often in a row.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    times: u32,
}

impl Pace {
    /// It was done again.
    pub(super) fn done(&mut self, now: Instant) {
        let stayed = self.last.is_none_or(|last| now - last >= STAYS);
        self.times = if stayed {
            1
        } else {
            self.times.saturating_add(1)
        };
        self.last = Some(now);
    }

    /// How long until it may be done again; none where that is now.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let doubled = self.times.checked_sub(AT_ONCE)?;
        let interval = FIRST.saturating_mul(1 << doubled.min(8)).min(LONGEST);
        let wait = interval.checked_sub(now - self.last?)?;
        (!wait.is_zero()).then_some(wait)
    }

    /// Whether somebody undoes it again and again.
    pub(super) fn fights(&self) -> bool {
        self.times >= FIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undone_at_once_is_done_ever_more_slowly_and_what_stays_at_once() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        let mut waits = vec![];
        for _ in 0..10 {
            let wait = pace.wait(now).unwrap_or_default();
            waits.push(wait.as_millis());
            now += wait;
            pace.done(now);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 2000]);
        assert!(pace.fights());
        // Somebody slower is answered at once.
        now += LONGEST;
        assert_eq!(pace.wait(now), None);
        pace.done(now);
        assert_eq!(pace.wait(now), Some(LONGEST));
        now += STAYS;
        pace.done(now);
        assert_eq!(pace.wait(now), None);
        assert!(!pace.fights());
        // A minute's worth of a fight is some 30 writes.
        let (mut writes, end) = (0, now + STAYS);
        while now < end {
            now += pace.wait(now).unwrap_or_default();
            pace.done(now);
            writes += 1;
        }
        assert!((30..45).contains(&writes), "{writes}");
    }
}
