//! What is known about the cluster's namespaces, kept in memory.
//!
//! `cluster` fills it and `server` reads it; neither knows the other. An answer never waits for the
//! API server: while that is away, the last known state stays.

mod asked;
mod changes;

pub use asked::{Asked, is_name};
pub use changes::{Change, Changes};

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use self::changes::Teller;
use crate::policy::{INJECT, PREFIX, opts_in};
use crate::text::shown;

/// Full keys and values, as the policy reads them.
pub type OwnedPairs = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// One namespace, reduced to what the policy needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NamespaceEntry {
    /// Annotations under [`PREFIX`], full keys, sorted by key.
    pub annotations: OwnedPairs,
    /// Labels under [`PREFIX`], full keys, sorted by key. They set nothing: a label in place of an
    /// annotation is a mistake to warn about.
    pub labels: OwnedPairs,
    /// The namespace is being deleted; nothing can be created in it any more.
    pub terminating: bool,
}

impl NamespaceEntry {
    /// Keeps what is Silkroll's of a namespace's annotations and labels.
    #[must_use]
    pub fn new<K, V>(
        annotations: impl IntoIterator<Item = (K, V)>,
        labels: impl IntoIterator<Item = (K, V)>,
        terminating: bool,
    ) -> Self
    where
        K: AsRef<str> + Into<String>,
        V: Into<String>,
    {
        Self {
            annotations: ours(annotations),
            labels: ours(labels),
            terminating,
        }
    }

    /// The value of an annotation, by its full key.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations
            .binary_search_by(|(k, _)| k.as_ref().cmp(key))
            .ok()
            .map(|at| self.annotations[at].1.as_ref())
    }

    /// Has the namespace opted in, for all its workloads or for those that ask?
    #[must_use]
    pub fn opted_in(&self) -> bool {
        self.annotation(INJECT).is_some_and(opts_in)
    }

    /// Whether things are to be kept in it: it has opted in and is not being deleted.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.opted_in() && !self.terminating
    }
}

fn ours<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> OwnedPairs
where
    K: AsRef<str> + Into<String>,
    V: Into<String>,
{
    let mut kept: OwnedPairs = pairs
        .into_iter()
        .filter(|(key, _)| key.as_ref().starts_with(PREFIX))
        .map(|(key, value)| (Cow::Owned(key.into()), Cow::Owned(value.into())))
        .collect();
    kept.sort_unstable();
    kept.shrink_to_fit();
    kept
}

/// What is known, with a count kept along: counting 10,000 anew at each event is most of the work there is.
#[derive(Debug, Default)]
struct KnownNamespaces {
    entries: HashMap<Box<str>, Arc<NamespaceEntry>>,
    /// Each entry once: most namespaces say nothing to Silkroll, and those that do say what others say.
    distinct: HashSet<Arc<NamespaceEntry>>,
    served: usize,
}

/// How many entries that no namespace has any more may wait to be dropped, beside an eighth of all: finding them takes a look at
/// every one.
const LEFT_BEHIND: usize = 64;

impl KnownNamespaces {
    /// Whether the name was not known.
    fn insert(&mut self, name: impl Into<Box<str>>, entry: NamespaceEntry) -> bool {
        self.served += usize::from(entry.is_served());
        let known = self.distinct.get(&entry).map(Arc::clone);
        let entry = known.unwrap_or_else(|| {
            let entry = Arc::new(entry);
            self.distinct.insert(Arc::clone(&entry));
            entry
        });
        let old = self.entries.insert(name.into(), entry);
        let is_new = old.is_none();
        self.gone(old);
        is_new
    }

    fn remove(&mut self, name: &str) {
        let old = self.entries.remove(name);
        self.gone(old);
    }

    fn gone(&mut self, old: Option<Arc<NamespaceEntry>>) {
        self.served -= usize::from(old.is_some_and(|old| old.is_served()));
        let most = self.entries.len() + self.entries.len() / 8 + LEFT_BEHIND;
        if self.distinct.len() > most {
            self.distinct.retain(|entry| Arc::strong_count(entry) > 1);
        }
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, NamespaceEntry)> for KnownNamespaces {
    fn from_iter<I: IntoIterator<Item = (N, NamespaceEntry)>>(list: I) -> Self {
        let mut known = Self::default();
        for (name, entry) in list {
            known.insert(name, entry);
        }
        known
    }
}

/// Every namespace known, by name.
#[derive(Debug)]
pub struct Namespaces {
    known: RwLock<KnownNamespaces>,
    changed: Teller,
    synced: watch::Sender<bool>,
    fixed: bool,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespaces {
    /// Knows nothing yet; [`Self::synced`] stays false until [`Self::replace_all`].
    #[must_use]
    pub fn new() -> Self {
        Self::build(KnownNamespaces::default(), false)
    }

    fn build(known: KnownNamespaces, fixed: bool) -> Self {
        Self {
            known: RwLock::new(known),
            changed: Teller::default(),
            synced: watch::Sender::new(fixed),
            fixed,
        }
    }

    /// A snapshot that never changes, from Namespace manifests as `kubectl get ns -o json` prints
    /// them: Namespace objects, a `List` or a `NamespaceList`.
    ///
    /// # Errors
    /// Names the first document that is no Namespace, lacks a name, comes twice, or has an
    /// annotation that is not a string.
    pub fn from_manifests<'v>(
        documents: impl IntoIterator<Item = &'v Value>,
    ) -> Result<Self, Error> {
        let mut known = KnownNamespaces::default();
        for document in documents {
            read_document(document, None, &mut known)?;
        }
        Ok(Self::build(known, true))
    }

    /// The namespace, if it is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<NamespaceEntry>> {
        self.read().entries.get(name).map(Arc::clone)
    }

    /// Like [`Self::get`], but where the name is unknown it waits until it appears, `timeout` at most.
    ///
    /// `kubectl apply` of a new namespace and a Deployment in it sends both within milliseconds, and
    /// the admission request can overtake the watch event. A snapshot from manifests answers at once.
    pub async fn wait_for(&self, name: &str, timeout: Duration) -> Option<Arc<NamespaceEntry>> {
        // Subscribed before the first look: a change in between is then seen as one.
        let mut changes = self.changes();
        if let Some(entry) = self.get(name) {
            return Some(entry);
        }
        if self.fixed {
            return None;
        }
        let appears = async {
            loop {
                match changes.next().await {
                    Change::One(other) if &*other != name => {}
                    _ => {
                        if let Some(entry) = self.get(name) {
                            return entry;
                        }
                    }
                }
            }
        };
        tokio::time::timeout(timeout, appears).await.ok()
    }

    /// Adds a namespace or replaces what was known about it.
    pub fn set(&self, name: &str, entry: NamespaceEntry) {
        self.write().insert(name, entry);
        self.changed.tell(Change::One(name.into()));
    }

    /// Forgets a namespace.
    pub fn remove(&self, name: &str) {
        self.write().remove(name);
        self.changed.tell(Change::One(name.into()));
    }

    /// Puts a complete list in place of everything known, at once, and marks the snapshot as synced.
    ///
    /// Namespaces that are not in the list are gone: that is how deletions missed while the API
    /// server was away are noticed.
    pub fn replace_all<N: Into<Box<str>>>(
        &self,
        list: impl IntoIterator<Item = (N, NamespaceEntry)>,
    ) {
        let fresh = list.into_iter().collect();
        // The old map is dropped after the lock is released: freeing 10,000 names takes a while.
        let old = std::mem::replace(&mut *self.write(), fresh);
        drop(old);
        self.synced.send_replace(true);
        self.changed.tell(Change::All);
    }

    /// Has a complete list been seen? True from then on, whatever happens to the API server.
    #[must_use]
    pub fn synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Returns once [`Self::synced`] is true.
    pub async fn wait_synced(&self) {
        // Fails only when the sender is gone, and that lives in `self`.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Which names change from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changed.follow()
    }

    /// How many namespaces are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// Is no namespace known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().entries.is_empty()
    }

    /// How many namespaces have opted in and are not being deleted.
    #[must_use]
    pub fn served(&self) -> usize {
        self.read().served
    }

    /// The namespaces that have opted in, are not being deleted, and for which `filter` holds; in no order.
    #[must_use]
    pub fn served_where(&self, filter: impl Fn(&str, &NamespaceEntry) -> bool) -> Vec<Box<str>> {
        let known = self.read();
        let entries = known.entries.iter();
        entries
            .filter(|(name, entry)| entry.is_served() && filter(name, entry))
            .map(|(name, _)| name.clone())
            .collect()
    }

    // A thread that panicked while it held the lock leaves a whole map behind, and at worst a wrong count. So a
    // poisoned lock is used on.
    fn read(&self) -> RwLockReadGuard<'_, KnownNamespaces> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, KnownNamespaces> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a wrong value a message shows, in characters.
const FOUND: usize = 60;

/// What can be wrong with Namespace manifests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A document of another kind.
    #[error(
        "expected Namespace manifests but found kind {kind:?} (name {name:?}); give what `kubectl get namespaces -o yaml` prints, and nothing else"
    )]
    OtherKind {
        /// The kind found, empty where there is none.
        kind: String,
        /// The object's name, empty where there is none.
        name: String,
    },
    /// A Namespace without a name.
    #[error("a Namespace has no metadata.name; add one")]
    NoName,
    /// The same name twice.
    #[error("Namespace {0:?} is given twice; keep one of them")]
    Twice(String),
    /// An annotation or label that is not a string.
    #[error(
        "Namespace {namespace:?}: the value of {field}.{key} is {found}, not a string; put it in quotes"
    )]
    NotAString {
        /// The namespace.
        namespace: String,
        /// `annotations` or `labels`.
        field: &'static str,
        /// The key under it.
        key: String,
        /// The value found, as JSON.
        found: String,
    },
    /// `annotations` or `labels` is no mapping.
    #[error(
        "Namespace {namespace:?}: metadata.{field} must be a mapping of strings; see `kubectl explain namespace.metadata.{field}`"
    )]
    NotAMapping {
        /// The namespace.
        namespace: String,
        /// `annotations` or `labels`.
        field: &'static str,
    },
}

fn read_document(
    document: &Value,
    kind_of_list: Option<&str>,
    known: &mut KnownNamespaces,
) -> Result<(), Error> {
    let kind = document["kind"]
        .as_str()
        .or(kind_of_list)
        .unwrap_or_default();
    match kind {
        "List" | "NamespaceList" => {
            // Items of a typed list carry no kind in the API's own answers.
            let implied = (kind == "NamespaceList").then_some("Namespace");
            document["items"]
                .as_array()
                .into_iter()
                .flatten()
                .try_for_each(|item| read_document(item, implied, known))
        }
        "Namespace" => read_namespace(document, known),
        other => Err(Error::OtherKind {
            kind: other.to_owned(),
            name: text(&document["metadata"]["name"]),
        }),
    }
}

fn read_namespace(document: &Value, known: &mut KnownNamespaces) -> Result<(), Error> {
    let metadata = &document["metadata"];
    let name = text(&metadata["name"]);
    if name.is_empty() {
        return Err(Error::NoName);
    }
    let terminating = !metadata["deletionTimestamp"].is_null()
        || document["status"]["phase"].as_str() == Some("Terminating");
    let entry = NamespaceEntry::new(
        strings(&name, "annotations", &metadata["annotations"])?,
        strings(&name, "labels", &metadata["labels"])?,
        terminating,
    );
    if known.insert(name.as_str(), entry) {
        Ok(())
    } else {
        Err(Error::Twice(name))
    }
}

fn strings<'v>(
    namespace: &str,
    field: &'static str,
    value: &'v Value,
) -> Result<Vec<(&'v str, &'v str)>, Error> {
    let namespace = || namespace.to_owned();
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let value = value.as_str().ok_or_else(|| Error::NotAString {
                    namespace: namespace(),
                    field,
                    key: key.clone(),
                    found: shown(&value.to_string(), FOUND).into_owned(),
                })?;
                Ok((key.as_str(), value))
            })
            .collect(),
        _ => Err(Error::NotAMapping {
            namespace: namespace(),
            field,
        }),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
