//! Namespaces whose workloads asked for the helper binary: the webhook notes them, the cluster side
//! keeps the helper's ConfigMap there. Only some namespaces need it, and it is larger than the script. And the way
//! back: where it stands, for it is to be there before a pod can need it.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::changes::{Change, Changes, Teller};
use crate::policy::dns_label;

/// Which namespaces asked.
#[derive(Debug, Default)]
pub struct Asked {
    names: Mutex<BTreeSet<Box<str>>>,
    /// None until it was looked for.
    stands: Mutex<Option<HashSet<Box<str>>>>,
    changed: Teller,
    stood: Teller,
}

impl Asked {
    /// Notes that pods of this namespace mount the helper. What no namespace can be called is passed over: one such
    /// name would spoil what the names are written into.
    pub fn add(&self, namespace: &str) {
        if is_name(namespace) && !self.contains(namespace) {
            self.names().insert(namespace.into());
            self.changed.tell(Change::One(namespace.into()));
        }
    }

    /// Forgets a namespace that is gone.
    pub fn remove(&self, namespace: &str) {
        if self.names().remove(namespace) {
            self.changed.tell(Change::One(namespace.into()));
        }
    }

    /// Whether it asked.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        self.names().contains(namespace)
    }

    /// Notes whether the helper's ConfigMap stands in a namespace.
    pub fn note(&self, namespace: &str, stands: bool) {
        let mut known = self.standing();
        if !stands {
            if let Some(known) = known.as_mut() {
                known.remove(namespace);
            }
        } else if known.get_or_insert_default().insert(namespace.into()) {
            self.stood.tell(Change::One(namespace.into()));
        }
    }

    /// Notes that it stands in these namespaces and no others.
    pub fn note_all(&self, namespaces: impl IntoIterator<Item = Box<str>>) {
        *self.standing() = Some(namespaces.into_iter().collect());
        self.stood.tell(Change::All);
    }

    /// Whether the helper's ConfigMap is known to stand in a namespace.
    #[must_use]
    pub fn stands(&self, namespace: &str) -> bool {
        self.standing()
            .as_ref()
            .is_some_and(|known| known.contains(namespace))
    }

    /// Whether it is not there yet, and will be: where nothing looks for ConfigMaps, nothing writes them.
    #[must_use]
    pub fn is_to_come(&self, namespace: &str) -> bool {
        let known = self.standing();
        known
            .as_ref()
            .is_some_and(|known| is_name(namespace) && !known.contains(namespace))
    }

    /// Notes that pods of this namespace mount the helper, and waits until its ConfigMap stands there, `timeout` at most.
    pub async fn add_and_wait(&self, namespace: &str, timeout: Duration) {
        let mut stood = self.stood.follow();
        self.add(namespace);
        let stands = async {
            while !self.stands(namespace) {
                stood.next().await;
            }
        };
        // Where it does not come, the caller sees it by itself.
        let _ = tokio::time::timeout(timeout, stands).await;
    }

    /// All that asked, sorted.
    #[must_use]
    pub fn all(&self) -> Vec<Box<str>> {
        self.names().iter().cloned().collect()
    }

    /// Which names come and go from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changed.follow()
    }

    fn standing(&self) -> MutexGuard<'_, Option<HashSet<Box<str>>>> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<Box<str>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a namespace can be called so (RFC 1123 label).
#[must_use]
pub fn is_name(text: &str) -> bool {
    dns_label(text)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_namespace_that_asks_is_told_once_and_once_when_it_goes() {
        let asked = Asked::default();
        let mut changes = asked.changes();
        let shop = Some(Change::One("shop".into()));
        asked.add("shop");
        asked.add("shop");
        assert_eq!(changes.next().now_or_never(), shop);
        assert_eq!(changes.next().now_or_never(), None);
        assert!(asked.contains("shop") && !asked.contains("shop2"));
        asked.remove("shop");
        asked.remove("shop");
        assert_eq!(changes.next().now_or_never(), shop);
        assert_eq!(changes.next().now_or_never(), None);
        assert!(asked.all().is_empty());
    }

    #[test]
    fn where_the_config_map_stands_is_what_was_said_last() {
        let asked = Asked::default();
        asked.note("shop", true);
        assert!(asked.stands("shop") && !asked.contains("shop"));
        asked.note("shop", false);
        assert!(!asked.stands("shop"));
        asked.note("old", true);
        asked.note_all(["shop".into()]);
        assert!(asked.stands("shop") && !asked.stands("old"));
    }

    #[tokio::test]
    async fn who_waits_for_it_goes_on_when_it_stands_or_after_the_time() {
        let asked = Asked::default();
        assert!(!asked.is_to_come("shop"), "nothing looks for it");
        asked.note_all([]);
        assert!(asked.is_to_come("shop") && !asked.is_to_come("no name"));
        let mut waits = Box::pin(asked.add_and_wait("shop", Duration::from_secs(3600)));
        assert_eq!(waits.as_mut().now_or_never(), None);
        assert!(asked.contains("shop"));
        asked.note("other", true);
        assert_eq!(waits.as_mut().now_or_never(), None);
        asked.note("shop", true);
        assert_eq!(waits.now_or_never(), Some(()));
        assert!(!asked.is_to_come("shop"));
        asked.add_and_wait("late", Duration::ZERO).await;
        assert!(asked.is_to_come("late"));
    }

    #[test]
    fn what_no_namespace_can_be_called_is_passed_over() {
        let asked = Asked::default();
        for name in ["a b", "", "A", "a_b", "-a", "a.b", "a\n", &"a".repeat(64)] {
            asked.add(name);
        }
        asked.add(&"a".repeat(63));
        assert_eq!(asked.all().len(), 1);
    }
}
