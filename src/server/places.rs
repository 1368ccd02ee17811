//! Who gives way to a new connection where every place is taken.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::Id;
use tokio::time::Instant;

use super::activity::{Activity, Class, Rank};

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    grace: Duration,
    short: Option<Short>,
    taken: HashMap<Id, Activity>,
}

/// A time in which places were short.
#[derive(Clone, Copy, Debug)]
struct Short {
    since: Instant,
    last: Instant,
}

/// Where no connection found the places taken for so long, the next that does begins a new shortage.
const OVER: Duration = Duration::from_secs(1);
/// A shortage that lasts longer than so many times the grace is no burst of good clients but a flood:
/// from then on the oldest goes at once, however new, or the backlog fills and new ones are not even
/// accepted in time.
const FLOOD: u32 = 3;

impl Places {
    /// For so many connections, each of which has the time of `grace` for its next step.
    pub(super) fn new(most: usize, grace: Duration) -> Self {
        Self {
            most: most.max(1),
            grace,
            short: None,
            taken: HashMap::new(),
        }
    }

    /// Whether one more would be too many.
    pub(super) fn are_taken(&self) -> bool {
        self.taken.len() >= self.most
    }

    /// A connection's task was started.
    pub(super) fn take(&mut self, activity: Activity, task: Id) {
        self.taken.insert(task, activity);
    }

    /// A connection's task has ended.
    pub(super) fn free(&mut self, task: Id) {
        self.taken.remove(&task);
    }

    /// Tells the connection that is missed least to end, and what it was doing. Its place is free at once: it ends at
    /// its task's next turn and waits for nothing. None where all work on answers.
    pub(super) fn evict(&mut self) -> Option<Class> {
        let now = Instant::now();
        let grace = self.grace_in_shortage(now);
        let ranks = self
            .taken
            .iter()
            .filter_map(|(id, activity)| Some((activity.rank(now)?, *id)));
        let (rank, id) = least_missed(ranks, self.most, |rank| rank.is_older(now, grace))?;
        if let Some(activity) = self.taken.remove(&id) {
            activity.evict();
        }
        Some(rank.class)
    }

    fn grace_in_shortage(&mut self, now: Instant) -> Duration {
        let since = match self.short {
            Some(short) if now < short.last + OVER => short.since,
            _ => now,
        };
        self.short = Some(Short { since, last: now });
        if now - since < self.grace * FLOOD {
            self.grace
        } else {
            Duration::ZERO
        }
    }
}

/// The first of all by rank; but those that have yet to show that they ask something may take three
/// quarters of the places from the others, or a new client would be cut by the next one before its
/// handshake is done wherever all other places are held by connections that look better. And no more
/// than that, or a flood of them would end the connections that an API server keeps.
fn least_missed<T: Copy>(
    ranks: impl Iterator<Item = (Rank, T)>,
    places: usize,
    may_go: impl Fn(Rank) -> bool,
) -> Option<(Rank, T)> {
    let (mut unproven, mut others) = (None, None);
    let mut count = 0;
    for (rank, which) in ranks {
        let first: &mut Option<(Rank, T)> = if rank.class == Class::Unproven {
            count += 1;
            &mut unproven
        } else {
            &mut others
        };
        if may_go(rank) && first.is_none_or(|(least, _)| rank < least) {
            *first = Some((rank, which));
        }
    }
    if count > places * 3 / 4 {
        unproven
    } else {
        others.or(unproven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn grace_ends_where_a_shortage_lasts_and_comes_back_after_it() {
        let grace = Duration::from_millis(100);
        let mut places = Places::new(4, grace);
        let begun = Instant::now();
        for (at, expected) in [
            (0, grace),
            (250, grace),
            (300, Duration::ZERO),
            (1200, Duration::ZERO),
            (2300, grace),
        ] {
            let now = begun + Duration::from_millis(at);
            assert_eq!(places.grace_in_shortage(now), expected, "after {at} ms");
        }
    }

    #[tokio::test]
    async fn those_that_have_yet_to_ask_take_three_quarters_of_the_places_and_no_more() {
        let now = Instant::now();
        let unproven = Activity::new();
        let idle = Activity::new();
        idle.open();
        idle.request(false);
        idle.answer(true);
        idle.answer_taken();
        idle.wrote(true);
        for (new, kept, may_go, expected) in [
            (0, 8, true, Some(Class::Idle)),
            (6, 2, true, Some(Class::Idle)),
            (7, 1, true, Some(Class::Unproven)),
            (7, 1, false, None),
            (6, 2, false, None),
            (8, 0, true, Some(Class::Unproven)),
            (0, 0, true, None),
        ] {
            let all = std::iter::repeat_n(&unproven, new).chain(std::iter::repeat_n(&idle, kept));
            let ranks = all.filter_map(|activity| Some((activity.rank(now)?, ())));
            let gone = least_missed(ranks, 8, |_| may_go).map(|(rank, ())| rank.class);
            assert_eq!(gone, expected, "{new} new, {kept} kept");
        }
    }
}
