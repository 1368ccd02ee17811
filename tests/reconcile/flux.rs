//! The apply engine of Flux's kustomize-controller, in a program of its own. Not the controller.

use std::process::Command;

use serde_json::{Value, json};
use testkit::process::run;

use super::git::{Git, as_printed, built, printed};
use super::manifests;
use super::world::World;

/// Applies, and returns what became of each object.
fn apply(world: &World, manifests: &str) -> Vec<String> {
    let mut command = Command::new(built("SILKROLL_FLUX").join("flux-apply"));
    let output = run(command.arg(world.plane.kubeconfig()), manifests.as_bytes()).unwrap();
    assert!(output.success, "{output:?}");
    output.stdout.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn the_engine_of_flux_moves_nothing_and_sees_no_drift() {
    let mut times = 0;
    Git::new("flux").course(|git| {
        let said = apply(git.world, &git.all());
        // The first, and that with the change.
        let expected = match times {
            0 => "created",
            21 => "configured",
            _ => "unchanged",
        };
        for line in said {
            assert!(line.starts_with(expected), "reconcile {times}: {line}");
        }
        times += 1;
    });
}

/// What a namespace has besides what is in Git: its opt-in, the time of a restart, and the bundle of a webhook.
fn set_by_hand(world: &World, name: &str) -> [Value; 4] {
    let get = |args: &[&str]| world.plane.get(args).unwrap();
    let deployment = get(&["deployment", "web", "-n", name]);
    let template = &deployment["spec"]["template"]["metadata"]["annotations"];
    let configuration = get(&["mutatingwebhookconfiguration", name]);
    [
        get(&["namespace", name])["metadata"]["annotations"]["silkroll.dev/inject"].clone(),
        template["kubectl.kubernetes.io/restartedAt"].clone(),
        configuration["webhooks"][0]["clientConfig"]["caBundle"].clone(),
        deployment["metadata"]["generation"].clone(),
    ]
}

/// A namespace, a Deployment and a webhook in Git, and the same set by hand by this field manager, as it is printed.
fn by_hand(name: &str, manager: Option<&str>) -> ([Value; 4], [Value; 4]) {
    let world = World::shared();
    let mut web = manifests::plain("web");
    web["metadata"]["namespace"] = name.into();
    // It is asked about nothing: no namespace has this label.
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "inject.silkroll.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore", "namespaceSelector": {"matchLabels": {"no": "namespace"}},
            "clientConfig": {"service": {"name": "silkroll", "namespace": "silkroll-system", "path": "/mutate"}},
            "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}],
        }],
    });
    let namespace = manifests::namespace(name, &[]);
    let git = format!("{namespace}\n---\n{web}\n---\n{webhook}\n");
    apply(world, &git);
    let printed = printed("flux");
    let flag = "--field-manager=silkroll ";
    let flags = manager.map(|manager| format!("--field-manager={manager} "));
    let flags = (flag, flags.as_deref().unwrap_or_default());
    as_printed(world, &printed, "annotate", &[flags, ("shop", name)]);
    as_printed(world, &printed, "rollout restart", &[flags, ("shop", name)]);
    let patch = json!({"webhooks": [{"name": "inject.silkroll.dev", "clientConfig": {"caBundle": "LS0tCg=="}}]});
    let patch = patch.to_string();
    let mut bundle = vec!["patch", "mutatingwebhookconfiguration", name, "-p", &patch];
    let manager = flags.1.trim();
    bundle.extend((!manager.is_empty()).then_some(manager));
    world.plane.ok(&bundle, "");
    let before = set_by_hand(world, name);
    for _ in 0..3 {
        apply(world, &git);
    }
    (before, set_by_hand(world, name))
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn what_is_set_by_hand_as_printed_survives_flux() {
    let (before, after) = by_hand("by-hand", Some("silkroll"));
    assert!(before.iter().all(|value| !value.is_null()), "{before:?}");
    assert_eq!(before, after);
    // Opting out, as the README has it, lasts too.
    let world = World::shared();
    let out = ["annotate", "namespace", "by-hand", "silkroll.dev/inject-"];
    world.plane.ok(&out, "");
    apply(world, &manifests::namespace("by-hand", &[]).to_string());
    assert_eq!(set_by_hand(world, "by-hand")[0], Value::Null);
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn what_kubectl_sets_without_another_name_is_lost_to_flux() {
    let (before, after) = by_hand("by-kubectl", None);
    assert!(before.iter().all(|value| !value.is_null()), "{before:?}");
    let [opt_in, restart, bundle, generation] = after;
    assert_eq!(
        [opt_in, restart, bundle],
        [Value::Null, Value::Null, Value::Null]
    );
    assert!(
        generation.as_i64() > before[3].as_i64(),
        "no second rollout"
    );
}
