//! The policy that tells whoever applies a workload that Silkroll should have injected and did not: with Silkroll stopped,
//! and then, where it runs, without a word. These tests take turns with others on a control plane of their own.

use serde_json::{Value, json};

use super::manifests::{self, annotated, plain};
use super::space::{Space, remarks};
use super::world::World;

type Edit = fn(&mut Value);

/// Workloads in a namespace that has opted in, and whether they are warned of where Silkroll is away.
const WORKLOADS: &[(&str, bool, Edit)] = &[
    ("plain", true, |_| {}),
    ("asks", true, |web| {
        web["metadata"]["annotations"] = json!({"silkroll.dev/inject": "enabled"});
    }),
    ("says-no", false, |web| {
        web["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
    }),
    ("template-says-no", false, |web| {
        web["spec"]["template"]["metadata"]["annotations"] =
            json!({"silkroll.dev/inject": "false"});
    }),
    ("the-stronger-wins", true, |web| {
        web["metadata"]["annotations"] = json!({"silkroll.dev/inject": "true"});
        web["spec"]["template"]["metadata"]["annotations"] =
            json!({"silkroll.dev/inject": "false"});
    }),
    ("owned", false, owned),
    ("owned-and-asks", true, |web| {
        owned(web);
        web["metadata"]["annotations"] = json!({"silkroll.dev/inject": "enabled"});
    }),
    ("windows", false, |web| {
        web["spec"]["template"]["spec"]["os"] = json!({"name": "windows"});
    }),
    ("windows-nodes", false, |web| {
        web["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
    }),
    ("windows-affinity", false, |web| os_affinity(web, "windows")),
    ("linux-affinity", true, |web| os_affinity(web, "linux")),
    ("linux-nodes", true, |web| {
        web["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "linux"});
    }),
    ("one-of-two-has-ports", true, |web| sidecar(web, &json!([]))),
    ("one-of-two-has-tcp", true, |web| {
        sidecar(web, &json!([{"containerPort": 53, "protocol": "UDP"}]));
    }),
    ("which-of-two", false, |web| {
        sidecar(web, &json!([{"containerPort": 9090}]));
    }),
    ("one-of-two-is-named", true, |web| {
        sidecar(web, &json!([{"containerPort": 9090}]));
        web["metadata"]["annotations"] = json!({"silkroll.dev/container": "web"});
    }),
    ("one-of-two-is-the-default", true, |web| {
        sidecar(web, &json!([{"containerPort": 9090}]));
        web["spec"]["template"]["metadata"]["annotations"] =
            json!({"kubectl.kubernetes.io/default-container": "web"});
    }),
];

fn owned(web: &mut Value) {
    web["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "example.com/v1", "kind": "Shop", "name": "shop",
        "uid": "b6f0d5c4-0000-0000-0000-000000000000", "controller": true,
    }]);
}

fn sidecar(web: &mut Value, ports: &Value) {
    let sidecar = json!({"name": "sidecar", "image": "sidecar:1", "ports": ports});
    let containers = &mut web["spec"]["template"]["spec"]["containers"];
    containers.as_array_mut().unwrap().push(sidecar);
}

fn os_affinity(web: &mut Value, os: &str) {
    let wanted = json!({"key": "kubernetes.io/os", "operator": "In", "values": [os]});
    web["spec"]["template"]["spec"]["affinity"] = json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [wanted]}],
        },
    }});
}

/// Names and values.
type Pairs = &'static [(&'static str, &'static str)];

/// Other namespaces: its annotations, what a workload there says, and whether that is warned of.
const NAMESPACES: &[(&str, Pairs, Pairs, bool)] = &[
    ("silent", &[], &[], false),
    ("out", &[("inject", "disabled")], &[], false),
    ("requests", &[("inject", "on-request")], &[], false),
    (
        "requested",
        &[("inject", "on-request")],
        &[("inject", "enabled")],
        true,
    ),
    ("by-true", &[("inject", "true")], &[], true),
    (
        "by-pod",
        &[("inject", "enabled"), ("level", "pod")],
        &[],
        false,
    ),
    (
        "by-workload",
        &[("inject", "enabled"), ("level", "workload")],
        &[],
        true,
    ),
];

/// What kubectl does to a Deployment without an injection, and whether it is warned then.
const CHANGES: &[(bool, &[&str])] = &[
    (false, &["label", "deployment/web", "a=b"]),
    (false, &["annotate", "deployment/web", "example.com/a=b"]),
    (false, &["scale", "deployment/web", "--replicas=3"]),
    (true, &["set", "image", "deployment/web", "web=web:2"]),
    (true, &["rollout", "restart", "deployment/web"]),
    (
        true,
        &["annotate", "deployment/web", "silkroll.dev/drain-seconds=5"],
    ),
    (
        false,
        &["annotate", "deployment/web", "silkroll.dev/inject=disabled"],
    ),
    (false, &["set", "image", "deployment/web", "web=web:3"]),
];

const SAID: &str = "'silkroll-not-injected': Deployment ";

/// Whether there is the policy's warning, and no more than one.
fn warned(output: &testkit::process::Output, what: &str) -> bool {
    assert!(output.success, "{what}: {output:?}");
    let remarks = remarks(output);
    let ours: Vec<_> = remarks.iter().filter(|line| line.contains(SAID)).collect();
    assert!(ours.len() < 2, "{what}: {remarks:?}");
    for line in &ours {
        assert!(
            line.contains(" was not injected, though namespace "),
            "{line}"
        );
        // Silkroll may have said why: then it is not what to look at.
        let cure = "If no warning above says why, Silkroll did not answer: kubectl get pods -n silkroll-system; then apply this again";
        assert!(line.contains(cure), "{line}");
    }
    !ours.is_empty()
}

#[test]
fn what_silkroll_missed_is_told_while_it_is_away_and_nothing_while_it_runs() {
    let world = World::own();
    let space = Space::new(&world, "missed", &[("inject", "enabled")]);
    let tried: &[&str] = &["create", "--dry-run=server", "-f", "-"];
    let spaces: Vec<_> = NAMESPACES
        .iter()
        .map(|(name, annotations, said, expected)| {
            let space = Space::new(&world, &format!("missed-{name}"), annotations);
            (space, annotated(plain("web"), said).to_string(), *expected)
        })
        .collect();
    let all = |away: bool| {
        for (name, expected, edit) in WORKLOADS {
            let mut object = plain(name);
            edit(&mut object);
            let output = space.kubectl(tried, &object.to_string());
            assert_eq!(
                warned(&output, name),
                away && *expected,
                "{name}: {output:?}"
            );
        }
        for (space, object, expected) in &spaces {
            let output = space.kubectl(tried, object);
            let name = &space.name;
            assert_eq!(
                warned(&output, name),
                away && *expected,
                "{name}: {output:?}"
            );
        }
    };

    world.end();
    all(true);
    let created = space.kubectl(&["create", "-f", "-"], &plain("web").to_string());
    assert!(warned(&created, "create"), "{created:?}");
    let later = space.kubectl(&["create", "-f", "-"], &plain("later").to_string());
    assert!(warned(&later, "create"), "{later:?}");
    for (expected, args) in CHANGES {
        let output = space.kubectl(args, "");
        assert_eq!(
            warned(&output, &args.join(" ")),
            *expected,
            "{args:?}: {output:?}"
        );
    }
    let failure = "validation.policy.admission.k8s.io/validation_failure";
    let audited = |event: &Value| event["annotations"][failure].is_string();
    assert!(world.plane.audit().iter().any(audited));
    // Its own controllers write Deployments, too: none of that is a change of the template.

    world.serve(&[]);
    world.webhook_in_force(&plain("probe"));
    all(false);
    for (_, args) in CHANGES {
        let args: Vec<_> = args
            .iter()
            .map(|arg| arg.replace("/web", "/later"))
            .collect();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let output = space.kubectl(&args, "");
        assert!(!warned(&output, &args.join(" ")), "{output:?}");
    }
    // Missed, and changed where Silkroll is asked and has nothing to do: by now somebody has been told.
    let bounded = r#"{"spec":{"progressDeadlineSeconds":601}}"#;
    let patched = space.kubectl(&["patch", "deployment", "web", "-p", bounded], "");
    assert!(!warned(&patched, "patch"), "{patched:?}");
}

#[test]
fn a_template_of_half_a_megabyte_is_within_the_policys_budget() {
    let world = World::own();
    let space = Space::new(&world, "missed-huge", &[("inject", "enabled")]);
    let mut huge = plain("huge");
    let env: Vec<Value> = (0..5_000)
        .map(|n| json!({"name": format!("V{n}"), "value": "a value of thirty-two characters"}))
        .collect();
    manifests::container(&mut huge)["env"] = env.into();
    world.end();
    let created = space.kubectl(&["create", "-f", "-"], &huge.to_string());
    assert!(warned(&created, "create"), "{created:?}");
    // Not `kubectl set env`: merging by name takes an API server seconds for so many, without any policy.
    let last = "/spec/template/spec/containers/0/env/4999/value";
    let patch = json!([{"op": "replace", "path": last, "value": "changed"}]).to_string();
    let changed = ["patch", "deployment", "huge", "--type=json", "-p", &patch];
    // Past its budget the policy would say nothing: it fails open.
    let changed = space.kubectl(&changed, "");
    assert!(warned(&changed, "patch"), "{changed:?}");
}
