//! What the cluster side and the certificates report while `silkroll serve` runs: for readiness, metrics, the log and
//! the engine's settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cluster::{self, Audited, Version, Write};
use crate::deregister::Arch;
use crate::engine::Settings;
use crate::observe::Metrics;
use crate::observe::labels::WriteOutcome;
use crate::server::admin::Condition;
use crate::server::routes::App;
use crate::text::shown;
use crate::tls::date;
use crate::tls::reload::Event;

/// How much of a certificate's names the log shows, in characters: it may have thousands.
const NAMES: usize = 500;

/// A certificate was loaded, refused, or nears its end.
pub(super) fn tell(event: &Event, metrics: &Metrics, condition: &Condition) {
    match event {
        Event::Loaded { not_after, names } => {
            metrics.certificate_reload(WriteOutcome::Ok);
            metrics.certificate_not_after(*not_after);
            condition.set(true);
            let names = shown(&names.join(" "), NAMES).into_owned();
            tracing::info!(not_after, names, "certificate loaded");
        }
        Event::Refused { serving, reason } => {
            metrics.certificate_reload(WriteOutcome::Failed);
            let so = if *serving {
                "the one loaded before stays in use"
            } else {
                "there is none to serve with, so every call fails"
            };
            tracing::error!("certificate refused; {so}: {reason}");
        }
        Event::Expiring { not_after, days } if *days < 0 => {
            tracing::error!(
                not_after,
                days,
                "the certificate expired {}, callers refuse it; put a new one in its place",
                date::ago(*not_after, date::now())
            );
        }
        Event::Expiring { not_after, days } => {
            tracing::warn!(
                not_after,
                days,
                "the certificate expires soon; put a new one in its place"
            );
        }
    }
}

/// What the cluster side does, for readiness, metrics and the engine's settings.
pub(super) struct Observer {
    app: Arc<App>,
    known: Condition,
    /// None where the version was given.
    version: Option<Condition>,
    /// None where the nodes' architecture was given.
    nodes: Option<Condition>,
    /// The version is known, or was given.
    complete: Arc<AtomicBool>,
}

impl Observer {
    /// `version` is the condition that the version is known or given up, `nodes` that of their architecture; none where
    /// it was given by flag.
    pub(super) fn new(
        app: Arc<App>,
        known: Condition,
        version: Option<Condition>,
        nodes: Option<Condition>,
    ) -> Self {
        let complete = Arc::new(AtomicBool::new(version.is_none()));
        let observer = Self {
            app,
            known,
            version,
            nodes,
            complete,
        };
        // An older API server denies a Deployment with the native sleep; the script is right with all of them.
        observer.native_sleep(false);
        observer
    }

    /// Whether the engine's settings are those of this cluster: until its version is known, they are those of an old one.
    pub(super) fn complete(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.complete)
    }

    fn native_sleep(&self, native_sleep: bool) {
        if self.version.is_some() {
            self.change(|settings| settings.native_sleep = native_sleep);
        }
    }

    fn change(&self, set: impl Fn(&mut Settings)) {
        self.app.settings.rcu(|settings| {
            let mut settings = (**settings).clone();
            set(&mut settings);
            settings
        });
    }

    fn ready(&self) {
        if let Some(version) = &self.version {
            version.set(true);
        }
    }
}

impl cluster::Observer for Observer {
    fn namespaces(&self, known: usize, opted_in: usize) {
        self.app.metrics.namespaces(known, opted_in);
        self.known.set(true);
    }

    fn configmap(&self, write: Write) {
        match write {
            Write::Failed => self.app.metrics.configmap_write(WriteOutcome::Failed),
            _ => self.app.metrics.configmap_write(WriteOutcome::Ok),
        }
    }

    fn standing(&self, hook: &'static str, standing: usize) {
        self.app.metrics.configmaps(hook, standing);
    }

    fn version(&self, version: Version) {
        self.native_sleep(version.has_native_sleep());
        self.complete.store(true, Ordering::Relaxed);
        self.ready();
    }

    fn node_arch(&self, arch: Option<&str>) {
        if let Some(nodes) = &self.nodes {
            self.change(|settings| settings.node_arch = arch.and_then(Arch::parse));
            nodes.set(true);
        }
    }

    fn audited(&self, audited: &Audited) {
        let found = audited.found.iter();
        let found = found.map(|(reason, count)| (*reason, *count));
        let outcome = if audited.whole {
            WriteOutcome::Ok
        } else {
            WriteOutcome::Failed
        };
        let metrics = &self.app.metrics;
        metrics.audited(outcome, audited.took, date::now(), found);
    }

    fn namespaces_watched(&self, watched: bool) {
        let since = if watched { 0 } else { date::now() };
        self.app.metrics.namespaces_stale_since(since);
    }

    fn audit_elsewhere(&self) {
        self.app.metrics.audit_elsewhere();
    }

    fn version_unknown(&self) {
        if self.version.is_some() {
            tracing::warn!(
                "the API server's version is still unknown: serving as if it had no native sleep, so hooks are the \
                 script and need a shell; --kubernetes-version says it"
            );
        }
        self.ready();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Observer as _;
    use crate::server::admin::Readiness;
    use crate::snapshot::Namespaces;

    fn app() -> Arc<App> {
        let namespaces = Arc::new(Namespaces::new());
        Arc::new(App::new(Settings::default(), namespaces, Arc::default()))
    }

    #[test]
    fn until_the_version_is_known_the_script_is_used_and_readiness_waits_a_while() {
        let new = Version {
            major: 1,
            minor: 30,
        };
        let old = Version { minor: 29, ..new };
        let (app, readiness) = (app(), Readiness::default());
        let version = readiness.condition("version", "");
        let known = Readiness::default().condition("namespaces", "");
        let observer = Observer::new(Arc::clone(&app), known, Some(version), None);
        let native = || app.settings.load().native_sleep;
        assert_eq!((native(), readiness.report().0), (false, false));
        observer.version_unknown();
        assert_eq!((native(), readiness.report().0), (false, true));
        for (version, expected) in [(new, true), (old, false), (new, true)] {
            observer.version(version);
            assert_eq!((native(), readiness.report().0), (expected, true));
        }
    }

    #[test]
    fn a_version_that_was_given_stays() {
        let app = app();
        let known = Readiness::default().condition("namespaces", "");
        let observer = Observer::new(Arc::clone(&app), known, None, None);
        observer.version(Version {
            major: 1,
            minor: 20,
        });
        observer.version_unknown();
        assert!(app.settings.load().native_sleep);
    }

    #[test]
    fn the_nodes_architecture_is_what_was_said_last_and_readiness_waits_for_the_first_word() {
        let (app, readiness) = (app(), Readiness::default());
        let nodes = readiness.condition("nodes", "");
        let known = Readiness::default().condition("namespaces", "");
        let observer = Observer::new(Arc::clone(&app), known, None, Some(nodes));
        assert!(!readiness.report().0);
        for (said, arch) in [
            (None, None),
            (Some("arm64"), Some(Arch::Arm64)),
            // No helper is built for it.
            (Some("s390x"), None),
        ] {
            observer.node_arch(said);
            assert_eq!(
                (app.settings.load().node_arch, readiness.report().0),
                (arch, true)
            );
        }
    }
}
