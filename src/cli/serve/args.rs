//! What `silkroll serve` is told on the command line.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::{engine, object_name};
use crate::tls::name;
use crate::tls::own::Lifetimes;

/// The port of probes and metrics, where none is named.
const ADMIN_PORT: u16 = 8080;

/// Run the webhook over HTTPS, with the dry-run endpoint, probes and metrics.
///
/// The cluster is found as kubectl finds it: KUBECONFIG, or the pod's own account. `--standalone`
/// needs no cluster: certificates of its own unless files are given, namespaces from a file.
#[derive(Debug, clap::Args)]
#[group(id = "serve")]
#[command(after_help = "Try it without a cluster:
    silkroll serve --standalone --namespaces examples/namespaces.yaml --listen 127.0.0.1:8443
    curl -k --data-binary @examples/nginx.yaml 'https://127.0.0.1:8443/dry-run?output=diff'")]
pub struct Args {
    /// Where to serve /mutate and /dry-run over HTTPS, as ADDRESS:PORT or :PORT
    #[arg(long, value_name = "ADDRESS", default_value = ":8443", value_parser = address)]
    pub(super) listen: SocketAddr,

    /// Where to serve /dry-run instead: ADDRESS:PORT, :PORT for 127.0.0.1 alone (a CI job reaches it by
    /// `kubectl port-forward`), or `off`. It shows anyone who reaches it what a namespace's annotations
    /// bring, names of Secrets included [default: on the webhook's port]
    #[arg(long, value_name = "ADDRESS", value_parser = dry_run_listen)]
    pub(super) dry_run_listen: Option<DryRunListen>,

    /// Where to serve /livez, /readyz and /metrics in the clear
    /// [default: :8080, and where --listen is on loopback, port 8080 of the same address]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    admin_listen: Option<SocketAddr>,

    /// The certificate chain to serve with (PEM); read again when its content changes. Without one Silkroll keeps
    /// certificates of its own: a CA in a Secret, and `caBundle` in the webhook configuration
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,

    /// Names that the certificate must be for; may be given several times
    /// [default: SERVICE.NAMESPACE.svc in a cluster, any name with --standalone]
    #[arg(long, value_name = "NAME", value_parser = tls_name)]
    pub(super) tls_name: Vec<String>,

    /// Without --tls-cert: the Secret in Silkroll's own namespace that keeps its CA; made where there is none, never
    /// written over where it holds anything else
    #[arg(long, value_name = "NAME", default_value = "silkroll-own-ca", value_parser = object_name)]
    pub(super) ca_secret: String,

    /// Without --tls-cert: the webhook configuration whose `caBundle` is kept
    #[arg(long, value_name = "NAME", default_value = "silkroll", value_parser = object_name)]
    pub(super) webhook_configuration: String,

    /// How long Silkroll's own certificates last, in seconds: for tests, in which years are to pass in minutes
    #[arg(long, hide = true, value_name = "CA,LEAF,SETTLE", conflicts_with = "tls_cert", value_parser = lifetimes)]
    pub(super) own_lifetimes: Option<Lifetimes>,

    /// The Service by which the API server calls. Its Lease and its notes in its own namespace are called by it, so that
    /// there may be another Silkroll
    #[arg(long, value_name = "NAME", default_value = "silkroll", value_parser = object_name)]
    pub(super) service: String,

    /// Serve without a cluster
    #[arg(long)]
    pub(super) standalone: bool,

    /// With --standalone: Namespace manifests, as `kubectl get namespaces -o yaml` prints them
    #[arg(long, value_name = "FILE", requires = "standalone")]
    pub(super) namespaces: Option<PathBuf>,

    /// Seconds to go on serving after SIGTERM, SIGINT or SIGHUP: the API server uses its connections on.
    /// With 12 s more and the preStop hook they must fit in the pod's grace period. A second signal ends
    /// the process at once, with exit code 128 and its number
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = drain_seconds)]
    pub(super) drain_seconds: u64,

    /// Seconds between two looks at what is stored: workloads of namespaces that opted in which are not injected, or
    /// with something outdated, are told in the log, by Events and as metrics. One replica looks; 0: none does
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = audit_interval)]
    pub(super) audit_interval: u64,

    /// How log lines look
    #[arg(long, value_enum, default_value = "json")]
    pub(super) log_format: LogFormat,

    /// error, warn, info, debug or trace; or one for each part, as in `info,silkroll::tls=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: String,

    #[command(flatten)]
    pub(super) engine: engine::Args,
}

impl Args {
    /// Who takes the webhook to loopback wants nothing of it to be reached from elsewhere.
    pub(super) fn admin_listen(&self) -> SocketAddr {
        let ip = self.listen.ip();
        let ip = if ip.is_loopback() {
            ip
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        self.admin_listen.unwrap_or(SocketAddr::new(ip, ADMIN_PORT))
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    Json,
    Text,
}

/// Where the dry run is served, if not on the webhook's port.
#[derive(Debug, Clone, Copy)]
pub(super) enum DryRunListen {
    Off,
    On(SocketAddr),
}

/// `:8444` means loopback: what reaches further has to be written out.
fn dry_run_listen(text: &str) -> Result<DryRunListen, String> {
    match with_host(text, "127.0.0.1").parse() {
        _ if text == "off" => Ok(DryRunListen::Off),
        Ok(address) => Ok(DryRunListen::On(address)),
        Err(_) => Err(
            "expected is off, :PORT for 127.0.0.1, or an IP address and a port, like 0.0.0.0:8444"
                .to_owned(),
        ),
    }
}

/// `:8443` means every address, IPv6 included.
fn address(text: &str) -> Result<SocketAddr, String> {
    with_host(text, "[::]").parse().map_err(|_| {
        "expected is an IP address and a port, like 127.0.0.1:8443, or :8443".to_owned()
    })
}

/// Completes `:PORT`.
fn with_host(text: &str, host: &str) -> String {
    match text.strip_prefix(':') {
        Some(port) => format!("{host}:{port}"),
        None => text.to_owned(),
    }
}

/// One that no certificate can have would refuse every one.
fn tls_name(text: &str) -> Result<String, String> {
    name::any(text).map(|()| text.to_owned())
}

/// Three times, none of them nothing: a CA, a serving certificate, and from a CA's publication to its use.
fn lifetimes(text: &str) -> Result<Lifetimes, String> {
    let seconds: Option<Vec<i64>> = text.split(',').map(|part| part.parse().ok()).collect();
    match seconds.as_deref() {
        Some(&[ca, leaf, settle]) if 0 < settle && settle < leaf && leaf < ca => {
            Ok(Lifetimes { ca, leaf, settle })
        }
        _ => Err("expected are three numbers of seconds, each less than the one before".to_owned()),
    }
}

/// An hour is longer than any pod's grace period is in earnest.
fn drain_seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 3600);
    seconds.ok_or_else(|| "expected is a whole number of seconds, 0 to 3600".to_owned())
}

/// What is rarer than once a day finds a miss when it is of no use any more.
fn audit_interval(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 86_400);
    seconds.ok_or_else(|| "expected is a whole number of seconds, 0 (never) to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn probes_and_metrics_stay_on_loopback_where_the_webhook_does() {
        for (flags, expected) in [
            (&[][..], "[::]:8080"),
            (&["--listen", ":8443"], "[::]:8080"),
            (&["--listen", "192.0.2.1:8443"], "[::]:8080"),
            (&["--listen", "127.0.0.1:8443"], "127.0.0.1:8080"),
            (&["--listen", "[::1]:0"], "[::1]:8080"),
            (
                &["--listen", "127.0.0.1:0", "--admin-listen", ":9090"],
                "[::]:9090",
            ),
        ] {
            let command = Args::augment_args(Command::new("serve").no_binary_name(true));
            let matches = command.try_get_matches_from(flags).unwrap();
            let args = Args::from_arg_matches(&matches).unwrap();
            assert_eq!(args.admin_listen().to_string(), expected, "{flags:?}");
        }
    }
}
