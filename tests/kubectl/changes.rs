//! What users do change: one rollout for each change, injected whole, and the way back by `rollout
//! undo` is the old template itself.

use serde_json::{Value, json};
use testkit::process::Output;

use super::manifests;
use super::space::{Space, State, remarks};
use super::world::World;

type Change = (&'static str, fn(&Space<'_>, &Value) -> Output);

fn kubectl(space: &Space<'_>, args: &[&str]) -> Output {
    space.kubectl(args, "")
}

const CHANGES: &[Change] = &[
    ("set image", |space, _| {
        kubectl(space, &["set", "image", "deployment/web", "web=web:2"])
    }),
    ("set env", |space, _| {
        kubectl(
            space,
            &["set", "env", "deployment/web", "-c", "web", "MODE=fast"],
        )
    }),
    ("rollout restart", |space, _| {
        kubectl(space, &["rollout", "restart", "deployment/web"])
    }),
    ("annotate with an annotation of ours", |space, _| {
        let drain = "silkroll.dev/drain-seconds=44";
        kubectl(space, &["annotate", "deployment/web", drain])
    }),
    ("edit", |space, _| {
        let args = ["-n", &space.name, "deployment/web"];
        space.world.edit(&args, "s/image: web:.*/image: web:3/")
    }),
    ("patch", |space, _| {
        let patch = r#"{"spec":{"template":{"metadata":{"labels":{"track":"b"}}}}}"#;
        kubectl(space, &["patch", "deployment/web", "-p", patch])
    }),
    ("apply with another image", |space, manifest| {
        let mut manifest = manifest.clone();
        manifests::container(&mut manifest)["image"] = "web:4".into();
        space.kubectl(&["apply", "-f", "-"], &manifest.to_string())
    }),
    (
        "apply --server-side with another image",
        |space, manifest| {
            let mut manifest = manifest.clone();
            manifests::container(&mut manifest)["image"] = "web:5".into();
            let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
            space.kubectl(&args, &manifest.to_string())
        },
    ),
    ("replace with another port", |space, manifest| {
        let mut manifest = manifest.clone();
        manifests::container(&mut manifest)["ports"][0]["containerPort"] = 9090.into();
        space.kubectl(&["replace", "-f", "-"], &manifest.to_string())
    }),
];

/// What must be there after every change.
fn whole(place: &str, state: &State) {
    assert!(state.injected(), "{place}: {}", state.object);
    let web = state.web();
    assert!(web["readinessProbe"].is_object(), "{place}");
    let hook = &web["lifecycle"]["preStop"];
    assert!(
        hook["exec"].is_object() || hook["sleep"].is_object(),
        "{place}"
    );
    let names: Vec<_> = ["env", "volumeMounts"]
        .iter()
        .flat_map(|list| web[list].as_array().into_iter().flatten())
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    let place_of = |name: &str| names.iter().position(|known| *known == name);
    assert!(place_of("podip").is_some(), "{place}: {names:?}");
    // An entry that refers to the address stands after it; the others keep their numbers.
    let referring = place_of("ADVERTISE");
    assert!(
        referring.is_none_or(|at| place_of("podip") < Some(at)),
        "{place}: {names:?}"
    );
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "{place}: {names:?}");
}

fn each_change_is_one_rollout(space: &Space<'_>, manifest: &Value) {
    space.apply(manifest);
    let mut before = space.settled("deployment/web");
    whole("apply", &before);
    for (what, change) in CHANGES {
        let place = format!("{what} in {}", space.name);
        let output = change(space, manifest);
        assert!(
            output.success && remarks(&output).is_empty(),
            "{place}: {output:?}"
        );
        let after = space.settled("deployment/web");
        whole(&place, &after);
        assert_ne!(after.template(), before.template(), "{place}");
        assert_eq!(after.revisions.len(), before.revisions.len() + 1, "{place}");
        let generations = after.generation() - before.generation();
        assert!((1..=2).contains(&generations), "{place}: {generations}");
        before = after;
    }
}

#[test]
fn each_change_is_one_rollout_of_a_template_that_is_injected_whole() {
    let space = Space::new(World::shared(), "changes-none", &[("inject", "enabled")]);
    each_change_is_one_rollout(&space, &manifests::plain("web"));
}

#[test]
fn each_change_is_one_rollout_of_a_manifest_that_uses_all_that_is_injected() {
    let space = Space::new(World::shared(), "changes-rich", manifests::NACOS);
    each_change_is_one_rollout(&space, &manifests::rich("web"));
}

/// The revision number that kubectl calls a template by.
fn revision(state: &State) -> String {
    let revision = &state.object["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    revision.as_str().unwrap().to_owned()
}

#[test]
fn an_undo_brings_the_old_template_back_and_makes_no_new_one() {
    let space = Space::new(World::shared(), "undo", manifests::NACOS);
    space.apply(&manifests::rich("web"));
    let first = space.settled("deployment/web");
    let mut states = vec![first];
    for image in ["web=web:2", "web=web:3"] {
        space.quiet(&["set", "image", "deployment/web", image], "");
        states.push(space.settled("deployment/web"));
    }
    let drain = "silkroll.dev/drain-seconds=9";
    space.quiet(&["annotate", "deployment/web", drain], "");
    states.push(space.settled("deployment/web"));
    let revisions = states[3].revisions.clone();
    assert_eq!(revisions.len(), 4);

    let undo = |args: &[&str], back_to: &State| {
        let mut all = vec!["rollout", "undo", "deployment/web"];
        all.extend_from_slice(args);
        space.quiet(&all, "");
        let now = space.settled("deployment/web");
        assert_eq!(now.template(), back_to.template(), "undo {args:?}");
        assert_eq!(now.revisions, revisions, "undo {args:?}");
        now
    };
    let now = undo(&[], &states[2]);
    // kubectl brings the annotations of the old revision, too.
    let annotations = &now.object["metadata"]["annotations"];
    assert_eq!(annotations.get("silkroll.dev/drain-seconds"), None);
    let to = format!("--to-revision={}", revision(&states[0]));
    undo(&[&to], &states[0]);
    // And forth again.
    undo(&[], &states[2]);

    // What was brought back is as good as any other: nothing that changes nothing rolls it out.
    space.quiet(&["label", "deployment/web", "a=b"], "");
    space.quiet(&["scale", "deployment/web", "--replicas=5"], "");
    let replaced = space.replace_with_stored("deployment/web");
    assert!(replaced.success, "{replaced:?}");
    let now = space.settled("deployment/web");
    assert_eq!(now.template(), states[2].template());
    assert_eq!(now.revisions, revisions);
}

#[test]
fn an_undo_after_the_namespace_was_annotated_keeps_the_old_template() {
    let space = Space::new(World::shared(), "undo-annotated", &[("inject", "enabled")]);
    let manifest = manifests::plain("web");
    space.apply(&manifest);
    let first = space.settled("deployment/web");
    space.reannotate("drain-seconds=77", &manifest, |seen| {
        seen.stdout.contains("\"seconds\": 77")
    });
    let still = space.settled("deployment/web");
    assert_eq!(
        still.object["spec"], first.object["spec"],
        "nobody changed it"
    );
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    let second = space.settled("deployment/web");
    assert_eq!(
        second.web()["lifecycle"]["preStop"],
        json!({"sleep": {"seconds": 77}})
    );
    space.quiet(&["rollout", "undo", "deployment/web"], "");
    let undone = space.settled("deployment/web");
    assert_eq!(undone.template(), first.template());
    assert_eq!(undone.revisions, second.revisions);
}

#[test]
fn an_undo_to_before_opting_in_is_injected_until_the_workload_opts_out_after_it() {
    let space = Space::new(World::shared(), "undo-to-before", &[]);
    let manifest = manifests::plain("web");
    space.apply(&manifest);
    let first = space.settled("deployment/web");
    assert!(!first.injected());
    space.reannotate("inject=enabled", &manifest, |seen| {
        seen.stdout.contains("silkroll.dev/status")
    });
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    assert!(space.settled("deployment/web").injected());

    // Opting out first does not help: kubectl brings the annotations of the old revision, too.
    let out = ["annotate", "deployment/web", "silkroll.dev/inject=disabled"];
    space.quiet(&out, "");
    assert!(!space.settled("deployment/web").injected());
    let to = format!("--to-revision={}", revision(&first));
    let undone = space.kubectl(&["rollout", "undo", "deployment/web", &to], "");
    assert!(undone.success, "{undone:?}");
    let undone = space.settled("deployment/web");
    let annotations = &undone.object["metadata"]["annotations"];
    assert_eq!(annotations.get("silkroll.dev/inject"), None);
    assert_eq!(undone.web()["image"], "web:1");
    assert!(undone.injected());

    space.quiet(&out, "");
    let back = space.settled("deployment/web");
    assert_eq!(back.template(), first.template());
    assert_eq!(back.revisions, undone.revisions, "the first one again");
}
