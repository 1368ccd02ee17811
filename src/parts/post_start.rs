//! lifecycle.postStart: re-enable, where deregistering switches something off that stays off for the address.

use crate::plan::ask::Stop;
use crate::plan::chain::{self, Chain};
use crate::plan::program::Doubt;
use crate::plan::wants::{Part, Plan, Target, Wants};
use crate::policy;
use crate::slots::slot::{Form, Holds, Root};

pub(crate) static FORM: Form = Form {
    key: "postStart",
    root: Root::Container,
    path: &["lifecycle", "postStart"],
    item: None,
    holds: Holds::Object(&chain::HANDLERS),
};

pub(crate) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Container(want),
};

fn want<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    let policy = target.pod.policy;
    let user = target.hook("postStart");
    chain::no_lost_record(target, user)?;
    if !(plan.hook.program && target.deregister.reenables && policy.start_hook) {
        return Ok(());
    }
    if let Err(doubt) = plan.chosen.may_start(target.pod.ask, target.container) {
        without(plan, target, doubt);
        return Ok(());
    }
    let words = match chain::of(user, target.place, plan.chosen.program) {
        Chain::Nothing => Vec::new(),
        Chain::Words(words) => words,
        Chain::Sleep(seconds) => chain::sleeping(seconds),
        Chain::Unknown(why) => {
            plan.step("post-start", target, || format!("none: {why}"));
            plan.warn(format!(
                "container {}: no start hook, the postStart there cannot be chained: {why}; \
                 a restarted container may stay out of its registry",
                target.name
            ));
            return Ok(());
        }
    };
    plan.step("post-start", target, || {
        let after = if words.is_empty() {
            ""
        } else {
            ", then the container's own postStart"
        };
        format!("re-enable: switch on what deregistering switched off{after}")
    });
    plan.want(
        target.slot(&FORM),
        chain::exec(plan.chosen.program, target, chain::When::Start, &words),
    );
    Ok(())
}

/// Says what is given up, and what brings it back.
fn without(plan: &mut Plan<'_>, target: &Target<'_, '_>, doubt: Doubt) {
    let name = policy::cut(target.name, 40);
    let restarts = "a container that restarts stays out of its registry";
    let (why, warning) = match doubt {
        // Of a script that may not run it is said with the rest, where it stops.
        Doubt::Shell => ("nothing shows that the image has a shell", None),
        Doubt::Helper => (
            "it is not certain that the helper can run there",
            Some(format!(
                "container {name}: no start hook, for the helper may not run there: {restarts}; set \
                 silkroll.dev/hook to script where there is /bin/sh, else to binary with hook-arch"
            )),
        ),
        Doubt::Nodes => (
            "nothing pins the architecture of the nodes",
            Some(format!(
                "container {name}: no start hook, for the nodes' architecture is not certain: {restarts}; set \
                 silkroll.dev/hook-arch or a nodeSelector"
            )),
        ),
        // Said once for the pod, with what else cannot run.
        Doubt::OtherNodes => ("hook-arch is not what the cluster's nodes have", None),
        Doubt::ConfigMap => (
            "the helper's ConfigMap is not in the namespace yet",
            Some(format!(
                "container {name}: no start hook in this Pod, the helper's ConfigMap is not in the namespace yet; those \
                 that come later have one"
            )),
        ),
    };
    plan.step("post-start", target, || format!("none: {why}"));
    if let Some(warning) = warning {
        plan.warn(warning);
    }
}
