//! What is said to people, on standard error.

use std::io::{self, Write};

use crate::text;

/// Lines for people. Whatever they quote (names of files, parts of manifests) is made fit for a terminal and a pipeline's
/// log here, once for all commands; only a line break has to be taken out before, by [`text::visible`]. That they cannot
/// be read changes neither the outcome nor the exit code, so writing never fails.
pub(super) struct Report<W: Write> {
    to: W,
    /// What has come of the line so far.
    line: Vec<u8>,
}

impl<W: Write> Report<W> {
    pub(super) fn new(to: W) -> Self {
        let line = Vec::new();
        Self { to, line }
    }

    fn end(&mut self, end: &str) {
        let line = text::line(&String::from_utf8_lossy(&self.line)) + end;
        let _ = self.to.write_all(line.as_bytes());
        self.line.clear();
    }
}

impl<W: Write> Write for Report<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.line.extend_from_slice(part);
            if parts.peek().is_some() {
                self.end("\n");
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.end("");
        }
        let _ = self.to.flush();
        Ok(())
    }
}

impl<W: Write> Drop for Report<W> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_fit_to_be_shown_however_it_was_written() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        for part in ["a #", "#[error]b\n:", ":warning::c\n\n", "d\u{1b}", "[2J"] {
            report.write_all(part.as_bytes()).unwrap();
        }
        drop(report);
        let expected = "a #\\#[error]b\nsilkroll: ::warning::c\n\nd\\u{1b}[2J";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
