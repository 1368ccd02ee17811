//! Decisions in words and as JSON: what `--explain` prints and what the dry-run endpoint answers.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::manifests::Item;
use crate::engine::{Decision, Step, Timeline};
use crate::text::{shown, visible};

/// One object of a dry run, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    /// Which document of the input, counted from 1.
    pub document: usize,
    /// The line of the input that the document begins in.
    pub line: usize,
    api_version: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    outcome: &'static str,
    reason: &'static str,
    meaning: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<&'a str>,
    decisions: &'a [Step],
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Timeline>,
    warnings: &'a [String],
    /// The JSON patch byte for byte as the webhook answers it; null where there is none.
    patch: Option<&'a RawValue>,
    /// The object with the patch applied.
    object: &'a Value,
}

impl<'a> Entry<'a> {
    /// Describes one object; `object` is the patched one.
    #[must_use]
    pub fn new(item: &'a Item, document: usize, line: usize, object: &'a Value) -> Self {
        let decision = &item.decision;
        Self {
            document,
            line,
            api_version: &item.api_version,
            kind: &item.kind,
            namespace: &item.namespace,
            name: &item.name,
            outcome: decision.outcome.code(),
            reason: decision.reason.code(),
            meaning: decision.reason.meaning().trim(),
            denial: decision.denial.as_deref(),
            decisions: &decision.steps,
            timeline: decision.timeline,
            warnings: &decision.warnings,
            patch: decision
                .patch
                .as_deref()
                .and_then(|patch| serde_json::from_str(patch).ok()),
            object,
        }
    }
}

/// The report for people: one line, the warnings, and with `explain` the decisions and the timeline.
#[must_use]
pub fn words(title: &str, decision: &Decision, explain: bool) -> String {
    let mut out = format!(
        "{title}: {} ({}:{})\n",
        decision.outcome.code(),
        decision.reason.code(),
        decision.reason.meaning()
    );
    // Writing into a String cannot fail.
    if let Some(denial) = &decision.denial {
        let _ = writeln!(out, "  denied: {denial}");
    }
    for warning in &decision.warnings {
        let text = warning.strip_prefix("silkroll: ").unwrap_or(warning);
        let _ = writeln!(out, "  warning: {text}");
    }
    if explain {
        for step in &decision.steps {
            let container = if step.container.is_empty() {
                String::new()
            } else {
                format!(" [{}]", shown(&step.container, 63))
            };
            let text = visible(&step.text);
            let _ = writeln!(out, "  {:<12}{container} {text}", step.part);
        }
        if let Some(timeline) = &decision.timeline {
            out.push_str(&stop(timeline));
        }
    }
    out
}

/// The stop of a pod, second by second.
fn stop(timeline: &Timeline) -> String {
    let Timeline {
        deregister,
        drain,
        idle,
        end,
        hook,
        sigterm,
        shutdown,
        sigkill,
    } = *timeline;
    let mut out =
        String::from("  how the pod stops, in seconds after its deletion, at the latest:\n");
    let mut row = |at: i64, what: &str, text: String| {
        let _ = writeln!(out, "    {at:>5}  {what:<10} {text}");
    };
    if deregister > 0 {
        row(
            0,
            "deregister",
            format!("the registry is told, {deregister} s at most"),
        );
    }
    if drain > 0 {
        row(
            deregister,
            "drain",
            format!("callers forget the pod for {drain} s while it still answers"),
        );
    }
    if idle > 0 {
        row(
            deregister + drain,
            "idle",
            format!("clients that still hold connections are waited for, {idle} s at most"),
        );
    }
    if end > 0 {
        row(
            deregister + drain + idle,
            "end",
            format!("the server is told to end and waited for, {end} s at most"),
        );
    }
    match hook {
        Some(0) => {}
        Some(seconds) => row(
            deregister + drain + idle + end,
            "hook",
            format!("the container's own preStop, {seconds} s"),
        ),
        None => row(
            deregister + drain + idle + end,
            "hook",
            "the container's own preStop, not bounded (existing-pre-stop-seconds); SIGTERM comes when it ends"
                .to_owned(),
        ),
    }
    if let (Some(at), Some(seconds)) = (sigterm, shutdown) {
        row(
            at,
            "SIGTERM",
            format!("the app has {seconds} s to end by itself"),
        );
    }
    row(
        sigkill,
        "SIGKILL",
        "terminationGracePeriodSeconds is over".to_owned(),
    );
    out
}
