//! What is found is told where it is looked for: a line in the log and an Event on the object, once a day while the
//! object stays as it is, and so many of them in a run at most.

use std::collections::HashMap;
use std::time::Duration;

use hyper::Request;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::super::configmaps::is_terminating;
use super::page::Found;
use super::{Audited, Said, Trouble, call};
use crate::engine::Kind;
use crate::text::shown;

/// Told in one run, of what waits for somebody, and of what mends itself at its next change: 100 together. The rest has its turn
/// in the runs after.
const MISSES: usize = 80;
const OUTDATED: usize = 20;
/// It is told again after so long.
const AGAIN: Duration = Duration::from_secs(86_400);
/// Of how many objects it is remembered that they were told of: 24 bytes each. What is beyond is only counted.
const REMEMBERED: usize = 20_000;
/// What is told of a name in the log, in characters.
const NAME: usize = 80;
/// An Event's name is at most 253 characters long, of which a point and a hash take 17.
const EVENT_NAME: usize = 230;

/// Who reports, as Events have it.
const CONTROLLER: &str = "silkroll.dev/audit";
const EVENTS: &str = "write Events";

/// Tells, and knows what was told.
pub(super) struct Teller {
    client: Client,
    identity: String,
    /// When an object was told of, and in which run it was last found.
    told: HashMap<u64, (Instant, u64)>,
    run: u64,
    misses: usize,
    outdated: usize,
    untold: u64,
    /// An Event could not be written in this run, so no more are tried; and whether that is so because they are forbidden.
    silenced: Option<bool>,
}

impl Teller {
    pub(super) fn new(client: Client, mut identity: String) -> Self {
        // `reportingInstance` has 128 characters at most.
        identity.truncate(128);
        Self {
            client,
            identity,
            told: HashMap::new(),
            run: 1,
            misses: 0,
            outdated: 0,
            untold: 0,
            silenced: None,
        }
    }

    /// Tells of one object, where that is due.
    pub(super) async fn tell(&mut self, kind: Kind, found: &Found, said: &mut Said) {
        let key = key(found);
        if !self.is_due(key, found.finding.outdated, Instant::now()) {
            return;
        }
        log(kind, found);
        // Where Events may not be written at all, the log has said it.
        let done = match self.silenced {
            Some(for_good) => for_good,
            None => match self.event(kind, found, key).await {
                Ok(()) => {
                    said.works(EVENTS);
                    true
                }
                Err(trouble) => {
                    said.fails(EVENTS, &trouble);
                    *self.silenced.insert(trouble.status() == Some(403))
                }
            },
        };
        if done {
            self.told.insert(key, (Instant::now(), self.run));
        }
    }

    /// Whether it is to be told of now; counts what is not.
    fn is_due(&mut self, key: u64, outdated: bool, now: Instant) -> bool {
        if let Some((at, run)) = self.told.get_mut(&key) {
            *run = self.run;
            if now.duration_since(*at) < AGAIN {
                return false;
            }
        } else if self.told.len() >= REMEMBERED {
            self.untold += 1;
            return false;
        }
        let (told, most) = if outdated {
            (&mut self.outdated, OUTDATED)
        } else {
            (&mut self.misses, MISSES)
        };
        if *told >= most {
            self.untold += 1;
            return false;
        }
        *told += 1;
        true
    }

    /// Forgets what is not found any more, and sums up.
    pub(super) fn end_run(&mut self, audited: &Audited) {
        if audited.whole {
            let run = self.run;
            self.told.retain(|_, (_, found)| *found == run);
        }
        self.run += 1;
        let found: u64 = audited.found.values().sum();
        let by_reason = audited
            .found
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(reason, count)| format!("{reason}={count}"));
        let by_reason: Vec<_> = by_reason.collect();
        let (told, untold) = (self.misses + self.outdated, self.untold);
        let took_ms = u64::try_from(audited.took.as_millis()).unwrap_or(u64::MAX);
        let looked_at = audited.looked_at;
        let (whole, by_reason) = (audited.whole, by_reason.join(" "));
        tracing::info!(
            whole, looked_at, found, by_reason, told, untold, took_ms, "audit"
        );
        (self.misses, self.outdated, self.untold, self.silenced) = (0, 0, 0, None);
    }

    /// It has one name as long as nothing changes, so another replica does not write it twice.
    async fn event(&self, kind: Kind, found: &Found, key: u64) -> Result<(), Trouble> {
        let event = event(kind, found, key, &self.identity, Timestamp::now());
        let path = format!(
            "/apis/events.k8s.io/v1/namespaces/{}/events",
            found.namespace
        );
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(event.to_string().into_bytes());
        let request = request.map_err(|error| Trouble::Other(error.to_string()))?;
        match call(self.client.request::<Value>(request)).await {
            Ok(_) => Ok(()),
            // It stands there; or the namespace is gone, or going.
            Err(trouble) if matches!(trouble.status(), Some(404 | 409)) => Ok(()),
            Err(Trouble::Api(kube::Error::Api(status))) if is_terminating(&status) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }
}

fn log(kind: Kind, found: &Found) {
    let namespace = &*shown(&found.namespace, NAME);
    let name = &*shown(&found.name, NAME);
    let (reason, note) = (found.finding.reason, &*found.finding.note);
    let kind = kind.name();
    if found.finding.outdated {
        tracing::info!(kind, namespace, name, reason, "audit: {note}");
    } else {
        tracing::warn!(kind, namespace, name, reason, "audit: {note}");
    }
}

/// An object, what it is told for, and its state.
fn key(found: &Found) -> u64 {
    let what = format!(
        "{}/{}/{}",
        found.uid, found.generation, found.finding.reason
    );
    xxh3_64(what.as_bytes())
}

fn event(kind: Kind, found: &Found, key: u64, identity: &str, now: Timestamp) -> Value {
    let cut = found.name.get(..EVENT_NAME).unwrap_or(&found.name);
    let finding = &found.finding;
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{key:016x}", cut.trim_end_matches(['-', '.'])),
            "namespace": found.namespace,
        },
        "eventTime": format!("{now:.6}"),
        "reportingController": CONTROLLER,
        "reportingInstance": identity,
        "action": "Audit",
        "reason": camel(finding.reason),
        "regarding": {
            "apiVersion": kind.api_version(),
            "kind": kind.name(),
            "namespace": found.namespace,
            "name": found.name,
            "uid": found.uid,
        },
        "note": finding.note,
        "type": if finding.outdated { "Normal" } else { "Warning" },
    })
}

/// `not-injected` as Events have their reasons: `NotInjected`.
fn camel(code: &str) -> String {
    code.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Finding;
    use kube::Config;

    fn found(name: &str, generation: i64, reason: &'static str) -> Found {
        Found {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            generation,
            finding: Finding {
                reason,
                outdated: reason == "outdated",
                note: "what to do".to_owned(),
            },
        }
    }

    fn teller() -> Teller {
        let config = Config::new("http://127.0.0.1:1".parse().unwrap());
        Teller::new(Client::try_from(config).unwrap(), "a".to_owned())
    }

    /// As it is told, without an API server.
    fn tell(teller: &mut Teller, found: &Found, now: Instant) -> bool {
        let due = teller.is_due(key(found), found.finding.outdated, now);
        if due {
            teller.told.insert(key(found), (now, teller.run));
        }
        due
    }

    fn whole() -> Audited {
        Audited {
            whole: true,
            ..Audited::default()
        }
    }

    #[tokio::test]
    async fn an_object_is_told_of_once_a_day_and_at_once_where_its_state_changed() {
        let mut teller = teller();
        let now = Instant::now();
        let web = |generation, reason| found("web", generation, reason);
        assert!(tell(&mut teller, &web(1, "not-injected"), now));
        teller.end_run(&whole());
        assert!(!tell(&mut teller, &web(1, "not-injected"), now));
        assert!(tell(&mut teller, &web(2, "not-injected"), now));
        assert!(tell(&mut teller, &web(2, "outdated"), now));
        teller.end_run(&whole());
        assert!(!tell(&mut teller, &web(2, "outdated"), now + AGAIN / 2));
        let now = now + AGAIN;
        assert!(tell(&mut teller, &web(2, "outdated"), now));
        teller.end_run(&whole());
        // Not found in a whole run: mended, and told of when it comes again.
        teller.end_run(&whole());
        assert!(tell(&mut teller, &web(2, "outdated"), now));
        // What was not listed may be as it was.
        teller.end_run(&Audited::default());
        teller.end_run(&Audited::default());
        assert!(!tell(&mut teller, &web(2, "outdated"), now));
    }

    #[tokio::test]
    async fn a_run_tells_of_so_many_and_the_next_ones_of_the_rest() {
        let mut teller = teller();
        let now = Instant::now();
        let names: Vec<_> = (0..200).map(|n| format!("web-{n}")).collect();
        let run = |teller: &mut Teller, reason| {
            let told = names
                .iter()
                .filter(|name| tell(teller, &found(name, 1, reason), now));
            told.count()
        };
        assert_eq!(run(&mut teller, "not-injected"), MISSES);
        assert_eq!(run(&mut teller, "outdated"), OUTDATED);
        assert_eq!(teller.untold, 120 + 180);
        teller.end_run(&whole());
        assert_eq!(run(&mut teller, "not-injected"), MISSES);
        teller.end_run(&Audited::default());
        assert_eq!(run(&mut teller, "not-injected"), 40);
        teller.end_run(&Audited::default());
        assert_eq!(run(&mut teller, "not-injected"), 0);
    }

    #[test]
    fn an_event_names_object_reason_and_what_to_do_under_one_name() {
        let now = "2026-11-27T15:00:00Z".parse().unwrap();
        let web = found("web", 1, "not-injected");
        let event_of = |found: &Found| event(Kind::Deployment, found, key(found), "a", now);
        let told = event_of(&web);
        assert_eq!(told["eventTime"], "2026-11-27T15:00:00.000000Z");
        assert_eq!(told["reason"], "NotInjected");
        assert_eq!(told["type"], "Warning");
        assert_eq!(told["regarding"]["uid"], "uid-web");
        assert_eq!(told["metadata"]["name"], event_of(&web)["metadata"]["name"]);
        assert_ne!(
            told["metadata"]["name"],
            event_of(&found("web", 2, "not-injected"))["metadata"]["name"]
        );
        let long = event_of(&found(&"a".repeat(253), 1, "outdated"));
        assert!(long["metadata"]["name"].as_str().unwrap().len() <= 253);
        assert_eq!(long["type"], "Normal");
    }
}
