//! Canaries: what rolls, and what does not.

use serde_json::{Value, json};

use super::argo::{canary, plugin, record, seen, world};
use super::manifests::NACOS;
use super::space::Space;

#[test]
#[ignore = "by make test-rollouts"]
fn a_canary_is_injected_and_rolls_only_where_its_user_changes_it() {
    let space = Space::new(world(), "canary", NACOS);
    let manifest = canary("web");
    space.apply(&manifest);
    let first = seen(&space, "web", "Healthy");
    assert!(first.record().is_string(), "{}", first.object);
    assert_eq!(
        first.sets.len(),
        1,
        "what the controller writes back rolls nothing"
    );
    let pod = &first.sets[0]["spec"]["template"];
    assert_eq!(record(pod), first.record());
    let hook = &pod["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
    assert_eq!(hook[3], "silkroll", "{pod}");

    let unchanged = |what: &str| {
        let now = seen(&space, "web", "Healthy");
        assert_eq!(now.record(), first.record(), "{what}");
        assert_eq!(now.names(), first.names(), "{what}");
    };
    space.apply(&manifest);
    unchanged("apply again");
    let server_side = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    space.quiet(&server_side, &manifest.to_string());
    unchanged("apply --server-side");
    space.quiet(&server_side, &manifest.to_string());
    unchanged("apply --server-side again");
    space.quiet(&["replace", "-f", "-"], &manifest.to_string());
    unchanged("replace");
    space.quiet(&["label", "rollout/web", "a=b"], "");
    unchanged("label");
    space.quiet(&["scale", "rollout/web", "--replicas=3"], "");
    unchanged("scale");
    plugin(&space, &["restart", "web"]);
    unchanged("restart");

    plugin(&space, &["set", "image", "web", "web=web:2"]);
    let paused = seen(&space, "web", "Paused");
    assert_eq!(paused.sets.len(), 2);
    let second = paused.record().clone();
    assert!(second.is_string() && second != *first.record());
    plugin(&space, &["abort", "web"]);
    assert_eq!(seen(&space, "web", "Degraded").record(), &second);
    plugin(&space, &["retry", "rollout", "web"]);
    assert_eq!(seen(&space, "web", "Paused").names(), paused.names());
    plugin(&space, &["promote", "web"]);
    let promoted = seen(&space, "web", "Healthy");
    assert_eq!(
        (promoted.names(), promoted.record()),
        (paused.names(), &second)
    );

    // What was rolled out comes back as it was, whatever the namespace says by now.
    space.reannotate("drain-seconds=77", &manifest, |output| {
        output.stdout.contains("\"77\"")
    });
    plugin(&space, &["undo", "web"]);
    seen(&space, "web", "Paused");
    plugin(&space, &["promote", "web", "--full"]);
    let undone = seen(&space, "web", "Healthy");
    assert_eq!(undone.names(), paused.names(), "undo makes no third");
    assert_eq!(undone.record(), first.record());
    assert_eq!(undone.current()["metadata"]["name"], first.names()[0]);
    space.apply(&manifest);
    let applied = seen(&space, "web", "Healthy");
    assert_eq!(
        applied.names(),
        paused.names(),
        "nor does the manifest of then"
    );
}

/// The template without what an API server or Go writes of its own: by `kubectl diff` of one against the other.
fn diff(space: &Space<'_>, manifest: &Value) -> String {
    let output = space.kubectl(&["diff", "-f", "-"], &manifest.to_string());
    let lines = output.stdout.lines();
    let changed = |line: &&str| {
        line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
    };
    let lines: Vec<_> = lines.filter(changed).collect();
    lines.join("\n")
}

#[test]
#[ignore = "by make test-rollouts"]
fn kubectl_diff_shows_nothing_that_it_does_not_show_without_silkroll() {
    let manifest = canary("web");
    let [with, without] =
        [("diff-with", NACOS), ("diff-without", &[][..])].map(|(name, annotations)| {
            let space = Space::new(world(), name, annotations);
            space.apply(&manifest);
            seen(&space, "web", "Healthy");
            diff(&space, &manifest)
        });
    assert_eq!(with, without);
}

#[test]
#[ignore = "by make test-rollouts"]
fn opting_out_gives_back_what_was_there() {
    let manifest = canary("web");
    let [out, untouched] = [("out", NACOS), ("untouched", &[][..])].map(|(name, annotations)| {
        let space = Space::new(world(), name, annotations);
        space.apply(&manifest);
        seen(&space, "web", "Healthy");
        space.quiet(
            &["annotate", "rollout/web", "silkroll.dev/inject=disabled"],
            "",
        );
        if !annotations.is_empty() {
            seen(&space, "web", "Paused");
            plugin(&space, &["promote", "web", "--full"]);
        }
        seen(&space, "web", "Healthy").object["spec"].clone()
    });
    assert_eq!(out, untouched);
}

#[test]
#[ignore = "by make test-rollouts"]
fn surge_and_min_ready_are_such_that_the_controller_takes_them() {
    let annotations = [
        ("inject", "enabled"),
        ("rollout", "surge"),
        ("min-ready-seconds", "600"),
    ];
    let space = Space::new(world(), "surge", &annotations);
    let mut manifest = canary("web");
    manifest["spec"]["strategy"]["canary"]["maxSurge"] = 0.into();
    let warned = space.apply_warned(&manifest);
    assert!(
        warned.contains("minReadySeconds 600 was left out"),
        "{warned}"
    );
    let stored = seen(&space, "web", "Healthy");
    let canary = &stored.object["spec"]["strategy"]["canary"];
    assert_eq!(
        (&canary["maxSurge"], &canary["maxUnavailable"]),
        (&json!(1), &json!(0))
    );
    manifest["spec"]["strategy"] = json!({"blueGreen": {"activeService": "active"}});
    super::argo::services(&space);
    let server_side = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let output = space.kubectl(&server_side, &manifest.to_string());
    assert!(output.success, "{output:?}");
    let switched = seen(&space, "web", "Healthy");
    assert_eq!(
        switched.object["spec"]["strategy"],
        manifest["spec"]["strategy"]
    );
    assert_eq!(switched.names(), stored.names());
}
