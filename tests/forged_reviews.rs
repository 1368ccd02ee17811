//! Whoever reaches the port can send a review that no API server would: it makes Silkroll write nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod support;

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use silkroll::engine::Settings;
use silkroll::server::routes::{App, DryRun, router};
use silkroll::snapshot::Namespaces;
use support::{deployment, review};
use tower::ServiceExt as _;

fn app() -> Arc<App> {
    let namespace = |name: &str, inject: &str, more: Value| {
        let mut metadata = json!({"name": name, "annotations": {"silkroll.dev/inject": inject}});
        metadata
            .as_object_mut()
            .unwrap()
            .append(&mut more.as_object().unwrap().clone());
        json!({"kind": "Namespace", "metadata": metadata})
    };
    let namespaces = Namespaces::from_manifests(&[
        namespace("shop", "enabled", json!({})),
        namespace("closed", "disabled", json!({})),
        namespace(
            "going",
            "enabled",
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ),
    ]);
    Arc::new(App::new(
        Settings::default(),
        Arc::new(namespaces.unwrap()),
        Arc::default(),
    ))
}

#[tokio::test]
async fn only_a_namespace_that_exists_and_opted_in_is_noted_for_the_helper() {
    // Equal templates that mention the helper, and something else that changed: decided as unchanged, whatever the
    // namespace is called.
    let mut new = deployment();
    let name = Settings::default().helper.config_map.clone();
    new["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "silkroll", "configMap": {"name": name}}]);
    new["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "silkroll", "mountPath": "/silkroll"}]);
    let mut old = new.clone();
    old["spec"]["strategy"] = json!({"type": "Recreate"});
    for (namespace, dry_run, noted) in [
        ("a b", false, false),
        ("", false, false),
        ("nowhere", false, false),
        ("closed", false, false),
        ("going", false, false),
        ("shop", true, false),
        ("shop", false, true),
    ] {
        let app = app();
        let mut review: Value = serde_json::from_slice(&review("UPDATE", &new, &old)).unwrap();
        review["request"]["namespace"] = namespace.into();
        review["request"]["object"]["metadata"]["namespace"] = namespace.into();
        review["request"]["dryRun"] = dry_run.into();
        let request = Request::post("/mutate")
            .header("content-type", "application/json")
            .body(Body::from(review.to_string()))
            .unwrap();
        let response = router(Arc::clone(&app), DryRun::Here)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let all = app.asked.all();
        assert_eq!(!all.is_empty(), noted, "{namespace:?}, {dry_run}: {all:?}");
    }
}
