//! Law 7: the webhook, the engine over manifests, the dry-run endpoint and the command line give the
//! same patch, byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_collect,
    reason = "a helper that fails is a test that fails"
)]

mod served;
mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use base64::Engine as _;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use served::{Served, Shared};
use silkroll::admission::manifests::{Known, Run};
use silkroll::deregister::Arch;
use silkroll::engine::Settings;
use silkroll::manifest::budget::{Budget, Stop};
use silkroll::snapshot::Namespaces;
use support::generate::{namespace, workload};
use support::review;
use testkit::process;

static SERVER: Shared = Mutex::new(Weak::new());

/// What only the cluster tells, told alike.
const NODES: [&str; 2] = ["--node-arch", "arm64"];

/// Enough that every strategy of the generators meets every other.
const OBJECTS: usize = 150;

/// Workloads, each in a namespace of its own, and those namespaces.
fn made() -> (Vec<Value>, Value) {
    let mut runner = TestRunner::deterministic();
    let mut objects = Vec::new();
    let mut namespaces = Vec::new();
    for at in 0..OBJECTS {
        let (mut object, pairs) = (workload(), namespace())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let name = format!("ns-{at}");
        object["metadata"]["namespace"] = name.clone().into();
        objects.push(object);
        let annotations: BTreeMap<_, _> = pairs.into_iter().collect();
        namespaces.push(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "annotations": annotations}
        }));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": namespaces});
    (objects, list)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_door_gives_the_same_patch() {
    let (objects, namespaces) = made();
    let server = Served::shared(&SERVER, &NODES, &namespaces);

    let webhook: Vec<String> = objects
        .iter()
        .map(|object| {
            let answer = server
                .mutate(&review("CREATE", object, &Value::Null))
                .json();
            match answer["response"]["patch"].as_str() {
                Some(patch) => {
                    let patch = base64::engine::general_purpose::STANDARD
                        .decode(patch)
                        .unwrap();
                    String::from_utf8(patch).unwrap()
                }
                None => "[]".to_owned(),
            }
        })
        .collect();
    let patched = webhook.iter().filter(|patch| *patch != "[]").count();
    assert!(patched > OBJECTS / 4, "{patched} of {OBJECTS}");

    let run = Run {
        settings: Arc::new(Settings {
            node_arch: Some(Arch::Arm64),
            ..Settings::default()
        }),
        known: Known::Snapshot(Arc::new(
            Namespaces::from_manifests(std::slice::from_ref(&namespaces)).unwrap(),
        )),
        namespace: "default".to_owned(),
        remove: false,
    };
    let engine: Vec<String> = objects
        .iter()
        .flat_map(|object| {
            let budget = Budget::new(1 << 30, Stop::default());
            run.decide(object, &mut budget.account()).unwrap()
        })
        .map(|item| item.decision.patch.unwrap_or_else(|| "[]".to_owned()))
        .collect();
    assert_eq!(engine, webhook);

    let stream: String = objects
        .iter()
        .flat_map(|object| [object.to_string(), "\n".to_owned()])
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("namespaces.json");
    std::fs::write(&file, namespaces.to_string()).unwrap();
    for body in [&stream, &list] {
        let answer = server.post("/dry-run?output=patch", "application/json", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(lines(&answer.text()), webhook);

        let answer = server.post("/dry-run", "application/json", body.as_bytes());
        let items = answer.json()["items"].take();
        let in_json: Vec<String> = items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| match &item["patch"] {
                Value::Null => "[]".to_owned(),
                patch => patch.to_string(),
            })
            .collect();
        assert_eq!(in_json, webhook);

        let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
        command.arg("inject").args(NODES);
        command.args(["-f", "-", "--output", "patch", "--namespaces"]);
        let output = process::run(command.arg(&file), body.as_bytes()).unwrap();
        assert!(output.success);
        assert_eq!(lines(&output.stdout), webhook);
    }

    let answer = server.post(
        "/dry-run?output=patch",
        "application/json",
        &objects
            .iter()
            .flat_map(|object| review("CREATE", object, &Value::Null))
            .collect::<Vec<u8>>(),
    );
    assert_eq!(lines(&answer.text()), webhook);
}
