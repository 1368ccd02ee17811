//! The certificate that is served: from files that are watched, or one that is made at the start.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::bail;

use super::args::Args;
use crate::cli::heard::tell;
use crate::cli::supervise::Tasks;
use crate::observe::Metrics;
use crate::server::admin::Readiness;
use crate::tls::check::{self, Files};
use crate::tls::date;
use crate::tls::issue::Authority;
use crate::tls::reload::{POLL, Reloader, Slot};

/// Days that a certificate of `--standalone` is for: it is made anew at each start.
const STANDALONE_DAYS: u32 = 30;

/// What handshakes are served from; a task watches the files.
pub(super) fn certificate(
    args: &Args,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
    tasks: &mut Tasks,
) -> anyhow::Result<Arc<Slot>> {
    let condition = readiness.condition("certificate", "no usable certificate has been loaded yet");
    let slot = Slot::empty();
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
    } else {
        bail!(
            "--tls-cert and --tls-key are missing: make them with `silkroll certs` (its --help has the commands \
             for a cluster), or use --standalone for a trial without a cluster"
        );
    }
    Ok(slot)
}

/// The API server calls `NAME.NAMESPACE.svc`; in a pod the namespace is known.
fn names(args: &Args) -> Vec<String> {
    if !args.tls_name.is_empty() || args.standalone {
        return args.tls_name.clone();
    }
    vec![format!("silkroll.{}.svc", super::own_namespace())]
}
