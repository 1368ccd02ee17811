//! Namespaces whose workloads asked for the helper binary: the webhook notes them, the cluster side
//! keeps the helper's ConfigMap there. Only few namespaces need it, and it is larger than the script.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Which namespaces asked.
#[derive(Debug)]
pub struct Asked {
    names: Mutex<BTreeSet<Box<str>>>,
    changed: watch::Sender<()>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            names: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }
}

impl Asked {
    /// Notes that pods of this namespace mount the helper.
    pub fn add(&self, namespace: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(namespace) {
            names.insert(namespace.into());
            drop(names);
            self.changed.send_replace(());
        }
    }

    /// Whether it asked.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.contains(namespace)
    }

    /// Wakes after every change; many changes may wake it once.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_asks_wakes_once() {
        let asked = Asked::default();
        let mut changes = asked.changes();
        asked.add("shop");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        asked.add("shop");
        assert!(!changes.has_changed().unwrap());
        assert!(asked.contains("shop") && !asked.contains("shop2"));
    }
}
