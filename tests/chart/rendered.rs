//! What the chart renders: the install file, and each variant as the API server takes it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use silkroll::cli::Cli;
use silkroll::manifest::{self, Limits};
use silkroll::observe::Metrics;
use silkroll::observe::labels::WriteOutcome;
use testkit::process::run;
use testkit::wait::eventually;

use super::cluster::ControlPlane;
use super::helm::{Helm, NAMESPACE, documents, file, find};
use super::variants::VARIANTS;

#[test]
#[ignore = "needs Helm: make test-helm"]
fn the_install_file_is_what_the_chart_renders() {
    let file_there = std::fs::read_to_string(file("manifests/install.yaml")).unwrap();
    for helm in Helm::both() {
        let mut render = Command::new(file("manifests/render.sh"));
        let rendered = run(render.arg(helm.program()), b"").unwrap();
        assert!(rendered.success, "{rendered:?}");
        assert!(
            rendered.stdout == file_there,
            "helm{}: run `make manifests`",
            helm.major
        );
    }
}

/// Kinds of others, of which the API server knows no more here than that there are such.
const CUSTOM: &[(&str, &str, &str)] = &[
    ("monitoring.coreos.com", "v1", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "PodMonitor"),
    ("monitoring.coreos.com", "v1", "PrometheusRule"),
    ("cert-manager.io", "v1", "Issuer"),
    ("cert-manager.io", "v1", "Certificate"),
];

fn sorted(text: &str) -> Vec<String> {
    let mut objects: Vec<_> = documents(text).iter().map(Value::to_string).collect();
    objects.sort();
    objects
}

fn custom_kinds(plane: &ControlPlane) {
    for (group, version, kind) in CUSTOM {
        let singular = kind.to_lowercase();
        let plural = format!("{singular}s");
        let name = format!("{plural}.{group}");
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": singular},
                "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": open}}],
            },
        });
        plane.ok(&["create", "-f", "-"], &crd.to_string());
    }
    eventually("the custom kinds", || {
        let mut kinds = CUSTOM.iter();
        let known = |(group, _, kind): &(&str, &str, &str)| {
            let resource = format!("{}s.{group}", kind.to_lowercase());
            plane.kubectl(&["get", &resource, "-A"], "").success
        };
        kinds.all(known).then_some(())
    });
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn all_variants_are_taken_by_the_api_server_and_by_the_program() {
    let plane = ControlPlane::shared();
    custom_kinds(plane);
    plane.ok(&["create", "namespace", NAMESPACE], "");
    let [three, four] = Helm::both();
    for (name, values, texts) in VARIANTS {
        let rendered = three.template(values);
        assert!(rendered.success, "{name}: {}", rendered.stderr);
        let text = &rendered.stdout;
        // Each has an order of its own for kinds that it does not know.
        let by_four = four.template(values).stdout;
        assert_eq!(
            sorted(&by_four),
            sorted(text),
            "{name}: Helm 3 and 4 differ"
        );
        for expected in *texts {
            assert!(
                text.contains(expected),
                "{name}: {expected} is not in {text}"
            );
        }
        for line in text.lines() {
            assert_eq!(line.trim_end(), line, "{name}");
        }
        // kustomize and Flux refuse a key that stands there twice.
        for document in manifest::read(text.as_bytes(), &Limits::default()).unwrap() {
            let document = document.unwrap();
            assert!(
                document.warnings().is_empty(),
                "{name}: {:?}",
                document.warnings()
            );
        }
        let tried = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let applied = plane.kubectl(&tried, text);
        assert!(applied.success, "{name}: {}", applied.stderr);
        // The namespace is there without kubectl's own annotation, and the certificate of `files` is a letter.
        let expected = ["namespaces/silkroll-system", "find any PEM data"];
        let said = applied.stderr.lines();
        let said: Vec<_> = said
            .filter(|line| !line.is_empty() && !expected.iter().any(|words| line.contains(words)))
            .collect();
        assert!(said.is_empty(), "{name}: {said:?}");

        for object in documents(text) {
            let pod = &object["spec"]["template"]["spec"];
            for container in pod["containers"].as_array().into_iter().flatten() {
                let args = container["args"].as_array().unwrap().iter();
                let args = args.map(|arg| arg.as_str().unwrap());
                let read = Cli::try_parse_from(std::iter::once("silkroll").chain(args));
                assert!(read.is_ok(), "{name}: {}", read.unwrap_err());
            }
            let metadata = &object["metadata"];
            assert!(
                metadata["labels"]["app.kubernetes.io/name"].is_string(),
                "{name}: {metadata}"
            );
        }
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn what_the_webhook_matches_is_what_the_patches_for_kubectl_add() {
    let [helm, _] = Helm::both();
    let rendered = helm.template(
        "webhook: {workloads: [deployment, statefulset, daemonset, rollout], levelPod: true}",
    );
    let all = documents(&rendered.stdout);
    let webhooks = &find(&all, "MutatingWebhookConfiguration", "silkroll")["webhooks"];
    let patch = |name: &str| -> Value {
        let text = std::fs::read_to_string(file("manifests").join(name)).unwrap();
        documents(&text)[0][0]["value"].clone()
    };
    assert_eq!(webhooks[0]["rules"], patch("all-workloads.patch.yaml"));
    let mut pods = webhooks[1].clone();
    let config = pods
        .as_object_mut()
        .unwrap()
        .shift_remove("clientConfig")
        .unwrap();
    assert_eq!(config, webhooks[0]["clientConfig"]);
    assert_eq!(pods, patch("pods.patch.yaml"));
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn two_releases_in_one_namespace_share_no_object() {
    let [_, helm] = Helm::both();
    let chart = super::helm::chart();
    let objects = |release: &str| {
        let values = "metrics: {serviceMonitor: {enabled: true}, dashboard: {enabled: true}}";
        let args = ["template", release, &chart, "-n", NAMESPACE, "-f", "-"];
        let mut all = BTreeSet::new();
        for object in documents(&helm.ok(&args, values)) {
            let kind = object["kind"].as_str().unwrap();
            all.insert(format!("{kind} {}", object["metadata"]["name"]));
            // And what it makes by itself.
            for rule in object["rules"].as_array().into_iter().flatten() {
                for name in rule["resourceNames"].as_array().into_iter().flatten() {
                    all.insert(format!("{} {name}", rule["resources"]));
                }
            }
        }
        all
    };
    let (one, other) = (objects("silkroll"), objects("lossless"));
    assert!(one.contains(r#"["leases"] "silkroll-audit""#), "{one:?}");
    let both: Vec<_> = one.intersection(&other).collect();
    // Named by their content, in the namespaces of others.
    assert!(
        both.len() == 2
            && both
                .iter()
                .all(|name| name.contains("[\"configmaps\"] \"silkroll-")),
        "{both:?}"
    );
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn alerts_ask_for_metrics_that_there_are() {
    let metrics = Metrics::new();
    let found = [("not-injected", 0)].into_iter();
    metrics.audited(WriteOutcome::Ok, Duration::ZERO, 0, found);
    let text = metrics.text();
    let [helm, _] = Helm::both();
    let rendered = helm
        .template("metrics: {prometheusRule: {enabled: true}}")
        .stdout;
    let mut named = 0;
    for line in rendered
        .lines()
        .filter(|line| line.trim_start().starts_with("expr: "))
    {
        for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("silkroll_") {
                named += 1;
                let family = word.trim_end_matches("_total").trim_end_matches("_info");
                assert!(text.contains(&format!("# TYPE {family} ")), "{word}");
            }
        }
    }
    assert!(named > 4, "{rendered}");
}
