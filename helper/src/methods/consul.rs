//! Consul's list. Where its service is deregistered, which is a request told in settings, the agent has a page of it, and
//! by its name there the list that it serves to callers.

use crate::attempt::{Attempt, Server, Trouble};
use crate::json::{Object, Whole};
use crate::listed::Listed;
use crate::text::{component, contains, find};

use super::http::headers;

pub(super) fn listed(attempt: &Attempt<'_>) -> Result<Listed, Trouble> {
    const PATH: &[u8] = b"/agent/service/deregister/";
    let url = attempt.fill_url(&attempt.settings.get("SILKROLL_HTTP_URL"))?;
    // What is filled in has no slash left, so the id is what comes last.
    let parts = find(&url, PATH).and_then(|at| Some((url.get(..at)?, url.get(at + PATH.len()..)?)));
    let Some((base, id)) = parts else {
        return Err(Trouble::never(
            "SILKROLL_HTTP_URL is not that of an agent's service",
        ));
    };
    let headers = headers(attempt, b"", false);
    let server = Server {
        base,
        headers: &headers,
    };

    let mut own = None;
    let mut look = |object: &Object| {
        if let Some((id, name)) = service(object) {
            own = Some((id.to_vec(), name.to_vec()));
        }
    };
    let page = text!("/agent/service/", id);
    let answer = attempt.ask(&server, "GET", &page, b"", Some(&mut look))?;
    // Versions differ in how they begin it.
    if answer.status == 404 && contains(&answer.words, b"nknown") {
        return Ok(Listed::new(b"this container"));
    }
    server.judge(&answer, "service", &[200])?;
    let Some((id, name)) = own else {
        server.judge_absence(&answer, "service")?;
        return Err(Trouble::again(text!(base, " has a service without a name")));
    };

    let mut listed = Listed::new(&text!(id, " of ", name));
    // An id is the agent's own: another node's service may have the same.
    let mut look = |object: &Object| {
        if let Some((other, _)) = service(object) {
            listed.add(other == id && !listed.this);
        }
    };
    let path = text!("/health/service/", component(&name), "?passing");
    let answer = attempt.ask(&server, "GET", &path, b"", Some(&mut look))?;
    server.judge(&answer, "list", &[200])?;
    if answer.filtered {
        return Err(Trouble::never(text!(
            base,
            " hides nodes from this token, which needs the right to read them"
        )));
    }
    if !listed.others {
        server.judge_whole(&answer, "list", Whole::List)?;
    }
    Ok(listed)
}

/// Id and name of a service. Nodes and checks have other fields, and what the service's owner wrote into it are texts.
fn service(object: &Object) -> Option<(&[u8], &[u8])> {
    object.bare("Port")?;
    Some((object.text("ID")?, object.text("Service")?))
}
