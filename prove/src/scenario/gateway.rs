//! The gateway of one arm, Spring Cloud's: between the load and instances that it knows from a registry.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testkit::http::get;
use testkit::kubectl::Kubectl;
use testkit::ports;
use testkit::process::Process;
use tokio::runtime::{Builder, Runtime};

use super::Scenario;
use super::lookout::{Known, Lookout};
use super::replace::PORT;
use crate::node::ground;
use crate::node::groups::Group;
use crate::node::registry::{BALANCER, Registry, java};
use crate::registry::{Format, Source};

/// Bounds the wait for instances, and then for the gateway: a Java program on a busy machine takes half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// So many requests one after the other before the load begins: a Java program that has just started takes a second
/// for what takes a millisecond later, and users do not let all requests loose on such a one.
const WARM_UP: usize = 500;

/// Bounds the warm-up, in which a request takes milliseconds once the program is warm.
const WARM: Duration = Duration::from_secs(60);

/// A gateway that runs.
pub(super) struct Gateway {
    process: Process,
    /// Where it listens.
    pub(super) address: SocketAddr,
    lookout: Lookout,
}

impl Gateway {
    /// Starts one that looks the arm's instances up in a registry, once they are all there: one that starts too
    /// early would know of some of them only, for as long as its caches keep.
    pub(super) fn start(
        registry: Registry,
        namespace: &str,
        registries: &Path,
        scenario: &Scenario,
        logs: &Path,
    ) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let replicas = scenario.replicas;
        wait_for(&runtime, &registry.source(namespace)?, replicas, || Ok(()))?;
        let [port] = ports::free().context("looking for a free port")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let libraries = registries.join("gateway");
        let libraries = libraries.display();
        let home = format!("{}/gateway-{namespace}", ground::HOME);
        let mut args = vec![
            "-Xmx256m".to_owned(),
            // The client of Nacos keeps its lists there, and logs beside the others: when it had no connection, above all.
            format!("-Duser.home={home}"),
            format!(
                "-DJM.LOG.PATH={}",
                logs.join(format!("gateway-{namespace}")).display()
            ),
            "-cp".to_owned(),
            format!("{libraries}/classes:{libraries}/lib/*"),
            "Gateway".to_owned(),
            format!("--service={}", registry.service(namespace)),
            format!("--server.address={}", address.ip()),
            format!("--server.port={}", address.port()),
            "--spring.application.name=gateway".to_owned(),
            // So that a lost request says at which instance.
            "--server.error.include-message=always".to_owned(),
            // It would log a page for each of them.
            "--logging.level.org.springframework.boot.autoconfigure.web.reactive.error=off"
                .to_owned(),
        ];
        args.extend(registry.client(namespace));
        if scenario.fresh {
            args.push("--spring.cloud.loadbalancer.cache.enabled=false".to_owned());
        }
        let spec = java(format!("gateway-{namespace}"), args);
        let mut process = Group::Beside.start(&spec, logs)?;
        let callers = Source {
            place: format!("http://{address}{INSTANCES}").parse()?,
            format: Format::Lines,
        };
        wait_for(&runtime, &callers, replicas, || process.check())?;
        let begun = Instant::now();
        for _ in 0..WARM_UP {
            // Whether it answers is for the generator to say.
            let _ = get(address, "gateway", "/", PATIENCE);
            if begun.elapsed() > WARM {
                break;
            }
        }
        let lookout = Lookout::start(callers)?;
        Ok(Self {
            process,
            address,
            lookout,
        })
    }

    /// Until it knows all pods that serve and no others: a pod that no caller has heard of could be replaced
    /// without a loss whatever it does.
    pub(super) fn wait_until_known(
        &self,
        kubectl: &Kubectl,
        namespace: &str,
        replicas: usize,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let serving = serving(&kubectl.get(&["pods", "-n", namespace])?);
            let known = self.lookout.now();
            if serving.len() == replicas && serving == known {
                return Ok(());
            }
            if begun.elapsed() > OLD {
                bail!("{serving:?} serve, but after {OLD:?} the gateway knows {known:?}");
            }
            // Asking costs a busy machine a kubectl.
            thread::sleep(Duration::from_secs(4));
        }
    }

    /// Waits for a part of the load balancer's period. It has just renewed its list when the rollout before is
    /// known: without this the pods of all rollouts would leave while it is young, where no caller needs them for long.
    pub(super) fn let_the_list_get_old(rollout: u32, of: u32) {
        thread::sleep(BALANCER * rollout / of.max(1));
    }

    /// Ends it, which is a fault where it has ended before; when it knew each instance.
    pub(super) fn end(mut self) -> Result<Known> {
        self.process.check()?;
        self.lookout.end()
    }
}

/// Where the gateway's program says whom it knows, in lines.
const INSTANCES: &str = "/-/instances";

/// Until all instances are in this list.
fn wait_for(
    runtime: &Runtime,
    list: &Source,
    replicas: usize,
    mut check: impl FnMut() -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        check()?;
        let read = runtime.block_on(list.read());
        match &read {
            Ok(instances) if instances.len() >= replicas => return Ok(()),
            _ if begun.elapsed() < PATIENCE => {}
            Ok(instances) => bail!("{} has {instances:?} after {PATIENCE:?}", list.place),
            Err(error) => bail!("{error:#}, after {PATIENCE:?}"),
        }
        thread::sleep(Duration::from_millis(500));
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
