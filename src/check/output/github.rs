//! Workflow commands of GitHub Actions: annotations at the lines of a pull request.

use std::fmt::Write as _;

use super::super::report::Report;
use super::super::rule::Severity;
use crate::text::visible;

/// One line for each finding that counts.
#[must_use]
pub fn github(report: &Report) -> String {
    let mut out = String::new();
    for text in &report.unreadable {
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "::error title=a document that could not be read::{}",
            data(text)
        );
    }
    for entry in report.loud() {
        let level = match entry.rule.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        // Writing into a String cannot fail.
        let _ = write!(out, "::{level} ");
        if let Some((file, line)) = entry.shown_at() {
            let _ = write!(out, "file={},line={line},", property(file));
        }
        let title = format!("{}: {}", entry.rule.code, entry.rule.title);
        let _ = writeln!(
            out,
            "title={}::{}",
            property(&title),
            data(&entry.sentence())
        );
    }
    out
}

/// As `@actions/core` escapes data; what else could deceive is made visible before.
fn data(text: &str) -> String {
    visible(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As `@actions/core` escapes properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
