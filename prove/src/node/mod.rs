//! A real Kubernetes of one node, which ends with the command that started it.
//!
//! `enclosure` is where it lives: namespaces of its own. Inside, `ground` lays mounts and network,
//! and [`Node::start`] brings up what a node runs. Nothing is cleaned up afterwards, because
//! nothing outlives the namespaces: the processes are killed by the kernel, what they wrote lies on
//! a tmpfs of theirs.

pub mod archive;
pub mod authority;
pub mod enclosure;
pub mod ground;
pub mod groups;
pub mod image;
pub mod install;
pub mod kubectl;
pub mod process;
mod programs;
pub mod registry;
mod rootfs;
pub mod services;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use authority::{Authority, Pair};
use kubectl::Kubectl;
use process::{Process, Spec};

/// Bounds the wait for each thing that has to come up: ten times what it takes on a busy machine
/// of two cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a node is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The folder with etcd, the programs of Kubernetes and kubectl.
    pub kubernetes: PathBuf,
    /// The folder with the static binaries of this crate: `pause` is the one needed here.
    pub binaries: PathBuf,
    /// Where the programs' logs go.
    pub logs: PathBuf,
}

/// A running node with its control plane.
pub struct Node {
    processes: Vec<Process>,
    /// Talks to it as its administrator.
    pub kubectl: Kubectl,
}

impl Node {
    /// Brings everything up and returns when the node is Ready. Has to run in the enclosure, on the
    /// ground laid.
    ///
    /// # Errors
    ///
    /// With the end of the log of the program that did not come up.
    pub fn start(parts: &Parts) -> Result<Self> {
        let home = Path::new(ground::HOME);
        write_files(home)?;
        let kubectl = Kubectl::new(
            parts.kubernetes.join("kubectl"),
            home.join("admin.kubeconfig"),
        );
        let mut node = Self {
            processes: Vec::new(),
            kubectl,
        };
        let bin = &parts.kubernetes;
        // First what takes longest, and what does not need the others.
        node.run(parts, &programs::containerd(home))?;
        node.run(parts, &programs::etcd(bin, home))?;
        node.run(parts, &programs::api_server(bin, home))?;
        image::import_binary(home, "pause", &parts.binaries.join("pause"), image::PAUSE)?;
        node.wait("the API server", |node| {
            node.kubectl
                .run(&["get", "--raw", "/readyz"], "")
                .is_ok_and(|said| said == "ok")
        })?;
        for spec in [
            programs::controllers(bin, home),
            programs::scheduler(bin, home),
            programs::kubelet(bin, home),
            programs::proxy(bin, home),
        ] {
            node.run(parts, &spec)?;
        }
        node.wait("the node's condition Ready", |node| {
            let condition = r#"jsonpath={.items[0].status.conditions[?(@.type=="Ready")].status}"#;
            node.kubectl
                .run(&["get", "nodes", "-o", condition], "")
                .is_ok_and(|status| status == "True")
        })?;
        // Without it a pod is refused, and pods are the next thing that comes.
        node.wait("the default service account", |node| {
            node.kubectl
                .run(&["get", "serviceaccount", "default", "-n", "default"], "")
                .is_ok()
        })?;
        Ok(node)
    }

    /// Starts one more program beside the node's own, such as an ingress controller.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn run(&mut self, parts: &Parts, spec: &Spec) -> Result<()> {
        let process = Process::start(spec, &parts.logs)?;
        self.processes.push(process);
        Ok(())
    }

    /// Everything that was started is still there.
    ///
    /// # Errors
    ///
    /// With the end of the log of the first that is not.
    pub fn check(&mut self) -> Result<()> {
        for process in &mut self.processes {
            process.check()?;
        }
        Ok(())
    }

    fn wait(&mut self, what: &str, mut there: impl FnMut(&mut Self) -> bool) -> Result<()> {
        let begun = Instant::now();
        while !there(self) {
            self.check()?;
            if begun.elapsed() > PATIENCE {
                let logs: Vec<String> = self.processes.iter().map(Process::tail).collect();
                bail!(
                    "{what} did not come up within {} s\n{}",
                    PATIENCE.as_secs(),
                    logs.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

/// Certificates, kubeconfigs and configuration files, before the first program starts.
fn write_files(home: &Path) -> Result<()> {
    let authority = Authority::new()?;
    write(home, "ca.crt", &authority.certificate())?;
    let names = [
        "127.0.0.1",
        ground::NODE_ADDRESS,
        programs::KUBERNETES_ADDRESS,
        "localhost",
        "kubernetes.default.svc",
    ];
    authority.serving(&names)?.write(home, "apiserver")?;
    authority
        .serving(&[ground::NODE_ADDRESS, ground::NODE_NAME])?
        .write(home, "kubelet-serving")?;
    // Signs service account tokens. Of the certificate only its public key counts: the API server
    // reads an EC one from a certificate, but not from the private key.
    authority
        .client("service-accounts", "none")?
        .write(home, "service-accounts")?;
    let node = format!("system:node:{}", ground::NODE_NAME);
    for (name, user, group) in [
        ("admin", "admin", "system:masters"),
        ("controllers", "system:kube-controller-manager", "none"),
        ("scheduler", "system:kube-scheduler", "none"),
        ("proxy", "system:kube-proxy", "none"),
        ("kubelet", node.as_str(), "system:nodes"),
    ] {
        let pair = authority.client(user, group)?;
        let kubeconfig = kubeconfig(home, name, &pair)?;
        write(home, &format!("{name}.kubeconfig"), &kubeconfig)?;
    }
    for (name, text) in programs::files(home) {
        write(home, name, &text)?;
    }
    Ok(())
}

fn kubeconfig(home: &Path, name: &str, pair: &Pair) -> Result<String> {
    let (certificate, key) = pair.write(home, name)?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "node",
        "clusters": [{"name": "node", "cluster": {
            "server": programs::api_server_url(), "certificate-authority": home.join("ca.crt"),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate": certificate, "client-key": key,
        }}],
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": name}}],
    });
    Ok(config.to_string())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
