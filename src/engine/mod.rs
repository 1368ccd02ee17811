//! Workload and policy in, a [`Decision`] with a JSON patch out. Pure: no I/O, no clock, no
//! randomness; the same input gives the same bytes. The way through it is told in ARCHITECTURE.md.

mod ask;
mod bare;
mod carry;
mod chain;
mod check;
mod choose;
mod cover;
mod decide;
mod diff;
mod fingerprint;
mod hint;
mod inject;
mod json;
mod kind;
mod level;
mod nodes;
mod overwrites;
mod own;
mod parts;
mod plan;
mod program;
mod reconcile;
mod record;
mod reference;
mod report;
mod sent;
mod shell;
mod slot;
mod strategy;
mod strict;
mod target;
mod tree;
mod unused;
mod user;
mod valid;
mod view;

pub use ask::{Ask, NamespaceView, Settings};
pub use decide::decide;
pub use kind::Kind;
pub use level::injects_pods;
pub use overwrites::overwritten;
pub use report::{Decision, Outcome, Reason, Step, Timeline};
pub(crate) use strict::{Strict, flag, optional};
pub use view::{Object, Text};
