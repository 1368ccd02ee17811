//! What the JSON answer of a dry run has besides where it is asked for: the documents as text, and findings.

use std::borrow::Cow;

use serde::Serialize;

use super::dry_run_work::{Decided, Failure, Tally};
use crate::admission::findings::judged;
use crate::admission::manifests::Run;
use crate::manifest::budget::{Budget, Excess};
use crate::manifest::{self, line_changes};

/// One document as text.
#[derive(Serialize)]
struct Text<'a> {
    document: usize,
    line: usize,
    before: Cow<'a, str>,
    /// Absent where nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Cow<'a, str>>,
    /// The lines that were put in the place of others: where and how many, before and after, counted from 0.
    changes: Vec<[usize; 4]>,
}

/// Bytes that are no text stand in comments alone; in JSON there is none for them.
fn displayed(text: &str) -> Cow<'_, str> {
    match manifest::restored(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

impl Tally {
    /// A document's text before and after, and what differs.
    pub(super) fn text(&mut self, one: &Decided<'_>) -> Result<(), Failure> {
        let begin = if self.documents == 0 {
            ",\"documents\":["
        } else {
            ","
        };
        self.more.push(begin)?;
        self.documents += 1;
        let mut beside = one.account.beside();
        let differs = one.before != one.after;
        let changes = if differs {
            line_changes(&one.before, &one.after, &mut beside)?
        } else {
            Vec::new()
        };
        let text = Text {
            document: one.number,
            line: one.line,
            before: displayed(&one.before),
            after: differs.then(|| displayed(&one.after)),
            changes: changes
                .iter()
                .map(|change| {
                    let ((old, removed), (new, added)) = (change.before, change.after);
                    [old, removed, new, added]
                })
                .collect(),
        };
        self.more.push_json(&text)
    }

    /// What `silkroll check` finds, or why that cannot be said here.
    pub(super) fn find(&mut self, run: &Run, text: &[u8], budget: &Budget) -> Result<(), Failure> {
        match judged(run, text, budget) {
            Ok(report) => {
                self.more.push(",\"findings\":[")?;
                for (at, entry) in report.entries.iter().enumerate() {
                    if at > 0 {
                        self.more.push(",")?;
                    }
                    self.more
                        .push_json(&crate::admission::findings::one(entry))?;
                }
                self.more.push("]")
            }
            Err(Excess::Stopped) => Err(Excess::Stopped.into()),
            Err(excess) => {
                let why = format!(
                    "{excess}: all objects are judged together, and these are too many; silkroll check -f judges them"
                );
                self.more.push(",\"findings\":null,\"notJudged\":")?;
                self.more.push_json(&why)
            }
        }
    }
}
