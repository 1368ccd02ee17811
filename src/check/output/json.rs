//! For programs.

use serde::Serialize;

use super::super::mend::Mend;
use super::super::remarks::Remark;
use super::super::report::{Entry, Quiet, Report};
use super::super::rule::Severity;
use crate::text::seen_json;

#[derive(Serialize)]
struct Whole<'a> {
    findings: Vec<JsonFinding<'a>>,
    /// What was not judged, or not as a whole.
    remarks: Vec<Said<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Said<'a> {
    message: String,
    objects: Vec<About<'a>>,
}

#[derive(Serialize)]
struct About<'a> {
    file: &'a str,
    object: &'a str,
}

/// One finding with all that is said of it.
#[derive(Debug, Serialize)]
pub struct JsonFinding<'a> {
    code: &'a str,
    severity: &'a str,
    title: &'a str,
    file: &'a str,
    line: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    container: &'a str,
    field: &'a str,
    message: &'a str,
    harm: &'a str,
    advice: &'a str,
    page: String,
    /// Whether an injection would mend it.
    mended: bool,
    /// What to do so that it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    baseline: bool,
}

#[derive(Serialize)]
struct Summary {
    objects: usize,
    workloads: usize,
    errors: usize,
    warnings: usize,
    infos: usize,
    unreadable: usize,
    /// Objects that were not judged.
    #[serde(rename = "passedOver")]
    passed_over: usize,
    failed: bool,
}

/// A finding as programs read it.
#[must_use]
pub fn one(entry: &Entry) -> JsonFinding<'_> {
    JsonFinding {
        code: entry.rule.code,
        severity: entry.rule.severity.name(),
        title: entry.rule.title,
        file: &entry.file,
        line: entry.line,
        source: &entry.source,
        kind: &entry.kind,
        namespace: &entry.namespace,
        name: &entry.name,
        container: &entry.container,
        field: &entry.field,
        message: &entry.message,
        harm: entry.rule.harm,
        advice: entry.advice,
        page: entry.rule.page_path(),
        mended: entry.mended.is_some(),
        mend: entry.mended.map(Mend::sentence),
        ignored: match &entry.quiet {
            Some(Quiet::Ignored(reason)) => Some(reason),
            _ => None,
        },
        baseline: entry.quiet == Some(Quiet::Baseline),
    }
}

fn said(remark: &Remark) -> Said<'_> {
    let about = |(file, object)| About { file, object };
    let objects = remark.objects().map(|(file, object)| (&**file, &**object));
    Said {
        message: remark.reason(),
        objects: objects.map(about).collect(),
    }
}

/// One object with all findings, those that are ignored and known among them, and their number by severity without those.
///
/// # Errors
/// Never: texts and numbers can be written.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let whole = Whole {
        findings: report.entries.iter().map(one).collect(),
        remarks: report.remarks.iter().map(said).collect(),
        summary: Summary {
            objects: report.objects,
            workloads: report.workloads.len(),
            errors: report.number(Severity::Error),
            warnings: report.number(Severity::Warning),
            infos: report.number(Severity::Info),
            unreadable: report.unreadable.len(),
            passed_over: report.passed_over().count(),
            failed: report.fails() || !report.is_whole(),
        },
    };
    Ok(seen_json(&serde_json::to_string_pretty(&whole)?).into_owned() + "\n")
}
