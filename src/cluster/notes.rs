//! Which namespaces asked for the helper binary, written down in Silkroll's own namespace: a restart must not forget
//! where a ConfigMap has to be put back.
//!
//! A namespace stays noted while it exists, though it opts out: its pods go on and may be started again. What opts out
//! is written nothing, noted or not; where it opts in again, the ConfigMap is back before its pods miss it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::configmaps::LABELS;
use super::{Error, told};
use crate::snapshot::{Asked, Namespaces, is_name};
use crate::text::shown;

/// The ConfigMap where nothing else is said; a namespace is a key of its data. The install file's Role names it.
const NAME: &str = "helper-namespaces";
/// After a read or write that failed.
const AGAIN: Duration = Duration::from_secs(15);
/// How often it is looked for namespaces that are gone, where nothing else is said.
const LOOK: Duration = Duration::from_secs(60);
/// The API server takes requests of 1.5 MiB, and a name is there twice, in `managedFields`, too: 130 bytes with all
/// around it. More than that stay in memory; a restart finds the ConfigMaps that were written for them.
const MOST: usize = 5000;

/// Where notes are kept, and of what.
#[derive(Clone, Debug)]
pub struct Notes {
    /// Silkroll's own namespace.
    pub home: String,
    /// The ConfigMap's name.
    pub name: String,
    /// Who asked.
    pub asked: Arc<Asked>,
    /// How often it is looked for namespaces that are gone. One is forgotten that two looks in a row do not find.
    pub look: Duration,
}

impl Notes {
    /// Notes with the usual pace.
    #[must_use]
    pub fn new(home: String, asked: Arc<Asked>) -> Self {
        Self {
            home,
            name: NAME.to_owned(),
            asked,
            look: LOOK,
        }
    }

    /// Those of one of several Silkrolls in a namespace, which go by their Services.
    #[must_use]
    pub fn of(self, service: &str) -> Self {
        let name = match service {
            "silkroll" => NAME.to_owned(),
            other => format!("{other}-{NAME}"),
        };
        Self { name, ..self }
    }
}

/// What is known to be written down.
#[derive(Debug, Default)]
struct Book {
    written: BTreeSet<Box<str>>,
    /// Not found at the last look.
    missed: BTreeSet<Box<str>>,
}

impl Book {
    /// What is to be added, at most so much that it stays within [`MOST`]; and whether there was more.
    fn lacking(&self, asked: Vec<Box<str>>) -> (Vec<Box<str>>, bool) {
        let mut lacking = asked;
        lacking.retain(|name| !self.written.contains(name));
        let room = MOST.saturating_sub(self.written.len());
        let more = lacking.len() > room;
        lacking.truncate(room);
        (lacking, more)
    }

    /// Which of `names` are gone: those that two looks in a row did not find. One is not enough, for a namespace just
    /// made may be noted by another replica before it is known here.
    fn gone(&mut self, names: Vec<Box<str>>, known: impl Fn(&str) -> bool) -> Vec<Box<str>> {
        let missing: BTreeSet<_> = names.into_iter().filter(|name| !known(name)).collect();
        let missed = std::mem::replace(&mut self.missed, missing);
        self.missed.intersection(&missed).cloned().collect()
    }
}

/// Reads the notes, then writes down who asks and strikes out who is gone. Ends never by itself.
pub(super) async fn keep(client: Client, notes: Notes, snapshot: Arc<Namespaces>) -> Error {
    let Notes {
        home,
        name,
        asked,
        look,
    } = notes;
    let api = Api::<ConfigMap>::namespaced(client, &home);
    let mut changes = asked.changes();
    let mut failing = false;
    let mut trouble = |what: &str, error: &kube::Error| {
        let error = told(error);
        let (namespace, name) = (&home, &name);
        if std::mem::replace(&mut failing, true) {
            tracing::debug!(error, namespace, name, "still cannot {what}");
        } else {
            tracing::warn!(error, namespace, name, "cannot {what}, trying again");
        }
    };
    let written = loop {
        match api.get_opt(&name).await {
            Ok(found) => break read(&name, found),
            Err(error) => {
                trouble("read who asked for the helper", &error);
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    for namespace in &written {
        asked.add(namespace);
    }
    let mut book = Book {
        written,
        ..Book::default()
    };
    let mut full = false;
    let mut looks = interval_at(Instant::now() + look, look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gone: Vec<Box<str>> = Vec::new();
    loop {
        let (new, more) = book.lacking(asked.all());
        if more && !std::mem::replace(&mut full, true) {
            tracing::warn!(
                most = MOST,
                "more namespaces ask for the helper than are written down; those beyond are known again after a restart \
                 only where its ConfigMap is there"
            );
        }
        if !new.is_empty() || !gone.is_empty() {
            if let Err(error) = write(&api, &name, &new, &gone).await {
                trouble("write down who asked for the helper", &error);
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            book.written.extend(new);
            for namespace in gone.drain(..) {
                book.written.remove(&namespace);
            }
        }
        tokio::select! {
            _ = changes.next() => {}
            _ = looks.tick() => if snapshot.synced() {
                let mut names = asked.all();
                names.extend(book.written.iter().cloned());
                gone = book.gone(names, |name| snapshot.get(name).is_some());
                for namespace in &gone {
                    asked.remove(namespace);
                }
                // Struck out is only what was written down.
                gone.retain(|namespace| book.written.contains(namespace));
            },
        }
    }
}

/// The names in the notes. What is none was written by something else: it is passed over, and stays.
fn read(name: &str, found: Option<ConfigMap>) -> BTreeSet<Box<str>> {
    let keys = found.and_then(|map| map.data).unwrap_or_default();
    let (names, others): (Vec<_>, Vec<_>) = keys.into_keys().partition(|key| is_name(key));
    if let Some(first) = others.first() {
        tracing::warn!(
            name,
            others = others.len(),
            "passed over what is no namespace's name: {}",
            shown(first, 80)
        );
    }
    names.into_iter().map(String::into_boxed_str).collect()
}

/// A merge: what another replica wrote stays.
async fn write(
    api: &Api<ConfigMap>,
    name: &str,
    new: &[Box<str>],
    gone: &[Box<str>],
) -> kube::Result<()> {
    let mut data = serde_json::Map::new();
    data.extend(
        gone.iter()
            .map(|namespace| (namespace.to_string(), serde_json::Value::Null)),
    );
    data.extend(
        new.iter()
            .map(|namespace| (namespace.to_string(), "".into())),
    );
    let patch = Patch::Merge(serde_json::json!({"data": data}));
    match api.patch(name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        other => return other.map(drop),
    }
    let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        data: Some(
            new.iter()
                .map(|namespace| (namespace.to_string(), String::new()))
                .collect(),
        ),
        ..ConfigMap::default()
    };
    api.create(&PostParams::default(), &map).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<Box<str>> {
        list.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn several_in_one_namespace_keep_notes_apart() {
        let named = |service| {
            Notes::new("home".to_owned(), Arc::default())
                .of(service)
                .name
        };
        assert_eq!(named("silkroll"), NAME);
        assert_eq!(named("lossless"), "lossless-helper-namespaces");
    }

    #[test]
    fn what_two_looks_in_a_row_do_not_find_is_gone() {
        let mut book = Book::default();
        let noted = || names(&["gone", "late", "stays"]);
        assert_eq!(book.gone(noted(), |name| name == "stays"), names(&[]));
        assert_eq!(book.gone(noted(), |name| name != "gone"), names(&["gone"]));
        assert_eq!(book.gone(noted(), |_| true), names(&[]));
        assert_eq!(book.gone(noted(), |name| name != "late"), names(&[]));
    }

    #[test]
    fn the_notes_stay_of_a_size_that_can_be_written() {
        let many = |n: usize| (0..n).map(|n| format!("n{n}").into()).collect::<Vec<_>>();
        let mut book = Book::default();
        let (first, more) = book.lacking(many(MOST + 2));
        assert_eq!((first.len(), more), (MOST, true));
        book.written.extend(first);
        assert_eq!(book.lacking(many(MOST + 2)), (vec![], true));
        assert_eq!(book.lacking(many(MOST)), (vec![], false));
    }

    #[test]
    fn a_key_that_is_no_name_spoils_nothing() {
        let data = ["shop", "A_b", ".x", "-"].map(|key| (key.to_owned(), String::new()));
        let map = ConfigMap {
            data: Some(data.into()),
            ..ConfigMap::default()
        };
        assert_eq!(
            read(NAME, Some(map)),
            names(&["shop"]).into_iter().collect()
        );
        assert_eq!(read(NAME, None), BTreeSet::new());
    }
}
