//! spec.minReadySeconds, where the object has none.

use crate::plan::ask::Stop;
use crate::plan::wants::{Part, Plan, Pod, Wants};
use crate::slots::json::integer;
use crate::slots::kind::Kind;
use crate::slots::slot::{Form, Holds, Root, Slot};
use crate::slots::view::Spec;

pub(crate) static FORM: Form = Form {
    key: "minReady",
    root: Root::Spec,
    path: &["minReadySeconds"],
    item: None,
    holds: Holds::Seconds,
};

pub(crate) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Pod(want),
};

/// The API's default for progressDeadlineSeconds.
const DEFAULT_DEADLINE: i64 = 600;

fn want<'a>(plan: &mut Plan<'a>, pod: &Pod<'_, 'a>) -> Result<(), Stop> {
    let Some(seconds) = pod.policy.min_ready else {
        return Ok(());
    };
    if seconds == 0 || integer(pod.user.spec.json("minReadySeconds")).unwrap_or(0) != 0 {
        plan.pod_step("min-ready", || "stays as the object has it".to_owned());
        return Ok(());
    }
    plan.pod_step("min-ready", || format!("minReadySeconds {seconds}"));
    plan.want(Slot::new(&FORM), seconds.to_string());
    Ok(())
}

/// Seconds after which a rollout without progress is reported as failed.
pub(crate) fn deadline(spec: Option<&Spec<'_>>) -> i64 {
    let said = spec.and_then(|spec| spec.progress_deadline_seconds);
    integer(said.map(serde_json::value::RawValue::get)).unwrap_or(DEFAULT_DEADLINE)
}

/// Why so many seconds of minReadySeconds break a rule; `None` where they do not.
pub(crate) fn too_long(kind: Kind, spec: Option<&Spec<'_>>, seconds: i64) -> Option<String> {
    let deadline = deadline(spec);
    // One below it would be valid and no better: a rollout whose pods take a second to become ready
    // would be reported as failed.
    (kind.has_deadline() && seconds >= deadline)
        .then(|| format!("it has to be below progressDeadlineSeconds, which is {deadline}"))
}

/// The warning for it.
pub(crate) fn left_out(seconds: i64, why: &str) -> String {
    format!(
        "minReadySeconds {seconds} was left out: {why}; raise that well above it, or lower silkroll.dev/min-ready-seconds"
    )
}
