//! Consul: deregistered at the agent that registered it; at the catalog the agent would undo it.

use alloc::vec::Vec;

use super::http::add_header;
use crate::attempt::{Attempt, Outcome, Server, Trouble};
use crate::fill::As;
use crate::text::{component, contains};

pub(super) fn leave(attempt: &Attempt<'_>) -> Outcome {
    let settings = attempt.settings;
    let agent = attempt.fill_url(&settings.get("SILKROLL_CONSUL_AGENT"))?;
    let base = agent.strip_suffix(b"/").unwrap_or(&agent);
    let id = attempt.fill(&settings.get("SILKROLL_CONSUL_SERVICE_ID"), As::Raw)?;
    if id.is_empty() {
        return Err(Trouble::never("SILKROLL_CONSUL_SERVICE_ID is not set"));
    }
    let mut headers = Vec::new();
    if let Some(token) = settings.some("SILKROLL_CONSUL_TOKEN") {
        // A Secret made from a file ends with a line end.
        let token = token.strip_suffix(b"\n").unwrap_or(&token);
        add_header(
            attempt,
            "consul",
            &mut headers,
            &text!("X-Consul-Token: ", token),
        );
    }
    let server = Server {
        base,
        headers: &headers,
    };
    let path = text!("/v1/agent/service/deregister/", component(&id));
    let answer = attempt.ask(&server, "PUT", &path, b"", None)?;
    if answer.status == 404 && contains(&answer.words.to_ascii_lowercase(), b"unknown") {
        return Ok(text!(
            id,
            " is not registered, nothing to take out (",
            base,
            ")"
        ));
    }
    server.judge(&answer, "change", &[200])?;
    Ok(text!("left as ", id, " (", base, ")"))
}
