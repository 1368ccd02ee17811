//! What looks like a finding and is none, and the like that is one: each was a false alarm, or missed, on a manifest of
//! other people's.

use serde_json::{Value, json};

use super::together::{by_folder, expect, judged, merge, scaler, service, stream, workload};
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
            "Gatekeeper",
            json!({"image": "openpolicyagent/gatekeeper:v3.23.1"}),
            "SR101",
            false,
        ),
        (
            "another gatekeeper",
            json!({"image": "registry.example/shop/gatekeeper:1"}),
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

#[test]
fn who_only_waits_serves_nobody_whatever_leads_there() {
    let shell = |script: &str| json!({"image": "busybox", "command": ["/bin/sh", "-c", script]});
    for (what, container, serves) in [
        (
            "Kubernetes' own",
            json!({"image": "host:5000/mirror/pause:3.10"}),
            false,
        ),
        (
            "an app that is called so",
            json!({"image": "registry.example/shop/pause", "command": ["/web"]}),
            true,
        ),
        ("sleeps", shell("touch /tmp/healthy; sleep 3600"), false),
        (
            "sleeps in a loop",
            shell("while true; do sleep 30; done"),
            false,
        ),
        (
            "by the arguments of the image's own command",
            json!({"image": "busybox", "args": ["/bin/sh", "-c", "sleep 3600"]}),
            false,
        ),
        (
            "a server in the background",
            shell("/web & sleep infinity"),
            true,
        ),
        (
            "a server that puts itself there",
            shell("nginx; tail -f /dev/null"),
            true,
        ),
        ("waits before it serves", shell("sleep 5; exec /web"), true),
    ] {
        let one = served(&container).replace("\"replicas\":2", "\"replicas\":1");
        let found = found(&one, &[]);
        for code in ["SR101", "SR201", "SR301"] {
            assert_eq!(codes(&found).contains(code), serves, "{what}: {found:#}");
        }
    }
}

#[test]
fn a_service_for_one_pod_of_many_is_for_its_peers() {
    let set = workload("StatefulSet", &json!({}));
    for (selector, expected) in [
        (json!({"app": "web"}), "SR205 SR402"),
        (
            json!({"app": "web", "statefulset.kubernetes.io/pod-name": "web-0"}),
            "SR402",
        ),
        (
            json!({"app": "web", "apps.kubernetes.io/pod-index": "0"}),
            "SR402",
        ),
    ] {
        let early = service(&json!({"publishNotReadyAddresses": true, "selector": selector}));
        expect(&selector.to_string(), &[set.clone(), early], expected);
    }
}

/// A workload of one pod that is called by its version, behind the Service of all versions.
fn version(kind: &str, name: &str, changes: &Value) -> Value {
    let mut one = workload(
        kind,
        &json!({"metadata": {"name": name}, "spec": {"replicas": 1, "template": {"metadata": {"labels": {"version": name}}}}}),
    );
    merge(&mut one, changes);
    one
}

/// A Service of its own, for a version.
fn own(name: &str) -> Value {
    let mut own = service(&json!({"selector": {"version": name}}));
    own["metadata"]["name"] = json!(name);
    own
}

#[test]
fn while_one_pod_is_away_those_of_others_behind_the_same_service_answer() {
    let blue = || version("Deployment", "blue", &json!({}));
    let green = |changes: &Value| version("Deployment", "green", changes);
    let shared = || service(&json!({}));
    let nacos = json!({"spec": {"template": {"metadata": {"annotations": {"silkroll.dev/deregister": "nacos"}}}}});
    let scaled = |least: i64| {
        let mut scaler = scaler("ScaledObject", &json!({"minReplicaCount": least}));
        scaler["spec"]["scaleTargetRef"]["name"] = json!("green");
        scaler
    };
    let idle = json!({"spec": {"template": {"spec": {"containers": [{"command": ["sleep", "infinity"]}]}}}});
    for (what, objects, expected) in [
        ("alone", vec![blue(), shared()], vec!["blue"]),
        (
            "two of one Service",
            vec![blue(), green(&json!({})), shared()],
            vec![],
        ),
        (
            "of other kinds",
            vec![
                blue(),
                version("StatefulSet", "green", &json!({})),
                version("DaemonSet", "black", &json!({"spec": {"replicas": null}})),
                shared(),
            ],
            vec![],
        ),
        (
            "one has a Service of its own, too",
            vec![blue(), green(&json!({})), shared(), own("blue")],
            vec!["blue"],
        ),
        (
            "each has its own",
            vec![blue(), green(&json!({})), own("blue"), own("green")],
            vec!["blue", "green"],
        ),
        (
            "blue and green, and one Service for one of them at a time",
            vec![blue(), green(&json!({})), own("blue")],
            vec!["blue"],
        ),
        (
            "the other is switched off",
            vec![blue(), green(&json!({"spec": {"replicas": 0}})), shared()],
            vec!["blue"],
        ),
        (
            "the other may shrink to none",
            vec![blue(), green(&json!({})), scaled(0), shared()],
            vec!["blue"],
        ),
        (
            "the other stays at one",
            vec![blue(), green(&json!({})), scaled(1), shared()],
            vec![],
        ),
        (
            "the other serves nobody",
            vec![blue(), green(&idle), shared()],
            vec!["blue"],
        ),
        (
            "the same one twice",
            vec![blue(), blue(), shared()],
            vec!["blue", "blue"],
        ),
        (
            "a registry leads to them",
            vec![version("Deployment", "blue", &nacos), green(&nacos)],
            vec!["blue", "green"],
        ),
    ] {
        let found = found(&stream(&objects), &["--rules", "SR301"]);
        let all = found["findings"].as_array().unwrap().iter();
        let names: Vec<_> = all.map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{what}: {found:#}");
    }
}

#[test]
fn what_stands_in_another_environment_answers_nobody() {
    let one = |name: &str| version("Deployment", name, &json!({}));
    let mut other = service(&json!({}));
    other["metadata"]["name"] = json!("other");
    for (what, files, expected) in [
        (
            "the same in two environments",
            vec![
                ("dev/web.yaml", vec![one("blue")]),
                ("prod/web.yaml", vec![one("blue")]),
                ("service.yaml", vec![service(&json!({}))]),
            ],
            vec!["dev SR301", "prod SR301"],
        ),
        (
            "two versions in one of them",
            vec![
                ("dev/web.yaml", vec![one("blue")]),
                ("prod/web.yaml", vec![one("blue"), one("green")]),
                ("service.yaml", vec![service(&json!({}))]),
            ],
            vec!["dev SR301"],
        ),
        (
            "two versions in files of one",
            vec![
                ("all/blue.yaml", vec![one("blue")]),
                ("all/green.yaml", vec![one("green")]),
                ("all/service.yaml", vec![service(&json!({}))]),
            ],
            vec![],
        ),
        (
            "one version beside the other with the Service",
            vec![
                ("all/blue.yaml", vec![one("blue"), service(&json!({}))]),
                ("all/green.yaml", vec![one("green")]),
            ],
            vec![],
        ),
        (
            "two ways to run it, each with its Service",
            vec![
                ("all/blue.yaml", vec![one("blue"), service(&json!({}))]),
                ("all/green.yaml", vec![one("green"), other]),
            ],
            vec!["all SR301", "all SR301"],
        ),
    ] {
        let (found, _) = judged(&files);
        let mut all = by_folder(&found);
        all.retain(|one| one.ends_with("SR301"));
        assert_eq!(all, expected, "{what}: {found:#}");
    }
}

#[test]
fn a_canary_with_a_router_leaves_the_stable_pods_alone() {
    for (canary, is_found) in [
        (json!({}), true),
        (json!({"maxUnavailable": 0}), false),
        (json!({"trafficRouting": {"istio": {}}}), false),
        (json!({"trafficRouting": null}), true),
        (
            json!({"trafficRouting": {"istio": {}}, "dynamicStableScale": false}),
            false,
        ),
        (
            json!({"trafficRouting": {"istio": {}}, "dynamicStableScale": true}),
            false,
        ),
    ] {
        let changes = json!({"spec": {"replicas": 5, "strategy": {"canary": canary}}});
        let all = [workload("Rollout", &changes), service(&json!({}))];
        let found = found(&stream(&all), &[]);
        assert_eq!(codes(&found).contains("SR302"), is_found, "{canary}");
    }
}

#[test]
fn what_could_not_be_injected_either_when_it_is_applied_again_says_why() {
    for (annotation, says) in [
        (json!({}), ""),
        (
            json!({"silkroll.dev/drain-seconds": "abc"}),
            "when it is applied, Silkroll says:",
        ),
    ] {
        let mut annotations = json!({"silkroll.dev/inject": "enabled"});
        merge(&mut annotations, &annotation);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": "default", "uid": "u1", "annotations": annotations,
        }});
        let live = workload("Deployment", &json!({"metadata": {"uid": "u2"}}));
        let found = found(&stream(&[namespace, live]), &["--rules", "SR602"]);
        let found = found["findings"][0]["message"].as_str().unwrap_or_default();
        assert!(
            found.contains("has opted in") && found.contains(says),
            "{found}"
        );
        assert_eq!(found.contains("abc"), !says.is_empty(), "{found}");
    }
}
