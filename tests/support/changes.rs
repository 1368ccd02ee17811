//! What happens to a workload after it was injected: its user's changes, another webhook's, and the ways
//! in which a changed manifest reaches the API server.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use silkroll::engine::{Decision, Settings};

use super::merge::three_way;
use super::{Pairs, patch_by, update};

/// A change of a manifest or of a stored object.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Sets the member at this path, whatever is there; `None` takes it away.
    Set(&'static str, Option<Value>),
    /// Adds items to the list at this path, in front or behind.
    Add(&'static str, Value, bool),
    /// Takes the first item of the list at this path away.
    Drop(&'static str),
    /// Gives each number of ours another value, as a webhook that caps them does.
    Cap(i64),
}

/// How a user sends a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `kubectl edit` and `patch`: the stored object with the change in it.
    Edit,
    /// `kubectl replace`: the manifest with the change in it, and nothing else.
    Replace,
    /// `kubectl apply`: the three-way merge, and the manifest in an annotation.
    Apply,
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(crate) fn way() -> impl Strategy<Value = Way> {
    prop::sample::select(vec![Way::Edit, Way::Replace, Way::Apply])
}

impl Way {
    /// What a create by this way sends.
    pub(crate) fn first(self, manifest: &Value) -> Value {
        let mut object = manifest.clone();
        if self == Self::Apply {
            remember(&mut object, manifest);
        }
        object
    }

    /// Sends it over what is stored.
    pub(crate) fn send(
        self,
        new: &Value,
        old: &Value,
        namespace: &Pairs,
        settings: &Settings,
    ) -> (Value, Decision) {
        match self {
            Self::Edit => patch_by("kubectl-edit", new, old, namespace, settings),
            Self::Apply => patch_by("kubectl-client-side-apply", new, old, namespace, settings),
            Self::Replace => update(new, old, namespace, settings),
        }
    }

    /// What an update sends that turns the manifest `last` into `now`, where `live` is stored.
    pub(crate) fn next(self, last: &Value, now: &Value, live: &Value, changes: &[Change]) -> Value {
        match self {
            Self::Edit => {
                let mut object = live.clone();
                for change in changes {
                    change.make(&mut object);
                }
                object
            }
            Self::Replace => now.clone(),
            Self::Apply => {
                let mut object = three_way(last, now, live);
                remember(&mut object, now);
                object
            }
        }
    }
}

fn remember(object: &mut Value, manifest: &Value) {
    set(
        object,
        &["metadata", "annotations", LAST_APPLIED],
        Some(manifest.to_string().into()),
    );
}

impl Change {
    /// Makes it; where the path leads nowhere the object stays as it is.
    pub(crate) fn make(&self, object: &mut Value) {
        match self {
            Self::Set(path, value) => {
                let path: Vec<&str> = path.split('|').collect();
                set(object, &path, value.clone());
            }
            Self::Add(path, items, front) => {
                let path: Vec<&str> = path.split('|').collect();
                edit_list(object, &path, |list| {
                    let at = if *front { 0 } else { list.len() };
                    list.splice(at..at, items.as_array().cloned().unwrap_or_default());
                });
            }
            Self::Drop(path) => {
                let path: Vec<&str> = path.split('|').collect();
                edit_list(object, &path, |list| {
                    list.drain(..list.len().min(1));
                });
            }
            Self::Cap(most) => {
                let pod = &mut object["spec"]["template"]["spec"];
                if let Some(grace) = pod.get_mut("terminationGracePeriodSeconds")
                    && grace.as_i64().is_some_and(|grace| grace > *most)
                {
                    *grace = (*most).into();
                }
            }
        }
    }
}

/// Members by name, items of a list by number; objects are made on the way.
fn set(object: &mut Value, path: &[&str], value: Option<Value>) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if let Ok(at) = key.parse::<usize>() {
        if let Some(item) = object.get_mut(at) {
            set(item, rest, value);
        }
        return;
    }
    if object.is_null() && value.is_some() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(members) = object else {
        return;
    };
    match (rest, value) {
        ([], Some(value)) => {
            members.insert((*key).to_owned(), value);
        }
        ([], None) => {
            members.shift_remove(*key);
        }
        (_, None) => {
            if let Some(member) = members.get_mut(*key) {
                set(member, rest, None);
            }
        }
        (_, value) => set(members.entry(*key).or_insert(Value::Null), rest, value),
    }
}

fn edit_list(object: &mut Value, path: &[&str], edit: impl FnOnce(&mut Vec<Value>)) {
    let mut at = object;
    for key in path {
        let next = match (key.parse::<usize>(), &*at) {
            (Ok(number), Value::Array(_)) => at.get_mut(number),
            (_, Value::Object(_)) => at.as_object_mut().map(|members| {
                members
                    .entry(*key)
                    .or_insert_with(|| Value::Array(Vec::new()))
            }),
            _ => None,
        };
        let Some(next) = next else {
            return;
        };
        at = next;
    }
    if at.is_null() {
        *at = Value::Array(Vec::new());
    }
    if let Value::Array(list) = at {
        edit(list);
    }
}

fn sets(all: Vec<(&'static str, Option<Value>)>) -> BoxedStrategy<Change> {
    prop::sample::select(all)
        .prop_map(|(path, value)| Change::Set(path, value))
        .boxed()
}

fn adds(all: Vec<(&'static str, Value)>) -> BoxedStrategy<Change> {
    (prop::sample::select(all), any::<bool>())
        .prop_map(|((path, items), front)| Change::Add(path, items, front))
        .boxed()
}

fn in_first_container() -> Vec<(&'static str, Option<Value>)> {
    const LIFECYCLE: &str = "spec|template|spec|containers|0|lifecycle";
    const PRE_STOP: &str = "spec|template|spec|containers|0|lifecycle|preStop";
    const POST_START: &str = "spec|template|spec|containers|0|lifecycle|postStart";
    const PROBE: &str = "spec|template|spec|containers|0|readinessProbe";
    const STARTUP: &str = "spec|template|spec|containers|0|startupProbe";
    const ENV: &str = "spec|template|spec|containers|0|env";
    let get = json!({"httpGet": {"path": "/bye", "port": 8080, "scheme": "HTTP"}});
    vec![
        ("spec|template|spec|containers|0|image", Some("i:2".into())),
        (
            "spec|template|spec|containers|0|name",
            Some("renamed".into()),
        ),
        (
            "spec|template|spec|containers|0|command",
            Some(json!(["/bin/sh", "-c", "serve"])),
        ),
        (
            "spec|template|spec|containers|0|ports",
            Some(json!([{"name": "web", "containerPort": 9000}])),
        ),
        (LIFECYCLE, None),
        (LIFECYCLE, Some(json!({}))),
        (LIFECYCLE, Some(Value::Null)),
        (PRE_STOP, None),
        (PRE_STOP, Some(json!({}))),
        (PRE_STOP, Some(Value::Null)),
        (PRE_STOP, Some(get.clone())),
        (PRE_STOP, Some(json!({"sleep": {"seconds": 15}}))),
        (
            PRE_STOP,
            Some(json!({"exec": {"command": ["/bin/sh", "-c", "echo bye"]}})),
        ),
        // What an apply merges into ours: a second action, or another value of the same.
        (
            "spec|template|spec|containers|0|lifecycle|preStop|httpGet",
            Some(get["httpGet"].clone()),
        ),
        (
            "spec|template|spec|containers|0|lifecycle|preStop|sleep|seconds",
            Some(3.into()),
        ),
        (
            "spec|template|spec|containers|0|lifecycle|preStop|exec|command",
            Some(json!(["/app/stop"])),
        ),
        (POST_START, None),
        (
            POST_START,
            Some(json!({"exec": {"command": ["touch", "/tmp/x"]}})),
        ),
        (POST_START, Some(get)),
        (PROBE, None),
        (PROBE, Some(Value::Null)),
        (PROBE, Some(json!({"tcpSocket": {"port": 8080}}))),
        (STARTUP, None),
        (STARTUP, Some(json!({"tcpSocket": {"port": 8080}}))),
        (
            "spec|template|spec|containers|0|startupProbe|failureThreshold",
            Some(30.into()),
        ),
        (
            "spec|template|spec|containers|0|startupProbe|grpc",
            Some(json!({"port": 8080})),
        ),
        (
            "spec|template|spec|containers|0|readinessProbe|periodSeconds",
            Some(3.into()),
        ),
        (
            "spec|template|spec|containers|0|readinessProbe|httpGet",
            Some(json!({"path": "/ready", "port": 8080, "scheme": "HTTP"})),
        ),
        (ENV, None),
        (ENV, Some(json!([]))),
        (ENV, Some(json!([{"name": "podip", "value": "192.0.2.9"}]))),
        (
            ENV,
            Some(
                json!([{"name": "podip", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}]),
            ),
        ),
        (
            "spec|template|spec|containers|0|env|0|value",
            Some("other".into()),
        ),
        ("spec|template|spec|containers|0|volumeMounts", None),
        (
            "spec|template|spec|containers|0|volumeMounts",
            Some(json!([])),
        ),
    ]
}

fn in_pod() -> Vec<(&'static str, Option<Value>)> {
    const GRACE: &str = "spec|template|spec|terminationGracePeriodSeconds";
    vec![
        (GRACE, None),
        (GRACE, Some(Value::Null)),
        (GRACE, Some(30.into())),
        (GRACE, Some(45.into())),
        (GRACE, Some(5_000.into())),
        ("spec|template|spec|volumes", None),
        ("spec|template|spec|volumes", Some(json!([]))),
        ("spec|template|metadata", None),
        ("spec|template|metadata|annotations", None),
        ("spec|template|metadata|annotations", Some(json!({}))),
        (
            "spec|template|metadata|annotations|kubectl.kubernetes.io/restartedAt",
            Some("2026-01-01T00:00:00Z".into()),
        ),
        ("spec|template|metadata|labels|tier", Some("a".into())),
        (
            "spec|template|metadata|annotations|silkroll.dev/drain-seconds",
            Some("41".into()),
        ),
        (
            "spec|template|spec|nodeSelector",
            Some(json!({"kubernetes.io/arch": "arm64"})),
        ),
        (
            "spec|template|spec|futureField",
            Some(json!({"a": [1, null]})),
        ),
    ]
}

fn outside() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("metadata|labels|team", Some("a".into())),
        (
            "metadata|annotations|deployment.kubernetes.io/revision",
            Some("2".into()),
        ),
        ("spec|replicas", Some(9.into())),
        ("spec|minReadySeconds", None),
        ("spec|minReadySeconds", Some(0.into())),
        ("spec|minReadySeconds", Some(12.into())),
        ("spec|progressDeadlineSeconds", Some(5.into())),
        ("spec|progressDeadlineSeconds", None),
        ("spec|strategy", None),
        ("spec|strategy", Some(json!({"type": "Recreate"}))),
        (
            "spec|strategy",
            Some(
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
            ),
        ),
        (
            "spec|strategy|rollingUpdate",
            Some(json!({"maxUnavailable": 2})),
        ),
        (
            "spec|updateStrategy",
            Some(json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}})),
        ),
        ("spec|updateStrategy", None),
        ("spec|strategy", Some(json!({"canary": {"maxSurge": 0}}))),
        (
            "spec|strategy",
            Some(json!({"blueGreen": {"activeService": "web"}})),
        ),
        (
            "spec|workloadRef",
            Some(json!({"kind": "Deployment", "name": "web"})),
        ),
    ]
}

fn annotations() -> Vec<(&'static str, Option<Value>)> {
    vec![
        (
            "metadata|annotations|silkroll.dev/inject",
            Some("disabled".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/inject",
            Some("true".into()),
        ),
        ("metadata|annotations|silkroll.dev/inject", None),
        (
            "metadata|annotations|silkroll.dev/drain-seconds",
            Some("40".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/drain-seconds",
            Some("soon".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/deregister",
            Some("none".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/existing-pre-stop",
            Some("keep".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/existing-pre-stop",
            Some("replace".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/container",
            Some("b".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/rollout",
            Some("surge".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/readiness",
            Some("none".into()),
        ),
        (
            "metadata|annotations|silkroll.dev/drain-second",
            Some("1".into()),
        ),
    ]
}

fn record() -> Vec<(&'static str, Option<Value>)> {
    const STATUS: &str = "spec|template|metadata|annotations|silkroll.dev/status";
    vec![
        (STATUS, None),
        (STATUS, Some("{".into())),
        (STATUS, Some("{\"format\":99}".into())),
    ]
}

fn more_of_the_users() -> Vec<(&'static str, Value)> {
    vec![
        (
            "spec|template|spec|containers",
            json!([{"name": "c", "image": "i:1"}]),
        ),
        (
            "spec|template|spec|containers",
            json!([{"name": "c", "image": "i:1", "ports": [{"containerPort": 7000}]}]),
        ),
        (
            "spec|template|spec|containers|0|env",
            json!([{"name": "NEW", "value": "$(podip)"}]),
        ),
        (
            "spec|template|spec|containers|0|volumeMounts",
            json!([{"name": "data", "mountPath": "/silkroll"}]),
        ),
        (
            "spec|template|spec|volumes",
            json!([{"name": "more", "emptyDir": {}}]),
        ),
        (
            "spec|template|spec|volumes",
            json!([{"name": "silkroll", "emptyDir": {}}]),
        ),
    ]
}

/// One change that a user makes.
pub(crate) fn users() -> BoxedStrategy<Change> {
    prop_oneof![
        6 => sets(in_first_container()),
        3 => sets(in_pod()),
        3 => sets(outside()),
        2 => sets(annotations()),
        1 => sets(record()),
        2 => adds(more_of_the_users()),
        1 => prop::sample::select(vec![
            "spec|template|spec|containers",
            "spec|template|spec|containers|0|env",
            "spec|template|spec|volumes",
        ]).prop_map(Change::Drop),
    ]
    .boxed()
}

/// One change that another webhook makes: sidecars, variables, certificates, digests, defaults, caps.
pub(crate) fn webhooks() -> BoxedStrategy<Change> {
    let proxy = json!([{
        "name": "proxy", "image": "proxy:1", "ports": [{"name": "http-envoy", "containerPort": 15090, "protocol": "TCP"}],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 5"]}}},
        "volumeMounts": [{"name": "certificates", "mountPath": "/etc/certs"}]
    }]);
    let adds = adds(vec![
        ("spec|template|spec|containers", proxy),
        (
            "spec|template|spec|initContainers",
            json!([{"name": "proxy-init", "image": "proxy:1"}]),
        ),
        (
            "spec|template|spec|containers|0|env",
            json!([{"name": "HTTP_PROXY", "value": "http://proxy"}]),
        ),
        (
            "spec|template|spec|containers|0|volumeMounts",
            json!([{"name": "certificates", "mountPath": "/etc/ssl/certs", "readOnly": true}]),
        ),
        (
            "spec|template|spec|volumes",
            json!([{"name": "certificates", "emptyDir": {}}]),
        ),
    ]);
    let sets = sets(vec![
        (
            "spec|template|metadata|annotations|sidecar.example.com/status",
            Some("{\"injected\":true}".into()),
        ),
        (
            "spec|template|metadata|labels|sidecar.example.com/rev",
            Some("1".into()),
        ),
        (
            "spec|template|spec|containers|0|image",
            Some("i@sha256:0123".into()),
        ),
        (
            "spec|template|spec|containers|0|readinessProbe",
            Some(json!({"httpGet": {"path": "/app-health/a/readyz", "port": 15020}})),
        ),
        (
            "spec|template|spec|containers|0|readinessProbe|timeoutSeconds",
            Some(5.into()),
        ),
        (
            "spec|template|spec|containers|0|lifecycle|postStart",
            Some(json!({"exec": {"command": ["wait-for-proxy"]}})),
        ),
        (
            "spec|template|spec|containers|0|lifecycle|preStop",
            Some(json!({"exec": {"command": ["/wrapped"]}})),
        ),
        (
            "spec|template|spec|containers|0|imagePullPolicy",
            Some("IfNotPresent".into()),
        ),
        (
            "spec|template|spec|terminationGracePeriodSeconds",
            Some(90.into()),
        ),
        ("spec|template|spec|restartPolicy", Some("Always".into())),
        ("spec|strategy|rollingUpdate|maxSurge", Some(2.into())),
    ]);
    prop_oneof![
        4 => adds,
        4 => sets,
        1 => prop::sample::select(vec![20_i64, 40, 60]).prop_map(Change::Cap),
    ]
    .boxed()
}
