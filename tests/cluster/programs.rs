//! What each program of the control plane is started with, and the files that it reads.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::certs::Authority;
use super::process::Spec;

pub(super) fn write_files(dir: &Path) {
    fs::create_dir(dir.join("home")).unwrap();
    let authority = Authority::new();
    fs::write(dir.join("ca.crt"), authority.cert()).unwrap();
    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
    authority.serving(&names).write(dir, "apiserver");
    authority
        .client("admin", "system:masters")
        .write(dir, "admin");
    // Signs service account tokens. Of the certificate only its public key counts: the API server
    // reads an EC one from a certificate, but not from the private key.
    authority
        .client("service-accounts", "none")
        .write(dir, "service-accounts");
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    });
    fs::write(dir.join("audit-policy.json"), policy.to_string()).unwrap();
}

pub(super) fn etcd(bin: &Path, port: u16, peer_port: u16) -> Spec<'static> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    Spec {
        name: "etcd",
        after: Some("kube-apiserver"),
        clean: true,
        program: bin.join("etcd"),
        args: vec![
            "--data-dir=etcd".into(),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            // The data need not survive the machine.
            "--unsafe-no-fsync".into(),
        ],
    }
}

pub(super) fn api_server(bin: &Path, dir: &Path, port: u16, etcd_port: u16) -> Spec<'static> {
    let file = |name: &str| dir.join(name).display().to_string();
    Spec {
        name: "kube-apiserver",
        after: Some("kube-controller-manager"),
        program: bin.join("kube-apiserver"),
        args: vec![
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!(
                "--service-account-key-file={}",
                file("service-accounts.crt")
            ),
            format!(
                "--service-account-signing-key-file={}",
                file("service-accounts.key")
            ),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            "--authorization-mode=RBAC".into(),
            // A loopback address is refused as an endpoint; nobody here uses that Service.
            "--endpoint-reconciler-type=none".into(),
            format!("--audit-policy-file={}", file("audit-policy.json")),
            format!("--audit-log-path={}", file("audit.log")),
        ],
        ..Spec::default()
    }
}

pub(super) fn controllers(bin: &Path, kubeconfig: &Path) -> Spec<'static> {
    Spec {
        name: "kube-controller-manager",
        program: bin.join("kube-controller-manager"),
        args: vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect=false".into(),
            // It serves nothing.
            "--secure-port=0".into(),
            "--controllers=deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,namespace-controller,serviceaccount-controller,garbage-collector-controller".into(),
        ],
        ..Spec::default()
    }
}
