//! Where the load comes from: a thread of this program, or a pod where only the API server is in reach.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use testkit::kubectl::Kubectl;

use super::clock::{Clock, Sample};
use super::replace::stuck;
use crate::load::told::{PORT, STATE, STOP, Told};
use crate::load::{self, Handle, Plan, wait_for_answers};
use crate::node::services::GENERATOR;
use crate::record::{Load, Millis, now_ms};

/// Load that runs.
pub(super) enum Generator<'k> {
    Here(Handle),
    Pod(Pod<'k>),
}

/// What it saw.
pub(super) struct Measured {
    pub(super) started_ms: Millis,
    pub(super) load: Load,
    /// What a reader of the report has to know of it.
    pub(super) note: Option<String>,
}

impl<'k> Generator<'k> {
    /// Load from this program.
    pub(super) fn here(plan: Plan, address: SocketAddr) -> Result<Self> {
        wait_for_answers(address, &plan.host)?;
        Ok(Self::Here(load::start(plan, address)?))
    }

    /// Load from a pod, of an image that is there as `images` says.
    pub(super) fn pod(
        kubectl: &'k Kubectl,
        namespace: &'k str,
        images: &str,
        plan: &Plan,
        address: SocketAddr,
    ) -> Result<Self> {
        let pod = pod(images, plan, address)?;
        kubectl.run(&["create", "-n", namespace, "-f", "-"], &pod)?;
        let mut pod = Pod {
            kubectl,
            namespace,
            clock: Clock::default(),
        };
        pod.wait()?;
        Ok(Self::Pod(pod))
    }

    pub(super) fn stop(self) -> Result<Measured> {
        match self {
            Self::Here(handle) => Ok(Measured {
                started_ms: handle.started_ms,
                load: handle.stop()?,
                note: None,
            }),
            Self::Pod(pod) => pod.stop(),
        }
    }
}

/// The generator in its pod.
pub(super) struct Pod<'k> {
    kubectl: &'k Kubectl,
    namespace: &'k str,
    clock: Clock,
}

/// Bounds the wait for its first request: an image may have to be pulled.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often the two clocks are compared; the best look counts.
const LOOKS: usize = 5;

impl Pod<'_> {
    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        let pod = ["pod", "load", "-n", self.namespace];
        loop {
            let pod = self.kubectl.get(&pod)?;
            if pod["status"]["phase"] == "Running" {
                break;
            }
            if let Some(why) = stuck(std::slice::from_ref(&pod)) {
                bail!(why);
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "the pod of the load generator does not run: {}",
                    pod["status"]
                );
            }
            thread::sleep(Duration::from_millis(300));
        }
        loop {
            // It may run and not listen yet.
            let told = self.ask(STATE);
            if let Ok(Told {
                failed: Some(why), ..
            }) = told
            {
                bail!("the load generator: {why}");
            }
            let started = told.as_ref().is_ok_and(|told| told.started_ms.is_some());
            if started && self.clock.looks() >= LOOKS {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let why = told
                    .err()
                    .map_or_else(String::new, |error| format!(": {error:#}"));
                bail!("the load generator did not begin within {PATIENCE:?}{why}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn ask(&mut self, path: &str) -> Result<Told> {
        let namespace = self.namespace;
        let url = format!("/api/v1/namespaces/{namespace}/pods/load:{PORT}/proxy{path}");
        let asked = now_ms();
        let said = self.kubectl.run(&["get", "--raw", &url], "")?;
        let told: Told =
            serde_json::from_str(&said).with_context(|| format!("the answer of {url}"))?;
        if path == STATE {
            self.clock.look(Sample {
                asked,
                theirs: told.now_ms,
                answered: now_ms(),
            });
        }
        Ok(told)
    }

    fn stop(mut self) -> Result<Measured> {
        let told = match self.ask(STOP) {
            Ok(told) => told,
            // It may be asked twice; what it saw is too dear for one broken connection.
            Err(_) => self.ask(STOP)?,
        };
        if let Some(why) = told.failed {
            bail!("the load generator: {why}");
        }
        let mut load = told.load.context("the load generator said nothing")?;
        let started_ms = told.started_ms.context("the load was never started")?;
        for lost in &mut load.lost {
            lost.at_ms = self.clock.ours(lost.at_ms);
        }
        Ok(Measured {
            started_ms: self.clock.ours(started_ms),
            load,
            note: Some(self.clock.note()),
        })
    }
}

fn pod(images: &str, plan: &Plan, address: SocketAddr) -> Result<String> {
    // Where the one is, the other may not be.
    let any = if address.is_ipv4() { "0.0.0.0" } else { "[::]" };
    let (listen, target) = (format!("{any}:{PORT}"), address.to_string());
    let plan = serde_json::to_string(plan).context("the plan as JSON")?;
    let args = ["--listen", &listen, "--target", &target, "--plan", &plan];
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "load", "labels": {"app": "load"}},
        "spec": {
            "restartPolicy": "Never",
            // It needs no time to go, and no access to the API server.
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "load", "image": format!("{images}/{GENERATOR}"),
                "command": ["/load"], "args": args,
                // More than the services: it must not be late because they are busy.
                "resources": {"requests": {"cpu": "100m"}},
            }],
        },
    });
    Ok(pod.to_string())
}
