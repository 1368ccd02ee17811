//! Where the injection happens: in the workload that is applied, or, where the namespace says `level: pod`, in each
//! Pod when it is created. Then workloads stay as their author wrote them (`check.rs`).

use std::borrow::Cow;

use crate::plan::ask::{Ask, NamespaceView};
use crate::plan::report::{Decision, Reason};
use crate::policy::{Inject, LEVEL, Layer, Level, PREFIX, Pairs, Problem};
use crate::slots::json;
use crate::slots::kind::Kind;
use crate::slots::tree::{Node, Tree};

/// By which the kubelet marks the mirror of a static Pod: nothing that is changed in it reaches the containers.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Labels of a Pod that end its `ReplicaSet`'s name: of a Deployment's and of an Argo Rollout's.
const HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

/// Whether a namespace has opted in and asks for its Pods to be injected.
#[must_use]
pub fn injects_pods(namespace: NamespaceView<'_>) -> bool {
    said(namespace).and_then(Level::parse) == Some(Level::Pod) && has_opted_in(namespace)
}

/// Whether that of the object does.
pub(super) fn of_pods(ask: &Ask<'_>) -> bool {
    injects_pods(ask.view)
}

/// Whether that leaves this object as it is.
pub(super) fn left_to_pods(ask: &Ask<'_>) -> bool {
    ask.kind != Kind::Pod && of_pods(ask)
}

/// Whether an annotation of the author's that cannot be used denies the request. A Pod's author is not there to mend
/// it, and neither is that of a workload which a controller writes.
pub(super) fn denies(ask: &Ask<'_>) -> bool {
    let written = ask.kind == Kind::Pod || left_to_pods(ask) && ask.object.is_owned();
    ask.settings.deny_invalid && !written
}

fn said(namespace: NamespaceView<'_>) -> Option<&str> {
    value(namespace.annotations(), LEVEL)
}

fn has_opted_in(namespace: NamespaceView<'_>) -> bool {
    let said = value(namespace.annotations(), "inject").and_then(Inject::parse);
    matches!(said, Some(Inject::Enabled | Inject::OnRequest))
}

/// The value of a key, given without the prefix.
pub(super) fn value<'a>(pairs: &'a Pairs<'_>, name: &str) -> Option<&'a str> {
    let found = pairs
        .iter()
        .find(|(key, _)| key.strip_prefix(PREFIX) == Some(name));
    found.map(|(_, value)| value.as_ref())
}

/// A Pod that nothing has to be read of: most are of namespaces that do not ask for it.
pub(super) fn passed_over(ask: &Ask<'_>) -> Option<Decision> {
    if ask.kind != Kind::Pod || ask.remove {
        return None;
    }
    let level = said(ask.view).map_or(Some(Level::Workload), Level::parse);
    let reason = match level {
        _ if matches!(ask.view, NamespaceView::Unknown) => Reason::NamespaceUnknown,
        None if has_opted_in(ask.view) => return Some(unknown_level(ask)),
        Some(Level::Pod) if ask.settings.kinds.contains(&Kind::Pod) => return None,
        Some(Level::Pod) if has_opted_in(ask.view) => Reason::LevelOff,
        _ => Reason::LevelWorkload,
    };
    Some(Decision::skipped(reason))
}

fn unknown_level(ask: &Ask<'_>) -> Decision {
    let value = said(ask.view).unwrap_or_default();
    let allowed = "allowed is workload or pod".to_owned();
    let problem = Problem::new(LEVEL, value, Layer::Namespace, ask.subject(), allowed);
    Decision::skipped(Reason::InvalidAnnotation).warn(&format!("nothing was injected: {problem}"))
}

/// Whether a Pod is one that stands for a service: another takes its place when it goes, and it goes by being deleted.
pub(super) fn serves(ask: &Ask<'_>, tree: &Tree<'_>) -> bool {
    if ask.kind != Kind::Pod {
        return true;
    }
    let controller = ask.object.controller();
    let restarted = tree.pod().json("restartPolicy");
    let annotations = tree.meta().get("annotations").unwrap_or(&Node::Gone);
    controller.is_some_and(|controller| controller.kind.0 != "Job")
        && matches!(restarted, None | Some(r#""Always""#))
        && annotations.get(MIRROR).is_none()
}

/// The workload's name, for settings that default to it. Of a Pod it is its controller's, as the author knows it:
/// without the hash that a Deployment puts behind it.
pub(super) fn workload_name<'a>(ask: &'a Ask<'_>, user: &Tree<'_>) -> Cow<'a, str> {
    if ask.kind != Kind::Pod {
        return Cow::Borrowed(ask.workload_name());
    }
    let Some(controller) = ask.object.controller() else {
        return Cow::Borrowed("");
    };
    let name = controller.name.0;
    if controller.kind.0 != "ReplicaSet" {
        return name;
    }
    let labels = json::value(user.meta().json("labels").unwrap_or_default());
    let mut hashes = HASHES.iter().filter_map(|label| labels[*label].as_str());
    let without = hashes.find_map(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    match without.filter(|name| !name.is_empty()) {
        Some(without) => Cow::Owned(without.to_owned()),
        None => name,
    }
}
