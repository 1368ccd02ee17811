//! lifecycle.postStart: the way back, where leaving switches something off that stays off for the address.

use super::super::ask::Stop;
use super::super::chain::{self, Chain};
use super::super::kind::Kind;
use super::super::level;
use super::super::plan::{Part, Plan, Target, Wants};
use super::super::slot::{Form, Holds, Root};
use crate::policy::Hook;

pub(in crate::engine) static FORM: Form = Form {
    key: "postStart",
    root: Root::Container,
    path: &["lifecycle", "postStart"],
    item: None,
    holds: Holds::Object(&chain::HANDLERS),
};

pub(super) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Container(want),
};

/// Whether the hook's program is in the container when it starts (law 14).
pub(super) enum Runs {
    Surely,
    /// It needs a shell, and nothing shows that the image has one.
    Perhaps,
    NotYet(&'static str),
}

/// The same, of what stands in a slot of this form: one that was injected before has shown it.
pub(super) fn runs(target: &Target<'_, '_>, form: &'static Form) -> Runs {
    let ask = target.pod.ask;
    if ask.kind == Kind::Pod && target.pod.policy.hook == Hook::Binary && !ask.helper_stands {
        return Runs::NotYet("the helper's ConfigMap is not in the namespace yet");
    }
    let key = target.slot(form).key();
    let record = target.pod.record;
    let stands = record.is_some_and(|record| record.slots.contains_key(&*key));
    if !stands && chain::shell_is_a_guess(target) {
        return Runs::Perhaps;
    }
    Runs::Surely
}

fn want<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    let policy = target.pod.policy;
    let user = target.hook("postStart");
    chain::no_lost_record(target, user)?;
    if !(plan.hook.program && target.deregister.reenables && policy.start_hook) {
        return Ok(());
    }
    // Its container would be killed again and again, or wait for the ConfigMap.
    let runs = runs(target, &FORM);
    if let Runs::NotYet(why) = runs {
        plan.step("post-start", target, || format!("none: {why}"));
        plan.warn(format!(
            "container {}: no start hook in this Pod, {why}; those that come later have one",
            target.name
        ));
        return Ok(());
    }
    let words = match chain::of(user, target.place, policy.hook) {
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
    let guess = matches!(runs, Runs::Perhaps);
    // Law 14, and of a Pod nobody would read the warning.
    if guess && level::of_pods(target.pod.ask) {
        plan.step("post-start", target, || {
            "none: nothing shows that the image has a shell".to_owned()
        });
        plan.warn(format!(
            "container {}: no start hook, for an image without a shell would not start with it; set \
             silkroll.dev/hook to script where there is one, else to binary",
            target.name
        ));
        return Ok(());
    }
    plan.step("post-start", target, || {
        let after = if words.is_empty() {
            ""
        } else {
            ", then the container's own postStart"
        };
        format!("the way back: switch on what leaving switched off{after}")
    });
    if guess {
        plan.warn(format!(
            "container {}: a start hook runs /bin/sh; an image without a shell will not \
             start with it: then set silkroll.dev/hook to binary, else to script",
            target.name
        ));
    }
    plan.want(
        target.slot(&FORM),
        chain::exec(policy.hook, chain::When::Start, &words),
    );
    Ok(())
}
