//! Kinds other than Deployments, where webhook and Silkroll are told to cover them.

use super::manifests;
use super::space::Space;
use super::world::World;

#[test]
fn stateful_sets_and_daemon_sets_are_injected_updated_and_brought_back_alike() {
    for kind in ["StatefulSet", "DaemonSet"] {
        let lower = kind.to_lowercase();
        let name = format!("{lower}/web");
        let space = Space::new(World::shared(), &lower, manifests::NACOS);
        let mut manifest = manifests::rich("web");
        manifest["kind"] = kind.into();
        manifest["spec"].as_object_mut().unwrap().remove("strategy");
        match kind {
            "StatefulSet" => manifest["spec"]["serviceName"] = "web".into(),
            _ => drop(manifest["spec"].as_object_mut().unwrap().remove("replicas")),
        }
        space.apply(&manifest);
        let first = space.settled(&name);
        assert!(first.injected(), "{}", first.object);
        assert_eq!(first.chained()[0], "exec");
        assert_eq!(first.revisions.len(), 1);

        let unchanged = |what: &str| {
            let now = space.settled(&name);
            assert_eq!(now.template(), first.template(), "{kind}: {what}");
            assert_eq!(now.revisions, first.revisions, "{kind}: {what}");
        };
        space.apply(&manifest);
        unchanged("apply again");
        let server_side = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        space.quiet(&server_side, &manifest.to_string());
        unchanged("apply --server-side");
        space.quiet(&["replace", "-f", "-"], &manifest.to_string());
        unchanged("replace");
        space.quiet(&["label", &name, "a=b"], "");
        unchanged("label");
        if kind == "StatefulSet" {
            space.quiet(&["scale", &name, "--replicas=5"], "");
            unchanged("scale");
        }

        space.quiet(&["set", "image", &name, "web=web:2"], "");
        let second = space.settled(&name);
        assert!(second.injected());
        assert_eq!(second.revisions.len(), 2, "{kind}");
        space.quiet(&["rollout", "undo", &name], "");
        let undone = space.settled(&name);
        assert_eq!(undone.template(), first.template(), "{kind}: undo");
        assert_eq!(undone.revisions, second.revisions, "{kind}: undo");

        space.quiet(&["annotate", &name, "silkroll.dev/inject=disabled"], "");
        let out = space.settled(&name);
        let twin = Space::new(space.world, &format!("{lower}-untouched"), &[]);
        twin.apply(&manifest);
        let plain = twin.settled(&name);
        assert_eq!(out.template(), plain.template(), "{kind}: opted out");
        assert_eq!(
            out.object["spec"]["updateStrategy"],
            plain.object["spec"]["updateStrategy"]
        );
    }
}

#[test]
fn surge_that_a_kind_cannot_do_is_told() {
    let space = Space::new(
        World::shared(),
        "surge-kinds",
        &[("inject", "enabled"), ("rollout", "surge")],
    );
    let warned = space.apply_warned(&manifests::workload("StatefulSet", "web"));
    assert!(
        warned.contains("rollout: surge is not for StatefulSets"),
        "{warned}"
    );
    space.apply(&manifests::workload("DaemonSet", "web"));
    let stored = space.world.plane.get(&["daemonset/web", "-n", &space.name]);
    let rolling = &stored.unwrap()["spec"]["updateStrategy"]["rollingUpdate"];
    assert_eq!(
        *rolling,
        serde_json::json!({"maxSurge": 1, "maxUnavailable": 0})
    );
}
