//! From what stands there and what is wanted to a JSON patch. Each pointer is made from what was just
//! read, so the patch applies by construction.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::base::{Base, BaseContainer, BaseHook};
use super::env::{self, Entry};
use super::patch::{Patch, list, object, same, string};
use super::status::Was;
use super::view::{Container, List, Presence, Template};

/// What is wanted of one container; none of it, where Silkroll is to be taken out.
#[derive(Debug, Default)]
pub(super) struct WantedContainer {
    pub(super) env: Vec<Entry>,
    pub(super) mount: Option<&'static str>,
    pub(super) pre_stop: Option<String>,
    pub(super) post_start: Option<String>,
    pub(super) readiness: Option<String>,
}

/// What is wanted of the template.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// One for each container, in order.
    pub(super) containers: Vec<WantedContainer>,
    pub(super) volume: Option<String>,
    /// Seconds; none: as the user wrote it.
    pub(super) grace: Option<i64>,
}

const SPEC: &str = "/spec/template/spec";

/// Everything but the record.
pub(super) fn template(
    patch: &mut Patch,
    template: &Template<'_>,
    base: &Base<'_>,
    wanted: &Wanted,
    was: Option<&Was<'_>>,
) {
    let containers = template.spec.containers.iter().zip(&base.containers);
    for (at, ((present, parted), wanted)) in containers.zip(&wanted.containers).enumerate() {
        container(
            patch,
            &format!("{SPEC}/containers/{at}"),
            present,
            parted,
            wanted,
        );
    }
    let users = base.users_volume.as_deref().map(RawValue::get);
    let volumes: Vec<&str> = users.into_iter().chain(wanted.volume.as_deref()).collect();
    settle_list(
        patch,
        &format!("{SPEC}/volumes"),
        &template.spec.volumes,
        &base.our_volumes,
        &volumes,
        was.and_then(|was| was.get("volumes")).map(|raw| raw.get()),
    );
    grace(patch, template, base, wanted, was);
}

fn grace(
    patch: &mut Patch,
    template: &Template<'_>,
    base: &Base<'_>,
    wanted: &Wanted,
    was: Option<&Was<'_>>,
) {
    let pointer = format!("{SPEC}/terminationGracePeriodSeconds");
    let text = match (wanted.grace, base.our_grace.map(|change| change.before)) {
        (Some(seconds), _) => Some(seconds.to_string()),
        (None, Some(Some(before))) => Some(before.to_string()),
        (None, Some(None)) => was
            .and_then(|was| was.get("terminationGracePeriodSeconds"))
            .map(|raw| raw.get().to_owned()),
        (None, None) => return,
    };
    patch.settle(&pointer, template.spec.grace, text.as_deref());
}

fn container(
    patch: &mut Patch,
    pointer: &str,
    present: &Container<'_>,
    base: &BaseContainer<'_>,
    wanted: &WantedContainer,
) {
    let was = |name: &str| base.was.and_then(|was| was.get(name)).map(|raw| raw.get());
    env::settle(
        patch,
        &format!("{pointer}/env"),
        &present.env,
        base,
        &wanted.env,
        was("env"),
    );
    let mounts: Vec<&str> = wanted.mount.into_iter().collect();
    settle_list(
        patch,
        &format!("{pointer}/volumeMounts"),
        &present.mounts,
        &base.our_mounts,
        &mounts,
        was("volumeMounts"),
    );
    lifecycle(
        patch,
        &format!("{pointer}/lifecycle"),
        present,
        base,
        wanted,
    );
    let user = base.readiness.as_deref().map(RawValue::get);
    let readiness = wanted.readiness.as_deref().or(user);
    let pointer = format!("{pointer}/readinessProbe");
    match (readiness, was("readinessProbe")) {
        (None, Some(was)) => patch.settle(&pointer, present.readiness, Some(was)),
        (None, None) if is_null(present.readiness) => {}
        (readiness, _) => patch.settle(&pointer, present.readiness, readiness),
    }
}

fn is_null(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| raw.get() == "null")
}

/// Brings a list to the user's elements and the wanted ones, which stand after them.
fn settle_list(
    patch: &mut Patch,
    pointer: &str,
    present: &List<'_>,
    ours: &[usize],
    wanted: &[&str],
    was: Option<&str>,
) {
    if ours.is_empty() {
        match (wanted, present.presence) {
            ([], _) => {}
            (_, Presence::Present) => {
                for item in wanted {
                    patch.add(&format!("{pointer}/-"), item);
                }
            }
            _ => patch.add(pointer, &list(wanted.iter().copied())),
        }
        return;
    }
    let users: Vec<&str> = present
        .items
        .iter()
        .enumerate()
        .filter(|(at, _)| ours.binary_search(at).is_err())
        .map(|(_, item)| item.get())
        .collect();
    // At the end, order does not matter: what is there stays where a merge has put it.
    if let ([at], [item]) = (ours, wanted)
        && same(present.items[*at].get(), item)
    {
        return;
    }
    let target: Vec<&str> = users.iter().chain(wanted).copied().collect();
    if target.is_empty() {
        match was {
            Some(was) => patch.replace(pointer, was),
            None => patch.remove(pointer),
        }
        return;
    }
    let equal = target.len() == present.items.len()
        && target
            .iter()
            .zip(&present.items)
            .all(|(target, item)| same(target, item.get()));
    if !equal {
        patch.replace(pointer, &list(target));
    }
}

fn lifecycle(
    patch: &mut Patch,
    pointer: &str,
    present: &Container<'_>,
    base: &BaseContainer<'_>,
    wanted: &WantedContainer,
) {
    let pre_stop = Side::new(
        &base.pre_stop,
        wanted.pre_stop.as_deref(),
        base.was,
        "preStop",
    );
    let post_start = Side::new(
        &base.post_start,
        wanted.post_start.as_deref(),
        base.was,
        "postStart",
    );
    if !pre_stop.changes && !post_start.changes {
        return;
    }
    let usable = present.lifecycle.is_some() && !is_null(present.lifecycle);
    if !usable {
        let members = [("postStart", post_start.text), ("preStop", pre_stop.text)];
        let members = members
            .iter()
            .filter_map(|(name, text)| Some((*name, text.as_deref()?)));
        patch.add(pointer, &object(members));
        return;
    }
    if base.lifecycle.is_empty() && pre_stop.text.is_none() && post_start.text.is_none() {
        match base.was.and_then(|was| was.get("lifecycle")) {
            Some(was) => patch.replace(pointer, was.get()),
            None => patch.remove(pointer),
        }
        return;
    }
    post_start.emit(patch, &format!("{pointer}/postStart"), &base.post_start);
    pre_stop.emit(patch, &format!("{pointer}/preStop"), &base.pre_stop);
}

/// One hook of a lifecycle: what is wanted there, ours or the user's.
struct Side<'a> {
    text: Option<Cow<'a, str>>,
    changes: bool,
}

impl<'a> Side<'a> {
    fn new(
        hook: &'a BaseHook<'_>,
        wanted: Option<&'a str>,
        was: Option<&'a Was<'_>>,
        name: &str,
    ) -> Self {
        let user = hook.user.as_deref().map(RawValue::get);
        let was = was.and_then(|was| was.get(name)).map(|raw| raw.get());
        // Where nothing of ours stands there and nothing is wanted, it stays as it is, null included.
        let text = match (wanted, hook.ours) {
            (Some(wanted), _) => Some(wanted),
            (None, true) => user.or(was),
            (None, false) => hook.present.map(RawValue::get),
        };
        let changes = match (hook.present, text) {
            (Some(present), Some(text)) => !same(present.get(), text),
            (None, None) => false,
            _ => true,
        };
        Self {
            text: text.map(Cow::Borrowed),
            changes,
        }
    }

    fn emit(&self, patch: &mut Patch, pointer: &str, hook: &BaseHook<'_>) {
        if self.changes {
            patch.settle(pointer, hook.present, self.text.as_deref());
        }
    }
}

/// Puts the record on the template, or takes it off.
pub(super) fn record(
    patch: &mut Patch,
    template: &Template<'_>,
    record: Option<&str>,
    was: Option<&Was<'_>>,
) {
    const METADATA: &str = "/spec/template/metadata";
    let metadata = &template.metadata;
    let annotations = &metadata.annotations;
    let member = format!("{METADATA}/annotations/silkroll.dev~1status");
    let present = super::base::record_text(template);
    let was = |name: &str| was.and_then(|was| was.get(name)).map(|raw| raw.get());
    match (record, present) {
        (None, None) => {}
        (Some(record), Some(present)) if record == present => {}
        (Some(record), _) => {
            let value = string(record);
            let pair = || object([(crate::policy::STATUS, value.as_str())]);
            if annotations.presence == Presence::Present {
                patch.add(&member, &value);
            } else if metadata.presence == Presence::Present {
                patch.add(&format!("{METADATA}/annotations"), &pair());
            } else {
                patch.add(METADATA, &object([("annotations", pair().as_str())]));
            }
        }
        (None, Some(_)) => {
            let alone = annotations.others.is_empty() && annotations.ours.len() == 1;
            if !alone {
                patch.remove(&member);
            } else if let Some(was) = was("annotations") {
                patch.replace(&format!("{METADATA}/annotations"), was);
            } else if !metadata.rest.is_empty() {
                patch.remove(&format!("{METADATA}/annotations"));
            } else if let Some(was) = was("metadata") {
                patch.replace(METADATA, was);
            } else {
                patch.remove(METADATA);
            }
        }
    }
}
