//! SARIF 2.1.0, which GitHub shows as code scanning alerts.

use serde_json::{Value, json};

use super::super::remarks::Remark;
use super::super::report::{Entry, Report};
use super::super::rule::{Rule, Severity};
use super::super::table::RULES;
use crate::text::{seen_json, shown};

/// The longest name of an object with its kind, namespace and container, in characters: what the API server takes fits.
const NAME: usize = 600;

/// Documents that could not be read are told of one by one up to here.
const UNREADABLE: usize = 100;

/// One run with all rules, and all findings that count. Those that are ignored or known are left out: GitHub would show
/// them as open, for it does not read `suppressions` (github/codeql-action#1230).
#[must_use]
pub fn sarif(report: &Report) -> String {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "silkroll",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation(report)],
            "results": report.loud().map(result).collect::<Vec<_>>(),
        }],
    });
    seen_json(&format!("{log:#}\n")).into_owned()
}

/// What was not judged is not clean, and who reads this file alone has to see it.
fn invocation(report: &Report) -> Value {
    let said = report.unreadable.iter().take(UNREADABLE);
    let wrong = said.map(|text| json!({"level": "error", "message": {"text": text}}));
    let remarks = report.remarks.iter().map(Remark::whole);
    let remarks = remarks.map(|text| json!({"level": "note", "message": {"text": text}}));
    let notes = wrong.chain(remarks);
    json!({
        "executionSuccessful": report.is_whole(),
        "toolExecutionNotifications": notes.collect::<Vec<_>>(),
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.harm},
        "help": {"text": format!("{} {}", rule.harm, rule.advice), "markdown": rule.page},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn result(entry: &Entry) -> Value {
    let index = RULES.iter().position(|rule| rule.code == entry.rule.code);
    // GitHub takes no file in which a result has no place; what runs in a cluster has none in the repository.
    let (uri, line) = if let Some((file, line)) = entry.shown_at() {
        (uri(file), line)
    } else {
        let Entry {
            kind,
            namespace,
            name,
            ..
        } = entry;
        let path = format!("cluster/{namespace}/{kind}/{name}");
        (uri(&shown(&path, NAME)), 1)
    };
    json!({
        "ruleId": entry.rule.code,
        "ruleIndex": index,
        "level": level(entry.rule.severity),
        "message": {"text": entry.sentence()},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri},
                "region": {"startLine": line},
            },
            "logicalLocations": [{
                "name": shown(&entry.name, NAME),
                "fullyQualifiedName": qualified(entry),
                "kind": "resource",
            }],
        }],
        // What stays the same when lines move.
        "partialFingerprints": {"silkroll/v1": format!("{}:{}", entry.rule.code, qualified(entry))},
    })
}

fn qualified(entry: &Entry) -> String {
    let mut name = format!("{}/{}/{}", entry.kind, entry.namespace, entry.name);
    if !entry.container.is_empty() {
        name.push('/');
        name.push_str(&entry.container);
    }
    shown(&name, NAME).into_owned()
}

/// A path as a URI reference: what may not stand in one is written as its bytes (RFC 3986).
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                for half in [byte >> 4, byte & 15] {
                    out.extend(
                        char::from_digit(u32::from(half), 16).map(|c| c.to_ascii_uppercase()),
                    );
                }
            }
        }
    }
    out
}
