//! A blue-green Rollout keeps its old pods for `scaleDownDelaySeconds` after the switch. Nothing is injected for that, but
//! callers who go by a registry need the old pods for as long as the drain is.

use crate::plan::ask::Stop;
use crate::plan::strategy::is_blue_green;
use crate::plan::wants::{Part, Plan, Pod, Wants};
use crate::slots::json::{integer, member, members};

pub(crate) const PART: Part = Part {
    forms: &[],
    wants: Wants::Pod(want),
};

/// What Argo Rollouts takes where it is left out (`DefaultScaleDownDelaySeconds`).
const DEFAULT_DELAY: i64 = 30;

fn want<'a>(plan: &mut Plan<'a>, pod: &Pod<'_, 'a>) -> Result<(), Stop> {
    if !is_blue_green(pod.user) {
        return Ok(());
    }
    let strategy = members(pod.user.strategy().json("blueGreen").unwrap_or_default());
    let said = integer(member(&strategy, "scaleDownDelaySeconds"));
    let (delay, drain) = (said.unwrap_or(DEFAULT_DELAY), plan.budget.drain);
    if plan.budget.hooks && delay < drain {
        let whose = if said.is_some() { "" } else { ", the default," };
        plan.warn(format!(
            "the blue-green strategy's scaleDownDelaySeconds of {delay}{whose} is shorter than the drain of {drain} s: set it \
             to {drain} or more, for callers that still know the old pods"
        ));
    }
    Ok(())
}
