//! Dubbo: the process takes itself out, by its own command port. A new process registers itself, when the application
//! says so.

use alloc::vec::Vec;

use crate::attempt::{Attempt, Outcome, Server, Trouble};

pub(super) fn leave(attempt: &Attempt<'_>) -> Outcome {
    let base = loopback(
        &attempt.settings.or("SILKROLL_DUBBO_PORT", "22222"),
        "SILKROLL_DUBBO_PORT",
    )?;
    let server = Server {
        base: &base,
        headers: &[],
    };
    let answer = attempt.ask(&server, "GET", b"/offline", b"", None)?;
    server.judge(&answer, "offline command", &[200])?;
    Ok(text!("left (", base, "/offline)"))
}

/// The base URL of a port of this pod.
pub(super) fn loopback(port: &[u8], variable: &str) -> Result<Vec<u8>, Trouble> {
    if port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return Err(Trouble::never(text!(variable, " is not a port")));
    }
    Ok(text!("http://127.0.0.1:", port))
}
