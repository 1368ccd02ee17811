//! Law 2, no rollout of its own: what users, pipelines and controllers do all day without changing
//! the template leaves the template, its generation and its `ReplicaSet`s as they were.

use serde_json::{Value, json};
use testkit::process::Output;

use super::manifests;
use super::space::{Space, State, remarks};
use super::world::World;

/// One thing that a user does, and whether it changes `spec` outside the template.
struct Step {
    what: &'static str,
    run: fn(&Space<'_>, &Value) -> Output,
    spec_changes: bool,
}

const fn step(what: &'static str, run: fn(&Space<'_>, &Value) -> Output) -> Step {
    Step {
        what,
        run,
        spec_changes: false,
    }
}

const fn spec_step(what: &'static str, run: fn(&Space<'_>, &Value) -> Output) -> Step {
    Step {
        what,
        run,
        spec_changes: true,
    }
}

fn patch(space: &Space<'_>, kind: &str, patch: &Value) -> Output {
    let kind = format!("--type={kind}");
    space.kubectl(
        &["patch", "deployment/web", &kind, "-p", &patch.to_string()],
        "",
    )
}

/// What Helm sends where chart and release are the same: lists with their order, and the scalars in
/// which the live object differs from the chart.
fn helm(space: &Space<'_>, manifest: &Value) -> Output {
    let container = &manifest["spec"]["template"]["spec"]["containers"][0];
    let names = |list: &Value| -> Vec<Value> {
        let items = list.as_array().into_iter().flatten();
        items.map(|item| json!({"name": item["name"]})).collect()
    };
    let mut web = json!({"name": "web"});
    if container["env"].is_array() {
        web["$setElementOrder/env"] = names(&container["env"]).into();
    }
    for member in ["lifecycle", "readinessProbe"] {
        if let Some(own) = container.get(member) {
            web[member] = own.clone();
        }
    }
    let mut spec = json!({
        "$setElementOrder/containers":
            names(&manifest["spec"]["template"]["spec"]["containers"]),
        "containers": [web],
    });
    if let Some(grace) = manifest["spec"]["template"]["spec"].get("terminationGracePeriodSeconds") {
        spec["terminationGracePeriodSeconds"] = grace.clone();
    }
    patch(
        space,
        "strategic",
        &json!({"spec": {"template": {"spec": spec}}}),
    )
}

const STEPS: &[Step] = &[
    step("apply again", |space, manifest| {
        space.kubectl(&["apply", "-f", "-"], &manifest.to_string())
    }),
    step("label", |space, _| {
        space.kubectl(&["label", "deployment/web", "tier=front"], "")
    }),
    step("annotate", |space, _| {
        space.kubectl(&["annotate", "deployment/web", "example.com/note=1"], "")
    }),
    step("say the same in other words", |space, _| {
        let enabled = "silkroll.dev/inject=true";
        space.kubectl(&["annotate", "--overwrite", "deployment/web", enabled], "")
    }),
    step("apply over that", |space, manifest| {
        space.kubectl(&["apply", "-f", "-"], &manifest.to_string())
    }),
    spec_step("scale", |space, _| {
        space.kubectl(&["scale", "deployment/web", "--replicas=3"], "")
    }),
    spec_step("scale by a patch", |space, _| {
        patch(space, "merge", &json!({"spec": {"replicas": 4}}))
    }),
    spec_step("apply the manifest's replicas again", |space, manifest| {
        space.kubectl(&["apply", "-f", "-"], &manifest.to_string())
    }),
    // Where Silkroll raised or chained what the manifest itself says, the change of the way of
    // applying is a conflict to kubectl: the stored value is not the manifest's.
    step(
        "apply --server-side for the first time",
        |space, manifest| {
            let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
            space.kubectl(&args, &manifest.to_string())
        },
    ),
    step("apply --server-side again", |space, manifest| {
        let args = ["apply", "--server-side", "-f", "-"];
        space.kubectl(&args, &manifest.to_string())
    }),
    step(
        "apply --server-side by another manager",
        |space, manifest| {
            let args = [
                "apply",
                "--server-side",
                "--field-manager=gitops",
                "--force-conflicts",
                "-f",
                "-",
            ];
            space.kubectl(&args, &manifest.to_string())
        },
    ),
    step("apply client-side after that", |space, manifest| {
        space.kubectl(&["apply", "-f", "-"], &manifest.to_string())
    }),
    step("replace with the plain manifest", |space, manifest| {
        space.kubectl(&["replace", "-f", "-"], &manifest.to_string())
    }),
    step("replace with the stored object", |space, _| {
        space.replace_with_stored("deployment/web")
    }),
    step("edit a label", |space, _| {
        let sed = "s/^  generation:.*/&\\n  finalizers: []/";
        space
            .world
            .edit(&["-n", &space.name, "deployment/web"], sed)
    }),
    step("edit the grace period to what it was", |space, manifest| {
        let own = &manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
        let own = own.as_i64().unwrap_or(30);
        let sed = format!("s/\\(terminationGracePeriodSeconds\\): .*/\\1: {own}/");
        space
            .world
            .edit(&["-n", &space.name, "deployment/web"], &sed)
    }),
    step("a json patch of a label", |space, _| {
        let label = json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]);
        patch(space, "json", &label)
    }),
    step("a json patch that takes our hook out", |space, manifest| {
        let own = &manifest["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"];
        let path = "/spec/template/spec/containers/0/lifecycle/preStop";
        let operation = match own {
            Value::Null => json!({"op": "remove", "path": path}),
            own => json!({"op": "replace", "path": path, "value": own}),
        };
        patch(space, "json", &json!([operation]))
    }),
    step("a merge patch without the record", |space, _| {
        let annotations = json!({"silkroll.dev/status": null});
        patch(
            space,
            "merge",
            &json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}),
        )
    }),
    step("an upgrade of Helm without a change", helm),
    spec_step("pause", |space, _| {
        space.kubectl(&["rollout", "pause", "deployment/web"], "")
    }),
    spec_step("resume", |space, _| {
        space.kubectl(&["rollout", "resume", "deployment/web"], "")
    }),
    step("the image that it has", |space, _| {
        space.kubectl(&["set", "image", "deployment/web", "web=web:1"], "")
    }),
    step("apply once more", |space, manifest| {
        space.kubectl(&["apply", "-f", "-"], &manifest.to_string())
    }),
    step("diff", |space, manifest| {
        // It exits with 1 where an apply would change something.
        space.kubectl(&["diff", "-f", "-"], &manifest.to_string())
    }),
    step("apply --dry-run=server", |space, manifest| {
        let args = ["apply", "--dry-run=server", "-f", "-"];
        space.kubectl(&args, &manifest.to_string())
    }),
];

/// Applies the manifest, then does everything in the table to it.
pub(crate) fn changes_nothing(space: &Space<'_>, manifest: &Value) {
    let applied = space.kubectl(&["apply", "-f", "-"], &manifest.to_string());
    assert!(applied.success, "{applied:?}");
    let mut before = space.settled("deployment/web");
    assert!(before.injected(), "{}", before.object);
    assert_eq!(before.revisions.len(), 1, "one template was rolled out");
    for step in STEPS {
        let output = (step.run)(space, manifest);
        let place = format!("{} in {}", step.what, space.name);
        assert!(output.success, "{place}: {output:?}");
        assert_eq!(remarks(&output), Vec::<&str>::new(), "{place}");
        let after = space.settled("deployment/web");
        unchanged(&place, step, &before, &after);
        before = after;
    }
}

fn unchanged(place: &str, step: &Step, before: &State, after: &State) {
    assert_eq!(after.template(), before.template(), "{place}");
    assert_eq!(after.revisions, before.revisions, "{place}");
    if step.spec_changes {
        assert_eq!(after.generation(), before.generation() + 1, "{place}");
        return;
    }
    assert_eq!(after.object["spec"], before.object["spec"], "{place}");
}

#[test]
fn it_changes_nothing_with_the_native_sleep() {
    let space = Space::new(
        World::shared(),
        "nothing-none",
        &[("inject", "enabled"), ("rollout", "surge")],
    );
    changes_nothing(&space, &manifests::plain("web"));
}

#[test]
fn it_changes_nothing_of_a_manifest_that_uses_all_that_is_injected() {
    let space = Space::new(World::shared(), "nothing-rich", manifests::NACOS);
    changes_nothing(&space, &manifests::rich("web"));
}

#[test]
fn it_changes_nothing_with_calls_over_http_and_annotations_of_the_workload() {
    let space = Space::new(
        World::shared(),
        "nothing-http",
        &[
            ("inject", "on-request"),
            ("deregister", "http"),
            ("http-url", "http://admin/offline?pod={podname}&port={port}"),
            ("http-body", "it's $(podip) `id` \"{env:TZ}\""),
            ("hook", "script"),
        ],
    );
    let manifest = manifests::annotated(
        manifests::plain("web"),
        &[
            ("inject", "enabled"),
            ("rollout", "surge"),
            ("min-ready-seconds", "7"),
            ("readiness", "http://:http/ready"),
        ],
    );
    changes_nothing(&space, &manifest);
}
