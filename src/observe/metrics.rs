//! Figures for `/metrics`.
//!
//! Labels are bounded: enums, or `&'static str` codes that the program itself has. The names of
//! namespaces and objects are in the log, never here.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{
    Admission, EndpointLabel, HookLabel, ListenerLabel, OutcomeLabel, ReasonLabel, ResultLabel,
    WhyLabel, WriteOutcome,
};

/// Seconds. An answer takes tens of microseconds, the API server's own histogram starts at 5 ms, and
/// beyond a second the webhook's timeout is near.
const DURATION_BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0,
];

/// Everything that Silkroll counts. One for a process; recording takes a shared reference.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    admissions: Family<Admission, Counter>,
    admission_duration: Histogram,
    dry_runs: Family<OutcomeLabel, Counter>,
    refused: Family<WhyLabel, Counter>,
    connections: Family<ListenerLabel, Gauge>,
    requests_in_flight: Family<EndpointLabel, Gauge>,
    certificate_not_after: Gauge,
    certificate_reloads: Family<ResultLabel, Counter>,
    ca_bundle_restored: Counter,
    namespaces: Gauge,
    namespaces_opted_in: Gauge,
    namespaces_stale_since: Gauge,
    configmap_writes: Family<ResultLabel, Counter>,
    configmaps: Family<HookLabel, Gauge>,
    audit_findings: Family<ReasonLabel, Gauge>,
    audit_runs: Family<ResultLabel, Counter>,
    audit_last_whole_run: Gauge,
    audit_duration: Gauge<f64, AtomicU64>,
    pub(super) log_lines_dropped: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Why a request was refused, where that is a defect: there is an alert on it.
    pub const PANIC: &str = "panic";

    /// What [`Metrics::text`] is written in.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Registers everything; each figure starts at 0.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::default()),
            admissions: Family::default(),
            admission_duration: Histogram::new(DURATION_BUCKETS),
            dry_runs: Family::default(),
            refused: Family::default(),
            connections: Family::default(),
            requests_in_flight: Family::default(),
            certificate_not_after: Gauge::default(),
            certificate_reloads: Family::default(),
            ca_bundle_restored: Counter::default(),
            namespaces: Gauge::default(),
            namespaces_opted_in: Gauge::default(),
            namespaces_stale_since: Gauge::default(),
            configmap_writes: Family::default(),
            configmaps: Family::default(),
            audit_findings: Family::default(),
            audit_runs: Family::default(),
            audit_last_whole_run: Gauge::default(),
            audit_duration: Gauge::default(),
            log_lines_dropped: Counter::default(),
        };
        // A series that appears with its first failure hides that failure from rate().
        for outcome in [WriteOutcome::Ok, WriteOutcome::Failed] {
            let label = ResultLabel {
                result: outcome.label(),
            };
            drop(metrics.certificate_reloads.get_or_create(&label));
            drop(metrics.configmap_writes.get_or_create(&label));
            drop(metrics.audit_runs.get_or_create(&label));
        }
        drop(
            metrics
                .refused
                .get_or_create(&WhyLabel { why: Self::PANIC }),
        );
        let mut registry = Registry::with_prefix("silkroll");
        metrics.register(&mut registry);
        *metrics
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "build",
            "The version of Silkroll that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "admissions",
            "Answered admission requests",
            self.admissions.clone(),
        );
        registry.register_with_unit(
            "admission_duration",
            "Time from an admission request's body to its answer",
            Unit::Seconds,
            self.admission_duration.clone(),
        );
        registry.register(
            "dry_runs",
            "Objects that the dry-run endpoint decided on",
            self.dry_runs.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests and connections refused before a decision",
            self.refused.clone(),
        );
        registry.register(
            "connections",
            "Connections open now",
            self.connections.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests with a body that are read or decided on now",
            self.requests_in_flight.clone(),
        );
        self.register_certificates(registry);
        registry.register(
            "namespaces",
            "Namespaces in the snapshot",
            self.namespaces.clone(),
        );
        registry.register(
            "namespaces_opted_in",
            "Namespaces that have opted in",
            self.namespaces_opted_in.clone(),
        );
        registry.register_with_unit(
            "namespaces_stale_since_timestamp",
            "Unix time since which namespaces cannot be watched, 0 while they are",
            Unit::Seconds,
            self.namespaces_stale_since.clone(),
        );
        registry.register(
            "configmap_writes",
            "Writes of the script's ConfigMap",
            self.configmap_writes.clone(),
        );
        registry.register(
            "configmaps",
            "ConfigMaps of this version that stand in namespaces, by what is in them",
            self.configmaps.clone(),
        );
        registry.register(
            "audit_findings",
            "Workloads, and Pods, that the last audit found not injected or injected with something outdated",
            self.audit_findings.clone(),
        );
        registry.register(
            "audit_runs",
            "Audits by this replica, and those of them that could not list everything",
            self.audit_runs.clone(),
        );
        registry.register_with_unit(
            "audit_last_whole_run_timestamp",
            "Unix time at which an audit by this replica last listed everything, 0 while none has",
            Unit::Seconds,
            self.audit_last_whole_run.clone(),
        );
        registry.register_with_unit(
            "audit_last_run_duration",
            "How long the last audit by this replica took",
            Unit::Seconds,
            self.audit_duration.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines lost because standard error took them too slowly, or not at all",
            self.log_lines_dropped.clone(),
        );
    }

    fn register_certificates(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "certificate_not_after_timestamp",
            "Unix time at which the served certificate expires, 0 while there is none",
            Unit::Seconds,
            self.certificate_not_after.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Certificates loaded from changed files or issued, and those refused or impossible to keep",
            self.certificate_reloads.clone(),
        );
        registry.register(
            "ca_bundle_restored",
            "Times that caBundle was put back after others had changed it",
            self.ca_bundle_restored.clone(),
        );
    }

    /// An admission request was answered. All labels are codes of the program's own (`&'static`):
    /// what a request claims to be cannot add series.
    pub fn admission(
        &self,
        operation: &'static str,
        kind: &'static str,
        outcome: &'static str,
        reason: &'static str,
        took: Duration,
    ) {
        self.admissions
            .get_or_create(&Admission {
                operation,
                kind,
                outcome,
                reason,
            })
            .inc();
        self.admission_duration.observe(took.as_secs_f64());
    }

    /// The dry-run endpoint decided on an object.
    pub fn dry_run(&self, outcome: &'static str) {
        self.dry_runs.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A request or connection was refused; `why` is a code such as `body-too-large`.
    pub fn refused(&self, why: &'static str) {
        self.refused.get_or_create(&WhyLabel { why }).inc();
    }

    /// A connection was accepted; it counts as open until the guard is dropped.
    #[must_use]
    pub fn connection(&self, listener: &'static str) -> Open {
        let gauge = self
            .connections
            .get_or_create_owned(&ListenerLabel { listener });
        gauge.inc();
        Open(gauge)
    }

    /// A request came; it counts as in flight until the guard is dropped.
    #[must_use]
    pub fn in_flight(&self, endpoint: &'static str) -> Open {
        let gauge = self
            .requests_in_flight
            .get_or_create_owned(&EndpointLabel { endpoint });
        gauge.inc();
        Open(gauge)
    }

    /// So many ConfigMaps with this in them stand.
    pub fn configmaps(&self, hook: &'static str, standing: usize) {
        let standing = i64::try_from(standing).unwrap_or(i64::MAX);
        self.configmaps
            .get_or_create(&HookLabel { hook })
            .set(standing);
    }

    /// The certificate served from now on expires at this Unix time.
    pub fn certificate_not_after(&self, unix_seconds: i64) {
        self.certificate_not_after.set(unix_seconds);
    }

    /// `caBundle` was put back.
    pub fn ca_bundle_restored(&self) {
        self.ca_bundle_restored.inc();
    }

    /// Changed certificate files were loaded or refused; one of our own was issued, or could not be kept.
    pub fn certificate_reload(&self, outcome: WriteOutcome) {
        self.certificate_reloads
            .get_or_create(&ResultLabel {
                result: outcome.label(),
            })
            .inc();
    }

    /// Namespaces can no longer be watched since this Unix time, in seconds; 0 when they are watched again.
    pub fn namespaces_stale_since(&self, unix_seconds: i64) {
        self.namespaces_stale_since.set(unix_seconds);
    }

    /// How many namespaces the snapshot has, and how many of them have opted in.
    pub fn namespaces(&self, known: usize, opted_in: usize) {
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.namespaces.set(gauge(known));
        self.namespaces_opted_in.set(gauge(opted_in));
    }

    /// The script's ConfigMap was written somewhere, or could not be.
    pub fn configmap_write(&self, outcome: WriteOutcome) {
        self.configmap_writes
            .get_or_create(&ResultLabel {
                result: outcome.label(),
            })
            .inc();
    }

    /// An audit ended at this Unix time: so many were found for each reason, a code of the program's own. All reasons are
    /// named each time, those with none, too.
    pub fn audited(
        &self,
        outcome: WriteOutcome,
        took: Duration,
        now: i64,
        found: impl Iterator<Item = (&'static str, u64)>,
    ) {
        let result = outcome.label();
        self.audit_runs.get_or_create(&ResultLabel { result }).inc();
        self.audit_duration.set(took.as_secs_f64());
        if outcome == WriteOutcome::Ok {
            self.audit_last_whole_run.set(now);
        }
        for (reason, count) in found {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.audit_findings
                .get_or_create(&ReasonLabel { reason })
                .set(count);
        }
    }

    /// Another replica audits: what this one found is of before.
    pub fn audit_elsewhere(&self) {
        self.audit_findings.clear();
    }

    /// All figures as `OpenMetrics` text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if encode(&mut text, &registry).is_err() {
            // A String takes every write; an encoder that fails all the same must not be silent.
            tracing::error!("the metrics could not be written as text");
        }
        text
    }
}

/// An open connection, or a request in flight, in the figures.
#[derive(Debug)]
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_in_the_text_with_its_value() {
        let metrics = Metrics::new();
        let none = "silkroll_requests_refused_total{why=\"panic\"} 0";
        assert!(metrics.text().lines().any(|line| line == none));
        let took = Duration::from_micros(80);
        metrics.admission("CREATE", "Deployment", "injected", "ok", took);
        metrics.dry_run("rejected");
        metrics.refused("panic");
        metrics.certificate_not_after(1_900_000_000);
        metrics.certificate_reload(WriteOutcome::Ok);
        metrics.ca_bundle_restored();
        metrics.namespaces(12, 3);
        metrics.namespaces_stale_since(1_700_000_000);
        metrics.configmap_write(WriteOutcome::Failed);
        let found = [("not-injected", 2)].into_iter();
        metrics.audited(WriteOutcome::Ok, took, 1_800_000_000, found);
        metrics.configmaps("script", 7);
        let open = metrics.connection("webhook");
        let flying = metrics.in_flight("mutate");
        let text = metrics.text();
        for line in [
            concat!(
                "silkroll_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "silkroll_admissions_total{operation=\"CREATE\",kind=\"Deployment\",outcome=\"injected\",reason=\"ok\"} 1",
            "silkroll_admission_duration_seconds_bucket{le=\"0.00005\"} 0",
            "silkroll_admission_duration_seconds_bucket{le=\"0.0001\"} 1",
            "silkroll_admission_duration_seconds_bucket{le=\"+Inf\"} 1",
            "silkroll_dry_runs_total{outcome=\"rejected\"} 1",
            "silkroll_requests_refused_total{why=\"panic\"} 1",
            "silkroll_connections{listener=\"webhook\"} 1",
            "silkroll_certificate_not_after_timestamp_seconds 1900000000",
            "silkroll_certificate_reloads_total{result=\"ok\"} 1",
            "silkroll_certificate_reloads_total{result=\"failed\"} 0",
            "silkroll_ca_bundle_restored_total 1",
            "silkroll_namespaces 12",
            "silkroll_namespaces_opted_in 3",
            "silkroll_namespaces_stale_since_timestamp_seconds 1700000000",
            "silkroll_configmap_writes_total{result=\"failed\"} 1",
            "silkroll_requests_in_flight{endpoint=\"mutate\"} 1",
            "silkroll_configmaps{hook=\"script\"} 7",
            "silkroll_audit_findings{reason=\"not-injected\"} 2",
            "silkroll_audit_runs_total{result=\"ok\"} 1",
            "silkroll_audit_last_whole_run_timestamp_seconds 1800000000",
            "silkroll_audit_last_run_duration_seconds 0.00008",
            "silkroll_log_lines_dropped_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        metrics.audit_elsewhere();
        assert!(!metrics.text().contains("silkroll_audit_findings{"));
        drop((open, flying));
        assert!(
            metrics
                .text()
                .contains("silkroll_connections{listener=\"webhook\"} 0")
        );
    }
}
