//! A real Kubernetes of one node, which ends with the command that started it.
//!
//! `enclosure` is where it lives: namespaces of its own. Inside, `ground` lays mounts and network,
//! and [`Node::start`] brings up what a node runs. Nothing is cleaned up afterwards, because
//! nothing outlives the namespaces: the processes are killed by the kernel, what they wrote lies on
//! a tmpfs of theirs.

pub mod archive;
pub mod enclosure;
pub mod ground;
pub mod groups;
pub mod image;
pub mod install;
mod programs;
pub mod proxy;
pub mod registry;
mod rootfs;
pub mod services;
pub mod undelivered;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use testkit::kubectl::Kubectl;
use testkit::layout::Layout;
use testkit::process::{Process, Spec};
use testkit::wait::{PATIENCE, within};

use groups::Group;
use proxy::Proxy;

/// What a node is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The folder with etcd, the programs of Kubernetes and kubectl.
    pub kubernetes: PathBuf,
    /// The folder with the static binaries of this crate: `pause` is the one needed here.
    pub binaries: PathBuf,
    /// Where the programs' logs go.
    pub logs: PathBuf,
    /// How kube-proxy leads connections to pods.
    pub proxy: Proxy,
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
        let layout = programs::layout(&parts.kubernetes);
        write_files(&layout)?;
        let mut node = Self {
            processes: Vec::new(),
            kubectl: layout.kubectl(),
        };
        // First what takes longest, and what does not need the others.
        for spec in [
            programs::containerd(&layout.home),
            layout.etcd(Vec::new()),
            programs::api_server(&layout),
        ] {
            node.run(parts, &spec, Group::System)?;
        }
        let pause = parts.binaries.join("pause");
        image::import_binary(&layout.home, "pause", &pause, image::PAUSE)?;
        node.wait("the API server", |node| {
            node.kubectl
                .run(&["get", "--raw", "/readyz"], "")
                .is_ok_and(|said| said == "ok")
        })?;
        for spec in [
            programs::controllers(&layout),
            layout.client("kube-scheduler", "scheduler", &["--leader-elect=false"]),
            programs::kubelet(&layout),
            programs::proxy(&layout, parts.proxy),
        ] {
            node.run(parts, &spec, Group::System)?;
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
    pub fn run(&mut self, parts: &Parts, spec: &Spec, group: Group) -> Result<()> {
        self.processes.push(group.start(spec, &parts.logs)?);
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
        within(PATIENCE, what, || {
            self.check()?;
            Ok(there(self).then_some(()))
        })
        .with_context(|| {
            let logs: Vec<String> = self.processes.iter().map(Process::tail).collect();
            logs.join("\n")
        })
    }
}

/// Certificates, kubeconfigs and configuration files, before the first program starts.
fn write_files(layout: &Layout) -> Result<()> {
    let addresses = [ground::NODE_ADDRESS, programs::KUBERNETES_ADDRESS];
    let authority = layout.write_certificates(&addresses)?;
    authority
        .serving(&[ground::NODE_ADDRESS, ground::NODE_NAME])?
        .write(&layout.home, "kubelet-serving")?;
    let node = format!("system:node:{}", ground::NODE_NAME);
    for (name, user, group) in [
        ("controllers", "system:kube-controller-manager", "none"),
        ("scheduler", "system:kube-scheduler", "none"),
        ("proxy", "system:kube-proxy", "none"),
        ("kubelet", node.as_str(), "system:nodes"),
    ] {
        layout.write_client(&authority, name, user, group)?;
    }
    for (name, text) in programs::files(&layout.home) {
        layout.write(name, &text)?;
    }
    Ok(())
}
