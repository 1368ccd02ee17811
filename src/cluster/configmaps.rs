//! ConfigMaps, kept in namespaces that opted in: the script's in each of them, the helper binary's
//! where pods mount it.
//!
//! It is created and put back, never updated and never deleted: its name carries the hash of its
//! content, and pods that run, or that a rollback brings back, may still mount an old one. Only
//! ConfigMaps of that very name are watched, and of those only the metadata, so the account may
//! be denied every other ConfigMap of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as kube_watcher};
use kube::{Api, Client};

use super::client::WATCH_SECONDS;
use super::ledger::Ledger;
use super::{Error, Observer, told};
use crate::snapshot::{Asked, Change, Changes, NamespaceEntry, Namespaces};

type Meta = PartialObjectMeta<ConfigMap>;

/// The labels on every ConfigMap that Silkroll writes.
pub const LABELS: [(&str, &str); 2] = [
    ("app.kubernetes.io/managed-by", "silkroll"),
    ("app.kubernetes.io/name", "silkroll"),
];

/// Who the API server names in `managedFields`.
const FIELD_MANAGER: &str = "silkroll";
/// One write, retries inside the client included. Longer than an API server under load takes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// What a namespace holds for its pods to mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The ConfigMap's name, `silkroll-<hash of its content>`.
    pub name: String,
    /// Its text files.
    pub data: BTreeMap<String, String>,
    /// Its binary files.
    pub binary_data: BTreeMap<String, Vec<u8>>,
}

/// Which of the namespaces that opted in hold it.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// All of them.
    Everywhere,
    /// All of them, and it is noted where it stands.
    Known(Arc<Asked>),
    /// Those that carry this annotation with this value, and those that asked.
    Where(&'static str, &'static str, Arc<Asked>),
}

impl Wanted {
    /// Whether a namespace that has opted in holds it.
    fn holds(&self, name: &str, entry: &NamespaceEntry) -> bool {
        match self {
            Self::Everywhere | Self::Known(_) => true,
            Self::Where(key, value, asked) => {
                entry.annotation(key) == Some(value) || asked.contains(name)
            }
        }
    }

    /// Brings a change into the ledger.
    fn follow(&self, change: &Change, snapshot: &Namespaces, ledger: &mut Ledger) {
        match change {
            Change::All => ledger.want_only(snapshot.served_where(|n, entry| self.holds(n, entry))),
            Change::One(name) => {
                let entry = snapshot.get(name);
                let wanted =
                    entry.is_some_and(|entry| entry.is_served() && self.holds(name, &entry));
                ledger.want(name, wanted);
            }
        }
    }

    /// Where it stands already, pods mount it: it is put back there, too.
    fn found(&self, namespace: &str) {
        if let Self::Where(_, _, asked) = self {
            asked.add(namespace);
        }
        self.note(namespace, true);
    }

    fn note(&self, namespace: &str, stands: bool) {
        if let Some(asked) = self.asked() {
            asked.note(namespace, stands);
        }
    }

    /// Who is told where it stands.
    fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Everywhere => None,
            Self::Known(asked) | Self::Where(_, _, asked) => Some(asked),
        }
    }

    fn changes(&self) -> Changes {
        match self {
            // What opts in is all that counts.
            Self::Everywhere | Self::Known(_) => Changes::never(),
            Self::Where(_, _, asked) => asked.changes(),
        }
    }
}

impl Files {
    /// What its hook is, as `silkroll.dev/hook` has it.
    fn hook(&self) -> &'static str {
        if self.binary_data.is_empty() {
            "script"
        } else {
            "binary"
        }
    }

    /// The ConfigMap as it is written to `namespace`.
    #[must_use]
    pub fn config_map(&self, namespace: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(namespace.to_owned()),
                labels: Some(
                    LABELS
                        .iter()
                        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                        .collect(),
                ),
                ..ObjectMeta::default()
            },
            data: (!self.data.is_empty()).then(|| self.data.clone()),
            binary_data: (!self.binary_data.is_empty()).then(|| {
                let files = self.binary_data.iter();
                files
                    .map(|(key, bytes)| (key.clone(), ByteString(bytes.clone())))
                    .collect()
            }),
            immutable: Some(true),
        }
    }
}

/// How a write of the ConfigMap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It was missing and is there now.
    Created,
    /// Another client, such as the other replica, was quicker.
    Existed,
    /// The namespace is gone or going.
    Skipped,
    /// It is tried again later.
    Failed,
}

impl Write {
    /// The word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Existed => "existed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// Keeps `files` in the namespaces that are wanted. Returns only if the watch ends, which it is not made to do.
pub(super) async fn keep(
    client: Client,
    snapshot: Arc<Namespaces>,
    files: Files,
    wanted: Wanted,
    observer: Arc<dyn Observer>,
) -> Error {
    let config = watcher::Config::default()
        .timeout(WATCH_SECONDS)
        // The API server reads this selector as the object's name, so RBAC can be `resourceNames`.
        .fields(&format!("metadata.name={}", files.name));
    let events = kube_watcher(Api::<Meta>::all(client.clone()), config).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut changes = snapshot.changes();
    let mut asked = wanted.changes();
    let mut ledger = Ledger::default();
    let mut writes = FuturesUnordered::new();
    let mut failing = false;

    snapshot.wait_synced().await;
    wanted.follow(&Change::All, &snapshot, &mut ledger);
    loop {
        let due = ledger.due(Instant::now());
        for namespace in due.write {
            writes.push(write(&client, &files, namespace));
        }
        let wake = due.wake.unwrap_or_else(Instant::now);
        tokio::select! {
            event = events.next() => match event {
                None => return Error::Stopped("the watch of ConfigMaps ended".to_owned()),
                Some(Ok(event)) => {
                    failing = false;
                    note(event, &mut ledger, &wanted);
                    observer.standing(files.hook(), ledger.standing());
                }
                Some(Err(error)) if failing => {
                    tracing::debug!(error = told(&error), "ConfigMaps still cannot be watched");
                }
                Some(Err(error)) => {
                    failing = true;
                    tracing::warn!(
                        error = told(&error),
                        name = files.name,
                        "cannot watch the ConfigMaps of this name, trying again; where it is forbidden, \
                         apply the install manifests of this very version: their ClusterRole names the ConfigMap"
                    );
                }
            },
            change = changes.next() => wanted.follow(&change, &snapshot, &mut ledger),
            change = asked.next() => wanted.follow(&change, &snapshot, &mut ledger),
            Some((namespace, result)) = writes.next(), if !writes.is_empty() => {
                let there = matches!(result, Ok(Write::Created | Write::Existed));
                if there {
                    wanted.note(&namespace, true);
                }
                let tries = ledger.written(&namespace, there, Instant::now());
                observer.configmap(report(&namespace, &files.name, tries, &result));
            }
            () = tokio::time::sleep_until(wake.into()), if due.wake.is_some() => {}
        }
    }
}

fn note(event: Event<Meta>, ledger: &mut Ledger, wanted: &Wanted) {
    match event {
        Event::Init => ledger.relist_begins(),
        Event::InitDone => {
            ledger.relist_done();
            if let Some(asked) = wanted.asked() {
                asked.note_all(ledger.present());
            }
        }
        Event::InitApply(found) => {
            if let Some(namespace) = namespace_of(found) {
                wanted.found(&namespace);
                ledger.listed(namespace);
            }
        }
        Event::Apply(found) => {
            if let Some(namespace) = namespace_of(found) {
                wanted.found(&namespace);
                ledger.appeared(&namespace);
            }
        }
        Event::Delete(found) => {
            if let Some(namespace) = namespace_of(found) {
                wanted.note(&namespace, false);
                ledger.vanished(&namespace);
            }
        }
    }
}

fn namespace_of(found: Meta) -> Option<Box<str>> {
    found.metadata.namespace.map(String::into_boxed_str)
}

async fn write(
    client: &Client,
    files: &Files,
    namespace: Box<str>,
) -> (Box<str>, Result<Write, String>) {
    let api = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let body = files.config_map(&namespace);
    let result = match tokio::time::timeout(WRITE_TIMEOUT, api.create(&params, &body)).await {
        Err(_) => Err(format!("no answer within {} s", WRITE_TIMEOUT.as_secs())),
        Ok(Ok(_)) => Ok(Write::Created),
        Ok(Err(error)) => judge(error),
    };
    (namespace, result)
}

fn judge(error: kube::Error) -> Result<Write, String> {
    match error {
        kube::Error::Api(status) if status.is_already_exists() => Ok(Write::Existed),
        kube::Error::Api(status) if status.is_not_found() => Ok(Write::Skipped),
        kube::Error::Api(status) if is_terminating(&status) => Ok(Write::Skipped),
        kube::Error::Api(status) => Err(told(&status.message)),
        other => Err(told(&other)),
    }
}

/// A namespace being deleted forbids creation, and says so by this cause
/// (`NamespaceTerminatingCause` in `k8s.io/api/core/v1`).
pub(super) fn is_terminating(status: &kube::core::Status) -> bool {
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == "NamespaceTerminating")
}

fn report(namespace: &str, name: &str, tries: u32, result: &Result<Write, String>) -> Write {
    match result {
        Ok(Write::Created) => {
            tracing::info!(namespace, name, "ConfigMap created");
            Write::Created
        }
        Ok(other) => {
            tracing::debug!(
                namespace,
                name,
                result = other.as_str(),
                "ConfigMap not created"
            );
            *other
        }
        // Once per namespace: a quota that is full stays so for a while.
        Err(error) if tries > 1 => {
            tracing::debug!(namespace, name, error, tries, "ConfigMap still not created");
            Write::Failed
        }
        Err(error) => {
            tracing::warn!(
                namespace,
                name,
                error,
                "cannot create the ConfigMap, trying again; until it is there, new pods only sleep before they stop, or wait for it where they run the helper binary"
            );
            Write::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(code: u16, reason: &str, cause: &str) -> kube::Error {
        let status = json!({
            "status": "Failure", "code": code, "reason": reason, "message": "said no",
            "details": {"causes": [{"reason": cause, "message": ""}]},
        });
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn refusals_are_told_apart() {
        for (code, reason, cause, expected) in [
            (409, "AlreadyExists", "", Ok(Write::Existed)),
            (404, "NotFound", "", Ok(Write::Skipped)),
            (403, "Forbidden", "NamespaceTerminating", Ok(Write::Skipped)),
            (403, "Forbidden", "", Err("said no".to_owned())),
            (500, "InternalError", "", Err("said no".to_owned())),
        ] {
            assert_eq!(
                judge(refusal(code, reason, cause)),
                expected,
                "{code} {reason} {cause}"
            );
        }
    }

    #[test]
    fn the_config_map_is_immutable_labelled_and_whole() {
        let files = Files {
            name: "silkroll-abc".into(),
            data: BTreeMap::from([("leave.sh".to_owned(), "#!/bin/sh\n".to_owned())]),
            binary_data: BTreeMap::from([("hook-amd64".to_owned(), vec![0x7f, 0xff])]),
        };
        assert_eq!(
            serde_json::to_value(files.config_map("shop")).unwrap(),
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "silkroll-abc",
                    "namespace": "shop",
                    "labels": {
                        "app.kubernetes.io/managed-by": "silkroll",
                        "app.kubernetes.io/name": "silkroll",
                    },
                },
                "data": {"leave.sh": "#!/bin/sh\n"},
                "binaryData": {"hook-amd64": "f/8="},
                "immutable": true,
            })
        );
    }
}
