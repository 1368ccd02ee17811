//! lifecycle.preStop: take the pod out of its registry, wait while callers forget it, then run the user's
//! own hook.

use super::super::ask::Stop;
use super::super::chain::{self, Chain};
use super::super::own;
use super::super::plan::{Part, Plan, Target, Wants};
use super::super::slot::{Form, Holds, Root};
use crate::policy::{ExistingPreStop, Policy};

pub(in crate::engine) static FORM: Form = Form {
    key: "preStop",
    root: Root::Container,
    path: &["lifecycle", "preStop"],
    item: None,
    holds: Holds::Object(&chain::HANDLERS),
};

pub(super) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Container(want),
};

/// What to do with a container's preStop.
enum PreStop {
    /// Put this one in place: its JSON, and one line about it.
    Set(String, String),
    /// Leave what is there, for this reason.
    Keep(&'static str),
    /// The user's own cannot be chained, for this reason.
    Unchainable(String),
}

fn want<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    let policy = target.pod.policy;
    let user = target.hook("preStop");
    chain::no_lost_record(target, user)?;
    plan.hook = super::super::plan::Hooked {
        own: user.and(policy.existing_pre_stop_seconds).unwrap_or(0),
        ..Default::default()
    };
    let decided = decide(plan, target, user);
    let budget = &mut plan.budget;
    match decided {
        PreStop::Set(text, line) => {
            budget.hooks = true;
            budget.drain = i64::from(policy.drain);
            match target.deregister.ends {
                Some(seconds) => budget.end = budget.end.max(i64::from(seconds)),
                None if target.deregister.calls => {
                    budget.deregister = i64::from(policy.deregister_timeout);
                }
                None => {}
            }
            plan.step("pre-stop", target, || line);
            plan.want(target.slot(&FORM), text);
            if plan.hook.program {
                warn_of_own_hook(plan, target, user);
            }
        }
        PreStop::Keep(why) => {
            budget.kept = budget.kept.max(chain::sleeps(user).map_or(0, i64::from));
            plan.step("pre-stop", target, || why.to_owned());
        }
        PreStop::Unchainable(why) => {
            budget.kept = budget.kept.max(chain::sleeps(user).map_or(0, i64::from));
            plan.step("pre-stop", target, || format!("kept: {why}"));
            plan.warn(format!(
                "container {}: no preStop hook was injected, the one there cannot be chained: {why}",
                target.name
            ));
        }
    }
    let budget = &mut plan.budget;
    budget.own = budget.own.max(i64::from(plan.hook.own));
    budget.unbounded |= chain::is_unbounded(policy, user);
    Ok(())
}

fn decide(plan: &mut Plan<'_>, target: &Target<'_, '_>, user: Option<&str>) -> PreStop {
    let policy = target.pod.policy;
    let deregister = target.deregister;
    let user = match (user, policy.existing_pre_stop) {
        (Some(_), ExistingPreStop::Keep) => {
            return PreStop::Keep(
                "the container's own preStop stays alone (existing-pre-stop: keep)",
            );
        }
        (_, ExistingPreStop::Replace) => None,
        (user, _) => user,
    };
    let (words, own, own_sleep) = match chain::of(user, target.place, policy.hook) {
        Chain::Nothing => (Vec::new(), 0, Some(0)),
        Chain::Sleep(seconds) => (chain::sleeping(seconds), seconds, Some(seconds)),
        Chain::Words(words) => (words, policy.existing_pre_stop_seconds.unwrap_or(0), None),
        Chain::Unknown(why) => return PreStop::Unchainable(why),
    };
    let only_sleeps = own_sleep
        .filter(|_| !deregister.calls)
        .map(|seconds| policy.drain + seconds);
    if only_sleeps == Some(0) {
        return PreStop::Keep("nothing to call and no time to wait: no hook is needed");
    }
    plan.hook.own = own;
    if let Some(seconds) = only_sleeps.filter(|_| target.pod.ask.settings.native_sleep) {
        return PreStop::Set(
            format!("{{\"sleep\":{{\"seconds\":{seconds}}}}}"),
            format!("native sleep of {seconds} s, no shell needed"),
        );
    }
    plan.hook.program = true;
    let after = if words.is_empty() {
        ""
    } else {
        ", then the container's own preStop"
    };
    let line = match deregister.ends {
        None => format!("{}, wait {} s{after}", deregister.summary, policy.drain),
        Some(_) => format!("wait {} s, {}{after}", policy.drain, deregister.summary),
    };
    PreStop::Set(chain::exec(policy.hook, chain::When::Stop, &words), line)
}

fn warn_of_own_hook(plan: &mut Plan<'_>, target: &Target<'_, '_>, user: Option<&str>) {
    let policy: &Policy<'_> = target.pod.policy;
    let Some(user) = user.filter(|_| policy.existing_pre_stop == ExistingPreStop::Chain) else {
        return;
    };
    if let Some(calls) = own::calls(user) {
        // `chain` written out is an answer to this warning, which says all there is to say.
        if !policy.says("existing-pre-stop") {
            plan.warn(own::warning(policy, target.name, calls));
        }
    } else if policy.existing_pre_stop_seconds.is_none() && !user.contains("\"sleep\":{") {
        plan.warn(format!(
            "container {}: its own preStop runs after the drain, in the app's shutdown time; \
             say what it needs with silkroll.dev/existing-pre-stop-seconds",
            target.name
        ));
    }
    if chain::shell_is_a_guess(target) {
        plan.warn(format!(
            "container {}: chaining its own preStop needs /bin/sh in the image; without one set \
             silkroll.dev/hook to binary, with one to script",
            target.name
        ));
    }
}
