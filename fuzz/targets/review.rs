//! A review to its answer: any body, as libFuzzer makes it of real ones.

#![no_main]

#[path = "json.rs"]
mod json;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "told.rs"]
mod told;

use std::sync::LazyLock;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde::Deserialize as _;
use serde_json::Value;
use silkroll::admission::{Operation, Review, answer};
use silkroll::engine::{Decision, Kind, NamespaceView, Outcome, Settings};
use support::{Pairs, opted_in};

struct World {
    settings: Settings,
    namespace: Pairs,
}

/// Namespaces that ask for much, each in another way.
static WORLDS: LazyLock<Vec<World>> = LazyLock::new(|| {
    let all: [&[(&str, &str)]; 4] = [
        &[("rollout", "surge"), ("min-ready-seconds", "5")],
        &[
            ("deregister", "nacos"),
            ("nacos-server", "http://nacos:8848"),
            ("nacos-credentials-secret", "nacos"),
            ("hook", "binary"),
            ("hook-arch", "amd64"),
        ],
        &[
            ("deregister", "eureka"),
            ("eureka-server", "http://a:8761"),
            ("existing-pre-stop", "replace"),
            ("rollout", "surge"),
        ],
        &[
            ("deregister", "http"),
            ("http-url", "http://cms/off?ip={podip}"),
            ("existing-pre-stop", "keep"),
            ("drain-seconds", "3600"),
        ],
    ];
    let world = |namespace: &&[(&str, &str)]| World {
        settings: Settings {
            kinds: Kind::ALL.to_vec(),
            ..Settings::default()
        },
        namespace: opted_in(namespace),
    };
    all.iter().map(world).collect()
});

fn ask(body: &[u8], world: &World) -> Option<Decision> {
    let review = match Review::read(body) {
        Ok(review) => review,
        Err(refusal) => {
            told::fits(&refusal.message, 600);
            return None;
        }
    };
    let view = NamespaceView::Known {
        annotations: &world.namespace,
        labels: &[],
    };
    let decision = review.decide(&world.settings, view, true);
    told::check(&decision);
    let written = answer(&review.uid.0, &decision);
    let written: Value = serde_json::from_slice(&written).expect("the answer is JSON");
    assert_eq!(written["response"]["uid"], review.uid.0.as_ref());
    assert_eq!(
        decision,
        review.decide(&world.settings, view, true),
        "not twice the same"
    );
    (review.operation != Operation::Other).then_some(decision)
}

fuzz_target!(|body: &[u8]| {
    // One of them each time: four would be a quarter of the inputs.
    let world = &WORLDS[body.len() % WORLDS.len()];
    let Some(decision) = ask(body, world) else {
        return;
    };
    // What serde_json refuses as a value (numbers out of range, nesting) is only looked at.
    let Ok(review) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let object = &review["request"]["object"];
    let patched = support::apply(object, &decision);
    assert_eq!(
        rest(object),
        rest(&patched),
        "a member that is none of Silkroll's has changed"
    );

    // The laws are about what an API server can read: it decodes an object before it asks.
    if ![object, &patched].into_iter().all(decodes) {
        return;
    }
    let mut again = review.clone();
    again["request"]["object"] = patched.clone();
    let again = ask(again.to_string().as_bytes(), world).expect("what was read once");
    assert_eq!(
        again.patch, None,
        "twice is not once: {:?}, then {:?}",
        decision, again.reason
    );

    let created = !matches!(review["request"]["oldObject"], Value::Object(_));
    // What removal goes by is the object's own word for what it is.
    let named =
        object["apiVersion"] == "apps/v1" && object["kind"] == review["request"]["kind"]["kind"];
    if created && decision.outcome == Outcome::Injected && named && !has_record(object) {
        let (back, removed) = support::remove(&patched, &world.settings);
        assert_eq!(&back, object, "not given back: {:?}", removed.patch);
    }
});

fn decodes(object: &Value) -> bool {
    let of = |kind: &str| object["kind"] == kind;
    of("Deployment") && Deployment::deserialize(object).is_ok()
        || of("StatefulSet") && StatefulSet::deserialize(object).is_ok()
        || of("DaemonSet") && DaemonSet::deserialize(object).is_ok()
}

const RECORD: &str = "/spec/template/metadata/annotations/silkroll.dev~1status";

fn has_record(object: &Value) -> bool {
    object.pointer(RECORD).is_some()
}

/// The object without what an injection may touch.
fn rest(object: &Value) -> Value {
    let mut object = object.clone();
    let members = |object: &mut Value, at: &str, names: &[&str]| {
        if let Some(Value::Object(map)) = object.pointer_mut(at) {
            map.retain(|name, _| !names.contains(&name.as_str()));
        }
    };
    if let Some(Value::Object(annotations)) =
        object.pointer_mut("/spec/template/metadata/annotations")
    {
        annotations.shift_remove("silkroll.dev/status");
    }
    // An empty or missing one may be made, and is given back.
    for at in [
        "/spec/template/metadata/annotations",
        "/spec/template/metadata",
    ] {
        let empty = |value: &Value| {
            value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
        };
        if object.pointer(at).is_some_and(empty) {
            let (parent, name) = at.rsplit_once('/').expect("a path");
            members(&mut object, parent, &[name]);
        }
    }
    members(
        &mut object,
        "/spec",
        &["strategy", "updateStrategy", "minReadySeconds"],
    );
    members(
        &mut object,
        "/spec/template/spec",
        &["terminationGracePeriodSeconds", "volumes"],
    );
    for at in 0..object
        .pointer("/spec/template/spec/containers")
        .and_then(Value::as_array)
        .map_or(0, Vec::len)
    {
        let touched = [
            "env",
            "lifecycle",
            "readinessProbe",
            "startupProbe",
            "volumeMounts",
        ];
        members(
            &mut object,
            &format!("/spec/template/spec/containers/{at}"),
            &touched,
        );
    }
    object
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match json::mutated(&data[..size], seed) {
        Some(text) if text.len() <= max_size.min(data.len()) => {
            data[..text.len()].copy_from_slice(&text);
            text.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});
