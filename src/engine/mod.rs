//! Workload and policy in, a [`Decision`] with a JSON patch out. Pure: no I/O, no clock, no
//! randomness; the same input gives the same bytes. The way through it is told in ARCHITECTURE.md.

mod check;
mod cover;
mod decide;
mod hint;
mod inject;
mod level;
mod overwrites;
mod reconcile;
mod reference;
mod target;
mod unused;
mod user;
mod valid;

pub use crate::plan::ask::{Ask, NamespaceView, Settings};
pub use crate::plan::report::{Decision, Outcome, Reason, Step, Timeline};
pub use crate::slots::kind::Kind;
pub(crate) use crate::slots::strict::{Strict, flag, optional};
pub use crate::slots::view::{Object, Text};
pub use decide::decide;
pub use level::injects_pods;
pub use overwrites::overwritten;
