//! Cuts an input into documents, as kubectl does before it parses any of them.
//!
//! The rules are those of `YAMLReader` and `YAMLOrJSONDecoder` in k8s.io/apimachinery's `pkg/util/yaml/decoder.go`.

use super::error::{Error, Fault};
use serde::de::IgnoredAny;

/// A part of the input; all of them together are the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// The line that the piece begins in, counted from 1.
    pub(crate) line: usize,
    /// Where the content begins in `text`: behind a byte order mark and the separator's line.
    pub(crate) body: usize,
    pub(crate) kind: PieceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// YAML, or JSON between `---` lines.
    Yaml,
    /// One of several JSON values, one after another.
    Json,
    /// What follows several JSON values and is none.
    Broken,
}

/// The input as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Error> {
    // Every manifest begins with ASCII, so zeros among the first bytes tell the wide encodings apart.
    let zeros: Vec<bool> = bytes.iter().take(4).map(|byte| *byte == 0).collect();
    match (bytes, zeros.as_slice()) {
        ([0, 0, 0xFE, 0xFF, ..] | [0xFF, 0xFE, 0, 0, ..], _)
        | (_, [true, true, true, false] | [false, true, true, true]) => {
            return Err(Error::Encoding("UTF-32"));
        }
        ([0xFE, 0xFF, ..] | [0xFF, 0xFE, ..], _)
        | (
            _,
            [true, false] | [false, true] | [true, false, true, false] | [false, true, false, true],
        ) => {
            return Err(Error::Encoding("UTF-16"));
        }
        _ => {}
    }
    let line = |offset: usize| bytes[..offset].split(|byte| *byte == b'\n').count();
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        Error::Utf8 {
            offset,
            line: line(offset),
        }
    })?;
    match bytes.iter().position(|byte| *byte == 0) {
        Some(offset) => Err(Error::Nul {
            offset,
            line: line(offset),
        }),
        None => Ok(text),
    }
}

/// Cuts `text`, into at most `limit` pieces.
pub(crate) fn pieces(text: &str, limit: usize) -> Result<Vec<Piece<'_>>, Error> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    if text.trim_start().starts_with('{') {
        json(text, limit, &mut found)?;
        at = found.iter().map(|piece| piece.text.len()).sum();
        line += newlines(&text[..at]);
    }
    yaml(&text[at..], line, limit, &mut found)?;
    Ok(found)
}

/// Takes JSON values from the start, as long as there are any.
fn json<'a>(text: &'a str, limit: usize, found: &mut Vec<Piece<'a>>) -> Result<(), Error> {
    let mut line = 1;
    let mut start = 0;
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    while let Some(value) = stream.next() {
        let mut end = stream.byte_offset();
        let kind = match value {
            Ok(_) => PieceKind::Json,
            // kubectl goes on as YAML where at most one value was JSON, and gives up where it was more.
            Err(_) if found.len() < 2 => return Ok(()),
            Err(_) => PieceKind::Broken,
        };
        let rest = &text[end..];
        let gap = rest.len() - rest.trim_start().len();
        if kind == PieceKind::Broken || gap == rest.len() {
            end = text.len();
        } else {
            // The line's end belongs to the value before it.
            end += rest[..gap].find('\n').map_or(0, |newline| newline + 1);
        }
        push(
            found,
            limit,
            Piece {
                text: &text[start..end],
                line,
                body: 0,
                kind,
            },
        )?;
        line += newlines(&text[start..end]);
        start = end;
        if kind == PieceKind::Broken || end == text.len() {
            break;
        }
    }
    Ok(())
}

fn yaml<'a>(
    text: &'a str,
    mut line: usize,
    limit: usize,
    found: &mut Vec<Piece<'a>>,
) -> Result<(), Error> {
    let mut start = 0;
    while start < text.len() {
        let rest = &text[start..];
        let mut body = if rest.starts_with('\u{FEFF}') {
            '\u{FEFF}'.len_utf8()
        } else {
            0
        };
        if rest[body..].starts_with("---") {
            body += line_length(&rest[body..]);
        }
        let mut end = body;
        while end < rest.len() && !rest[end..].starts_with("---") {
            end += line_length(&rest[end..]);
        }
        push(
            found,
            limit,
            Piece {
                text: &rest[..end],
                line,
                body,
                kind: PieceKind::Yaml,
            },
        )?;
        line += newlines(&rest[..end]);
        start += end;
    }
    Ok(())
}

fn push<'a>(found: &mut Vec<Piece<'a>>, limit: usize, piece: Piece<'a>) -> Result<(), Error> {
    if found.len() == limit {
        return Err(Error::TooManyDocuments { limit });
    }
    found.push(piece);
    Ok(())
}

/// Checks the line that the piece begins with, where it is a separator.
pub(crate) fn separator(piece: &Piece<'_>) -> Result<(), Fault> {
    let line = piece.text[..piece.body].trim_start_matches('\u{FEFF}');
    let Some(rest) = line.strip_prefix("---") else {
        return Ok(());
    };
    let rest = rest.trim();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(())
    } else {
        Err(Fault::Separator(rest.to_owned()))
    }
}

fn line_length(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |newline| newline + 1)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
