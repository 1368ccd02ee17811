//! The user's own hook, which follows as arguments.

use alloc::vec::Vec;

use crate::attempt::{Answered, Attempt, World};
use crate::methods::add_header;
use crate::settings::count;
use crate::steps::took;
use crate::text::{number, url_text};

/// The user's own hook.
#[derive(Debug, PartialEq, Eq)]
pub enum Own<'a> {
    /// There is none, or one of an unknown form.
    None,
    /// A command with its arguments.
    Exec(&'a [Vec<u8>]),
    /// A request.
    Http(Request<'a>),
    /// Seconds.
    Sleep(u64),
}

/// `http SCHEME HOST PORT PATH [HEADER…]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    port: &'a [u8],
    path: &'a [u8],
    headers: &'a [Vec<u8>],
}

/// Reads `exec CMD ARG… | http SCHEME HOST PORT PATH [HEADER…] | sleep N`.
#[must_use]
pub fn own(arguments: &[Vec<u8>]) -> Own<'_> {
    match arguments {
        [kind, command @ ..] if kind == b"exec" && !command.is_empty() => Own::Exec(command),
        [kind, scheme, host, port, path, headers @ ..] if kind == b"http" => Own::Http(Request {
            scheme,
            host,
            port,
            path,
            headers,
        }),
        [kind, seconds, ..] if kind == b"sleep" => Own::Sleep(count(seconds).unwrap_or(0)),
        _ => Own::None,
    }
}

impl Request<'_> {
    /// As the kubelet does it: GET, and any status will do. The hook's exit status.
    #[must_use]
    pub fn send(&self, world: &dyn World, seconds: u64) -> i32 {
        let begun = world.now();
        let answered = Answered::default();
        let attempt = Attempt::new(world, seconds, false, &answered);
        let host = match self.host {
            b"" => world.var(b"podip").unwrap_or_default(),
            host => host.to_vec(),
        };
        let host = if host.contains(&b':') && !host.starts_with(b"[") {
            text!("[", host, "]")
        } else {
            host
        };
        let scheme = if self.scheme.eq_ignore_ascii_case(b"https") {
            "https"
        } else {
            "http"
        };
        let path = self.path.strip_prefix(b"/").unwrap_or(self.path);
        let url = url_text(&text!(scheme, "://", host, ":", self.port, "/", path));
        let mut headers = Vec::new();
        for line in self.headers {
            add_header(&attempt, "own hook", &mut headers, line);
        }
        let shown = url.split(|byte| *byte == b'?').next().unwrap_or(&url);
        // What cannot be sent is no fault of the user's hook, and a failing postStart would kill the container.
        match attempt.call(b"GET", &url, &headers, b"", None) {
            Err(trouble) => {
                world.say(&text!("own hook: not done: ", trouble.what));
                0
            }
            Ok(answer) if answer.status == 0 => {
                world.say(&text!(
                    "own hook: GET ",
                    shown,
                    ": no answer",
                    took(world, begun)
                ));
                1
            }
            Ok(answer) => {
                let status = number(answer.status.into());
                world.say(&text!(
                    "own hook: GET ",
                    shown,
                    " answered ",
                    status,
                    took(world, begun)
                ));
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::Registry;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split('|')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn chains_are_read() {
        assert_eq!(own(&[]), Own::None);
        assert_eq!(own(&words("exec")), Own::None);
        assert_eq!(own(&words("what|x")), Own::None);
        assert_eq!(own(&words("http|http|h|80")), Own::None);
        assert_eq!(own(&words("exec|a|b")), Own::Exec(&words("a|b")));
        assert_eq!(own(&words("sleep|007")), Own::Sleep(7));
        assert_eq!(own(&words("sleep|-1")), Own::Sleep(0));
        assert!(matches!(own(&words("http|http||80|/x|A: b")), Own::Http(_)));
    }

    #[test]
    fn a_request_of_the_users_goes_out_as_the_kubelet_sends_it() {
        let registry = Registry::new(&[("podip", "fd00::1")], |_| Some((500, String::new())));
        let arguments = words("http|HTTP||8080|/down?now=1|X-Why: stop|broken");
        let Own::Http(request) = own(&arguments) else {
            panic!("no request")
        };
        assert_eq!(request.send(&registry, 9), 0);
        assert_eq!(
            registry.said(),
            [
                "own hook: a header that is not `Name: value` is left out",
                "own hook: GET http://[fd00::1]:8080/down answered 500 in 0.0 s"
            ]
        );
        let asked = registry.asked().pop().unwrap();
        assert_eq!(
            (asked.host.as_str(), asked.target.as_str()),
            ("fd00::1:8080", "/down?now=1")
        );
        assert!(asked.text.contains("\r\nX-Why: stop\r\n"));
    }

    #[test]
    fn what_cannot_be_sent_fails_nobody_and_what_is_not_answered_does() {
        let registry = Registry::new(&[], |_| None);
        for (arguments, status, said) in [
            (
                "http|HTTPS|h|443|/",
                0,
                "own hook: not done: the helper binary cannot send GET over https",
            ),
            (
                "http|HTTP|h|80|/",
                1,
                "own hook: GET http://h:80/: no answer in 9.0 s",
            ),
        ] {
            let arguments = words(arguments);
            let Own::Http(request) = own(&arguments) else {
                panic!("no request")
            };
            assert_eq!(request.send(&registry, 9), status);
            assert!(registry.said().concat().starts_with(said));
        }
    }
}
