//! What each program of the node is started with, and the files that it reads. Whatever bears on
//! how pods stop and how callers learn of it is left at its default: that is what is on trial.

use std::path::Path;

use serde_json::json;
use testkit::layout::Layout;
use testkit::process::Spec;

use super::ground::{self, NODE_ADDRESS, NODE_NAME, POD_RANGE};
use super::groups;
use super::image;
use super::proxy::Proxy;

/// Of Services; not within the pods' range.
pub(super) const SERVICE_RANGE: &str = "10.96.0.0/24";

/// What the API server gives to its own Service: the first of the range.
pub(super) const KUBERNETES_ADDRESS: &str = "10.96.0.1";

/// Where Debian puts the CNI plugins.
const CNI_PLUGINS: &str = "/usr/lib/cni";

/// The node's own control plane, with the programs in this folder.
pub(super) fn layout(bin: &Path) -> Layout {
    Layout {
        bin: bin.to_owned(),
        home: ground::HOME.into(),
        server: format!("https://{NODE_ADDRESS}:6443"),
        etcd: "http://127.0.0.1:2379".to_owned(),
    }
}

/// Name and content of the files.
pub(super) fn files(home: &Path) -> [(&'static str, String); 3] {
    [
        ("containerd.toml", containerd_config(home)),
        ("cni/10-bridge.conflist", network()),
        ("kubelet.json", kubelet_config(home)),
    ]
}

fn containerd_config(home: &Path) -> String {
    format!(
        r#"version = 2
root = "{home}/containerd"
state = "/run/containerd"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# A process that may not lower its own score cannot give its children the score that the kubelet
# asks for; sandboxes would not start at all.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
disable_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{home}/cni"
"#,
        home = home.display(),
        pause = image::PAUSE,
    )
}

fn network() -> String {
    json!({
        "cniVersion": "1.0.0", "name": "pods",
        "plugins": [{
            "type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
    .to_string()
}

fn kubelet_config(home: &Path) -> String {
    let file = |name: &str| home.join(name);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": false}, "webhook": {"enabled": false},
            "x509": {"clientCAFile": file("ca.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "tlsCertFile": file("kubelet-serving.crt"),
        "tlsPrivateKeyFile": file("kubelet-serving.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        // No cluster DNS here, and the machine's own resolver is out of reach.
        "resolvConf": "",
        "failSwapOn": false,
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", groups::name()),
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": false,
        // Everything is on a tmpfs; a full disk of the machine is none of this node's concern.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%",
            "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
    })
    .to_string()
}

pub(super) fn containerd(home: &Path) -> Spec {
    let config = home.join("containerd.toml");
    Spec {
        name: "containerd".to_owned(),
        program: "containerd".into(),
        args: vec![format!("--config={}", config.display())],
        env: Vec::new(),
    }
}

pub(super) fn api_server(layout: &Layout) -> Spec {
    let file = |name: &str| layout.home.join(name).display().to_string();
    layout.api_server(vec![
        format!("--advertise-address={NODE_ADDRESS}"),
        format!("--kubelet-certificate-authority={}", file("ca.crt")),
        format!("--kubelet-client-certificate={}", file("admin.crt")),
        format!("--kubelet-client-key={}", file("admin.key")),
        "--kubelet-preferred-address-types=InternalIP".into(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".into(),
    ])
}

pub(super) fn controllers(layout: &Layout) -> Spec {
    let file = |name: &str| layout.home.join(name).display().to_string();
    layout.client(
        "kube-controller-manager",
        "controllers",
        &[
            "--leader-elect=false",
            &format!("--root-ca-file={}", file("ca.crt")),
            &format!(
                "--service-account-private-key-file={}",
                file("service-accounts.key")
            ),
            // Its own user may do only what all controllers need.
            "--use-service-account-credentials",
        ],
    )
}

pub(super) fn kubelet(layout: &Layout) -> Spec {
    let file = |name: &str| layout.home.join(name).display().to_string();
    layout.client(
        "kubelet",
        "kubelet",
        &[
            &format!("--config={}", file("kubelet.json")),
            &format!("--root-dir={}", file("kubelet")),
            &format!("--hostname-override={NODE_NAME}"),
            // Without it the kubelet looks its own name up, registers late, and stays NotReady for
            // minutes every other time.
            &format!("--node-ip={NODE_ADDRESS}"),
        ],
    )
}

pub(super) fn proxy(layout: &Layout, mode: Proxy) -> Spec {
    layout.client(
        "kube-proxy",
        "proxy",
        &[
            &format!("--proxy-mode={mode}"),
            &format!("--hostname-override={NODE_NAME}"),
            &format!("--cluster-cidr={POD_RANGE}"),
            // These would be written as sysctls, some of them the machine's.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ],
    )
}
