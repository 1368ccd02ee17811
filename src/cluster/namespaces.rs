//! Namespaces, watched as metadata only and stripped at once into the snapshot.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as kube_watcher};
use kube::{Api, Client};

use super::client::WATCH_SECONDS;
use super::{Error, Observer, told};
use crate::snapshot::{NamespaceEntry, Namespaces};

type Meta = PartialObjectMeta<Namespace>;

/// Keeps the snapshot up to date. Returns only if the stream ends, which it is not made to do.
pub(super) async fn watch(
    client: Client,
    snapshot: Arc<Namespaces>,
    observer: Arc<dyn Observer>,
) -> Error {
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let events = kube_watcher(Api::<Meta>::all(client), config).default_backoff();
    follow(events, &snapshot, observer.as_ref()).await;
    Error::Stopped("the watch of namespaces ended".to_owned())
}

async fn follow(
    events: impl Stream<Item = watcher::Result<Event<Meta>>>,
    snapshot: &Namespaces,
    observer: &dyn Observer,
) {
    let mut events = std::pin::pin!(events);
    let mut relist: Vec<(Box<str>, NamespaceEntry)> = Vec::new();
    let mut failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if std::mem::take(&mut failing) {
                    observer.namespaces_watched(true);
                    tracing::info!("namespaces are watched again");
                }
                if apply(event, snapshot, &mut relist) {
                    observer.namespaces(snapshot.len(), snapshot.served());
                }
            }
            // The snapshot stays as it is: an old answer is better than none.
            Err(error) if failing => {
                tracing::debug!(error = told(&error), "namespaces still cannot be watched");
            }
            Err(error) => {
                failing = true;
                observer.namespaces_watched(false);
                tracing::warn!(
                    error = told(&error),
                    "cannot watch namespaces; answering from what was known, and trying again"
                );
            }
        }
    }
}

/// Returns whether the snapshot can have changed.
fn apply(
    event: Event<Meta>,
    snapshot: &Namespaces,
    relist: &mut Vec<(Box<str>, NamespaceEntry)>,
) -> bool {
    match event {
        // A relist that broke off is forgotten; the next one starts from nothing.
        Event::Init => relist.clear(),
        Event::InitApply(namespace) => relist.extend(strip(namespace)),
        Event::InitDone => {
            snapshot.replace_all(std::mem::take(relist));
            return true;
        }
        Event::Apply(namespace) => {
            if let Some((name, entry)) = strip(namespace) {
                snapshot.set(&name, entry);
                return true;
            }
        }
        Event::Delete(namespace) => {
            if let Some((name, _)) = strip(namespace) {
                snapshot.remove(&name);
                return true;
            }
        }
    }
    false
}

fn strip(namespace: Meta) -> Option<(Box<str>, NamespaceEntry)> {
    let metadata = namespace.metadata;
    let entry = NamespaceEntry::new(
        metadata.annotations.unwrap_or_default(),
        metadata.labels.unwrap_or_default(),
        metadata.deletion_timestamp.is_some(),
    );
    Some((metadata.name?.into(), entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use serde_json::json;
    use std::sync::Mutex;

    fn namespace(name: &str, inject: &str) -> Meta {
        serde_json::from_value(
            json!({"metadata": {"name": name, "annotations": {"silkroll.dev/inject": inject}}}),
        )
        .unwrap()
    }

    #[derive(Default)]
    struct Watched(Mutex<Vec<bool>>);
    impl Observer for Watched {
        fn namespaces_watched(&self, watched: bool) {
            self.0.lock().unwrap().push(watched);
        }
    }

    #[tokio::test]
    async fn it_is_told_once_when_the_watch_is_lost_and_once_when_it_is_back() {
        let (lost, there) = (
            || Err(watcher::Error::NoResourceVersion),
            || Ok(Event::Init),
        );
        let events = [there(), lost(), lost(), there(), there(), lost()];
        let watched = Watched::default();
        follow(stream::iter(events), &Namespaces::new(), &watched).await;
        assert_eq!(watched.0.into_inner().unwrap(), [false, true, false]);
    }

    #[derive(Default)]
    struct Counts(Mutex<Vec<(usize, usize)>>);
    impl Observer for Counts {
        fn namespaces(&self, known: usize, opted_in: usize) {
            self.0.lock().unwrap().push((known, opted_in));
        }
    }

    async fn after(
        events: Vec<watcher::Result<Event<Meta>>>,
        snapshot: &Namespaces,
    ) -> Vec<(usize, usize)> {
        let counts = Counts::default();
        follow(stream::iter(events), snapshot, &counts).await;
        counts.0.into_inner().unwrap()
    }

    #[tokio::test]
    async fn a_list_counts_when_it_is_complete_and_events_follow_one_by_one() {
        let snapshot = Namespaces::new();
        after(
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(namespace("a", "enabled"))),
            ],
            &snapshot,
        )
        .await;
        assert!(!snapshot.synced() && snapshot.is_empty());

        let counts = after(
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(namespace("a", "enabled"))),
                Ok(Event::InitApply(namespace("b", "disabled"))),
                Ok(Event::InitDone),
                Ok(Event::Apply(namespace("b", "enabled"))),
                Ok(Event::Delete(namespace("a", "enabled"))),
            ],
            &snapshot,
        )
        .await;
        assert_eq!(counts, [(2, 1), (2, 2), (1, 1)]);
        assert_eq!(*snapshot.served_where(|_, _| true), ["b".into()]);
    }

    #[tokio::test]
    async fn a_relist_drops_what_was_deleted_meanwhile_and_errors_change_nothing() {
        let snapshot = Namespaces::new();
        snapshot.replace_all([
            ("gone", NamespaceEntry::default()),
            ("stays", NamespaceEntry::default()),
        ]);
        after(
            vec![
                Err(watcher::Error::NoResourceVersion),
                Ok(Event::Init),
                Ok(Event::InitApply(namespace("half", "enabled"))),
                Err(watcher::Error::NoResourceVersion),
            ],
            &snapshot,
        )
        .await;
        assert_eq!(snapshot.len(), 2);
        after(
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(namespace("stays", "enabled"))),
                Ok(Event::InitDone),
            ],
            &snapshot,
        )
        .await;
        assert_eq!(*snapshot.served_where(|_, _| true), ["stays".into()]);
        assert_eq!(snapshot.len(), 1);
    }
}
