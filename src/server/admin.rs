//! The plain port: is the process alive, is it ready, and its figures.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::observe::Metrics;

/// The conditions under which `/readyz` answers 200: all that were registered, each true.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Vec<Condition>>>);

/// One condition of readiness. Clones share the state.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    missing: Arc<Mutex<Cow<'static, str>>>,
    met: Arc<AtomicBool>,
}

impl Condition {
    /// Says whether the condition holds from now on.
    pub fn set(&self, met: bool) {
        self.met.store(met, Ordering::Release);
    }

    /// The condition does not hold from now on, and waits for this, in words.
    pub fn wait(&self, missing: String) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing.into();
        self.set(false);
    }

    fn is_met(&self) -> bool {
        self.met.load(Ordering::Acquire)
    }
}

impl Readiness {
    /// Adds a condition that does not hold yet; `missing` says in words what it waits for.
    #[must_use]
    pub fn condition(&self, name: &'static str, missing: &'static str) -> Condition {
        let condition = Condition {
            name,
            missing: Arc::new(Mutex::new(missing.into())),
            met: Arc::default(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(condition.clone());
        condition
    }

    /// Whether all hold, and a line for each as the API server's own `/readyz` writes it.
    #[must_use]
    pub fn report(&self) -> (bool, String) {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ready = true;
        let mut text = String::new();
        for condition in conditions.iter() {
            // Writing to a String cannot fail.
            let _ = if condition.is_met() {
                writeln!(text, "[+]{} ok", condition.name)
            } else {
                ready = false;
                let missing = condition.missing.lock();
                let missing = missing.unwrap_or_else(PoisonError::into_inner);
                writeln!(text, "[-]{} failed: {missing}", condition.name)
            };
        }
        text.push_str(if ready {
            "readyz check passed\n"
        } else {
            "readyz check failed\n"
        });
        (ready, text)
    }
}

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// `/livez` (200 as long as anything answers), `/readyz` (503 with what is missing until every
/// condition holds) and `/metrics` (`OpenMetrics` text).
pub fn router(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(async || text(StatusCode::OK, "ok\n".into())))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .with_state(Shared { readiness, metrics })
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let (ready, report) = shared.readiness.report();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    text(status, report)
}

async fn figures(State(shared): State<Shared>) -> Response {
    (
        [(CONTENT_TYPE, Metrics::CONTENT_TYPE)],
        shared.metrics.text(),
    )
        .into_response()
}

fn text(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(app: &Router, path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .map(|kind| kind.to_str().unwrap().to_owned());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            kind.unwrap_or_default(),
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn readyz_names_what_is_missing_until_all_is_there() {
        let readiness = Readiness::default();
        let namespaces = readiness.condition("namespaces", "the first list has not arrived");
        let certificate = readiness.condition("certificate", "none is loaded");
        let app = router(readiness, Arc::default());

        let (status, _, text) = get(&app, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            text,
            "[-]namespaces failed: the first list has not arrived\n\
             [-]certificate failed: none is loaded\nreadyz check failed\n"
        );
        certificate.set(true);
        let (status, _, text) = get(&app, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("[+]certificate ok\n"), "{text}");
        namespaces.set(true);
        let (status, _, text) = get(&app, "/readyz").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.ends_with("readyz check passed\n"), "{text}");
        certificate.set(false);
        assert_eq!(
            get(&app, "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    #[tokio::test]
    async fn livez_is_ok_although_nothing_is_ready() {
        let readiness = Readiness::default();
        let _waits = readiness.condition("namespaces", "waits");
        let app = router(readiness, Arc::default());
        let (status, _, text) = get(&app, "/livez").await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "ok\n"));
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text() {
        let app = router(Readiness::default(), Arc::default());
        let (status, kind, text) = get(&app, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        assert!(text.contains("silkroll_build_info{"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
