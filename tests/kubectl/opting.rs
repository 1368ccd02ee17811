//! Who is covered: namespaces and workloads that opt in, out, on request, or by a typo.

use serde_json::Value;

use super::manifests;
use super::space::Space;
use super::world::World;

/// A twin of the workload that Silkroll has never seen, as the API server stores it.
fn untouched(space: &Space<'_>, manifest: &Value) -> Value {
    let mut twin = manifest.clone();
    twin["metadata"]["name"] = "twin".into();
    let name = format!("{}-untouched", space.name);
    let space = Space::new(space.world, &name, &[]);
    space.apply(&twin);
    space.settled("deployment/twin").object["spec"].clone()
}

#[test]
fn a_namespace_without_the_annotation_is_left_alone_without_a_word() {
    let space = Space::new(World::shared(), "out", &[]);
    space.apply(&manifests::rich("web"));
    let state = space.settled("deployment/web");
    assert_eq!(
        state.object["spec"],
        untouched(&space, &manifests::rich("web"))
    );
    let warned = space.apply_warned(&manifests::annotated(
        manifests::plain("asks"),
        &[("inject", "enabled")],
    ));
    assert!(
        warned.contains("set silkroll.dev/inject=enabled on namespace out, or on-request"),
        "{warned}"
    );
    assert!(!space.settled("deployment/asks").injected());
}

/// Namespace's and workload's annotation, and whether it is injected.
const COVER: &[(&str, &str, bool)] = &[
    ("enabled", "", true),
    ("true", "", true),
    ("enabled", "disabled", false),
    ("enabled", "false", false),
    ("on-request", "", false),
    ("on-request", "enabled", true),
    ("on-request", "true", true),
    ("on-request", "disabled", false),
    ("disabled", "", false),
    ("false", "", false),
];

#[test]
fn what_namespace_and_workload_say_decides_and_says_nothing() {
    for (at, (namespace, workload, injected)) in COVER.iter().enumerate() {
        let name = format!("cover-{at}");
        let space = Space::new(World::shared(), &name, &[("inject", namespace)]);
        let own: &[_] = &[("inject", *workload)];
        let own = if workload.is_empty() { &[] } else { own };
        let stored = space.dry_run(&manifests::annotated(manifests::plain("web"), own));
        let status = &stored["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"];
        assert_eq!(status.is_string(), *injected, "{namespace} {workload}");
        // On the template it means the same.
        let mut manifest = manifests::plain("web");
        if !workload.is_empty() {
            let annotations = &mut manifest["spec"]["template"]["metadata"]["annotations"];
            annotations["silkroll.dev/inject"] = (*workload).into();
        }
        let stored = space.dry_run(&manifest);
        let status = &stored["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"];
        assert_eq!(status.is_string(), *injected, "{namespace} {workload}");
    }
}

#[test]
fn a_workload_that_opts_out_gets_back_what_it_was() {
    let annotations = [
        manifests::NACOS,
        &[("rollout", "surge"), ("min-ready-seconds", "4")],
    ];
    let space = Space::new(World::shared(), "opt-out", &annotations.concat());
    let manifest = manifests::rich("web");
    space.apply(&manifest);
    assert!(space.settled("deployment/web").injected());
    let out = "silkroll.dev/inject=disabled";
    space.quiet(&["annotate", "deployment/web", out], "");
    let state = space.settled("deployment/web");
    let mut spec = state.object["spec"].clone();
    let twin = untouched(&space, &manifest);
    // The API server leaves a zero out, where none was ever there and where it was set back.
    spec["minReadySeconds"].take();
    let mut wanted = twin.clone();
    wanted["minReadySeconds"].take();
    assert_eq!(spec, wanted);
    assert_eq!(state.revisions.len(), 2);

    // And in again: as it was at first, template and all.
    space.quiet(&["annotate", "deployment/web", "silkroll.dev/inject-"], "");
    let again = space.settled("deployment/web");
    assert!(again.injected());
    assert_eq!(again.revisions, state.revisions);
}

#[test]
fn a_namespace_that_opts_out_rolls_nothing_out_and_gives_back_at_the_next_change() {
    let space = Space::new(World::shared(), "ns-opt-out", manifests::NACOS);
    let manifest = manifests::rich("web");
    space.apply(&manifest);
    let injected = space.settled("deployment/web");
    space.reannotate("inject=disabled", &manifest, |seen| {
        !seen.stdout.contains("silkroll.dev/status")
    });
    space.quiet(&["label", "deployment/web", "a=b"], "");
    space.quiet(&["scale", "deployment/web", "--replicas=3"], "");
    let still = space.settled("deployment/web");
    assert_eq!(still.template(), injected.template());
    assert_eq!(still.revisions, injected.revisions);
    let told = space.kubectl(&["set", "image", "deployment/web", "web=web:2"], "");
    assert!(told.success, "{told:?}");
    assert!(
        told.stderr
            .contains("what Silkroll had injected was taken out"),
        "{told:?}"
    );
    let mut changed = manifest.clone();
    manifests::container(&mut changed)["image"] = "web:2".into();
    let after = space.settled("deployment/web");
    assert_eq!(*after.template(), untouched(&space, &changed)["template"]);
}

#[test]
fn a_typo_on_a_namespace_injects_nothing_and_warns_everybody_there() {
    for (at, (annotation, value, says)) in [
        (
            "inject",
            "enable",
            "silkroll.dev/inject: \"enable\" on Namespace",
        ),
        (
            "drain-seconds",
            "1.5",
            "silkroll.dev/drain-seconds: \"1.5\" on Namespace",
        ),
        ("deregister", "nacos", "it needs silkroll.dev/nacos-server"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("typo-{at}");
        let mut annotations = vec![("inject", "enabled")];
        annotations.retain(|(key, _)| *key != annotation);
        annotations.push((annotation, value));
        let space = Space::new(World::shared(), &name, &annotations);
        let warned = space.apply_warned(&manifests::plain("web"));
        assert!(warned.contains(says), "{warned}");
        assert!(warned.contains("nothing was injected"), "{warned}");
        assert!(!space.settled("deployment/web").injected());
    }
    // An unknown key stands in nobody's way.
    let annotations = [("inject", "enabled"), ("drain-second", "5")];
    let space = Space::new(World::shared(), "typo-key", &annotations);
    let warned = space.apply_warned(&manifests::plain("web"));
    assert!(
        warned.contains("did you mean silkroll.dev/drain-seconds?"),
        "{warned}"
    );
    assert!(space.settled("deployment/web").injected());
}

#[test]
fn a_label_in_the_place_of_the_annotation_is_told() {
    let space = Space::new(World::shared(), "label", &[]);
    let label = ["label", "namespace", "label", "silkroll.dev/inject=enabled"];
    space.world.plane.ok(&label, "");
    let args = ["create", "--dry-run=server", "-f", "-"];
    testkit::wait::eventually("a warning about the label", || {
        let output = space.kubectl(&args, &manifests::plain("web").to_string());
        output
            .stderr
            .contains("silkroll.dev/inject is a label on Namespace label")
            .then_some(())
    });
}
