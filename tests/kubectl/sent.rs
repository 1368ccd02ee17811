//! Whose is whose, as a real API server and a real kubectl tell it: managedFields, field managers, uid.

use serde_json::{Value, json};

use super::manifests;
use super::space::Space;
use super::world::World;

const SERVER_SIDE: &[&str] = &["apply", "--server-side", "--force-conflicts", "-f", "-"];

fn with(image: &str, hook: Option<u64>, grace: Option<u64>) -> Value {
    let mut object = manifests::plain("web");
    let pod = &mut object["spec"]["template"]["spec"];
    pod["containers"][0]["image"] = image.into();
    if let Some(seconds) = hook {
        pod["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": seconds}}});
    }
    if let Some(seconds) = grace {
        pod["terminationGracePeriodSeconds"] = seconds.into();
    }
    object
}

#[test]
fn what_a_server_side_apply_sends_is_given_back_though_it_equals_ours() {
    for (name, drain, hook, grace) in [
        ("sent-grace", "15", None, 50),
        ("sent-both", "35", Some(35), 70),
    ] {
        let annotations = [("inject", "enabled"), ("drain-seconds", drain)];
        let space = Space::new(World::shared(), name, &annotations);
        space.quiet(SERVER_SIDE, &with("web:1", None, None).to_string());
        space.settled("deployment/web");
        let own = with("web:2", hook, Some(grace));
        space.kubectl(SERVER_SIDE, &own.to_string());
        space.settled("deployment/web");
        let out = manifests::annotated(own, &[("inject", "disabled")]);
        space.quiet(SERVER_SIDE, &out.to_string());
        let state = space.settled("deployment/web");
        assert_eq!(
            state.pod()["terminationGracePeriodSeconds"],
            grace,
            "{name}"
        );
        let stands = &state.web()["lifecycle"]["preStop"]["sleep"]["seconds"];
        assert_eq!(stands.as_u64(), hook, "{name}");
    }
}

#[test]
fn a_patch_that_drops_the_record_and_more_drops_nothing_else() {
    let space = Space::new(World::shared(), "sent-dropped", &[("inject", "enabled")]);
    space.apply(&manifests::plain("web"));
    let before = space.settled("deployment/web");
    let operations = json!([
        {"op": "remove", "path": "/spec/template/metadata/annotations"},
        {"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}
    ]);
    let patch = operations.to_string();
    space.kubectl(
        &["patch", "deployment", "web", "--type=json", "-p", &patch],
        "",
    );
    let after = space.settled("deployment/web");
    assert_eq!(after.template(), before.template());
}

#[test]
fn an_undo_to_a_probe_that_was_merged_over_ours_is_kept() {
    let space = Space::new(World::shared(), "sent-undone", &[("inject", "enabled")]);
    space.apply(&manifests::plain("web"));
    space.settled("deployment/web");
    let mut probed = manifests::plain("web");
    probed["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/ready", "port": 8080}});
    space.apply(&probed);
    let then = space.settled("deployment/web");
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    space.settled("deployment/web");
    // What `kubectl rollout undo` sends: the template of that revision in place of the present one.
    let undo = json!([{"op": "replace", "path": "/spec/template", "value": then.template()}]);
    let undo = undo.to_string();
    space.kubectl(
        &["patch", "deployment", "web", "--type=json", "-p", &undo],
        "",
    );
    let after = space.settled("deployment/web");
    assert_eq!(after.template(), then.template());
}
