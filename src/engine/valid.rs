//! Law 5: what the API server admits without Silkroll it admits with it. Every rule of the API's
//! validation that an injection could break is here, with what is left out where it would; and what
//! only an injection makes valid, for that fails when the injection is taken out.
//!
//! The rules are those of Kubernetes 1.36, in `pkg/apis/apps/validation` and
//! `pkg/apis/core/validation`:
//!
//! | rule | what of ours could break it | then |
//! |---|---|---|
//! | minReadySeconds below progressDeadlineSeconds (`ValidateDeploymentSpec`) | `min-ready-seconds` | left out, with a warning |
//! | mount paths unique, none a device's path (`ValidateVolumeMounts`) | the mount at /silkroll | nothing is injected: `name-taken` |
//! | volume names unique, mounts of volumes that exist (`ValidateVolumes`); claim templates stand in for volumes (`ValidateStatefulSetSpec`) | the volume silkroll | nothing is injected: `name-taken` |
//! | 256 KiB of annotations (`ValidateAnnotationsSize`) | the record | nothing is injected: `no-room` |
//! | maxSurge and maxUnavailable not both 0; a DaemonSet's not both above 0 (`ValidateDeploymentStrategy`, `ValidateDaemonSetUpdateStrategy`) | `rollout: surge`, merged with what the user writes later | the user's part is told from ours; a strategy that is refused without us is left alone |
//! | a sleep within the grace period (`validateSleepAction`) | taking out: the grace period is never lowered by injecting and holds our sleep | a user's sleep that only our grace period makes valid is warned of, and ours stays when the rest is taken out |
//! | one action in a hook, and that a whole one (`validateHandler`) | nothing | a user's hook that is refused, where ours stands in its place, is warned of |
//! | one source in a volume, a variable, a probe | what an apply merged from the user's and ours | `user.rs` tells them apart |

mod owing;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::deregister::{MOUNT_PATH, VOLUME};
use crate::parts::{self, MIN_READY, MOUNT};
use crate::plan::ask::{Ask, Stop};
use crate::plan::report::Reason;
use crate::plan::wants::Plan;
use crate::policy::{PREFIX, STATUS};
use crate::slots::json::{self, name_of};
use crate::slots::tree::{Node, Tree};

/// `TotalAnnotationSizeLimitB` of apimachinery: bytes of all names and values together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Checks what is wanted, before any of it is put in: takes out of the plan what would break a rule.
///
/// # Errors
/// Nothing of it can be injected.
pub(super) fn check(ask: &Ask<'_>, user: &Tree<'_>, plan: &mut Plan<'_>) -> Result<(), Stop> {
    names(ask, user, plan)?;
    let min_ready = plan
        .wants
        .iter_mut()
        .find(|want| *want.slot.form == MIN_READY);
    if let Some(want) = min_ready {
        let seconds = json::integer(Some(&want.value)).unwrap_or(0);
        if let Some(why) = parts::too_long(ask.kind, ask.object.spec.as_ref(), seconds) {
            // The record keeps it: it is set as soon as progressDeadlineSeconds allows it.
            want.later = true;
            plan.steps.retain(|step| step.part != "min-ready");
            plan.pod_step("min-ready", || format!("left out: {why}"));
            plan.warn(parts::left_out(seconds, &why));
        }
    }
    owing::warn(user, plan);
    Ok(())
}

/// Whether the user's own hooks sleep longer than their grace period, and what stands there holds them: then it has to stay
/// when ours is taken out.
pub(super) fn needs_grace(user: &Tree<'_>, standing: &Tree<'_>) -> bool {
    let sleep = owing::longest_sleep(user);
    sleep > parts::had(user) && sleep <= parts::had(standing)
}

/// The volume's name and the mount's path have to be free.
fn names(ask: &Ask<'_>, user: &Tree<'_>, plan: &Plan<'_>) -> Result<(), Stop> {
    let taken = |what: String| {
        let warning = format!("nothing was injected: {what}");
        Err(Stop::skip(Reason::NameTaken, warning))
    };
    if plan.wanted(&MOUNT).next().is_none() {
        return Ok(());
    }
    let claims = ask
        .object
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_claim_templates);
    if user
        .pod()
        .list("volumes")
        .any(|volume| name_of(volume) == VOLUME)
        || claims.is_some_and(claims_our_name)
    {
        return taken(format!(
            "the pod has a volume named {VOLUME} of its own; rename it"
        ));
    }
    let mounting = |name: &str| plan.wanted(&MOUNT).any(|want| want.slot.container == name);
    for (container, name) in user.containers().iter().zip(&user.names) {
        let paths = container
            .list("volumeMounts")
            .map(|mount| text(mount, "mountPath"));
        if paths
            .chain(devices(container))
            .any(|path| is_at_or_below(&path))
            && mounting(name)
        {
            return taken(format!(
                "container {name} mounts something of its own at {MOUNT_PATH} or below; move it"
            ));
        }
    }
    // Ours would stand in for the volume that is missing, and the API would no longer say so.
    if mounts_ours(user) {
        return taken(format!(
            "the pod mounts a volume named {VOLUME} of its own; rename it"
        ));
    }
    Ok(())
}

/// A member that is a text; empty where it is none.
fn text(item: &str, name: &str) -> String {
    json::member(&json::members(item), name)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn devices(container: &Node<'_>) -> impl Iterator<Item = String> {
    let list = container.json("volumeDevices");
    let list: Vec<&RawValue> = list
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    list.into_iter()
        .map(|device| text(device.get(), "devicePath"))
}

/// Below counts, too: ours is read-only, so no mount point can be made in it and the container would
/// not start. So does a path that means the same to the container runtime.
fn is_at_or_below(path: &str) -> bool {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.first() == MOUNT_PATH.strip_prefix('/').as_ref()
}

fn claims_our_name(claims: &RawValue) -> bool {
    let claims: Value = serde_json::from_str(claims.get()).unwrap_or_default();
    let mut claims = claims.as_array().into_iter().flatten();
    claims.any(|claim| claim["metadata"]["name"] == VOLUME)
}

/// Whether any container mounts a volume of our name.
pub(super) fn mounts_ours(user: &Tree<'_>) -> bool {
    let mut mounts = user
        .containers()
        .iter()
        .flat_map(|container| container.list("volumeMounts"));
    mounts.any(|mount| text(mount, "name") == VOLUME)
        || user
            .init_containers()
            .iter()
            .filter_map(|container| container["volumeMounts"].as_array())
            .flatten()
            .any(|mount| mount["name"] == VOLUME)
}

/// The record has to fit beside the other annotations.
pub(super) fn room(user: &Tree<'_>, record: &str) -> Result<(), Stop> {
    let ours = user.ours.iter().filter(|(key, _)| key != STATUS);
    let ours: usize = ours.map(|(key, value)| key.len() + value.len()).sum();
    let annotations: &[_] = match user.meta().get("annotations") {
        Some(Node::Object(members)) => members,
        _ => &[],
    };
    let others = |length: fn(&Node<'_>) -> usize| -> usize {
        let others = annotations
            .iter()
            .filter(|(key, _)| !key.starts_with(PREFIX));
        others.map(|(key, value)| key.len() + length(value)).sum()
    };
    let record = STATUS.len() + record.len();
    // As it is written no text is shorter than it is: nearly always that is enough to know.
    if others(|value| value.text().len()) + ours + record <= ANNOTATIONS_LIMIT {
        return Ok(());
    }
    let users = ours
        + others(|value| {
            serde_json::from_str::<String>(&value.text()).map_or(0, |text| text.len())
        });
    if users + record <= ANNOTATIONS_LIMIT {
        return Ok(());
    }
    Err(Stop::skip(
        Reason::NoRoom,
        format!(
            "nothing was injected: the pod template's annotations have {users} bytes, Silkroll's record needs {record}, \
             and the API allows {ANNOTATIONS_LIMIT} in all; shorten them"
        ),
    ))
}
