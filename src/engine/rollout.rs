//! `surge` and `minReadySeconds`: the two things outside the pod template.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Kind;
use super::base::integer;
use super::patch::{Patch, same};
use super::status::{Change, Status, Swap};
use super::view::{Container, Object, Spec, Template, member};

/// What is to be done about the strategy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Surge {
    /// The strategy's JSON.
    Set(String),
    /// It surges already.
    Already,
    /// It cannot, for this reason.
    Cannot(&'static str),
}

/// The member of `spec` that holds the strategy.
pub(super) fn strategy_path(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "/spec/strategy",
        Kind::StatefulSet | Kind::DaemonSet => "/spec/updateStrategy",
    }
}

/// The strategy as it stands.
pub(super) fn strategy<'a>(kind: Kind, spec: &Spec<'a>) -> Option<&'a RawValue> {
    match kind {
        Kind::Deployment => spec.strategy,
        Kind::StatefulSet | Kind::DaemonSet => spec.update_strategy,
    }
}

/// maxUnavailable 0 and maxSurge at least 1, everything else as it is.
pub(super) fn surge(kind: Kind, user: Option<&RawValue>, template: &Template<'_>) -> Surge {
    match kind {
        Kind::StatefulSet => {
            return Surge::Cannot(
                "rollout: surge is not for StatefulSets, which end a pod before they start the next",
            );
        }
        Kind::DaemonSet if holds_node_ports(template) => {
            return Surge::Cannot(
                "rollout: surge is not for DaemonSets with host ports: two pods cannot have them on one node",
            );
        }
        _ => {}
    }
    let mut strategy: Map<String, Value> = user
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    match strategy.get("type").and_then(Value::as_str) {
        None | Some("RollingUpdate" | "") => {}
        Some("Recreate") => {
            return Surge::Cannot(
                "rollout: surge has no effect on strategy Recreate, which stops all pods first",
            );
        }
        Some(_) => return Surge::Cannot("rollout: surge knows only strategy RollingUpdate"),
    }
    strategy.insert("type".to_owned(), "RollingUpdate".into());
    let mut rolling = match strategy.get("rollingUpdate") {
        Some(Value::Object(rolling)) => rolling.clone(),
        _ => Map::new(),
    };
    rolling.insert("maxUnavailable".to_owned(), 0.into());
    // A percentage is rounded up (API reference, RollingUpdateDeployment): any above 0 is at least 1.
    let none = match rolling.get("maxSurge") {
        None | Some(Value::Null) => true,
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::String(text)) => text.trim_end_matches('%') == "0",
        Some(_) => false,
    };
    if none {
        rolling.insert("maxSurge".to_owned(), 1.into());
    }
    strategy.insert("rollingUpdate".to_owned(), Value::Object(rolling));
    let wanted = Value::Object(strategy).to_string();
    match user {
        Some(user) if same(user.get(), &wanted) => Surge::Already,
        _ => Surge::Set(wanted),
    }
}

/// Whether the pods take ports of their node, by `hostPort` or `hostNetwork`.
fn holds_node_ports(template: &Template<'_>) -> bool {
    let network = member(&template.spec.rest, "hostNetwork").is_some_and(|raw| raw.get() == "true");
    let port = |container: &Container<'_>| {
        container
            .ports
            .is_some_and(|raw| raw.get().contains("\"hostPort\""))
    };
    network || template.spec.containers.iter().any(port)
}

/// The strategy that the user wrote, and the number of minReadySeconds: what stands there, or what
/// the record says stood there where ours is still in place.
pub(super) struct Users<'a> {
    pub(super) strategy: Option<Cow<'a, RawValue>>,
    pub(super) min_ready: Option<i64>,
}

/// Tells the user's part of `spec` from ours.
pub(super) fn users<'a>(
    kind: Kind,
    object: &'a Object<'_>,
    record: Option<&'a Status<'_>>,
) -> Users<'a> {
    let spec = object.spec.as_ref();
    let present = spec.and_then(|spec| strategy(kind, spec));
    let strategy = match (present, record.and_then(|record| record.strategy.as_ref())) {
        (Some(present), Some(swap)) if same(present.get(), swap.after.get()) => {
            swap.before.as_deref().map(Cow::Borrowed)
        }
        (present, _) => present.map(Cow::Borrowed),
    };
    let present = integer(spec.and_then(|spec| spec.min_ready_seconds));
    let min_ready = match record.and_then(|record| record.min_ready) {
        Some(change) if present == Some(change.after) => change.before,
        _ => present,
    };
    Users {
        strategy,
        min_ready,
    }
}

/// What is wanted of the two, and how the record tells it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) strategy: Option<Swap<'static>>,
    pub(super) min_ready: Option<Change>,
}

/// Brings `spec` to what is wanted, or back to what the user wrote.
pub(super) fn emit(
    patch: &mut Patch,
    kind: Kind,
    object: &Object<'_>,
    users: &Users<'_>,
    wanted: &Wanted,
) {
    let spec = object.spec.as_ref();
    let text = match &wanted.strategy {
        Some(swap) => Some(swap.after.get()),
        None => users.strategy.as_deref().map(RawValue::get),
    };
    let present = spec.and_then(|spec| strategy(kind, spec));
    patch.settle(strategy_path(kind), present, text);
    let seconds = match wanted.min_ready {
        Some(change) => Some(change.after),
        None => users.min_ready,
    };
    let present = spec.and_then(|spec| spec.min_ready_seconds);
    if integer(present) != seconds {
        let seconds = seconds.map(|seconds| seconds.to_string());
        patch.settle("/spec/minReadySeconds", present, seconds.as_deref());
    }
}
