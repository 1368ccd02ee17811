//! All findings with their places, as every output shows them.

use std::sync::Arc;

use super::mend::Mend;
use super::remarks::{Named, Remark};
use super::rule::{Rule, Severity};
use crate::text::{harmless, shown};

/// The longest title of an object, in characters: kind, namespace and name as the API server takes them fit.
const TITLE: usize = 400;

/// Why a finding counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quiet {
    /// Its author ignores it, for this reason.
    Ignored(String),
    /// It stands in the baseline.
    Baseline,
}

/// One finding with its place. Of one object there may be thousands, so they share its names.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The rule.
    pub rule: &'static Rule,
    /// The workload that it is about, by its place in the world, or the object itself.
    pub workload: usize,
    /// The input, as it was named; empty for a cluster.
    pub file: Arc<str>,
    /// The template that the document was made of, where the input names it; else empty.
    pub source: Arc<str>,
    /// In the input, counted from 1; 0 for a cluster.
    pub line: usize,
    /// The object's kind.
    pub kind: Arc<str>,
    /// Its namespace, or the one that it goes to.
    pub namespace: Arc<str>,
    /// Its name, or its `generateName`.
    pub name: Arc<str>,
    /// The container; empty where it is about none.
    pub container: String,
    /// Where in the object: `spec.template.spec.containers[0].readinessProbe`; empty for all of it.
    pub field: String,
    /// What was seen here.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
    /// What it takes so that an injection mends it, where one does.
    pub mended: Option<Mend>,
    /// Why it counts for nothing, where it does.
    pub quiet: Option<Quiet>,
}

/// How the report names standard input.
const STDIN: &str = "standard input";

impl Entry {
    /// The file in which services show it, and the line in that: of what was piped in, the template that it was made of, whose
    /// lines are others. None for a cluster.
    #[must_use]
    pub fn shown_at(&self) -> Option<(&str, usize)> {
        if &*self.file == STDIN && !self.source.is_empty() {
            return Some((&self.source, 1));
        }
        (!self.file.is_empty()).then_some((&self.file, self.line.max(1)))
    }

    /// `Deployment shop/web`, or `Deployment shop/web, container web`.
    #[must_use]
    pub fn title(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
            container,
            ..
        } = self;
        let name = if name.is_empty() { "(no name)" } else { name };
        let mut title = format!("{kind} {namespace}/{name}");
        if !container.is_empty() {
            title.push_str(", container ");
            title.push_str(container);
        }
        harmless(&shown(&title, TITLE))
    }

    /// What is found and where, in a sentence or two: all that formats with one text per finding have room for.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mended = self.mended.map_or("", Mend::sentence);
        let blank = if mended.is_empty() { "" } else { " " };
        format!(
            "{}: {}: {}. {} {}{blank}{mended}",
            self.title(),
            self.rule.title,
            self.shown_message(),
            self.rule.harm,
            self.advice,
        )
    }

    /// [`Self::message`], which quotes manifests, fit to be shown.
    #[must_use]
    pub fn shown_message(&self) -> String {
        harmless(&shown(&self.message, TITLE))
    }
}

/// Everything that an output shows.
#[derive(Debug)]
pub struct Report {
    /// By file, line and code.
    pub entries: Vec<Entry>,
    /// Each object that was read: its input and its title.
    pub workloads: Vec<(String, String)>,
    /// How many objects were read.
    pub objects: usize,
    /// What is said of each document that could not be read.
    pub unreadable: Vec<String>,
    /// What was not judged, and why.
    pub remarks: Vec<Remark>,
    /// From this severity on a finding fails the run.
    pub fail_on: Severity,
}

impl Report {
    /// Whether all of the input was judged, and there was something to judge.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unreadable.is_empty() && self.objects > 0
    }

    /// Objects that were not judged, by their inputs and titles, each with the sentence that says why.
    pub fn passed_over(&self) -> impl Iterator<Item = (&Named, String)> {
        let all = self.remarks.iter();
        all.flat_map(|remark| remark.passed_over().map(|named| (named, remark.reason())))
    }

    /// Those that count.
    pub fn loud(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.quiet.is_none())
    }

    /// Whether one fails the run.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.loud().any(|entry| self.counts(entry))
    }

    /// Whether a finding fails the run.
    #[must_use]
    pub fn counts(&self, entry: &Entry) -> bool {
        entry.quiet.is_none() && entry.rule.severity >= self.fail_on
    }

    /// How many of a severity count.
    #[must_use]
    pub fn number(&self, severity: Severity) -> usize {
        let of = |entry: &&Entry| entry.rule.severity == severity;
        self.loud().filter(of).count()
    }
}
