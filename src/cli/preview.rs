//! `silkroll preview`

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::oneshot;

use super::serve::bind;
use super::signals::Signals;
use super::{engine, inject, input};
use crate::admission::MAX_BODY;
use crate::manifest;
use crate::observe::Metrics;
use crate::server::limits::Limits;
use crate::server::listener::Listener;
use crate::server::preview::{Preview, preview_router};
use crate::server::routes::App;

/// The dry run as a page in your browser, without a cluster.
///
/// Paste or drop a manifest, choose what its namespace says, and see what comes out beside what went in, why, what is
/// found in it, and how its pods stop. It listens on this machine alone, and reaches nothing.
#[derive(Debug, clap::Args)]
#[group(id = "preview")]
#[command(after_help = "Examples:
    silkroll preview                        then open the address that it prints
    silkroll preview -f deployment.yaml     with a manifest to begin with
    helm template shop ./chart | silkroll preview -f -

Ctrl-C ends it.")]
pub struct Args {
    /// What the page begins with: a file, a folder (its .yaml, .yml and .json files), or - for standard input
    #[arg(short, long = "filename", value_name = "FILE")]
    file: Option<PathBuf>,

    /// Where to listen: an address of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = loopback)]
    listen: SocketAddr,

    #[command(flatten)]
    engine: engine::Args,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: Option<SocketAddr> = text.parse().ok();
    address
        .filter(|address| address.ip().is_loopback())
        .ok_or_else(|| {
            "expected is a loopback address and a port, such as 127.0.0.1:8000 or [::1]:0; serve has the dry run for others"
                .to_owned()
        })
}

/// How long the end waits for what still computes.
const LAST: Duration = Duration::from_secs(1);

/// Serves until Ctrl-C.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: &Args, out: &mut dyn Write, report: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let manifest = match &args.file {
        Some(path) => Some(read(path)?),
        None => None,
    };
    let app = App::preview(args.engine.settings()?, Preview { manifest });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let result = runtime.block_on(serve(args.listen, Arc::new(app), out, report));
    runtime.shutdown_timeout(LAST);
    result
}

async fn serve(
    listen: SocketAddr,
    app: Arc<App>,
    out: &mut dyn Write,
    report: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let socket = bind(listen, "--listen")?;
    let address = socket.local_addr()?;
    let listener = Listener {
        name: "preview",
        socket,
        tls: None,
        app: preview_router(app),
        limits: Limits {
            connections: 64,
            drain: Duration::ZERO,
            linger: Duration::ZERO,
            close: Duration::from_millis(500),
            ..Limits::default()
        },
        metrics: Arc::new(Metrics::new()),
    };
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = tokio::spawn(listener.run(async {
        // Nothing is ever sent: the sender being dropped is the signal.
        let _ = stopping.await;
    }));
    super::print(out, format!("http://{address}/dry-run\n").as_bytes())?;
    writeln!(
        report,
        "Open this address in a browser on this machine; Ctrl-C ends it."
    )?;
    signals.next().await;
    drop(stop);
    serving.await.context("the listener failed")??;
    Ok(ExitCode::SUCCESS)
}

/// All that was named, as one text.
fn read(path: &std::path::Path) -> anyhow::Result<String> {
    let mut text = String::new();
    for input in input::all(path, false, &mut 0)? {
        let bytes = input.bytes();
        let Ok(one) = std::str::from_utf8(&bytes) else {
            bail!(
                "{} is not UTF-8, which a page shows: save it as UTF-8",
                input.name
            );
        };
        inject::append(&mut text, one);
    }
    ensure!(
        text.len() <= MAX_BODY,
        "{} has more than {MAX_BODY} bytes, which is too much for the page: silkroll inject -f takes it",
        input::name(path)
    );
    // The page shows what is there, and this says early what cannot be read at all.
    drop(manifest::read(
        text.as_bytes(),
        &manifest::Limits::default(),
    )?);
    Ok(text)
}
