//! The only user of the Kubernetes client: it watches namespaces, keeps ConfigMaps in them, knows the nodes' architecture,
//! keeps Silkroll's own certificates, and audits what is stored.
//!
//! ```text
//! API server --namespaces (metadata)--> snapshot::Namespaces --> configmaps --> API server
//! ```
//!
//! Nothing here answers a request: the webhook reads the snapshot, so an API server that is away
//! costs freshness and no answer. Every failure is retried; [`Cluster::run`] returns only where
//! going on is impossible, and the process should end then.

mod answer;
mod audit;
mod certificates;
mod client;
mod clock;
mod configmaps;
mod ledger;
mod list;
mod namespaces;
mod nodes;
mod notes;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

pub use answer::Probe;
pub use audit::{Audit, Audited};
pub use certificates::{Certificate, Certificates};
pub use client::{Cluster, Version};
pub use configmaps::{Files, LABELS, Wanted, Write};
pub use list::Lists;
pub use notes::Notes;

use crate::snapshot::Namespaces;
use crate::text::displayed;

/// What went wrong for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `KUBECONFIG` is set and cannot be used.
    #[error(
        "the kubeconfig that KUBECONFIG names cannot be used: {0}; check it with `kubectl config view`"
    )]
    Kubeconfig(String),
    /// Neither a kubeconfig nor a pod's own account.
    #[error(
        "no cluster found: KUBECONFIG is not set, {0}, and this is no pod with a service account: set KUBECONFIG"
    )]
    NoCluster(String),
    /// The connection's settings do not make a client.
    #[error("cannot make a client for {url}: {source}; check the cluster's CA and credentials")]
    Client {
        /// The API server's address.
        url: String,
        /// What the client says.
        source: kube::Error,
    },
    /// The API server did not tell its version.
    #[error("the API server did not tell its version: {0}; is it reachable?")]
    Version(#[source] kube::Error),
    /// The API server told a version that is none.
    #[error("the API server's version {major:?}.{minor:?} is not understood; please report it")]
    OddVersion {
        /// As sent.
        major: String,
        /// As sent.
        minor: String,
    },
    /// Objects could not be listed.
    #[error("{path} cannot be read ({status}): {why}")]
    List {
        /// What was asked for.
        path: String,
        /// The API server's status; 0 where there was no answer.
        status: u16,
        /// What it says.
        why: String,
    },
    /// Nothing comes back.
    #[error("the API server at {url} does not answer: {why}")]
    NoAnswer {
        /// Its address.
        url: String,
        /// Why, as the connection says it.
        why: String,
    },
    /// A task that never ends has ended.
    #[error("the cluster side stopped ({0}); the process must be started again")]
    Stopped(String),
}

/// Hears what the cluster side does, for metrics and readiness. Calls must return at once.
///
/// Every method does nothing unless it is written.
pub trait Observer: Send + Sync + 'static {
    /// The snapshot changed, or was completed for the first time: from then on it can be answered from.
    fn namespaces(&self, known: usize, opted_in: usize) {
        let _ = (known, opted_in);
    }
    /// Namespaces can no longer be watched, or can again: meanwhile answers come from what was known.
    fn namespaces_watched(&self, watched: bool) {
        let _ = watched;
    }
    /// A ConfigMap was to be written.
    fn configmap(&self, write: Write) {
        let _ = write;
    }
    /// So many of these ConfigMaps stand, of those with the script or with the binary.
    fn standing(&self, hook: &'static str, standing: usize) {
        let _ = (hook, standing);
    }
    /// The API server's version became known, or changed.
    fn version(&self, version: Version) {
        let _ = version;
    }
    /// All nodes have this architecture, as their label names it; none where they differ or cannot be seen. Called at
    /// first and whenever it changes.
    fn node_arch(&self, arch: Option<&str>) {
        let _ = arch;
    }
    /// The API server's version has not become known for a while; it is still asked for.
    fn version_unknown(&self) {}
    /// A run of the audit ended.
    fn audited(&self, audited: &Audited) {
        let _ = audited;
    }
    /// Another replica audits, or none can.
    fn audit_elsewhere(&self) {}
}

impl Observer for () {}

/// How often the API server's version is read again: a cluster is upgraded under a running Silkroll.
const VERSION_EVERY: Duration = Duration::from_secs(600);
/// How soon it is asked again after it did not answer.
const VERSION_RETRY: Duration = Duration::from_secs(5);
/// How long the first answer is waited for. What depends on it goes on without it then: a pod that is never ready
/// protects nothing.
const VERSION_PATIENCE: Duration = Duration::from_secs(30);
/// How often it is said that the version is still unknown.
const VERSION_SAY: Duration = Duration::from_secs(600);
/// The most that is told of a failure, in characters: an API server, or what stands in for one, may send a page.
const FAILURE: usize = 500;

/// What is at the bottom of an error: those above it, of kube's client, say that something was wrong and not what.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    told(&cause)
}

/// A failure in the log.
fn told(error: &impl std::fmt::Display) -> String {
    displayed(error, FAILURE)
}

impl Cluster {
    /// Fills `namespaces`, keeps each of `files` where it is wanted and `notes` of who asked for the helper, and
    /// reports the version and the nodes' architecture.
    /// Ends only by an error; dropping the future stops everything.
    ///
    /// # Errors
    /// [`Error::Stopped`] when one of the tasks ended or panicked.
    pub async fn run(
        self,
        namespaces: Arc<Namespaces>,
        files: Vec<(Files, Wanted)>,
        notes: Option<Notes>,
        observer: Arc<dyn Observer>,
    ) -> Result<Infallible, Error> {
        let mut tasks = JoinSet::new();
        tasks.spawn(namespaces::watch(
            self.client.clone(),
            Arc::clone(&namespaces),
            Arc::clone(&observer),
        ));
        for (files, wanted) in files {
            tasks.spawn(configmaps::keep(
                self.client.clone(),
                Arc::clone(&namespaces),
                files,
                wanted,
                Arc::clone(&observer),
            ));
        }
        if let Some(notes) = notes {
            tasks.spawn(notes::keep(self.client.clone(), notes, namespaces));
        }
        tasks.spawn(nodes::watch(self.client.clone(), Arc::clone(&observer)));
        tasks.spawn(follow_version(self, observer));
        Err(match tasks.join_next().await {
            Some(Ok(stopped)) => stopped,
            Some(Err(failure)) => Error::Stopped(told(&failure)),
            None => Error::Stopped("nothing was started".to_owned()),
        })
    }
}

async fn follow_version(cluster: Cluster, observer: Arc<dyn Observer>) -> Error {
    let ask = async || {
        // Its own bound: a connection that is accepted and never answered would hold it for a minute.
        match tokio::time::timeout(VERSION_RETRY, cluster.version()).await {
            Ok(answer) => answer.map_err(|error| told(&error)),
            Err(_) => Err(format!("no answer within {} s", VERSION_RETRY.as_secs())),
        }
    };
    let patience = Instant::now() + VERSION_PATIENCE;
    let mut known = None;
    let mut given_up = false;
    let mut say_at = Instant::now();
    loop {
        match ask().await {
            Ok(version) => {
                if known != Some(version) {
                    tracing::info!(%version, "the API server's version");
                    observer.version(version);
                    known = Some(version);
                }
                say_at = Instant::now();
                tokio::time::sleep(VERSION_EVERY).await;
            }
            Err(error) => {
                let now = Instant::now();
                if now >= say_at {
                    say_at = now + VERSION_SAY;
                    tracing::warn!(
                        error,
                        known = known.map(tracing::field::display),
                        "cannot read the API server's version, trying again"
                    );
                }
                if known.is_none() && now >= patience && !std::mem::replace(&mut given_up, true) {
                    observer.version_unknown();
                }
                tokio::time::sleep(VERSION_RETRY).await;
            }
        }
    }
}
