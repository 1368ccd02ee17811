//! SR601 to SR604: whose the workload is, and whether Silkroll reached it or will.

use super::super::read::{list, text};
use super::super::rule::Id;
use super::super::workload::Workload;
use super::Found;
use crate::deregister::{Helper, Script};
use crate::engine::Kind;
use crate::policy::STATUS;
use crate::text::shown;

/// What Silkroll says of one object, in characters: a denial names each annotation that cannot be used.
const SAID: usize = 1000;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    let object = workload.object;
    let owners = list(&object.value["metadata"], "ownerReferences");
    let owner = owners.iter().find(|owner| owner["controller"] == true);
    let Some(kind) = Kind::of(object.api_version, object.kind) else {
        return;
    };
    if let Some(owner) = owner {
        let message = format!("{} {} owns it", text(owner, "kind"), text(owner, "name"));
        found.add(Id::Sr601, workload.at, "/metadata/ownerReferences", message);
    }
    // What stands in a file has not been applied yet.
    if !object.is_live() {
        if !object.denied.is_empty() {
            let message = shown(object.denied, SAID).into_owned();
            found.add(Id::Sr604, workload.at, "/metadata/annotations", message);
        }
        return;
    }
    let annotations = &workload.metadata["annotations"];
    if annotations[STATUS].is_string() {
        another_version(workload, found);
        return;
    }
    let opted_in = workload.world.has_opted_in(object);
    let at_pods = workload.world.is_left_to_pods(object);
    // Other kinds are the cluster's to cover or not.
    if opted_in && !at_pods && owner.is_none() && kind == Kind::Deployment {
        let mut message = format!(
            "Namespace {} has opted in, and the pod template has no record of an injection",
            object.namespace
        );
        if !object.refused.is_empty() {
            message.push_str("; when it is applied, Silkroll says: ");
            message.push_str(&shown(object.refused, SAID));
        }
        found.add(Id::Sr602, workload.at, "", message);
    }
}

fn another_version(workload: &Workload<'_, '_>, found: &mut Found) {
    let current = [Script::current().config_map, Helper::current().config_map];
    for (at, volume) in list(workload.spec, "volumes").iter().enumerate() {
        let map = text(&volume["configMap"], "name");
        if Script::names(map) && !current.iter().any(|name| name == map) {
            let pointer = workload.of_pod(&format!("volumes/{at}"));
            let message = format!(
                "its hook is in ConfigMap {map}, and this version writes {}",
                current[0]
            );
            found.add(Id::Sr603, workload.at, pointer, message);
        }
    }
}
