//! What a person reads on kubectl's stderr where nothing was injected although something looks as if
//! it was meant to be, and where an image may have no shell.

use serde_json::{Value, json};
use testkit::process::Output;
use testkit::wait::eventually;

use super::manifests;
use super::space::{Space, remarks};
use super::world::{World, file};

/// The one line that kubectl prints.
fn line(output: &Output) -> &str {
    assert!(output.success, "{output:?}");
    let lines = remarks(output);
    assert_eq!(lines.len(), 1, "{output:?}");
    let warning = lines[0].strip_prefix("Warning: ").unwrap();
    assert!(warning.chars().count() < 250, "{warning}");
    warning
}

fn apply(space: &Space<'_>, object: &Value) -> Output {
    space.kubectl(&["apply", "-f", "-"], &object.to_string())
}

/// What changes nothing is not told again, whatever there would be to tell.
fn quiet_afterwards(space: &Space<'_>, object: &Value) {
    space.apply(object);
    space.quiet(&["scale", "deployment/web", "--replicas=3"], "");
    space.quiet(&["label", "deployment/web", "a=b"], "");
    space.quiet(&["annotate", "deployment/web", "example.com/a=b"], "");
    // The deployment controller has written its revision by now.
    space.settled("deployment/web");
}

#[test]
fn a_misspelt_opt_in_is_told_to_whoever_applies_there() {
    for (at, (key, value)) in [
        ("injection", "enabled"),
        ("Inject", "enabled"),
        ("injct", "enabled"),
        ("enabled", "true"),
    ]
    .into_iter()
    .enumerate()
    {
        for labelled in [false, true] {
            let name = format!("misspelt-{at}-{labelled}");
            let own: &[_] = &[(key, value)];
            let space = Space::new(World::shared(), &name, if labelled { &[] } else { own });
            let object = manifests::plain("web");
            if labelled {
                let label = format!("silkroll.dev/{key}={value}");
                space
                    .world
                    .plane
                    .ok(&["label", "namespace", &name, &label], "");
                let args = ["create", "--dry-run=server", "-f", "-"];
                eventually("Silkroll has heard of the label", || {
                    let seen = space.kubectl(&args, &object.to_string());
                    seen.stderr.contains("label").then_some(())
                });
            }
            let told = apply(&space, &object);
            let said = line(&told);
            assert!(said.contains(&format!("silkroll.dev/{key} ")), "{said}");
            assert!(said.contains("silkroll.dev/inject?"), "{said}");
            quiet_afterwards(&space, &object);
            let image = ["set", "image", "deployment/web", "web=web:2"];
            let told = space.kubectl(&image, "");
            assert!(line(&told).contains("silkroll.dev/inject?"), "{told:?}");
        }
    }
    let space = Space::new(World::shared(), "misspelt-value", &[("inject", "on")]);
    let told = apply(&space, &manifests::plain("web"));
    let said = line(&told);
    assert!(
        said.contains("allowed is enabled, on-request or disabled"),
        "{said}"
    );
}

#[test]
fn a_setting_on_a_workload_whose_namespace_has_not_opted_in_is_told() {
    let space = Space::new(World::shared(), "idle", &[]);
    let object = manifests::annotated(manifests::rich("web"), &[("drain-seconds", "20")]);
    let told = apply(&space, &object);
    let says = "silkroll.dev/drain-seconds on the Deployment has no effect: set silkroll.dev/inject=enabled on namespace idle";
    assert!(line(&told).contains(says), "{told:?}");
    assert!(!space.settled("deployment/web").injected());
    quiet_afterwards(&space, &object);

    let mut object = manifests::plain("template");
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({"silkroll.dev/deregister": "nacos"});
    let told = apply(&space, &object);
    assert!(
        line(&told).contains("silkroll.dev/deregister on the pod template has no effect"),
        "{told:?}"
    );
    // Setting it on one that is there says so, too.
    space.apply(&manifests::plain("later"));
    let annotate = [
        "annotate",
        "deployment/later",
        "silkroll.dev/drain-seconds=20",
    ];
    assert!(line(&space.kubectl(&annotate, "")).contains("has no effect"));

    let space = Space::new(World::shared(), "idle-request", &[("inject", "on-request")]);
    let object = manifests::annotated(manifests::plain("web"), &[("drain-seconds", "20")]);
    let told = apply(&space, &object);
    assert!(
        line(&told).contains(
            "has no effect: say silkroll.dev/inject: enabled; the namespace injects on request"
        ),
        "{told:?}"
    );
    quiet_afterwards(&space, &object);
}

#[test]
fn a_kind_that_the_webhook_sends_and_workloads_leaves_out_is_told_in_an_opted_in_namespace() {
    let world = World::own();
    let target = ["mutatingwebhookconfiguration", "silkroll"];
    let patch = file("manifests/all-workloads.patch.yaml")
        .display()
        .to_string();
    let rules = ["--type=json", "--patch-file", &patch];
    world
        .plane
        .ok(&[&["patch"], &target[..], &rules].concat(), "");
    let space = Space::new(&world, "left-out", &[("inject", "enabled")]);
    let set = manifests::workload("StatefulSet", "web");
    let args = ["create", "--dry-run=server", "-f", "-"];
    // The webhook's new rules come into force by themselves, some moments later.
    let told = eventually("a word about the kind", || {
        let seen = space.kubectl(&args, &set.to_string());
        (!remarks(&seen).is_empty()).then_some(seen)
    });
    let says = "--workloads of Silkroll has deployment, not statefulset: start it with --workloads deployment,statefulset";
    assert!(line(&told).contains(says), "{told:?}");
    assert!(line(&apply(&space, &set)).contains(says));
    space.apply(&set);
    space.quiet(&["scale", "statefulset/web", "--replicas=1"], "");
    let out = manifests::annotated(
        manifests::workload("StatefulSet", "out"),
        &[("inject", "disabled")],
    );
    space.apply(&out);
    let elsewhere = Space::new(&world, "left-out-elsewhere", &[]);
    elsewhere.apply(&set);
    // As the install file has it, for the tests that come after.
    let back =
        r#"[{"op":"replace","path":"/webhooks/0/rules/0/resources","value":["deployments"]}]"#;
    world.plane.ok(
        &[&["patch"], &target[..], &["--type=json", "-p", back]].concat(),
        "",
    );
}

#[test]
fn an_image_that_may_have_no_shell_is_told_unless_the_script_was_asked_for() {
    let nacos = &manifests::NACOS[..3];
    let space = Space::new(World::shared(), "shell", nacos);
    let told = apply(&space, &manifests::plain("web"));
    assert!(line(&told).contains("there is no start hook"), "{told:?}");
    let said = manifests::annotated(manifests::plain("said"), &[("hook", "script")]);
    space.apply(&said);
    assert!(space.settled("deployment/said").injected());
    let annotations = [nacos, &[("hook", "script")]].concat();
    let space = Space::new(World::shared(), "shell-said", &annotations);
    space.apply(&manifests::plain("web"));
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    assert!(space.settled("deployment/web").injected());
}

#[test]
fn patches_by_number_hit_the_entry_that_is_meant() {
    let space = Space::new(World::shared(), "by-number", manifests::NACOS);
    let mut object = manifests::annotated(manifests::plain("web"), &[("hook", "script")]);
    let env = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    manifests::container(&mut object)["env"] = env;
    space.apply(&object);
    let place = "/spec/template/spec/containers/0/env";
    for (patch, expected) in [
        (
            json!([{"op": "replace", "path": format!("{place}/0/value"), "value": "9"}]),
            json!([{"name": "A", "value": "9"}, {"name": "B", "value": "2"}]),
        ),
        (
            json!([{"op": "add", "path": format!("{place}/-"), "value": {"name": "C", "value": "3"}}]),
            json!([{"name": "A", "value": "9"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]),
        ),
        (
            json!([{"op": "remove", "path": format!("{place}/1")}]),
            json!([{"name": "A", "value": "9"}, {"name": "C", "value": "3"}]),
        ),
    ] {
        let patch = patch.to_string();
        space.quiet(
            &["patch", "deployment/web", "--type=json", "-p", &patch],
            "",
        );
        let state = space.settled("deployment/web");
        assert!(state.injected());
        let env = state.web()["env"].as_array().unwrap();
        let users = expected.as_array().unwrap();
        assert_eq!(env[..users.len()], users[..], "{patch}");
        assert_eq!(env[users.len()]["name"], "podip", "{patch}");
    }
}
