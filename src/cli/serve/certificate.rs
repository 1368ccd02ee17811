//! The certificate that is served: from files that are watched, one that is made at the start, or Silkroll's own in a
//! cluster.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::args::Args;
use crate::cli::heard::tell;
use crate::cli::supervise::Tasks;
use crate::cluster::{Certificate, Certificates, Cluster};
use crate::observe::Metrics;
use crate::observe::labels::WriteOutcome;
use crate::server::admin::{Condition, Readiness};
use crate::tls::check::{self, Files};
use crate::tls::date;
use crate::tls::issue::Authority;
use crate::tls::reload::{CertificateSlot, POLL, Reloader};

/// Days that a certificate of `--standalone` is for: it is made anew at each start.
const STANDALONE_DAYS: u32 = 30;

/// Between two looks at certificates that last seconds.
const SHORT_LOOK: Duration = Duration::from_secs(1);

/// What handshakes are served from; a task watches the files.
pub(super) fn certificate(
    args: &Args,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
    tasks: &mut Tasks,
    cluster: Option<&Cluster>,
) -> anyhow::Result<Arc<CertificateSlot>> {
    let condition = readiness.condition("certificate", "no usable certificate has been loaded yet");
    let slot = CertificateSlot::empty();
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        let names = names(args);
        let metrics = Arc::clone(metrics);
        let report = move |event| tell(&event, &metrics, &condition);
        let mut reloader = Reloader::new(cert, key, names, Arc::clone(&slot), report);
        // The first look is now: a certificate of no use is in the log before the first request.
        reloader.poll(date::now());
        tasks.spawn("the watch of the certificate", async move {
            reloader.run(POLL).await;
            Ok(())
        });
    } else if args.standalone {
        let now = date::now();
        let authority = Authority::new(now, STANDALONE_DAYS)?;
        let dns = ["localhost".to_owned()];
        let ips = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let leaf = authority.leaf(&dns, &ips, now, STANDALONE_DAYS)?;
        let files = Files {
            cert: "the certificate".to_owned(),
            key: "its key".to_owned(),
        };
        let pair = check::check(
            &files,
            leaf.cert_pem.as_bytes(),
            leaf.key_pem.as_bytes(),
            &[],
            now,
        )?;
        slot.set(&pair);
        metrics.certificate_not_after(pair.not_after());
        condition.set(true);
    } else if let Some(cluster) = cluster {
        keep_own(args, cluster.clone(), &slot, metrics, condition, tasks);
    }
    Ok(slot)
}

/// Certificates that Silkroll keeps by itself; the log and readiness say how it goes.
fn keep_own(
    args: &Args,
    cluster: Cluster,
    slot: &Arc<CertificateSlot>,
    metrics: &Arc<Metrics>,
    condition: Condition,
    tasks: &mut Tasks,
) {
    let home = super::own_namespace();
    let mut names = names(args);
    if args.tls_name.is_empty() {
        names.push(format!("{}.{home}.svc.cluster.local", args.service));
        // The near end of `kubectl port-forward`.
        names.push("localhost".to_owned());
    }
    let mut certificates = Certificates::new(
        home,
        args.ca_secret.clone(),
        args.webhook_configuration.clone(),
        names.clone(),
    );
    if let Some(lifetimes) = args.own_lifetimes {
        certificates.lifetimes = lifetimes;
        certificates.look = SHORT_LOOK;
    }
    let metrics = Arc::clone(metrics);
    let report = move |event| match event {
        Certificate::Served { not_after } => {
            metrics.certificate_reload(WriteOutcome::Ok);
            metrics.certificate_not_after(not_after);
            tracing::info!(not_after, names = names.join(" "), "certificate issued");
        }
        Certificate::Trusted => condition.set(true),
        Certificate::Untrusted(why) => condition.wait(why),
        Certificate::Unwritten => metrics.certificate_reload(WriteOutcome::Failed),
        Certificate::Restored => metrics.ca_bundle_restored(),
    };
    let slot = Arc::clone(slot);
    tasks.spawn("the watch of the certificate", async move {
        Err(cluster
            .keep_certificates(certificates, slot, report)
            .await
            .into())
    });
}

/// The API server calls `NAME.NAMESPACE.svc`; in a pod the namespace is known.
fn names(args: &Args) -> Vec<String> {
    if !args.tls_name.is_empty() || args.standalone {
        return args.tls_name.clone();
    }
    vec![format!("{}.{}.svc", args.service, super::own_namespace())]
}
