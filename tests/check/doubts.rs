//! What looks like a finding and is none, and the like that is one: each was a false alarm, or missed, on a manifest of
//! other people's.

use serde_json::{Value, json};

use super::{codes, found};

/// A workload of one container that a Service leads to, at its port `http`.
pub(super) fn served(container: &Value) -> String {
    let mut all = json!({"name": "web", "image": "registry.example/shop/web:1.4", "ports": [{"name": "http", "containerPort": 8080}]});
    for (key, value) in container.as_object().unwrap() {
        all[key] = value.clone();
    }
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [all]},
        }},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    format!("{deployment}\n---\n{service}\n")
}

#[test]
fn what_a_manifest_shows_of_the_server_counts() {
    let hook = |image: &str| json!({"image": image, "lifecycle": {"preStop": {"exec": {"command": ["/bin/bash", "-c", "sleep 25"]}}}});
    let up = json!({"httpGet": {"port": 8080, "path": "/up"}});
    for (what, container, code, is_found) in [
        ("no probe", json!({}), "SR201", true),
        (
            "a startup probe",
            json!({"startupProbe": up}),
            "SR201",
            false,
        ),
        ("an empty one", json!({"startupProbe": {}}), "SR201", true),
        (
            "Istio's webhook fills it in",
            json!({"image": "auto"}),
            "SR201",
            false,
        ),
        ("any server", json!({}), "SR101", true),
        (
            "a server that is known to wait",
            json!({"image": "ghcr.io/stefanprodan/podinfo:6.7.0"}),
            "SR101",
            false,
        ),
        (
            "a webhook of Knative's",
            json!({"image": "gcr.io/knative-releases/knative.dev/serving/cmd/webhook@sha256:0a"}),
            "SR101",
            false,
        ),
        (
            "a webhook",
            json!({"image": "registry.example/shop/cmd/webhook"}),
            "SR101",
            true,
        ),
        (
            "a CSI driver's registrar",
            hook("quay.io/k8scsi/csi-node-driver-registrar:v1.2.0"),
            "SR104",
            true,
        ),
        (
            "Linkerd's proxy",
            hook("cr.l5d.io/linkerd/proxy:edge-21.8.1"),
            "SR104",
            true,
        ),
    ] {
        let found = found(&served(&container), &[]);
        assert_eq!(codes(&found).contains(code), is_found, "{what}: {found:#}");
    }
}

#[test]
fn a_port_beside_the_callers_serves_nobody() {
    for (name, is_found) in [
        ("http", true),
        ("http-endpoint", false),
        ("profiling", false),
        ("metrics", false),
    ] {
        let container = json!({"ports": [{"name": name, "containerPort": 8080}]});
        let input = served(&container);
        let (alone, _) = input.split_once("---").unwrap();
        let found = found(alone, &[]);
        assert_eq!(codes(&found).contains("SR101"), is_found, "{name}");
    }
}

#[test]
fn a_replica_set_that_has_an_owner_is_judged_by_it() {
    for (owner, is_found) in [
        (json!(null), true),
        (
            json!([{"kind": "Rollout", "name": "web", "controller": true}]),
            false,
        ),
        (json!([{"kind": "Application", "name": "web"}]), true),
    ] {
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-7d84", "ownerReferences": owner},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [
                {"name": "web", "image": "web", "ports": [{"containerPort": 80}]},
            ]}}},
        });
        let found = found(&set.to_string(), &[]);
        assert_eq!(codes(&found).contains("SR301"), is_found, "{owner}");
    }
}
