//! One engine: `/mutate`, the dry-run endpoint and the command line give the same patch, byte for
//! byte, for the same object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::manifests;
use super::space::Space;
use super::world::{World, silkroll};

/// The patch in an answer of `/mutate`, as text; empty where there is none.
fn mutate(world: &World, namespace: &str, object: &str) -> (String, Value) {
    // The object goes in as it is: reading and writing it again could change its bytes.
    let review = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u-1",
        "kind":{{"group":"apps","version":"v1","kind":"Deployment"}},
        "resource":{{"group":"apps","version":"v1","resource":"deployments"}},
        "operation":"CREATE","namespace":"{namespace}","name":"web","object":{object}}}}}"#
    );
    let (status, body) = world.post("/mutate", &review);
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let response = answer["response"].clone();
    assert_eq!(response["uid"], "u-1");
    let patch = response["patch"].as_str().unwrap_or_default();
    let patch = String::from_utf8(STANDARD.decode(patch).unwrap()).unwrap();
    (patch, response)
}

/// Without the spaces that kubectl prints.
fn compact(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    value.to_string()
}

#[test]
fn webhook_dry_run_and_command_line_give_the_same_bytes() {
    let world = World::shared();
    let http: &[(&str, &str)] = &[
        ("inject", "enabled"),
        ("deregister", "http"),
        ("http-url", "http://admin/?p={port}"),
        ("http-body", "ünï \"$x\" \\ \n"),
        ("rollout", "surge"),
    ];
    for (name, annotations) in [
        ("same-none", &[("inject", "enabled")][..]),
        ("same-nacos", manifests::NACOS),
        ("same-http", http),
        ("same-out", &[("inject", "disabled")]),
        ("same-typo", &[("inject", "enabled"), ("drain-second", "1")]),
    ] {
        let space = Space::new(world, name, annotations);
        // What the API server has after defaulting, and manifests as people write them.
        let stored = space.kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &manifests::rich("web").to_string(),
        );
        // As the API server writes it: without spaces, with what Go escapes.
        let escaped = compact(&stored.stdout).replace('&', "\\u0026");
        let ours = world
            .plane
            .ok(&["get", "namespace", name, "-o", "yaml"], "");
        let file = world.plane.dir().join(format!("{name}.yaml"));
        std::fs::write(&file, ours).unwrap();
        for object in [
            manifests::plain("web").to_string(),
            manifests::rich("web").to_string(),
            compact(&stored.stdout),
            escaped,
        ] {
            let (patch, response) = mutate(world, name, &object);
            let line = if patch.is_empty() { "[]" } else { &patch };
            let (status, dry) =
                world.post(&format!("/dry-run?output=patch&namespace={name}"), &object);
            assert_eq!((status, dry), (200, format!("{line}\n")), "{name}");
            let namespaces = file.display().to_string();
            let args = [
                "inject",
                "-f",
                "-",
                "-n",
                name,
                "-o",
                "patch",
                "--namespaces",
                &namespaces,
            ];
            let printed = silkroll(&args, &object);
            assert_eq!(
                printed.stdout,
                format!("{line}\n"),
                "{name}: {}",
                printed.stderr
            );
            // And the same words, warning by warning.
            for warning in response["warnings"].as_array().into_iter().flatten() {
                let words = warning
                    .as_str()
                    .unwrap()
                    .strip_prefix("silkroll: ")
                    .unwrap();
                assert!(
                    printed.stderr.contains(words),
                    "{words}: {}",
                    printed.stderr
                );
            }
        }
    }
}

#[test]
fn what_kubectl_stores_is_what_the_patch_makes_of_it() {
    let space = Space::new(World::shared(), "stored", manifests::NACOS);
    let twin = Space::new(World::shared(), "stored-plain", &[]);
    let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let before = twin.kubectl(&args, &manifests::rich("web").to_string());
    let mut object: Value = serde_json::from_str(&before.stdout).unwrap();
    let (patch, _) = mutate(space.world, "stored", &compact(&before.stdout));
    let patch: json_patch::Patch = serde_json::from_str(&patch).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    let stored = space.dry_run(&manifests::rich("web"));
    assert_eq!(
        but_for_inputs(stored)["spec"],
        but_for_inputs(object)["spec"]
    );
}

/// Without the fingerprint of what the user wrote: it goes by the order of members, which kubectl
/// prints sorted and the API server sends as its types have it.
fn but_for_inputs(mut object: Value) -> Value {
    let status = &mut object["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"];
    let mut record: Value = serde_json::from_str(status.as_str().unwrap()).unwrap();
    record["user"].take();
    *status = record;
    object
}

#[test]
fn a_manifest_injected_at_hand_is_injected_already_to_the_webhook() {
    let world = World::shared();
    for (name, annotations, manifest, own) in [
        (
            "at-hand-none",
            &[("inject", "enabled"), ("rollout", "surge")][..],
            manifests::plain("web"),
            &[][..],
        ),
        (
            "at-hand-nacos",
            manifests::NACOS,
            manifests::rich("web"),
            &[("nacos-service", "web")],
        ),
    ] {
        let space = Space::new(world, name, annotations);
        let namespace = manifests::namespace(name, annotations);
        let file = world.plane.dir().join(format!("{name}-at-hand.yaml"));
        std::fs::write(&file, namespace.to_string()).unwrap();
        let namespaces = file.display().to_string();
        let args = ["inject", "-f", "-", "-n", name, "--namespaces", &namespaces];
        let injected = silkroll(&args, &manifest.to_string());
        assert!(injected.success, "{}", injected.stderr);
        space.quiet(&["apply", "-f", "-"], &injected.stdout);
        let first = space.settled("deployment/web");
        let by_webhook = space.dry_run(&{
            let mut fresh = manifest.clone();
            fresh["metadata"]["name"] = "fresh".into();
            manifests::annotated(fresh, own)
        });
        assert_eq!(
            *first.pod(),
            by_webhook["spec"]["template"]["spec"],
            "{name}"
        );
        // Again, and then by the webhook alone: the user's part is the same all the while.
        for text in [&injected.stdout, &manifest.to_string(), &injected.stdout] {
            space.quiet(&["apply", "-f", "-"], text);
            let now = space.settled("deployment/web");
            assert_eq!(now.template(), first.template(), "{name}");
            assert_eq!(now.revisions, first.revisions, "{name}");
        }
    }
}

#[test]
fn the_dry_run_endpoint_of_a_cluster_tells_a_denial_and_writes_nothing() {
    let space = Space::new(World::shared(), "dry-json", &[("inject", "enabled")]);
    let before = space.world.plane.get(&["deployment", "-n", "dry-json"]);
    let list = json!({
        "apiVersion": "v1", "kind": "List",
        "items": [manifests::plain("a"), manifests::annotated(manifests::plain("b"), &[("drain-seconds", "x")])],
    });
    let path = "/dry-run?namespace=dry-json&fail-on=rejected";
    let (status, body) = space.world.post(path, &list.to_string());
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 422, "{body}");
    assert_eq!(answer["items"][0]["outcome"], "injected");
    assert_eq!(answer["items"][1]["outcome"], "rejected");
    // It writes nothing anywhere.
    assert_eq!(
        space.world.plane.get(&["deployment", "-n", "dry-json"]),
        before
    );
}
