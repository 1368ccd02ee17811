use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Layer, PREFIX, Subject};

/// A value that cannot be used: which annotation, which value, where it stands, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{PREFIX}{key}: {value} on {place} cannot be used: {allowed}")]
pub struct Problem {
    /// The key, without the prefix.
    pub key: &'static str,
    /// The value, quoted and cut.
    pub value: String,
    /// Where it stands, in words.
    pub place: String,
    /// What would be allowed.
    pub allowed: String,
    /// Where it stands.
    pub layer: Layer,
}

impl Problem {
    /// Makes the message's parts; the value is quoted and cut here, once.
    #[must_use]
    pub fn new(
        key: &'static str,
        value: &str,
        layer: Layer,
        subject: Subject<'_>,
        allowed: String,
    ) -> Self {
        Self {
            key,
            value: quoted(value, 60),
            place: subject.place(layer),
            allowed,
            layer,
        }
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
        if super::value::deceptive(c) {
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
    if !text.contains(super::value::deceptive) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if super::value::deceptive(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The text, cut to at most `most` characters, the last being `…` where something was cut away.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    // Counted no further than it matters: this is asked of whatever comes from outside, again and again.
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}
