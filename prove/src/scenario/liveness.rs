//! Liveness failures: one pod after the other is made to fail its probe, and the registry is watched
//! until its instance is back, or for long enough to say that it stays out.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testkit::http::get;
use testkit::kubectl::Kubectl;
use tokio::runtime::Runtime;

use super::replace::PORT;
use crate::record::{Absence, Millis, Restart, Rollout, now_ms};
use crate::registry::Source;

/// How often the registry is asked: what is counted is seconds.
const LOOK: Duration = Duration::from_millis(100);

/// How often the API server is asked, through kubectl, which costs a busy machine more.
const ASK: Duration = Duration::from_millis(1500);

/// An instance that is listed for so long is back: one look may catch it between two states.
const BACK: Duration = Duration::from_secs(2);

/// One that is not listed for so long, while its container runs and is ready, stays out. With the
/// start hook it takes seconds, on the busiest machine so far 24.
const OUT: Duration = Duration::from_secs(40);

/// A busy machine may leave a question unanswered; so long without any answer is a fault.
const BLIND: Duration = Duration::from_secs(30);

/// Bounds the wait for a restart: the probe's failures, the drain, and ten times what a start takes.
const RESTART: Duration = Duration::from_secs(240);

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) rollouts: Vec<Rollout>,
    /// With the names of the pods.
    pub(super) restarts: Vec<(String, Restart)>,
    pub(super) absences: Vec<Absence>,
    /// What a reader of the report has to know of it.
    pub(super) note: Option<String>,
}

/// Makes so many pods fail, one after the other, each once: a second restart of the same container
/// would wait for the kubelet's back-off.
///
/// # Errors
///
/// Where a container does not restart.
pub(super) fn run(
    kubectl: &Kubectl,
    namespace: &str,
    source: &Source,
    times: u32,
) -> Result<Failures> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let pods = kubectl.get(&["pods", "-n", namespace])?;
    let pods = pods["items"].as_array().context("the list of pods")?;
    let mut failures = Failures::default();
    for pod in pods.iter().take(usize::try_from(times)?) {
        let name = pod["metadata"]["name"].as_str().context("its name")?;
        let ip = pod["status"]["podIP"].as_str().context("its address")?;
        let address = SocketAddr::new(ip.parse()?, PORT);
        failures.rollouts.push(Rollout {
            at_ms: now_ms(),
            how: "liveness failure".to_owned(),
            pods: 0,
        });
        let mut one = One::new(kubectl, namespace, name);
        make_sick(address).with_context(|| format!("asking {name} to fail its liveness probe"))?;
        one.watch(&runtime, source, address)
            .with_context(|| name.to_owned())?;
        failures.absences.push(one.absence()?);
        failures.restarts.push((name.to_owned(), one.restart));
    }
    Ok(failures)
}

fn make_sick(address: SocketAddr) -> Result<()> {
    let limit = Duration::from_secs(10);
    let answer = get(address, &address.to_string(), "/fail-liveness", limit)?;
    if answer.status != 200 {
        bail!("it answered {answer:?}");
    }
    Ok(())
}

/// One pod's failure.
struct One<'a> {
    kubectl: &'a Kubectl,
    namespace: &'a str,
    name: &'a str,
    failed: bool,
    restart: Restart,
    out_ms: Option<Millis>,
    back_ms: Option<Millis>,
}

impl<'a> One<'a> {
    fn new(kubectl: &'a Kubectl, namespace: &'a str, name: &'a str) -> Self {
        Self {
            kubectl,
            namespace,
            name,
            failed: false,
            restart: Restart::default(),
            out_ms: None,
            back_ms: None,
        }
    }

    /// Until its instance is back, or stays out.
    fn watch(&mut self, runtime: &Runtime, source: &Source, address: SocketAddr) -> Result<()> {
        let begun = Instant::now();
        let mut asked = begun;
        let mut ready = None;
        let mut seen = begun;
        loop {
            let looked = match runtime.block_on(source.read()) {
                Ok(listed) => {
                    self.note(listed.contains(&address), now_ms());
                    Ok(())
                }
                Err(error) => Err(error),
            };
            let looked = looked.and_then(|()| {
                if asked.elapsed() >= ASK {
                    asked = Instant::now();
                    self.ask()?;
                }
                Ok(())
            });
            match looked {
                Ok(()) => seen = Instant::now(),
                Err(error) if seen.elapsed() > BLIND => return Err(error),
                Err(_) => {}
            }
            if self.restart.ready_ms.is_some() {
                let since = *ready.get_or_insert_with(Instant::now);
                let back = self.back_ms.is_some_and(|back| {
                    now_ms().saturating_sub(back) > u64::try_from(BACK.as_millis()).unwrap_or(0)
                });
                if back || since.elapsed() > OUT {
                    return Ok(());
                }
            } else if begun.elapsed() > RESTART {
                bail!(
                    "its container did not restart within {} s",
                    RESTART.as_secs()
                );
            }
            thread::sleep(LOOK);
        }
    }

    /// Whether the registry listed it at a moment.
    fn note(&mut self, listed: bool, now: Millis) {
        match (self.out_ms, listed) {
            (None, false) => self.out_ms = Some(now),
            (Some(_), false) => self.back_ms = None,
            (Some(_), true) => self.back_ms = self.back_ms.or(Some(now)),
            (None, true) => {}
        }
    }

    /// What the kubelet has done since.
    fn ask(&mut self) -> Result<()> {
        if !self.failed {
            let selector = format!("reason=Killing,involvedObject.name={}", self.name);
            let events = [
                "get",
                "events",
                "-n",
                self.namespace,
                "--field-selector",
                &selector,
            ];
            let events = self
                .kubectl
                .run(&[&events[..], &["-o", "name"]].concat(), "")?;
            if events.trim().is_empty() {
                return Ok(());
            }
            self.failed = true;
            self.restart.failed_ms = now_ms();
        }
        let pod = self
            .kubectl
            .get(&["pod", self.name, "-n", self.namespace])?;
        take(&mut self.restart, &pod["status"], now_ms());
        Ok(())
    }

    fn absence(&self) -> Result<Absence> {
        let out = self
            .out_ms
            .context("its instance was listed all the time")?;
        Ok(Absence {
            pod: self.name.to_owned(),
            without_start_hook: false,
            out_ms: out,
            started_ms: self.restart.started_ms.context("it did not restart")?,
            back_ms: self.back_ms,
            watched_until_ms: now_ms(),
        })
    }
}

/// What a pod's status says of its restart, seen at `now`.
fn take(restart: &mut Restart, status: &Value, now: Millis) {
    let container = &status["containerStatuses"][0];
    let again = container["restartCount"].as_u64().unwrap_or(0) > 0
        && container["state"]["running"].is_object();
    if again {
        restart.started_ms = restart.started_ms.or(Some(now));
        if container["ready"] == true {
            restart.ready_ms = restart.ready_ms.or(Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_instance_is_back_when_it_is_listed_for_good() {
        let kubectl = Kubectl::new("kubectl".into(), "none".into());
        let mut one = One::new(&kubectl, "a", "b");
        for (now, listed) in [
            (1, true),
            (2, false),
            (3, true),
            (4, false),
            (5, true),
            (6, true),
        ] {
            one.note(listed, now);
        }
        assert_eq!((one.out_ms, one.back_ms), (Some(2), Some(5)));
    }

    #[test]
    fn a_restart_is_seen_by_its_count_and_not_by_the_container_before() {
        let mut restart = Restart::default();
        let status = |count: u32, ready: bool| json!({"containerStatuses": [{"restartCount": count, "ready": ready, "state": {"running": {}}}]});
        take(&mut restart, &status(0, true), 1);
        assert_eq!(restart, Restart::default());
        take(&mut restart, &status(1, false), 2);
        take(&mut restart, &status(1, true), 3);
        take(&mut restart, &status(1, true), 4);
        assert_eq!((restart.started_ms, restart.ready_ms), (Some(2), Some(3)));
    }
}
