//! Many namespaces on a real control plane, with the real binary: each ConfigMap is written once, and a restart that
//! has nothing to write writes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod cluster;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster::replica::{make_certs, spec};
use cluster::{ControlPlane, Options};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use testkit::process::{Process, Used, mib};
use testkit::wait::{PATIENCE, eventually};

/// Enough for anything quadratic to show; a control plane in a test takes them in seconds. `NAMESPACES=10000` for more.
fn namespaces() -> usize {
    std::env::var("NAMESPACES").map_or(1000, |text| text.parse().unwrap())
}

/// Of our processor time for 10,000 of them, by the program as it is shipped. The machine that it is measured on has two
/// cores, and the API server is on them, too.
const AT_MOST: Duration = Duration::from_secs(15);
/// Creations under way at once.
const AT_ONCE: usize = 16;

struct Serving {
    process: Process,
    log: PathBuf,
}

impl Serving {
    fn start(plane: &ControlPlane, certs: &Path, name: &str) -> Self {
        let mut spec = spec(name, certs);
        let kubeconfig = plane.kubeconfig().display().to_string();
        spec.env.push(("KUBECONFIG".to_owned(), kubeconfig));
        Self {
            process: plane.run(&spec).unwrap(),
            log: plane.dir().join(name).with_extension("log"),
        }
    }

    /// Without a cluster, and with the namespaces of a file.
    fn alone(folder: &Path, namespaces: &Path) -> Self {
        let mut spec = spec("alone", folder);
        spec.args.push("--standalone".to_owned());
        spec.args
            .push(format!("--namespaces={}", namespaces.display()));
        let log = folder.join("alone.log");
        let _ = std::fs::remove_file(&log);
        Self {
            process: Process::start(&spec, folder).unwrap(),
            log,
        }
    }

    /// Waits until `/readyz` says that it is ready; how long that took since `begun`.
    fn ready(&self, begun: Instant) -> Duration {
        let admin = || {
            let log = std::fs::read_to_string(&self.log).ok()?;
            let mut lines = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let serving = lines.find(|line| line["message"] == "serving")?;
            serving["admin_listen"].as_str()?.parse().ok()
        };
        while begun.elapsed() < PATIENCE {
            let answer = admin().and_then(|admin| {
                testkit::http::get(admin, "admin", "/readyz", Duration::from_secs(5)).ok()
            });
            if answer.is_some_and(|answer| answer.status == 200) {
                return begun.elapsed();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("not ready: {}", self.process.tail());
    }

    fn used(&self) -> Used {
        eventually("its start", || self.process.used().ok())
    }

    /// Waits until it has been at rest for a while: what it has to do, it has done.
    fn rests(&self) {
        let mut last = (self.used().cpu, Instant::now());
        eventually("rest", || {
            let now = self.used().cpu;
            if now > last.0 + Duration::from_millis(20) {
                last = (now, Instant::now());
            }
            (last.1.elapsed() > Duration::from_secs(3)).then_some(())
        });
    }
}

fn told(what: &str, ready: Duration, used: Used) {
    println!(
        "{what}: ready after {ready:?}, {:?} of processor time, {:.1} MiB of memory, {:.1} without the program's own pages, {:.1} at most",
        used.cpu,
        mib(used.memory),
        mib(used.anonymous),
        mib(used.most)
    );
}

/// How often each namespace's ConfigMap was to be created, by the API server's own record.
fn creations(plane: &ControlPlane) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for event in plane.audit() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let namespace = text(&object["namespace"]);
        if event["verb"] == "create"
            && object["resource"] == "configmaps"
            && text(&object["name"]).starts_with("silkroll-")
            && namespace.starts_with("many-")
        {
            *found.entry(namespace).or_default() += 1;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_config_map_is_written_once_and_a_restart_writes_none() {
    let plane = ControlPlane::start(Options::default());
    let all = namespaces();
    let certs = plane.dir().join("serving");
    make_certs(&certs);
    let client = Client::try_from(plane.config().await).unwrap();

    // They opt in while it runs, so that each event finds many others.
    let serving = Serving::start(&plane, &certs, "first");
    let api = Api::<Namespace>::all(client.clone());
    stream::iter(0..all)
        .map(|n| {
            let namespace = json!({"metadata": {
                "name": format!("many-{n}"), "annotations": {"silkroll.dev/inject": "enabled"}}});
            let api = api.clone();
            async move {
                let namespace = serde_json::from_value(namespace).unwrap();
                api.create(&PostParams::default(), &namespace).await
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    let maps = Api::<ConfigMap>::all(client);
    let labelled = ListParams::default().labels("app.kubernetes.io/managed-by=silkroll");
    // However long a machine takes for all, the next one comes.
    let (mut there, mut last) = (0, Instant::now());
    while there < all {
        let now = maps.list_metadata(&labelled).await.unwrap().items.len();
        if now > there {
            (there, last) = (now, Instant::now());
        }
        assert!(last.elapsed() < PATIENCE, "no more than {there} came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    serving.rests();
    let cpu = serving.used().cpu;
    let written = creations(&plane);
    println!(
        "{all} namespaces: {there} ConfigMaps, {} writes, {cpu:?} of processor time",
        written.values().sum::<usize>()
    );
    assert_eq!(written.len(), all);
    let twice: Vec<_> = written.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{}: {twice:?}", twice.len());
    // Without optimization it is no figure.
    let shipped = std::env::var_os("SILKROLL_PROGRAM").is_some();
    assert!(!shipped || all > 10_000 || cpu <= AT_MOST, "{cpu:?}");
    drop(serving);

    let begun = Instant::now();
    let serving = Serving::start(&plane, &certs, "second");
    let ready = serving.ready(begun);
    serving.rests();
    let used = serving.used();
    told("a restart", ready, used);
    assert_eq!(creations(&plane), written);
}

/// Bytes that each of many namespaces may take where all say the same: its name, and its place in a table. Each with an entry
/// of its own took 500.
const EACH: u64 = 300;

#[test]
fn many_namespaces_that_say_the_same_take_no_more_than_their_names() {
    const MANY: u32 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    make_certs(folder.path());
    let measured = |count: u32| {
        let items: Vec<_> = (0..count)
            .map(|n| {
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                    "name": format!("many-{n}"), "labels": {"team": "shop"},
                    "annotations": {
                        "silkroll.dev/inject": "enabled", "silkroll.dev/deregister": "nacos",
                        "silkroll.dev/nacos-server": "http://nacos:8848"}}})
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "NamespaceList", "items": items});
        let file = folder.path().join("namespaces.json");
        std::fs::write(&file, list.to_string()).unwrap();
        let begun = Instant::now();
        let serving = Serving::alone(folder.path(), &file);
        let ready = serving.ready(begun);
        serving.rests();
        let used = serving.used();
        told(&format!("a file of {count} namespaces"), ready, used);
        used.anonymous
    };
    let (one, many) = (measured(1), measured(MANY));
    let each = many.saturating_sub(one) / u64::from(MANY);
    assert!(each < EACH, "{each} bytes each");
}
