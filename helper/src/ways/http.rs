//! Any request, judged by its status.

use alloc::vec::Vec;

use crate::attempt::{Attempt, Outcome, Trouble};
use crate::fill::As;
use crate::http::is_named;
use crate::text::{contains, cut, number};
use crate::url::Url;

pub(super) fn leave(attempt: &Attempt<'_>) -> Outcome {
    let settings = attempt.settings;
    send(
        attempt,
        &settings.get("SILKROLL_HTTP_URL"),
        &settings.or("SILKROLL_HTTP_METHOD", "POST"),
        &settings.get("SILKROLL_HTTP_BODY"),
    )
}

pub(super) fn back(attempt: &Attempt<'_>) -> Outcome {
    let settings = attempt.settings;
    match settings.some("SILKROLL_HTTP_START_URL") {
        None => Ok(Vec::new()),
        Some(url) => send(
            attempt,
            &url,
            &settings.or("SILKROLL_HTTP_START_METHOD", "POST"),
            &settings.get("SILKROLL_HTTP_START_BODY"),
        ),
    }
}

fn send(attempt: &Attempt<'_>, url: &[u8], verb: &[u8], body: &[u8]) -> Outcome {
    let settings = attempt.settings;
    let kind = settings.or(
        "SILKROLL_HTTP_CONTENT_TYPE",
        "application/x-www-form-urlencoded",
    );
    let url = attempt.fill_url(url)?;
    let how = if contains(&kind, b"json") {
        As::Json
    } else if contains(&kind, b"x-www-form-urlencoded") {
        As::Component
    } else {
        As::Raw
    };
    let body = attempt.fill(body, how)?;
    let mut headers = Vec::new();
    for line in settings
        .get("SILKROLL_HTTP_HEADERS")
        .split(|byte| *byte == b'\n')
    {
        add_header(
            attempt,
            "http",
            &mut headers,
            line.strip_suffix(b"\r").unwrap_or(line),
        );
    }
    if !(body.is_empty()
        || headers
            .iter()
            .any(|header| is_named(header, "content-type")))
    {
        add_header(
            attempt,
            "http",
            &mut headers,
            &text!("Content-Type: ", kind),
        );
    }
    if verb.is_empty() || !verb.iter().all(u8::is_ascii_uppercase) {
        return Err(Trouble::never(text!("not a request method: ", verb)));
    }
    let parts = Url::parse(verb, &url)?;
    let answer = attempt.call(verb, &url, &headers, &body, None)?;
    let what = text!(verb, " http://", parts.authority, parts.bare_path());
    let answered = text!(what, " answered ", number(answer.status.into()));
    match answer.status {
        200..300 => Ok(answered),
        0 => Err(Trouble::again(text!(what, ": no answer"))),
        500.. => Err(Trouble::again(answered)),
        _ => Err(Trouble::never(answered)),
    }
}

/// Adds the line where it is a header; an empty one is none.
pub(crate) fn add_header(
    attempt: &Attempt<'_>,
    who: &str,
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
