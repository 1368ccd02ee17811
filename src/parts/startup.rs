//! The startup probe of `ready-when: registered`, where the container has none: until it passes the kubelet asks no other probe, so the
//! container is not ready, and a rollout goes no further.

use super::min_ready;
use crate::plan::ask::Stop;
use crate::plan::chain::{self, HANDLERS, When};
use crate::plan::program::Doubt;
use crate::plan::wants::{Part, Plan, Target, Wants};
use crate::policy;
use crate::slots::slot::{Form, Holds, Root};

pub(crate) static FORM: Form = Form {
    key: "startup",
    root: Root::Container,
    path: &["startupProbe"],
    item: None,
    holds: Holds::Object(&HANDLERS),
};

pub(crate) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Container(want),
};

/// A look at the list is one request; more often would be felt where hundreds of pods start at once.
const PERIOD: u32 = 3;
/// The hook ends within 5 s, and a busy node may take a while to start it.
const TIMEOUT: u32 = 10;
/// The hook passes by itself when its bound is over: the kubelet, which would restart the container, comes long after that.
const SPARE: u32 = 600;

fn want<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    let of = target.pod.policy;
    let Some((bound, _)) = of.registered.as_ref().filter(|_| of.method.lists) else {
        return Ok(());
    };
    if let Err(why) = possible(plan, target) {
        plan.step("startup", target, || format!("none: {why}"));
        plan.warn(format!(
            "container {}: ready-when: registered has no effect, {why}",
            policy::cut(target.name, 40)
        ));
        return Ok(());
    }
    plan.hook.registered = true;
    plan.step("startup", target, || {
        format!("passes once this pod is listed, and {bound} s after its start at the latest")
    });
    warn_of_deadline(plan, target, *bound);
    let exec = chain::exec(plan.chosen.program, target, When::Registered, &[]);
    let handler = exec.strip_suffix('}').unwrap_or(&exec);
    let failures = (bound + SPARE).div_ceil(PERIOD);
    plan.want(
        target.slot(&FORM),
        format!(
            r#"{handler},"timeoutSeconds":{TIMEOUT},"periodSeconds":{PERIOD},"successThreshold":1,"failureThreshold":{failures}}}"#
        ),
    );
    Ok(())
}

/// A pipeline that goes back where a rollout is reported as failed would do so before the pods count as started.
fn warn_of_deadline(plan: &mut Plan<'_>, target: &Target<'_, '_>, bound: u32) {
    let ask = target.pod.ask;
    let deadline = min_ready::deadline(ask.object.spec.as_ref());
    if ask.kind.has_deadline() && i64::from(bound) >= deadline {
        plan.warn(format!(
            "container {}: where it is not listed, a rollout is reported as failed before ready-when-seconds ({bound}) are over: \
             set progressDeadlineSeconds, which is {deadline}, well above them",
            policy::cut(target.name, 40)
        ));
    }
}

/// Why there can be none.
fn possible(plan: &Plan<'_>, target: &Target<'_, '_>) -> Result<(), &'static str> {
    if target.container.json("startupProbe").is_some() {
        return Err("its own startupProbe stays; take that out, or ready-when");
    }
    if !plan.hook.program {
        return Err("for no hook of Silkroll's is in it");
    }
    // The first process of the node tells nothing of the container's start.
    if target.pod.user.pod().json("hostPID") == Some("true") {
        return Err("for with hostPID nothing tells when the container started");
    }
    // A startup probe that cannot run never passes: as certain as a start hook it has to be.
    plan.chosen.may_start(target.pod.ask, target.container).map_err(|doubt| match doubt {
        Doubt::Shell => {
            "for without a shell in the image it would never start; set silkroll.dev/hook to script where there is \
             one, else to binary with hook-arch"
        }
        Doubt::Helper => {
            "for it is not certain that the helper can run there; set silkroll.dev/hook to script where there is \
             /bin/sh, else to binary with hook-arch"
        }
        Doubt::Nodes => {
            "for the nodes' architecture is not certain; set silkroll.dev/hook-arch or a nodeSelector"
        }
        Doubt::OtherNodes => "for hook-arch is not what the cluster's nodes have",
        Doubt::ConfigMap => "the helper's ConfigMap is not in the namespace yet",
    })
}
