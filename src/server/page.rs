//! The page of the dry run: three files, and what the page has to know as data. Nothing of it is made of anything that a
//! client sent.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::routes::App;
use crate::admission::findings::explained;
use crate::deregister::METHODS;
use crate::policy::{Field, PREFIX, fields};

const HTML: &str = include_str!("page/page.html");
const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");

/// Scripts, styles and answers from where the page is, and nothing from anywhere else; nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A GET that no browser sends.
const HOW: &str = "send manifests with POST, for example: curl --data-binary @FILE ADDRESS/dry-run\n\
     A browser gets a page here.\n";

/// The dry run with its page.
pub(super) fn routes(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let file = |kind, text| get(async move || file(kind, text));
    router
        .route("/dry-run", post(super::dry_run::dry_run).get(page))
        .route("/dry-run/page.css", file("text/css; charset=utf-8", CSS))
        .route(
            "/dry-run/page.js",
            file("text/javascript; charset=utf-8", JS),
        )
        .route("/dry-run/start.json", get(start))
        .route("/dry-run/rules/{code}", get(rule))
}

async fn page(headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    if accepted.any(|accepted| accepted.contains("text/html")) {
        return ([(VARY, "accept")], file("text/html; charset=utf-8", HTML)).into_response();
    }
    let headers = [(ALLOW, "POST"), (VARY, "accept")];
    (StatusCode::METHOD_NOT_ALLOWED, headers, HOW).into_response()
}

/// What a rule means: the text that stands in the program, of the codes that there are.
async fn rule(Path(code): Path<String>) -> Response {
    match explained(&code) {
        Some(text) => file("text/markdown; charset=utf-8", text),
        None => (StatusCode::NOT_FOUND, "there is no such rule\n").into_response(),
    }
}

fn file(kind: &'static str, text: &'static str) -> Response {
    (common(kind, "no-cache"), text).into_response()
}

/// What goes with each part of the page.
fn common(kind: &'static str, cache: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]
}

/// What the page has to know when it begins.
#[derive(Serialize)]
struct Start<'a> {
    /// Whether something is known of namespaces.
    cluster: bool,
    /// What `preview -f` has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a str>,
    prefix: &'static str,
    fields: Vec<Field>,
}

async fn start(State(app): State<Arc<App>>) -> Response {
    let preview = app.preview.as_ref();
    let start = Start {
        cluster: preview.is_none(),
        manifest: preview.and_then(|preview| preview.manifest.as_deref()),
        prefix: PREFIX,
        fields: fields(METHODS),
    };
    // Texts and numbers have no way to fail.
    let text = serde_json::to_string(&start).unwrap_or_default();
    (common("application/json", "no-store"), text).into_response()
}
