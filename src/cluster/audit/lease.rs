//! Which replica audits: the one that holds the Lease (`coordination.k8s.io`). It is held from one turn to the next, and
//! renewed at each and within long ones, so a replica asks the API server once a turn.
//!
//! No clock is compared with another one's: a Lease has expired when it has not changed for its duration, as seen here.
//! Two that both believe to hold it (one was suspended) do twice what harms nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::time::Instant;

use super::super::configmaps::LABELS;
use super::{Audit, Trouble, call};
use crate::text::{quoted, shown};

/// The least that it is held for: a write may take seconds.
const LEAST: Duration = Duration::from_secs(5);
/// The most that another one's duration may be: two days, as of the longest interval.
const MOST: Duration = Duration::from_secs(2 * 86_400);
/// How many of its own durations a replica waits for another one at most. All have the same interval, but for an upgrade that
/// changes it; a Lease that says two days must not keep the audit from being made for so long.
const PATIENCE: u32 = 3;

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Ours,
    /// Another replica's, at least for so long if it is not heard of again.
    Theirs {
        expires: Duration,
    },
}

/// The Lease as this replica sees it.
pub(super) struct Lease {
    api: Api<Object>,
    name: String,
    identity: String,
    duration: Duration,
    /// Its resourceVersion, and since when it is that.
    seen: Option<(String, Instant)>,
    /// As it was last written by this replica, and when.
    held: Option<(Object, Instant)>,
    /// The other replica that was last said to hold it.
    heard: String,
}

/// What there is to do about a Lease that is there.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    /// It is held already.
    Held,
    /// Nobody has it, or who had it is gone.
    Free,
    Theirs {
        expires: Duration,
    },
}

impl Lease {
    pub(super) fn new(client: Client, audit: &Audit) -> Self {
        Self {
            api: Api::namespaced(client, &audit.home),
            name: audit.lease.clone(),
            identity: audit.identity.clone(),
            // Half a turn more than a turn: who holds it and lives renews it in time.
            duration: (audit.every * 3 / 2).max(LEAST),
            seen: None,
            held: None,
            heard: String::new(),
        }
    }

    /// Takes it or renews it, where that may be.
    pub(super) async fn take(&mut self) -> Result<Turn, Trouble> {
        let held = self.held.take().map(|(_, at)| at);
        let Some(found) = call(self.api.get_opt(&self.name)).await? else {
            return self
                .written(call(self.api.create(&PostParams::default(), &self.fresh())).await);
        };
        // Since when it stands as it does: who held it knows from its own write.
        let version = found.metadata.resource_version.clone().unwrap_or_default();
        let now = Instant::now();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, now));
        }
        let unchanged = self
            .seen
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| now.duration_since(*since));
        let most = self.duration * PATIENCE;
        match judge(&found, &self.identity, unchanged, most).map_err(Trouble::Other)? {
            Judged::Theirs { expires } => {
                self.hear(&found);
                Ok(Turn::Theirs { expires })
            }
            Judged::Held if held.is_some() => self.put(found, false).await,
            Judged::Held | Judged::Free => self.put(found, true).await,
        }
    }

    /// Says once which other replica audits.
    fn hear(&mut self, lease: &Object) {
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
        let holder = shown(holder.unwrap_or_default(), 80);
        if self.heard != holder {
            self.heard = holder.into_owned();
            tracing::info!(holder = self.heard, "another replica audits");
        }
    }

    /// Renews it in time, within a long run.
    pub(super) async fn keep(&mut self) -> Result<(), Trouble> {
        let Some((lease, since)) = &self.held else {
            return Err(Trouble::Lost);
        };
        if since.elapsed() < self.duration / 3 {
            return Ok(());
        }
        match self.put(lease.clone(), false).await? {
            Turn::Ours => Ok(()),
            Turn::Theirs { .. } => Err(Trouble::Lost),
        }
    }

    /// Gives it back, so that another replica need not wait until it has expired.
    pub(super) async fn release(&mut self) -> Result<(), Trouble> {
        let found = call(self.api.get_opt(&self.name)).await?;
        let ours = |spec: &LeaseSpec| spec.holder_identity.as_deref() == Some(&*self.identity);
        let Some(mut lease) = found.filter(|lease| lease.spec.as_ref().is_some_and(ours)) else {
            return Ok(());
        };
        self.held = None;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        call(self.api.replace(&self.name, &PostParams::default(), &lease)).await?;
        Ok(())
    }

    fn fresh(&self) -> Object {
        let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut lease = Object {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from(labels)),
                ..ObjectMeta::default()
            },
            spec: None,
        };
        self.fill(&mut lease, true);
        lease
    }

    fn fill(&self, lease: &mut Object, taken: bool) {
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(self.duration.as_secs()).ok();
        if taken {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions =
                Some(spec.lease_transitions.map_or(0, |n| n.saturating_add(1)));
        }
        spec.renew_time = Some(now);
    }

    /// Its resourceVersion goes with it: who wrote in between has it.
    async fn put(&mut self, mut lease: Object, taken: bool) -> Result<Turn, Trouble> {
        self.fill(&mut lease, taken);
        self.written(call(self.api.replace(&self.name, &PostParams::default(), &lease)).await)
    }

    fn written(&mut self, written: Result<Object, Trouble>) -> Result<Turn, Trouble> {
        match written {
            Ok(lease) => {
                self.heard.clear();
                self.held = Some((lease, Instant::now()));
                Ok(Turn::Ours)
            }
            Err(trouble) if trouble.status() == Some(409) => Ok(Turn::Theirs {
                expires: self.duration,
            }),
            Err(trouble) => Err(trouble),
        }
    }
}

/// Judges a Lease that has not changed for so long; `most` is how long another replica is waited for.
///
/// # Errors
/// It is none of Silkroll's, or none that Silkroll wrote.
fn judge(
    lease: &Object,
    identity: &str,
    unchanged: Duration,
    most: Duration,
) -> Result<Judged, String> {
    let (key, value) = LABELS[0];
    let labels = lease.metadata.labels.as_ref();
    let name = lease.metadata.name.as_deref().unwrap_or_default();
    if labels.is_none_or(|labels| labels.get(key).is_none_or(|found| found != value)) {
        return Err(format!(
            "Lease {name} was not made by Silkroll: it has no label {key}={value}; delete it, or whatever keeps it"
        ));
    }
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    if holder.is_empty() {
        return Ok(Judged::Free);
    }
    if holder == identity {
        return Ok(Judged::Held);
    }
    let seconds = spec.lease_duration_seconds;
    let duration = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let duration = duration
        .map(Duration::from_secs)
        .filter(|duration| (Duration::from_secs(1)..=MOST).contains(duration));
    let Some(duration) = duration else {
        return Err(format!(
            "Lease {name} is held by {} with spec.leaseDurationSeconds {}; allowed is 1 to {}; delete it",
            quoted(&holder, 80),
            seconds.map_or("left out".to_owned(), |seconds| seconds.to_string()),
            MOST.as_secs()
        ));
    };
    Ok(match duration.min(most).checked_sub(unchanged) {
        Some(expires) if !expires.is_zero() => Judged::Theirs { expires },
        _ => Judged::Free,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_is_taken_where_it_is_free_or_has_not_changed_for_its_duration() {
        let labels = json!({"app.kubernetes.io/managed-by": "silkroll"});
        let theirs = |seconds| {
            Ok(Judged::Theirs {
                expires: Duration::from_secs(seconds),
            })
        };
        for (spec, unchanged, expected) in [
            (
                json!({"holderIdentity": "b", "leaseDurationSeconds": 30}),
                0,
                theirs(30),
            ),
            (
                json!({"holderIdentity": "b", "leaseDurationSeconds": 30}),
                29,
                theirs(1),
            ),
            (
                json!({"holderIdentity": "b", "leaseDurationSeconds": 30}),
                30,
                Ok(Judged::Free),
            ),
            // What it says of the time is another clock's.
            (
                json!({"holderIdentity": "b", "leaseDurationSeconds": 30, "renewTime": "2001-01-01T00:00:00.000000Z"}),
                0,
                theirs(30),
            ),
            (
                json!({"holderIdentity": "a", "leaseDurationSeconds": 30}),
                0,
                Ok(Judged::Held),
            ),
            // Nobody is waited for longer than this replica would by its own interval.
            (
                json!({"holderIdentity": "b", "leaseDurationSeconds": 172_800}),
                30,
                theirs(60),
            ),
            (
                json!({"holderIdentity": "b", "leaseDurationSeconds": 172_800}),
                90,
                Ok(Judged::Free),
            ),
            (json!({"holderIdentity": ""}), 0, Ok(Judged::Free)),
            (json!({}), 0, Ok(Judged::Free)),
        ] {
            let lease =
                json!({"metadata": {"name": "silkroll-audit", "labels": labels}, "spec": spec});
            let lease: Object = serde_json::from_value(lease).unwrap();
            assert_eq!(
                judge(
                    &lease,
                    "a",
                    Duration::from_secs(unchanged),
                    Duration::from_secs(90)
                ),
                expected,
                "{spec}"
            );
        }
    }

    #[test]
    fn one_that_is_not_silkrolls_or_is_broken_is_left_alone() {
        let ours = json!({"app.kubernetes.io/managed-by": "silkroll"});
        for (labels, spec, why) in [
            (json!({}), json!({}), "was not made by Silkroll"),
            (
                json!({"app.kubernetes.io/managed-by": "Helm"}),
                json!({}),
                "was not made by Silkroll",
            ),
            (
                ours.clone(),
                json!({"holderIdentity": "b"}),
                "leaseDurationSeconds left out",
            ),
            (
                ours.clone(),
                json!({"holderIdentity": "b", "leaseDurationSeconds": 0}),
                "leaseDurationSeconds 0",
            ),
            (
                ours.clone(),
                json!({"holderIdentity": "b", "leaseDurationSeconds": -1}),
                "leaseDurationSeconds -1",
            ),
            (
                ours,
                json!({"holderIdentity": "b", "leaseDurationSeconds": 2_000_000_000}),
                "leaseDurationSeconds 2000000000",
            ),
        ] {
            let lease =
                json!({"metadata": {"name": "silkroll-audit", "labels": labels}, "spec": spec});
            let lease: Object = serde_json::from_value(lease).unwrap();
            let error = judge(&lease, "a", MOST, MOST).unwrap_err();
            assert!(
                error.contains(why) && error.contains("delete it"),
                "{error}"
            );
        }
    }
}
