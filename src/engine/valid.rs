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
//! | a sleep within the grace period (`validateSleepAction`) | nothing: the grace period is never lowered and holds our sleep | a user's sleep that only our grace period makes valid is warned of |
//! | one action in a hook, and that a whole one (`validateHandler`) | nothing | a user's hook that is refused, where ours stands in its place, is warned of |
//! | one source in a volume, a variable, a probe | what an apply merged from the user's and ours | `base.rs` tells them apart |

mod owing;
mod strategy;

use serde_json::Value;
use serde_json::value::RawValue;

pub(super) use strategy::{Amount, defaults, refuses_strategy};

use super::base::{Base, integer};
use super::inject::Injection;
use super::report::Reason;
use super::view::{self, Container, Spec, Template};
use super::{Ask, Kind, Stop};
use crate::leave::{MOUNT_PATH, VOLUME};
use crate::policy::STATUS;

/// `TotalAnnotationSizeLimitB` of apimachinery: bytes of all names and values together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;
/// The API's default for progressDeadlineSeconds.
const DEFAULT_DEADLINE: i64 = 600;

/// Checks what is wanted, before any of it is emitted: takes out of the plan what would break a rule
/// and writes the plan's record.
///
/// # Errors
/// Nothing of it can be injected.
pub(super) fn check(
    ask: &Ask<'_>,
    template: &Template<'_>,
    base: &Base<'_>,
    plan: &mut Injection<'_>,
) -> Result<(), Stop> {
    names(ask, template, base, plan)?;
    if let Some(change) = plan.rollout.min_ready
        && let Some(why) = too_long(ask.kind, ask.object.spec.as_ref(), change.after)
    {
        // The record keeps it: it is set as soon as progressDeadlineSeconds allows it.
        plan.rollout.min_ready = None;
        plan.steps.retain(|step| step.part != "min-ready");
        plan.pod_step("min-ready", || format!("left out: {why}"));
        plan.warnings.push(min_ready_left_out(change.after, &why));
    }
    owing::warn(template, base, plan);
    plan.record = plan.status.write();
    room(template, &plan.record)
}

/// Why so many seconds of minReadySeconds break a rule; `None` where they do not.
pub(super) fn too_long(kind: Kind, spec: Option<&Spec<'_>>, seconds: i64) -> Option<String> {
    let deadline = integer(spec.and_then(|spec| spec.progress_deadline_seconds));
    let deadline = deadline.unwrap_or(DEFAULT_DEADLINE);
    // One below it would be valid and no better: a rollout whose pods take a second to become ready
    // would be reported as failed.
    (kind == Kind::Deployment && seconds >= deadline)
        .then(|| format!("it has to be below progressDeadlineSeconds, which is {deadline}"))
}

/// The warning for it.
pub(super) fn min_ready_left_out(seconds: i64, why: &str) -> String {
    format!(
        "minReadySeconds {seconds} was left out: {why}; raise that well above it, or lower silkroll.dev/min-ready-seconds"
    )
}

/// The volume's name and the mount's path have to be free.
fn names(
    ask: &Ask<'_>,
    template: &Template<'_>,
    base: &Base<'_>,
    plan: &Injection<'_>,
) -> Result<(), Stop> {
    let taken = |what: String| {
        let warning = format!("nothing was injected: {what}");
        Err(Stop::skip(Reason::NameTaken, warning))
    };
    let wanted = plan.wanted.containers.iter();
    let mut mounting = wanted.enumerate().filter(|(_, one)| one.mount.is_some());
    if mounting.clone().next().is_none() {
        return Ok(());
    }
    let volumes = template.spec.volumes.items.iter().enumerate();
    let mut volumes = volumes.filter(|(at, _)| base.our_volumes.binary_search(at).is_err());
    let claims = ask.object.spec.as_ref();
    let claims = claims.and_then(|spec| spec.volume_claim_templates);
    if base.users_volume.is_some()
        || volumes.any(|(_, volume)| view::name_of(volume) == VOLUME)
        || claims.is_some_and(claims_our_name)
    {
        return taken(format!(
            "the pod has a volume named {VOLUME} of its own; rename it"
        ));
    }
    let at_ours = mounting.find(|(at, _)| {
        let container = &template.spec.containers[*at];
        users_mounts(container, &base.containers[*at].our_mounts)
            .any(|mount| is_at_or_below(&text(mount, "mountPath")))
            || devices(container).any(|device| is_at_or_below(&device))
    });
    if let Some((at, _)) = at_ours {
        return taken(format!(
            "container {} mounts something of its own at {MOUNT_PATH} or below; move it",
            template.spec.containers[at].name
        ));
    }
    // Ours would stand in for the volume that is missing, and the API would no longer say so.
    let containers = template.spec.containers.iter().zip(&base.containers);
    let elsewhere = containers
        .flat_map(|(container, parted)| users_mounts(container, &parted.our_mounts))
        .any(|mount| text(mount, "name") == VOLUME);
    if elsewhere || init_mounts_ours(template) {
        return taken(format!(
            "the pod mounts a volume named {VOLUME} of its own; rename it"
        ));
    }
    Ok(())
}

fn users_mounts<'t>(
    container: &'t Container<'_>,
    ours: &'t [usize],
) -> impl Iterator<Item = &'t RawValue> {
    let mounts = container.mounts.items.iter().enumerate();
    mounts
        .filter(|(at, _)| ours.binary_search(at).is_err())
        .map(|(_, mount)| *mount)
}

/// A member that is a text; empty where it is none.
fn text(raw: &RawValue, name: &str) -> String {
    view::member(&view::members(raw), name)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

fn devices(container: &Container<'_>) -> impl Iterator<Item = String> {
    let list = view::member(&container.rest, "volumeDevices");
    let list: Vec<&RawValue> = list
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    list.into_iter().map(|device| text(device, "devicePath"))
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

/// Whether an init container mounts a volume of our name.
pub(super) fn init_mounts_ours(template: &Template<'_>) -> bool {
    init_containers(template)
        .iter()
        .filter_map(|container| container["volumeMounts"].as_array())
        .flatten()
        .any(|mount| mount["name"] == VOLUME)
}

/// Read only where a pod has some.
pub(super) fn init_containers(template: &Template<'_>) -> Vec<Value> {
    let init = view::member(&template.spec.rest, "initContainers");
    init.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// The record has to fit beside the other annotations.
fn room(template: &Template<'_>, record: &str) -> Result<(), Stop> {
    let annotations = &template.metadata.annotations;
    let ours = annotations.ours.iter().filter(|(key, _)| key != STATUS);
    let ours: usize = ours.map(|(key, value)| key.len() + value.len()).sum();
    let others = |length: fn(&RawValue) -> usize| -> usize {
        let others = annotations.others.iter();
        others.map(|(key, value)| key.len() + length(value)).sum()
    };
    let record = STATUS.len() + record.len();
    // As it is written no text is shorter than it is: nearly always that is enough to know.
    if others(|value| value.get().len()) + ours + record <= ANNOTATIONS_LIMIT {
        return Ok(());
    }
    let users = ours
        + others(|value| serde_json::from_str::<String>(value.get()).map_or(0, |text| text.len()));
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
