//! A simple registry as data: one request by which the pod leaves, what its answers mean, and the requests by which it
//! comes back. Script and helper carry it out without knowing whose it is.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Deregistration, Var, VarValue, text};

/// The node's address, in URLs alone.
pub(super) const HOST_IP: &str = "{hostip}";

/// Placeholders in `url` and `body` are filled in by the hook, in the container; values are escaped as the place asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange<'a> {
    /// The address to call.
    pub(super) url: Cow<'a, str>,
    /// The request method; without one it is POST.
    pub(super) verb: Option<&'a str>,
    /// What is sent along.
    pub(super) body: Option<Cow<'a, str>>,
    /// The body's type, also of the requests that re-enable; without one it is a form.
    pub(super) content_type: Option<&'a str>,
    /// A Secret's credential in a header of its own.
    pub(super) token: Option<Token<'a>>,
    /// The Secret whose key `headers` has lines `Name: value`.
    pub(super) headers_secret: Option<&'a str>,
    /// The statuses that mean done, also of re-enabling; none: any 2xx. Of others a 5xx is tried again.
    pub(super) done: &'static [u16],
    /// What means that this pod is not registered: a status, and a text without a comma in its answer, or none. The hook
    /// then looks again while it drains, for the application may register yet.
    pub(super) absent: &'static [(u16, &'static str)],
    /// How what deregistering switched off is switched on again, at start.
    pub(super) reenable: Option<Reenable<'a>>,
}

/// A header whose value is a credential.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// All that stands before the credential and a space, e.g. `Authorization: Bearer`.
    pub(super) header: &'static str,
    /// The Secret.
    pub(super) secret: &'a str,
    /// The key in it.
    pub(super) key: &'static str,
}

/// The requests that re-enable, at start.
#[derive(Debug, Clone, Default)]
pub(super) struct Reenable<'a> {
    /// The address to call.
    pub(super) url: Cow<'a, str>,
    /// The request method; without one it is POST.
    pub(super) verb: Option<&'a str>,
    /// What is sent along.
    pub(super) body: Option<Cow<'a, str>>,
    /// What is sent to the same address once the first body was taken.
    pub(super) then_body: Option<&'static str>,
    /// For how many seconds it is tried; without a number for 120.
    pub(super) seconds: Option<u32>,
}

impl Exchange<'_> {
    /// What deregistering takes. `summary` is a line for `--explain`.
    pub(super) fn deregister(self, summary: String) -> Deregistration {
        Deregistration {
            reenables: self.reenable.is_some(),
            summary,
            ..Deregistration::calling(self.vars())
        }
    }

    fn vars(self) -> Vec<Var> {
        let absent = |(status, word): &(u16, &str)| format!("{status} {word}").trim().to_owned();
        let needs_host = self.url.contains(HOST_IP);
        let reenable = self.reenable.unwrap_or_default();
        let mut vars = Vec::new();
        let mut say = |name, value: &str| {
            if !value.is_empty() {
                vars.push(text(name, value));
            }
        };
        say("SILKROLL_HTTP_URL", &self.url);
        say("SILKROLL_HTTP_METHOD", self.verb.unwrap_or_default());
        say("SILKROLL_HTTP_BODY", &self.body.unwrap_or_default());
        say(
            "SILKROLL_HTTP_CONTENT_TYPE",
            self.content_type.unwrap_or_default(),
        );
        say("SILKROLL_HTTP_DONE", &commas(self.done, u16::to_string));
        say("SILKROLL_HTTP_ABSENT", &commas(self.absent, absent));
        say("SILKROLL_HTTP_START_URL", &reenable.url);
        say(
            "SILKROLL_HTTP_START_METHOD",
            reenable.verb.unwrap_or_default(),
        );
        say(
            "SILKROLL_HTTP_START_BODY",
            &reenable.body.unwrap_or_default(),
        );
        say(
            "SILKROLL_HTTP_START_THEN",
            reenable.then_body.unwrap_or_default(),
        );
        if let Some(seconds) = reenable.seconds {
            say("SILKROLL_HTTP_START_SECONDS", &seconds.to_string());
        }
        if needs_host {
            vars.push(Var {
                name: "SILKROLL_HOST_IP",
                value: VarValue::Field("status.hostIP"),
            });
        }
        if let Some(token) = self.token {
            vars.push(text("SILKROLL_HTTP_TOKEN_HEADER", token.header));
            vars.push(super::secret(
                "SILKROLL_HTTP_TOKEN",
                token.secret,
                token.key,
            ));
        }
        if let Some(secret) = self.headers_secret {
            vars.push(super::secret("SILKROLL_HTTP_HEADERS", secret, "headers"));
        }
        vars
    }
}

fn commas<T>(list: &[T], written: impl Fn(&T) -> String) -> String {
    list.iter().map(written).collect::<Vec<_>>().join(",")
}

/// A text with placeholders as one segment of a URL's path: all that is not a placeholder is percent-encoded but for RFC
/// 3986's unreserved characters. The hook does the same with the values. Takes what `placeholder_text` lets pass: each
/// brace belongs to a placeholder.
pub(super) fn segment(template: &str) -> String {
    let mut inside = false;
    let mut written = String::with_capacity(template.len());
    for byte in template.bytes() {
        let brace = matches!(byte, b'{' | b'}');
        if brace {
            inside = byte == b'{';
        }
        if brace || inside || byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            written.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(written, "%{byte:02X}");
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_keeps_its_placeholders_and_nothing_that_a_url_would_read() {
        for (template, written) in [
            ("web-1", "web-1"),
            ("{podname}", "{podname}"),
            (
                "a/b?c#{env:A_B}%41 é~",
                "a%2Fb%3Fc%23{env:A_B}%2541%20%C3%A9~",
            ),
            ("$(id)`;'\"&", "%24%28id%29%60%3B%27%22%26"),
        ] {
            assert_eq!(segment(template), written);
        }
    }
}
