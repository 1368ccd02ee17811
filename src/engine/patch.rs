//! A JSON patch (RFC 6902), written by hand: the parts of it are raw slices and short texts.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Operations as JSON text, in order.
#[derive(Debug, Default)]
pub(super) struct Patch {
    text: String,
}

impl Patch {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The patch as a JSON list; `None` where there is nothing to do.
    pub(super) fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(']');
        Some(self.text)
    }

    /// Adds a member or element, or sets a member that is there (RFC 6902, 4.1).
    pub(super) fn add(&mut self, path: &str, value: &str) {
        self.op("add", path, Some(value));
    }

    pub(super) fn replace(&mut self, path: &str, value: &str) {
        self.op("replace", path, Some(value));
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.op("remove", path, None);
    }

    /// Brings a member from what is there to what is wanted; equal values are left alone.
    pub(super) fn settle(&mut self, path: &str, present: Option<&RawValue>, wanted: Option<&str>) {
        match (present, wanted) {
            (None, None) => {}
            (Some(present), Some(wanted)) if same(present.get(), wanted) => {}
            (_, Some(wanted)) => self.add(path, wanted),
            (Some(_), None) => self.remove(path),
        }
    }

    fn op(&mut self, op: &str, path: &str, value: Option<&str>) {
        let text = &mut self.text;
        if text.is_empty() {
            // A usual patch, so that it is not moved while it grows.
            text.reserve(4096);
        }
        text.push_str(if text.is_empty() { "[" } else { "," });
        text.push_str("{\"op\":\"");
        text.push_str(op);
        // Paths are made of known names and numbers: nothing in them needs an escape.
        text.push_str("\",\"path\":\"");
        text.push_str(path);
        text.push('"');
        if let Some(value) = value {
            text.push_str(",\"value\":");
            text.push_str(value);
        }
        text.push('}');
    }
}

/// A value's text, the same whoever wrote it: the API server escapes `&`, `<` and `>` in strings
/// (Go's `encoding/json` does), other writers do not. Both leave out white space.
pub(super) fn plain(raw: &RawValue) -> Cow<'_, str> {
    if !raw.get().contains('\\') {
        return Cow::Borrowed(raw.get());
    }
    match serde_json::from_str::<serde_json::Value>(raw.get()) {
        Ok(value) => Cow::Owned(value.to_string()),
        Err(_) => Cow::Borrowed(raw.get()),
    }
}

/// Whether two JSON texts mean the same value. The API server writes members in its own order and
/// escapes `<`, `>` and `&`, so texts may differ where values do not.
pub(super) fn same(left: &str, right: &str) -> bool {
    left == right || {
        let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
        let left = parse(left);
        left.is_some() && left == parse(right)
    }
}

/// Writes a JSON string.
pub(super) fn string(text: &str) -> String {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        out.push_str(text);
        out.push('"');
        return out;
    }
    // Text has no way to fail.
    serde_json::to_string(text).unwrap_or_default()
}

/// Writes a JSON list of raw elements.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(item);
    }
    out.push(']');
    out
}

/// Writes a JSON object of raw members.
pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("{");
    for (at, (key, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&string(key));
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}
