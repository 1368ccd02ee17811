//! The net under every log line: whatever a field holds, the line is one line, of bounded length, with nothing in it
//! that cannot be seen. Fields from outside are cut where they come in; this is for the one that was forgotten.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::json;

use crate::text::{deceptive, displayed};

/// The longest line, in bytes. Ours have a few hundred; a denial of many annotations has two thousand.
const LONGEST: usize = 16 * 1024;
/// How much of a longer one is kept, in characters.
const KEPT: usize = 1024;

/// What is written for a line that the formatter made; `json` says in which form.
pub(super) fn fit(line: &[u8], json: bool) -> Cow<'_, [u8]> {
    if line.len() > LONGEST {
        let text = String::from_utf8_lossy(&line[..KEPT * 4]);
        return Cow::Owned(shortened(&text, line.len(), json).into_bytes());
    }
    let text = String::from_utf8_lossy(line);
    let body = text.strip_suffix('\n').unwrap_or(&text);
    // Colours are the formatter's: it escapes those of others.
    let hidden = |c: char| deceptive(c) && (json || c != '\u{1b}');
    if !body.contains(hidden) {
        return match text {
            Cow::Borrowed(_) => Cow::Borrowed(line),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in body.chars() {
        match c {
            c if !hidden(c) => out.push(c),
            // They can only stand in strings: all are in the first plane, so JSON has an escape for each.
            c if json => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.extend(c.escape_default()),
        }
    }
    out.push('\n');
    Cow::Owned(out.into_bytes())
}

fn shortened(text: &str, bytes: usize, json: bool) -> String {
    let begin = displayed(text, KEPT);
    if json {
        let line = json!({
            "level": "WARN",
            "message": "a log line was too long and is cut; please report this",
            "bytes": bytes,
            "begin": begin,
        });
        format!("{line}\n")
    } else {
        format!("{begin} (cut: the line had {bytes} bytes)\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(line: &str, json: bool) -> String {
        String::from_utf8(fit(line.as_bytes(), json).into_owned()).unwrap()
    }

    #[test]
    fn a_line_is_one_line_with_nothing_unseen() {
        for (line, as_json, as_text) in [
            ("plain ä\n", "plain ä\n", "plain ä\n"),
            ("a\u{202e}b\n", "a\\u202eb\n", "a\\u{202e}b\n"),
            ("a\u{7f}\n", "a\\u007f\n", "a\\u{7f}\n"),
            ("two\nlines\n", "two\\u000alines\n", "two\\nlines\n"),
            ("\u{1b}[31mred\n", "\\u001b[31mred\n", "\u{1b}[31mred\n"),
        ] {
            assert_eq!(fitted(line, true), as_json);
            assert_eq!(fitted(line, false), as_text);
        }
    }

    #[test]
    fn a_long_line_is_cut_and_stays_json() {
        let field = "\u{202e}ä".repeat(LONGEST);
        let line = format!("{}\n", json!({"level": "INFO", "uid": field}));
        let cut = fitted(&line, true);
        assert!(cut.len() < 4 * KEPT && cut.ends_with('\n'), "{cut}");
        let read: serde_json::Value = serde_json::from_str(&cut).unwrap();
        assert_eq!(read["bytes"], line.len());
        assert!(read["begin"].as_str().unwrap().starts_with("{\"level\""));
        let cut = fitted(&line, false);
        assert!(cut.len() < 4 * KEPT && cut.lines().count() == 1, "{cut}");
    }
}
