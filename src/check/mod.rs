//! Is every workload here lossless? Objects in, findings out, and the findings in words and in the formats of others. Pure:
//! no I/O, no clock; the same input gives the same bytes.
//!
//! The objects of all inputs are one [`World`]: Services, budgets, autoscalers and Ingresses are read to judge the
//! workloads. The rules are in [`RULES`], each with its page under `docs/check`.

mod assemble;
mod baseline;
mod declared;
mod ending;
mod environments;
mod faulty;
mod hook;
mod idle;
mod ignore;
mod image;
mod judged;
mod jvm;
mod mend;
mod object;
mod ours;
pub mod output;
mod read;
mod registry;
mod remarks;
mod report;
mod rule;
mod rules;
mod selectors;
mod shell;
mod siblings;
mod staying;
mod table;
mod time;
mod workload;
mod world;

pub use crate::text::harmless;
pub use assemble::{ReadAt, Scope, assemble};
pub use baseline::{Baseline, BaselineError};
pub use judged::Judged;
pub use mend::Mend;
pub use object::Object;
pub use remarks::{Named, Remark, remarks, sentences};
pub use report::{Entry, Quiet, Report};
pub use rule::{Rule, Severity};
pub use table::RULES;
pub use world::World;

use crate::manifest::budget::{Account, Excess};

/// What a judgement goes by besides the objects.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'j> {
    /// What was found in the same objects before they were injected, where they are.
    pub before: Option<&'j Judged>,
    /// Whether the API server knows a hook's `sleep` (Kubernetes 1.30); an older one drops it without a word.
    pub native_sleep: bool,
}

/// Judges a world. `account` holds what it takes from then on.
///
/// # Errors
/// As [`Account::charge`].
pub fn judge(world: &World<'_>, terms: Terms<'_>, account: &mut Account) -> Result<Judged, Excess> {
    rules::ask(world, terms, account)
}
