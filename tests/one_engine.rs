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
use silkroll::admission::manifests::{NamespaceSource, Run};
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
        known: NamespaceSource::Snapshot(Arc::new(
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

const WORKLOAD: &str = r"apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: trade}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          ports: [{containerPort: 8080}]
";

/// A Namespace that says so.
fn trade(annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: trade, annotations: {{{annotations}}}}}\n"
    )
}

fn silkroll(args: &[&str], input: &str) -> process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    process::run(command.args(args), input.as_bytes()).unwrap()
}

/// What every door makes of workload and Namespace together; then what of them.
fn at_every_door(annotations: &str) -> String {
    let namespace = trade(annotations);
    let both = format!("{WORKLOAD}---\n{namespace}");
    let injected = silkroll(&["inject", "-f", "-"], &both).stdout;

    // In files of their own, whichever comes first.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (web, ns, all) = (path("web.yaml"), path("ns.yaml"), path("all.yaml"));
    for (name, text) in [(&web, WORKLOAD), (&ns, &namespace), (&all, &both)] {
        std::fs::write(name, text).unwrap();
    }
    let apart = silkroll(&["inject", "-f", &web, "-f", &ns], "").stdout;
    assert_eq!(apart, injected, "{annotations}");

    silkroll(&["check", "-f", &all, "--fix"], "");
    let fixed = std::fs::read_to_string(&all).unwrap();
    assert_eq!(fixed, injected, "{annotations}");

    // The cluster has the namespace, without a word of it.
    let known = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trade", "annotations": {
        "silkroll.dev/inject": "enabled",
    }}});
    let server = Served::start(&[], &known);
    let body = both.as_bytes();
    let answer = server.post("/dry-run?output=yaml", "application/yaml", body);
    assert_eq!(answer.text(), injected, "{annotations}");
    injected
}

#[test]
fn a_namespace_in_the_input_holds_for_what_is_applied_with_it() {
    for (annotations, holds) in [
        ("", "seconds: 15"),
        (r#"silkroll.dev/drain-seconds: "20""#, "seconds: 20"),
        (
            "silkroll.dev/inject: enabled, silkroll.dev/deregister: nacos, silkroll.dev/nacos-server: http://nacos:8848",
            "value: http://nacos:8848",
        ),
        ("silkroll.dev/inject: disabled", ""),
        ("silkroll.dev/inject: on-request", ""),
        ("silkroll.dev/inject: enabled, silkroll.dev/level: pod", ""),
    ] {
        let injected = at_every_door(annotations);
        assert!(injected.contains(holds), "{annotations}: {injected}");
        let touched = injected.contains("silkroll.dev/status");
        assert_eq!(touched, !holds.is_empty(), "{annotations}: {injected}");
    }
}

#[test]
fn what_is_said_by_hand_wins_over_a_namespace_in_the_input_and_that_is_said() {
    let input = format!(
        "{WORKLOAD}---\n{}",
        trade(r#"silkroll.dev/drain-seconds: "20", silkroll.dev/shutdown-seconds: "7""#)
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("namespaces.yaml");
    let said = r#"silkroll.dev/inject: enabled, silkroll.dev/drain-seconds: "40""#;
    std::fs::write(&file, trade(said)).unwrap();
    let file = file.to_str().unwrap();
    let output = silkroll(
        &["inject", "-f", "-", "--namespaces", file, "--explain"],
        &input,
    );
    let warned = |by: &str| {
        format!(
            "Namespace trade says silkroll.dev/drain-seconds: 20 in the input, and {by} says 40, which holds"
        )
    };
    for says in [
        &*warned("--namespaces"),
        "drain 40 + own hook 0 + shutdown 7",
        "namespace    as the Namespace in the input says",
    ] {
        assert!(output.stderr.contains(says), "{says}: {}", output.stderr);
    }

    let server = Served::shared(&SERVER, &NODES, &made().1);
    let query = "/dry-run?annotation=inject%3Denabled&annotation=drain-seconds%3D40";
    let answer = server.post(query, "application/yaml", input.as_bytes());
    let item = answer.json()["items"][0].take();
    assert_eq!(item["timeline"]["drain"], 40, "{item:#}");
    assert_eq!(
        item["warnings"],
        json!([format!(
            "silkroll: {}",
            warned("the annotation chosen by hand")
        )])
    );
}

#[test]
fn what_an_api_server_refuses_of_a_namespace_is_said_and_does_not_hold() {
    let long = format!(r#"silkroll.dev/app: "{}""#, "x".repeat(256 << 10));
    for (annotations, says) in [
        (
            "silkroll.dev/drain-seconds: 20",
            "Namespace trade has silkroll.dev/drain-seconds: 20 among its annotations, which is no text",
        ),
        (
            &*format!("{long}, silkroll.dev/inject: disabled"),
            "Namespace trade has more than 256 KiB of annotations",
        ),
    ] {
        let input = format!("{WORKLOAD}---\n{}", trade(annotations));
        let output = silkroll(&["inject", "-f", "-"], &input);
        assert!(output.stderr.contains(says), "{}", output.stderr);
        assert!(output.stdout.contains("seconds: 15"), "{says}");
    }
}
