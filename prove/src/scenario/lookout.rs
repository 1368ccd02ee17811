//! Whom a gateway knows, all the time: how long it goes on asking instances that are leaving.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::runtime::Builder;

use crate::lock::lock;
use crate::record::{Millis, now_ms};
use crate::registry::Source;

/// How often it is asked: what is counted is seconds.
const LOOK: Duration = Duration::from_millis(500);

/// A thread that asks.
pub(super) struct Lookout {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// From when until when each address was on the list: of one pod after the other, for a node gives addresses again after some hundred.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Known(BTreeMap<SocketAddr, Vec<(Millis, Millis)>>);

impl Known {
    /// Until when a pod was on it that had gone by then.
    pub(super) fn until(&self, address: SocketAddr, gone: Option<Millis>) -> Option<Millis> {
        let mut stretches = self.0.get(&address)?.iter().rev();
        let (_, until) = stretches.find(|(from, _)| gone.is_none_or(|gone| *from <= gone))?;
        Some(*until)
    }
}

#[derive(Debug, Default)]
struct Seen {
    now: BTreeSet<SocketAddr>,
    known: Known,
}

impl Seen {
    fn note(&mut self, list: &[SocketAddr], at: Millis) {
        let before = std::mem::replace(&mut self.now, list.iter().copied().collect());
        for address in &self.now {
            let stretches = self.known.0.entry(*address).or_default();
            match stretches.last_mut() {
                Some((_, until)) if before.contains(address) => *until = at,
                _ => stretches.push((at, at)),
            }
        }
    }
}

impl Lookout {
    /// Starts it; `callers` is where the gateway says whom it knows.
    pub(super) fn start(callers: Source) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let over = Arc::<AtomicBool>::default();
        let thread = {
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // A gateway that does not answer in time still knows whom it knew.
                    if let Ok(list) = runtime.block_on(callers.read()) {
                        lock(&seen).note(&list, now_ms());
                    }
                    thread::sleep(LOOK);
                }
            })
        };
        Ok(Self { seen, over, thread })
    }

    /// Whom it knows.
    pub(super) fn now(&self) -> BTreeSet<SocketAddr> {
        let seen = lock(&self.seen);
        seen.now.clone()
    }

    /// Ends it; when each was known.
    pub(super) fn end(self) -> Result<Known> {
        self.over.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow!("the thread that asks the gateway panicked");
        self.thread.join().map_err(panicked)?;
        let mut seen = lock(&self.seen);
        Ok(std::mem::take(&mut seen.known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_known_until_the_last_list_that_names_it() {
        let [a, b] = ["10.0.0.1:80", "10.0.0.2:80"].map(|at| at.parse().unwrap());
        let mut seen = Seen::default();
        seen.note(&[a, b], 1);
        seen.note(&[a], 2);
        assert_eq!(seen.now, BTreeSet::from([a]));
        assert_eq!(seen.known.until(a, None), Some(2));
        assert_eq!(seen.known.until(b, Some(5)), Some(1));
        // Another pod gets its address.
        seen.note(&[a, b], 9);
        assert_eq!(seen.known.until(b, Some(5)), Some(1));
        assert_eq!(seen.known.until(b, Some(9)), Some(9));
        assert_eq!(seen.known.until(a, Some(5)), Some(9));
        assert_eq!(seen.known.until("10.0.0.3:80".parse().unwrap(), None), None);
    }
}
