//! For people.

use std::fmt::Write as _;

use super::super::mend::Mend;
use super::super::report::{Entry, Quiet, Report};
use super::super::rule::Severity;
use crate::text::{harmless, shown};

/// Paths as terminals show them, in characters.
const PATH: usize = 300;

/// One paragraph for each finding, and what they come to.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for entry in report.loud() {
        paragraph(&mut out, entry);
    }
    let number = |severity: Severity| {
        let number = report.number(severity);
        let s = if number == 1 { "" } else { "s" };
        match severity {
            Severity::Info => format!("{number} info"),
            _ => format!("{number} {}{s}", severity.name()),
        }
    };
    let quiet = |what: fn(&Quiet) -> bool| {
        let entries = report
            .entries
            .iter()
            .filter_map(|entry| entry.quiet.as_ref());
        entries.filter(|quiet| what(quiet)).count()
    };
    let ignored = quiet(|quiet| matches!(quiet, Quiet::Ignored(_)));
    let known = quiet(|quiet| matches!(quiet, Quiet::Baseline));
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "{} judged: {}, {}, {}",
        count(report.workloads.len(), "workload"),
        number(Severity::Error),
        number(Severity::Warning),
        number(Severity::Info),
    );
    if ignored > 0 {
        let _ = write!(out, ", {ignored} ignored");
    }
    if known > 0 {
        let _ = write!(out, ", {known} in the baseline");
    }
    let mended = |of: fn(&Mend) -> bool| {
        let mends = report.loud().filter_map(|entry| entry.mended);
        mends.filter(of).count()
    };
    let annotate = mended(|mend| mend.annotates());
    let request = mended(|mend| *mend == Mend::Request);
    let apply = mended(|mend| !mend.annotates() && *mend != Mend::Request);
    if annotate > 0 {
        let _ = write!(out, "; annotating the namespace would mend {annotate}");
    }
    if request > 0 {
        let _ = write!(out, "; annotating the workload would mend {request}");
    }
    if apply > 0 {
        let _ = write!(out, "; applying or restarting would mend {apply}");
    }
    out.push('\n');
    out
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

fn paragraph(out: &mut String, entry: &Entry) {
    let rule = entry.rule;
    if !entry.file.is_empty() {
        let file = harmless(&shown(&entry.file, PATH));
        // Nor may a file's name begin a line with a command.
        let here = if file.trim_start().starts_with("::") {
            "./"
        } else {
            ""
        };
        let _ = write!(out, "{here}{file}:{}: ", entry.line);
    }
    let _ = writeln!(
        out,
        "{} {} {}",
        rule.severity.name(),
        rule.code,
        entry.title()
    );
    let _ = writeln!(out, "  {}: {}", rule.title, entry.shown_message());
    let _ = writeln!(out, "  {}", rule.harm);
    let _ = writeln!(out, "  What to do: {}", entry.advice);
    if let Some(mend) = entry.mended {
        let _ = writeln!(out, "  {}", mend.sentence());
    }
    out.push('\n');
}
