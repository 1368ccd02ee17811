//! A fingerprint of what the user wrote: the template without Silkroll, and our annotations on the
//! workload. Equal fingerprints mean that the user changed nothing; it guards nothing against
//! malice, for whoever could forge it could write the template itself.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use super::base::{Base, BaseContainer, BaseHook};
use super::grace::DEFAULT_GRACE;
use super::patch::plain;
use super::view::{Container, List, Template};
use crate::policy::{Pairs, STATUS};

/// The fingerprint, 16 hexadecimal digits.
pub(super) fn of(template: &Template<'_>, base: &Base<'_>, workload: &Pairs<'_>) -> String {
    let mut hash = Hash(Xxh3::new());
    for (key, value) in workload {
        hash.text(key);
        hash.text(value);
    }
    hash.text("template");
    hash.members(&template.rest);
    hash.members(&template.metadata.rest);
    hash.members(&template.metadata.annotations.others);
    for (key, value) in &template.metadata.annotations.ours {
        if key != STATUS {
            hash.text(key);
            hash.text(value);
        }
    }
    hash.text("spec");
    hash.members(&template.spec.rest);
    let left_out = || base.grace.is_none_or(|raw| raw.get() == "null");
    match base.our_grace {
        Some(change) => hash.text(&change.before.unwrap_or(DEFAULT_GRACE).to_string()),
        // The API server fills it in; a record made from a manifest knows it as absent.
        None if left_out() => hash.text(&DEFAULT_GRACE.to_string()),
        None => hash.raw(base.grace),
    }
    hash.text("volumes");
    if let Some(user) = base.users_volume.as_deref() {
        hash.text(&plain(user));
    }
    hash.list(&template.spec.volumes, &base.our_volumes);
    for (container, parted) in template.spec.containers.iter().zip(&base.containers) {
        hash.container(container, parted);
    }
    format!("{:016x}", hash.0.digest())
}

struct Hash(Xxh3);

impl Hash {
    /// Every piece ends in a byte that no JSON text has, so that pieces cannot run together.
    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
        self.0.update(&[0xff]);
    }

    /// `null` and absence are one: the API server makes the former the latter.
    fn raw(&mut self, raw: Option<&RawValue>) {
        match raw {
            Some(raw) if raw.get() != "null" => self.text(&plain(raw)),
            _ => self.text(""),
        }
    }

    fn members<K: AsRef<str>>(&mut self, members: &[(K, &RawValue)]) {
        for (key, value) in members {
            if value.get() != "null" {
                self.text(key.as_ref());
                self.text(&plain(value));
            }
        }
    }

    fn list(&mut self, list: &List<'_>, ours: &[usize]) {
        for (at, item) in list.items.iter().enumerate() {
            if ours.binary_search(&at).is_err() {
                self.text(&plain(item));
            }
        }
    }

    fn container(&mut self, container: &Container<'_>, base: &BaseContainer<'_>) {
        self.text("container");
        self.text(&container.name);
        self.members(&container.rest);
        self.text("ports");
        self.raw(container.ports);
        self.text("env");
        for (at, item) in container.env.items.iter().enumerate() {
            match &base.pod_ip {
                Some((place, users)) if *place == at => self.text(&plain(users)),
                _ if base.our_env.binary_search(&at).is_ok() => {}
                _ => self.text(&plain(item)),
            }
        }
        self.text("mounts");
        self.list(&container.mounts, &base.our_mounts);
        self.text("lifecycle");
        self.members(&base.lifecycle);
        self.hook(&base.pre_stop);
        self.hook(&base.post_start);
        self.text("readiness");
        self.raw(base.readiness.as_deref());
    }

    fn hook(&mut self, hook: &BaseHook<'_>) {
        self.text("hook");
        match hook.user.as_deref() {
            Some(raw) => self.text(&handler(raw)),
            None => self.text(""),
        }
    }
}

/// A handler as the API server has it: a record made from a manifest lacks what defaulting fills in
/// (`SetDefaults_HTTPGetAction`), and has the members in the manifest's order.
fn handler(raw: &RawValue) -> Cow<'_, str> {
    let Ok(mut value) = serde_json::from_str::<Value>(raw.get()) else {
        return Cow::Borrowed(raw.get());
    };
    if let Some(get) = value.get_mut("httpGet").and_then(Value::as_object_mut) {
        for (member, default) in [("path", "/"), ("scheme", "HTTP")] {
            let text = get.entry(member).or_insert(Value::Null);
            if text.as_str().is_none_or(str::is_empty) {
                *text = default.into();
            }
        }
    }
    value.sort_all_objects();
    Cow::Owned(value.to_string())
}
