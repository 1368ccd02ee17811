//! `silkroll serve`: everything is put together here, and nowhere else.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::engine;
use crate::cluster::{self, Cluster, Version, Wanted, Write};
use crate::observe::Metrics;
use crate::observe::labels::Outcome;
use crate::observe::logs::{self, Format};
use crate::server::admin::{self, Condition, Readiness};
use crate::server::limits::Limits;
use crate::server::listener::Listener;
use crate::server::routes::{self, App, DryRun};
use crate::snapshot::Namespaces;
use crate::tls::check::{self, Files};
use crate::tls::issue::Authority;
use crate::tls::reload::{Event, Reloader, Slot};
use crate::tls::{config, date};

/// The kubelet brings a changed Secret after 30 to 100 s; ten more do not matter.
const CERTIFICATE_POLL: Duration = Duration::from_secs(10);
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
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,

    /// Serve without a cluster
    #[arg(long)]
    standalone: bool,

    /// With --standalone: Namespace manifests, as `kubectl get namespaces -o yaml` prints them
    #[arg(long, value_name = "FILE", requires = "standalone")]
    namespaces: Option<PathBuf>,

    /// Seconds to go on serving after SIGTERM: the API server uses its connections on
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
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

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting, or which part of it ended.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let format = match args.log_format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    logs::init(format, &args.log_level)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(serve(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    // Everything that can be wrong at start is found before a port is open.
    let settings = args.engine.settings()?;
    let readiness = Readiness::default();
    let metrics = Arc::new(Metrics::new());
    let https = bind(args.listen, "--listen").await?;
    let plain = bind(args.admin_listen, "--admin-listen").await?;
    let dry_run = bind_dry_run(args).await?;
    let mut tasks: JoinSet<anyhow::Result<Infallible>> = JoinSet::new();

    let slot = certificate(args, &readiness, &metrics, &mut tasks)?;
    let known = readiness.condition("namespaces", "the namespaces have not been listed yet");
    let namespaces = Arc::new(match (&args.namespaces, args.standalone) {
        (Some(path), _) => engine::namespaces(path)?,
        (None, true) => Namespaces::from_manifests(&[])?,
        (None, false) => Namespaces::new(),
    });
    metrics.namespaces(namespaces.len(), namespaces.opted_in().len());
    known.set(namespaces.synced());
    let app = Arc::new(App::new(
        settings,
        Arc::clone(&namespaces),
        Arc::clone(&metrics),
    ));
    if !args.standalone {
        let observer = Observer {
            app: Arc::clone(&app),
            known,
            follow_version: args.engine.kubernetes_version.is_none(),
        };
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
        let notes = (own_namespace(), Arc::clone(&app.asked));
        let run = cluster.run(namespaces, files, Some(notes), Arc::new(observer));
        tasks.spawn(async { Ok(run.await?) });
    }

    tracing::info!(
        listen = %https.local_addr()?,
        admin_listen = %plain.local_addr()?,
        version = env!("CARGO_PKG_VERSION"),
        standalone = args.standalone,
        "serving"
    );
    let drain = Duration::from_secs(args.drain_seconds);
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
            drain,
            ..Limits::default()
        },
        metrics: Arc::clone(&metrics),
    };
    let admin = Listener {
        name: "admin",
        socket: plain,
        tls: None,
        app: admin::router(readiness, Arc::clone(&metrics)),
        limits: Limits {
            drain: Duration::ZERO,
            ..Limits::admin()
        },
        metrics,
    };
    let (stop, stopping) = oneshot::channel();
    let (stop_admin, stopping_admin) = oneshot::channel();
    let (stop_dry_run, stopping_dry_run) = oneshot::channel();
    let dry_run =
        dry_run.map(|listener| tokio::spawn(listener.run(told_to_stop(stopping_dry_run))));
    let webhook = tokio::spawn(webhook.run(told_to_stop(stopping)));
    let admin = tokio::spawn(admin.run(told_to_stop(stopping_admin)));
    let result = until_told(&mut tasks).await;
    drop(stop_dry_run);
    drop(stop);
    if let Some(dry_run) = dry_run {
        dry_run.await.context("the dry run's listener failed")?;
    }
    webhook.await.context("the webhook's listener failed")?;
    // Last, so that the kubelet's probes are answered while the webhook drains.
    drop(stop_admin);
    admin.await.context("the admin listener failed")?;
    result
}

async fn bind_dry_run(args: &Args) -> anyhow::Result<Option<TcpListener>> {
    match args.dry_run_listen {
        Some(DryRunListen::On(address)) => Ok(Some(bind(address, "--dry-run-listen").await?)),
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

/// Nothing is ever sent: the sender being dropped is the signal.
async fn told_to_stop(stop: oneshot::Receiver<Infallible>) {
    if let Ok(never) = stop.await {
        match never {}
    }
}

/// Until a signal comes (fine) or a part that never ends has ended (not fine).
async fn until_told(tasks: &mut JoinSet<anyhow::Result<Infallible>>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Without a cluster and with certificates of its own nothing runs beside the listeners.
    let ended = async {
        match tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => { tracing::info!("SIGTERM"); Ok(()) }
        _ = interrupt.recv() => { tracing::info!("SIGINT"); Ok(()) }
        ended = ended => match ended {
            Ok(Ok(never)) => match never {},
            Ok(Err(error)) => { tracing::error!("stopping: {error:#}"); Err(error) }
            Err(error) => { tracing::error!("stopping: {error}"); Err(error.into()) }
        },
    }
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        // A kernel without IPv6 has no [::]; every IPv4 address is what remains of "every".
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            TcpListener::bind(v4)
                .await
                .with_context(|| format!("{flag} {v4} cannot be listened on; is the port taken?"))
        }
        Err(error) => Err(error)
            .with_context(|| format!("{flag} {address} cannot be listened on; is the port taken?")),
    }
}

fn certificate(
    args: &Args,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<anyhow::Result<Infallible>>,
) -> anyhow::Result<Arc<Slot>> {
    let condition = readiness.condition("certificate", "no usable certificate has been loaded yet");
    let slot = Slot::empty();
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        let names = names(args);
        let metrics = Arc::clone(metrics);
        let report = move |event| told(&event, &metrics, &condition);
        let mut reloader = Reloader::new(cert, key, names, Arc::clone(&slot), report);
        // The first look is now: a certificate of no use is in the log before the first request.
        reloader.poll(date::now());
        tasks.spawn(async move {
            reloader.run(CERTIFICATE_POLL).await;
            bail!("the certificate is no longer watched")
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

fn told(event: &Event, metrics: &Metrics, condition: &Condition) {
    match event {
        Event::Loaded { not_after, names } => {
            metrics.certificate_reload(Outcome::Ok);
            metrics.certificate_not_after(*not_after);
            condition.set(true);
            tracing::info!(not_after, names = names.join(" "), "certificate loaded");
        }
        Event::Refused { reason } => {
            metrics.certificate_reload(Outcome::Failed);
            tracing::error!(
                "certificate refused; one that was loaded before stays in use: {reason}"
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
struct Observer {
    app: Arc<App>,
    known: Condition,
    follow_version: bool,
}

impl cluster::Observer for Observer {
    fn namespaces(&self, known: usize, opted_in: usize) {
        self.app.metrics.namespaces(known, opted_in);
        self.known.set(true);
    }

    fn configmap(&self, write: Write) {
        match write {
            Write::Failed => self.app.metrics.configmap_write(Outcome::Failed),
            _ => self.app.metrics.configmap_write(Outcome::Ok),
        }
    }

    fn version(&self, version: Version) {
        if self.follow_version {
            self.app.settings.rcu(|settings| {
                let mut settings = (**settings).clone();
                settings.native_sleep = version.has_native_sleep();
                settings
            });
        }
    }
}
