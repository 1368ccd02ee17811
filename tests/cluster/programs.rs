//! What the programs of the control plane are started with, and the files that they read.

use serde_json::json;
use testkit::layout::Layout;
use testkit::process::Spec;

/// The names of the programs that others wait for in the end.
pub(super) const API_SERVER: &str = "kube-apiserver";
pub(super) const CONTROLLERS: &str = "kube-controller-manager";

pub(super) fn write_files(layout: &Layout) {
    layout.write_certificates(&[]).unwrap();
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    });
    layout
        .write("audit-policy.json", &policy.to_string())
        .unwrap();
}

pub(super) fn etcd(layout: &Layout, peer_port: u16) -> Spec {
    let client = &layout.etcd;
    let peer = format!("http://127.0.0.1:{peer_port}");
    layout.etcd(vec![
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ])
}

pub(super) fn api_server(layout: &Layout) -> Spec {
    let file = |name: &str| layout.home.join(name).display().to_string();
    let (_, port) = layout.server.rsplit_once(':').unwrap();
    layout.api_server(vec![
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--authorization-mode=RBAC".into(),
        // A loopback address is refused as an endpoint; nothing here uses that Service.
        "--endpoint-reconciler-type=none".into(),
        format!("--audit-policy-file={}", file("audit-policy.json")),
        format!("--audit-log-path={}", file("audit.log")),
    ])
}

pub(super) fn controllers(layout: &Layout) -> Spec {
    layout.client(CONTROLLERS, "admin", &[
        "--leader-elect=false",
        // It serves nothing.
        "--secure-port=0",
        "--controllers=deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,namespace-controller,serviceaccount-controller,garbage-collector-controller",
    ])
}

pub(super) fn scheduler(layout: &Layout) -> Spec {
    layout.client(
        "kube-scheduler",
        "admin",
        &["--leader-elect=false", "--secure-port=0"],
    )
}
