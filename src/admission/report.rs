//! Decisions in words and as JSON: what `--explain` prints and what the dry-run endpoint answers.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::manifests::Item;
use super::stop::{self, Phase};
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
    timeline: Option<Stop>,
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<&'a Lines>,
    /// The JSON patch byte for byte as the webhook answers it; null where there is none.
    patch: Option<&'a RawValue>,
    /// The object with the patch applied.
    object: &'a Value,
}

/// How the pod stops: the figures, and the phases that they make.
#[derive(Debug, Serialize)]
struct Stop {
    #[serde(flatten)]
    timeline: Timeline,
    phases: Vec<Phase>,
}

/// The lines of the input that an entry is about, counted from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// Where the object begins.
    pub object: usize,
    /// What the denial is about, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<usize>,
    /// What each warning is about.
    pub warnings: Vec<usize>,
}

impl<'a> Entry<'a> {
    /// Describes one object; `object` is the patched one.
    #[must_use]
    pub fn new(
        item: &'a Item,
        document: usize,
        line: usize,
        lines: Option<&'a Lines>,
        object: &'a Value,
    ) -> Self {
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
            timeline: decision.timeline.map(|timeline| Stop {
                timeline,
                phases: stop::phases(&timeline),
            }),
            warnings: &decision.warnings,
            lines,
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
            out.push_str(&stop::draw(timeline));
        }
    }
    out
}
