//! The install manifests on a real control plane: they apply, they are restricted, and the webhook
//! is asked about what can matter and about nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod cluster;
mod https;
#[path = "install/recorder.rs"]
mod recorder;

use std::path::Path;

use clap::Parser as _;
use cluster::{ControlPlane, Options};
use recorder::Recorder;
use serde_json::{Value, json};
use silkroll::cli::Cli;
use testkit::wait::eventually;

fn path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("manifests")
        .join(name)
        .display()
        .to_string()
}

fn webhook(plane: &ControlPlane) -> Value {
    plane
        .get(&["mutatingwebhookconfiguration", "silkroll"])
        .unwrap()["webhooks"][0]
        .clone()
}

/// What `silkroll certs --output manifests` gives for the configuration: the bundle and nothing else.
fn give_ca_bundle(plane: &ControlPlane) {
    let partial = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "silkroll"},
        "webhooks": [{"name": "inject.silkroll.dev", "clientConfig": {"caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}}],
    });
    plane.ok(
        &[
            "apply",
            "--server-side",
            "--field-manager=silkroll-certs",
            "-f",
            "-",
        ],
        &partial.to_string(),
    );
}

const VERSIONS: &str =
    r#"jsonpath={range .items[*]}{.kind} {.metadata.resourceVersion}{"\n"}{end}"#;

#[test]
fn it_applies_either_way_again_without_a_change_and_leaves_the_ca_bundle() {
    let plane = ControlPlane::start(Options::default());
    let file = path("install.yaml");
    let client_side: &[&str] = &["apply", "-f", &file];
    let server_side: &[&str] = &["apply", "--server-side", "-f", &file];

    let first = plane.kubectl(client_side, "");
    assert!(first.success && first.stderr.is_empty(), "{}", first.stderr);
    assert!(
        first.stdout.lines().all(|line| line.ends_with(" created")),
        "{}",
        first.stdout
    );
    give_ca_bundle(&plane);
    let versions = || plane.ok(&["get", "-f", &file, "-o", VERSIONS], "");
    let unchanged = versions();
    assert_eq!(unchanged.lines().count(), 14, "{unchanged}");
    let before = webhook(&plane);
    assert!(before["clientConfig"]["caBundle"].is_string());

    let second = plane.kubectl(client_side, "");
    assert!(
        second.success && second.stderr.is_empty(),
        "{}",
        second.stderr
    );
    for line in second.stdout.lines() {
        // kubectl sends a budget's selector every time: the type tells it to replace, not to merge.
        let sent_again = line.starts_with("poddisruptionbudget");
        assert!(sent_again || line.ends_with(" unchanged"), "{line}");
    }
    assert_eq!(versions(), unchanged);
    assert_eq!(webhook(&plane), before);

    for _ in 0..2 {
        let third = plane.kubectl(server_side, "");
        assert!(third.success, "{}", third.stderr);
        assert_eq!(webhook(&plane), before);
    }
}

#[test]
fn its_pods_pass_the_restricted_profile_that_its_namespace_enforces() {
    let plane = ControlPlane::start(Options { controllers: true });
    // Server-side from the start: no earlier client-side apply to learn from.
    let applied = plane.kubectl(&["apply", "--server-side", "-f", &path("install.yaml")], "");
    assert!(
        applied.success && !applied.stderr.contains("Warning"),
        "{}",
        applied.stderr
    );
    let namespace = plane.get(&["namespace", "silkroll-system"]).unwrap();
    assert_eq!(
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );

    // The real controllers make the pods, so the real admission has let them in.
    let pods = eventually("two pods", || {
        let pods = plane.get(&["pods", "-n", "silkroll-system"])?["items"]
            .as_array()?
            .clone();
        (pods.len() == 2).then_some(pods)
    });
    for pod in pods {
        assert_eq!(
            pod["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"],
            5
        );
        assert_eq!(pod["spec"]["serviceAccountName"], "silkroll");
    }
}

#[test]
fn a_kustomization_keeps_image_arguments_kinds_and_ca_bundle_through_an_upgrade() {
    let plane = ControlPlane::start(Options::default());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/install");
    let folder = folder.display().to_string();
    let by_file: &[&str] = &["apply", "-f", &path("install.yaml")];
    let by_kustomization: &[&str] = &["apply", "-k", &folder];
    let container = || {
        let deployment = plane.get(&["deployment", "-n", "silkroll-system", "silkroll"]);
        deployment.unwrap()["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let kinds = || webhook(&plane)["rules"][0]["resources"].clone();
    let apply = |args: &[&str]| {
        let said = plane.kubectl(args, "");
        assert!(said.success && said.stderr.is_empty(), "{}", said.stderr);
    };

    apply(by_kustomization);
    let (ours, all) = (container(), kinds());
    assert_eq!(ours["image"], "registry.example/infra/silkroll:0.1.0");
    assert_eq!(all, json!(["deployments", "statefulsets", "daemonsets"]));
    let policy = ["validatingadmissionpolicy", "silkroll-not-injected"];
    let warned = plane.get(&policy).unwrap()["spec"]["matchConstraints"]["resourceRules"].clone();
    assert_eq!(warned, webhook(&plane)["rules"]);
    give_ca_bundle(&plane);
    let bundle = webhook(&plane)["clientConfig"]["caBundle"].clone();
    assert!(bundle.is_string());

    // A second entry is nobody's to take away, and both trust by one command.
    plane.ok(&patch_of(&path("pods.patch.yaml")), "");
    let target = ["mutatingwebhookconfiguration", "silkroll"];
    let second = || plane.get(&target).unwrap()["webhooks"][1].clone();
    let added = second();
    assert_eq!(added["clientConfig"]["caBundle"], bundle);
    apply(by_file);
    assert_eq!(second(), added);

    // What the plain file takes away, the kustomization gives back.
    apply(by_file);
    assert_eq!(container()["args"].as_array().unwrap().len(), 4);
    assert_eq!(kinds(), json!(["deployments"]));
    for _ in 0..2 {
        apply(by_kustomization);
        assert_eq!(container(), ours);
        assert_eq!(kinds(), all);
        assert_eq!(webhook(&plane)["clientConfig"]["caBundle"], bundle);
    }

    // And they are arguments that the program takes.
    let args = ours["args"].as_array().unwrap();
    let args = args.iter().map(|arg| arg.as_str().unwrap());
    Cli::try_parse_from(std::iter::once("silkroll").chain(args)).unwrap();
}

/// Is a call expected?
const ASKED: bool = true;
const SPARED: bool = false;

/// What kubectl does to the workload NAME, one after the other, and whether the webhook hears of it.
/// The first annotations meet an object that has none at all.
const CHANGES: &[(bool, &[&str])] = &[
    (SPARED, &["label", "NAME", "team=shop"]),
    (SPARED, &["label", "NAME", "silkroll.dev/inject=enabled"]),
    (SPARED, &["annotate", "NAME", "example.com/note=1"]),
    (
        SPARED,
        &["annotate", "NAME", "example.com/note=2", "--overwrite"],
    ),
    (
        SPARED,
        &[
            "patch",
            "NAME",
            "-p",
            r#"{"spec":{"revisionHistoryLimit":3}}"#,
        ],
    ),
    (
        SPARED,
        &[
            "patch",
            "NAME",
            "--subresource=status",
            "-p",
            r#"{"status":{"observedGeneration":1}}"#,
        ],
    ),
    (ASKED, &["set", "image", "NAME", "app=app:2"]),
    (ASKED, &["rollout", "restart", "NAME"]),
    (ASKED, &["annotate", "NAME", "silkroll.dev/drain-seconds=5"]),
    (
        ASKED,
        &[
            "annotate",
            "NAME",
            "silkroll.dev/drain-seconds=6",
            "--overwrite",
        ],
    ),
    (
        SPARED,
        &["annotate", "NAME", "example.com/note=3", "--overwrite"],
    ),
    (ASKED, &["annotate", "NAME", "silkroll.dev/drain-seconds-"]),
    (SPARED, &["annotate", "NAME", "example.com/note-"]),
    (
        ASKED,
        &["patch", "NAME", "-p", r#"{"spec":{"minReadySeconds":5}}"#],
    ),
    (
        ASKED,
        &["patch", "NAME", "-p", r#"{"spec":{"minReadySeconds":6}}"#],
    ),
    (
        ASKED,
        &["patch", "NAME", "-p", r#"{"spec":{"minReadySeconds":0}}"#],
    ),
];
const SCALINGS: &[(bool, &[&str])] = &[
    (SPARED, &["scale", "NAME", "--replicas=3"]),
    (
        SPARED,
        &["patch", "NAME", "-p", r#"{"spec":{"replicas":5}}"#],
    ),
];
/// Each kind, and changes of how it rolls out.
const KINDS: &[(&str, &[&str])] = &[
    (
        "Deployment",
        &[
            r#"{"spec":{"strategy":{"rollingUpdate":{"maxSurge":3}}}}"#,
            r#"{"spec":{"progressDeadlineSeconds":601}}"#,
        ],
    ),
    (
        "StatefulSet",
        &[r#"{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}}}}"#],
    ),
    (
        "DaemonSet",
        &[r#"{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}}}"#],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_is_asked_about_changes_that_can_matter_and_no_others() {
    let plane = ControlPlane::shared();
    let recorder = installed_recorder(plane).await;
    let expect = |asked: bool, args: &[&str], stdin: &str| {
        let before = recorder.requests().len();
        plane.ok(args, stdin);
        let calls = recorder.requests().len() - before;
        assert_eq!(calls > 0, asked, "{calls} calls at kubectl {args:?}");
    };
    let create: &[&str] = &["create", "-f", "-"];

    for &(kind, rollouts) in KINDS {
        let web = workload(kind, "web", 1);
        let name = &*format!("{}/web", kind.to_lowercase());
        expect(ASKED, create, &web);
        let scalings = if kind == "DaemonSet" { &[] } else { SCALINGS };
        for (asked, args) in CHANGES.iter().chain(scalings) {
            let args: Vec<&str> = args
                .iter()
                .map(|&arg| if arg == "NAME" { name } else { arg })
                .collect();
            expect(*asked, &args, "");
        }
        for rollout in rollouts {
            expect(ASKED, &["patch", name, "-p", rollout], "");
        }
        expect(SPARED, &["delete", name, "--wait=false"], "");
        expect(SPARED, &["create", "-n", "kube-system", "-f", "-"], &web);
    }

    // Comparing templates costs the API server's budget for expressions; a template of 500 KB fits.
    expect(ASKED, create, &workload("Deployment", "huge", 5_000));
    expect(SPARED, &["label", "deployment/huge", "team=shop"], "");
    expect(
        ASKED,
        &["set", "env", "deployment/huge", "V4999=changed"],
        "",
    );

    pods_that_can_matter(plane, &recorder, expect);

    // An expression that fails counts as "do not call" under failurePolicy Ignore: none has.
    let metrics = plane.ok(&["get", "--raw", "/metrics"], "");
    let failures: Vec<&str> = metrics
        .lines()
        .filter(|line| {
            line.starts_with("apiserver_admission_match_condition_evaluation_errors_total")
        })
        .collect();
    assert!(failures.is_empty(), "{failures:?}");
    let exclusions = "apiserver_admission_match_condition_exclusions_total";
    assert!(
        metrics.contains(exclusions),
        "the metrics have other names now"
    );
}

/// What is done to a Pod.
type Edit = fn(&mut Value);

/// Pods as controllers and others make them, and whether the webhook hears of each.
const PODS: &[(&str, bool, Edit)] = &[
    ("owned", ASKED, |_| {}),
    ("annotated", ASKED, |pod| {
        pod["metadata"]["annotations"] = json!({"a": "b"});
    }),
    ("asks", ASKED, |pod| {
        pod["metadata"]["annotations"] = json!({"silkroll.dev/inject": "enabled"});
    }),
    ("bare", SPARED, |pod| {
        pod["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("ownerReferences");
    }),
    ("only-owned", SPARED, |pod| {
        pod["metadata"]["ownerReferences"][0]["controller"] = Value::Null;
    }),
    ("job", SPARED, |pod| {
        pod["metadata"]["ownerReferences"][0]["kind"] = "Job".into();
    }),
    ("ends", SPARED, |pod| {
        pod["spec"]["restartPolicy"] = "OnFailure".into();
    }),
    ("mirror", SPARED, |pod| {
        pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        pod["spec"]["nodeName"] = "node".into();
    }),
    ("says-no", SPARED, |pod| {
        pod["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
    }),
];

/// The webhook's second entry, and what it is asked about.
fn pods_that_can_matter(
    plane: &ControlPlane,
    recorder: &Recorder,
    expect: impl Fn(bool, &[&str], &str),
) {
    let create: &[&str] = &["create", "-f", "-"];
    // There are no controllers here that would make it.
    plane.ok(&["create", "serviceaccount", "default"], "");
    let before = webhook(plane);
    let pods = path("pods.patch.yaml");
    let patch = patch_of(&pods);
    expect(SPARED, create, &pod("before", |_| {}));
    plane.ok(&patch, "");
    let entry = || {
        let configuration = plane
            .get(&["mutatingwebhookconfiguration", "silkroll"])
            .unwrap();
        let entries = configuration["webhooks"].as_array().unwrap().clone();
        assert_eq!((entries.len(), &entries[0]), (2, &before));
        entries[1].clone()
    };
    let second = entry();
    assert_eq!(
        second["clientConfig"], before["clientConfig"],
        "and the CA bundle is in it"
    );
    // Twice is refused and not done by halves, and an upgrade leaves it.
    let again = plane.kubectl(&patch, "");
    assert!(
        !again.success && again.stderr.contains("Duplicate value"),
        "{again:?}"
    );
    assert_eq!(entry(), second);

    eventually("the second entry in force", || {
        let probe = pod("probe", |_| {});
        plane.ok(&["create", "--dry-run=server", "-f", "-"], &probe);
        let requests = recorder.requests();
        let pod = |request: &&Value| request["kind"]["kind"] == "Pod";
        requests.iter().find(pod).map(drop)
    });
    for &(name, asked, edit) in PODS {
        expect(asked, create, &pod(name, edit));
    }
    expect(SPARED, &["label", "pod/owned", "a=b"], "");
    expect(
        SPARED,
        &[
            "patch",
            "pod",
            "owned",
            "-p",
            r#"{"spec":{"containers":[{"name":"app","image":"app:2"}]}}"#,
        ],
        "",
    );
    let resize =
        r#"{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"10m"}}}]}}"#;
    expect(
        SPARED,
        &[
            "patch",
            "pod",
            "owned",
            "--subresource=resize",
            "-p",
            resize,
        ],
        "",
    );
    let debug = r#"{"spec":{"ephemeralContainers":[{"name":"debug","image":"debug:1"}]}}"#;
    expect(
        SPARED,
        &[
            "patch",
            "pod",
            "owned",
            "--subresource=ephemeralcontainers",
            "-p",
            debug,
        ],
        "",
    );
    expect(SPARED, &["delete", "pod/owned", "--wait=false"], "");
    plane.ok(
        &["create", "serviceaccount", "-n", "kube-system", "default"],
        "",
    );
    expect(
        SPARED,
        &["create", "-n", "kube-system", "-f", "-"],
        &pod("owned", |_| {}),
    );
}

fn pod(name: &str, edit: fn(&mut Value)) -> String {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web",
                                 "uid": "b6f0d5c4-0000-0000-0000-000000000000", "controller": true}],
        },
        "spec": {"containers": [{"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "5m"}}}]},
    });
    edit(&mut pod);
    pod.to_string()
}

/// The arguments that apply such a file to the webhook's configuration.
fn patch_of(file: &str) -> [&str; 6] {
    [
        "patch",
        "mutatingwebhookconfiguration",
        "silkroll",
        "--type=json",
        "--patch-file",
        file,
    ]
}

/// The install file with the patch for all workloads, and a recorder where Silkroll would be.
async fn installed_recorder(plane: &ControlPlane) -> Recorder {
    plane.ok(&["apply", "-f", &path("install.yaml")], "");
    let recorder = Recorder::start("silkroll.silkroll-system.svc").await;
    plane.route_service_to_loopback("silkroll-system", "silkroll", recorder.server.addr.port());
    plane.point_webhook_at("silkroll", recorder.server.addr.port());
    plane.trust_webhook_ca("silkroll", &recorder.server.authority.issued.cert_pem);
    plane.ok(&patch_of(&path("all-workloads.patch.yaml")), "");
    for (kind, _) in KINDS {
        eventually("the webhook in force", || {
            plane.ok(
                &["create", "--dry-run=server", "-f", "-"],
                &workload(kind, "probe", 1),
            );
            recorder
                .requests()
                .iter()
                .any(|request| request["kind"]["kind"] == *kind)
                .then_some(())
        });
    }
    recorder
}

fn workload(kind: &str, name: &str, variables: usize) -> String {
    let env: Vec<Value> = (0..variables)
        .map(|n| json!({"name": format!("V{n}"), "value": "a value of thirty-two characters"}))
        .collect();
    let mut spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "app:1", "env": env}]},
        },
    });
    if kind == "StatefulSet" {
        spec["serviceName"] = name.into();
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}
