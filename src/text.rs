//! Text that comes from outside, made fit for a message or a log line: short, on one line, and with everything in
//! it to be seen.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Characters that change how text reads without being seen: controls, bidi marks, zero widths.
#[must_use]
pub fn deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{061c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A name as it stands in a JSON pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        name.replace('~', "~0").replace('/', "~1").into()
    } else {
        name.into()
    }
}

/// The text in double quotes, at most `most` characters of it, with everything escaped that could
/// deceive a reader or break a log line: control characters, bidi marks, quotes.
#[must_use]
pub fn quoted(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most) + 2);
    out.push('"');
    let mut chars = text.chars();
    for c in chars.by_ref().take(most) {
        if deceptive(c) {
            out.extend(c.escape_default());
        } else if c == '\'' {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    let left = chars.count();
    out.push('"');
    if left > 0 {
        // Writing into a String cannot fail.
        let _ = write!(out, " (and {left} characters more)");
    }
    out
}

/// The text on one line, with the characters escaped that could deceive a reader: names come from
/// manifests, and a terminal or a log believes what it is told.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(deceptive) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if deceptive(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The text so that no runner of a pipeline takes part of it for a command: GitHub's and Azure's look for `##[command]`
/// and `##vso[command]` anywhere in a line.
#[must_use]
pub fn harmless(text: &str) -> String {
    defused(text, "\\#").into_owned()
}

/// The same, with another way to write the second `#` of what looks like a command.
#[must_use]
pub fn defused<'a>(text: &'a str, hash: &str) -> Cow<'a, str> {
    let is_command = |at: &usize| {
        let after = text[*at..].strip_prefix("##").unwrap_or_default();
        let word = after.as_bytes().get(..4).unwrap_or_default();
        after.starts_with('[') || word.eq_ignore_ascii_case(b"vso[")
    };
    let mut out = String::new();
    let mut from = 0;
    for at in memchr::memchr_iter(b'#', text.as_bytes()).filter(is_command) {
        out.push_str(&text[from..=at]);
        out.push_str(hash);
        from = at + 2;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// A line for the log of a pipeline or a terminal: with everything in it to be seen, and nothing that is a command.
/// GitHub's runner takes `::command::` for one where a line begins with it.
#[must_use]
pub fn line(text: &str) -> String {
    let line = harmless(&visible(text));
    if line.trim_start().starts_with("::") {
        return format!("silkroll: {line}");
    }
    line
}

/// The same JSON, with everything in its texts to be seen, and nothing in them that a runner takes for a command. It may
/// have any line breaks between its texts.
#[must_use]
pub fn seen_json(json: &str) -> Cow<'_, str> {
    let json = defused(json, "\\u0023");
    // Between texts there are no others, and in texts these are escaped already.
    let odd = |c: char| deceptive(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(odd) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if odd(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The text, cut to at most `most` characters, the last being `…` where something was cut away.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.char_indices().nth(most).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// [`visible`] and [`cut`] in one: at most `most` characters come out, and no more of the text is looked at than
/// they need, so it may be of any length.
#[must_use]
pub fn shown(text: &str, most: usize) -> Cow<'_, str> {
    // No more characters than bytes.
    if text.len() <= most && !text.contains(deceptive) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(displayed(text, most))
}

/// What a value says of itself, as [`shown`] would have it: it is stopped where it has said enough, so that an error
/// that quotes megabytes costs none.
#[must_use]
pub fn displayed(value: impl fmt::Display, most: usize) -> String {
    let mut window = Window {
        out: String::new(),
        chars: 0,
        most,
    };
    // It fails where the window is full, which is what is wanted.
    if write!(window, "{value}").is_err() {
        let keep = window.out.char_indices().nth(most.saturating_sub(1));
        if let Some((at, _)) = keep {
            window.out.truncate(at);
        }
        window.out.push('…');
    }
    window.out
}

struct Window {
    out: String,
    chars: usize,
    most: usize,
}

impl fmt::Write for Window {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if deceptive(c) {
                self.out.extend(c.escape_default());
                self.chars += c.escape_default().len();
            } else {
                self.out.push(c);
                self.chars += 1;
            }
            if self.chars > self.most {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_to_be_seen() {
        for (text, most, expected) in [
            ("", 5, ""),
            ("12345", 5, "12345"),
            ("123456", 5, "1234…"),
            ("äöüßé", 5, "äöüßé"),
            ("äöüßéa", 5, "äöüß…"),
            ("a\n", 5, "a\\n"),
            ("a\u{202e}b", 20, "a\\u{202e}b"),
            ("a\u{202e}b", 9, "a\\u{202e…"),
            ("\u{7f}\u{7f}", 6, "\\u{7f…"),
            ("x", 0, "…"),
        ] {
            assert_eq!(shown(text, most), expected, "{text:?} in {most}");
            assert_eq!(displayed(text, most), expected, "{text:?} in {most}");
        }
        assert!(matches!(shown("plain", 5), Cow::Borrowed(_)));
    }

    #[test]
    fn what_looks_like_a_command_of_a_pipeline_is_none_afterwards() {
        for (text, expected) in [
            ("", ""),
            ("# a ## b ###", "# a ## b ###"),
            ("##[error]a", "#\\#[error]a"),
            ("a ###[b] ##[c]", "a ##\\#[b] #\\#[c]"),
            ("##vso[task.x]##VsO[", "#\\#vso[task.x]#\\#VsO["),
            ("##vs", "##vs"),
            ("##vsö[", "##vsö["),
            ("::error::a", "silkroll: ::error::a"),
            (" \u{3000}::error::a", "silkroll:  \u{3000}::error::a"),
            ("a::b", "a::b"),
            ("a\u{1b}[31m\n::b", "a\\u{1b}[31m\\n::b"),
        ] {
            assert_eq!(line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn json_means_what_it_meant() {
        for (text, expected) in [
            ("plain ö 中", None),
            (
                "##[a ##vso[b ###[",
                Some("\"#\\u0023[a #\\u0023vso[b ##\\u0023[\""),
            ),
            ("\\##[", Some("\"\\\\#\\u0023[\"")),
            ("\u{9b}\u{202e}\u{7f}", Some("\"\\u009b\\u202e\\u007f\"")),
            ("\u{1b}\n\t\u{feff}", Some("\"\\u001b\\n\\t\\ufeff\"")),
        ] {
            let json = serde_json::to_string(text).unwrap();
            let seen = seen_json(&json);
            assert_eq!(seen, expected.unwrap_or(&json), "{text:?}");
            assert_eq!(serde_json::from_str::<String>(&seen).unwrap(), text);
        }
        assert_eq!(seen_json("{\n\t\"a\": 1\r\n}"), "{\n\t\"a\": 1\r\n}");
    }

    #[test]
    fn a_value_that_says_too_much_is_stopped() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again ")?;
                }
            }
        }
        assert_eq!(displayed(Endless, 10), "again aga…");
    }

    #[test]
    fn a_cut_keeps_what_fits() {
        for (text, most, expected) in [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("äöü", 2, "ä…")]
        {
            assert_eq!(cut(text, most), expected);
        }
    }
}
