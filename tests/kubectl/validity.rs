//! The API server's validation never refuses what Silkroll emits: every method, with the
//! native sleep and without, over every hook that users may have.

use serde_json::{Value, json};

use super::manifests;
use super::space::{Space, remarks};
use super::world::{World, silkroll};

const METHODS: &[&[(&str, &str)]] = &[
    &[("deregister", "none")],
    &[("deregister", "none"), ("drain-seconds", "0")],
    &[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
        ("nacos-credentials-secret", "login"),
    ],
    &[
        ("deregister", "http"),
        ("http-url", "http://admin/{podip}"),
        ("http-start-url", "http://admin/on"),
        ("http-headers-secret", "headers"),
        ("deregister-if-env", "A"),
    ],
    &[
        ("deregister", "http"),
        ("http-url", "http://admin/"),
        ("drain-seconds", "3600"),
        ("shutdown-seconds", "3600"),
    ],
];

const MODES: &[&str] = &["chain", "keep", "replace"];

const READINESS: &[&str] = &[
    "",
    "none",
    "tcp://:http",
    "http://:8080/a?b=c",
    "https://:http/",
    "grpc://:http/svc",
    "grpc://:8080",
    "exec:cat /tmp/a",
];

fn pre_stops() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"exec": {"command": ["/app/stop"]}}),
        json!({"httpGet": {"path": "/bye", "port": 8080}}),
        json!({"httpGet": {"port": "http", "scheme": "HTTPS", "host": "h",
            "httpHeaders": [{"name": "X", "value": "y"}]}}),
        json!({"sleep": {"seconds": 7}}),
        json!({"sleep": {"seconds": 30}}),
    ]
}

fn post_starts() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"exec": {"command": ["/app/warm"]}}),
        json!({"httpGet": {"path": "/warm", "port": "http"}}),
        json!({"sleep": {"seconds": 2}}),
    ]
}

/// Every method with every preStop; the other settings go round, so that all of them come up.
fn all() -> Vec<Value> {
    let (pre_stops, post_starts) = (pre_stops(), post_starts());
    let mut all = Vec::new();
    for method in METHODS {
        for pre_stop in &pre_stops {
            for mode in MODES {
                let at = all.len();
                let mut annotations = vec![("existing-pre-stop", *mode)];
                annotations.extend_from_slice(method);
                let readiness = READINESS[at % READINESS.len()];
                if !readiness.is_empty() {
                    annotations.push(("readiness", readiness));
                }
                if at % 3 == 0 {
                    annotations.extend([("rollout", "surge"), ("min-ready-seconds", "3")]);
                }
                let name = format!("web-{at}");
                let mut object = manifests::annotated(manifests::plain(&name), &annotations);
                let mut lifecycle = serde_json::Map::new();
                let post_start = &post_starts[at % post_starts.len()];
                for (member, hook) in [("preStop", pre_stop), ("postStart", post_start)] {
                    if !hook.is_null() {
                        lifecycle.insert(member.to_owned(), hook.clone());
                    }
                }
                manifests::container(&mut object)["lifecycle"] = lifecycle.into();
                all.push(object);
            }
        }
    }
    all
}

fn list(items: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[test]
fn the_api_server_accepts_all_that_the_webhook_emits() {
    let space = Space::new(World::shared(), "valid", &[("inject", "enabled")]);
    let all = all();
    let args = ["create", "--dry-run=server", "-f", "-"];
    let output = space.kubectl(&args, &list(&all));
    assert!(output.success, "{}", output.stderr);
    assert_eq!(output.stdout.lines().count(), all.len());
    for line in remarks(&output) {
        let whole = line.strip_prefix("Warning: silkroll: ");
        assert!(
            whole.is_some_and(|text| text.chars().count() < 250),
            "{line}"
        );
    }
}

#[test]
fn the_api_server_accepts_all_that_the_command_line_emits_for_older_clusters() {
    let space = Space::new(World::shared(), "valid-older", &[]);
    let all = all();
    let injected = silkroll(
        &[
            "inject",
            "-f",
            "-",
            "-o",
            "json",
            "--kubernetes-version",
            "1.29",
        ],
        &list(&all),
    );
    assert!(injected.success, "{}", injected.stderr);
    let document: Value = serde_json::from_str(&injected.stdout).unwrap();
    let mut items = document["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), all.len());
    // Only the users' own sleeps are there on such a cluster.
    for item in &mut items {
        // It has not opted in here, and would say so.
        item["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
    }
    let args = ["create", "--dry-run=server", "-f", "-"];
    let output = space.kubectl(&args, &list(&items));
    assert!(output.success, "{}", output.stderr);
    assert_eq!(output.stdout.lines().count(), all.len());
}
