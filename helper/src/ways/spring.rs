//! Spring: the service registry's actuator endpoint. Nacos takes UP for the way back and ignores the cancelling;
//! Eureka needs it, or UP would stick.

use alloc::vec::Vec;

use super::dubbo::loopback;
use crate::attempt::{Attempt, Outcome, Server, Trouble};
use crate::text::{json_text, url_text};

pub(super) fn leave(attempt: &Attempt<'_>) -> Outcome {
    let status = attempt.settings.or("SILKROLL_SPRING_STATUS", "DOWN");
    let endpoint = post(attempt, &status)?;
    Ok(text!("left: status ", status, " (", endpoint, ")"))
}

pub(super) fn back(attempt: &Attempt<'_>) -> Outcome {
    post(attempt, b"UP")?;
    let endpoint = post(attempt, b"CANCEL_OVERRIDE")?;
    Ok(text!("back: status UP (", endpoint, ")"))
}

/// Gives the endpoint, for the log.
fn post(attempt: &Attempt<'_>, status: &[u8]) -> Result<Vec<u8>, Trouble> {
    let settings = attempt.settings;
    let base = loopback(
        &settings.get("SILKROLL_SPRING_PORT"),
        "SILKROLL_SPRING_PORT",
    )?;
    let path = settings.or("SILKROLL_SPRING_PATH", "/actuator/serviceregistry");
    let path = url_text(&text!("/", path.strip_prefix(b"/").unwrap_or(&path)));
    let server = Server {
        base: &base,
        headers: &[b"Content-Type: application/json".to_vec()],
    };
    let body = text!("{\"status\":\"", json_text(status), "\"}");
    let answer = attempt.ask(&server, "POST", &path, &body, None)?;
    let request = text!("status ", status);
    let request = core::str::from_utf8(&request).unwrap_or("status");
    match server.judge(&answer, request, &[200, 204]) {
        Ok(()) => Ok(text!(base, path)),
        Err(trouble) if answer.status == 404 => Err(Trouble {
            what: text!(trouble.what, " (is ", path, " exposed?)"),
            ..trouble
        }),
        Err(trouble) => Err(trouble),
    }
}
