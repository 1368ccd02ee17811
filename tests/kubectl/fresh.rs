//! Namespaces and objects that have only just come: made in one go with their workloads, named by
//! the API server, and the ConfigMap that pods there mount.

use serde_json::Value;
use testkit::wait::eventually;

use super::manifests;
use super::space::Space;
use super::world::{World, script_name, silkroll};

#[test]
fn a_deployment_that_comes_in_one_file_with_its_namespace_is_injected() {
    let world = World::shared();
    let count = 20;
    for at in 0..count {
        let name = format!("fresh-{at}");
        let mut web = manifests::plain("web");
        web["metadata"]["namespace"] = name.clone().into();
        let namespace = manifests::namespace(&name, &[("inject", "enabled")]);
        let file = format!("{namespace}\n---\n{web}\n");
        let output = world.plane.kubectl(&["apply", "-f", "-"], &file);
        assert!(output.success && output.stderr.is_empty(), "{output:?}");
        let stored = world
            .plane
            .get(&["deployment", "-n", &name, "web"])
            .unwrap();
        let annotations = &stored["spec"]["template"]["metadata"]["annotations"];
        assert!(
            annotations["silkroll.dev/status"].is_string(),
            "{name}: {stored}"
        );
    }
}

#[test]
fn a_name_that_the_api_server_makes_is_no_hindrance() {
    let space = Space::new(
        World::shared(),
        "generated",
        &[
            ("inject", "enabled"),
            ("deregister", "nacos"),
            ("nacos-server", "http://nacos:8848"),
            ("start-hook", "none"),
            ("hook", "script"),
        ],
    );
    let mut manifest = manifests::plain("web");
    manifest["metadata"] = serde_json::json!({"generateName": "web-"});
    let create = ["create", "-f", "-", "-o", "json"];
    // Nacos needs a service's name; the workload's is not known yet.
    let output = space.kubectl(&create, &manifest.to_string());
    assert!(
        output.success
            && output
                .stderr
                .contains("it needs silkroll.dev/nacos-service"),
        "{output:?}"
    );
    let manifest = manifests::annotated(manifest, &[("nacos-service", "web")]);
    let stored = space.quiet(&create, &manifest.to_string());
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert!(stored["metadata"]["name"].as_str().unwrap().len() > 4);
    let annotations = &stored["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["silkroll.dev/status"].is_string(), "{stored}");
}

#[test]
fn the_config_map_that_pods_mount_is_there_and_comes_back() {
    let space = Space::new(World::shared(), "script", manifests::NACOS);
    let name = script_name();
    let get = || space.world.plane.get(&["configmap", "-n", "script", &name]);
    let first = eventually("the ConfigMap", get);
    space.apply(&manifests::rich("web"));
    let state = space.settled("deployment/web");
    let volumes = state.pod()["volumes"].as_array().unwrap();
    let ours = volumes.iter().find(|volume| volume["name"] == "silkroll");
    assert_eq!(ours.unwrap()["configMap"]["name"], *name);

    let text = silkroll(&["configmap", "-n", "script"], "").stdout;
    let diff = space.kubectl(&["diff", "-f", "-"], &text);
    assert!(
        diff.success,
        "the command line prints another one: {diff:?}"
    );
    assert_eq!(first["immutable"], true);

    space.quiet(&["delete", "configmap", &name], "");
    let second = eventually("the ConfigMap after its deletion", get);
    assert_eq!(second["data"], first["data"]);
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(space.settled("deployment/web").template(), state.template());
}

#[test]
fn the_audit_log_says_what_was_decided() {
    let space = Space::new(World::shared(), "audited", &[("inject", "enabled")]);
    space.apply(&manifests::plain("web"));
    let own = [("inject", "disabled")];
    space.apply(&manifests::annotated(manifests::plain("out"), &own));
    let audit = space.world.plane.audit();
    for (name, outcome, reason) in [
        ("web", "injected", "covered"),
        ("out", "skipped", "workload-disabled"),
    ] {
        let event = audit.iter().find(|event| {
            let object = &event["objectRef"];
            event["verb"] == "create" && object["namespace"] == "audited" && object["name"] == *name
        });
        let annotations = &event.unwrap()["annotations"];
        assert_eq!(
            annotations["inject.silkroll.dev/outcome"], *outcome,
            "{annotations}"
        );
        assert_eq!(
            annotations["inject.silkroll.dev/reason"], *reason,
            "{annotations}"
        );
    }
}
