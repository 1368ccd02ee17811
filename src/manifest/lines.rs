//! A text that knows its lines.
//!
//! An editor asks for the start of a line at every member it looks at. Looked for in the text each time, that is the whole
//! text for each member of a JSON document in one line; found once, it is a search among line starts.

use std::ops::Deref;

/// Where the lines of a text begin, and where what stands in them begins.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Of every line, the first byte and the first one that is neither space nor tab.
    starts: Vec<(usize, usize)>,
}

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let begins = std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1));
        let content = |start: usize| {
            let blanks = bytes[start..]
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t'));
            (start, start + blanks.count())
        };
        Self {
            starts: begins.map(content).collect(),
        }
    }
}

/// A text with its lines; it can be used as the text itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lined<'t> {
    pub(crate) text: &'t str,
    pub(crate) lines: &'t Lines,
}

impl Deref for Lined<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.text
    }
}

impl<'t> Lined<'t> {
    /// The number of the line that `at` is in, from 0.
    fn line(self, at: usize) -> usize {
        // The first line begins at 0, so at least one does not begin behind `at`.
        self.lines
            .starts
            .partition_point(|(start, _)| *start <= at)
            .saturating_sub(1)
    }

    fn start(self, line: usize) -> Option<(usize, usize)> {
        self.lines.starts.get(line).copied()
    }

    /// The blanks that the line begins with that `at` is in.
    pub(crate) fn indent(self, at: usize) -> &'t str {
        let (start, content) = self.start(self.line(at)).unwrap_or_default();
        &self.text[start..content]
    }
}

/// Where the line begins that `at` is in.
pub(crate) fn line_start(text: Lined<'_>, at: usize) -> usize {
    text.start(text.line(at)).unwrap_or_default().0
}

/// Where the line after the one begins that `at` is in.
pub(crate) fn line_after(text: Lined<'_>, at: usize) -> usize {
    text.start(text.line(at) + 1)
        .map_or(text.len(), |(start, _)| start)
}

/// Where the line's text ends that `at` is in, before `\n` or `\r\n`.
pub(crate) fn line_end(text: Lined<'_>, at: usize) -> usize {
    let Some((next, _)) = text.start(text.line(at) + 1) else {
        return text.len();
    };
    let end = next - 1;
    if end > at && text.as_bytes()[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

/// Whether only blanks stand before `at` in its line.
pub(crate) fn first_in_line(text: Lined<'_>, at: usize) -> bool {
    text.start(text.line(at))
        .is_some_and(|(_, content)| content >= at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::layout;

    #[test]
    fn lines_are_found_as_a_search_in_the_text_finds_them() {
        for text in ["", "a", "\n", "a\n\n  b\r\n\t c # é\r\n\r\n", "\r\n \n"] {
            let found = Lines::of(text);
            let lined = Lined {
                text,
                lines: &found,
            };
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let after = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
                let line = &text[start..];
                let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
                assert_eq!(line_start(lined, at), start, "{text:?} {at}");
                assert_eq!(line_after(lined, at), after, "{text:?} {at}");
                assert_eq!(line_end(lined, at), layout::line_end(text, at));
                assert_eq!(lined.indent(at), &line[..blanks], "{text:?} {at}");
                let first = text[start..at]
                    .bytes()
                    .all(|byte| matches!(byte, b' ' | b'\t'));
                assert_eq!(first_in_line(lined, at), first, "{text:?} {at}");
            }
        }
    }
}
