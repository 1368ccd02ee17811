//! Which namespaces lack the ConfigMap, and when to write it there. Pure: no I/O, no clock of its own.
//!
//! What one event costs does not grow with the number of namespaces: a cluster may have 10,000 of them, and a start
//! brings an event for each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// Writes under way at once: enough to fill a thousand namespaces in seconds, few enough that the
/// API server's fairness does not push back.
pub(super) const CONCURRENT: usize = 8;
/// The pause after the first write to a namespace; it doubles with each further one. Writes that
/// worked count too: something that keeps deleting the ConfigMap must not draw us into a race.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: after an outage the ConfigMap is back within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Calm that ends the counting.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// How long the watch may be behind a write of ours that worked; seconds were seen with a thousand writes on their way.
/// Until then its silence does not mean that the ConfigMap is missing.
const UNSEEN: Duration = Duration::from_secs(30);

type Name = Box<str>;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    wanted: HashSet<Name>,
    present: HashSet<Name>,
    relist: HashSet<Name>,
    listed: bool,
    writing: HashSet<Name>,
    tries: HashMap<Name, Tries>,
    /// Wanted, not there, not being written: those to write now, and those to write later, each in one of both.
    ready: BTreeSet<Name>,
    later: BTreeSet<(Instant, Name)>,
    waits: HashMap<Name, Instant>,
    /// When `tries` is looked through for what can be forgotten.
    forget: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    next: Instant,
    /// The last one worked, and the watch has until then to show it.
    unseen: Option<Instant>,
}

/// What to do now, and when to look again if nothing happens before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) write: Vec<Name>,
    pub(super) wake: Option<Instant>,
}

impl Ledger {
    /// Exactly these are wanted.
    pub(super) fn want_only(&mut self, wanted: impl IntoIterator<Item = Name>) {
        let wanted: HashSet<Name> = wanted.into_iter().collect();
        let gone: Vec<Name> = self.wanted.difference(&wanted).cloned().collect();
        for namespace in gone {
            self.want(&namespace, false);
        }
        for namespace in wanted {
            self.want(&namespace, true);
        }
    }

    /// Whether this one is wanted, from now on.
    pub(super) fn want(&mut self, namespace: &str, wanted: bool) {
        if wanted {
            self.wanted.insert(namespace.into());
        } else {
            self.wanted.remove(namespace);
        }
        self.place(namespace);
    }

    pub(super) fn relist_begins(&mut self) {
        self.relist.clear();
    }

    pub(super) fn listed(&mut self, namespace: Name) {
        self.seen(&namespace);
        self.relist.insert(namespace);
    }

    pub(super) fn relist_done(&mut self) {
        let before = std::mem::replace(&mut self.present, std::mem::take(&mut self.relist));
        self.listed = true;
        for namespace in before {
            self.place(&namespace);
        }
        for namespace in self.wanted.clone() {
            self.place(&namespace);
        }
    }

    /// Where it stands, as far as the watch has told.
    pub(super) fn present(&self) -> impl Iterator<Item = Name> + '_ {
        self.present.iter().cloned()
    }

    /// In how many it stands.
    pub(super) fn standing(&self) -> usize {
        self.present.len()
    }

    pub(super) fn appeared(&mut self, namespace: &str) {
        self.seen(namespace);
        self.present.insert(namespace.into());
        self.place(namespace);
    }

    pub(super) fn vanished(&mut self, namespace: &str) {
        self.seen(namespace);
        self.present.remove(namespace);
        self.place(namespace);
    }

    /// The watch has spoken of it: from here on it is believed.
    fn seen(&mut self, namespace: &str) {
        if let Some(tries) = self.tries.get_mut(namespace) {
            tries.unseen = None;
        }
    }

    /// Puts it where it belongs: to those to write now, to those to write later, or to neither.
    fn place(&mut self, namespace: &str) {
        self.ready.remove(namespace);
        if let Some((name, at)) = self.waits.remove_entry(namespace) {
            self.later.remove(&(at, name));
        }
        let lacks = self.wanted.contains(namespace)
            && !self.present.contains(namespace)
            && !self.writing.contains(namespace);
        if !lacks {
            return;
        }
        match self.tries.get(namespace) {
            Some(tries) => {
                let at = tries.next.max(tries.unseen.unwrap_or(tries.next));
                self.later.insert((at, namespace.into()));
                self.waits.insert(namespace.into(), at);
            }
            None => {
                self.ready.insert(namespace.into());
            }
        }
    }

    /// Chooses what to write now, and counts it as under way.
    ///
    /// Nothing is written before the first list is complete: a restart must look before it writes.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        if !self.listed {
            return due;
        }
        self.forget(now);
        while let Some((at, _)) = self.later.first()
            && *at <= now
            && let Some((_, namespace)) = self.later.pop_first()
        {
            self.waits.remove(&namespace);
            self.ready.insert(namespace);
        }
        while self.writing.len() < CONCURRENT
            && let Some(namespace) = self.ready.pop_first()
        {
            self.writing.insert(namespace.clone());
            due.write.push(namespace);
        }
        due.wake = self.later.first().map(|(at, _)| *at);
        due
    }

    fn forget(&mut self, now: Instant) {
        if self.forget.is_none_or(|at| now >= at) {
            self.tries
                .retain(|_, tries| now < tries.next + FORGET_AFTER);
            self.forget = Some(now + FORGET_AFTER);
        }
    }

    /// A write ended; `there` where the API server says that the ConfigMap is there now.
    /// Returns how many writes to this namespace were needed lately.
    pub(super) fn written(&mut self, namespace: &str, there: bool, now: Instant) -> u32 {
        self.writing.remove(namespace);
        let lately = self
            .tries
            .get(namespace)
            .filter(|tries| now < tries.next + FORGET_AFTER)
            .map_or(0, |tries| tries.count);
        let pause = FIRST_PAUSE
            .saturating_mul(1 << lately.min(16))
            .min(LONGEST_PAUSE);
        let count = lately.saturating_add(1);
        let tries = Tries {
            count,
            next: now + pause,
            unseen: there.then(|| now + UNSEEN),
        };
        self.tries.insert(namespace.into(), tries);
        self.place(namespace);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanting(ledger: &mut Ledger, names: &[&str]) {
        ledger.want_only(names.iter().map(|&name| name.into()));
    }

    fn listed(present: &[&str], wanted: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.relist_begins();
        for &name in present {
            ledger.listed(name.into());
        }
        ledger.relist_done();
        wanting(&mut ledger, wanted);
        ledger
    }

    fn writes(ledger: &mut Ledger, now: Instant) -> Vec<String> {
        let due = ledger.due(now);
        due.write.into_iter().map(String::from).collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn nothing_is_written_before_the_list_is_complete() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        wanting(&mut ledger, &["a", "b"]);
        assert_eq!(ledger.due(now), Due::default());
        ledger.relist_begins();
        ledger.listed("a".into());
        assert_eq!(ledger.due(now), Due::default());
        ledger.relist_done();
        assert_eq!(writes(&mut ledger, now), ["b"]);
    }

    #[test]
    fn what_is_there_or_under_way_or_not_wanted_is_left_alone() {
        let now = Instant::now();
        let mut ledger = listed(&["a"], &["a", "b"]);
        assert_eq!(writes(&mut ledger, now), ["b"]);
        assert_eq!(ledger.due(now), Due::default());
        ledger.appeared("b");
        ledger.written("b", true, now);
        assert_eq!(ledger.due(now), Due::default());
        ledger.want("c", true);
        ledger.want("c", false);
        ledger.vanished("a");
        ledger.want("a", false);
        assert_eq!(ledger.due(now), Due::default());
    }

    #[test]
    fn what_vanishes_is_written_again() {
        let now = Instant::now();
        let mut ledger = listed(&["a", "b"], &["a", "b"]);
        ledger.vanished("a");
        assert_eq!(writes(&mut ledger, now), ["a"]);
        // A deletion that only a relist shows counts as well.
        ledger.relist_begins();
        ledger.relist_done();
        assert_eq!(writes(&mut ledger, now), ["b"]);
    }

    #[test]
    fn a_watch_that_is_behind_causes_no_second_write() {
        let mut now = Instant::now();
        let mut ledger = listed(&[], &["a"]);
        assert_eq!(writes(&mut ledger, now), ["a"]);
        ledger.written("a", true, now);
        now += UNSEEN / 2;
        assert_eq!(writes(&mut ledger, now), NONE);
        ledger.appeared("a");
        assert_eq!(ledger.due(now + FORGET_AFTER), Due::default());

        // What the watch says from then on is believed at once.
        ledger.vanished("a");
        assert_eq!(writes(&mut ledger, now), ["a"]);
        // A deletion between our write and a list is not told by any event.
        ledger.written("a", true, now);
        ledger.relist_begins();
        ledger.relist_done();
        assert_eq!(writes(&mut ledger, now + Duration::from_secs(2)), NONE);
        assert_eq!(ledger.due(now).wake, Some(now + UNSEEN));
        assert_eq!(writes(&mut ledger, now + UNSEEN), ["a"]);
    }

    #[test]
    fn pauses_grow_per_namespace_up_to_a_bound_and_are_forgotten_after_calm() {
        let mut now = Instant::now();
        let mut ledger = listed(&[], &["a"]);
        let mut pauses = Vec::new();
        for count in 1..=9 {
            assert_eq!(writes(&mut ledger, now), ["a"]);
            assert_eq!(ledger.written("a", false, now), count);
            let wake = ledger.due(now).wake.unwrap();
            pauses.push((wake - now).as_secs());
            now = wake;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(writes(&mut ledger, now), ["a"]);
        ledger.written("a", false, now);
        ledger.want("b", true);
        assert_eq!(
            writes(&mut ledger, now),
            ["b"],
            "another namespace does not wait for this one"
        );
        let calm = now + LONGEST_PAUSE + FORGET_AFTER;
        assert_eq!(writes(&mut ledger, calm), ["a"]);
        assert_eq!(ledger.written("a", false, calm), 1);
    }

    #[test]
    fn so_many_are_written_at_once_and_no_more() {
        let now = Instant::now();
        let names: Vec<String> = (0..20).map(|n| format!("n{n:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut ledger = listed(&[], &names);
        let first = writes(&mut ledger, now);
        assert_eq!(first.len(), CONCURRENT);
        assert_eq!(writes(&mut ledger, now), NONE);
        ledger.written(&first[0], true, now);
        let next = writes(&mut ledger, now);
        assert_eq!(next.len(), 1);
        assert!(!first.contains(&next[0]));
    }

    #[test]
    fn of_many_namespaces_each_is_no_more_work_than_of_few() {
        // With work for all at each event this takes minutes.
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let name = |n: u32| format!("namespace-{n}").into_boxed_str();
        ledger.relist_done();
        for n in 0..20_000 {
            ledger.want(&name(n), true);
            ledger.due(now);
        }
        let mut written = 0;
        let mut under_way: Vec<Name> = (0..CONCURRENT)
            .map(|n| name(u32::try_from(n).unwrap()))
            .collect();
        while let Some(next) = under_way.pop() {
            ledger.written(&next, true, now);
            ledger.appeared(&next);
            written += 1;
            under_way.extend(ledger.due(now).write);
        }
        assert_eq!(written, 20_000);
    }
}
