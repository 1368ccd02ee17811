//! The gateway of one arm: between the load and instances that it knows from a registry.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::node::process::{Process, Spec};
use crate::node::registry::Registry;
use crate::registry::Source;

/// How many instances a service has.
const REPLICAS: usize = 3;

/// Starts one that looks the arm's instances up in a registry, once they are all there.
pub(super) fn start(
    registry: Registry,
    namespace: &str,
    binaries: &Path,
    logs: &Path,
) -> Result<(SocketAddr, Process)> {
    let source = registry.source(namespace)?;
    wait_for_instances(&source)?;
    let address = free_address()?;
    let args = [
        "--listen",
        &address.to_string(),
        "--instances",
        &source.place.to_string(),
        "--format",
        registry.format(),
        "--cache-seconds",
        registry.caches(),
        // Longer than the generator waits: that decides what is lost.
        "--timeout-seconds",
        "30",
    ];
    let spec = Spec {
        name: format!("gateway-{namespace}"),
        program: binaries.join("gateway"),
        args: args.map(str::to_owned).to_vec(),
        env: Vec::new(),
    };
    Ok((address, Process::start(&spec, logs)?))
}

/// A gateway that starts too early would know of some of them only, for as long as its cache keeps.
fn wait_for_instances(source: &Source) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let begun = Instant::now();
    loop {
        let read = runtime.block_on(source.read());
        match &read {
            Ok(instances) if instances.len() >= REPLICAS => return Ok(()),
            _ if begun.elapsed() < Duration::from_secs(60) => {}
            Ok(instances) => bail!("{} has {instances:?} after a minute", source.place),
            Err(error) => bail!("{}: {error:#}", source.place),
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn free_address() -> Result<SocketAddr> {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let listener = TcpListener::bind(any).context("looking for a free port")?;
    listener.local_addr().context("a free port")
}
