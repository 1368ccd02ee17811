//! A URL taken apart.

use alloc::vec::Vec;

use crate::attempt::Trouble;
use crate::text::{cut, parse_number};

/// An http URL; the helper brings no TLS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// Host and port as written, for the Host header.
    pub(crate) authority: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) path: Vec<u8>,
}

impl<'a> Url<'a> {
    /// Takes what has been through `url_text`.
    pub(crate) fn parse(verb: &[u8], url: &'a [u8]) -> Result<Self, Trouble> {
        const PORT: u16 = 80;
        let Some(rest) = url.strip_prefix(b"http://") else {
            return Err(Trouble::never(if url.starts_with(b"https://") {
                text!(
                    "the helper binary cannot send ",
                    verb,
                    " over https (silkroll.dev/hook: script can)"
                )
            } else {
                text!("not an http or https URL: ", url)
            }));
        };
        let (authority, path) = if let Some((authority, path)) = cut(rest, b"/") {
            (authority, text!("/", path))
        } else if let Some((authority, query)) = cut(rest, b"?") {
            (authority, text!("/?", query))
        } else {
            (rest, b"/".to_vec())
        };
        let authority = authority
            .rsplit(|byte| *byte == b'@')
            .next()
            .unwrap_or(authority);
        let (host, port) = match authority.strip_prefix(b"[") {
            Some(bracketed) => {
                let (host, behind) = cut(bracketed, b"]").unwrap_or((b"", b""));
                (host, behind.strip_prefix(b":"))
            }
            None => match cut(authority, b":") {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() || host.starts_with(b"-") {
            return Err(Trouble::never(
                "the URL has no host: is a variable that it names empty?",
            ));
        }
        let port = match port {
            None => PORT,
            Some(digits) => parse_number(digits)
                .and_then(|number| u16::try_from(number).ok())
                .ok_or_else(|| {
                    Trouble::never(
                        "the port in the URL is not a number: is a variable that it names empty?",
                    )
                })?,
        };
        Ok(Self {
            authority,
            host,
            port,
            path,
        })
    }

    /// The path without the query, which may hold what `{env:…}` brought in.
    pub(crate) fn bare_path(&self) -> &[u8] {
        self.path
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, path) in [
            ("http://nacos", "nacos", 80, "/"),
            (
                "http://nacos:8848/nacos/x?y=z/a",
                "nacos",
                8848,
                "/nacos/x?y=z/a",
            ),
            ("http://u:p@h?a=b", "h", 80, "/?a=b"),
            ("http://[fd00::1]:81/x", "fd00::1", 81, "/x"),
            ("http://[::1]", "::1", 80, "/"),
        ] {
            let parsed = Url::parse(b"GET", url.as_bytes()).unwrap();
            assert_eq!(
                (parsed.host, parsed.port, parsed.path.as_slice()),
                (host.as_bytes(), port, path.as_bytes()),
                "{url}"
            );
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        for (url, said) in [
            ("https://h/", "cannot send PUT over https"),
            ("ftp://h/", "not an http or https URL: ftp://h/"),
            ("http://:80/", "no host"),
            ("http://-o/", "no host"),
            ("http://h:/", "port"),
            ("http://h:x/", "port"),
            ("http://h:65536/", "port"),
        ] {
            let trouble = Url::parse(b"PUT", url.as_bytes()).unwrap_err();
            assert!(!trouble.again, "{url}");
            assert!(
                String::from_utf8_lossy(&trouble.what).contains(said),
                "{url}"
            );
        }
    }
}
