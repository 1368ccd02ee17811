//! The page on a loopback address, for the browser of whoever started it and for no page of anybody else.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{HOST, LOCATION, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::page;
use super::routes::{App, only};

/// What `silkroll preview` has been given.
#[derive(Debug, Default)]
pub struct Preview {
    /// What the page begins with.
    pub manifest: Option<String>,
}

/// The routes of a preview.
pub fn preview_router(app: Arc<App>) -> Router {
    let router = Router::new().route(
        "/",
        get(async || (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/dry-run")])),
    );
    only(page::routes(router), "there is /dry-run here")
        .with_state(app)
        .layer(from_fn(own_browser))
}

/// A browser sends any page's requests here: one whose name leads to loopback (DNS rebinding) has another Host, and one
/// from elsewhere another Origin.
async fn own_browser(request: Request, next: Next) -> Response {
    match foreign(request.headers()) {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, format!("refused: {why}\n")).into_response(),
    }
}

fn foreign(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(HOST).filter(|host| is_loopback(host)) else {
        return Some(
            "the Host is not a loopback address; open the address that silkroll preview printed",
        );
    };
    if headers.get_all(HOST).iter().count() > 1 || headers.get_all(ORIGIN).iter().count() > 1 {
        return Some("a header is there twice");
    }
    match text(ORIGIN) {
        Some(origin) if origin.strip_prefix("http://") != Some(host) => {
            Some("the request comes from another page")
        }
        _ => None,
    }
}

/// Whether a Host, with a port or without, names this machine: whichever port, for it may be forwarded.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address = bare.unwrap_or(name).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_browser_of_this_machine_is_answered_and_only_its_own_page() {
        for (host, origin, answered) in [
            (Some("127.0.0.1:8000"), None, true),
            (Some("127.0.0.1:8000"), Some("http://127.0.0.1:8000"), true),
            (Some("localhost:9"), Some("http://localhost:9"), true),
            (Some("[::1]:8000"), Some("http://[::1]:8000"), true),
            (Some("localhost"), None, true),
            (None, None, false),
            (Some("evil.example:8000"), None, false),
            (Some("localhost.evil.example"), None, false),
            (Some("127.0.0.1.nip.io:8000"), None, false),
            (Some("192.168.0.1:8000"), None, false),
            (Some("0.0.0.0:8000"), None, false),
            (Some("127.0.0.1:8000"), Some("http://evil.example"), false),
            (
                Some("127.0.0.1:8000"),
                Some("https://127.0.0.1:8000"),
                false,
            ),
            (Some("127.0.0.1:8000"), Some("http://127.0.0.1:9000"), false),
            (Some("127.0.0.1:8000"), Some("null"), false),
            (Some("@127.0.0.1"), None, false),
            (Some("127.0.0.1:80:80"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, host.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            let why = foreign(&headers);
            assert_eq!(why.is_none(), answered, "{host:?} {origin:?} {why:?}");
        }
    }
}
