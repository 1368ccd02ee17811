//! Two clocks: the one that times requests, and the one that watches pods. Pure.

use crate::record::Millis;

/// One look at the other clock, as it was when it answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) asked: Millis,
    pub(super) theirs: Millis,
    pub(super) answered: Millis,
}

impl Sample {
    /// How far theirs is ahead, if the answer was written half way through.
    fn ahead(self) -> i64 {
        let middle = self.asked.midpoint(self.answered);
        self.theirs.cast_signed() - middle.cast_signed()
    }

    /// How far from the truth that may be.
    fn unsure(self) -> i64 {
        (self.answered - self.asked.min(self.answered))
            .div_ceil(2)
            .cast_signed()
    }
}

/// What is known of the other clock, by the quickest look at it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    best: Option<Sample>,
    looks: usize,
}

impl Clock {
    pub(super) fn look(&mut self, sample: Sample) {
        self.looks += 1;
        if self.best.is_none_or(|best| sample.unsure() < best.unsure()) {
            self.best = Some(sample);
        }
    }

    pub(super) fn looks(&self) -> usize {
        self.looks
    }

    /// A time of theirs on our clock. What cannot be told from no difference at all is none: clocks that
    /// agree would otherwise be taken apart by as much as asking takes.
    pub(super) fn ours(&self, theirs_ms: Millis) -> Millis {
        theirs_ms.saturating_add_signed(-self.difference())
    }

    fn difference(&self) -> i64 {
        self.best
            .filter(|best| best.ahead().abs() > best.unsure())
            .map_or(0, Sample::ahead)
    }

    pub(super) fn note(&self) -> String {
        let unsure = self.best.map_or(0, Sample::unsure);
        let difference = self.difference();
        let way = if difference > 0 { "ahead of" } else { "behind" };
        let clocks = if difference == 0 {
            format!("agree to {unsure} ms, no closer than they can be compared")
        } else {
            format!(
                "differ: the generator's was {} ms (± {unsure} ms) {way} the other, and its times are corrected by that",
                difference.abs()
            )
        };
        format!(
            "The load came from a pod; its clock and the one by which pods were watched {clocks}."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(samples: &[(Millis, Millis, Millis)]) -> Clock {
        let mut clock = Clock::default();
        for &(asked, theirs, answered) in samples {
            clock.look(Sample {
                asked,
                theirs,
                answered,
            });
        }
        clock
    }

    #[test]
    fn a_difference_that_is_one_is_corrected_by_the_quickest_look() {
        let ahead = clock(&[(1000, 4900, 2000), (3000, 6530, 3060)]);
        assert_eq!(ahead.ours(7000), 3500);
        assert!(
            ahead.note().contains("3500 ms (± 30 ms) ahead"),
            "{}",
            ahead.note()
        );
        let behind = clock(&[(3000, 1000, 3100)]);
        assert_eq!(behind.ours(7000), 9050);
        assert!(
            behind.note().contains("2050 ms (± 50 ms) behind"),
            "{}",
            behind.note()
        );
    }

    #[test]
    fn clocks_that_may_agree_are_left_alone() {
        for theirs in [1000, 1080, 1100] {
            let clock = clock(&[(1000, theirs, 1100)]);
            assert_eq!(clock.ours(5000), 5000);
            assert!(clock.note().contains("agree to 50 ms"), "{}", clock.note());
        }
        assert_eq!(clock(&[]).ours(5000), 5000);
    }
}
