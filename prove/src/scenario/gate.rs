//! Arms that begin at the same time: beside a service or a gateway of the other arm that is still starting, the first
//! would be measured under other conditions.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::lock::lock;

/// A place among those that begin together. Whoever gives up drops it, and holds up nobody.
#[derive(Debug)]
pub(super) struct Ticket(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    /// How many are not ready yet.
    missing: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    fn missing(&self) -> MutexGuard<'_, usize> {
        lock(&self.missing)
    }
}

impl Ticket {
    /// One for each of so many.
    pub(super) fn for_each_of(number: usize) -> Vec<Self> {
        let gate = Arc::new(Gate {
            missing: Mutex::new(number),
            changed: Condvar::new(),
        });
        (0..number).map(|_| Self(Arc::clone(&gate))).collect()
    }

    /// Until all others are ready, too, or have given up.
    pub(super) fn ready(self) {
        let gate = Arc::clone(&self.0);
        drop(self);
        let all = gate
            .changed
            .wait_while(gate.missing(), |missing| *missing > 0);
        drop(all);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        *self.0.missing() -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn all_begin_when_the_last_is_ready_and_nobody_waits_for_those_that_gave_up() {
        let mut tickets = Ticket::for_each_of(4);
        let (late, gives_up) = (tickets.pop().unwrap(), tickets.pop().unwrap());
        let begun = AtomicUsize::new(0);
        thread::scope(|scope| {
            for ticket in tickets {
                scope.spawn(|| {
                    ticket.ready();
                    begun.fetch_add(1, Ordering::SeqCst);
                });
            }
            drop(gives_up);
            thread::sleep(std::time::Duration::from_millis(50));
            assert_eq!(begun.load(Ordering::SeqCst), 0);
            late.ready();
        });
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
