//! The template without Silkroll: which parts are ours is told from the record and from the parts
//! themselves, and what remains is what the user wrote. A part of ours that was changed since
//! belongs to the user.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::Strict;
use super::patch::same;
use super::status::{self, Change, Status};
use super::view::{self, Container, List, Members, Template};
use crate::leave::{HELPER_PATH, MOUNT_PATH, Script, VOLUME};
use crate::policy::STATUS;

/// The address of the pod: what hooks and scripts of users read, too.
pub(super) const POD_IP: &str = "podip";
/// Variables of the script.
pub(super) const VARIABLES: &str = "SILKROLL_";
/// `$0` of our hooks; part of how they are recognised.
pub(super) const ARGV0: &str = "silkroll";

/// The user's part of a template.
#[derive(Debug, Default)]
pub(super) struct Base<'a> {
    /// As it was before Silkroll; none where it was absent.
    pub(super) grace: Option<&'a RawValue>,
    /// The record's change of the grace period, where it still holds.
    pub(super) our_grace: Option<Change>,
    /// Positions of the volumes that are ours.
    pub(super) our_volumes: Vec<usize>,
    pub(super) containers: Vec<BaseContainer<'a>>,
    /// Whether any part of ours was found; a number alone proves nothing.
    pub(super) found: bool,
    /// Whether everything that the record names was found as it was injected.
    pub(super) whole: bool,
}

/// The user's part of a container.
#[derive(Debug, Default)]
pub(super) struct BaseContainer<'a> {
    pub(super) our_env: Vec<usize>,
    /// The user's own `podip`, where an apply merged it into ours.
    pub(super) pod_ip: Option<Box<RawValue>>,
    pub(super) our_mounts: Vec<usize>,
    pub(super) lifecycle: Members<'a>,
    pub(super) pre_stop: BaseHook<'a>,
    pub(super) post_start: BaseHook<'a>,
    /// The user's probe.
    pub(super) readiness: Option<Cow<'a, RawValue>>,
    pub(super) was: Option<&'a status::Was<'a>>,
}

/// A hook as it stands, and the user's part of it.
#[derive(Debug, Default)]
pub(super) struct BaseHook<'a> {
    pub(super) present: Option<&'a RawValue>,
    pub(super) user: Option<Cow<'a, RawValue>>,
    pub(super) ours: bool,
}

/// Parts a template into ours and the user's. `record` is the template's own, or the old object's
/// where the template lost it.
pub(super) fn part<'a>(template: &Template<'a>, record: Option<&'a Status<'a>>) -> Base<'a> {
    let mut base = Base {
        whole: record.is_some(),
        ..Base::default()
    };
    for (at, volume) in template.spec.volumes.items.iter().enumerate() {
        if is_our_volume(volume) {
            base.our_volumes.push(at);
        }
    }
    for container in &template.spec.containers {
        let of_record = record.and_then(|record| record.containers.get(&container.name));
        let (parted, whole) = part_container(container, of_record, !base.our_volumes.is_empty());
        base.found |= parted.any();
        base.whole &= whole;
        base.containers.push(parted);
    }
    if let Some(record) = record {
        let names: HashSet<&str> = template.spec.containers.iter().map(|c| &*c.name).collect();
        base.whole &= record.containers.keys().all(|name| names.contains(&**name));
        let mounted = record.containers.values().any(|container| container.mount);
        base.whole &= mounted != base.our_volumes.is_empty();
    }
    base.found |= !base.our_volumes.is_empty();
    part_grace(template, record, &mut base);
    base
}

fn part_grace<'a>(template: &Template<'a>, record: Option<&'a Status<'a>>, base: &mut Base<'a>) {
    base.grace = template.spec.grace;
    let Some(change) = record.and_then(|record| record.grace) else {
        return;
    };
    if integer(template.spec.grace) == Some(change.after) {
        base.grace = None;
        base.our_grace = Some(change);
    } else {
        base.whole = false;
    }
}

/// A whole number; none for null, absence and everything else.
pub(super) fn integer(raw: Option<&RawValue>) -> Option<i64> {
    serde_json::from_str(raw?.get()).ok()
}

impl BaseContainer<'_> {
    fn any(&self) -> bool {
        !self.our_env.is_empty()
            || !self.our_mounts.is_empty()
            || self.pre_stop.ours
            || self.post_start.ours
    }
}

fn part_container<'a>(
    container: &Container<'a>,
    record: Option<&'a status::Container<'a>>,
    mountable: bool,
) -> (BaseContainer<'a>, bool) {
    let mut whole = true;
    let members = container.lifecycle.map(view::members).unwrap_or_default();
    let pre_stop = part_hook(
        view::member(&members, "preStop"),
        record.and_then(|record| record.pre_stop.as_ref()),
        &mut whole,
    );
    let post_start = part_hook(
        view::member(&members, "postStart"),
        record.and_then(|record| record.post_start.as_ref()),
        &mut whole,
    );
    // Without a record, variables of ours are known by the hook that reads them.
    let by_hook = record.is_none() && (pre_stop.ours || post_start.ours);
    let mut our_env = Vec::new();
    let mut pod_ip = None;
    let known = record.is_some() || by_hook;
    let recorded: HashSet<&str> = record
        .into_iter()
        .flat_map(|record| record.env.iter().map(|name| &**name))
        .collect();
    for (at, entry) in container.env.items.iter().enumerate() {
        if !known || !may_be_ours(entry) {
            continue;
        }
        let name = view::name_of(entry);
        let named = recorded.contains(&*name);
        let ours = (name.starts_with(VARIABLES) && (named || by_hook))
            || (named && name == POD_IP && same(entry.get(), super::env::POD_IP_ENTRY));
        let merged = if named && name == POD_IP && !ours {
            users_pod_ip(entry)
        } else {
            None
        };
        if ours || merged.is_some() {
            our_env.push(at);
        }
        whole &= merged.is_none();
        pod_ip = pod_ip.or(merged);
    }
    whole &= our_env.len() == record.map_or(0, |record| record.env.len());
    // A mount of our name without a volume of ours is the user's.
    let ours = record.is_some_and(|record| record.mount) || mountable;
    let our_mounts = if ours {
        our_mounts(&container.mounts)
    } else {
        Vec::new()
    };
    whole &= our_mounts.is_empty() != record.is_some_and(|record| record.mount);
    let readiness = part_probe(
        container.readiness,
        record.and_then(|record| record.readiness.as_deref()),
        &mut whole,
    );
    let parted = BaseContainer {
        our_env,
        pod_ip,
        our_mounts,
        lifecycle: members
            .into_iter()
            .filter(|(key, _)| key != "preStop" && key != "postStart")
            .collect(),
        pre_stop,
        post_start,
        readiness,
        was: record.map(|record| &record.was),
    };
    (parted, whole)
}

/// A look at the first bytes, far cheaper than reading the name of each of a hundred entries: the API
/// server writes the name first. What begins otherwise is looked at properly.
pub(super) fn may_be_ours(entry: &RawValue) -> bool {
    match entry.get().strip_prefix("{\"name\":\"") {
        Some(rest) => {
            rest.starts_with(POD_IP) || rest.starts_with(VARIABLES) || rest.starts_with('\\')
        }
        None => true,
    }
}

/// The user's part of an entry that a client-side or server-side apply merged from theirs and ours:
/// the API allows one source. None where ours is not in it.
fn users_pod_ip(entry: &RawValue) -> Option<Box<RawValue>> {
    let mut value: serde_json::Value = serde_json::from_str(entry.get()).ok()?;
    let ours: serde_json::Value = serde_json::from_str(super::env::POD_IP_ENTRY).ok()?;
    let field = ours.get("valueFrom")?.get("fieldRef")?;
    let source = value.get_mut("valueFrom")?.as_object_mut()?;
    if source.get("fieldRef") != Some(field) {
        return None;
    }
    source.shift_remove("fieldRef");
    if source.is_empty() {
        value.as_object_mut()?.shift_remove("valueFrom");
    }
    RawValue::from_string(value.to_string()).ok()
}

fn our_mounts(mounts: &List<'_>) -> Vec<usize> {
    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Mount<'a> {
        #[serde(borrow)]
        name: view::Text<'a>,
        #[serde(borrow)]
        mount_path: view::Text<'a>,
    }
    let ours = |raw: &RawValue| {
        serde_json::from_str::<Strict<Mount<'_>>>(raw.get())
            .is_ok_and(|Strict(mount)| mount.name.0 == VOLUME && mount.mount_path.0 == MOUNT_PATH)
    };
    let positions = mounts.items.iter().enumerate();
    positions
        .filter(|(_, mount)| ours(mount))
        .map(|(at, _)| at)
        .collect()
}

/// A volume of our name that mounts a script of ours, of whichever version.
pub(super) fn is_our_volume(raw: &RawValue) -> bool {
    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Volume<'a> {
        #[serde(borrow)]
        name: view::Text<'a>,
        #[serde(borrow, deserialize_with = "super::optional")]
        config_map: Option<view::Named<'a>>,
    }
    serde_json::from_str::<Strict<Volume<'_>>>(raw.get()).is_ok_and(|Strict(volume)| {
        volume.name.0 == VOLUME
            && volume
                .config_map
                .is_some_and(|map| Script::names(&map.name.0))
    })
}

/// The kinds of action that a hook or probe may have, of which the API allows one at a time.
const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

fn part_hook<'a>(
    present: Option<&'a RawValue>,
    record: Option<&'a status::Hook<'a>>,
    whole: &mut bool,
) -> BaseHook<'a> {
    let mut hook = BaseHook {
        present,
        ..BaseHook::default()
    };
    let members = present.map(view::members).unwrap_or_default();
    let ours = |(key, value): &(Cow<'a, str>, &'a RawValue)| match key.as_ref() {
        "exec" => our_command(value).is_some(),
        "sleep" => {
            let seconds = record.and_then(|record| record.sleep);
            seconds.is_some_and(|seconds| same(value.get(), &format!("{{\"seconds\":{seconds}}}")))
        }
        _ => false,
    };
    let Some(our_member) = members.iter().find(|member| ours(member)) else {
        *whole &= record.is_none();
        hook.user = present.filter(|raw| raw.get() != "null").map(Cow::Borrowed);
        return hook;
    };
    hook.ours = true;
    let others: Vec<_> = members.iter().filter(|member| !ours(member)).collect();
    if others
        .iter()
        .any(|(key, _)| HANDLERS.contains(&key.as_ref()))
    {
        // A client-side apply merged the user's new hook into ours.
        *whole = false;
        hook.user = own_raw(super::patch::object(
            others
                .iter()
                .map(|(key, value)| (key.as_ref(), value.get())),
        ));
    } else {
        hook.user = match record {
            Some(record) => record.over.clone(),
            None => our_command(our_member.1).and_then(|words| handler_of_chain(&words)),
        };
        *whole &= record.is_some();
    }
    hook
}

/// The arguments of a hook of ours, of whichever version; none where it is the user's.
fn our_command(exec: &RawValue) -> Option<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Exec {
        command: Vec<String>,
    }
    let mut words = serde_json::from_str::<Exec>(exec.get()).ok()?.command;
    let script = matches!(words.as_slice(), [shell, flag, text, name, ..]
        if shell == "/bin/sh" && flag == "-c" && text.contains("/silkroll/hook.sh") && name == ARGV0);
    let helper = matches!(words.as_slice(), [program, what, ..]
        if program == HELPER_PATH && matches!(what.as_str(), "stop" | "start"));
    match (script, helper) {
        (true, _) => Some(words.split_off(4)),
        (_, true) => Some(words.split_off(2)),
        _ => None,
    }
}

/// The user's hook as far as our arguments tell it: all there is where the record was lost.
fn handler_of_chain<'a>(words: &[String]) -> Option<Cow<'a, RawValue>> {
    let value = match words {
        [kind, command @ ..] if kind == "exec" => {
            serde_json::json!({"exec": {"command": command}})
        }
        [kind, seconds] if kind == "sleep" => {
            serde_json::json!({"sleep": {"seconds": seconds.parse::<i64>().ok()?}})
        }
        [kind, scheme, host, port, path, ..] if kind == "http" => {
            let mut get = serde_json::json!({
                "path": path, "port": port.parse::<u16>().ok()?, "scheme": scheme
            });
            if !host.is_empty() {
                get["host"] = host.as_str().into();
            }
            serde_json::json!({"httpGet": get})
        }
        _ => return None,
    };
    own_raw(value.to_string())
}

fn own_raw<'a>(text: String) -> Option<Cow<'a, RawValue>> {
    RawValue::from_string(text).ok().map(Cow::Owned)
}

fn part_probe<'a>(
    present: Option<&'a RawValue>,
    record: Option<&'a RawValue>,
    whole: &mut bool,
) -> Option<Cow<'a, RawValue>> {
    let user = present.filter(|raw| raw.get() != "null").map(Cow::Borrowed);
    let Some(record) = record else {
        return user;
    };
    let Some(present) = present else {
        *whole = false;
        return None;
    };
    if same(present.get(), record.get()) {
        return None;
    }
    *whole = false;
    let ours = view::members(record);
    let members = view::members(present);
    let is_our_handler = |key: &str, value: &RawValue| {
        HANDLERS.contains(&key)
            && view::member(&ours, key).is_some_and(|ours| same(ours.get(), value.get()))
    };
    let handlers = members
        .iter()
        .filter(|(key, _)| HANDLERS.contains(&key.as_ref()))
        .count();
    if handlers < 2 {
        return user;
    }
    // A client-side apply merged the user's new probe into ours; the API allows one handler.
    own_raw(super::patch::object(
        members
            .iter()
            .filter(|(key, value)| !is_our_handler(key, value))
            .map(|(key, value)| (key.as_ref(), value.get())),
    ))
}

/// The record's text on a template, where there is one.
pub(super) fn record_text<'t>(template: &'t Template<'_>) -> Option<&'t str> {
    template
        .metadata
        .annotations
        .ours
        .iter()
        .find(|(key, _)| key == STATUS)
        .map(|(_, value)| value.as_ref())
}
