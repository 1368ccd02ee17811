//! Metrics, alerts and the dashboard with the real Prometheus: the alerts that the chart renders do what `alerts.yaml` says, and
//! each query of the dashboard gives data once Prometheus has scraped a Silkroll at work on a real API server.
//!
//! `make test-metrics` builds what it takes and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../cluster/mod.rs"]
mod cluster;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cluster::side::namespace;
use cluster::{ControlPlane, Options};
use serde_json::{Value, json};
use silkroll::manifest::{self, Limits};
use testkit::ports;
use testkit::process::{Process, Spec, run};
use testkit::wait::eventually;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn built(variable: &str, program: &str) -> PathBuf {
    let folder = std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: run `make test-metrics`"));
    Path::new(&folder).join(program)
}

/// Runs a program that has to succeed.
fn ok(command: &mut Command, stdin: &str) -> String {
    let output = run(command, stdin.as_bytes()).unwrap();
    assert!(
        output.success,
        "{command:?}: {}{}",
        output.stdout, output.stderr
    );
    output.stdout
}

/// The alerts of the chart, as a file for Prometheus in this folder.
fn rules(folder: &Path) -> PathBuf {
    let mut helm = Command::new(built("SILKROLL_HELM", "helm4"));
    helm.args(["template", "silkroll"])
        .arg(file("manifests/chart"))
        .args(["-n", "silkroll-system", "-f", "-"]);
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(name, folder);
    }
    let rendered = ok(
        helm.env("KUBECONFIG", "/nonexistent"),
        "metrics: {prometheusRule: {enabled: true}}",
    );
    let documents = manifest::read(rendered.as_bytes(), &Limits::default()).unwrap();
    let rule = documents.into_iter().find_map(|document| {
        let value = document.unwrap().value().clone();
        (value["kind"] == "PrometheusRule").then_some(value)
    });
    let path = folder.join("rules.yaml");
    // JSON is YAML.
    fs::write(&path, rule.unwrap()["spec"].to_string()).unwrap();
    path
}

#[test]
#[ignore = "needs Prometheus and Helm: make test-metrics"]
fn the_alerts_fire_when_they_are_to_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules(folder.path());
    let promtool = || Command::new(built("SILKROLL_PROMETHEUS", "promtool"));
    ok(
        promtool()
            .args(["check", "rules", "--lint=all", "--lint-fatal"])
            .arg(&rules),
        "",
    );
    let tests = folder.path().join("alerts.yaml");
    fs::copy(file("tests/metrics/alerts.yaml"), &tests).unwrap();
    ok(promtool().args(["test", "rules"]).arg(&tests), "");
    // Each alert has a test.
    let tested = fs::read_to_string(tests).unwrap();
    let rules: Value = serde_json::from_str(&fs::read_to_string(rules).unwrap()).unwrap();
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(tested.contains(&format!("alertname: {name}\n")), "{name}");
    }
}

/// A Deployment.
fn web(name: &str) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
        }},
    })
    .to_string()
}

/// What one would be stored as, were it created.
fn tried(plane: &ControlPlane) -> String {
    let dry = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    plane.ok(&dry, &web("tried"))
}

/// Silkroll at work: it injects, refuses, audits and has missed something.
struct World {
    plane: ControlPlane,
    _silkroll: Process,
    admin: SocketAddr,
}

fn world() -> World {
    let plane = ControlPlane::start(Options::default());
    let install = file("manifests/install.yaml").display().to_string();
    plane.ok(&["apply", "-f", &install], "");
    let [port, admin] = ports::free().unwrap();
    let account = plane.kubeconfig_for_service_account("silkroll-system", "silkroll");
    let process = plane.run(&Spec {
        name: "silkroll".to_owned(),
        program: env!("CARGO_BIN_EXE_silkroll").into(),
        args: vec![
            "serve".to_owned(),
            format!("--listen=127.0.0.1:{port}"),
            format!("--admin-listen=127.0.0.1:{admin}"),
            "--audit-interval=1".to_owned(),
        ],
        env: vec![("KUBECONFIG".to_owned(), account.display().to_string())],
    });
    namespace(&plane, "shop", Some("enabled"));
    // Nobody asks Silkroll yet.
    plane.ok(&["create", "-f", "-"], &web("missed"));
    plane.route_service_to_loopback("silkroll-system", "silkroll", port);
    plane.point_webhook_at("silkroll", port);
    eventually("the webhook in force", || {
        tried(&plane).contains("silkroll.dev/status").then_some(())
    });
    let send = |path: &str, body: &str| {
        let url = format!("https://127.0.0.1:{port}{path}");
        let json = [
            "-H",
            "content-type: application/json",
            "--data-binary",
            "@-",
        ];
        ok(Command::new("curl").args(["-sk"]).args(json).arg(url), body);
    };
    send("/mutate", "{}");
    send("/dry-run", &web("dry"));
    World {
        plane,
        _silkroll: process.unwrap(),
        admin: ([127, 0, 0, 1], admin).into(),
    }
}

/// A question to Prometheus; nothing while it does not answer.
fn ask(prometheus: SocketAddr, path: &str) -> Option<Value> {
    let answer =
        testkit::http::get(prometheus, "prometheus", path, Duration::from_secs(60)).ok()?;
    let answer = answer.json_or_null();
    (answer["status"] == "success").then(|| answer["data"].clone())
}

fn escaped(query: &str) -> String {
    let mut out = String::new();
    for byte in query.bytes() {
        write!(out, "%{byte:02X}").unwrap();
    }
    out
}

#[test]
#[ignore = "needs Prometheus, Helm and a control plane: make test-metrics"]
fn each_query_of_the_dashboard_gives_data_and_each_alert_can_be_evaluated() {
    let world = world();
    let folder = world.plane.dir().join("prometheus");
    fs::create_dir(&folder).unwrap();
    let rules = rules(&folder);
    let config = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "scrape_configs": [{"job_name": "silkroll", "static_configs": [{"targets": [world.admin]}]}],
    });
    let path = folder.join("prometheus.yaml");
    fs::write(&path, config.to_string()).unwrap();
    let [port] = ports::free().unwrap();
    let _prometheus = world.plane.run(&Spec {
        name: "prometheus".to_owned(),
        program: built("SILKROLL_PROMETHEUS", "prometheus"),
        args: vec![
            format!("--config.file={}", path.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ],
        env: Vec::new(),
    });
    let prometheus = ([127, 0, 0, 1], port).into();

    let dashboard = fs::read_to_string(file("manifests/chart/dashboards/silkroll.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = 0;
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let query = escaped(&expression.replace("$__rate_interval", "1m"));
            eventually(expression, || {
                let data = ask(prometheus, &format!("/api/v1/query?query={query}"))?;
                let first = data["result"].get(0).map(|first| first["value"][1].clone());
                if first.is_none_or(|first| first == "NaN") {
                    // Of what was counted before the first look there is no rate.
                    tried(&world.plane);
                    return None;
                }
                Some(())
            });
            asked += 1;
        }
    }
    assert!(asked >= panels.len() && asked > 15, "{asked}");
    // What was missed is to be seen.
    let missed = escaped(r#"max(silkroll_audit_findings{reason="not-injected"})"#);
    eventually("the miss", || {
        let data = ask(prometheus, &format!("/api/v1/query?query={missed}"))?;
        (data["result"][0]["value"][1] == "1").then_some(())
    });
    eventually("that all rules are evaluated", || {
        let data = ask(prometheus, "/api/v1/rules")?;
        let rules = data["groups"][0]["rules"].as_array()?.clone();
        assert!(
            rules.iter().all(|rule| rule["health"] != "err"),
            "{rules:?}"
        );
        rules
            .iter()
            .all(|rule| rule["health"] == "ok")
            .then_some(())
    });
}
