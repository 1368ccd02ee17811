//! The cluster side of Silkroll, run as a process would run it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use silkroll::cluster::{Cluster, Files, Notes, Observer, Version, Wanted, Write};
use silkroll::snapshot::Namespaces;

use super::ControlPlane;

/// The cluster side as a process would run it. Stops when dropped.
pub(crate) struct Side {
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) task: tokio::task::JoinHandle<silkroll::cluster::Error>,
}

#[derive(Default)]
pub(crate) struct Seen {
    writes: Mutex<Vec<Write>>,
    pub(crate) version: Mutex<Option<Version>>,
    pub(crate) version_unknown: AtomicBool,
    /// The nodes' architecture, each time that it was told; `none` where they have no common one.
    pub(crate) archs: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn configmap(&self, write: Write) {
        self.writes.lock().unwrap().push(write);
    }
    fn version(&self, version: Version) {
        *self.version.lock().unwrap() = Some(version);
    }
    fn node_arch(&self, arch: Option<&str>) {
        let arch = arch.unwrap_or("none").to_owned();
        self.archs.lock().unwrap().push(arch);
    }
    fn version_unknown(&self) {
        self.version_unknown.store(true, Ordering::SeqCst);
    }
}

impl Side {
    pub(crate) async fn start(kubeconfig: &Path, script: &Files) -> Self {
        Self::start_with(kubeconfig, script, Wanted::Everywhere).await
    }

    pub(crate) async fn start_with(kubeconfig: &Path, files: &Files, wanted: Wanted) -> Self {
        Self::start_noting(kubeconfig, files, wanted, None).await
    }

    pub(crate) async fn start_noting(
        kubeconfig: &Path,
        files: &Files,
        wanted: Wanted,
        notes: Option<Notes>,
    ) -> Self {
        let cluster = Cluster::with_config(super::config(kubeconfig).await).unwrap();
        let namespaces = Arc::new(Namespaces::new());
        let seen = Arc::new(Seen::default());
        let run = cluster.run(
            Arc::clone(&namespaces),
            vec![(files.clone(), wanted)],
            notes,
            Arc::clone(&seen) as _,
        );
        let task = tokio::spawn(async move {
            match run.await {
                Err(error) => error,
            }
        });
        Self {
            namespaces,
            seen,
            task,
        }
    }

    pub(crate) fn writes(&self) -> Vec<Write> {
        self.seen.writes.lock().unwrap().clone()
    }

    pub(crate) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Each test keeps a ConfigMap of its own name, so they do not meet on the shared control plane.
pub(crate) fn script(name: &str) -> Files {
    Files {
        name: name.to_owned(),
        data: BTreeMap::from([("silkroll.sh".to_owned(), "#!/bin/sh\nexit 0\n".to_owned())]),
        ..Files::default()
    }
}

pub(crate) fn namespace(plane: &ControlPlane, name: &str, inject: Option<&str>) {
    let annotations = inject.map(|value| serde_json::json!({"silkroll.dev/inject": value}));
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "annotations": annotations},
    });
    plane.ok(&["create", "-f", "-"], &namespace.to_string());
}
