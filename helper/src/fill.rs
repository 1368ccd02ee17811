//! Placeholders in settings.

use alloc::vec::Vec;

use crate::attempt::{Attempt, Trouble};
use crate::settings::is_name;
use crate::text::{component, contains, cut, json_text, url_text};

/// How a value is written where it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    Component,
    /// An IPv6 address stands in brackets in the host part of a URL, and only there.
    Host,
    Json,
    Raw,
}

impl Attempt<'_> {
    /// The pod's own address.
    pub(crate) fn podip(&self) -> Result<Vec<u8>, Trouble> {
        self.settings
            .some("podip")
            .ok_or_else(|| Trouble::never("podip is not set in this container"))
    }

    /// Braces that are none of ours stay: JSON is full of them.
    pub(crate) fn fill(&self, template: &[u8], how: As) -> Result<Vec<u8>, Trouble> {
        let mut filled = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = cut(rest, b"{") {
            filled.extend_from_slice(before);
            let (name, behind) = cut(after, b"}").unwrap_or_default();
            if let Some(value) = self.placeholder(name)? {
                filled.extend_from_slice(&write(&value, how));
                rest = behind;
            } else {
                filled.push(b'{');
                rest = after;
            }
        }
        filled.extend_from_slice(rest);
        Ok(filled)
    }

    fn placeholder(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(Some(match name {
            b"podip" => self.podip()?,
            b"hostip" => self
                .settings
                .some("SILKROLL_HOST_IP")
                .ok_or_else(|| Trouble::never("SILKROLL_HOST_IP is not set in this container"))?,
            b"podname" => self.settings.get("SILKROLL_POD_NAME"),
            b"namespace" => self.settings.get("SILKROLL_POD_NAMESPACE"),
            _ => match name.strip_prefix(b"env:") {
                Some(variable) if is_name(variable) => self.world.var(variable).unwrap_or_default(),
                Some(_) => Vec::new(),
                None => return Ok(None),
            },
        }))
    }

    /// A URL with its placeholders filled in, as it is asked for.
    pub(crate) fn fill_url(&self, template: &[u8]) -> Result<Vec<u8>, Trouble> {
        let (scheme, tail) = cut(template, b"://").unwrap_or((template, b""));
        let split = tail
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(tail.len());
        let (base, path) = tail.split_at_checked(split).unwrap_or((tail, b""));
        let host = self.fill(base, As::Host)?;
        let filled = self.fill(path, As::Component)?;
        // Without its last part, or one in the middle, it would be about everything there and not about this pod.
        if has_empty_part(&filled) && !has_empty_part(path) {
            return Err(Trouble::never(
                "a part of the URL's path is empty: is a variable that it names empty?",
            ));
        }
        Ok(url_text(&text!(scheme, "://", host, filled)))
    }
}

/// Whether the path, without its query, has nothing between two slashes or after the last.
fn has_empty_part(path: &[u8]) -> bool {
    let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
    path.ends_with(b"/") || contains(path, b"//")
}

fn write(value: &[u8], how: As) -> Vec<u8> {
    match how {
        As::Raw => value.to_vec(),
        As::Json => json_text(value),
        As::Host => match cut(value, b":") {
            Some((_, rest)) if rest.contains(&b':') => text!("[", value, "]"),
            Some((host, port)) => text!(component(host), ":", component(port)),
            None => component(value),
        },
        As::Component => component(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Answered;
    use crate::stand_in::Registry;

    fn filled(env: &[(&str, &str)], template: &str, how: As) -> Result<String, String> {
        let registry = Registry::new(env, |_| None);
        let answered = Answered::default();
        Attempt::new(&registry, 5, false, &answered)
            .fill(template.as_bytes(), how)
            .map(|text| String::from_utf8(text).unwrap())
            .map_err(|trouble| String::from_utf8(trouble.what).unwrap())
    }

    #[test]
    fn placeholders_are_written_for_where_they_go() {
        let env = [
            ("podip", "fd00::1"),
            ("A_B", "x \"y"),
            ("AT", "mainstay.infra:8080"),
        ];
        for (template, how, expected) in [
            ("http://{podip}:80", As::Host, "http://[fd00::1]:80"),
            ("http://{env:AT}/", As::Host, "http://mainstay.infra:8080/"),
            ("ip={podip}", As::Component, "ip=fd00%3A%3A1"),
            (
                "{\"a\":\"{env:A_B}\",\"b\":{}}",
                As::Json,
                "{\"a\":\"x \\\"y\",\"b\":{}}",
            ),
            ("{env:A_B}{env:NONE}{env:9}{what}{", As::Raw, "x \"y{what}{"),
        ] {
            assert_eq!(
                filled(&env, template, how).as_deref(),
                Ok(expected),
                "{template}"
            );
        }
    }

    #[test]
    fn a_part_of_a_path_that_a_variable_leaves_empty_is_said() {
        let registry = Registry::new(&[("ID", "a/b")], |_| None);
        let answered = Answered::default();
        let attempt = Attempt::new(&registry, 5, false, &answered);
        for (url, filled) in [
            ("http://h/all/{env:ID}", Some("http://h/all/a%2Fb")),
            ("http://h/all/{env:NONE}", None),
            ("http://h/all/{env:NONE}?a=b", None),
            ("http://h/{env:NONE}/one", None),
            ("http://h/{env:NONE}", None),
            ("http://h/x{env:NONE}", Some("http://h/x")),
            ("http://h/x?id={env:NONE}", Some("http://h/x?id=")),
            // As it was written.
            ("http://h", Some("http://h")),
            ("http://h/", Some("http://h/")),
            ("http://h//{env:NONE}x/", Some("http://h//x/")),
        ] {
            let got = attempt.fill_url(url.as_bytes());
            assert_eq!(got.ok().as_deref(), filled.map(str::as_bytes), "{url}");
        }
    }

    #[test]
    fn an_address_that_is_not_there_is_said() {
        assert_eq!(
            filled(&[], "{podip}", As::Raw),
            Err("podip is not set in this container".to_owned())
        );
        assert!(
            filled(&[], "{hostip}", As::Raw)
                .unwrap_err()
                .contains("SILKROLL_HOST_IP")
        );
    }
}
