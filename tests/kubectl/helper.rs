//! The helper binary: its ConfigMap is in a namespace before the first pod that mounts it, and only
//! where pods mount it.

use serde_json::{Value, json};
use silkroll::deregister::{Arch, Helper};
use testkit::wait::eventually;

use super::manifests;
use super::space::Space;
use super::world::{World, silkroll};

const CALLS: &[(&str, &str)] = &[
    ("inject", "enabled"),
    ("deregister", "http"),
    ("http-url", "http://admin/offline"),
    ("http-start-url", "http://admin/online"),
];

fn helper(space: &Space<'_>) -> Option<Value> {
    let name = Helper::current().config_map;
    space
        .world
        .plane
        .get(&["configmap", "-n", &space.name, &name])
}

fn asking(name: &str) -> Value {
    let mut manifest = manifests::annotated(manifests::plain(name), &[("hook", "binary")]);
    manifest["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/arch": "arm64"});
    manifest
}

#[test]
fn a_workload_that_asks_for_the_helper_finds_it_in_its_namespace() {
    let space = Space::new(World::shared(), "helper", CALLS);
    let mut script = manifests::plain("script");
    manifests::container(&mut script)["command"] = json!(["/bin/sh", "-c", "exec web"]);
    space.apply(&script);
    space.dry_run(&asking("tried"));
    assert_eq!(
        helper(&space),
        None,
        "neither a script nor a dry run needs it"
    );

    space.apply(&asking("web"));
    let map = eventually("the helper's ConfigMap", || helper(&space));
    for arch in Arch::ALL {
        use base64::Engine as _;
        let text = map["binaryData"][arch.key()].as_str().unwrap();
        let program = base64::engine::general_purpose::STANDARD.decode(text);
        assert_eq!(program.unwrap(), arch.program(), "{arch:?}");
    }
    // The line of a cluster that has only the command names the very same.
    let printed = silkroll(&["configmap", "-n", &space.name, "--hook", "binary"], "").stdout;
    let diff = space.kubectl(&["diff", "-f", "-"], &printed);
    assert!(diff.success && diff.stdout.is_empty(), "{diff:?}");

    let state = space.settled("deployment/web");
    let volume = &state.pod()["volumes"][0]["configMap"];
    assert_eq!(volume["name"], Helper::current().config_map);
    assert_eq!(
        volume["items"],
        json!([{"key": "hook-arm64", "path": "hook"}])
    );
    let command = |hook: &str| state.web()["lifecycle"][hook]["exec"]["command"].clone();
    assert_eq!(command("preStop"), json!(["/silkroll/hook", "stop"]));
    assert_eq!(command("postStart"), json!(["/silkroll/hook", "start"]));

    space.quiet(&["delete", "configmap", &Helper::current().config_map], "");
    eventually("the helper's ConfigMap after its deletion", || {
        helper(&space)
    });
    for _ in 0..2 {
        space.apply(&asking("web"));
    }
    assert_eq!(space.settled("deployment/web").revisions.len(), 1);
    space.quiet(
        &["annotate", "deployment/web", "silkroll.dev/inject=disabled"],
        "",
    );
    let back = space.settled("deployment/web");
    assert!(
        !back.injected() && back.pod()["volumes"].is_null(),
        "{}",
        back.pod()
    );
}

#[test]
fn what_shows_no_shell_gets_the_helper_where_all_nodes_are_of_one_architecture() {
    let world = World::own();
    let node = |name: &str, arch: &str| {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/arch": arch}}
        });
        world.plane.ok(&["create", "-f", "-"], &node.to_string());
    };
    let calls = [("inject", "enabled"), ("deregister", "dubbo")];
    let space = Space::new(&world, "auto", &calls);
    let program = |object: &Value| {
        let pod = &object["spec"]["template"]["spec"];
        let command = &pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
        let file = &pod["volumes"][0]["configMap"]["items"][0]["key"];
        let words = [&command[0], file].map(|word| word.as_str().unwrap_or_default().to_owned());
        words.join(" ")
    };
    let now = |name: &str| {
        let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let output = space.kubectl(&args, &manifests::plain(name).to_string());
        program(&serde_json::from_str(&output.stdout).unwrap())
    };
    let becomes = |expected: &str| eventually(expected, || (now("new") == expected).then_some(()));
    assert_eq!(now("new"), "/bin/sh ", "there is no node yet");
    node("one", "arm64");
    becomes("/silkroll/hook hook-arm64");
    assert_eq!(helper(&space), None, "a dry run needs none");
    space.apply(&manifests::plain("web"));
    // The answer waited for it: no pod can be quicker.
    assert!(helper(&space).is_some());

    // What stands is its user's to change, whatever nodes come and go.
    node("two", "amd64");
    becomes("/bin/sh ");
    let web = || space.settled("deployment/web");
    let first = web();
    space.quiet(&["label", "deployment/web", "a=b"], "");
    space.quiet(&["apply", "-f", "-"], &manifests::plain("web").to_string());
    space.quiet(&["scale", "deployment/web", "--replicas=2"], "");
    assert_eq!(web().revisions, first.revisions);
    world.plane.ok(&["delete", "node", "one"], "");
    becomes("/silkroll/hook hook-amd64");
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    assert_eq!(program(&web().object), "/silkroll/hook hook-amd64");
    world.plane.ok(&["delete", "node", "two"], "");
}

#[test]
fn a_namespace_that_asks_for_the_helper_has_it_before_anything_is_applied() {
    let mut annotations = CALLS.to_vec();
    annotations.push(("hook", "binary"));
    let space = Space::new(World::shared(), "helper-all", &annotations);
    eventually("the helper's ConfigMap", || helper(&space));
    let warned = space.apply_warned(&manifests::plain("web"));
    assert!(warned.contains("silkroll.dev/hook-arch"), "{warned}");
    // Once is enough: what is there already says nothing new.
    space.apply(&manifests::plain("web"));
}
