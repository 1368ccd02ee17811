//! Texts are bytes: what an environment holds need not be UTF-8.

use alloc::vec::Vec;

/// The parts one after the other, each text or bytes.
macro_rules! text {
    ($($part:expr),* $(,)?) => {
        $crate::text::join(&[$(AsRef::<[u8]>::as_ref(&$part)),*])
    };
}

pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Decimal digits.
#[must_use]
pub fn number(mut value: u64) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        // A digit fits.
        #[allow(clippy::cast_possible_truncation, reason = "0 to 9")]
        digits.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    digits.reverse();
    digits
}

/// The number that the text is, all of it.
#[must_use]
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn hex(digit: u8) -> u8 {
    match digit {
        0..=9 => b'0' + digit,
        _ => b'A' + digit - 10,
    }
}

/// Percent-encodes every byte that is not a letter, a digit, `-` or one of `also`.
#[must_use]
pub(crate) fn encode(text: &[u8], also: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || byte == b'-' || also(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

/// For a part of a URL or a form.
#[must_use]
pub(crate) fn component(text: &[u8]) -> Vec<u8> {
    encode(text, |byte| b"._~".contains(&byte))
}

/// For a URL as written: what a URL may hold stays, everything else is encoded, and `#` too, for a
/// fragment is never sent.
#[must_use]
pub(crate) fn url_text(text: &[u8]) -> Vec<u8> {
    encode(text, |byte| b"]._~:/?@!$&()*+,;=%[".contains(&byte))
}

/// For the inside of a JSON string.
#[must_use]
pub(crate) fn json_text(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=31 | 127 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[
                    hex(byte >> 4).to_ascii_lowercase(),
                    hex(byte & 15).to_ascii_lowercase(),
                ]);
            }
            _ => out.push(byte),
        }
    }
    out
}

/// RFC 4648, for basic authentication.
#[must_use]
pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(text.len().div_ceil(3) * 4);
    for part in text.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| {
            bits << 8 | usize::from(part.get(at).copied().unwrap_or(0))
        });
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get(bits >> shift & 63).copied().unwrap_or(b'=');
            out.push(if at > part.len() { b'=' } else { digit });
        }
    }
    out
}

/// A line for the log: where it holds control characters, all of it is shown in visible ASCII.
#[must_use]
pub fn escape_line(line: &[u8]) -> Vec<u8> {
    if line.iter().any(u8::is_ascii_control) {
        encode(line, |byte| (b' '..=b'~').contains(&byte))
    } else {
        line.to_vec()
    }
}

/// Where `part` begins in `text`; nothing begins everywhere.
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

/// What stands before and after the first `part`.
pub(crate) fn cut<'a>(text: &'a [u8], part: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, part)?;
    Some((text.get(..at)?, text.get(at + part.len()..)?))
}

/// Without spaces, tabs and line ends around it.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_keep_what_rfc_3986_leaves_alone() {
        assert_eq!(component(b"aZ09-._~"), b"aZ09-._~");
        assert_eq!(component("a b/ä%".as_bytes()), b"a%20b%2F%C3%A4%25");
    }

    #[test]
    fn urls_keep_their_signs_and_what_is_encoded_already() {
        assert_eq!(
            url_text(b"http://[::1]:8/a?b=c&d=%41"),
            b"http://[::1]:8/a?b=c&d=%41"
        );
        assert_eq!(url_text(b"a#b'\"\r\n"), b"a%23b%27%22%0D%0A");
    }

    #[test]
    fn json_strings_stay_closed() {
        assert_eq!(json_text(b"a\"b\\c\nd\x7f"), b"a\\\"b\\\\c\\u000ad\\u007f");
    }

    #[test]
    fn base64_as_in_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded.as_bytes());
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), b"//79");
    }

    #[test]
    fn numbers_there_and_back() {
        for value in [0, 7, 10, 65_535, u64::MAX] {
            assert_eq!(parse_number(&number(value)), Some(value));
        }
        for bad in ["", "-1", "1 ", "18446744073709551616", "0x1"] {
            assert_eq!(parse_number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_log_line_stays_one_line() {
        assert_eq!(escape_line(b"a\nb c\xff"), b"a%0Ab c%FF");
        assert_eq!(escape_line("ä".as_bytes()), "ä".as_bytes());
    }
}
