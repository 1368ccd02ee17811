//! Members that stand there empty or null, and that injecting fills: giving back means to give back
//! those, too.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::base::Base;
use super::inject::Injection;
use super::status::{Status, Was};
use super::view::{self, List, Presence, Template};

impl<'a> Injection<'a> {
    /// Members that stand there empty or null, and that injecting fills: giving back means to give
    /// back those, too. Where ours stand there already, the old record knows.
    pub(super) fn remember_empties(
        &mut self,
        template: &'a Template<'a>,
        base: &Base<'a>,
        record: Option<&'a Status<'a>>,
    ) {
        let was = &mut self.status.was;
        let old = record.map(|record| &record.was);
        if self.wanted.volume.is_some() {
            remember_list(
                was,
                "volumes",
                &template.spec.volumes,
                &base.our_volumes,
                old,
            );
        }
        if self.wanted.grace.is_some() {
            let null = template.spec.grace.filter(|raw| raw.get() == "null");
            remember(was, "terminationGracePeriodSeconds", null, old);
        }
        let metadata = &template.metadata;
        if metadata.annotations.others.is_empty()
            && metadata
                .annotations
                .ours
                .iter()
                .all(|(key, _)| key == crate::policy::STATUS)
        {
            if record.is_some() {
                remember(was, "annotations", None, old);
                remember(was, "metadata", None, old);
            } else {
                remember_empty(was, "annotations", metadata.annotations.presence);
                if metadata.annotations.presence == Presence::Absent && metadata.rest.is_empty() {
                    remember_empty(was, "metadata", metadata.presence);
                }
            }
        }
        for (at, container) in template.spec.containers.iter().enumerate() {
            let wanted = &self.wanted.containers[at];
            let parted = &base.containers[at];
            let mut was = Was::new();
            let old = parted.was;
            if !wanted.env.is_empty() {
                remember_list(&mut was, "env", &container.env, &parted.our_env, old);
            }
            if wanted.mount.is_some() {
                remember_list(
                    &mut was,
                    "volumeMounts",
                    &container.mounts,
                    &parted.our_mounts,
                    old,
                );
            }
            let nothing = |raw: &&RawValue| raw.get() == "null" || view::members(raw).is_empty();
            if wanted.pre_stop.is_some() || wanted.post_start.is_some() {
                remember(
                    &mut was,
                    "lifecycle",
                    container.lifecycle.filter(nothing),
                    old,
                );
                for (name, hook, set) in [
                    ("preStop", &parted.pre_stop, wanted.pre_stop.is_some()),
                    ("postStart", &parted.post_start, wanted.post_start.is_some()),
                ] {
                    if set {
                        remember(&mut was, name, hook.present.filter(nothing), old);
                    }
                }
            }
            if wanted.readiness.is_some() {
                let null = container.readiness.filter(|raw| raw.get() == "null");
                remember(&mut was, "readinessProbe", null, old);
            }
            if !was.is_empty()
                && let Some(record) = self.status.containers.get_mut(&container.name)
            {
                record.was = was;
            }
        }
    }
}

fn remember<'a>(
    was: &mut Was<'a>,
    name: &'static str,
    present: Option<&'a RawValue>,
    old: Option<&'a Was<'a>>,
) {
    let kept = old.and_then(|old| old.get(name)).map(|raw| &**raw);
    if let Some(raw) = present.or(kept) {
        was.insert(Cow::Borrowed(name), Cow::Borrowed(raw));
    }
}

fn remember_empty(was: &mut Was<'_>, name: &'static str, presence: Presence) {
    let text = match presence {
        Presence::Absent => return,
        Presence::Null => "null",
        Presence::Present => "{}",
    };
    if let Ok(raw) = RawValue::from_string(text.to_owned()) {
        was.insert(Cow::Borrowed(name), Cow::Owned(raw));
    }
}

fn remember_list<'a>(
    was: &mut Was<'a>,
    name: &'static str,
    list: &List<'_>,
    ours: &[usize],
    old: Option<&'a Was<'a>>,
) {
    if !ours.is_empty() {
        remember(was, name, None, old);
        return;
    }
    let text = match list.presence {
        Presence::Null => "null",
        Presence::Present if list.items.is_empty() => "[]",
        _ => return,
    };
    if let Ok(raw) = RawValue::from_string(text.to_owned()) {
        was.insert(Cow::Borrowed(name), Cow::Owned(raw));
    }
}
