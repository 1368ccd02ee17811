//! Law 5 by numbers: what a real API server takes without Silkroll it takes with it. Everything is a
//! dry run; without Silkroll is a namespace that the webhook is not asked about.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::manifests;
use super::patches::{NAMESPACES, patches};
use super::space::Space;
use super::support::edges;
use super::world::World;

const KINDS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet"];
/// The install file's webhook leaves it out.
const WITHOUT: &str = "kube-public";
/// Requests under way at once: enough for two processors.
const AT_ONCE: usize = 8;

/// The API server, asked without kubectl, which would take a process for each question.
struct Server(kube::Client);

/// What it said: the object, or why not.
type Said = Result<Value, String>;

impl Server {
    async fn of(world: &World) -> Self {
        Self(kube::Client::try_from(world.plane.config().await).unwrap())
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            api_version: "apps/v1".to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
        };
        Api::namespaced_with(self.0.clone(), namespace, &resource)
    }

    async fn create(&self, namespace: &str, object: &Value, dry_run: bool) -> Said {
        let mut object = object.clone();
        object["metadata"]["namespace"] = namespace.into();
        let api = self.api(object["kind"].as_str().unwrap(), namespace);
        let params = PostParams {
            dry_run,
            ..PostParams::default()
        };
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        said(api.create(&params, &object).await)
    }

    /// A strategic merge, as of `kubectl patch`: lists are merged by their keys.
    async fn patch(&self, namespace: &str, kind: &str, name: &str, patch: &Value) -> Said {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let api = self.api(kind, namespace);
        said(api.patch(name, &params, &Patch::Strategic(patch)).await)
    }
}

fn said(answer: kube::Result<DynamicObject>) -> Said {
    match answer {
        Ok(object) => Ok(serde_json::to_value(object).unwrap()),
        // What it cannot read, and what it refuses.
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
            Err(status.message.clone())
        }
        Err(error) => panic!("no answer: {error}"),
    }
}

fn is_injected(object: &Value) -> bool {
    object["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"].is_string()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Namespaces that have opted in, with the settings of each.
fn spaces(world: &World, name: &str) -> Vec<String> {
    let all = NAMESPACES.iter().enumerate();
    all.map(|(at, settings)| {
        let mut annotations = vec![("inject", "enabled")];
        annotations.extend_from_slice(settings);
        Space::new(world, &format!("{name}-{at}"), &annotations).name
    })
    .collect()
}

#[test]
fn of_5_000_generated_workloads_all_that_are_taken_without_silkroll_are_taken_with_it() {
    const COUNT: usize = 5_000;
    let world = World::shared();
    let spaces = spaces(world, "generated");
    let mut runner = TestRunner::deterministic();
    let strategy = edges::workload(KINDS);
    let objects = (0..COUNT).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let objects: Vec<Value> = objects.collect();

    let answers = run(async {
        let server = Server::of(world).await;
        let asked = stream::iter(objects.iter().enumerate()).map(|(at, object)| {
            let (server, spaces) = (&server, &spaces);
            async move {
                let without = server.create(WITHOUT, object, true).await;
                if let Err(why) = without {
                    return (object, Err(why), None);
                }
                let with = server.create(&spaces[at % spaces.len()], object, true);
                (object, without, Some(with.await))
            }
        });
        let answers = asked.buffer_unordered(AT_ONCE);
        answers.collect::<Vec<_>>().await
    });

    let mut injected: BTreeMap<&str, usize> = BTreeMap::new();
    let mut broken = Vec::new();
    let mut valid = 0;
    for (object, _, with) in &answers {
        match with {
            None => {}
            Some(Ok(stored)) => {
                valid += 1;
                let kind = object["kind"].as_str().unwrap();
                *injected.entry(kind).or_default() += usize::from(is_injected(stored));
            }
            Some(Err(why)) => {
                valid += 1;
                broken.push(format!("{why}\n{object}"));
            }
        }
    }
    let refusals: Vec<&String> = answers
        .iter()
        .filter_map(|(_, without, _)| without.as_ref().err())
        .collect();
    println!(
        "{} workloads: {valid} taken without Silkroll, {} refused; with it {} of the taken, of which injected: {injected:?}",
        answers.len(),
        refusals.len(),
        valid - broken.len(),
    );
    let kinds_of_refusal: BTreeSet<String> = refusals
        .iter()
        .map(|why| {
            cut(why
                .split_once("invalid: ")
                .map_or(why.as_str(), |(_, rest)| rest))
        })
        .collect();
    println!(
        "{} kinds of refusal without Silkroll",
        kinds_of_refusal.len()
    );
    let shown: Vec<String> = broken
        .iter()
        .map(|text| text.chars().take(3_000).collect())
        .collect();
    assert!(
        broken.is_empty(),
        "{} broken: {:#?}",
        broken.len(),
        &shown[..shown.len().min(5)]
    );
    assert!(valid >= 3_000, "only {valid} were valid without Silkroll");
    // Else the webhook was not asked, and all of this shows nothing.
    for kind in KINDS {
        assert!(injected[kind] > 500, "{injected:?}");
    }
}

/// A refusal without the values in it.
fn cut(why: &str) -> String {
    let plain: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
    plain.chars().take(90).collect()
}

#[test]
fn a_change_that_is_taken_where_nothing_is_injected_is_taken_where_something_is() {
    let world = World::shared();
    let spaces = spaces(world, "merged");
    let patches = patches();
    let (asked, injected, broken) = run(async {
        let server = Server::of(world).await;
        let (mut asked, mut injected) = (0, 0);
        let mut broken = Vec::new();
        for kind in KINDS {
            for (at, space) in spaces.iter().enumerate() {
                let mut object = manifests::workload(kind, &format!("merged-{at}"));
                let web = manifests::container(&mut object);
                web["name"] = "a".into();
                web["ports"] = serde_json::json!([{"name": "http", "containerPort": 8080}]);
                server.create(WITHOUT, &object, false).await.unwrap();
                let stored = server.create(space, &object, false).await.unwrap();
                injected += usize::from(is_injected(&stored));
                let name = object["metadata"]["name"].as_str().unwrap();
                let both = stream::iter(&patches).map(|(what, patch)| {
                    let server = &server;
                    async move {
                        let without = server.patch(WITHOUT, kind, name, patch).await;
                        let with = server.patch(space, kind, name, patch).await;
                        (what, without, with)
                    }
                });
                let both: Vec<_> = both.buffer_unordered(AT_ONCE).collect().await;
                for (what, without, with) in both {
                    asked += usize::from(without.is_ok());
                    if let (Ok(_), Err(why)) = (without, with) {
                        broken.push(format!(
                            "{kind} {space}: {what}: {}",
                            why.chars().take(400).collect::<String>()
                        ));
                    }
                }
            }
        }
        (asked, injected, broken)
    });
    println!(
        "{asked} changes taken without Silkroll, {} refused with it",
        broken.len()
    );
    assert_eq!(injected, KINDS.len() * NAMESPACES.len());
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(asked > 500, "{asked}");
}
