//! The architecture of the cluster's nodes, by their labels: watched as metadata only, and of each only this is kept.
//!
//! Without the right to see nodes all goes on: the architecture is then what manifests and `hook-arch` say.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Node;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as kube_watcher};
use kube::{Api, Client};

use super::client::WATCH_SECONDS;
use super::{Error, Observer, told};

type Meta = PartialObjectMeta<Node>;

/// Set by the kubelet; no pod for Linux lands on a node of Windows, whatever its architecture.
const ARCH: &str = "kubernetes.io/arch";
const OS: &str = "kubernetes.io/os";
/// How often it is asked again whether nodes may be seen: a right is given by hand, seldom, and asking is refused
/// with a line in the audit log.
const FORBIDDEN_AGAIN: Duration = Duration::from_secs(600);

/// Reports the one architecture of all nodes, at first and whenever it changes. Ends never by itself.
pub(super) async fn watch(client: Client, observer: Arc<dyn Observer>) -> Error {
    let mut seen = Seen::default();
    loop {
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        let events = kube_watcher(Api::<Meta>::all(client.clone()), config).default_backoff();
        match follow(events, &mut seen, observer.as_ref()).await {
            End::Stream => return Error::Stopped("the watch of nodes ended".to_owned()),
            End::Forbidden => tokio::time::sleep(FORBIDDEN_AGAIN).await,
        }
    }
}

/// Why the following ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// There is no more.
    Stream,
    /// The account may not see nodes.
    Forbidden,
}

/// What is known, and what was told of it.
#[derive(Debug, Default)]
struct Seen {
    /// By name; none where a node has no label.
    nodes: HashMap<Box<str>, Option<Box<str>>>,
    relist: HashMap<Box<str>, Option<Box<str>>>,
    told: ReportedArch,
    failing: bool,
    forbidden: bool,
}

/// What the observer knows.
#[derive(Debug, Default, PartialEq, Eq)]
enum ReportedArch {
    #[default]
    Nothing,
    One(Box<str>),
    None,
}

impl Seen {
    /// The architecture that all have.
    fn common(&self) -> Option<&str> {
        let mut all = self.nodes.values();
        let first = all.next()?.as_deref()?;
        all.all(|other| other.as_deref() == Some(first))
            .then_some(first)
    }

    fn tell(&mut self, observer: &dyn Observer) {
        let arch = self.common();
        let now = arch.map_or(ReportedArch::None, |arch| ReportedArch::One(arch.into()));
        if self.told != now {
            tracing::info!(arch, nodes = self.nodes.len(), "the nodes' architecture");
            observer.node_arch(arch);
            self.told = now;
        }
    }

    /// Returns whether anything can have changed.
    fn apply(&mut self, event: Event<Meta>) -> bool {
        match event {
            Event::Init => self.relist.clear(),
            Event::InitApply(node) => self.relist.extend(strip(node).and_then(Stripped::of_linux)),
            Event::InitDone => {
                self.nodes = std::mem::take(&mut self.relist);
                return true;
            }
            Event::Apply(node) => {
                let Some(node) = strip(node) else {
                    return false;
                };
                // Most events tell of a node's health: nothing here changes with it.
                if node.windows {
                    return self.nodes.remove(&node.name).is_some();
                }
                let (name, arch) = (node.name, node.arch);
                return self.nodes.insert(name, arch.clone()) != Some(arch);
            }
            Event::Delete(node) => {
                return strip(node).is_some_and(|node| self.nodes.remove(&node.name).is_some());
            }
        }
        false
    }
}

async fn follow(
    events: impl Stream<Item = watcher::Result<Event<Meta>>>,
    seen: &mut Seen,
    observer: &dyn Observer,
) -> End {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // Before a list there is a word that it begins, also where it then fails.
                let begins = matches!(event, Event::Init);
                let failed = [&mut seen.failing, &mut seen.forbidden];
                let recovered = failed.map(|was| !begins && std::mem::take(was));
                if recovered.contains(&true) {
                    tracing::info!("nodes are watched again");
                }
                if seen.apply(event) {
                    seen.tell(observer);
                }
            }
            Err(error) if is_forbidden(&error) => {
                if !std::mem::replace(&mut seen.forbidden, true) {
                    tracing::warn!(
                        error = told(&error),
                        "the account may not list nodes, so their architecture is what manifests and \
                         silkroll.dev/hook-arch say; the ClusterRole of the install manifests has the right"
                    );
                }
                seen.nodes.clear();
                seen.tell(observer);
                return End::Forbidden;
            }
            Err(error) => {
                // What was known stays.
                if std::mem::replace(&mut seen.failing, true) {
                    tracing::debug!(error = told(&error), "nodes still cannot be watched");
                } else {
                    tracing::warn!(error = told(&error), "cannot watch nodes, trying again");
                }
                seen.tell(observer);
            }
        }
    }
    End::Stream
}

fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.is_forbidden(),
        _ => false,
    }
}

/// A node, as far as it counts.
struct Stripped {
    name: Box<str>,
    arch: Option<Box<str>>,
    windows: bool,
}

impl Stripped {
    fn of_linux(self) -> Option<(Box<str>, Option<Box<str>>)> {
        (!self.windows).then_some((self.name, self.arch))
    }
}

fn strip(node: Meta) -> Option<Stripped> {
    let mut labels = node.metadata.labels.unwrap_or_default();
    Some(Stripped {
        name: node.metadata.name?.into(),
        arch: labels.remove(ARCH).map(String::into_boxed_str),
        windows: labels.remove(OS).is_some_and(|os| os == "windows"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use serde_json::json;
    use std::sync::Mutex;

    fn node(name: &str, labels: &[(&str, &str)]) -> Meta {
        let labels: HashMap<_, _> = labels.iter().copied().collect();
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap()
    }

    fn of(name: &str, arch: &str) -> Meta {
        node(name, &[(ARCH, arch)])
    }

    fn refusal(code: u16, reason: &str) -> watcher::Error {
        let status = json!({"status": "Failure", "code": code, "reason": reason, "message": "no"});
        let status = serde_json::from_value(status).unwrap();
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Observer for Heard {
        fn node_arch(&self, arch: Option<&str>) {
            self.0
                .lock()
                .unwrap()
                .push(arch.unwrap_or("none").to_owned());
        }
    }

    async fn after(
        seen: &mut Seen,
        events: Vec<watcher::Result<Event<Meta>>>,
    ) -> (End, Vec<String>) {
        let heard = Heard::default();
        let end = follow(stream::iter(events), seen, &heard).await;
        (end, heard.0.into_inner().unwrap())
    }

    #[tokio::test]
    async fn one_architecture_is_told_while_all_nodes_have_it() {
        let mut seen = Seen::default();
        let (end, heard) = after(
            &mut seen,
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(of("a", "amd64"))),
                Ok(Event::InitApply(of("b", "amd64"))),
                Ok(Event::InitApply(node(
                    "w",
                    &[(ARCH, "arm64"), (OS, "windows")],
                ))),
                Ok(Event::InitDone),
                // A heartbeat.
                Ok(Event::Apply(of("a", "amd64"))),
                Ok(Event::Apply(of("c", "arm64"))),
                Ok(Event::Delete(of("a", "amd64"))),
                Ok(Event::Delete(of("b", "amd64"))),
                Ok(Event::Apply(node("d", &[]))),
                Ok(Event::Delete(node("d", &[]))),
                Ok(Event::Delete(of("c", "arm64"))),
            ],
        )
        .await;
        assert_eq!(end, End::Stream);
        assert_eq!(heard, ["amd64", "none", "arm64", "none", "arm64", "none"]);
    }

    #[tokio::test]
    async fn a_relist_counts_when_it_is_complete_and_trouble_changes_nothing() {
        let mut seen = Seen::default();
        let listed = vec![
            Err(watcher::Error::NoResourceVersion),
            Ok(Event::Init),
            Ok(Event::InitApply(of("a", "amd64"))),
            Ok(Event::InitDone),
            Err(watcher::Error::NoResourceVersion),
            Ok(Event::Init),
            Ok(Event::InitApply(of("half", "arm64"))),
            Err(refusal(500, "InternalError")),
        ];
        let (end, heard) = after(&mut seen, listed).await;
        // Said at the first trouble, too: nothing waits for nodes that do not come.
        assert_eq!(end, End::Stream);
        assert_eq!(heard, ["none", "amd64"]);
    }

    #[tokio::test]
    async fn without_the_right_nothing_is_known_and_asking_ends() {
        let mut seen = Seen::default();
        let refused = || vec![Ok(Event::Init), Err(refusal(403, "Forbidden"))];
        assert_eq!(
            after(&mut seen, refused()).await,
            (End::Forbidden, vec!["none".to_owned()])
        );
        assert_eq!(after(&mut seen, refused()).await, (End::Forbidden, vec![]));
        let listed = vec![Ok(Event::InitApply(of("a", "arm64"))), Ok(Event::InitDone)];
        assert_eq!(after(&mut seen, listed).await.1, ["arm64"]);
        assert_eq!(
            after(&mut seen, refused()).await,
            (End::Forbidden, vec!["none".to_owned()])
        );
    }
}
