//! `silkroll check --cluster` on a real control plane: pages, namespaces, what only a cluster tells, and that it only reads.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of #[test]")]

mod cluster;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use cluster::ControlPlane;
use cluster::side::namespace;
use serde_json::{Value, json};

/// More than one page holds, which is 500.
const MANY: usize = 501;

fn check(kubeconfig: &Path, args: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["check", "--cluster", "-o", "json"])
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    let found = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), found, said)
}

/// Codes of what is found in a namespace.
fn codes(found: &Value, namespace: &str) -> BTreeSet<String> {
    let findings = found["findings"].as_array().into_iter().flatten();
    let there = findings.filter(|one| one["namespace"] == namespace);
    there
        .map(|one| one["code"].as_str().unwrap().to_owned())
        .collect()
}

fn web(namespace: &str) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
        }},
    })
    .to_string()
}

#[test]
fn a_cluster_is_judged_page_by_page_and_nothing_in_it_changes() {
    let plane = ControlPlane::shared();
    namespace(plane, "checked", Some("enabled"));
    namespace(plane, "beside", None);
    for name in ["checked", "beside"] {
        plane.ok(&["create", "-f", "-"], &web(name));
    }
    // The one for the Deployment is on the second page.
    let budgets: Vec<Value> = (0..MANY)
        .map(|at| {
            let (name, app) = if at + 1 == MANY {
                ("z".to_owned(), "web")
            } else {
                (format!("a{at}"), "none")
            };
            json!({
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"name": name, "namespace": "checked"},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": app}}},
            })
        })
        .collect();
    let budgets = json!({"apiVersion": "v1", "kind": "List", "items": budgets});
    plane.ok(&["create", "-f", "-"], &budgets.to_string());
    let version = || {
        plane.get(&["deployment", "-n", "checked", "web"]).unwrap()["metadata"]["resourceVersion"]
            .clone()
    };
    let before = version();

    let admin = plane.kubeconfig();
    let (code, found, said) = check(&admin, &[]);
    assert_eq!(code, Some(1), "{said}");
    // Opted in, and there was no webhook; no budget is missing.
    assert_eq!(
        codes(&found, "checked"),
        BTreeSet::from(["SR101", "SR602"].map(str::to_owned))
    );
    assert_eq!(
        codes(&found, "beside"),
        BTreeSet::from(["SR101", "SR402"].map(str::to_owned))
    );
    let first = &found["findings"][0];
    assert_eq!((&first["file"], &first["line"]), (&json!(""), &json!(0)));

    let (_, found, _) = check(&admin, &["-n", "beside"]);
    assert_eq!(codes(&found, "checked"), BTreeSet::new());
    assert_eq!(codes(&found, "beside").len(), 2);
    assert_eq!(version(), before);

    // Without Deployments there is nothing to judge.
    plane.ok(&["create", "serviceaccount", "nobody", "-n", "beside"], "");
    let account = plane.kubeconfig_for_service_account("beside", "nobody");
    let (code, _, said) = check(&account, &[]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("/apis/apps/v1/deployments cannot be read (403): "),
        "{said}"
    );
}

#[test]
fn who_may_only_look_is_enough_and_what_may_not_be_listed_is_named() {
    let plane = ControlPlane::shared();
    namespace(plane, "looked-at", None);
    plane.ok(&["create", "-f", "-"], &web("looked-at"));
    // What Kubernetes' own ClusterRole `view` is made of; no kind of Argo Rollouts is installed.
    for (name, role) in [
        ("viewer", "system:aggregate-to-view"),
        ("narrow", "only-deployments"),
    ] {
        plane.ok(&["create", "serviceaccount", name, "-n", "looked-at"], "");
        let role = format!("--clusterrole={role}");
        let account = format!("--serviceaccount=looked-at:{name}");
        plane.ok(&["create", "clusterrolebinding", name, &role, &account], "");
    }
    plane.ok(
        &[
            "create",
            "clusterrole",
            "only-deployments",
            "--verb=list",
            "--resource=deployments.apps",
        ],
        "",
    );
    let viewer = plane.kubeconfig_for_service_account("looked-at", "viewer");
    for args in [&[][..], &["-n", "looked-at"]] {
        let (code, found, said) = check(&viewer, args);
        assert_eq!(code, Some(1), "{said}");
        assert!(!said.contains("not read"), "{said}");
        assert!(codes(&found, "looked-at").contains("SR101"), "{found:#}");
    }
    let narrow = plane.kubeconfig_for_service_account("looked-at", "narrow");
    for args in [&[][..], &["-n", "looked-at"]] {
        let (code, found, said) = check(&narrow, args);
        assert_eq!(code, Some(1), "{said}");
        let expected = "not read, for this account may not list them: namespaces, services, statefulsets, daemonsets, \
                        poddisruptionbudgets, horizontalpodautoscalers, ingresses; workloads are judged as if there were none";
        assert!(said.contains(expected), "{said}");
        let remarks = found["remarks"].as_array().unwrap();
        let mut remarks = remarks.iter().map(|one| one["message"].as_str().unwrap());
        assert!(remarks.any(|one| one.contains(expected)), "{found:#}");
        assert!(codes(&found, "looked-at").contains("SR101"), "{found:#}");
    }
}
