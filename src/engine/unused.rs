//! Settings that their author wrote and that come to nothing as the others stand: said, for nobody else would find out.

use crate::deregister::METHODS;
use crate::plan::wants::Plan;
use crate::policy::{LEAST_WAIT, Method, PREFIX, Policy};

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
        } else if !policy.last_leaves && policy.last_instance_waits().is_none() {
            no_effect(
                format!("last-instance: {value}"),
                format!(
                    "{} s for deregistering leave no time to wait; set {PREFIX}deregister-timeout-seconds to {LEAST_WAIT} or more",
                    policy.deregister_timeout
                ),
            );
        }
    }
    let mut others = Vec::new();
    for key in policy.all_authors() {
        let of = |method: &&Method| method.settings.iter().any(|setting| setting.name == key);
        if let Some(other) = METHODS.iter().find(of)
            && other.name != policy.method.name
            && !others.contains(&other.name)
        {
            // One of a method's settings tells as much as all of them.
            others.push(other.name);
            no_effect(
                key.to_owned(),
                format!(
                    "it goes with {PREFIX}deregister: {}, and here it is {}",
                    other.name, policy.method.name
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
