//! What was found before and is known: a file that a project keeps while it mends one after the other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::report::{Entry, Report};
use crate::text::shown;

/// What a file of another format would say.
const FORMAT: u32 = 1;

/// Findings, by what does not change when a file is edited elsewhere: no lines, no file names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Baseline(BTreeSet<KnownFinding>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with kind, namespace, name and code"
)]
struct KnownFinding {
    kind: String,
    namespace: String,
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    container: String,
    code: String,
}

#[derive(Serialize, Deserialize)]
#[serde(expecting = "a mapping with format and findings")]
struct File {
    format: u32,
    findings: BTreeSet<KnownFinding>,
}

/// Why a baseline cannot be used.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// It is no JSON of this shape. With what is wrong, and where.
    #[error("it is no baseline that silkroll check --write-baseline has written: {0}")]
    Shape(String),
    /// A version that this program does not know.
    #[error("its format is {0}, and this version reads format {FORMAT}: write it anew")]
    Format(String),
}

impl KnownFinding {
    fn of(entry: &Entry) -> Self {
        Self {
            kind: entry.kind.as_ref().to_owned(),
            namespace: entry.namespace.as_ref().to_owned(),
            name: entry.name.as_ref().to_owned(),
            container: entry.container.clone(),
            code: entry.rule.code.to_owned(),
        }
    }
}

impl Baseline {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// It is of another shape or format.
    pub fn read(text: &[u8]) -> Result<Self, BaselineError> {
        let shape = |error: serde_json::Error| BaselineError::Shape(error.to_string());
        // The format first: what else there is in another one may be of any shape.
        let file: Value = serde_json::from_slice(text).map_err(shape)?;
        let format = &file["format"];
        if !format.is_null() && *format != FORMAT {
            return Err(BaselineError::Format(shown(&format.to_string(), 20).into()));
        }
        let file: File = serde_json::from_slice(text).map_err(shape)?;
        Ok(Self(file.findings))
    }

    /// All findings of a report that are not ignored, as the text of a file.
    ///
    /// # Errors
    /// Never: texts and numbers can be written.
    pub fn write(report: &Report) -> Result<String, serde_json::Error> {
        let loud = report.entries.iter();
        let loud = loud.filter(|entry| !matches!(entry.quiet, Some(super::Quiet::Ignored(_))));
        let file = File {
            format: FORMAT,
            findings: loud.map(KnownFinding::of).collect(),
        };
        Ok(serde_json::to_string_pretty(&file)? + "\n")
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        !self.0.is_empty() && self.0.contains(&KnownFinding::of(entry))
    }
}
