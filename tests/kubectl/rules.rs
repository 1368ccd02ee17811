//! Law 5, rule by rule of the API's validation (the table is in `src/engine/valid.rs`): what the API
//! server takes without Silkroll it takes with it, and a warning says what was left out.

use serde_json::{Value, json};
use testkit::process::Output;

use super::manifests::{self, container};
use super::space::Space;
use super::world::World;

const SURGE: &[(&str, &str)] = &[("rollout", "surge")];
const READY_60: &[(&str, &str)] = &[("min-ready-seconds", "60")];
const READY_600: &[(&str, &str)] = &[("min-ready-seconds", "600")];
/// Needs the script, so its volume and mount.
const SCRIPT: &[(&str, &str)] = &[
    ("deregister", "http"),
    ("http-url", "http://admin/off"),
    ("hook", "script"),
];
/// What nothing is said about on plain success.
const QUIET: &str = "";

struct Rule {
    name: &'static str,
    kind: &'static str,
    settings: &'static [(&'static str, &'static str)],
    object: fn(&mut Value),
    warns: &'static str,
    /// What the stored object has then.
    holds: fn(&Value) -> bool,
}

fn pod(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]
}

fn injected(object: &Value) -> bool {
    object["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"].is_string()
}

fn no_min_ready(object: &Value) -> bool {
    injected(object) && object["spec"]["minReadySeconds"].as_i64().unwrap_or(0) == 0
}

fn nothing(object: &Value) -> bool {
    !object.to_string().contains("silkroll.dev/status")
}

fn rolling(object: &Value) -> &Value {
    let spec = &object["spec"];
    let strategy = if object["kind"] == "Deployment" {
        &spec["strategy"]
    } else {
        &spec["updateStrategy"]
    };
    &strategy["rollingUpdate"]
}

fn surges(object: &Value) -> bool {
    injected(object) && *rolling(object) == json!({"maxSurge": 1, "maxUnavailable": 0})
}

fn one_and_none(object: &Value) -> bool {
    injected(object) && *rolling(object) == json!({"maxSurge": 0, "maxUnavailable": 1})
}

fn annotations_with_free(object: &mut Value, free: usize) {
    let length = 256 * 1024 - "example.com/a".len() - free;
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({"example.com/a": "<".repeat(length)});
}

const RULES: &[Rule] = &[
    Rule {
        name: "the deadline is as long as minReadySeconds",
        kind: "Deployment",
        settings: READY_60,
        object: |d| d["spec"]["progressDeadlineSeconds"] = 60.into(),
        warns: "minReadySeconds 60 was left out: it has to be below progressDeadlineSeconds, which is 60",
        holds: no_min_ready,
    },
    Rule {
        name: "the deadline is one above it",
        kind: "Deployment",
        settings: READY_60,
        object: |d| d["spec"]["progressDeadlineSeconds"] = 61.into(),
        warns: QUIET,
        holds: |d| d["spec"]["minReadySeconds"] == 60,
    },
    Rule {
        name: "the deadline is the default",
        kind: "Deployment",
        settings: READY_600,
        object: |_| {},
        warns: "minReadySeconds 600 was left out: it has to be below progressDeadlineSeconds, which is 600",
        holds: no_min_ready,
    },
    Rule {
        name: "a StatefulSet has no deadline",
        kind: "StatefulSet",
        settings: READY_600,
        object: |_| {},
        warns: QUIET,
        holds: |d| d["spec"]["minReadySeconds"] == 600,
    },
    Rule {
        name: "no surge, written so that it is easily overlooked",
        kind: "Deployment",
        settings: SURGE,
        object: |d| {
            d["spec"]["strategy"] =
                json!({"rollingUpdate": {"maxSurge": "00%", "maxUnavailable": "10%"}});
        },
        warns: QUIET,
        holds: surges,
    },
    Rule {
        name: "the same of a DaemonSet",
        kind: "DaemonSet",
        settings: SURGE,
        object: |d| {
            d["spec"]["updateStrategy"] =
                json!({"rollingUpdate": {"maxSurge": "00%", "maxUnavailable": "10%"}});
        },
        warns: QUIET,
        holds: surges,
    },
    Rule {
        name: "host ports and no surge",
        kind: "Deployment",
        settings: SURGE,
        object: |d| {
            container(d)["ports"][0]["hostPort"] = 8080.into();
            d["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
        },
        warns: "rollout: surge was left out: the pods take ports of their node",
        holds: one_and_none,
    },
    Rule {
        name: "a sidecar's host port",
        kind: "Deployment",
        settings: SURGE,
        object: |d| {
            pod(d)["initContainers"] = json!([{"name": "side", "image": "i:1", "restartPolicy": "Always",
                "ports": [{"containerPort": 1, "hostPort": 1}]}]);
            d["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
        },
        warns: "rollout: surge was left out: the pods take ports of their node",
        holds: one_and_none,
    },
    Rule {
        name: "a host port of 0 is none",
        kind: "DaemonSet",
        settings: SURGE,
        object: |d| container(d)["ports"][0]["hostPort"] = 0.into(),
        warns: QUIET,
        holds: surges,
    },
    Rule {
        name: "a device at our path",
        kind: "Deployment",
        settings: SCRIPT,
        object: |d| {
            pod(d)["volumes"] =
                json!([{"name": "block", "persistentVolumeClaim": {"claimName": "block"}}]);
            container(d)["volumeDevices"] = json!([{"name": "block", "devicePath": "/silkroll"}]);
        },
        warns: "nothing was injected: container web mounts something of its own at /silkroll",
        holds: nothing,
    },
    Rule {
        name: "a mount at our path, written another way",
        kind: "Deployment",
        settings: SCRIPT,
        object: |d| {
            pod(d)["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
            container(d)["volumeMounts"] =
                json!([{"name": "data", "mountPath": "/a/../silkroll/./b"}]);
        },
        warns: "nothing was injected: container web mounts something of its own at /silkroll",
        holds: nothing,
    },
    Rule {
        name: "a claim template of our volume's name",
        kind: "StatefulSet",
        settings: SCRIPT,
        object: |d| {
            d["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "silkroll"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
            container(d)["volumeMounts"] = json!([{"name": "silkroll", "mountPath": "/data"}]);
        },
        warns: "nothing was injected: the pod has a volume named silkroll of its own; rename it",
        holds: nothing,
    },
    Rule {
        name: "annotations that leave no room for a record",
        kind: "Deployment",
        settings: &[],
        object: |d| annotations_with_free(d, 100),
        warns: "nothing was injected: the pod template's annotations have 262044 bytes",
        holds: nothing,
    },
    Rule {
        name: "annotations that leave room, though the API writes each byte as six",
        kind: "Deployment",
        settings: &[],
        object: |d| annotations_with_free(d, 1_000),
        warns: QUIET,
        holds: injected,
    },
    Rule {
        name: "an own sleep as long as the grace period",
        kind: "Deployment",
        settings: &[],
        object: |d| container(d)["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 30}}}),
        warns: QUIET,
        holds: injected,
    },
    Rule {
        name: "Windows by affinity",
        kind: "Deployment",
        settings: SCRIPT,
        object: |d| {
            pod(d)["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}]}]}}});
        },
        warns: "nothing was injected: this is a Windows pod",
        holds: nothing,
    },
    Rule {
        name: "Windows among others",
        kind: "DaemonSet",
        settings: SCRIPT,
        object: |d| {
            pod(d)["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/os", "operator": "In", "values": ["windows", "linux"]}]}]}}});
        },
        warns: "nothing was injected: the pod may start on Windows nodes",
        holds: nothing,
    },
];

#[test]
fn each_rule_of_the_api_holds_with_silkroll_as_without_and_a_warning_says_what_was_left_out() {
    let world = World::shared();
    let without = Space {
        world,
        // The install file's webhook leaves it out.
        name: "kube-public".to_owned(),
    };
    let create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let mut wrong = Vec::new();
    for (at, rule) in RULES.iter().enumerate() {
        let mut annotations = vec![("inject", "enabled")];
        annotations.extend_from_slice(rule.settings);
        let space = Space::new(world, &format!("rule-{at}"), &annotations);
        let mut object = manifests::workload(rule.kind, "web");
        (rule.object)(&mut object);
        let text = object.to_string();
        let plain = without.kubectl(&create, &text);
        assert!(plain.success, "{}: {}", rule.name, plain.stderr);
        let output = space.kubectl(&create, &text);
        let stored: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
        let says = warnings(&output);
        let warned = match rule.warns {
            QUIET => says.is_empty(),
            part => says.len() == 1 && says[0].contains(part),
        };
        if !output.success || !warned || !(rule.holds)(&stored) {
            wrong.push(format!(
                "{}: {}\n{}",
                rule.name,
                output.stderr,
                rolling(&stored)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn warnings(output: &Output) -> Vec<&str> {
    let lines = output.stderr.lines();
    lines
        .filter(|line| line.contains("Warning: silkroll: "))
        .collect()
}

/// Runs kubectl, which must succeed, and returns the warnings of Silkroll.
fn changed(space: &Space<'_>, args: &[&str], stdin: &str) -> String {
    let output = space.kubectl(args, stdin);
    assert!(output.success, "kubectl {args:?}: {output:?}");
    warnings(&output).join("\n")
}

fn patch(space: &Space<'_>, name: &str, patch: &str) -> String {
    changed(space, &["patch", name, "-p", patch], "")
}

#[test]
fn min_ready_seconds_give_way_to_the_deadline_whichever_comes_first_and_nothing_rolls() {
    let world = World::shared();
    let space = Space::new(world, "ready-first", &[("inject", "enabled"), READY_60[0]]);
    let name = "deployment/web";
    space.apply(&manifests::plain("web"));
    let first = space.settled(name);
    assert_eq!(first.object["spec"]["minReadySeconds"], 60);
    let deadline = |seconds: i64| {
        let change = format!(r#"{{"spec":{{"progressDeadlineSeconds":{seconds}}}}}"#);
        let warned = patch(&space, name, &change);
        (warned, space.settled(name))
    };
    let left_out = "minReadySeconds 60 was left out";
    let (warned, low) = deadline(60);
    assert!(warned.contains(left_out), "{warned}");
    assert!(low.object["spec"]["minReadySeconds"].is_null());
    let (warned, high) = deadline(600);
    assert_eq!(warned, "");
    assert_eq!(high.object["spec"]["minReadySeconds"], 60);
    for state in [&low, &high] {
        assert_eq!(state.template(), first.template());
        assert_eq!(state.revisions, first.revisions);
    }

    // The other way round, as a namespace is annotated that has Deployments already.
    let space = Space::new(world, "deadline-first", &[]);
    let mut object = manifests::plain("web");
    object["spec"]["progressDeadlineSeconds"] = 60.into();
    space.apply(&object);
    space.reannotate("min-ready-seconds=60", &object, |_| true);
    space.reannotate("inject=enabled", &object, |output| {
        output.stdout.contains("silkroll.dev/status")
    });
    let warned = changed(&space, &["set", "image", name, "web=web:2"], "");
    assert!(warned.contains(left_out), "{warned}");
    let state = space.settled(name);
    assert!(state.injected());
    assert!(state.object["spec"]["minReadySeconds"].is_null());

    // It gives way also where its namespace has opted out since.
    space.reannotate("inject=disabled", &object, |output| {
        !output.stdout.contains("silkroll.dev/status")
    });
    patch(&space, name, r#"{"spec":{"progressDeadlineSeconds":50}}"#);
}

#[test]
fn an_own_sleep_that_our_grace_period_alone_makes_valid_is_warned_of() {
    let space = Space::new(World::shared(), "own-sleep", &[("inject", "enabled")]);
    let mut object = manifests::plain("web");
    container(&mut object)["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 40}}});
    let warned = space.apply_warned(&object);
    let says = "container web: its own preStop sleeps 40 s: set terminationGracePeriodSeconds to 40 or more";
    assert!(warned.contains(says), "{warned}");
    let name = "deployment/web";
    let ours = space.settled(name).pod()["terminationGracePeriodSeconds"].clone();
    let opt_out = ["annotate", name, "silkroll.dev/inject=disabled"];
    let kept = space.kubectl(&opt_out, "");
    assert!(kept.success, "{kept:?}");
    let says = "terminationGracePeriodSeconds stays as Silkroll set it";
    assert!(kept.stderr.contains(says), "{kept:?}");
    let out = space.settled(name);
    assert!(!out.injected());
    assert_eq!(out.pod()["terminationGracePeriodSeconds"], ours);
    // As the warning says.
    pod(&mut object)["terminationGracePeriodSeconds"] = 40.into();
    space.apply(&object);
    let own = space.settled(name);
    assert_eq!(own.pod()["terminationGracePeriodSeconds"], 40);
}

#[test]
fn what_an_apply_merges_into_ours_stays_valid_and_the_users() {
    let world = World::shared();
    let mut annotations = vec![("inject", "enabled")];
    annotations.extend_from_slice(SCRIPT);
    let space = Space::new(world, "merged-volume", &annotations);
    let mut object = manifests::plain("web");
    space.apply(&object);
    let name = "deployment/web";
    assert!(space.settled(name).injected());
    pod(&mut object)["volumes"] = json!([{"name": "silkroll", "emptyDir": {}}]);
    container(&mut object)["volumeMounts"] = json!([{"name": "silkroll", "mountPath": "/cache"}]);
    let warned = space.apply_warned(&object);
    assert!(
        warned.contains("a volume named silkroll of its own"),
        "{warned}"
    );
    let state = space.settled(name);
    assert!(!state.injected());
    assert_eq!(state.pod()["volumes"], pod(&mut object)["volumes"]);
    assert_eq!(
        state.web()["volumeMounts"],
        container(&mut object)["volumeMounts"]
    );
    assert!(state.web()["lifecycle"].is_null(), "{}", state.web());
    assert_eq!(state.pod()["terminationGracePeriodSeconds"], 30);
}

#[test]
fn a_strategy_that_is_merged_into_ours_is_told_from_it_and_given_back_valid() {
    let world = World::shared();
    let space = Space::new(world, "merged-surge", &[("inject", "enabled"), SURGE[0]]);
    for (kind, change, given_back) in [
        (
            "Deployment",
            r#"{"strategy":{"rollingUpdate":{"maxSurge":0}}}"#,
            json!({"maxSurge": 0, "maxUnavailable": "25%"}),
        ),
        (
            "DaemonSet",
            r#"{"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}}"#,
            json!({"maxSurge": 0, "maxUnavailable": 2}),
        ),
    ] {
        let object = manifests::workload(kind, "web");
        space.apply(&object);
        let name = format!("{}/web", kind.to_lowercase());
        let stored = |name: &str| world.plane.get(&["-n", &space.name, name]).unwrap();
        // With a new template comes a new record, of what the user wrote.
        let mut change: Value = serde_json::from_str(change).unwrap();
        change["template"]["spec"]["containers"] = json!([{"name": "web", "image": "web:2"}]);
        let change = json!({"spec": change}).to_string();
        assert_eq!(patch(&space, &name, &change), "");
        assert_eq!(rolling(&stored(&name))["maxUnavailable"], 0, "{kind}");
        space.quiet(&["annotate", &name, "silkroll.dev/inject=disabled"], "");
        assert_eq!(*rolling(&stored(&name)), given_back, "{kind}");
    }
}

#[test]
fn where_an_annotation_cannot_be_used_a_merged_probe_is_the_users_alone() {
    let space = Space::new(World::shared(), "merged-typo", &[("inject", "enabled")]);
    let mut object = manifests::plain("web");
    space.apply(&object);
    space.reannotate("drain-seconds=soon", &object, |output| {
        output.stderr.contains("cannot be used")
    });
    let name = "deployment/web";
    let before = space.settled(name);
    // Nothing changed: nothing rolls.
    let warned = changed(&space, &["apply", "-f", "-"], &object.to_string());
    assert_eq!(warned, "");
    assert_eq!(space.settled(name).template(), before.template());
    let probe = json!({"httpGet": {"path": "/", "port": 8080}});
    container(&mut object)["readinessProbe"] = probe;
    let warned = space.apply_warned(&object);
    assert!(warned.contains("nothing was injected"), "{warned}");
    let state = space.settled(name);
    assert!(!state.injected());
    assert!(state.web()["lifecycle"].is_null(), "{}", state.web());
    assert_eq!(state.web()["readinessProbe"]["httpGet"]["path"], "/");
    assert!(state.web()["readinessProbe"]["tcpSocket"].is_null());
}
