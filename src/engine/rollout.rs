//! `surge` and `minReadySeconds`: the two things outside the pod template.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Kind;
use super::base::integer;
use super::patch::{Patch, same};
use super::status::{Change, Status, Swap};
use super::valid::{self, Amount};
use super::view::{Object, Spec, Template, member};

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
    let Some((unavailable, surge)) = valid::defaults(kind) else {
        return Surge::Cannot(
            "rollout: surge is not for StatefulSets, which end a pod before they start the next",
        );
    };
    if valid::refuses_strategy(kind, user) {
        return Surge::Cannot(
            "rollout: surge was left out: the API refuses maxSurge and maxUnavailable as they stand",
        );
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
    // What is left out is what the API fills in, so that a manifest and what the API server makes of it
    // are answered alike.
    for (member, default) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
        let given = rolling.entry(member).or_insert(Value::Null);
        if given.is_null() {
            *given = default;
        }
    }
    // A percentage is rounded up (API reference, RollingUpdateDeployment): any above 0 is at least 1.
    let number = |member: &str| {
        let amount = rolling.get(member).and_then(Amount::read);
        amount.map_or(0, |amount| amount.number)
    };
    let surges = number("maxSurge") > 0;
    if surges && number("maxUnavailable") == 0 {
        return Surge::Already;
    }
    rolling.insert("maxUnavailable".to_owned(), 0.into());
    if !surges {
        rolling.insert("maxSurge".to_owned(), 1.into());
    }
    strategy.insert("rollingUpdate".to_owned(), Value::Object(rolling));
    if holds_node_ports(template) {
        return Surge::Cannot(
            "rollout: surge was left out: the pods take ports of their node (hostPort, hostNetwork), \
             and where every node has one a second finds no place",
        );
    }
    Surge::Set(Value::Object(strategy).to_string())
}

/// Whether the pods take ports of their node, by `hostPort` or `hostNetwork`.
fn holds_node_ports(template: &Template<'_>) -> bool {
    let network = member(&template.spec.rest, "hostNetwork").is_some_and(|raw| raw.get() == "true");
    let taken = |ports: &Value| {
        let mut ports = ports.as_array().into_iter().flatten();
        ports.any(|port| port["hostPort"].as_i64().is_some_and(|number| number != 0))
    };
    let containers = template.spec.containers.iter();
    let mut ports = containers.filter_map(|container| container.ports);
    network
        || ports.any(|raw| serde_json::from_str(raw.get()).is_ok_and(|ports| taken(&ports)))
        || valid::init_containers(template)
            .iter()
            .any(|container| taken(&container["ports"]))
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
        (Some(present), Some(swap)) if valid::refuses_strategy(kind, Some(present)) => {
            Some(untangled(kind, present, swap).map_or(Cow::Borrowed(present), Cow::Owned))
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

/// What stands there, but for what of ours would break a rule of the API beside what the user wrote;
/// with the warning where that is minReadySeconds.
pub(super) fn giving_way<'a>(
    kind: Kind,
    object: &'a Object<'_>,
    record: &'a Status<'_>,
) -> (Users<'a>, Option<String>) {
    let spec = object.spec.as_ref();
    let mut users = users(kind, object, Some(record));
    let present = spec.and_then(|spec| strategy(kind, spec));
    if !valid::refuses_strategy(kind, present) {
        users.strategy = present.map(Cow::Borrowed);
    }
    let present = integer(spec.and_then(|spec| spec.min_ready_seconds));
    let ours = record.min_ready.filter(|ours| present == Some(ours.after));
    if let Some(ours) = ours
        && let Some(why) = valid::too_long(kind, spec, ours.after)
    {
        return (users, Some(valid::min_ready_left_out(ours.after, &why)));
    }
    users.min_ready = present;
    (users, None)
}

/// The user's part of a strategy that a patch or an apply merged from theirs and ours into what the
/// API refuses: of the two numbers, one that is as we set it is what it was before. None where that
/// does not explain it.
fn untangled(kind: Kind, present: &RawValue, swap: &Swap<'_>) -> Option<Box<RawValue>> {
    let read = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    let mut users = read(present)?;
    let after = read(&swap.after)?;
    let before = swap.before.as_deref().and_then(read).unwrap_or_default();
    let rolling = users.get_mut("rollingUpdate")?.as_object_mut()?;
    for member in ["maxUnavailable", "maxSurge"] {
        if rolling.get(member) != after["rollingUpdate"].get(member) {
            continue;
        }
        match &before["rollingUpdate"][member] {
            Value::Null => drop(rolling.shift_remove(member)),
            value => drop(rolling.insert(member.to_owned(), value.clone())),
        }
    }
    let users = RawValue::from_string(users.to_string()).ok()?;
    (!valid::refuses_strategy(kind, Some(&users))).then_some(users)
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
