//! Which namespaces lack the ConfigMap, and when to write it there. Pure: no I/O, no clock of its own.

use std::collections::{HashMap, HashSet};
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

#[derive(Debug, Default)]
pub(super) struct Ledger {
    present: HashSet<Box<str>>,
    relist: HashSet<Box<str>>,
    listed: bool,
    writing: HashSet<String>,
    tries: HashMap<String, Tries>,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    next: Instant,
}

/// What to do now, and when to look again if nothing happens before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) write: Vec<String>,
    pub(super) wake: Option<Instant>,
}

impl Ledger {
    pub(super) fn relist_begins(&mut self) {
        self.relist.clear();
    }

    pub(super) fn listed(&mut self, namespace: Box<str>) {
        self.relist.insert(namespace);
    }

    pub(super) fn relist_done(&mut self) {
        self.present = std::mem::take(&mut self.relist);
        self.listed = true;
    }

    pub(super) fn appeared(&mut self, namespace: Box<str>) {
        self.present.insert(namespace);
    }

    pub(super) fn vanished(&mut self, namespace: &str) {
        self.present.remove(namespace);
    }

    /// Chooses among `wanted` what to write now, and counts it as under way.
    ///
    /// Nothing is written before the first list is complete: a restart must look before it writes.
    pub(super) fn due(&mut self, wanted: Vec<String>, now: Instant) -> Due {
        let mut due = Due::default();
        if !self.listed {
            return due;
        }
        self.tries
            .retain(|_, tries| now < tries.next + FORGET_AFTER);
        for namespace in wanted {
            if self.present.contains(namespace.as_str()) || self.writing.contains(&namespace) {
                continue;
            }
            match self.tries.get(&namespace) {
                Some(tries) if tries.next > now => {
                    due.wake = Some(due.wake.map_or(tries.next, |wake| wake.min(tries.next)));
                }
                _ if self.writing.len() < CONCURRENT => {
                    self.writing.insert(namespace.clone());
                    due.write.push(namespace);
                }
                // One that ends makes room for this one.
                _ => {}
            }
        }
        due
    }

    /// A write ended, well or not. Whether the ConfigMap is there now, only the watch can tell.
    /// Returns how many writes to this namespace were needed lately.
    pub(super) fn written(&mut self, namespace: &str, now: Instant) -> u32 {
        self.writing.remove(namespace);
        let tries = self.tries.entry(namespace.to_owned()).or_insert(Tries {
            count: 0,
            next: now,
        });
        let pause = FIRST_PAUSE
            .saturating_mul(1 << tries.count.min(16))
            .min(LONGEST_PAUSE);
        tries.count = tries.count.saturating_add(1);
        tries.next = now + pause;
        tries.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn listed(names: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.relist_begins();
        for &name in names {
            ledger.listed(name.into());
        }
        ledger.relist_done();
        ledger
    }

    #[test]
    fn nothing_is_written_before_the_list_is_complete() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        assert_eq!(ledger.due(wanted(&["a"]), now), Due::default());
        ledger.relist_begins();
        ledger.listed("a".into());
        assert_eq!(ledger.due(wanted(&["a", "b"]), now), Due::default());
        ledger.relist_done();
        assert_eq!(ledger.due(wanted(&["a", "b"]), now).write, ["b"]);
    }

    #[test]
    fn what_is_there_or_under_way_is_left_alone() {
        let now = Instant::now();
        let mut ledger = listed(&["a"]);
        assert_eq!(ledger.due(wanted(&["a", "b"]), now).write, ["b"]);
        assert_eq!(ledger.due(wanted(&["a", "b"]), now), Due::default());
        ledger.appeared("b".into());
        ledger.written("b", now);
        assert_eq!(ledger.due(wanted(&["a", "b"]), now), Due::default());
    }

    #[test]
    fn what_vanishes_is_written_again() {
        let now = Instant::now();
        let mut ledger = listed(&["a", "b"]);
        ledger.vanished("a");
        assert_eq!(ledger.due(wanted(&["a", "b"]), now).write, ["a"]);
        // A deletion that only a relist shows counts as well.
        ledger.relist_begins();
        ledger.relist_done();
        assert_eq!(ledger.due(wanted(&["a", "b"]), now).write, ["b"]);
    }

    #[test]
    fn pauses_grow_per_namespace_up_to_a_bound_and_are_forgotten_after_calm() {
        let mut now = Instant::now();
        let mut ledger = listed(&[]);
        let mut pauses = Vec::new();
        for count in 1..=9 {
            assert_eq!(ledger.due(wanted(&["a"]), now).write, ["a"]);
            assert_eq!(ledger.written("a", now), count);
            let wake = ledger.due(wanted(&["a"]), now).wake.unwrap();
            pauses.push((wake - now).as_secs());
            now = wake;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(ledger.due(wanted(&["a"]), now).write, ["a"]);
        ledger.written("a", now);
        let due = ledger.due(wanted(&["a", "b"]), now);
        assert_eq!(
            due.write,
            ["b"],
            "another namespace does not wait for this one"
        );
        let calm = now + LONGEST_PAUSE + FORGET_AFTER;
        ledger.due(wanted(&["a"]), calm);
        assert_eq!(ledger.written("a", calm), 1);
    }

    #[test]
    fn so_many_are_written_at_once_and_no_more() {
        let now = Instant::now();
        let names: Vec<String> = (0..20).map(|n| format!("n{n}")).collect();
        let mut ledger = listed(&[]);
        let first = ledger.due(names.clone(), now).write;
        assert_eq!(first.len(), CONCURRENT);
        assert!(ledger.due(names.clone(), now).write.is_empty());
        ledger.written(&first[0], now);
        let next = ledger.due(names, now).write;
        assert_eq!(next.len(), 1);
        assert!(!first.contains(&next[0]));
    }
}
