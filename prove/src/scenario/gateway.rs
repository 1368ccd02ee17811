//! The gateway of one arm: between the load and instances that it knows from a registry.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::replace::{PORT, REPLICAS};
use crate::node::kubectl::Kubectl;
use crate::node::process::{Process, Spec};
use crate::node::registry::Registry;
use crate::registry::{Format, INSTANCES, Source};

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

/// Where the gateway at this address says whom it knows.
pub(super) fn callers(gateway: SocketAddr) -> Result<Source> {
    Ok(Source {
        place: format!("http://{gateway}{INSTANCES}").parse()?,
        format: Format::Lines,
    })
}

/// Until the gateway knows all pods that serve and no others: a pod that no caller has heard of could be
/// replaced without a loss whatever it does.
pub(super) fn wait_until_known(kubectl: &Kubectl, namespace: &str, callers: &Source) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let begun = Instant::now();
    loop {
        let serving = serving(&kubectl.get(&["pods", "-n", namespace])?);
        let known: BTreeSet<SocketAddr> = runtime.block_on(callers.read())?.into_iter().collect();
        if serving.len() == REPLICAS && serving == known {
            return Ok(());
        }
        if begun.elapsed() > OLD {
            bail!("{serving:?} serve, but after {OLD:?} the gateway knows {known:?}");
        }
        // Asking costs a busy machine a kubectl.
        thread::sleep(Duration::from_secs(4));
    }
}

/// Twice as old as any list here gets by its caches.
const OLD: Duration = Duration::from_secs(190);

/// The addresses of the pods that are ready and stay.
fn serving(pods: &Value) -> BTreeSet<SocketAddr> {
    let ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array();
        pod["metadata"]["deletionTimestamp"].is_null()
            && conditions.is_some_and(|all| {
                all.iter()
                    .any(|one| one["type"] == "Ready" && one["status"] == "True")
            })
    };
    let address = |pod: &Value| {
        let ip = pod["status"]["podIP"].as_str()?.parse().ok()?;
        Some(SocketAddr::new(ip, PORT))
    };
    let pods = pods["items"].as_array().into_iter().flatten();
    pods.filter(ready).filter_map(address).collect()
}

fn free_address() -> Result<SocketAddr> {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let listener = TcpListener::bind(any).context("looking for a free port")?;
    listener.local_addr().context("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_that_go_or_are_not_ready_do_not_serve() {
        let pod = |ip: &str, ready: &str, leaving: Value| {
            json!({
                "metadata": {"deletionTimestamp": leaving},
                "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let list = json!({"items": [
            pod("10.0.0.1", "True", Value::Null),
            pod("10.0.0.2", "False", Value::Null),
            pod("10.0.0.3", "True", json!("2026-01-01T00:00:00Z")),
            json!({"metadata": {}, "status": {}}),
        ]});
        let expected: SocketAddr = "10.0.0.1:8080".parse().unwrap();
        assert_eq!(serving(&list), BTreeSet::from([expected]));
    }
}
