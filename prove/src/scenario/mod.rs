//! What is tried: a service, a way to it, and what replaces its pods, in two arms that differ by
//! one annotation on the namespace.

mod absent;
mod arm;
mod clock;
mod gate;
mod gateway;
mod generator;
mod list;
mod liveness;
mod logs;
mod lookout;
mod namespaces;
mod order;
mod pods;
mod replace;
mod setup;
mod together;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

pub use list::{all, anywhere};
pub use namespaces::Namespaces;
pub use order::{Beside, Group, Lane, stages};
pub use together::together;

use self::replace::REPLICAS;
use crate::load::{Plan, Stale};
use crate::node::registry::Registry;
use crate::node::services::Service;
use crate::record::Arm;

/// Where requests go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The Service's cluster address, through kube-proxy.
    ClusterIp,
    /// The ingress controller, which watches `EndpointSlices` and connects to pods itself.
    Ingress,
    /// Spring Cloud Gateway, which asks a registry for the instances now and then, and calls them itself.
    Gateway(Registry),
}

/// What replaces the pods, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// `kubectl rollout restart` and `kubectl set image`, in turn.
    Rollouts,
    /// `kubectl drain` and `kubectl scale`, in turn.
    DrainAndScale,
    /// `kubectl scale`, down and up.
    Scaling,
    /// A version that never registers is rolled out, and after a while `kubectl rollout undo` takes it back.
    NeverRegisters,
    /// Nothing does: one pod after the other fails its liveness probe, and its container restarts.
    LivenessFailures,
}

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name: of namespaces, and in the report.
    pub name: &'static str,
    /// What it is about, in one sentence.
    pub about: &'static str,
    /// The image that the manifests name.
    pub image: Service,
    /// What is applied, the same in both arms.
    pub manifests: &'static [&'static str],
    /// Annotations of the namespace beside the one that opts in.
    pub annotations: &'static [(&'static str, &'static str)],
    /// Where the control arm has Silkroll, too, without one setting: its annotations. Else it has not opted in.
    pub control: &'static [(&'static str, &'static str)],
    /// How many pods it has.
    pub replicas: usize,
    /// The gateway's load balancer keeps no list of its own.
    pub fresh: bool,
    /// Where requests go in.
    pub entry: Entry,
    /// What replaces the pods.
    pub replace: Replace,
    /// It is replaced once where others are so many times: its rollouts take long.
    pub rarer: u32,
    /// What may run at the same time.
    pub beside: Beside,
    /// The container has a preStop hook of its own, which says in its log that it ran.
    pub own_hook: bool,
    /// How long a slow request takes, in seconds.
    pub slow: u64,
    /// Without Silkroll's setting the service is away altogether, for so many seconds at least.
    pub silent: u64,
    /// What becomes of a request that crosses with the server's closing of a kept connection.
    pub stale: Stale,
    /// Clients stay on streams, and ask for nothing else.
    pub streams: bool,
}

impl Scenario {
    /// How often it is replaced.
    #[must_use]
    pub fn times(&self, settings: &Settings) -> u32 {
        let times = if settings.evenly {
            settings.times
        } else {
            settings.times / self.rarer
        };
        // A container that restarts again waits for the kubelet's back-off, so each pod fails once.
        let most = match self.replace {
            Replace::LivenessFailures => u32::try_from(REPLICAS).unwrap_or(u32::MAX),
            _ => u32::MAX,
        };
        times.clamp(1, most)
    }

    /// What the namespace of an arm asks for, beside opting in; nothing where it has not opted in.
    #[must_use]
    pub fn asks(&self, arm: Arm) -> Option<&'static [(&'static str, &'static str)]> {
        match arm {
            Arm::Silkroll => Some(self.annotations),
            Arm::Control => Some(self.control).filter(|all| !all.is_empty()),
        }
    }

    /// Whether Pods are injected, and not their workloads.
    #[must_use]
    pub fn injects_pods(&self) -> bool {
        self.annotations.contains(&list::LEVEL_POD)
    }

    /// What it needs that no cluster but the proof's own node has, if there is such a thing.
    #[must_use]
    pub fn needs(&self) -> Option<&'static str> {
        if self.replace == Replace::DrainAndScale {
            return Some(
                "it drains the node, which is not for a proof to do to nodes of others; see `scaling`",
            );
        }
        if self.injects_pods() {
            return Some("it needs `level: pod` switched on, which is the cluster's owner to do");
        }
        match (self.entry, self.image) {
            (Entry::Ingress, _) => Some("it calls Traefik, which runs beside the node's programs"),
            (Entry::Gateway(_), _) => {
                Some("it calls a gateway and a registry, which run beside the node's programs")
            }
            (Entry::ClusterIp, Service::Nginx | Service::Gunicorn | Service::Nacos) => {
                Some("its image is made of the programs of the machine that the node is on")
            }
            (Entry::ClusterIp, Service::Bare | Service::Shell) => None,
        }
    }
}

/// Those of `among` with these names; all, if there are none.
///
/// # Errors
///
/// Where a name is none of them, with those that there are; for one that is only elsewhere, with why.
pub fn chosen(among: &[&'static Scenario], names: &[String]) -> Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(among.to_vec());
    }
    let find = |name: &String| {
        let found = among.iter().find(|scenario| scenario.name == name);
        found.copied().with_context(|| {
            let elsewhere = all().iter().find(|scenario| scenario.name == name);
            let why = elsewhere.and_then(Scenario::needs).map_or_else(
                || format!("there is no scenario {name}"),
                |why| format!("{name} runs with `make prove` only: {why}"),
            );
            let names: Vec<&str> = among.iter().map(|scenario| scenario.name).collect();
            format!("{why}; there are {}", names.join(", "))
        })
    };
    names.iter().map(find).collect()
}

/// What all runs have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often the pods are replaced.
    pub times: u32,
    /// As often also where that takes long.
    pub evenly: bool,
    /// The load.
    pub plan: Plan,
    /// Where they run.
    pub place: Place,
    /// The namespaces that they make.
    pub namespaces: Arc<Namespaces>,
    /// Where logs go.
    pub logs: PathBuf,
}

/// Where scenarios run.
#[derive(Clone, Debug)]
pub enum Place {
    /// On the node that was started for them on this machine: everything is in reach.
    Node {
        /// Where the ingress controller listens.
        ingress: SocketAddr,
        /// The folder with the registries, and with the gateway.
        registries: PathBuf,
    },
    /// In a cluster of which only the API server is in reach.
    Cluster {
        /// Where the images are, in place of what the manifests say: a registry, or the same where they were
        /// loaded into the nodes.
        images: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_cannot_be_run_is_refused_with_the_reason() {
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let anywhere = anywhere();
        let found = chosen(&anywhere, &names(&["own-hook", "scaling"])).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(chosen(&anywhere, &[]).unwrap().len(), anywhere.len());
        for (name, why) in [
            ("drain", "drains the node"),
            ("nacos", "a registry"),
            ("pod-level", "switched on"),
            ("nginx", "programs of the machine"),
            ("ingres", "there is no scenario ingres; there are service, "),
        ] {
            let error = chosen(&anywhere, &names(&[name])).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
