//! What values may look like. Each check answers `true` where the value can be used.

use crate::text::deceptive;

/// A whole number in plain ASCII digits within `range`: no sign, no fraction, no unit, no leading
/// zero (which YAML 1.1 and shells would read as octal).
#[must_use]
pub fn whole(text: &str, range: std::ops::RangeInclusive<u32>) -> bool {
    let plain = !text.is_empty()
        && text.len() <= 6
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    plain && text.parse().is_ok_and(|number| range.contains(&number))
}

/// One line of visible text of 1 to `most` bytes.
#[must_use]
pub fn printable_text(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && !text.chars().any(deceptive)
}

/// Text of 1 to `most` bytes that may have line ends and tabs, but no other control characters.
#[must_use]
pub fn text_block(text: &str, most: usize) -> bool {
    !text.is_empty()
        && text.len() <= most
        && !text
            .chars()
            .any(|c| deceptive(c) && !matches!(c, '\n' | '\r' | '\t'))
}

/// RFC 1123 label: the name of a container or a Service.
#[must_use]
pub fn dns_label(text: &str) -> bool {
    text.len() <= 63 && is_label(text)
}

/// RFC 1123 subdomain: the name of a Secret and of most objects. Kubernetes bounds the whole and none of its labels
/// (apimachinery, `IsDNS1123Subdomain`).
#[must_use]
pub fn dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    !text.is_empty()
        && text.as_bytes().iter().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A variable that a shell can name.
#[must_use]
pub fn env_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && !bytes[0].is_ascii_digit()
}

/// A port: a number, or a name as a container's port may have (IANA service name, 15 characters).
#[must_use]
pub fn port(text: &str) -> bool {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return whole(text, 1..=65535);
    }
    let bytes = text.as_bytes();
    bytes.len() <= 15
        && dns_label(text)
        && bytes.iter().any(u8::is_ascii_lowercase)
        && !text.contains("--")
}

/// `http://` or `https://`, a host, an optional port and path; no user, query or fragment.
#[must_use]
pub fn base_url(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    authority_ok(authority)
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b))
}

fn authority_ok(authority: &str) -> bool {
    let (host, port_text) = match authority.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((host, rest)) => (host, rest.strip_prefix(':').map_or(rest, |port| port)),
            None => return false,
        },
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let host_ok = if authority.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        !host.is_empty()
            && host.len() <= 253
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            && !host.starts_with('-')
    };
    let port_ok = port_text.is_empty() && !authority.ends_with(':') || whole(port_text, 1..=65535);
    host_ok && port_ok
}

/// One to ten base URLs, separated by commas.
#[must_use]
pub fn address_list(text: &str) -> bool {
    let mut urls = text.split(',').map(str::trim);
    text.len() <= 2048 && urls.clone().count() <= 10 && urls.all(base_url)
}

/// A URL of visible ASCII characters that RFC 3986 allows, with the placeholders `{podip}`,
/// `{podname}`, `{namespace}`, `{port}` and `{env:NAME}` anywhere after the scheme.
#[must_use]
pub fn http_url(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    else {
        return false;
    };
    if text.len() > 2048 || rest.is_empty() || rest.starts_with(['/', '?', '-']) {
        return false;
    }
    let mut left = rest;
    while let Some(open) = left.find('{') {
        let Some(close) = left[open..].find('}') else {
            return false;
        };
        if !plain_url(&left[..open]) || !placeholder(&left[open + 1..open + close]) {
            return false;
        }
        left = &left[open + close + 1..];
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    plain_url(left) && !authority.contains('@')
}

fn plain_url(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, b)| match b {
        b'%' => bytes
            .get(at + 1..at + 3)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        b => b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(b),
    })
}

fn placeholder(name: &str) -> bool {
    matches!(name, "podip" | "podname" | "namespace" | "port")
        || name.strip_prefix("env:").is_some_and(env_name)
}

/// One line of visible text of 1 to `most` bytes whose braces are placeholders: one of `known`, or
/// `{env:NAME}`.
#[must_use]
pub fn placeholder_text(text: &str, most: usize, known: &[&str]) -> bool {
    let mut pieces = text.split('{');
    let plain = |piece: &str| !piece.contains('}');
    let filled = |piece: &str| {
        piece.split_once('}').is_some_and(|(name, rest)| {
            plain(rest)
                && (known.contains(&name) || name.strip_prefix("env:").is_some_and(env_name))
        })
    };
    printable_text(text, most) && pieces.next().is_some_and(plain) && pieces.all(filled)
}

/// An absolute path of a URL, without a query: RFC 3986's `pchar` and `/`, but for `$'()`, which no
/// path of an actuator has and which look like a shell's.
#[must_use]
pub fn url_path(text: &str) -> bool {
    text.len() <= 1024
        && text.starts_with('/')
        && !text.starts_with("//")
        && plain_url(text)
        && !text.contains(['?', '[', ']', '$', '\'', '(', ')'])
}

/// The methods of HTTP that make sense for a registry.
#[must_use]
pub fn http_method(text: &str) -> bool {
    matches!(text, "GET" | "POST" | "PUT" | "DELETE" | "PATCH")
}

/// The value of a header: visible ASCII on one line.
#[must_use]
pub fn header_value(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}
