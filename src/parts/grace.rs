//! terminationGracePeriodSeconds: the hook's budget never eats the app's own time to shut down.

use crate::plan::ask::Stop;
use crate::plan::report::{Reason, Timeline};
use crate::plan::wants::{Part, Plan, Pod, Wants};
use crate::slots::fingerprint::DEFAULT_GRACE;
use crate::slots::json::integer;
use crate::slots::slot::{Form, Holds, Root, Slot};
use crate::slots::tree::Tree;

pub(crate) static FORM: Form = Form {
    key: "grace",
    root: Root::Pod,
    path: &["terminationGracePeriodSeconds"],
    item: None,
    holds: Holds::Seconds,
};

pub(crate) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Pod(want),
};

/// Seconds for the kubelet's own work between the hook and SIGKILL.
const MARGIN: i64 = 5;
/// What the API's own seconds go up to where it bounds them; none is meant longer.
const LONGEST: i64 = i32::MAX as i64;
/// `--max-graceful-termination-sec` of the cluster autoscaler.
const AUTOSCALER_LIMIT: i64 = 600;

/// The seconds that the user's object has or gets, without Silkroll.
pub(crate) fn had(user: &Tree<'_>) -> i64 {
    let text = user.pod().json("terminationGracePeriodSeconds");
    integer(text).unwrap_or(DEFAULT_GRACE)
}

fn want<'a>(plan: &mut Plan<'a>, pod: &Pod<'_, 'a>) -> Result<(), Stop> {
    let text = pod.user.pod().json("terminationGracePeriodSeconds");
    let had = had(pod.user);
    // The API server refuses it with a better message than a raised number would get.
    if let Some(text) = text
        && !integer(Some(text)).is_some_and(|seconds| (0..=LONGEST).contains(&seconds))
    {
        return Err(Stop::skip(
            Reason::BadGracePeriod,
            format!(
                "nothing was injected: terminationGracePeriodSeconds is {}, allowed is a whole number from 0",
                crate::policy::cut(text, 40)
            ),
        ));
    }
    let policy = pod.policy;
    let budget = &plan.budget;
    let (deregister, drain, idle) = (budget.deregister, budget.drain, budget.idle);
    let (end, own) = (budget.end, budget.own);
    let shutdown = policy.shutdown.map_or(had, i64::from);
    let hook_needs = deregister + drain + idle + end + own;
    let needs_more = budget.hooks || own > 0 || policy.shutdown.is_some();
    // A record of more would not be believed.
    let needed = (hook_needs + shutdown + MARGIN).clamp(had, LONGEST.max(had));
    let grace = if needs_more { needed } else { had };
    let known = (!budget.unbounded).then(|| own.max(budget.kept));
    let sigterm = known.map(|hook| hook_needs - own + hook);
    plan.timeline = Some(Timeline {
        deregister,
        drain,
        idle,
        end,
        hook: known,
        sigterm,
        shutdown: sigterm.map(|at| grace - at),
        sigkill: grace,
    });
    if grace != had {
        plan.want(Slot::new(&FORM), grace.to_string());
    }
    plan.pod_step("grace", || {
        if !needs_more {
            return format!("{grace} s, as it was: no hook takes any of it");
        }
        let some = |what: &str, seconds: i64| match seconds {
            0 => String::new(),
            seconds => format!(" + {what} {seconds}"),
        };
        let (idle, end) = (some("idle", idle), some("end", end));
        format!(
            "{grace} s: deregister {deregister} + drain {drain}{idle}{end} + own hook {own} + shutdown {shutdown} + {MARGIN}, never less than {had}"
        )
    });
    if grace > AUTOSCALER_LIMIT {
        plan.warn(format!(
            "terminationGracePeriodSeconds is {grace}; the cluster autoscaler cuts it at {AUTOSCALER_LIMIT} s unless told otherwise"
        ));
    }
    Ok(())
}
