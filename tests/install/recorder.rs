//! A webhook that admits everything as it is and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde_json::{Value, json};
use silkroll::server::limits::Limits;

use crate::https::Server;

/// Listens until the runtime that started it ends.
pub(crate) struct Recorder {
    pub(crate) server: Server,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Recorder {
    /// `name` is the DNS name that the API server expects, `SERVICE.NAMESPACE.svc`.
    pub(crate) async fn start(name: &str) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let app = Router::new().fallback(async move |body: Bytes| {
            let mut review: Value = serde_json::from_slice(&body).unwrap();
            let answer = json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "response": {"uid": review["request"]["uid"], "allowed": true},
            });
            seen.lock().unwrap().push(review["request"].take());
            ([(CONTENT_TYPE, "application/json")], answer.to_string())
        });
        Self {
            server: Server::start_as(name, app, Limits::default()).await,
            requests,
        }
    }

    /// Every `request` of an `AdmissionReview` so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}
