//! Watches the pods of a namespace: when each was created, ready, told to go, and gone. When its
//! program got SIGTERM only the program knows; it says so in its log.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::net::IpAddr;
use std::process::{Child, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;
use testkit::kubectl::Kubectl;

use super::logs::Logs;
use super::{Place, Settings};
use crate::lock::lock;
use crate::record::{Millis, Pod, now_ms};

/// A pod, and what its log said beside that.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) pod: Pod,
    /// How often the container's own preStop hook ran.
    pub(super) own_hooks: u32,
    pub(super) address: Option<IpAddr>,
    /// Keeps the order in which they came.
    number: usize,
}

/// The pods seen so far, by uid.
pub(super) type Pods = Arc<Mutex<BTreeMap<String, Seen>>>;

/// All that the manifests of the scenarios make, and not the load generator beside them.
const SERVICE: &str = "--selector=app=web";

/// A watch that runs.
pub(super) struct Watch {
    seen: Pods,
    follower: Arc<Follower>,
    threads: Vec<JoinHandle<()>>,
}

/// An arm that fails leaves no kubectl behind.
impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end());
    }
}

impl Watch {
    pub(super) fn start(kubectl: &Kubectl, namespace: &str, settings: &Settings) -> Result<Self> {
        let kept = settings.logs.join(format!("pods-{namespace}.log"));
        let seen = Pods::default();
        let mut logs = match settings.place {
            Place::Node { .. } => Logs::files(namespace, &kept, &seen)?,
            Place::Cluster { .. } => Logs::kubectl(kubectl, namespace, &kept, &seen)?,
        };
        let follower = Arc::new(Follower {
            kubectl: kubectl.clone(),
            namespace: namespace.to_owned(),
            child: Mutex::default(),
            over: AtomicBool::default(),
        });
        let stdout = follower.watch()?.context("the watch is over")?;
        let events = {
            let (seen, follower) = (Arc::clone(&seen), Arc::clone(&follower));
            thread::spawn(move || follower.follow(stdout, &seen))
        };
        let logs = {
            let follower = Arc::clone(&follower);
            thread::spawn(move || {
                while !follower.over.load(Ordering::Relaxed) {
                    logs.read();
                    thread::sleep(Duration::from_millis(300));
                }
                logs.end();
            })
        };
        Ok(Self {
            seen,
            follower,
            threads: vec![events, logs],
        })
    }

    /// How many pods were told to go and have not gone, and how many have.
    pub(super) fn leaving_and_gone(&self) -> (usize, usize) {
        let seen = lock(&self.seen);
        let told = || seen.values().filter(|seen| seen.pod.deleted_ms.is_some());
        let gone = told().filter(|seen| seen.pod.gone_ms.is_some()).count();
        (told().count() - gone, gone)
    }

    /// Ends it; the pods in the order in which they were created.
    pub(super) fn stop(mut self) -> Result<Vec<Seen>> {
        self.end()?;
        let mut pods: Vec<Seen> = lock(&self.seen).values().cloned().collect();
        pods.sort_by_key(|seen| seen.number);
        Ok(pods)
    }

    /// Once more is no harm.
    fn end(&mut self) -> Result<()> {
        self.follower.end()?;
        for thread in self.threads.drain(..) {
            let panicked = |_| anyhow!("the watcher of the pods panicked");
            thread.join().map_err(panicked)?;
        }
        Ok(())
    }
}

/// The kubectl that watches, and the next one: API servers end each watch after half an hour or more.
struct Follower {
    kubectl: Kubectl,
    namespace: String,
    child: Mutex<Option<Child>>,
    over: AtomicBool,
}

/// Before it is tried again to watch.
const AGAIN: Duration = Duration::from_secs(1);

impl Follower {
    /// What it prints; none where it is not wanted any more.
    fn watch(&self) -> Result<Option<ChildStdout>> {
        let mut child = lock(&self.child);
        if self.over.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let args = ["get", "pods", SERVICE, "-n", &self.namespace, "-o", "json"];
        let watch = ["--watch", "--output-watch-events"];
        let (started, stdout) = self.kubectl.stream(&[&args[..], &watch].concat())?;
        *child = Some(started);
        Ok(Some(stdout))
    }

    fn follow(&self, first: ChildStdout, seen: &Pods) {
        let mut stdout = Some(first);
        loop {
            if let Some(stdout) = stdout.take() {
                follow(stdout, seen);
            }
            if let Some(mut ended) = lock(&self.child).take() {
                drop(ended.kill());
                drop(ended.wait());
            }
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            // In between pods may have gone, of which the next watch says nothing; the others it names.
            let listed = self.kubectl.get(&["pods", SERVICE, "-n", &self.namespace]);
            let again = listed.map(|listed| gone(&mut lock(seen), &listed, now_ms()));
            match again.and_then(|()| self.watch()) {
                Ok(again) => stdout = again,
                Err(_) => thread::sleep(AGAIN),
            }
        }
    }

    fn end(&self) -> Result<()> {
        let mut child = lock(&self.child);
        self.over.store(true, Ordering::Relaxed);
        if let Some(child) = child.as_mut() {
            child.kill().context("ending kubectl get --watch")?;
        }
        Ok(())
    }
}

fn follow(stdout: impl Read, seen: &Pods) {
    let events = serde_json::Deserializer::from_reader(BufReader::new(stdout));
    for event in events.into_iter::<Value>() {
        // It ends in the middle of an event when it is killed.
        let Ok(event) = event else { return };
        let mut seen = lock(seen);
        let uid = event["object"]["metadata"]["uid"].as_str().unwrap_or("");
        let number = seen.len();
        let seen = seen.entry(uid.to_owned()).or_insert_with(|| Seen {
            number,
            ..Seen::default()
        });
        let address = event["object"]["status"]["podIP"].as_str();
        seen.address = address.and_then(|ip| ip.parse().ok()).or(seen.address);
        take(&mut seen.pod, &event, now_ms());
    }
}

/// Those that are known and not on this list any more have gone.
fn gone(seen: &mut BTreeMap<String, Seen>, listed: &Value, now: Millis) {
    let listed = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
    let is = |uid: &str| listed.iter().any(|pod| pod["metadata"]["uid"] == uid);
    for (_, seen) in seen.iter_mut().filter(|(uid, _)| !is(uid)) {
        seen.pod.deleted_ms = seen.pod.deleted_ms.or(Some(now));
        seen.pod.gone_ms = seen.pod.gone_ms.or(Some(now));
    }
}

/// What an event says about a pod, seen at `now`. One that was there before the watch began comes
/// into being with its first event, ready as it is.
fn take(pod: &mut Pod, event: &Value, now: Millis) {
    let object = &event["object"];
    if pod.name.is_empty() {
        object["metadata"]["name"]
            .as_str()
            .unwrap_or("")
            .clone_into(&mut pod.name);
        pod.created_ms = Some(now);
    }
    let first = |time: &mut Option<Millis>, seen: bool| {
        if seen && time.is_none() {
            *time = Some(now);
        }
    };
    let status = &object["status"];
    let container = &status["containerStatuses"][0];
    first(
        &mut pod.started_ms,
        container["state"]["running"].is_object(),
    );
    let ready = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    first(&mut pod.ready_ms, ready);
    first(
        &mut pod.deleted_ms,
        object["metadata"]["deletionTimestamp"].is_string(),
    );
    let ended = container["state"]["terminated"].is_object();
    first(
        &mut pod.gone_ms,
        event["type"] == "DELETED" || (ended && pod.deleted_ms.is_some()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_that_went_while_nobody_watched_have_gone() {
        let named = |name: &str| (name.to_owned(), Seen::default());
        let mut seen = BTreeMap::from([named("stays"), named("went")]);
        gone(
            &mut seen,
            &json!({"items": [{"metadata": {"uid": "stays"}}]}),
            7,
        );
        assert_eq!(
            (seen["went"].pod.deleted_ms, seen["went"].pod.gone_ms),
            (Some(7), Some(7))
        );
        assert_eq!(seen["stays"].pod, Pod::default());
    }

    #[test]
    fn a_pods_life_is_told_by_the_first_event_of_each_kind() {
        let mut pod = Pod::default();
        let object = |status: Value, deleted: bool| {
            let mut metadata = json!({"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"});
            if deleted {
                metadata["deletionTimestamp"] = "2026-01-01T00:01:00Z".into();
            }
            json!({"type": "MODIFIED", "object": {"metadata": metadata, "status": status}})
        };
        let running = json!({"containerStatuses": [{"state": {"running": {}}}]});
        let ready = json!({"containerStatuses": [{"state": {"running": {}}}],
            "conditions": [{"type": "Ready", "status": "True"}]});
        let ended = json!({"containerStatuses": [{"state": {"terminated": {}}}]});
        take(&mut pod, &object(json!({}), false), 1);
        take(&mut pod, &object(running, false), 2);
        take(&mut pod, &object(ready.clone(), false), 3);
        take(&mut pod, &object(ready.clone(), true), 4);
        take(&mut pod, &object(ready, true), 5);
        take(&mut pod, &object(ended, true), 6);
        let times = [pod.created_ms, pod.started_ms, pod.ready_ms];
        assert_eq!(times, [Some(1), Some(2), Some(3)]);
        assert_eq!([pod.deleted_ms, pod.gone_ms], [Some(4), Some(6)]);
    }
}
