//! Rollouts with `workloadRef`, and with neither that nor a template.

use serde_json::{Value, json};

use super::argo::{canary, plugin, record, seen, world};
use super::manifests::{self, NACOS};
use super::space::Space;

fn deployment() -> Value {
    let mut object = manifests::rich("web");
    object["spec"]["replicas"] = 0.into();
    object
}

/// A Rollout of another workload's template.
fn referring(kind: &str) -> Value {
    let mut object = canary("web");
    let api_version = if kind == "PodTemplate" {
        "v1"
    } else {
        "apps/v1"
    };
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("template");
    spec.remove("selector");
    spec.insert(
        "workloadRef".to_owned(),
        json!({"apiVersion": api_version, "kind": kind, "name": "web"}),
    );
    object
}

#[test]
#[ignore = "by make test-rollouts"]
fn the_deployment_that_a_rollout_names_is_injected_in_its_place() {
    let space = Space::new(world(), "reference", NACOS);
    space.apply(&deployment());
    space.apply(&referring("Deployment"));
    let first = seen(&space, "web", "Healthy");
    assert!(first.template().is_null(), "{}", first.object);
    assert_eq!(first.sets.len(), 1);
    let of_its_pods = record(&first.sets[0]["spec"]["template"]).clone();
    let stored = || space.settled("deployment/web").object;
    assert_eq!(&of_its_pods, record(&stored()["spec"]["template"]));
    space.apply(&referring("Deployment"));
    space.apply(&deployment());
    assert_eq!(seen(&space, "web", "Healthy").names(), first.names());

    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    let paused = seen(&space, "web", "Paused");
    assert_eq!(paused.sets.len(), 2);
    plugin(&space, &["promote", "web"]);
    seen(&space, "web", "Healthy");
    plugin(&space, &["undo", "web"]);
    seen(&space, "web", "Paused");
    plugin(&space, &["promote", "web", "--full"]);
    let undone = seen(&space, "web", "Healthy");
    assert_eq!(undone.names(), paused.names());
    assert_eq!(undone.current()["metadata"]["name"], first.names()[0]);
    assert_eq!(&of_its_pods, record(&stored()["spec"]["template"]));

    let set = manifests::annotated(referring("Deployment"), &[("drain-seconds", "20")]);
    let warned = space.apply_warned(&set);
    let says =
        "silkroll.dev/drain-seconds on the Rollout has no effect: put it on the Deployment web";
    assert!(warned.contains(says), "{warned}");
}

#[test]
#[ignore = "by make test-rollouts"]
fn a_reference_to_what_is_never_injected_is_told() {
    let space = Space::new(world(), "reference-others", NACOS);
    let warned = space.apply_warned(&referring("PodTemplate"));
    assert!(
        warned.contains("workloadRef names a PodTemplate"),
        "{warned}"
    );
    let silent = Space::new(world(), "reference-silent", &[]);
    silent.apply(&referring("PodTemplate"));
}

/// Server-side this is refused with Silkroll and without it: what the controller wrote into the template stays there.
#[test]
#[ignore = "by make test-rollouts"]
fn a_rollout_that_takes_to_a_reference_fares_as_without_silkroll() {
    let mut before = canary("web");
    // As the controller wants it: the pods of both are the same.
    before["spec"]["strategy"] = json!({"canary": {}});
    let mut after = referring("Deployment");
    after["spec"]["selector"] = before["spec"]["selector"].clone();
    after["spec"]["strategy"] = before["spec"]["strategy"].clone();
    let switched = |way: &[&str], name: &str, annotations: &[(&str, &str)]| {
        let space = Space::new(world(), name, annotations);
        space.apply(&deployment());
        space.quiet(way, &before.to_string());
        seen(&space, "web", "Healthy");
        let output = space.kubectl(way, &after.to_string());
        let now = seen(&space, "web", "Healthy");
        (output, now.object["spec"]["template"].clone())
    };
    let client = ["apply", "-f", "-"];
    let (output, template) = switched(&client, "refer-client", NACOS);
    assert!(output.success, "{output:?}");
    assert!(template.is_null(), "{template}");
    let server = ["apply", "--server-side", "-f", "-"];
    let (with, _) = switched(&server, "refer-server", NACOS);
    let (without, _) = switched(&server, "refer-server-plain", &[]);
    assert_eq!(
        (with.success, with.stderr),
        (without.success, without.stderr)
    );
}

#[test]
#[ignore = "by make test-rollouts"]
fn a_rollout_with_neither_is_what_its_controller_calls_invalid() {
    let mut neither = canary("web");
    neither["spec"].as_object_mut().unwrap().remove("template");
    let space = Space::new(world(), "neither", NACOS);
    let warned = space.apply_warned(&neither);
    assert!(warned.contains("spec.template is missing"), "{warned}");
    seen(&space, "web", "Degraded");
    Space::new(world(), "neither-silent", &[]).apply(&neither);
}
