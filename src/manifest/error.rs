//! What can be wrong with a manifest, in words that say what to do next.

use super::budget::Excess;
use crate::text::displayed;
use thiserror::Error;

/// Characters of what is wrong with a document: it may quote a line of the manifest, of any length and with anything in it.
const FAULT_CHARS: usize = 380;

/// Why an input could not be cut into documents at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// UTF-16 or UTF-32, with or without a byte order mark.
    #[error(
        "the input is {0}: save it as UTF-8 (kubectl reads UTF-16 as well, but only behind a byte order mark)"
    )]
    Encoding(&'static str),
    /// Bytes that are no UTF-8.
    #[error("the input is not UTF-8 at byte {offset} (line {line}): save it as UTF-8")]
    Utf8 {
        /// Of the first wrong byte, counted from 0.
        offset: usize,
        /// Of the first wrong byte, counted from 1.
        line: usize,
    },
    /// A NUL byte, which neither YAML nor JSON may hold.
    #[error("the input holds a NUL byte at byte {offset} (line {line}): is it a text file?")]
    Nul {
        /// Of the byte, counted from 0.
        offset: usize,
        /// Of the byte, counted from 1.
        line: usize,
    },
    /// More memory or time than there is for the input.
    #[error(transparent)]
    Excess(#[from] Excess),
    /// More documents than [`Limits::documents`](super::Limits::documents).
    #[error("the input holds more than {limit} documents: split it into several files")]
    TooManyDocuments {
        /// The limit that was passed.
        limit: usize,
    },
}

/// Why one document could not be read; the others of the same input still can.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("document {document}, line {line}: {}", displayed(.fault, FAULT_CHARS))]
pub struct DocumentError {
    /// Which document of the input, counted from 1, empty ones included.
    pub document: usize,
    /// The line in the input, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// No YAML.
    #[error("this is not YAML: {0}")]
    Syntax(String),
    /// A tab where only spaces may stand.
    #[error("a tab cannot indent YAML: use spaces")]
    Tab,
    /// A byte that is no text, outside of a comment, where kubectl would put another character; or in a file with a byte
    /// order mark, where it refuses the byte.
    #[error(
        "the byte 0x{0:02X} is no UTF-8, and only a comment may hold it, in a file without a byte order mark: save the file as UTF-8"
    )]
    Stray(u8),
    /// No JSON, in an input that began with several JSON objects.
    #[error("this is not JSON: {0}")]
    Json(String),
    /// Content on the line of a separator.
    #[error(
        "a line that begins with `---` separates documents, and kubectl allows only a comment after it: move `{0}` to a line of its own"
    )]
    Separator(String),
    /// Content after the document's end, which kubectl would drop without a word.
    #[error(
        "content after the document's end (`...`), which kubectl would ignore: begin a new document with `---`"
    )]
    AfterEnd,
    /// A `%YAML` or `%TAG` line: kubectl cuts at `---` first and then fails on the directive.
    #[error("kubectl does not read directives such as `{0}`: remove the line")]
    Directive(String),
    /// Two keys in one mapping that differ for YAML (a number and text, say) and become one in JSON.
    #[error(
        "the key {key:?} is already there in line {first}, as a value of another type: kubectl would use one of the two at random; remove one"
    )]
    DuplicateKey {
        /// The key, as kubectl reads it.
        key: String,
        /// The line of its first occurrence.
        first: usize,
    },
    /// A mapping, a sequence, null or a number over 63 bits as a key.
    #[error("{0} cannot be a key in a manifest: use a string")]
    Key(&'static str),
    /// A value for which JSON has no form.
    #[error("`{0}` has no form in JSON, which Kubernetes stores: put it in quotes or change it")]
    NoJson(String),
    /// A tag that does not fit its value.
    #[error("`{value}` is no {tag}: correct the value or remove the tag")]
    Tag {
        /// As written.
        value: String,
        /// In its short form, e.g. `!!int`.
        tag: String,
    },
    /// `<<` with something else than mappings.
    #[error("`<<` merges a mapping or a list of mappings: give it one")]
    Merge,
    /// An alias inside the node that it names.
    #[error("this alias stands inside the node that it repeats, which never ends: remove it")]
    SelfReference,
    /// More repeated by aliases than go-yaml lets pass.
    #[error("there is little else in it than what aliases repeat, which kubectl refuses as well")]
    Aliases,
    /// A character that go-yaml refuses, or reads as a line break where newer parsers do not.
    #[error(
        "the character U+{0:04X} cannot stand here: write it as an escape in double quotes, or remove it"
    )]
    Character(u32),
    /// Nesting over [`Limits::depth`](super::Limits::depth).
    #[error("more than {0} levels of nesting: is this a manifest?")]
    TooDeep(usize),
    /// More memory or time than there is for the input.
    #[error(transparent)]
    Excess(#[from] Excess),
    /// Longer than [`Limits::document_bytes`](super::Limits::document_bytes).
    #[error("{bytes} bytes in one document, and {limit} are the limit: split it")]
    TooLarge {
        /// The document's length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl Fault {
    /// The same fault, `lines` further down.
    pub(crate) fn below(self, lines: usize) -> Self {
        match self {
            Self::DuplicateKey { key, first } => Self::DuplicateKey {
                key,
                first: first + lines,
            },
            other => other,
        }
    }
}

/// Why an edit was not possible.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError {
    /// The patch does not fit the document.
    #[error("the patch does not fit the document: {0}")]
    Patch(#[from] json_patch::PatchError),
    /// More memory or time than there is for the input.
    #[error(transparent)]
    Excess(#[from] Excess),
}
