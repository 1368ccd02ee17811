//! An upgrade to a build with another script, and back, rolls nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use silkroll::deregister::Script;
use testkit::wait::eventually;

use super::cluster::replica::program;
use super::number;
use super::world::{Replica, World};

/// The build that is upgraded to: this program with another letter in a comment of its script, so that the script's
/// ConfigMap has another name, as with any other change of the script.
fn other_build(folder: &Path) -> PathBuf {
    let mut bytes = fs::read(program()).unwrap();
    let here = Script::current().text.as_bytes();
    let at: Vec<_> = memchr::memmem::find_iter(&bytes, here).collect();
    assert!(
        !at.is_empty(),
        "the program does not hold its script as it is"
    );
    let comment = memchr::memmem::find(here, b"Silkroll's hook, run").unwrap();
    for at in at {
        bytes[at + comment] = b's';
    }
    let path = folder.join("other-silkroll");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The name of the script's ConfigMap, as a build has it.
fn script_of(program: &Path) -> String {
    let output = Command::new(program)
        .args(["configmap", "-n", "any"])
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let mut lines = text.lines();
    let name = lines.find_map(|line| line.trim().strip_prefix("name: silkroll-"));
    format!("silkroll-{}", name.unwrap())
}

/// Gives the account the ConfigMap of the other build in the place of this one's, as the other install file does.
fn upgrade_role(world: &World, from: &str, to: &str) {
    let role = world
        .plane
        .get(&["clusterrole", "silkroll"])
        .unwrap()
        .to_string();
    assert!(role.contains(from), "{role}");
    world
        .plane
        .ok(&["apply", "-f", "-"], &role.replace(from, to));
}

/// One replica after the other, the new one first.
fn roll(world: &World, replicas: [Replica; 2], program: &Path) -> [Replica; 2] {
    replicas.map(|old| {
        let new = world.replica_of(program, &["--drain-seconds=0"]);
        world.behind_the_service(&new);
        world.service.going(&old.name);
        std::thread::sleep(Duration::from_secs(3));
        drop(old);
        new
    })
}

fn manifests(count: u32) -> Value {
    let one = |n: u32| {
        let name = format!("web-{n}");
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "soak", "annotations": {
                "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848",
                "silkroll.dev/hook": "script",
            }},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
            }},
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": (0..count).map(one).collect::<Vec<_>>()})
}

/// The hashes of each Deployment's pod templates, of all that it ever had, once the controller has seen them all.
fn hashes(world: &World, count: u32) -> BTreeMap<String, Vec<String>> {
    let items = |kind: &str| {
        let list = world.plane.get(&[kind, "-n", "soak"]).unwrap();
        list["items"].as_array().unwrap().clone()
    };
    eventually("that the controller has seen all", || {
        let all = items("deployments");
        let seen =
            |one: &Value| one["status"]["observedGeneration"] == one["metadata"]["generation"];
        all.iter().all(seen).then_some(())
    });
    let mut hashes = BTreeMap::<String, Vec<String>>::new();
    for set in items("replicasets") {
        let owner = set["metadata"]["ownerReferences"][0]["name"]
            .as_str()
            .unwrap();
        let hash = set["metadata"]["labels"]["pod-template-hash"]
            .as_str()
            .unwrap();
        hashes
            .entry(owner.to_owned())
            .or_default()
            .push(hash.to_owned());
    }
    for hashes in hashes.values_mut() {
        hashes.sort();
    }
    hashes.retain(|name, _| name.starts_with("web-"));
    assert_eq!(hashes.len(), usize::try_from(count).unwrap());
    hashes
}

fn mounts(world: &World, name: &str) -> String {
    let there = world
        .plane
        .get(&["deployment", "-n", "soak", name])
        .unwrap();
    let volumes = there["spec"]["template"]["spec"]["volumes"]
        .as_array()
        .unwrap();
    volumes[0]["configMap"]["name"].as_str().unwrap().to_owned()
}

/// What users and controllers do to all of them without meaning a rollout.
fn touch(world: &World, manifests: &str, turn: u32) {
    let ok = |args: &[&str], stdin: &str| world.plane.ok(&[args, &["-n", "soak"]].concat(), stdin);
    ok(&["apply", "-f", "-"], manifests);
    let label = format!("turn=turn-{turn}");
    ok(&["label", "deployment", "--all", "--overwrite", &label], "");
    ok(
        &[
            "annotate",
            "deployment",
            "--all",
            "--overwrite",
            &format!("example.com/{label}"),
        ],
        "",
    );
    ok(&["scale", "deployment", "--all", "--replicas=0"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_to_another_script_and_back_changes_no_pod_template_hash() {
    let count = number("DEPLOYMENTS", 20);
    let world = World::start(true).await;
    let ours = program();
    let other = other_build(world.plane.dir());
    let [this, that] = [script_of(&ours), script_of(&other)];
    assert_ne!(this, that);
    let replicas = world.two(&["--drain-seconds=0"]).await;
    let all = manifests(count).to_string();
    world.plane.ok(&["apply", "-f", "-"], &all);
    assert_eq!(mounts(&world, "web-0"), this);
    let before = hashes(&world, count);
    touch(&world, &all, 0);
    assert_eq!(hashes(&world, count), before);

    upgrade_role(&world, &this, &that);
    let replicas = roll(&world, replicas, &other);
    touch(&world, &all, 1);
    let upgraded = hashes(&world, count);
    // The other build is at work: what is new has its script.
    let mut new = manifests(1)["items"][0].clone();
    new["metadata"]["name"] = "new".into();
    world.plane.ok(&["create", "-f", "-"], &new.to_string());
    assert_eq!(mounts(&world, "new"), that);
    assert_eq!(mounts(&world, "web-0"), this);

    upgrade_role(&world, &that, &this);
    let _replicas = roll(&world, replicas, &ours);
    touch(&world, &all, 2);
    let back = hashes(&world, count);
    let changed = |now: &BTreeMap<String, Vec<String>>| {
        before
            .iter()
            .filter(|(name, hashes)| now.get(*name) != Some(*hashes))
            .count()
    };
    println!(
        "upgrade from {this} to {that} and back: {} and {} of {count} pod template hashes changed",
        changed(&upgraded),
        changed(&back),
    );
    assert_eq!((changed(&upgraded), changed(&back)), (0, 0));
}
