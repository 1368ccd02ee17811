//! Is every workload here lossless? Objects in, findings out, and the findings in words and in the formats of others. Pure:
//! no I/O, no clock; the same input gives the same bytes.
//!
//! The objects of all inputs are one [`World`]: Services, budgets, autoscalers and Ingresses are read to judge the
//! workloads. The rules are in [`RULES`], each with its page under `docs/check`.

mod assemble;
mod baseline;
mod hook;
mod ignore;
mod image;
mod mend;
mod ours;
pub mod output;
mod read;
mod report;
mod rule;
mod rules;
mod table;
mod time;
mod workload;
mod world;

pub use assemble::{Place, Wanted, assemble};
pub use baseline::{Baseline, BaselineError};
pub use mend::Mend;
pub use report::{Entry, Quiet, Report, harmless};
pub use rule::{Rule, Severity};
pub use rules::Finding;
pub use table::RULES;
pub use world::{Object, World};

use crate::manifest::budget::{Account, Excess};

/// All that is found in a world, in no order that means anything. `account` holds what it takes from then on.
///
/// # Errors
/// As [`Account::charge`].
pub fn judge(world: &World<'_>, account: &mut Account) -> Result<Vec<Finding>, Excess> {
    rules::ask(world, account)
}
