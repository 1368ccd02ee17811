//! The scanner's way through the text, with columns as libyaml counts them.

use super::scan::Scanner;
use super::stray;

/// A place in the text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// In bytes.
    pub(super) at: usize,
    /// In characters.
    pub(super) index: usize,
    /// In characters.
    pub(super) column: usize,
    /// Counted from 0.
    pub(super) line: usize,
}

impl Scanner<'_> {
    /// The byte so far from here; 0 behind the end. The text itself holds none.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        let bytes = self.text.as_bytes();
        bytes.get(self.mark.at + ahead).copied().unwrap_or(0)
    }

    /// How many bytes the line has left.
    pub(super) fn rest_of_line(&self) -> usize {
        let rest = &self.text.as_bytes()[self.mark.at..];
        memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())
    }

    /// Passes so many bytes, which hold no line end.
    pub(super) fn pass(&mut self, bytes: usize) {
        let to = (self.mark.at + bytes).min(self.text.len());
        let passed = &self.text.as_bytes()[self.mark.at..to];
        let characters = passed.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        self.mark.at = to;
        self.mark.index += characters;
        self.mark.column += characters;
    }

    /// Passes `\n`, `\r\n` or `\r`. kubectl takes one `\r` away from before every `\n` first.
    pub(super) fn pass_line_end(&mut self) {
        let bytes = match (self.byte(0), self.byte(1), self.byte(2)) {
            (b'\r', b'\r', b'\n') => 3,
            (b'\r', b'\n', _) => 2,
            _ => 1,
        };
        self.mark.at += bytes;
        self.mark.index += 1;
        self.mark.column = 0;
        self.mark.line += 1;
    }

    /// The line that is read now, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.mark.line + 1
    }

    /// Passes to the line's end.
    pub(super) fn comment(&mut self) {
        self.pass(self.rest_of_line());
        if self.stray.is_some_and(|at| at < self.mark.at) {
            self.stray = stray::find(self.text, self.mark.at);
        }
    }

    /// Whether `---` or `...` stands here.
    pub(super) fn at_document_mark(&self) -> bool {
        let rest = &self.text.as_bytes()[self.mark.at..];
        self.mark.column == 0
            && (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && is_blankz(self.byte(3))
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// A blank, a line's end or the end of all.
pub(super) fn is_blankz(byte: u8) -> bool {
    is_blank(byte) || is_break(byte) || byte == 0
}
