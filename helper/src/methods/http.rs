//! One request, told in settings, judged by its status, and by the words of its answer where a setting names some: the
//! method `http`, and every registry that needs no more.

use alloc::vec::Vec;

use crate::attempt::{Attempt, Outcome, Trouble};
use crate::fill::As;
use crate::http::is_named;
use crate::json::Object;
use crate::settings::method;
use crate::text::{contains, cut, number};
use crate::url::Url;

pub(super) fn deregister(attempt: &Attempt<'_>) -> Outcome {
    let settings = attempt.settings;
    let absent = settings.get("SILKROLL_HTTP_ABSENT");
    let request = Request {
        url: settings
            .some("SILKROLL_HTTP_URL")
            .ok_or_else(|| Trouble::never("SILKROLL_HTTP_URL is not set"))?,
        verb: settings.or("SILKROLL_HTTP_METHOD", "POST"),
        absent: &absent,
    };
    Ok(
        match request.send(attempt, &settings.get("SILKROLL_HTTP_BODY"))? {
            Sent::Done(what) => text!("left: ", what),
            Sent::Absent(what) => attempt.absent(text!(
                "this pod is not registered, nothing to take out: ",
                what
            )),
        },
    )
}

pub(super) fn reenable(attempt: &Attempt<'_>) -> Outcome {
    let settings = attempt.settings;
    let request = Request {
        url: settings.get("SILKROLL_HTTP_START_URL"),
        verb: settings.or("SILKROLL_HTTP_START_METHOD", "POST"),
        absent: b"",
    };
    let mut sent = request.send(attempt, &settings.get("SILKROLL_HTTP_START_BODY"))?;
    if let Some(then) = settings.some("SILKROLL_HTTP_START_THEN") {
        sent = request.send(attempt, &then)?;
    }
    let (Sent::Done(what) | Sent::Absent(what)) = sent;
    Ok(text!("back: ", what))
}

struct Request<'a> {
    url: Vec<u8>,
    verb: Vec<u8>,
    /// What means that it is not registered: `STATUS` or `STATUS WORDS`, with commas between several.
    absent: &'a [u8],
}

/// What was answered, for the log.
enum Sent {
    Done(Vec<u8>),
    Absent(Vec<u8>),
}

impl Request<'_> {
    fn send(&self, attempt: &Attempt<'_>, body: &[u8]) -> Result<Sent, Trouble> {
        let verb = &self.verb;
        let settings = attempt.settings;
        let kind = settings.or(
            "SILKROLL_HTTP_CONTENT_TYPE",
            "application/x-www-form-urlencoded",
        );
        let url = attempt.fill_url(&self.url)?;
        let how = if contains(&kind, b"json") {
            As::Json
        } else if contains(&kind, b"x-www-form-urlencoded") {
            As::Component
        } else {
            As::Raw
        };
        let body = attempt.fill(body, how)?;
        let headers = headers(attempt, &kind, !body.is_empty());
        if verb.is_empty() || !verb.iter().all(u8::is_ascii_uppercase) {
            return Err(Trouble::never(text!("not a request method: ", verb)));
        }
        let parts = Url::parse(verb, &url)?;
        // Of an answer that says done nothing more is read, but where its words may say otherwise.
        let mut ignore = |_: &Object| {};
        let whole = self
            .rules()
            .any(|(status, words)| status.starts_with(b"2") && !words.is_empty());
        let answer = attempt.call(
            verb,
            &url,
            &headers,
            &body,
            whole.then_some(&mut ignore as _),
        )?;
        // Without the query: it may hold what `{env:…}` brought in.
        let what = text!(verb, " http://", parts.authority, parts.bare_path());
        if answer.status == 0 {
            return Err(Trouble::again(text!(what, ": no answer")));
        }
        let status = number(answer.status.into());
        let what = text!(what, " answered ", status);
        if self
            .rules()
            .any(|(code, words)| code == status && contains(&answer.words, words))
        {
            return Ok(Sent::Absent(what));
        }
        let done = match settings.some("SILKROLL_HTTP_DONE") {
            None => (200..300).contains(&answer.status),
            Some(list) => list.split(|byte| *byte == b',').any(|code| code == status),
        };
        match answer.status {
            _ if done => Ok(Sent::Done(what)),
            404 => Err(Trouble::never(text!(
                what,
                " (is this path exposed there?)"
            ))),
            500.. => Err(Trouble::again(what)),
            _ => Err(Trouble::never(what)),
        }
    }

    /// Each a status and words.
    fn rules(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.absent
            .split(|byte| *byte == b',')
            .map(|rule| cut(rule, b" ").unwrap_or((rule, b"")))
    }
}

pub(super) fn headers(attempt: &Attempt<'_>, kind: &[u8], has_body: bool) -> Vec<Vec<u8>> {
    let settings = attempt.settings;
    let mut headers = Vec::new();
    let mut add = |line: &[u8]| add_header(attempt, method(settings), &mut headers, line);
    for line in settings
        .get("SILKROLL_HTTP_HEADERS")
        .split(|byte| *byte == b'\n')
    {
        add(line.strip_suffix(b"\r").unwrap_or(line));
    }
    if let Some(token) = settings.some("SILKROLL_HTTP_TOKEN") {
        // A Secret made from a file ends with a line end.
        let token = token.strip_suffix(b"\n").unwrap_or(&token);
        let header = settings.get("SILKROLL_HTTP_TOKEN_HEADER");
        add(&text!(header, " ", token));
    }
    if has_body
        && !headers
            .iter()
            .any(|header| is_named(header, "content-type"))
    {
        add_header(
            attempt,
            method(settings),
            &mut headers,
            &text!("Content-Type: ", kind),
        );
    }
    headers
}

/// Adds the line where it is a header; an empty one is none.
pub(crate) fn add_header(
    attempt: &Attempt<'_>,
    who: impl AsRef<[u8]>,
    headers: &mut Vec<Vec<u8>>,
    line: &[u8],
) {
    if line.is_empty() {
        return;
    }
    let is_name = |name: &[u8]| {
        !name.is_empty()
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
    };
    let is_header = cut(line, b":").is_some_and(|(name, _)| is_name(name));
    if is_header && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        headers.push(line.to_vec());
    } else {
        attempt.world.say(&text!(
            who,
            ": a header that is not `Name: value` is left out"
        ));
    }
}
