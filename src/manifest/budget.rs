//! What reading one input may cost: bytes of memory, and a flag that ends the work.
//!
//! Everything that grows with an input opens an [`Account`] and charges it *before* it allocates. The bytes go back
//! when the account is dropped, so what counts is what is held at one time. Each charge also asks the flag: a loop that
//! charges ends soon after its client went away or its time was up; one that does not asks [`Account::go_on`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Map, Value};
use thiserror::Error;

/// Why work on an input ended before it was done. None of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Excess {
    /// Values, nodes and texts, aliases expanded, take more than the budget.
    #[error(
        "reading it takes more than {} MiB of memory once its aliases are expanded: split it into several parts",
        .limit >> 20
    )]
    Memory {
        /// The budget, in bytes.
        limit: usize,
    },
    /// [`Stop::stop`] was called: the time is up, or its caller waits for the result no more.
    #[error("it took too long and was ended: split it into several parts")]
    Stopped,
}

/// A flag that ends work from outside. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the work at its next charge, for good.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work is to end.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The bytes that one input may take at any time. Clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
    most: AtomicUsize,
    stop: Stop,
}

impl Budget {
    /// A budget of so many bytes, all of them free.
    #[must_use]
    pub fn new(limit: usize, stop: Stop) -> Self {
        Self(Arc::new(Inner {
            limit,
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            stop,
        }))
    }

    /// A new account, for what one piece of work holds.
    #[must_use]
    pub fn account(&self) -> Account {
        Account {
            budget: self.clone(),
            held: 0,
        }
    }

    /// The most bytes that were held at one time.
    #[must_use]
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }
}

/// Bytes of a [`Budget`] that belong together; dropping it gives them back.
#[derive(Debug)]
pub struct Account {
    budget: Budget,
    held: usize,
}

impl Account {
    /// Takes bytes; what they are for may be allocated then.
    ///
    /// # Errors
    /// Where the budget has no more, or the work is to end. Nothing is taken then.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Excess> {
        self.go_on()?;
        let Inner {
            limit, used, most, ..
        } = &*self.budget.0;
        let before = used.fetch_add(bytes, Ordering::Relaxed);
        if bytes > limit.saturating_sub(before) {
            used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Excess::Memory { limit: *limit });
        }
        self.held += bytes;
        most.fetch_max(before + bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back some of what was charged, where it is freed before the rest.
    pub fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.budget.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Asks whether the work may go on, where nothing is allocated.
    ///
    /// # Errors
    /// [`Excess::Stopped`].
    pub fn go_on(&self) -> Result<(), Excess> {
        if self.budget.0.stop.stopped() {
            Err(Excess::Stopped)
        } else {
            Ok(())
        }
    }

    /// Another account of the same budget.
    #[must_use]
    pub fn beside(&self) -> Account {
        self.budget.account()
    }

    /// The bytes that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.give_back(self.held);
    }
}

/// What the allocator adds to a piece of memory: its head, and half of the step to the next size.
const PIECE: usize = 16;

/// Bytes of a text of its own; none are allocated for an empty one.
#[must_use]
pub const fn text(length: usize) -> usize {
    if length == 0 { 0 } else { length + PIECE }
}

/// Bytes of one more element in a list that grows: a `Vec` doubles, and holds old and new while it moves.
#[must_use]
pub const fn element<T>() -> usize {
    2 * size_of::<T>()
}

/// Bytes of a value as an item of a list, without the text, the items or the members in it.
pub const ITEM: usize = element::<Value>();

/// Bytes of a value as a member of a map, without the text of its key and what is in it. `preserve_order` keeps a list
/// of hash, key and value, and a table of indices, at worst twice as long as its entries, with a byte beside each.
pub const MEMBER: usize = element::<(u64, String, Value)>() + 2 * (size_of::<usize>() + 1);

/// Bytes of a value with everything in it, as [`ITEM`], [`MEMBER`] and [`text`] count them: what a clone takes.
///
/// # Errors
/// As [`Account::charge`]: a clone of `value` would take more than `account` has left. Nothing stays charged then.
pub fn charge_clone(account: &mut Account, value: &Value) -> Result<(), Excess> {
    let before = account.held();
    let charged = charge_all(account, value);
    if charged.is_err() {
        account.give_back(account.held() - before);
    }
    charged
}

/// Recursive, as the values are: their depth is bounded where they are read.
fn charge_all(account: &mut Account, value: &Value) -> Result<(), Excess> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => account.go_on(),
        Value::String(string) => account.charge(text(string.len())),
        Value::Array(items) => {
            account.charge(items.len() * ITEM)?;
            items.iter().try_for_each(|item| charge_all(account, item))
        }
        Value::Object(members) => {
            account.charge(size_of::<Map<String, Value>>() + members.len() * MEMBER)?;
            members.iter().try_for_each(|(key, value)| {
                account.charge(text(key.len()))?;
                charge_all(account, value)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_account_takes_no_more_than_is_left_and_gives_back_when_dropped() {
        let budget = Budget::new(100, Stop::default());
        let (mut one, mut other) = (budget.account(), budget.account());
        one.charge(60).unwrap();
        assert_eq!(other.charge(41), Err(Excess::Memory { limit: 100 }));
        other.charge(40).unwrap();
        assert_eq!(other.charge(usize::MAX), Err(Excess::Memory { limit: 100 }));
        assert_eq!(one.charge(1), Err(Excess::Memory { limit: 100 }));
        drop(other);
        one.give_back(usize::MAX);
        one.charge(100).unwrap();
        assert_eq!((one.held(), budget.most()), (100, 100));
        drop(one);
        budget.account().charge(100).unwrap();
    }

    #[test]
    fn a_stop_ends_every_account_and_takes_nothing() {
        let stop = Stop::default();
        let mut account = Budget::new(100, stop.clone()).account();
        account.charge(1).unwrap();
        stop.stop();
        assert_eq!(account.charge(1), Err(Excess::Stopped));
        assert_eq!(account.go_on(), Err(Excess::Stopped));
        assert_eq!(account.held(), 1);
    }

    #[test]
    fn a_clone_is_charged_as_a_whole_or_not_at_all() {
        let value = json!({"a": ["text", {}, 1], "b": {"c": null}});
        let mut account = Budget::new(1 << 20, Stop::default()).account();
        charge_clone(&mut account, &value).unwrap();
        let whole = account.held();
        // Three maps with three members, a list of three, and four texts.
        let maps = 3 * size_of::<Map<String, Value>>() + 3 * MEMBER;
        assert_eq!(whole, maps + 3 * ITEM + 3 * text(1) + text(4));
        let mut account = Budget::new(whole - 1, Stop::default()).account();
        assert!(charge_clone(&mut account, &value).is_err());
        assert_eq!(account.held(), 0);
    }
}
