//! `silkroll gitops`: what it prints, and that it names every member that injection changes although the user wrote it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};
use silkroll::engine::{Kind, Settings, overwritten};
use support::generate::{self, namespace};
use support::{create, edges};

/// The paths of what the user wrote and does not stand there any more. Containers are told apart by their place; of other
/// lists of objects each item has to be there still, for a merge adds to them. A list of words is one value.
fn changed(was: &Value, is: &Value, path: &str, found: &mut Vec<String>) {
    match (was, is) {
        // Nothing was written, or the record, which is Silkroll's own.
        (Value::Null, _) => {}
        _ if path.ends_with(".silkroll.dev/status") => {}
        (Value::Object(was), Value::Object(is)) => {
            for (name, value) in was {
                let now = is.get(name).unwrap_or(&Value::Null);
                changed(value, now, &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(was), Value::Array(is)) if path.ends_with(".containers") => {
            for (was, is) in was.iter().zip(is) {
                changed(was, is, &format!("{path}[]"), found);
            }
        }
        (Value::Array(was), Value::Array(is))
            if was.iter().all(|item| item.is_object() && is.contains(item)) => {}
        _ if was == is => {}
        _ => found.push(path.to_owned()),
    }
}

/// What injection changes of a workload, though the user wrote it.
fn overwrites(plain: &Value, namespace: &support::Pairs, native_sleep: bool) -> Vec<String> {
    let settings = Settings {
        native_sleep,
        kinds: Kind::ALL.to_vec(),
        ..Settings::default()
    };
    let (injected, _) = create(plain, namespace, &settings);
    let mut found = Vec::new();
    changed(plain, &injected, "", &mut found);
    found
}

/// Whether a path is another one or below it.
fn is_in(path: &str, of: &str) -> bool {
    let rest = path.strip_prefix(of);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

const KINDS: [Kind; 4] = [
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Rollout,
];

fn workload() -> impl Strategy<Value = Value> {
    prop_oneof![
        generate::workload().boxed(),
        edges::workload(KINDS.map(Kind::name)).boxed(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_injection_overwrites_is_printed(
        plain in workload(), namespace in namespace(), native_sleep in any::<bool>()
    ) {
        let printed = overwritten(support::kind(plain["kind"].as_str().unwrap()));
        for path in overwrites(&plain, &namespace, native_sleep) {
            let known = printed.iter().any(|of| is_in(&path, of));
            prop_assert!(known, "{path} is changed and not printed\n{plain}");
        }
    }
}

#[test]
fn whatever_is_printed_is_overwritten_somewhere() {
    let hook = json!({"exec": {"command": ["/bin/true"]}});
    let namespace = support::opted_in(&[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
        ("nacos-port", "8080"),
        ("hook", "script"),
        ("rollout", "surge"),
        ("min-ready-seconds", "5"),
    ]);
    for kind in KINDS {
        let rolling = json!({"maxUnavailable": 1, "maxSurge": 0});
        let mut plain = json!({
            "apiVersion": kind.api_version(), "kind": kind.name(),
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "minReadySeconds": 0,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {
                        "terminationGracePeriodSeconds": 30,
                        "containers": [{"name": "web", "image": "web:1", "lifecycle": {"preStop": hook, "postStart": hook}}],
                    },
                },
            },
        });
        let (member, strategy) = match kind {
            Kind::Deployment => ("strategy", json!({"rollingUpdate": rolling})),
            Kind::Rollout => ("strategy", json!({"canary": rolling})),
            _ => ("updateStrategy", json!({"rollingUpdate": rolling})),
        };
        plain["spec"][member] = strategy;
        let found = overwrites(&plain, &namespace, true);
        for of in overwritten(kind) {
            let seen = found.iter().any(|path| is_in(path, &of));
            assert!(
                seen,
                "{of} of {kind:?} is printed and not changed: {found:?}"
            );
        }
        let printed = overwritten(kind);
        for path in found {
            assert!(
                printed.iter().any(|of| is_in(&path, of)),
                "{path} of {kind:?}"
            );
        }
    }
}

fn gitops(tool: &str) -> String {
    let mut silkroll = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    let output = silkroll.args(["gitops", tool]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn argocd_gets_a_row_for_each_kind_that_is_in_git() {
    let text = gitops("argocd");
    for kind in Kind::ALL {
        let row = format!("_{}: |", kind.name());
        assert_eq!(text.contains(&row), kind != Kind::Pod, "{kind:?}");
        for path in overwritten(kind) {
            assert!(text.contains(&format!("    - {path}\n")), "{path}");
        }
    }
    assert!(text.contains("ignoreDifferences.argoproj.io_Rollout: |"));
    assert!(!text.contains("_StatefulSet: |\n    jqPathExpressions:\n    - .spec.updateStrategy"));
}

#[test]
fn flux_needs_nothing_and_is_told_of_field_managers() {
    assert!(gitops("flux").lines().all(|line| line.starts_with('#')));
}

/// What `silkroll inject` makes of this input.
fn inject(text: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["inject", "-f", "-", "--output", "yaml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// kubectl's own kustomize builds the example and leaves the function out without a word, which docs/gitops.md says: there,
/// `silkroll inject` stands behind it. The program kustomize runs the function in `make test-gitops`.
#[test]
fn what_kubectl_kustomize_builds_is_injected_in_a_pipe_and_not_by_the_function() {
    let programs = std::env::var_os("SILKROLL_CLUSTER_BIN")
        .expect("SILKROLL_CLUSTER_BIN names no folder with kubectl: run `make cluster`");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kustomize-function");
    let mut kubectl = Command::new(Path::new(&programs).join("kubectl"));
    kubectl.args(["kustomize", "--enable-alpha-plugins"]);
    let output = kubectl.arg(example).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let built = String::from_utf8(output.stdout).unwrap();
    assert!(
        built.contains("name: web") && !built.contains("silkroll.dev/status"),
        "{built}"
    );
    assert!(inject(&built).contains("silkroll.dev/status"));

    // Without any flag it refuses the function, and takes what names none: docs/gitops.md has that in a pipe.
    let page = testkit::pages::block(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        "sh kubectl-kustomize",
    );
    let page = page.unwrap();
    let (first, rest) = page.trim().split_once(" | ").unwrap();
    assert_eq!(rest, "silkroll inject -f - | kubectl apply -f -");
    let of = |folder: &str| {
        let mut kubectl = Command::new(Path::new(&programs).join("kubectl"));
        kubectl.current_dir(env!("CARGO_MANIFEST_DIR"));
        kubectl.args(["kustomize", folder]).output().unwrap()
    };
    let refused = of("examples/kustomize-function");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("external plugins disabled"),
        "{said}"
    );
    let built = of(first.strip_prefix("kubectl kustomize ").unwrap());
    let built = String::from_utf8(built.stdout).unwrap();
    assert!(inject(&built).contains("silkroll.dev/status"), "{built}");
}

#[test]
fn inject_answers_a_resource_list_with_one() {
    let list = "\
apiVersion: config.kubernetes.io/v1
kind: ResourceList
functionConfig: {apiVersion: v1, kind: ConfigMap, metadata: {name: f}} # stays
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec: {selector: {matchLabels: {app: web}}, template: {spec: {containers: [{name: web, image: a}]}}}
";
    let answer = inject(list);
    let head: Vec<_> = list.lines().take(6).collect();
    assert!(answer.starts_with(&head.join("\n")), "{answer}");
    assert!(answer.contains("silkroll.dev/status"), "{answer}");
}
