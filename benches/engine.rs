//! From the bytes of a review to the bytes of its answer, without the network, beside the cost of
//! merely skipping every byte of the review.
//!
//! Run with `make bench`, or `cargo bench --bench engine`.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may stop at whatever is wrong"
)]

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use silkroll::admission::{Review, answer};
use silkroll::engine::{Decision, NamespaceView, Settings};

type Pairs = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// A Deployment as the API server sends it after `kubectl apply`: defaulted, with the manifest once
/// more in an annotation and the fields once more in `managedFields`. Grown by variables, which is
/// what large Deployments are large by.
fn deployment(variables: usize) -> Value {
    let env: Vec<Value> = (0..variables)
        .map(|n| json!({"name": format!("APP_SETTING_{n}"), "value": format!("https://service-{n}.example.svc:8443/path?x={n}")}))
        .collect();
    let spec = json!({
        "progressDeadlineSeconds": 600, "replicas": 3, "revisionHistoryLimit": 10,
        "selector": {"matchLabels": {"app.kubernetes.io/name": "orders"}},
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
        "template": {
            "metadata": {"creationTimestamp": null, "labels": {"app.kubernetes.io/name": "orders", "app.kubernetes.io/version": "7.7"}},
            "spec": {
                "containers": [{
                    "env": env, "image": "registry.example/web/orders:7.7.1909", "imagePullPolicy": "IfNotPresent",
                    "livenessProbe": {"failureThreshold": 3, "httpGet": {"path": "/livez", "port": 8080, "scheme": "HTTP"},
                                      "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
                    "name": "orders", "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "500m", "memory": "2Gi"}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "volumeMounts": [{"mountPath": "/config", "name": "config"}]
                }],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 30,
                "volumes": [{"configMap": {"defaultMode": 420, "name": "orders"}, "name": "config"}]
            }
        }
    });
    let fields: Value = (0..variables)
        .map(|n| {
            (
                format!("k:{{\"name\":\"APP_SETTING_{n}\"}}"),
                json!({".": {}, "f:name": {}, "f:value": {}}),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": spec.to_string()},
            "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1,
            "labels": {"app.kubernetes.io/name": "orders"},
            "managedFields": [{
                "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "manager": "kubectl-client-side-apply",
                "operation": "Update", "time": "2026-01-01T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"orders\"}": {"f:env": fields}}}}}}
            }],
            "name": "orders", "namespace": "web", "uid": "ff602647-8d89-11e9-96bf-3417eb9eb8af"
        },
        "spec": spec, "status": {}
    })
}

fn review(operation: &str, object: &Value, old: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "requestKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "requestResource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": "orders", "namespace": "web", "operation": operation,
            "userInfo": {"username": "kubernetes-admin", "groups": ["kubeadm:cluster-admins", "system:authenticated"]},
            "object": object, "oldObject": old, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply"}
        }
    }))
    .unwrap()
}

fn decide(body: &[u8], namespace: &Pairs, settings: &Settings) -> (Vec<u8>, Decision) {
    let review = Review::read(body).unwrap();
    let view = NamespaceView::Known {
        annotations: namespace,
        labels: &[],
    };
    let decision = review.decide(settings, view, false);
    (answer(&review.uid.0, &decision), decision)
}

fn stored(plain: &Value, namespace: &Pairs, settings: &Settings) -> Value {
    let (_, decision) = decide(&review("CREATE", plain, &Value::Null), namespace, settings);
    let patch: json_patch::Patch = serde_json::from_str(&decision.patch.unwrap()).unwrap();
    let mut object = plain.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

fn engine(criterion: &mut Criterion) {
    let settings = Settings::default();
    let pair = |key: &'static str, value: &'static str| (Cow::Borrowed(key), Cow::Borrowed(value));
    let opted_in: Pairs = vec![
        pair("silkroll.dev/deregister", "nacos"),
        pair("silkroll.dev/inject", "enabled"),
        pair("silkroll.dev/nacos-server", "http://nacos.middleware:8848"),
    ];
    let silent: Pairs = Vec::new();
    for (name, variables, update) in [("S", 12, false), ("L", 63, false), ("U", 107, true)] {
        let plain = deployment(variables);
        let (changed, unchanged) = if update {
            let old = stored(&plain, &opted_in, &settings);
            let mut image = old.clone();
            image["spec"]["template"]["spec"]["containers"][0]["image"] =
                "registry.example/web/orders:8".into();
            let mut scaled = old.clone();
            scaled["spec"]["replicas"] = 5.into();
            (
                review("UPDATE", &image, &old),
                review("UPDATE", &scaled, &old),
            )
        } else {
            let again = stored(&plain, &opted_in, &settings);
            (
                review("CREATE", &plain, &Value::Null),
                review("CREATE", &again, &Value::Null),
            )
        };
        let title = format!(
            "{name} {} {}.{} KB",
            if update { "UPDATE" } else { "CREATE" },
            changed.len() / 1000,
            changed.len() / 100 % 10
        );
        let mut group = criterion.benchmark_group(title);
        group.throughput(Throughput::Bytes(changed.len() as u64));
        group.bench_function(BenchmarkId::from_parameter("skip every byte"), |b| {
            b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&changed)).unwrap());
        });
        group.bench_function(BenchmarkId::from_parameter("injected"), |b| {
            b.iter(|| decide(black_box(&changed), &opted_in, &settings));
        });
        group.bench_function(BenchmarkId::from_parameter("no change"), |b| {
            b.iter(|| decide(black_box(&unchanged), &opted_in, &settings));
        });
        group.bench_function(BenchmarkId::from_parameter("not opted in"), |b| {
            b.iter(|| decide(black_box(&changed), &silent, &settings));
        });
        group.finish();
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
