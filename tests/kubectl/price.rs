//! What `level: pod` costs at the API server: how long it takes to create a Pod with the webhook's second entry and
//! without. A figure for docs/pods.md and no test: `make bench-pods`, which builds Silkroll as it is shipped.

use std::time::{Duration, Instant};

use axum::http::Request;
use serde_json::{Value, json};
use testkit::wait::eventually;

use super::cluster::config;
use super::manifests;
use super::world::{World, file};

/// Pods of each kind.
const PODS: usize = 200;
const CONFIGURATION: [&str; 3] = ["mutatingwebhookconfiguration", "silkroll", "--type=json"];
const ASKS: &str = "price-asks";
const SILENT: &str = "price-silent";

#[test]
#[ignore = "a measurement: make bench-pods"]
fn what_creating_a_pod_takes_with_the_second_entry_and_without() {
    let world = World::own();
    world.serve(&["--workloads=deployment,pod"]);
    for (name, annotations) in [
        (ASKS, &[("inject", "enabled"), ("level", "pod")][..]),
        (SILENT, &[]),
    ] {
        let namespace = manifests::namespace(name, annotations).to_string();
        world.plane.ok(&["create", "-f", "-"], &namespace);
        eventually("the namespace's account", || {
            world.plane.get(&["serviceaccount", "default", "-n", name])
        });
    }
    let probe = |namespace: &str| {
        let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let pod = manifests::owned_pod(namespace).to_string();
        world.plane.ok(&args, &pod).contains("silkroll.dev/status")
    };

    // Half of them before and half after, so that what the machine does meanwhile is in all of them.
    let mut without = create(&world, 1, &[SILENT]).remove(0);
    let patch = file("manifests/pods.patch.yaml").display().to_string();
    let add = [&["patch"], &CONFIGURATION[..], &["--patch-file", &patch]].concat();
    world.plane.ok(&add, "");
    eventually("the entry in force", || probe(ASKS).then_some(()));
    let [passed_over, injected] = <[_; 2]>::try_from(create(&world, 2, &[SILENT, ASKS])).unwrap();
    let remove = r#"[{"op": "remove", "path": "/webhooks/1"}]"#;
    world.plane.ok(
        &[&["patch"], &CONFIGURATION[..], &["-p", remove]].concat(),
        "",
    );
    eventually("the entry gone", || (!probe(ASKS)).then_some(()));
    without.extend(create(&world, 1, &[SILENT]).remove(0));

    for (what, mut times) in [
        ("without the entry", without),
        ("with it, in a namespace that does not ask", passed_over),
        ("with it, injected", injected),
    ] {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!(
            "{} Pods {what}: p50 {:.2} ms, p99 {:.2} ms",
            times.len(),
            at(50),
            at(99)
        );
    }
    for namespace in [ASKS, SILENT] {
        world
            .plane
            .ok(&["delete", "namespace", namespace, "--wait=false"], "");
    }
}

/// Creates Pods one after the other, in these namespaces in turn, `share` halves of [`PODS`] in each. How long each took.
fn create(world: &World, share: usize, namespaces: &[&str]) -> Vec<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = config(&world.plane.kubeconfig()).await;
        let client = kube::Client::try_from(config).unwrap();
        let mut all = vec![Vec::new(); namespaces.len()];
        let owners: Vec<Value> = namespaces.iter().map(|name| owner(world, name)).collect();
        // The first are not counted: connections are made.
        let warm = 10;
        for n in 0..warm + PODS / 2 * share {
            for (at, namespace) in namespaces.iter().enumerate() {
                let mut pod = manifests::owned_pod(namespace);
                pod["metadata"]["name"] = Value::Null;
                pod["metadata"]["generateName"] = "web-6d5b8c9f4-".into();
                pod["metadata"]["ownerReferences"][0] = owners[at].clone();
                let path = format!("/api/v1/namespaces/{namespace}/pods");
                let request = Request::post(path).header("content-type", "application/json");
                let request = request.body(pod.to_string().into_bytes()).unwrap();
                let begun = Instant::now();
                let made = client.request_text(request).await.unwrap();
                let took = begun.elapsed();
                assert_eq!(
                    made.contains("silkroll.dev/status"),
                    *namespace == ASKS,
                    "{made}"
                );
                if n >= warm {
                    all[at].push(took);
                }
            }
        }
        all
    })
}

/// A controller that the garbage collector finds, and that makes no Pods of its own.
fn owner(world: &World, namespace: &str) -> Value {
    let map = ["configmap", "kube-root-owner", "-n", namespace];
    if world.plane.get(&map).is_none() {
        world.plane.ok(&[&["create"], &map[..]].concat(), "");
    }
    let uid = world.plane.get(&map).unwrap()["metadata"]["uid"].clone();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": map[1], "uid": uid, "controller": true})
}
