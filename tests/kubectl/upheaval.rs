//! Silkroll killed, restarted, upgraded, without its API server, and asked about everything: what
//! users have stays as it is. These tests take turns on a control plane of their own.

use serde_json::{Value, json};
use testkit::wait::eventually;

use super::manifests;
use super::nothing::changes_nothing;
use super::space::{Space, State};
use super::world::World;

fn same_rollout(place: &str, now: &State, before: &State) {
    assert_eq!(now.template(), before.template(), "{place}");
    assert_eq!(now.revisions, before.revisions, "{place}");
}

#[test]
fn without_silkroll_workloads_are_admitted_as_they_are() {
    let world = World::own();
    let space = Space::new(&world, "killed", manifests::NACOS);
    space.apply(&manifests::rich("before"));
    let before = space.settled("deployment/before");
    world.kill();
    let web = manifests::rich("web").to_string();
    let missed = space.kubectl(&["apply", "-f", "-"], &web);
    let told = missed.stderr.contains("Deployment web was not injected");
    assert!(missed.success && told, "{missed:?}");
    assert!(!space.settled("deployment/web").injected());
    space.quiet(&["set", "image", "deployment/before", "web=web:2"], "");
    let changed = space.settled("deployment/before");
    assert!(
        changed.injected(),
        "what was injected goes on with the template"
    );
    assert_eq!(changed.chained(), before.chained());

    world.serve(&[]);
    let after = space.settled("deployment/web");
    space.quiet(&["label", "deployment/web", "a=b"], "");
    same_rollout("a label", &space.settled("deployment/web"), &after);
    // The next change of its own makes up for it.
    space.quiet(&["rollout", "restart", "deployment/web"], "");
    assert!(space.settled("deployment/web").injected());
}

#[test]
fn a_restart_writes_nothing_and_rolls_nothing_out() {
    let world = World::own();
    let space = Space::new(&world, "restarted", manifests::NACOS);
    let manifest = manifests::rich("web");
    space.apply(&manifest);
    let before = space.settled("deployment/web");
    let name = super::world::script_name();
    eventually("the ConfigMap", || {
        world.plane.get(&["configmap", "-n", "restarted", &name])
    });
    world.end();
    let asked = world.asked().len();
    world.serve(&[]);
    // It is ready when it knows the namespaces; its list of ConfigMaps comes by itself.
    eventually("the list of ConfigMaps", || {
        let asked = &world.asked()[asked..];
        let listed = |event: &Value| event["objectRef"]["resource"] == "configmaps";
        asked.iter().any(listed).then_some(())
    });
    space.apply(&manifest);
    same_rollout("apply", &space.settled("deployment/web"), &before);
    let mut asked = world.asked();
    // Its own notes about the helper, which another test asks for, whose turn it is to audit, and its certificates.
    let own = [
        "helper-namespaces",
        "silkroll-audit",
        "silkroll-own-ca",
        "silkroll",
    ];
    asked.retain(|event| {
        let name = event["objectRef"]["name"].as_str();
        name.is_none_or(|name| !own.contains(&name))
    });
    let verbs = asked.iter().map(|event| event["verb"].as_str().unwrap());
    let created: Vec<_> = asked
        .iter()
        .filter(|event| event["verb"] == "create" && event["objectRef"]["namespace"] == "restarted")
        .collect();
    assert_eq!(created.len(), 1, "one ConfigMap, made before the restart");
    assert!(
        verbs
            .clone()
            .all(|verb| ["get", "list", "create"].contains(&verb))
    );
}

#[test]
fn a_restart_does_not_forget_who_asked_for_the_helper() {
    let world = World::own();
    let space = Space::new(&world, "helped", manifests::NACOS);
    let helper = silkroll::deregister::Helper::current().config_map;
    let map = || world.plane.get(&["configmap", "-n", "helped", &helper]);
    let asking = [("hook", "binary"), ("hook-arch", "amd64")];
    space.apply(&manifests::annotated(manifests::plain("web"), &asking));
    eventually("the helper's ConfigMap", map);
    eventually("the note", || {
        let notes =
            world
                .plane
                .get(&["configmap", "-n", "silkroll-system", "helper-namespaces"])?;
        notes["data"]["helped"].is_string().then_some(())
    });
    world.end();
    space.quiet(&["delete", "configmap", &helper], "");
    world.serve(&[]);
    eventually("the helper's ConfigMap after the restart", map);
}

#[test]
fn an_upgrade_changes_nothing_and_an_undo_brings_back_what_the_old_one_made() {
    let world = World::own();
    let space = Space::new(
        &world,
        "upgraded",
        &[("inject", "enabled"), ("hook", "script")],
    );
    let manifest = manifests::rich("web");
    space.apply(&manifests::annotated(
        manifest.clone(),
        &[("existing-pre-stop-seconds", "1")],
    ));
    let first = space.settled("deployment/web");
    // Another default, and a cluster without the native sleep action.
    world.serve(&[
        "--default",
        "drain-seconds=41",
        "--kubernetes-version",
        "1.29",
    ]);
    let manifest = manifests::annotated(manifest, &[("existing-pre-stop-seconds", "1")]);
    for args in [
        &["apply", "-f", "-"][..],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &["replace", "-f", "-"],
        &["label", "deployment/web", "a=b"],
        &["scale", "deployment/web", "--replicas=4"],
    ] {
        space.quiet(args, &manifest.to_string());
        let now = space.settled("deployment/web");
        same_rollout(&format!("{args:?}"), &now, &first);
    }
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    let second = space.settled("deployment/web");
    let drain = |state: &State| {
        let env = state.web()["env"].as_array().unwrap();
        let entry = env
            .iter()
            .find(|entry| entry["name"] == "SILKROLL_DRAIN_SECONDS");
        entry.unwrap()["value"].clone()
    };
    assert_eq!(
        drain(&second),
        "41",
        "a change of the user's brings the new default"
    );
    assert_eq!(drain(&first), "15");
    space.quiet(&["rollout", "undo", "deployment/web"], "");
    let undone = space.settled("deployment/web");
    same_rollout(
        "undo",
        &undone,
        &State {
            revisions: second.revisions.clone(),
            ..first
        },
    );
    space.quiet(&["apply", "-f", "-"], &manifest.to_string());
    same_rollout(
        "apply after undo",
        &space.settled("deployment/web"),
        &undone,
    );
}

#[test]
fn without_match_conditions_the_answer_is_the_same() {
    let world = World::own();
    let configuration = [
        "patch",
        "mutatingwebhookconfiguration",
        "silkroll",
        "--type=json",
        "-p",
    ];
    let conditions =
        world.plane.get(&[configuration[1], "silkroll"]).unwrap()["webhooks"][0]["matchConditions"]
            .clone();
    assert!(conditions.is_array());
    let reconfigure = |operation: &Value| {
        let mut args = configuration.to_vec();
        let text = json!([operation]).to_string();
        args.push(&text);
        world.plane.ok(&args, "");
    };
    let path = "/webhooks/0/matchConditions";
    reconfigure(&json!({"op": "remove", "path": path}));
    let space = Space::new(&world, "asked-always", manifests::NACOS);
    let disabled = [("inject", "disabled")];
    space.apply(&manifests::annotated(manifests::rich("probe"), &disabled));
    // In force once a label on what is not injected, which the conditions keep away, is in the audit log.
    let mut number = 0;
    eventually("the webhook asked about everything", || {
        number += 1;
        let label = format!("number={number}");
        space.quiet(&["label", "--overwrite", "deployment/probe", &label], "");
        let reason = "inject.silkroll.dev/reason";
        let audit = world.plane.audit();
        let asked = audit
            .iter()
            .any(|event| event["annotations"][reason] == "nothing-changed");
        asked.then_some(())
    });
    changes_nothing(&space, &manifests::rich("web"));
    let plain = Space::new(
        &world,
        "asked-always-plain",
        &[("inject", "enabled"), ("rollout", "surge")],
    );
    changes_nothing(&plain, &manifests::plain("web"));
    reconfigure(&json!({"op": "add", "path": path, "value": conditions}));
}

#[test]
fn other_kinds_are_left_alone_unless_asked_for() {
    let world = World::own();
    let space = Space::new(&world, "kinds", &[("inject", "enabled")]);
    for kind in ["StatefulSet", "DaemonSet"] {
        space.apply(&manifests::workload(kind, "web"));
        let state = space.settled(&format!("{}/web", kind.to_lowercase()));
        assert!(!state.injected(), "{kind}");
    }
}

#[test]
fn without_the_api_server_the_answers_go_on() {
    let world = World::own();
    let _space = Space::new(&world, "alone", &[("inject", "enabled")]);
    let mut web = manifests::plain("web");
    web["metadata"]["namespace"] = "alone".into();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": "CREATE", "namespace": "alone", "name": "web",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "object": web,
        },
    })
    .to_string();
    let caller = world.caller();
    let post = |path: &str, body: &str| world.post_by(&caller, path, body);
    let (_, before) = post("/mutate", &review);
    assert!(before.contains("\"patch\""), "{before}");
    world.plane.kill_api_server();
    for _ in 0..3 {
        assert_eq!(post("/mutate", &review), (200, before.clone()));
    }
    let (status, dry) = post("/dry-run?output=patch", &web.to_string());
    assert!(status == 200 && dry.starts_with('['), "{status} {dry}");
    world.plane.start_api_server();
    // And it hears of namespaces again.
    let space = Space::new(&world, "again", &[("inject", "enabled")]);
    eventually("injection in a namespace made since", || {
        let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let output = space.kubectl(&args, &manifests::plain("web").to_string());
        output.stdout.contains("silkroll.dev/status").then_some(())
    });
}
