//! The only user of the Kubernetes client: it watches namespaces and keeps ConfigMaps in them.
//!
//! ```text
//! API server --namespaces (metadata)--> snapshot::Namespaces --> configmaps --> API server
//! ```
//!
//! Nothing here answers a request: the webhook reads the snapshot, so an API server that is away
//! costs freshness and no answer. Every failure is retried; [`Cluster::run`] returns only where
//! going on is impossible, and the process should end then.

mod client;
mod configmaps;
mod ledger;
mod namespaces;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use client::{Cluster, Version};
pub use configmaps::{Files, LABELS, Wanted, Write};

use crate::snapshot::Namespaces;

/// What went wrong for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `KUBECONFIG` is set and cannot be used.
    #[error(
        "the kubeconfig that KUBECONFIG names cannot be used: {0}; check it with `kubectl config view`"
    )]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// Neither a kubeconfig nor a pod's own account.
    #[error(
        "no cluster found: {0}; set KUBECONFIG, run inside a pod with a service account, or use `silkroll serve --standalone`"
    )]
    NoCluster(#[source] kube::config::InferConfigError),
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
    /// A ConfigMap was to be written.
    fn configmap(&self, write: Write) {
        let _ = write;
    }
    /// The API server's version became known, or changed.
    fn version(&self, version: Version) {
        let _ = version;
    }
}

impl Observer for () {}

/// How often the API server's version is read again: a cluster is upgraded under a running Silkroll.
const VERSION_EVERY: Duration = Duration::from_secs(600);
/// How soon it is asked again after it did not answer.
const VERSION_RETRY: Duration = Duration::from_secs(5);

impl Cluster {
    /// Fills `namespaces`, keeps each of `files` where it is wanted, and reports the version.
    /// Ends only by an error; dropping the future stops everything.
    ///
    /// # Errors
    /// [`Error::Stopped`] when one of the tasks ended or panicked.
    pub async fn run(
        self,
        namespaces: Arc<Namespaces>,
        files: Vec<(Files, Wanted)>,
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
        tasks.spawn(follow_version(self, observer));
        Err(match tasks.join_next().await {
            Some(Ok(stopped)) => stopped,
            Some(Err(failure)) => Error::Stopped(failure.to_string()),
            None => Error::Stopped("nothing was started".to_owned()),
        })
    }
}

async fn follow_version(cluster: Cluster, observer: Arc<dyn Observer>) -> Error {
    let mut known = None;
    loop {
        match cluster.version().await {
            Ok(version) => {
                if known != Some(version) {
                    tracing::info!(%version, "the API server's version");
                    observer.version(version);
                    known = Some(version);
                }
                tokio::time::sleep(VERSION_EVERY).await;
            }
            Err(error) => {
                tracing::debug!(%error, "will ask again");
                tokio::time::sleep(VERSION_RETRY).await;
            }
        }
    }
}
