//! `silkroll serve`: everything is put together here, and nowhere else.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::engine;
use super::heard::{Observer, tell};
use super::signals::Signals;
use super::supervise::Tasks;
use crate::cluster::{Cluster, Notes, Wanted};
use crate::observe::Metrics;
use crate::observe::logs::{self, Format};
use crate::server::admin::{self, Readiness};
use crate::server::limits::Limits;
use crate::server::listener::{BACKLOG, Listener};
use crate::server::routes::{self, App, DryRun};
use crate::snapshot::Namespaces;
use crate::tls::check::{self, Files};
use crate::tls::issue::Authority;
use crate::tls::reload::{Reloader, Slot};
use crate::tls::{config, date, name};

/// The kubelet brings a changed Secret after 30 to 100 s; ten more do not matter.
const CERTIFICATE_POLL: Duration = Duration::from_secs(10);
/// How long the end waits for what still computes, a dry run or a slow disk: nobody waits for it.
const LAST: Duration = Duration::from_secs(1);
/// Days that a certificate of `--standalone` is for: it is made anew at each start.
const STANDALONE_DAYS: u32 = 30;

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
    listen: SocketAddr,

    /// Where to serve /dry-run instead: ADDRESS:PORT, :PORT for 127.0.0.1 alone (a CI job reaches it by
    /// `kubectl port-forward`), or `off`. It shows anyone who reaches it what a namespace's annotations
    /// bring, names of Secrets included [default: on the webhook's port]
    #[arg(long, value_name = "ADDRESS", value_parser = dry_run_listen)]
    dry_run_listen: Option<DryRunListen>,

    /// Where to serve /livez, /readyz and /metrics in the clear
    #[arg(long, value_name = "ADDRESS", default_value = ":8080", value_parser = address)]
    admin_listen: SocketAddr,

    /// The certificate chain to serve with (PEM); read again when its content changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Names that the certificate must be for; may be given several times
    /// [default: silkroll.NAMESPACE.svc in a cluster, any name with --standalone]
    #[arg(long, value_name = "NAME", value_parser = tls_name)]
    tls_name: Vec<String>,

    /// Serve without a cluster
    #[arg(long)]
    standalone: bool,

    /// With --standalone: Namespace manifests, as `kubectl get namespaces -o yaml` prints them
    #[arg(long, value_name = "FILE", requires = "standalone")]
    namespaces: Option<PathBuf>,

    /// Seconds to go on serving after SIGTERM, SIGINT or SIGHUP: the API server uses its connections on.
    /// With 12 s more and the preStop hook they must fit in the pod's grace period. A second signal ends
    /// the process at once, with exit code 128 and its number
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = drain_seconds)]
    drain_seconds: u64,

    /// How log lines look
    #[arg(long, value_enum, default_value = "json")]
    log_format: LogFormat,

    /// error, warn, info, debug or trace; or one for each part, as in `info,silkroll::tls=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,

    #[command(flatten)]
    engine: engine::Args,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Clone, Copy)]
enum DryRunListen {
    Off,
    On(SocketAddr),
}

/// `:8444` means loopback: what reaches further has to be written out.
fn dry_run_listen(text: &str) -> Result<DryRunListen, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    match full.parse() {
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
    let full = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => text.to_owned(),
    };
    full.parse().map_err(|_| {
        "expected is an IP address and a port, like 127.0.0.1:8443, or :8443".to_owned()
    })
}

/// One that no certificate can have would refuse every one.
fn tls_name(text: &str) -> Result<String, String> {
    name::any(text).map(|()| text.to_owned())
}

/// An hour is longer than any pod's grace period is in earnest.
fn drain_seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 3600);
    seconds.ok_or_else(|| "expected is a whole number of seconds, 0 to 3600".to_owned())
}

/// Serves until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// What keeps it from starting, or which part of it ended.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let format = match args.log_format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    let metrics = Arc::new(Metrics::new());
    // Dropped last: what the end has to say is written.
    let _log = logs::init(format, &args.log_level, &metrics)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let result = runtime.block_on(serve(args, metrics));
    runtime.shutdown_timeout(LAST);
    result
}

const WEBHOOK: &str = "the webhook's listener";
const ADMIN: &str = "the admin listener";
const DRY_RUN: &str = "the dry run's listener";

async fn serve(args: &Args, metrics: Arc<Metrics>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let mut running = tokio::select! {
        running = start(args, metrics) => running?,
        came = signals.next() => {
            tracing::info!("{} before anything was served", came.name);
            return Ok(ExitCode::from(came.exit_code()));
        }
    };
    let failed = tokio::select! {
        came = signals.next() => {
            tracing::info!("{}", came.name);
            None
        }
        ended = running.tasks.next() => {
            let name = ended.name;
            let error = ended.too_early();
            tracing::error!("stopping: {error:#}");
            Some((name, error))
        }
    };
    let end = end(running, failed);
    tokio::select! {
        result = end => result.map(|()| ExitCode::SUCCESS),
        came = signals.next() => {
            tracing::warn!("{} while draining: ending now", came.name);
            Ok(ExitCode::from(came.exit_code()))
        }
    }
}

/// What runs, and how it is told to stop: by dropping the senders.
struct Running {
    tasks: Tasks,
    /// In the order in which they end.
    listeners: Vec<(&'static str, oneshot::Sender<()>)>,
}

/// Lets the listeners drain and end; with the error for which it all ends, where there is one.
async fn end(
    running: Running,
    failed: Option<(&'static str, anyhow::Error)>,
) -> anyhow::Result<()> {
    let Running {
        mut tasks,
        listeners,
    } = running;
    let mut ended = vec![];
    let mut first = failed.map(|(name, error)| {
        ended.push(name);
        error
    });
    for (name, stop) in listeners {
        drop(stop);
        while !ended.contains(&name) {
            let task = tasks.next().await;
            ended.push(task.name);
            if task.name == name && task.result.is_ok() {
                continue;
            }
            let error = task.too_early();
            tracing::error!("while stopping: {error:#}");
            first.get_or_insert(error);
        }
    }
    first.map_or(Ok(()), Err)
}

/// Finds everything that can be wrong, then starts all parts.
async fn start(args: &Args, metrics: Arc<Metrics>) -> anyhow::Result<Running> {
    // Everything that can be wrong at start is found before a port is open.
    let settings = args.engine.settings()?;
    let readiness = Readiness::default();
    let https = bind(args.listen, "--listen")?;
    let plain = bind(args.admin_listen, "--admin-listen")?;
    let dry_run = bind_dry_run(args)?;
    let mut tasks = Tasks::default();

    let slot = certificate(args, &readiness, &metrics, &mut tasks)?;
    let known = readiness.condition("namespaces", "the namespaces have not been listed yet");
    let namespaces = Arc::new(match (&args.namespaces, args.standalone) {
        (Some(path), _) => {
            let (namespaces, warnings) = engine::namespaces(path)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            namespaces
        }
        (None, true) => Namespaces::from_manifests(&[])?,
        (None, false) => Namespaces::new(),
    });
    metrics.namespaces(namespaces.len(), namespaces.served());
    known.set(namespaces.synced());
    let app = Arc::new(App::new(
        settings,
        Arc::clone(&namespaces),
        Arc::clone(&metrics),
    ));
    if !args.standalone {
        let version =
            args.engine.kubernetes_version.is_none().then(|| {
                readiness.condition("version", "the API server's version is not known yet")
            });
        let observer = Observer::new(Arc::clone(&app), known, version);
        let cluster = Cluster::connect().await?;
        tracing::info!(url = cluster.url(), "cluster");
        let helper = if helper_everywhere(&app.settings.load()) {
            Wanted::Everywhere
        } else {
            Wanted::Where(HOOK.0, HOOK.1, Arc::clone(&app.asked))
        };
        let files = vec![
            (engine::script(), Wanted::Everywhere),
            (engine::helper(), helper),
        ];
        let notes = Notes::new(own_namespace(), Arc::clone(&app.asked));
        let run = cluster.run(namespaces, files, Some(notes), Arc::new(observer));
        tasks.spawn("the cluster side", async { match run.await? {} });
    }

    tracing::info!(
        listen = %https.local_addr()?,
        admin_listen = %plain.local_addr()?,
        version = env!("CARGO_PKG_VERSION"),
        standalone = args.standalone,
        "serving"
    );
    let defaults = Limits::default();
    let tls = config::server_config(slot)?;
    let dry_run = match dry_run {
        Some(socket) => Some(dry_run_listener(socket, &tls, &app, &metrics)?),
        None => None,
    };
    let place = args
        .dry_run_listen
        .map_or(DryRun::Here, |_| DryRun::NotHere);
    let webhook = Listener {
        name: "webhook",
        socket: https,
        tls: Some(tls),
        app: routes::router(app, place),
        limits: Limits {
            connections: connections(defaults.connections),
            drain: Duration::from_secs(args.drain_seconds),
            ..defaults
        },
        metrics: Arc::clone(&metrics),
    };
    let admin = Listener {
        name: "admin",
        socket: plain,
        tls: None,
        app: admin::router(readiness, Arc::clone(&metrics)),
        limits: Limits::admin(),
        metrics,
    };
    let mut listeners = vec![];
    // The admin listener goes last, so that the kubelet's probes are answered while the webhook drains.
    let all = dry_run.map(|listener| (DRY_RUN, listener)).into_iter();
    for (name, listener) in all.chain([(WEBHOOK, webhook), (ADMIN, admin)]) {
        let (stop, stopping) = oneshot::channel();
        tasks.spawn(name, async { Ok(listener.run(told(stopping)).await?) });
        listeners.push((name, stop));
    }
    Ok(Running { tasks, listeners })
}

/// Nothing is ever sent: the sender being dropped is the signal.
async fn told(stop: oneshot::Receiver<()>) {
    let _ = stop.await;
}

/// As many connections as wanted, or what the limit of open files leaves: accepting fails where they
/// run out, for the admin port, too.
fn connections(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(files) = open_files(&limits) else {
        return wanted;
    };
    let most = files.saturating_sub(OTHER_FILES).max(MIN_CONNECTIONS);
    if most < wanted {
        tracing::warn!(
            files,
            connections = most,
            "the limit of open files leaves room for few connections; raise it (ulimit -n) to {}",
            wanted + OTHER_FILES
        );
    }
    wanted.min(most)
}

/// What is open beside the webhook's connections: the admin port's 256, those to the API server, files.
const OTHER_FILES: usize = 384;
/// An API server keeps 25.
const MIN_CONNECTIONS: usize = 32;

/// The soft limit, from the text of `/proc/PID/limits`; None where there is none.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn bind_dry_run(args: &Args) -> anyhow::Result<Option<TcpListener>> {
    match args.dry_run_listen {
        Some(DryRunListen::On(address)) => Ok(Some(bind(address, "--dry-run-listen")?)),
        Some(DryRunListen::Off) | None => Ok(None),
    }
}

/// The dry run on a port of its own.
fn dry_run_listener(
    socket: TcpListener,
    tls: &Arc<rustls::ServerConfig>,
    app: &Arc<App>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Listener> {
    tracing::info!(dry_run_listen = %socket.local_addr()?, "serving the dry run");
    Ok(Listener {
        name: "dry-run",
        socket,
        tls: Some(Arc::clone(tls)),
        app: routes::dry_run_router(Arc::clone(app)),
        // People and pipelines, a handful: they get no memory that the webhook may need.
        limits: Limits {
            connections: 64,
            drain: Duration::ZERO,
            ..Limits::default()
        },
        metrics: Arc::clone(metrics),
    })
}

/// The annotation and its value that ask for the helper binary.
const HOOK: (&str, &str) = ("silkroll.dev/hook", "binary");

/// Whether the cluster's defaults ask for the helper.
fn helper_everywhere(settings: &crate::engine::Settings) -> bool {
    let mut defaults = settings.defaults.iter();
    defaults.any(|(key, value)| (key.as_ref(), value.as_ref()) == HOOK)
}

fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let taken = |address| format!("{flag} {address} cannot be listened on; is the port taken?");
    match listen(address) {
        Ok(listener) => Ok(listener),
        // A kernel without IPv6 has no [::]; every IPv4 address is what remains of "every".
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            listen(v4).with_context(|| taken(v4))
        }
        Err(error) => Err(error).with_context(|| taken(address)),
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    // The port can be had again at once after a process that used it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn certificate(
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
            reloader.run(CERTIFICATE_POLL).await;
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
    vec![format!("silkroll.{}.svc", own_namespace())]
}

/// The namespace that Silkroll runs in; outside of a pod, that of the install file.
fn own_namespace() -> String {
    const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    std::fs::read_to_string(NAMESPACE).map_or_else(
        |_| "silkroll-system".to_owned(),
        |name| name.trim().to_owned(),
    )
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read() {
        let head = "Limit                     Soft Limit           Hard Limit           Units\n";
        for (line, files) in [
            (
                "Max open files            1024                 524288               files\n",
                Some(1024),
            ),
            (
                "Max open files            unlimited            unlimited            files\n",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(open_files(&format!("{head}{line}")), files);
        }
    }

    #[test]
    fn an_end_names_the_first_that_failed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            for (fails, expected) in [
                (None, None),
                (
                    Some(WEBHOOK),
                    Some("the webhook's listener failed: no socket"),
                ),
                (Some(ADMIN), Some("the admin listener failed: no socket")),
                (
                    Some("the cluster side"),
                    Some("the cluster side failed: no socket"),
                ),
            ] {
                let mut tasks = Tasks::default();
                let (stop_webhook, webhook) = oneshot::channel();
                let (stop_admin, admin) = oneshot::channel();
                for (name, stop) in [
                    (WEBHOOK, Some(webhook)),
                    (ADMIN, Some(admin)),
                    ("the cluster side", None),
                ] {
                    tasks.spawn(name, async move {
                        if fails == Some(name) {
                            bail!("no socket");
                        }
                        match stop {
                            Some(stop) => told(stop).await,
                            None => std::future::pending().await,
                        }
                        Ok(())
                    });
                }
                let failed = if fails.is_some() {
                    let ended = tasks.next().await;
                    Some((ended.name, ended.too_early()))
                } else {
                    None
                };
                let listeners = vec![(WEBHOOK, stop_webhook), (ADMIN, stop_admin)];
                let running = Running { tasks, listeners };
                let result = end(running, failed).await;
                assert_eq!(
                    result.err().map(|error| format!("{error:#}")).as_deref(),
                    expected
                );
            }
        });
    }
}
