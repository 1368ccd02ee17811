//! Bytes that are no text: kubectl reads over them in comments, and everything that is not changed keeps them.
//!
//! Each stands in the text as a character that no manifest holds, out of the last 128 of Unicode, and becomes the byte
//! again where the text is written. Only comments may hold one: elsewhere kubectl would put U+FFFD, which changes the
//! value unseen.

use std::borrow::Cow;

/// The character for the byte 0; those from 0x80 on are used.
const BASE: u32 = 0x0010_FF00;

/// Bytes as text: as they are where they are text. Such characters themselves count as stray bytes, so that
/// [`restored`] gives back all.
#[must_use]
pub fn as_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    // What no byte can be mended in is told apart later: UTF-16, UTF-32, and what is no text at all.
    let wide = matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
    if wide || memchr::memchr(0, bytes).is_some() {
        return bytes.into();
    }
    if std::str::from_utf8(bytes).is_ok_and(|text| find(text, 0).is_none()) {
        return bytes.into();
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let push = |text: &mut String, stray: &[u8]| {
        let stray = stray.iter().map(|byte| BASE + u32::from(*byte));
        text.extend(stray.filter_map(char::from_u32));
    };
    for chunk in bytes.utf8_chunks() {
        let (valid, mut from) = (chunk.valid(), 0);
        while let Some(at) = find(valid, from) {
            text.push_str(&valid[from..at]);
            push(&mut text, &valid.as_bytes()[at..at + 4]);
            from = at + 4;
        }
        text.push_str(&valid[from..]);
        push(&mut text, chunk.invalid());
    }
    text.into_bytes().into()
}

/// Text as the bytes that were given to [`as_text`].
#[must_use]
pub fn restored(text: &str) -> Cow<'_, [u8]> {
    if find(text, 0).is_none() {
        return text.as_bytes().into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = find(text, from) {
        bytes.extend_from_slice(&text.as_bytes()[from..at]);
        bytes.push(byte(text, at));
        from = at + 4;
    }
    bytes.extend_from_slice(&text.as_bytes()[from..]);
    bytes.into()
}

/// Where the next stray byte stands.
pub(super) fn find(text: &str, mut from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    // What U+10FF80 to U+10FFFF begin with.
    while let Some(at) = memchr::memmem::find(&bytes[from..], &[0xF4, 0x8F]) {
        let at = from + at;
        if bytes.get(at + 2).is_some_and(|byte| *byte >= 0xBE) {
            return Some(at);
        }
        from = at + 2;
    }
    None
}

/// The stray byte that stands there.
pub(super) fn byte(text: &str, at: usize) -> u8 {
    let character = text.get(at..).and_then(|rest| rest.chars().next());
    character
        .and_then(|character| u8::try_from(u32::from(character) - BASE).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (1..=255).collect();
        let both = [b"\xE4 ", "\u{10FF80}".as_bytes()].concat();
        let private = "\u{e4}\u{10FFFD}".as_bytes();
        for bytes in [&all[..], b"a # \xFCber\n", b"\xE4\xF6", private, &both, b""] {
            let text = as_text(bytes);
            assert_eq!(restored(std::str::from_utf8(&text).unwrap()), bytes);
        }
    }

    #[test]
    fn text_stays_as_it_is() {
        let text = "a: \u{e4}\u{10F000}\n".as_bytes();
        assert!(matches!(as_text(text), Cow::Borrowed(same) if same == text));
    }
}
