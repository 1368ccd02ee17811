//! What several proofs need: reviews made from objects, and their answers applied.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod changes;
pub(crate) mod edges;
pub(crate) mod generate;
pub(crate) mod laws;
pub(crate) mod merge;
pub(crate) mod sequence;

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::{Value, json};
use silkroll::admission::{Review, answer};
use silkroll::engine::{Ask, Decision, Kind, NamespaceView, Object, Settings, decide as ask};

pub(crate) type Pairs = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// Annotations under our prefix.
pub(crate) fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter()
        .map(|(key, value)| {
            (
                format!("silkroll.dev/{key}").into(),
                (*value).to_owned().into(),
            )
        })
        .collect()
}

/// The kind of this name.
pub(crate) fn kind(name: &str) -> Kind {
    let mut kinds = Kind::ALL.into_iter();
    kinds.find(|kind| kind.name() == name).unwrap()
}

/// An AdmissionReview as the API server writes it.
pub(crate) fn review(operation: &str, object: &Value, old: &Value) -> Vec<u8> {
    let name = object["kind"].as_str().unwrap_or("Deployment");
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let api_version = known.map_or("apps/v1", Kind::api_version);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = json!({"group": group, "version": version, "kind": name});
    let mut request = json!({
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": {"group": group, "version": version, "resource": format!("{}s", name.to_lowercase())},
        "requestKind": kind,
        "name": object["metadata"]["name"],
        "namespace": object["metadata"]["namespace"],
        "operation": operation,
        "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "object": object,
        "oldObject": old,
        "dryRun": false,
        "options": {"kind": format!("{}Options", operation), "apiVersion": "meta.k8s.io/v1"}
    });
    if request["name"].is_null() {
        request["name"] = "".into();
    }
    serde_json::to_vec(&json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request
    }))
    .unwrap()
}

/// Asks as the webhook does.
pub(crate) fn decide(body: &[u8], namespace: &Pairs, settings: &Settings) -> Decision {
    let review = Review::read(body).unwrap();
    review.decide(
        settings,
        NamespaceView::Known {
            annotations: namespace,
            labels: &[],
        },
        true,
    )
}

/// A namespace that has opted in, with more annotations.
pub(crate) fn opted_in(more: &[(&str, &str)]) -> Pairs {
    let mut all = vec![("inject", "enabled")];
    all.extend_from_slice(more);
    pairs(&all)
}

/// A namespace whose pods leave Nacos, and whose images have a shell.
pub(crate) fn nacos() -> Pairs {
    opted_in(&[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
        ("hook", "script"),
    ])
}

/// Applies the patch of an answer as the API server does: the answer is written and read back.
pub(crate) fn apply(object: &Value, decision: &Decision) -> Value {
    let answer: Value = serde_json::from_slice(&answer("u", decision)).unwrap();
    let Some(patch) = answer["response"]["patch"].as_str() else {
        return object.clone();
    };
    let patch = base64::engine::general_purpose::STANDARD
        .decode(patch)
        .unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &patch)
        .unwrap_or_else(|error| panic!("{error}: {patch} on {object}"));
    patched
}

/// CREATE, and what is stored then.
pub(crate) fn create(object: &Value, namespace: &Pairs, settings: &Settings) -> (Value, Decision) {
    let decision = decide(&review("CREATE", object, &Value::Null), namespace, settings);
    (apply(object, &decision), decision)
}

/// UPDATE, and what is stored then.
pub(crate) fn update(
    new: &Value,
    old: &Value,
    namespace: &Pairs,
    settings: &Settings,
) -> (Value, Decision) {
    let decision = decide(&review("UPDATE", new, old), namespace, settings);
    (apply(new, &decision), decision)
}

/// CREATE by `manager`.
pub(crate) fn create_by(
    manager: &str,
    object: &Value,
    namespace: &Pairs,
    settings: &Settings,
) -> (Value, Decision) {
    let review = review("CREATE", object, &Value::Null);
    let body = by(manager, "CreateOptions", &review);
    let decision = decide(&serde_json::to_vec(&body).unwrap(), namespace, settings);
    (apply(object, &decision), decision)
}

/// UPDATE by a patch of `manager`.
pub(crate) fn patch_by(
    manager: &str,
    new: &Value,
    old: &Value,
    namespace: &Pairs,
    settings: &Settings,
) -> (Value, Decision) {
    // A patch comes to a webhook with the options of an update, and as an object that was made from the stored one.
    let mut body = by(manager, "UpdateOptions", &review("UPDATE", new, old));
    for object in ["object", "oldObject"] {
        body["request"][object]["metadata"]["uid"] = "705ab4f5-6393-11e8-b7cc-42010a800002".into();
    }
    let decision = decide(&serde_json::to_vec(&body).unwrap(), namespace, settings);
    (apply(new, &decision), decision)
}

/// A review whose options name a field manager.
fn by(manager: &str, options: &str, review: &[u8]) -> Value {
    let mut body: Value = serde_json::from_slice(review).unwrap();
    body["request"]["options"] = json!({
        "kind": options, "apiVersion": "meta.k8s.io/v1", "fieldManager": manager
    });
    body
}

/// `silkroll inject --remove`, and what the object is then.
pub(crate) fn remove(object: &Value, settings: &Settings) -> (Value, Decision) {
    let text = object.to_string();
    let kind = Kind::of(
        object["apiVersion"].as_str().unwrap(),
        object["kind"].as_str().unwrap(),
    );
    let kind = kind.unwrap();
    let parsed = Object::read(kind, &text).unwrap();
    let decision = ask(&Ask {
        settings,
        kind,
        namespace: "shop",
        view: NamespaceView::Assumed,
        object: &parsed,
        old: None,
        manager: None,
        remove: true,
        explain: false,
        helper_stands: true,
    });
    (apply(object, &decision), decision)
}

/// A Deployment as the API server has it after defaulting.
pub(crate) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{
                        "name": "web", "image": "web:1",
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                        "resources": {}, "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"
                    }],
                    "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
                    "dnsPolicy": "ClusterFirst", "securityContext": {}, "schedulerName": "default-scheduler"
                }
            },
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600
        },
        "status": {}
    })
}

/// Sets an annotation of ours on the workload.
pub(crate) fn annotate(object: &mut Value, key: &str, value: &str) {
    object["metadata"]["annotations"][format!("silkroll.dev/{key}")] = value.into();
}
