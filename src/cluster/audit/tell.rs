//! What is found is told where it is looked for: a line in the log and an Event on the object, once a day while the
//! object stays as it is, and so many of them in a run at most.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hyper::Request;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::super::configmaps::is_terminating;
use super::page::AuditedObject;
use super::{Audited, Said, Trouble, call};
use crate::engine::Kind;
use crate::text::shown;

/// Told in one run, of what waits for somebody, of what mends itself at its next change, and of what was told of before and has
/// changed since: 120 together. The rest has its turn in the runs after. What changes all the time, as by an autoscaler, has
/// a number of its own, so that it takes nobody else's.
const MISSES: usize = 80;
const OUTDATED: usize = 20;
const CHANGED: usize = 20;
/// It is told again after so long.
const AGAIN: Duration = Duration::from_secs(86_400);
/// Of how many objects it is remembered that they were told of: 40 bytes each. What is beyond is only counted.
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
    /// By object and reason.
    told: HashMap<u64, LastTold>,
    run: u64,
    /// Of this run.
    counts: Counts,
    /// Namespaces that refused an Event in this run, by the account's rights or by a policy: no more are tried there.
    refused: HashSet<String>,
    /// An Event could not be written in this run for another reason, so no more are tried at all.
    silenced: bool,
    /// One was written in this run.
    written: bool,
}

/// What was told of an object.
#[derive(Debug, Clone, Copy)]
struct LastTold {
    at: Instant,
    /// Its generation then.
    generation: i64,
    /// In which run it was last found.
    run: u64,
}

/// How much was told in a run, and how much was not.
#[derive(Debug, Default)]
struct Counts {
    misses: usize,
    outdated: usize,
    changed: usize,
    untold: u64,
}

impl Teller {
    pub(super) fn new(client: Client, mut identity: String) -> Self {
        // `reportingInstance` has 128 bytes at most.
        let end = (0..=128).rev().find(|end| identity.is_char_boundary(*end));
        identity.truncate(end.unwrap_or_default());
        Self {
            client,
            identity,
            told: HashMap::new(),
            run: 1,
            counts: Counts::default(),
            refused: HashSet::new(),
            silenced: false,
            written: false,
        }
    }

    /// Tells of one object, where that is due.
    pub(super) async fn tell(&mut self, kind: Kind, found: &AuditedObject, said: &mut Said) {
        if !self.is_due(found, Instant::now()) {
            return;
        }
        log(kind, found);
        // Where Events are refused, the log has said it; what fails otherwise is tried again in the next run.
        let done = self.refused.contains(&found.namespace)
            || !self.silenced && self.write(kind, found, said).await;
        if done {
            self.note(found, Instant::now());
        }
    }

    /// Remembers that an object was told of.
    fn note(&mut self, found: &AuditedObject, at: Instant) {
        let told = LastTold {
            at,
            generation: found.generation,
            run: self.run,
        };
        self.told.insert(key(found), told);
    }

    /// Writes the Event, and whether it need not be tried again.
    async fn write(&mut self, kind: Kind, found: &AuditedObject, said: &mut Said) -> bool {
        let Err(trouble) = self.event(kind, found).await else {
            self.written = true;
            return true;
        };
        said.fails(EVENTS, &trouble);
        // 429 is of an API server that is busy, as one that fails is: others fare no better.
        let refused = trouble
            .status()
            .is_some_and(|status| (400..500).contains(&status) && status != 429);
        if refused {
            self.refused.insert(found.namespace.clone());
        } else {
            self.silenced = true;
        }
        refused
    }

    /// Whether it is to be told of now; counts what is not.
    fn is_due(&mut self, found: &AuditedObject, now: Instant) -> bool {
        let before = self.told.get_mut(&key(found));
        let changed = before
            .as_ref()
            .is_some_and(|told| told.generation != found.generation);
        if let Some(told) = before {
            told.run = self.run;
            if !changed && now.duration_since(told.at) < AGAIN {
                return false;
            }
        } else if self.told.len() >= REMEMBERED {
            self.counts.untold += 1;
            return false;
        }
        let (told, most) = match (changed, found.finding.outdated) {
            (true, _) => (&mut self.counts.changed, CHANGED),
            (false, true) => (&mut self.counts.outdated, OUTDATED),
            (false, false) => (&mut self.counts.misses, MISSES),
        };
        if *told >= most {
            self.counts.untold += 1;
            return false;
        }
        *told += 1;
        true
    }

    /// Forgets what is not found any more, and sums up.
    pub(super) fn end_run(&mut self, audited: &Audited, said: &mut Said) {
        if self.written && self.refused.is_empty() && !self.silenced {
            said.works(EVENTS);
        }
        if audited.whole {
            let run = self.run;
            self.told.retain(|_, told| told.run == run);
        }
        self.run += 1;
        let found: u64 = audited.found.values().sum();
        let by_reason = audited
            .found
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(reason, count)| format!("{reason}={count}"));
        let by_reason: Vec<_> = by_reason.collect();
        let counts = std::mem::take(&mut self.counts);
        let (told, untold) = (
            counts.misses + counts.outdated + counts.changed,
            counts.untold,
        );
        let took_ms = u64::try_from(audited.took.as_millis()).unwrap_or(u64::MAX);
        let looked_at = audited.looked_at;
        let (whole, by_reason) = (audited.whole, by_reason.join(" "));
        tracing::info!(
            whole, looked_at, found, by_reason, told, untold, took_ms, "audit"
        );
        (self.silenced, self.written) = (false, false);
        self.refused.clear();
    }

    /// It has one name as long as nothing changes, so another replica does not write it twice.
    async fn event(&self, kind: Kind, found: &AuditedObject) -> Result<(), Trouble> {
        let event = event(kind, found, &self.identity, Timestamp::now());
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

fn log(kind: Kind, found: &AuditedObject) {
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

/// An object, and what it is told for.
fn key(found: &AuditedObject) -> u64 {
    let what = format!("{}/{}", found.uid, found.finding.reason);
    xxh3_64(what.as_bytes())
}

/// Its name says the object's state and what it is told for.
fn event(kind: Kind, found: &AuditedObject, identity: &str, now: Timestamp) -> Value {
    let cut = found.name.get(..EVENT_NAME).unwrap_or(&found.name);
    let finding = &found.finding;
    let state = format!("{}/{}/{}", found.uid, found.generation, finding.reason);
    let state = xxh3_64(state.as_bytes());
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{state:016x}", cut.trim_end_matches(['-', '.'])),
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
    use crate::audit::AuditFinding;
    use kube::Config;

    fn found(name: &str, generation: i64, reason: &'static str) -> AuditedObject {
        AuditedObject {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            generation,
            finding: AuditFinding {
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
    fn tell(teller: &mut Teller, found: &AuditedObject, now: Instant) -> bool {
        let due = teller.is_due(found, now);
        if due {
            teller.note(found, now);
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
        teller.end_run(&whole(), &mut Said::default());
        assert!(!tell(&mut teller, &web(1, "not-injected"), now));
        assert!(tell(&mut teller, &web(2, "not-injected"), now));
        assert!(tell(&mut teller, &web(2, "outdated"), now));
        teller.end_run(&whole(), &mut Said::default());
        assert!(!tell(&mut teller, &web(2, "outdated"), now + AGAIN / 2));
        let now = now + AGAIN;
        assert!(tell(&mut teller, &web(2, "outdated"), now));
        teller.end_run(&whole(), &mut Said::default());
        // Not found in a whole run: mended, and told of when it comes again.
        teller.end_run(&whole(), &mut Said::default());
        assert!(tell(&mut teller, &web(2, "outdated"), now));
        // What was not listed may be as it was.
        teller.end_run(&Audited::default(), &mut Said::default());
        teller.end_run(&Audited::default(), &mut Said::default());
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
        assert_eq!(teller.counts.untold, 120 + 180);
        teller.end_run(&whole(), &mut Said::default());
        assert_eq!(run(&mut teller, "not-injected"), MISSES);
        teller.end_run(&Audited::default(), &mut Said::default());
        assert_eq!(run(&mut teller, "not-injected"), 40);
        teller.end_run(&Audited::default(), &mut Said::default());
        assert_eq!(run(&mut teller, "not-injected"), 0);
    }

    #[tokio::test]
    async fn what_changes_all_the_time_keeps_nothing_else_from_being_told() {
        let mut teller = teller();
        let now = Instant::now();
        let scaled: Vec<_> = (0..MISSES).map(|n| format!("scaled-{n}")).collect();
        let run = |teller: &mut Teller, generation| {
            let told = scaled
                .iter()
                .filter(|name| tell(teller, &found(name, generation, "not-injected"), now));
            told.count()
        };
        assert_eq!(run(&mut teller, 1), MISSES);
        teller.end_run(&whole(), &mut Said::default());
        assert_eq!(run(&mut teller, 2), CHANGED);
        assert!(tell(&mut teller, &found("new", 1, "not-injected"), now));
    }

    #[tokio::test]
    async fn an_identity_of_any_letters_is_cut() {
        let config = Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(config).unwrap();
        let teller = Teller::new(client, format!("a{}", "ü".repeat(100)));
        assert_eq!(teller.identity.len(), 127);
    }

    #[test]
    fn an_event_names_object_reason_and_what_to_do_under_one_name() {
        let now = "2026-11-27T15:00:00Z".parse().unwrap();
        let web = found("web", 1, "not-injected");
        let event_of = |found: &AuditedObject| event(Kind::Deployment, found, "a", now);
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
