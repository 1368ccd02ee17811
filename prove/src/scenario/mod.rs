//! What is tried: a service, a way to it, and what replaces its pods, in two arms that differ by
//! one annotation on the namespace.

mod arm;
mod gateway;
mod list;
mod liveness;
mod pods;
mod replace;

pub use arm::{Settings, run};
pub use list::all;

use crate::load::Stale;
use crate::node::registry::Registry;
use crate::node::services::Service;

/// Where requests go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The Service's cluster address, through kube-proxy.
    ClusterIp,
    /// The ingress controller, which watches `EndpointSlices` and connects to pods itself.
    Ingress,
    /// A gateway that asks a registry for the instances now and then, and calls them itself.
    Gateway(Registry),
}

/// What replaces the pods, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// `kubectl rollout restart` and `kubectl set image`, in turn.
    Rollouts,
    /// `kubectl drain` and `kubectl scale`, in turn.
    DrainAndScale,
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
    /// Where requests go in.
    pub entry: Entry,
    /// What replaces the pods.
    pub replace: Replace,
    /// It is replaced once where others are so many times: its rollouts take long.
    pub rarer: u32,
    /// The container has a preStop hook of its own, which says in its log that it ran.
    pub own_hook: bool,
    /// How long a slow request takes, in seconds.
    pub slow: u64,
    /// What becomes of a request that crosses with the server's closing of a kept connection.
    pub stale: Stale,
}
