//! Kubernetes manifests as text: documents out of it, edited text back into it.
//!
//! Nothing here reads files or talks to a cluster. A document that needs no change keeps every byte; one that is
//! edited keeps its comments, its order, its quoting and its indentation; and every scalar means what kubectl means.
//!
//! ```
//! use silkroll::manifest::{self, Limits};
//!
//! let input = b"kind: Deployment # ours\nspec:\n  paused: yes\n---\nkind: Service\n";
//! let documents = manifest::read(input, &Limits::default())?;
//! let first = documents[0].as_ref().map_err(Clone::clone)?;
//! assert_eq!(first.value()["spec"]["paused"], true);
//!
//! let patch = serde_json::from_str(r#"[{"op": "add", "path": "/spec/replicas", "value": 2}]"#)?;
//! assert_eq!(first.edit(&patch)?.text, "kind: Deployment # ours\nspec:\n  paused: yes\n  replicas: 2\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anchors;
mod block;
pub mod budget;
mod cursor;
mod diff;
mod edit;
mod editor;
mod error;
mod flow;
mod json;
mod json_value;
mod layout;
mod lines;
mod names;
mod objects;
mod parse;
mod parse_flow;
mod places;
mod plan;
mod scalar;
mod scan;
mod split;
mod stray;
mod tag;
mod text;
mod tree;
mod value;
mod warning;
mod write;

pub use diff::{Change, line_changes, unified_diff, write_unified_diff};
pub use edit::{Edited, Rewritten};
pub use error::{DocumentError, EditError, Error, Fault};
pub use objects::{ObjectAt, each_object};
pub use places::Comment;
pub(crate) use places::unescaped;
pub use stray::{as_text, restored};
pub use warning::Warning;
pub use write::{to_yaml, to_yaml_within};

use budget::{Account, Budget, Stop, element};
use serde::de::IgnoredAny;
use serde_json::Value;
use split::{Piece, PieceKind};
use tree::{At, Tree};
use warning::Warnings;

/// How much one input may hold, so that no input can exhaust the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Documents in one input.
    pub documents: usize,
    /// Bytes of one document.
    pub document_bytes: usize,
    /// Bytes of memory for what is read of the input, as [`budget`] counts them; for [`read`], which has no budget of
    /// its caller's.
    pub memory: usize,
    /// Levels of nesting. At most 100 are read, whatever stands here: the reader recurses.
    pub depth: usize,
}

/// Kubernetes' own schemas for workloads end at about 15 levels; `serde_json` refuses 128.
const DEPTH: usize = 100;

impl Default for Limits {
    fn default() -> Self {
        Self {
            documents: 250_000,
            // A List of all Deployments of a large cluster passes; etcd takes 1.5 MiB for one object.
            document_bytes: 32 << 20,
            // Of the machine that a command runs on: thirty times the largest document's half.
            memory: 1 << 30,
            depth: DEPTH,
        }
    }
}

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML, flow style included.
    Yaml,
    /// Strict JSON, alone or between `---` lines.
    Json,
}

/// One document of an input.
#[derive(Debug)]
pub struct Document<'a> {
    piece: Piece<'a>,
    number: usize,
    format: Format,
    value: Value,
    limits: Limits,
    /// What the value takes.
    account: Account,
    warnings: Vec<Warning>,
}

/// The documents of an input, read one after the other: whoever drops one before asking for the next holds one at a
/// time.
#[derive(Debug)]
pub struct Documents<'a> {
    pieces: std::vec::IntoIter<Piece<'a>>,
    number: usize,
    /// Whether the input begins with a byte order mark.
    marked: bool,
    limits: Limits,
    budget: Budget,
    /// What the pieces take.
    _account: Account,
}

/// Cuts an input into documents and reads each of them when it is asked for, within `budget` (and not
/// [`Limits::memory`]).
///
/// The `text` of all documents together is the input, where none of them is broken. A broken one does not keep the
/// others from being read.
///
/// # Errors
/// Where the input is no text in UTF-8, or holds too many documents.
pub fn documents<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    budget: &Budget,
) -> Result<Documents<'a>, Error> {
    let text = split::text(bytes)?;
    let pieces = split::pieces(text, limits.documents)?;
    let mut account = budget.account();
    account.charge(pieces.len() * element::<Piece<'_>>())?;
    Ok(Documents {
        pieces: pieces.into_iter(),
        number: 0,
        marked: split::mark(text) > 0,
        limits: Limits {
            depth: limits.depth.min(DEPTH),
            ..*limits
        },
        budget: budget.clone(),
        _account: account,
    })
}

/// All [`documents`] at once, within [`Limits::memory`].
///
/// # Errors
/// As [`documents`].
pub fn read<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Vec<Result<Document<'a>, DocumentError>>, Error> {
    let budget = Budget::new(limits.memory, Stop::default());
    Ok(documents(bytes, limits, &budget)?.collect())
}

impl<'a> Iterator for Documents<'a> {
    type Item = Result<Document<'a>, DocumentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.pieces.next()?;
        self.number += 1;
        let account = self.budget.account();
        let read = if self.marked {
            no_stray_byte(&piece)
        } else {
            Ok(())
        };
        let read = read.and_then(|()| read_piece(piece, self.number, self.limits, account));
        Some(read.map_err(|(line, fault)| {
            let above = piece.line - 1;
            DocumentError {
                document: self.number,
                line: above + line,
                fault: fault.below(above),
            }
        }))
    }
}

/// Where a byte order mark says that the input is UTF-8, kubectl's reader leaves stray bytes to its parser, which
/// refuses them.
fn no_stray_byte(piece: &Piece<'_>) -> At<()> {
    let from = if piece.passed_on { 0 } else { piece.body };
    match stray::find(piece.text, from) {
        Some(at) => Err((
            1 + piece.text[..at].matches('\n').count(),
            Fault::Stray(stray::byte(piece.text, at)),
        )),
        None => Ok(()),
    }
}

/// Lines in the error are counted from 1 in the piece.
fn read_piece(
    piece: Piece<'_>,
    number: usize,
    limits: Limits,
    mut account: Account,
) -> At<Document<'_>> {
    let bytes = piece.text.len();
    if bytes > limits.document_bytes {
        return Err((
            1,
            Fault::TooLarge {
                bytes,
                limit: limits.document_bytes,
            },
        ));
    }
    split::separator(&piece).map_err(|fault| (1, fault))?;
    let body = &piece.text[piece.body..];
    let first_line = piece.text[..piece.body].matches('\n').count();
    let mut warnings = Warnings::default();
    let (format, value) = parse_body(body, &piece, &limits, &mut account, &mut warnings)
        .map_err(|(line, fault)| (first_line + line, fault.below(first_line)))?;
    Ok(Document {
        piece,
        number,
        format,
        value,
        limits,
        account,
        warnings: warnings.below(piece.line - 1 + first_line),
    })
}

/// What the tree takes is given back, what the value takes stays charged to `account`.
fn parse_body(
    body: &str,
    piece: &Piece<'_>,
    limits: &Limits,
    account: &mut Account,
    warnings: &mut Warnings,
) -> At<(Format, Value)> {
    if piece.kind != PieceKind::Yaml {
        return Ok((Format::Json, parse_json(body, limits, account, warnings)?));
    }
    check_characters(body)?;
    let complete = complete(body, line_end(body));
    let mut beside = account.beside();
    let tree = parse_yaml(&complete, piece, limits, &mut beside)?;
    let value = value::of(&tree, limits.depth, account, warnings)?;
    // kubectl reads even JSON as YAML between `---` lines, which differs: in some escapes, for one.
    let json =
        body.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(body).is_ok();
    let format = if json { Format::Json } else { Format::Yaml };
    Ok((format, value))
}

fn parse_json(
    body: &str,
    limits: &Limits,
    account: &mut Account,
    warnings: &mut Warnings,
) -> At<Value> {
    if let Some(at) = stray::find(body, 0) {
        let line = 1 + body[..at].matches('\n').count();
        return Err((line, Fault::Stray(stray::byte(body, at))));
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(body) {
        let text = error.to_string();
        let fault = if text.starts_with("recursion limit exceeded") {
            Fault::TooDeep(limits.depth)
        } else {
            Fault::Json(text)
        };
        return Err((error.line().max(1), fault));
    }
    json::parse(body, limits.depth, &mut account.beside(), warnings)?;
    json_value::read(body, account)
}

/// kubectl ends every line, the last one too, which shows in block scalars.
fn complete<'a>(body: &'a str, end: &str) -> std::borrow::Cow<'a, str> {
    if body.is_empty() || body.ends_with('\n') {
        body.into()
    } else {
        format!("{body}{end}").into()
    }
}

/// The line end that a text uses.
fn line_end(text: &str) -> &'static str {
    if text.find('\n').is_some_and(|at| text[..at].ends_with('\r')) {
        "\r\n"
    } else {
        "\n"
    }
}

fn parse_yaml<'a>(
    text: &'a str,
    piece: &Piece<'_>,
    limits: &Limits,
    account: &mut Account,
) -> At<Tree<'a>> {
    parse::parse(text, piece.passed_on, limits.depth, account)
}

/// go-yaml refuses control characters, and takes three characters for line breaks that YAML 1.2 does not; byte order
/// marks past the first it skips or keeps, which is never meant.
fn check_characters(text: &str) -> At<()> {
    // Nearly every text is of these alone, and bytes are looked through faster than characters.
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    if text.as_bytes().iter().all(plain) {
        return Ok(());
    }
    let wrong = |c: char| match c {
        '\t' | '\n' | '\r' => false,
        '\0'..='\x1F'
        | '\x7F'..='\u{9F}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{FEFF}'
        | '\u{FFFE}'
        | '\u{FFFF}' => true,
        _ => false,
    };
    match text.char_indices().find(|(_, c)| wrong(*c)) {
        Some((at, c)) => Err((
            1 + text[..at].matches('\n').count(),
            Fault::Character(c.into()),
        )),
        None => Ok(()),
    }
}

impl<'a> Document<'a> {
    /// The document as it stands in the input, its separator included.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.piece.text
    }

    /// The line of the input that the document begins in, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.piece.line
    }

    /// Which document of the input this is, counted from 1, empty ones included.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// What the document is written in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What kubectl takes without a word, and was hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A new account of the budget that the document was read within, for what is made of it.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account.beside()
    }

    /// What kubectl would send; null where the document is empty or holds comments only.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}
