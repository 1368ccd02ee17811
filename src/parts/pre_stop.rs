//! lifecycle.preStop: take the pod out of its registry, wait while callers forget it, then run the user's
//! own hook.

use crate::plan::ask::Stop;
use crate::plan::chain::{self, Chain};
use crate::plan::own;
use crate::plan::shell;
use crate::plan::wants::{Part, Plan, Target, Wants};
use crate::policy::{self, ExistingPreStop, Policy};
use crate::slots::slot::{Form, Holds, Root};

pub(crate) static FORM: Form = Form {
    key: "preStop",
    root: Root::Container,
    path: &["lifecycle", "preStop"],
    item: None,
    holds: Holds::Object(&chain::HANDLERS),
};

pub(crate) const PART: Part = Part {
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
    plan.hook = crate::plan::wants::Hooked {
        own: user.and(policy.existing_pre_stop_seconds).unwrap_or(0),
        ..Default::default()
    };
    let decided = decide(plan, target, user);
    let budget = &mut plan.budget;
    match decided {
        PreStop::Set(text, line) => {
            budget.hooks = true;
            budget.drain = i64::from(policy.drain);
            budget.idle = budget.idle.max(i64::from(plan.hook.idle));
            match target.deregister.ends {
                Some(seconds) => budget.end = budget.end.max(i64::from(seconds)),
                None if target.deregister.calls => {
                    budget.deregister = i64::from(policy.deregister_timeout);
                }
                None => {}
            }
            plan.step("pre-stop", target, || line);
            plan.want(target.slot(&FORM), text);
            warn_of_lost_call(plan, target, user);
            if plan.hook.program {
                warn_of_own_hook(plan, target, user);
                warn_of_guess(plan, target);
            }
        }
        PreStop::Keep(why) => {
            budget.kept = budget.kept.max(chain::sleeps(user).map_or(0, i64::from));
            plan.step("pre-stop", target, || why.to_owned());
            warn_of_idle(plan, target);
        }
        PreStop::Unchainable(why) => {
            budget.kept = budget.kept.max(chain::sleeps(user).map_or(0, i64::from));
            plan.step("pre-stop", target, || format!("kept: {why}"));
            plan.warn(format!(
                "container {}: no preStop hook was injected, the one there cannot be chained: {why}",
                target.name
            ));
            warn_of_idle(plan, target);
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
    let (words, own, own_sleep) = match chain::of(user, target.place, plan.chosen.program) {
        Chain::Nothing => (Vec::new(), 0, Some(0)),
        Chain::Sleep(seconds) => (chain::sleeping(seconds), seconds, Some(seconds)),
        Chain::Words(words) => (words, policy.existing_pre_stop_seconds.unwrap_or(0), None),
        Chain::Unknown(why) => return PreStop::Unchainable(why),
    };
    let idle = idle(plan, target);
    let only_sleeps = own_sleep
        .filter(|_| !deregister.calls && idle == 0)
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
    plan.hook.idle = idle;
    let drain = policy.drain;
    let wait = match idle {
        0 => format!("wait {drain} s"),
        _ => format!("wait {drain} s and on while clients hold connections, {idle} s at most"),
    };
    let after = if words.is_empty() {
        ""
    } else {
        ", then the container's own preStop"
    };
    let last = policy
        .last_instance_waits()
        .map_or(String::new(), |seconds| {
            format!("where it is the last usable instance wait up to {seconds} s for another one, ")
        });
    let line = match deregister.ends {
        None => format!("{last}{}, {wait}{after}", deregister.summary),
        Some(_) => format!("{wait}, {}{after}", deregister.summary),
    };
    PreStop::Set(
        chain::exec(plan.chosen.program, target, chain::When::Stop, &words),
        line,
    )
}

/// Seconds, at most, that the hook waits on after the drain while clients hold connections.
fn idle(plan: &mut Plan<'_>, target: &Target<'_, '_>) -> u32 {
    let seconds = target.pod.policy.idle;
    let on_the_node = target.pod.user.pod().json("hostNetwork") == Some("true");
    if seconds > 0 && on_the_node && target.place.ports.is_empty() {
        plan.warn(format!(
            "container {}: drain-until-idle-seconds has no effect: with hostNetwork all connections of the node \
             are in sight, and which are its own only its ports tell; declare them",
            target.name
        ));
        return 0;
    }
    seconds
}

/// Looking for connections takes a hook of Silkroll's.
fn warn_of_idle(plan: &mut Plan<'_>, target: &Target<'_, '_>) {
    if target.pod.policy.idle > 0 {
        plan.warn(format!(
            "container {}: drain-until-idle-seconds has no effect, for no hook of Silkroll's is in it",
            target.name
        ));
    }
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
}

/// The user's hook calls a registry, and what is put in its place does not.
fn warn_of_lost_call(plan: &mut Plan<'_>, target: &Target<'_, '_>, user: Option<&str>) {
    let replaced = target.pod.policy.existing_pre_stop == ExistingPreStop::Replace;
    let leaves = target.deregister.calls && target.deregister.ends.is_none();
    if replaced && !leaves && user.and_then(own::calls).is_some() {
        plan.warn(own::lost(target.name));
    }
}

/// The script was taken for want of something that surely runs.
fn warn_of_guess(plan: &mut Plan<'_>, target: &Target<'_, '_>) {
    if !plan.chosen.shell_is_a_guess(target.container) {
        return;
    }
    let reenables = target.pod.policy.start_hook && target.deregister.reenables;
    // Its author's own stop hook needs the same shell: nothing is lost that worked before.
    if !reenables && target.hook("preStop").and_then(shell::of_hook).is_some() {
        return;
    }
    let start = if reenables {
        ", and there is no start hook"
    } else {
        ""
    };
    let other = plan.chosen.other_way();
    plan.warn(format!(
        "container {}: its image may have no shell: then its stop hook fails{start}; set \
         silkroll.dev/hook to script where there is /bin/sh; {other}",
        policy::cut(target.name, 40)
    ));
}
