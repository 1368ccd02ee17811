//! Settings that their author wrote and that come to nothing as the others stand: said, for nobody else would find out.

use super::plan::Plan;
use crate::policy::{PREFIX, Policy};

/// Seconds of `deregister-timeout-seconds` from which on the hook has time to wait for another instance; hook.sh keeps 3 of them
/// for the calls that deregister.
const LEAST_WAIT: u32 = 6;
const KEPT: u32 = 3;

/// Seconds, at most, that the last usable instance waits for another one; none where it does not.
pub(super) fn last_instance_waits(policy: &Policy<'_>) -> Option<u32> {
    let waits = policy.method.lists && !policy.last_leaves;
    (waits && policy.deregister_timeout >= LEAST_WAIT).then(|| policy.deregister_timeout - KEPT)
}

/// Warns of those that concern the whole object. What stands on the namespace or is the cluster's default is for others, too.
pub(super) fn warn(plan: &mut Plan<'_>, policy: &Policy<'_>) {
    let mut no_effect = |what: String, why: String| {
        plan.warn(format!("{PREFIX}{what} has no effect: {why}"));
    };
    if let Some(value) = policy.authors("last-instance") {
        if !policy.method.lists {
            no_effect(
                format!("last-instance: {value}"),
                format!(
                    "deregister: {} has no list of instances to be the last in",
                    policy.method.name
                ),
            );
        } else if !policy.last_leaves && last_instance_waits(policy).is_none() {
            no_effect(
                format!("last-instance: {value}"),
                format!(
                    "{} s for deregistering leave no time to wait; set {PREFIX}deregister-timeout-seconds to {LEAST_WAIT} or more",
                    policy.deregister_timeout
                ),
            );
        }
    }
    if let Some(value) = policy
        .authors("ready-when-seconds")
        .filter(|_| policy.registered.is_none())
    {
        no_effect(
            format!("ready-when-seconds: {value}"),
            "it goes with ready-when: registered".to_owned(),
        );
    }
}
