//! JUnit's XML, as Jenkins, GitLab and others read it: a suite for each input, a test case for each finding, and one for each
//! workload without any.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::super::report::{Entry, Report};
use crate::text::{defused, visible};

/// What one input comes to.
#[derive(Default)]
struct Suite<'r> {
    found: Vec<&'r Entry>,
    /// Objects that were not judged, and why.
    skipped: Vec<(&'r str, String)>,
    clean: Vec<&'r str>,
}

impl Suite<'_> {
    fn tests(&self) -> usize {
        self.found.len() + self.skipped.len() + self.clean.len()
    }
}

/// All findings that count; those below `--fail-on` are cases that passed, with what they say as output.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut suites: BTreeMap<&str, Suite<'_>> = BTreeMap::new();
    let mut found = HashSet::new();
    for ((file, title), why) in report.passed_over() {
        found.insert((file.as_str(), title.clone()));
        let suite = suites.entry(file).or_default();
        suite.skipped.push((title, why));
    }
    for entry in report.loud() {
        found.insert((
            entry.file.as_ref(),
            format!("{} {}/{}", entry.kind, entry.namespace, entry.name),
        ));
        suites.entry(&entry.file).or_default().found.push(entry);
    }
    for (file, title) in &report.workloads {
        if !found.contains(&(file.as_str(), title.clone())) {
            suites.entry(file).or_default().clean.push(title);
        }
    }
    let fails = |entries: &[&Entry]| entries.iter().filter(|entry| report.counts(entry)).count();
    let tests: usize = suites.values().map(Suite::tests).sum();
    let failures: usize = suites.values().map(|suite| fails(&suite.found)).sum();
    let errors = report.unreadable.len();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"silkroll check\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">",
        tests + errors
    );
    unreadable(&mut out, report);
    for (file, suite) in &suites {
        let name = if file.is_empty() { "cluster" } else { file };
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            xml(name),
            suite.tests(),
            fails(&suite.found),
            suite.skipped.len()
        );
        for entry in &suite.found {
            case(&mut out, report, entry);
        }
        for (title, why) in &suite.skipped {
            let _ = writeln!(
                out,
                "    <testcase classname=\"silkroll.check\" name=\"{}\"><skipped message=\"{}\"/></testcase>",
                xml(title),
                xml(why)
            );
        }
        for title in &suite.clean {
            let _ = writeln!(
                out,
                "    <testcase classname=\"silkroll.check\" name=\"{}\"/>",
                xml(title)
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// A suite of its own: what was not judged is not clean.
fn unreadable(out: &mut String, report: &Report) {
    let number = report.unreadable.len();
    if number == 0 {
        return;
    }
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "  <testsuite name=\"what could not be read\" tests=\"{number}\" failures=\"0\" errors=\"{number}\" skipped=\"0\">"
    );
    for text in &report.unreadable {
        let text = xml(text);
        let _ = writeln!(
            out,
            "    <testcase classname=\"silkroll.check\" name=\"{text}\"><error type=\"unreadable\">{text}</error></testcase>"
        );
    }
    out.push_str("  </testsuite>\n");
}

fn case(out: &mut String, report: &Report, entry: &Entry) {
    let rule = entry.rule;
    let place = if entry.file.is_empty() {
        entry.field.clone()
    } else {
        format!("{}:{}", entry.file, entry.line)
    };
    let _ = writeln!(
        out,
        "    <testcase classname=\"silkroll.check\" name=\"{} {}\">",
        rule.code,
        xml(&entry.title())
    );
    let text = xml(&format!("{place}: {}", entry.sentence()));
    let _ = if report.counts(entry) {
        writeln!(
            out,
            "      <failure type=\"{}\" message=\"{}\">{text}</failure>",
            rule.severity.name(),
            xml(&format!("{}: {}", rule.title, entry.message)),
        )
    } else {
        writeln!(out, "      <system-out>{text}</system-out>")
    };
    out.push_str("    </testcase>\n");
}

/// Text for an attribute or an element. XML 1.0 has no way to write most controls, so they are made visible first.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    defused(&out, "&#35;").into_owned()
}
