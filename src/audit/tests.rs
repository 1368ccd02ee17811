use std::borrow::Cow;
use std::collections::BTreeSet;

use json_patch::Patch;
use serde_json::{Value, json};

use super::*;

type Pairs = Vec<(Cow<'static, str>, Cow<'static, str>)>;

fn pairs(of: &[(&'static str, &'static str)]) -> Pairs {
    of.iter()
        .map(|(key, value)| {
            (
                Cow::Owned(format!("silkroll.dev/{key}")),
                Cow::Borrowed(*value),
            )
        })
        .collect()
}

fn settings(kinds: &[Kind]) -> Settings {
    Settings {
        kinds: kinds.to_vec(),
        ..Settings::default()
    }
}

const ALL: &[Kind] = &Kind::ALL;
const OPTED_IN: &[(&str, &str)] = &[("inject", "enabled")];

fn found(
    settings: &Settings,
    kind: Kind,
    namespace: &[(&'static str, &'static str)],
    object: &Value,
) -> Option<AuditFinding> {
    let annotations = pairs(namespace);
    let json = object.to_string();
    look(
        settings,
        &Stored {
            kind,
            namespace: "shop",
            view: NamespaceView::Known {
                annotations: &annotations,
                labels: &Vec::new(),
            },
            json: &json,
            helper_stands: true,
        },
    )
}

fn code(finding: Option<&AuditFinding>) -> &'static str {
    finding.map_or("fine", |finding| finding.reason)
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "1"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}],
                    "terminationGracePeriodSeconds": 30,
                },
            },
        },
    })
}

/// As the webhook stores it.
fn injected(
    settings: &Settings,
    namespace: &[(&'static str, &'static str)],
    mut object: Value,
) -> Value {
    let annotations = pairs(namespace);
    let json = object.to_string();
    let read = Object::read(Kind::Deployment, &json).unwrap();
    let decision = decide(&Ask {
        settings,
        kind: Kind::Deployment,
        namespace: "shop",
        view: NamespaceView::Known {
            annotations: &annotations,
            labels: &Vec::new(),
        },
        object: &read,
        old: None,
        manager: None,
        remove: false,
        explain: false,
        helper_stands: true,
    });
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    let patch: Patch = serde_json::from_str(&decision.patch.unwrap()).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

#[test]
fn what_is_stored_without_an_injection_is_missed_unless_it_says_that_it_wants_none() {
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        fn(&mut Value),
    );
    let cases: &[Case] = &[
        ("not-injected", OPTED_IN, |_| {}),
        ("not-injected", &[("inject", "true")], |_| {}),
        ("fine", &[], |_| {}),
        ("fine", &[("inject", "disabled")], |_| {}),
        ("fine", &[("inject", "on-request")], |_| {}),
        ("not-injected", &[("inject", "on-request")], |object| {
            object["metadata"]["annotations"] = json!({"silkroll.dev/inject": "enabled"});
        }),
        ("fine", OPTED_IN, |object| {
            object["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
        }),
        ("fine", OPTED_IN, |object| {
            object["metadata"]["ownerReferences"] =
                json!([{"kind": "App", "name": "web", "controller": true}]);
        }),
        ("invalid-annotation", OPTED_IN, |object| {
            object["metadata"]["annotations"] = json!({"silkroll.dev/drain-seconds": "soon"});
        }),
        (
            "invalid-annotation",
            &[("inject", "enabled"), ("drain-seconds", "soon")],
            |_| {},
        ),
        ("no-container", OPTED_IN, |object| {
            object["spec"]["template"]["spec"]["containers"] =
                json!([{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]);
        }),
        ("windows", OPTED_IN, |object| {
            object["spec"]["template"]["spec"]["os"] = json!({"name": "windows"});
        }),
        ("bad-record", OPTED_IN, |object| {
            object["spec"]["template"]["metadata"]["annotations"] =
                json!({"silkroll.dev/status": "{\"format\":1}"});
        }),
        ("malformed", OPTED_IN, |object| {
            object["spec"] = json!({"template": 7});
        }),
        ("fine", &[("inject", "enabled"), ("level", "pod")], |_| {}),
    ];
    for (expected, namespace, edit) in cases {
        let mut object = deployment();
        edit(&mut object);
        let finding = found(&settings(ALL), Kind::Deployment, namespace, &object);
        assert_eq!(
            code(finding.as_ref()),
            *expected,
            "{namespace:?} {object}: {finding:?}"
        );
        if let Some(finding) = finding {
            assert!(
                !finding.outdated && finding.note.len() <= 1000,
                "{finding:?}"
            );
        }
    }
    // The namespace asks for Pods, and they are switched off.
    let pods = &[("inject", "enabled"), ("level", "pod")];
    let off = found(
        &settings(&[Kind::Deployment]),
        Kind::Deployment,
        pods,
        &deployment(),
    );
    assert_eq!(code(off.as_ref()), "level-off");
    assert!(off.unwrap().note.contains("--workloads"));
}

#[test]
fn what_the_webhook_stored_is_fine_until_something_else_would_be_injected() {
    let now = settings(ALL);
    let stored = injected(&now, OPTED_IN, deployment());
    let of = |settings: &Settings, namespace, object: &Value| {
        let finding = found(settings, Kind::Deployment, namespace, object);
        assert!(
            finding.as_ref().is_none_or(|finding| finding.outdated),
            "{finding:?}"
        );
        code(finding.as_ref())
    };
    assert_eq!(of(&now, OPTED_IN, &stored), "fine");
    let mut script = now.clone();
    script.script.config_map = "silkroll-0123456789ab".to_owned();
    let nacos = &[
        ("inject", "enabled"),
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ];
    let with_script = injected(&now, nacos, deployment());
    assert_eq!(of(&now, nacos, &with_script), "fine");
    assert_eq!(of(&script, nacos, &with_script), "outdated");
    assert_eq!(
        of(
            &now,
            &[("inject", "enabled"), ("drain-seconds", "40")],
            &stored
        ),
        "outdated"
    );
    assert_eq!(of(&now, &[("inject", "on-request")], &stored), "outdated");
    // While Silkroll was away the hook was taken out.
    let mut changed = stored.clone();
    changed["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = Value::Null;
    assert_eq!(of(&now, OPTED_IN, &changed), "outdated");
    let mut refused = stored.clone();
    refused["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
    assert_eq!(of(&now, OPTED_IN, &refused), "outdated");
    let mut owned = stored.clone();
    owned["metadata"]["ownerReferences"] =
        json!([{"kind": "App", "name": "web", "controller": true}]);
    assert_eq!(of(&now, OPTED_IN, &owned), "fine");
    // Neither what a manager applied nor what kubectl noted is being sent now.
    let mut sent = stored.clone();
    let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:terminationGracePeriodSeconds": {},
        "f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:lifecycle": {"f:preStop": {"f:sleep": {"f:seconds": {}}}}}}}}}});
    sent["metadata"]["managedFields"] = json!([{"manager": "kubectl", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
    sent["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": stored.to_string(),
    });
    assert_eq!(of(&now, OPTED_IN, &sent), "fine");
}

#[test]
fn a_pod_is_missed_where_its_namespace_injects_pods_and_it_stands_for_a_service() {
    let pods: &[(&str, &str)] = &[("inject", "enabled"), ("level", "pod")];
    let pod = json!({
        "metadata": {"name": "web-1", "namespace": "shop", "ownerReferences":
            [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": true}]},
        "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
    });
    let missed = found(&settings(ALL), Kind::Pod, pods, &pod).unwrap();
    assert_eq!(missed.reason, NOT_INJECTED);
    assert!(
        missed.note.contains("kubectl delete pod web-1 -n shop"),
        "{missed:?}"
    );
    assert_eq!(found(&settings(ALL), Kind::Pod, OPTED_IN, &pod), None);
    let mut alone = pod.clone();
    alone["metadata"]["ownerReferences"] = Value::Null;
    assert_eq!(found(&settings(ALL), Kind::Pod, pods, &alone), None);
    let none = Vec::new();
    for (annotations, expected) in [(pairs(pods), true), (pairs(OPTED_IN), false)] {
        let view = NamespaceView::Known {
            annotations: &annotations,
            labels: &none,
        };
        assert_eq!(covers(Kind::Pod, view), expected);
        assert!(covers(Kind::Deployment, view));
    }
}

#[test]
fn what_to_do_is_a_command_that_changes_the_template() {
    for (kind, expected) in [
        (
            Kind::Deployment,
            "kubectl rollout restart deployment/web -n shop --field-manager=silkroll",
        ),
        (
            Kind::StatefulSet,
            "kubectl rollout restart statefulset/web -n shop --field-manager=silkroll",
        ),
        (
            Kind::DaemonSet,
            "kubectl rollout restart daemonset/web -n shop --field-manager=silkroll",
        ),
        (
            Kind::Rollout,
            "change the pod template of rollout/web -n shop",
        ),
    ] {
        assert_eq!(again(kind, "shop", "web"), expected);
    }
}

#[test]
fn a_note_fits_in_an_event_whatever_is_in_it() {
    for text in [
        "ä".repeat(5000),
        "\u{202e}".repeat(5000),
        "a".repeat(5000),
        "会".repeat(400),
    ] {
        let note = note(&text);
        assert!(
            note.len() <= NOTE && note.len() > NOTE / 3,
            "{}",
            note.len()
        );
    }
}

#[test]
fn each_reason_is_named_once() {
    let all: Vec<_> = reasons().collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}
