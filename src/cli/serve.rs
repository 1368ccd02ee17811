//! `silkroll serve`: everything is put together here, and nowhere else.

mod args;
mod audit;
mod bind;
mod certificate;
mod open_files;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use self::args::Args;
use self::args::{DryRunListen, LogFormat};
pub(super) use self::bind::bind;
use self::certificate::certificate;
use self::open_files::connections;
use super::engine;
use super::heard::Observer;
use super::signals::Signals;
use super::supervise::Tasks;
use crate::cluster::{Cluster, Error, Files, Notes, Wanted};
use crate::observe::Metrics;
use crate::observe::logs::{self, Format};
use crate::server::admin::{self, Readiness};
use crate::server::limits::Limits;
use crate::server::listener::Listener;
use crate::server::routes::{self, App, DryRun};
use crate::snapshot::Namespaces;
use crate::tls::config;

/// How long the end waits for what still computes, a dry run or a slow disk: its caller has gone.
const LAST: Duration = Duration::from_secs(1);

/// Serves until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// What keeps it from starting, or which part of it ended.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    open_files::enough()?;
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

const AUDIT: &str = "the audit";
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
    /// In the order in which they end; the audit, which gives its Lease back, is one of them.
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
    let plain = bind(args.admin_listen(), "--admin-listen")?;
    let dry_run = bind_dry_run(args)?;
    let mut tasks = Tasks::default();
    let mut listeners = vec![];

    let cluster = connect(args).await?;
    let slot = certificate(args, &readiness, &metrics, &mut tasks, cluster.as_ref())?;
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
    if let Some(cluster) = cluster {
        let version =
            args.engine.kubernetes_version.is_none().then(|| {
                readiness.condition("version", "the API server's version is not known yet")
            });
        let arch = args.engine.node_arch.is_none().then(|| {
            readiness.condition(
                "nodes",
                "the nodes' architecture has not been asked for yet",
            )
        });
        let observer = Observer::new(Arc::clone(&app), known, version, arch);
        let complete = observer.complete();
        let observer: Arc<dyn crate::cluster::Observer> = Arc::new(observer);
        let notes = Notes::new(own_namespace(), Arc::clone(&app.asked)).of(&args.service);
        let kept = files(&app);
        let audit = audit::start(args, &cluster, &app, &observer, complete, &mut tasks);
        listeners.extend(audit.map(|stop| (AUDIT, stop)));
        let run = cluster.run(namespaces, kept, Some(notes), observer);
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
    // The admin listener goes last, so that the kubelet's probes are answered while the webhook drains.
    let all = dry_run.map(|listener| (DRY_RUN, listener)).into_iter();
    for (name, listener) in all.chain([(WEBHOOK, webhook), (ADMIN, admin)]) {
        let (stop, stopping) = oneshot::channel();
        tasks.spawn(name, async { Ok(listener.run(told(stopping)).await?) });
        listeners.push((name, stop));
    }
    Ok(Running { tasks, listeners })
}

/// The cluster, where there is to be one.
async fn connect(args: &Args) -> anyhow::Result<Option<Cluster>> {
    if args.standalone {
        return Ok(None);
    }
    let cluster = Cluster::connect().await;
    let cluster = cluster.map_err(|error| match error {
        error @ Error::NoCluster(_) => anyhow!("{error}, or use `silkroll serve --standalone`"),
        error => error.into(),
    })?;
    tracing::info!(url = cluster.url(), "cluster");
    Ok(Some(cluster))
}

/// Nothing is ever sent: the sender being dropped is the signal.
async fn told(stop: oneshot::Receiver<()>) {
    let _ = stop.await;
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

/// The ConfigMaps that are kept, and where.
fn files(app: &App) -> Vec<(Files, Wanted)> {
    let helper = if helper_everywhere(&app.settings.load()) {
        Wanted::Known(Arc::clone(&app.asked))
    } else {
        Wanted::Where(HOOK.0, HOOK.1, Arc::clone(&app.asked))
    };
    vec![
        (engine::script(), Wanted::Everywhere),
        (engine::helper(), helper),
    ]
}

/// The annotation and its value that ask for the helper binary.
const HOOK: (&str, &str) = ("silkroll.dev/hook", "binary");

/// Whether the cluster's defaults ask for the helper.
fn helper_everywhere(settings: &crate::engine::Settings) -> bool {
    let mut defaults = settings.defaults.iter();
    defaults.any(|(key, value)| (key.as_ref(), value.as_ref()) == HOOK)
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
    use anyhow::bail;

    use super::*;

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
