//! `silkroll check` on ten thousand documents, a third of them workloads: read, judged as they are and with the injection,
//! and reported.
//!
//! Run with `make bench`, or `cargo bench --bench check`.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may stop at whatever is wrong"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::{Command, Stdio};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// How many documents.
const DOCUMENTS: usize = 10_000;

/// What an application is made of, as charts write it.
fn application(at: usize) -> String {
    format!(
        "# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{at}
  namespace: shop
  labels: {{app.kubernetes.io/name: web-{at}, app.kubernetes.io/managed-by: Helm}}
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: web-{at}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: web-{at}
    spec:
      serviceAccountName: web-{at}
      containers:
        - name: web
          image: \"registry.example/shop/web:1.4.{at}\"
          imagePullPolicy: IfNotPresent
          env:
            - name: LOG_LEVEL
              value: info
            - name: DATABASE_URL
              valueFrom: {{secretKeyRef: {{name: web-{at}, key: url}}}}
          ports:
            - name: http
              containerPort: 8080
          livenessProbe:
            httpGet: {{path: /livez, port: http}}
            initialDelaySeconds: 10
          readinessProbe:
            httpGet: {{path: /readyz, port: http}}
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
---
apiVersion: v1
kind: Service
metadata:
  name: web-{at}
  namespace: shop
spec:
  selector:
    app.kubernetes.io/name: web-{at}
  ports:
    - port: 80
      targetPort: http
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: web-{at}
  namespace: shop
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: web-{at}
---
"
    )
}

fn check(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.yaml");
    let mut text = String::new();
    for at in 0..DOCUMENTS.div_ceil(3) {
        text.write_str(&application(at)).unwrap();
    }
    std::fs::write(&path, text).unwrap();
    let mut group = c.benchmark_group("check");
    group.sample_size(10);
    group.throughput(Throughput::Elements(DOCUMENTS as u64));
    // The program itself: one process on one core, its start and its output included.
    group.bench_function("documents", |bench| {
        bench.iter(|| {
            let status = Command::new(env!("CARGO_BIN_EXE_silkroll"))
                .args(["check", "-o", "json", "-f"])
                .arg(&path)
                .stdout(Stdio::null())
                .status();
            black_box(status.unwrap())
        });
    });
    group.finish();
}

criterion_group!(benches, check);
criterion_main!(benches);
