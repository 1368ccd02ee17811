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
    /// Whether kubectl gives the separator to the parser as well: it does where nothing stands before it.
    pub(crate) passed_on: bool,
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
    // kubectl takes a byte order mark off the input before it looks at it.
    let looks_like_json = text[mark(text)..].trim_start().starts_with('{');
    if looks_like_json {
        json(text, limit, &mut found)?;
        at = found.iter().map(|piece| piece.text.len()).sum();
        line += newlines(&text[..at]);
    }
    let rest = &text[at..];
    let blanks = if looks_like_json {
        after_json(text, at)
    } else {
        Some(mark(rest))
    };
    let Some(blanks) = blanks else {
        let piece = Piece {
            text: rest,
            line,
            body: 0,
            kind: PieceKind::Broken,
            passed_on: false,
        };
        push(&mut found, limit, piece)?;
        return Ok(found);
    };
    yaml(rest, blanks, line, limit, &mut found)?;
    Ok(found)
}

/// Takes JSON values from the start, as long as there are any.
fn json<'a>(text: &'a str, limit: usize, found: &mut Vec<Piece<'a>>) -> Result<(), Error> {
    let mut line = 1;
    let mut start = 0;
    let mut body = mark(text);
    while text[body..].contains(not_blank) {
        let (kind, mut end) = match json_length(&text[body..]) {
            Some(length) => (PieceKind::Json, body + length),
            // kubectl goes on as YAML where at most one value was JSON, and gives up where it was more.
            None if found.len() < 2 => return Ok(()),
            None => (PieceKind::Broken, text.len()),
        };
        let rest = &text[end..];
        // The line's end belongs to the value before it, and all blanks that nothing follows.
        end += match rest.find(not_blank) {
            Some(gap) => rest[..gap].find('\n').map_or(0, |newline| newline + 1),
            None => rest.len(),
        };
        push(
            found,
            limit,
            Piece {
                text: &text[start..end],
                line,
                body: body - start,
                kind,
                passed_on: false,
            },
        )?;
        line += newlines(&text[start..end]);
        (start, body) = (end, end);
    }
    Ok(())
}

/// What JSON does not count as a blank.
fn not_blank(c: char) -> bool {
    !matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// How far the JSON value reaches that a text begins with.
fn json_length(text: &str) -> Option<usize> {
    let lead = text.find(not_blank)?;
    let value = &text[lead..];
    let length = match value.as_bytes()[0] {
        // To Go they end where they cannot go on, whatever follows.
        b'-' | b'0'..=b'9' => number_length(value),
        b't' | b'f' | b'n' => ["true", "false", "null"]
            .iter()
            .find(|word| value.starts_with(**word))
            .map(|word| word.len()),
        _ => {
            let mut values = serde_json::Deserializer::from_str(value).into_iter::<IgnoredAny>();
            let first = values.next()?.ok();
            first.map(|_| values.byte_offset())
        }
    };
    length.map(|length| lead + length)
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`
fn number_length(text: &str) -> Option<usize> {
    // The length up to behind at least one digit, from `at` on.
    let digits = |at: usize| {
        let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then_some(at + digits)
    };
    let mut end = usize::from(text.starts_with('-'));
    end = if text[end..].starts_with('0') {
        end + 1
    } else {
        digits(end)?
    };
    if text[end..].starts_with('.') {
        end = digits(end + 1)?;
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['-', '+']));
        end = digits(end + 1 + sign)?;
    }
    Some(end)
}

/// Where JSON ends at `at`, and the rest is to be YAML: how many blanks kubectl passes over first, up to a line's end.
/// `None` where it gives up, for fewer than the four bytes that it looks at are left.
fn after_json(text: &str, at: usize) -> Option<usize> {
    const LOOKED_AT: usize = 4;
    let rest = &text[at..];
    let (blanks, looked) = if at > 0 && text[..at].ends_with('\n') {
        (0, at - 1)
    } else {
        let lead = if at == 0 { mark(rest) } else { 0 };
        let content = rest.len() - rest[lead..].trim_start().len();
        match rest[..content].find('\n') {
            Some(end) => (end + 1, at + end),
            None => (content, at + content),
        }
    };
    (rest.is_empty() || text.len() - looked >= LOOKED_AT).then_some(blanks)
}

/// Cuts at the lines that begin with `---`; the first piece begins behind `blanks`.
fn yaml<'a>(
    text: &'a str,
    blanks: usize,
    mut line: usize,
    limit: usize,
    found: &mut Vec<Piece<'a>>,
) -> Result<(), Error> {
    let mut start = 0;
    let mut nothing_before = true;
    while start < text.len() {
        let rest = &text[start..];
        let mut body = if start == 0 { blanks } else { 0 };
        let separated = rest[body..].starts_with("---");
        if separated {
            body += line_length(&rest[body..]);
        }
        let passed_on = separated && nothing_before;
        // The parser takes a byte order mark off each text that it is given.
        if !passed_on {
            body += mark(&rest[body..]);
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
                passed_on,
            },
        )?;
        line += newlines(&rest[..end]);
        start += end;
        nothing_before = body == end && !passed_on;
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
    let head = &piece.text[..piece.body];
    let head = head[mark(head)..].trim_start();
    let Some(line) = head.strip_prefix("---") else {
        return Ok(());
    };
    let line = line[..line_length(line)].trim_end_matches(['\r', '\n']);
    if !piece.passed_on {
        let rest = line.trim();
        return if rest.is_empty() || rest.starts_with('#') {
            Ok(())
        } else {
            Err(Fault::Separator(rest.to_owned()))
        };
    }
    // The parser reads the line as well: it knows two blanks only, sees text in `---#`, and refuses in a comment what it
    // refuses anywhere.
    let rest = line.trim_matches([' ', '\t']);
    let wrong = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
    };
    let comment = rest.starts_with('#') && line.starts_with([' ', '\t']) && !rest.contains(wrong);
    if rest.is_empty() || comment {
        Ok(())
    } else {
        Err(Fault::Separator(rest.to_owned()))
    }
}

/// The length of a byte order mark at the start of a text.
pub(crate) fn mark(text: &str) -> usize {
    if text.starts_with('\u{FEFF}') {
        '\u{FEFF}'.len_utf8()
    } else {
        0
    }
}

fn line_length(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |newline| newline + 1)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
