//! Who follows a set of names hears which of them changed, so that one change costs the work for one name.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Changes that wait for one who is slow; with more it looks at everything, which is as good.
const KEPT: usize = 1024;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It may be anything: look at all names.
    All,
    /// This name appeared, went, or means something else now.
    One(Arc<str>),
}

/// Tells all that follow.
#[derive(Clone, Debug)]
pub(super) struct Teller(broadcast::Sender<Change>);

impl Default for Teller {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl Teller {
    pub(super) fn tell(&self, change: Change) {
        // It fails where nothing follows.
        let _ = self.0.send(change);
    }

    pub(super) fn follow(&self) -> Changes {
        Changes(self.0.subscribe())
    }

    #[cfg(test)]
    pub(super) fn followers(&self) -> usize {
        self.0.receiver_count()
    }
}

/// The changes from some moment on.
#[derive(Debug)]
pub struct Changes(broadcast::Receiver<Change>);

impl Changes {
    /// Changes of what never changes.
    #[must_use]
    pub fn never() -> Self {
        Teller::default().follow()
    }

    /// The next change; it never comes once what was followed is gone. Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Change {
        match self.0.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(_)) => Change::All,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn each_name_is_told_and_who_is_too_slow_looks_at_all() {
        let teller = Teller::default();
        let mut changes = teller.follow();
        let one = |name: &str| Change::One(name.into());
        teller.tell(one("a"));
        teller.tell(Change::All);
        assert_eq!(changes.next().now_or_never(), Some(one("a")));
        assert_eq!(changes.next().now_or_never(), Some(Change::All));
        assert_eq!(changes.next().now_or_never(), None);
        for n in 0..=KEPT {
            teller.tell(one(&n.to_string()));
        }
        assert_eq!(changes.next().now_or_never(), Some(Change::All));
        drop(teller);
        while changes.next().now_or_never().is_some() {}
        assert_eq!(Changes::never().next().now_or_never(), None);
    }
}
