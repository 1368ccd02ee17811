//! The text of scalars: plain, in quotes, and in blocks, with lines folded as go-yaml folds them.

use super::cursor::{is_blank, is_blankz, is_break};
use super::error::Fault;
use super::scan::{Scanner, Token};
use super::tree::{At, ScalarStyle};
use std::borrow::Cow;

impl Scanner<'_> {
    pub(super) fn plain(&mut self) -> At<()> {
        let (start, text) = (self.mark, self.text);
        let mut end = start.at;
        // Only text over several lines differs from what is written.
        let mut folded: Option<String> = None;
        let mut breaks = 0_usize;
        while !self.at_document_mark() && self.byte(0) != b'#' {
            let word = self.mark.at..self.mark.at + self.word();
            if !word.is_empty() {
                if breaks > 0 {
                    let folded = folded.get_or_insert_with(|| text[start.at..end].to_owned());
                    fold(folded, breaks);
                    folded.push_str(&text[word.clone()]);
                } else if let Some(folded) = &mut folded {
                    folded.push_str(&text[end..word.end]);
                }
                breaks = 0;
                self.pass(word.len());
                end = word.end;
            }
            if !is_blank(self.byte(0)) && !is_break(self.byte(0)) {
                break;
            }
            loop {
                match self.byte(0) {
                    b'\t' if breaks > 0 && self.left_of_content() => {
                        return Err((self.line(), Fault::Tab));
                    }
                    b' ' | b'\t' => self.pass(1),
                    b'\n' | b'\r' => {
                        breaks += 1;
                        self.pass_line_end();
                    }
                    _ => break,
                }
            }
            if self.flow == 0 && self.left_of_content() {
                break;
            }
        }
        if breaks > 0 {
            self.key_allowed = true;
        }
        let value = folded.map_or(Cow::Borrowed(&text[start.at..end]), Cow::Owned);
        self.push_until(Token::Scalar(value, ScalarStyle::Plain), start, end)
    }

    /// Whether this column is one that the collection around does not own.
    fn left_of_content(&self) -> bool {
        isize::try_from(self.mark.column).is_ok_and(|column| column <= self.indent)
    }

    /// How many bytes of plain text follow without a blank.
    fn word(&self) -> usize {
        let rest = &self.text.as_bytes()[self.mark.at..];
        let flow = self.flow > 0;
        let ends = |at: usize| match rest[at] {
            b':' => is_blankz(rest.get(at + 1).copied().unwrap_or(0)),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => flow,
            byte => is_blankz(byte),
        };
        (0..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len())
    }

    pub(super) fn quoted(&mut self, quote: u8) -> At<()> {
        let (start, text) = (self.mark, self.text);
        self.pass(1);
        let first = self.mark.at;
        // What is not copied yet begins here; nothing is, as long as the value is what is written.
        let mut from = first;
        let mut copied: Option<String> = None;
        loop {
            let plain = self.quoted_plain(quote);
            self.pass(plain);
            let part = &text[from..self.mark.at];
            match self.byte(0) {
                byte if byte == quote => {
                    if quote == b'"' || self.byte(1) != b'\'' {
                        break;
                    }
                    append(&mut copied, part).push('\'');
                    self.pass(2);
                }
                b'\\' if is_break(self.byte(1)) => {
                    self.pass(1);
                    self.pass_line_end();
                    let breaks = self.blanks();
                    append(&mut copied, part).extend(std::iter::repeat_n('\n', breaks));
                    self.not_the_end(start.at)?;
                }
                b'\\' => {
                    let character = self.escape()?;
                    append(&mut copied, part).push(character);
                }
                b' ' | b'\t' | b'\n' | b'\r' => {
                    let breaks = self.blanks();
                    self.not_the_end(start.at)?;
                    if breaks == 0 {
                        continue;
                    }
                    fold(append(&mut copied, part), breaks);
                }
                _ => return Err(self.open_quote(start.at)),
            }
            from = self.mark.at;
        }
        let end = self.mark.at;
        self.pass(1);
        let value = match copied {
            Some(mut copied) => {
                copied.push_str(&text[from..end]);
                Cow::Owned(copied)
            }
            None => Cow::Borrowed(&text[first..end]),
        };
        let style = if quote == b'"' {
            ScalarStyle::DoubleQuoted
        } else {
            ScalarStyle::SingleQuoted
        };
        self.push(Token::Scalar(value, style), start)
    }

    /// How many bytes follow that mean what is written.
    fn quoted_plain(&self, quote: u8) -> usize {
        let rest = &self.text.as_bytes()[self.mark.at..];
        let ends = |byte: u8| is_blankz(byte) || byte == quote || (byte == b'\\' && quote == b'"');
        rest.iter()
            .position(|byte| ends(*byte))
            .unwrap_or(rest.len())
    }

    /// Passes blanks and line ends; returns how many lines ended.
    fn blanks(&mut self) -> usize {
        let mut breaks = 0;
        loop {
            match self.byte(0) {
                b' ' | b'\t' => self.pass(1),
                b'\n' | b'\r' => {
                    breaks += 1;
                    self.pass_line_end();
                }
                _ => return breaks,
            }
        }
    }

    fn not_the_end(&self, open: usize) -> At<()> {
        if self.at_document_mark() {
            return Err(self.open_quote(open));
        }
        Ok(())
    }

    fn open_quote(&self, open: usize) -> (usize, Fault) {
        let line = 1 + self.text[..open].matches('\n').count();
        (line, Fault::Syntax("a quote is never closed".to_owned()))
    }

    fn escape(&mut self) -> At<char> {
        let wrong = |what: &str| Fault::Syntax(format!("in double quotes, `\\` {what}"));
        let digits = match self.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            byte => {
                let character = match byte {
                    b'0' => '\0',
                    b'a' => '\x07',
                    b'b' => '\x08',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\x0B',
                    b'f' => '\x0C',
                    b'r' => '\r',
                    b'e' => '\x1B',
                    b' ' | b'"' | b'\'' | b'\\' => byte.into(),
                    b'N' => '\u{85}',
                    b'_' => '\u{A0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => {
                        let what = "takes what kubectl knows: 0 a b t n v f r e N _ L P x u U, space, quote or `\\`";
                        return Err((self.line(), wrong(what)));
                    }
                };
                self.pass(2);
                return Ok(character);
            }
        };
        let from = self.mark.at + 2;
        let code = self
            .text
            .get(from..from + digits)
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        let Some(character) = code else {
            let what = format!("takes {digits} digits here, and a character that there is");
            return Err((self.line(), wrong(&what)));
        };
        self.pass(2 + digits);
        Ok(character)
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> At<()> {
        let (start, text) = (self.mark, self.text);
        self.pass(1);
        let (keep, strip, increment) = self.block_header()?;
        let mut indent = increment.map_or(0, |by| self.indent.max(0).unsigned_abs() + by);
        let mut value = String::new();
        // Whether the line before has an end, and how many empty ones follow it.
        let mut line_end = false;
        let (mut empty, mut end) = self.empty_lines(&mut indent)?;
        let mut blank_before = false;
        while self.mark.column == indent && self.byte(0) != 0 {
            let blank = is_blank(self.byte(0));
            if line_end && (literal || blank || blank_before) {
                value.push('\n');
            } else if line_end && empty == 0 {
                value.push(' ');
            }
            value.extend(std::iter::repeat_n('\n', empty));
            blank_before = blank;
            let line = self.mark.at..self.mark.at + self.rest_of_line();
            value.push_str(&text[line.clone()]);
            self.pass(line.len());
            line_end = self.byte(0) != 0;
            if line_end {
                self.pass_line_end();
            }
            (empty, end) = self.empty_lines(&mut indent)?;
        }
        if !strip && line_end {
            value.push('\n');
        }
        if keep {
            value.extend(std::iter::repeat_n('\n', empty));
        }
        let style = if literal {
            ScalarStyle::Literal
        } else {
            ScalarStyle::Folded
        };
        self.push_until(Token::Scalar(value.into(), style), start, end)
    }

    /// The first line behind `|` or `>`: whether to keep all line ends, to strip them, and how far to indent.
    fn block_header(&mut self) -> At<(bool, bool, Option<usize>)> {
        let (mut chomp, mut increment) = (0, None);
        for _ in 0..2 {
            match self.byte(0) {
                byte @ (b'+' | b'-') if chomp == 0 => chomp = byte,
                byte @ b'1'..=b'9' if increment.is_none() => {
                    increment = Some(usize::from(byte - b'0'));
                }
                _ => break,
            }
            self.pass(1);
        }
        while is_blank(self.byte(0)) {
            self.pass(1);
        }
        if self.byte(0) == b'#' {
            self.comment();
        }
        match self.byte(0) {
            b'\n' | b'\r' => self.pass_line_end(),
            0 => {}
            _ => {
                let what = "behind `|` or `>` stand `+` or `-`, a digit from 1 to 9 and a comment, and nothing else";
                return Err((self.line(), Fault::Syntax(what.to_owned())));
            }
        }
        Ok((chomp == b'+', chomp == b'-', increment))
    }

    /// Passes empty lines, and the indentation of the one after; 0 stands for the first line's. Returns how many lines
    /// were empty, and where the last of them ends.
    fn empty_lines(&mut self, indent: &mut usize) -> At<(usize, usize)> {
        let (mut empty, mut end) = (0, self.mark.at);
        let mut most = 0;
        loop {
            while self.byte(0) == b' ' && (*indent == 0 || self.mark.column < *indent) {
                self.pass(1);
            }
            most = most.max(self.mark.column);
            if self.byte(0) == b'\t' && (*indent == 0 || self.mark.column < *indent) {
                return Err((self.line(), Fault::Tab));
            }
            if !is_break(self.byte(0)) {
                break;
            }
            self.pass_line_end();
            empty += 1;
            end = self.mark.at;
        }
        if *indent == 0 {
            *indent = most.max((self.indent + 1).unsigned_abs()).max(1);
        }
        Ok((empty, end))
    }
}

fn append<'c>(copied: &'c mut Option<String>, part: &str) -> &'c mut String {
    let copied = copied.get_or_insert_with(String::new);
    copied.push_str(part);
    copied
}

/// One line end is a space, more of them are one less.
fn fold(text: &mut String, breaks: usize) {
    if breaks == 1 {
        text.push(' ');
    } else {
        text.extend(std::iter::repeat_n('\n', breaks - 1));
    }
}
