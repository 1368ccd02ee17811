//! Blue-green.

use super::argo::{blue_green, plugin, seen, services, world};
use super::manifests::NACOS;
use super::space::Space;

#[test]
#[ignore = "by make test-rollouts"]
fn a_blue_green_rollout_is_injected_and_told_of_a_delay_shorter_than_the_drain() {
    let annotations = [NACOS, &[("drain-seconds", "45")]].concat();
    let space = Space::new(world(), "blue-green", &annotations);
    services(&space);
    let mut manifest = blue_green("web");
    let warned = space.apply_warned(&manifest);
    assert!(
        warned.contains(
            "scaleDownDelaySeconds of 30, the default, is shorter than the drain of 45 s"
        ),
        "{warned}"
    );
    manifest["spec"]["strategy"]["blueGreen"]["scaleDownDelaySeconds"] = 45.into();
    space.apply(&manifest);
    let first = seen(&space, "web", "Healthy");
    assert!(first.record().is_string());
    assert_eq!(first.sets.len(), 1);

    plugin(&space, &["set", "image", "web", "web=web:2"]);
    let paused = seen(&space, "web", "Paused");
    assert_eq!(paused.sets.len(), 2);
    plugin(&space, &["promote", "web"]);
    let promoted = seen(&space, "web", "Healthy");
    assert_eq!(
        (promoted.names(), promoted.record()),
        (paused.names(), paused.record())
    );
    // The old pods are still there, so it goes back at once.
    plugin(&space, &["undo", "web"]);
    let undone = seen(&space, "web", "Healthy");
    assert_eq!(
        (undone.names(), undone.record()),
        (paused.names(), first.record())
    );
    assert_eq!(undone.current()["metadata"]["name"], first.names()[0]);
}

#[test]
#[ignore = "by make test-rollouts"]
fn surge_has_no_effect_on_blue_green_and_is_told() {
    let space = Space::new(
        world(),
        "blue-green-surge",
        &[("inject", "enabled"), ("rollout", "surge")],
    );
    services(&space);
    let manifest = blue_green("web");
    let warned = space.apply_warned(&manifest);
    assert!(
        warned.contains("rollout: surge has no effect on a blue-green Rollout"),
        "{warned}"
    );
    let stored = seen(&space, "web", "Healthy");
    assert_eq!(
        stored.object["spec"]["strategy"],
        manifest["spec"]["strategy"]
    );
}
