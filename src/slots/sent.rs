//! What the user is known to have sent (law 1): what a field manager applied, and what kubectl applied
//! last. Both are large and read only where something of ours is to be taken out.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json;
use super::kind::Kind;
use super::slot::{Places, Root, Slot};
use super::tree::Tree;
use super::view::{LastApplied, Meta, Object};
use crate::policy::STATUS;

/// Where it can be seen what the user sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Witnesses<'a> {
    /// Of the object.
    pub(crate) meta: Option<&'a Meta<'a>>,
    /// Of the stored object that an UPDATE replaces.
    pub(crate) stored: Option<&'a Meta<'a>>,
    /// The field manager whose server-side apply this request may be.
    pub(crate) manager: Option<&'a str>,
}

/// Whether no field manager of the object has our record: then it was written in this very request, before another webhook
/// changed the object. What a manager brings back, as an undo does, its entry names.
pub(crate) fn wrote_no_record(told: Witnesses<'_>) -> bool {
    let managed = told.meta.and_then(|meta| meta.managed_fields);
    managed.is_some_and(|fields| !mentions(fields.get(), &[STATUS]))
}

/// What the user sent, whole.
#[derive(Debug, Default)]
pub(crate) struct Sent<'a> {
    /// `fieldsV1` of each apply, and whether this request is that apply.
    applied: Vec<(Value, bool)>,
    /// The manifest that kubectl applied last.
    last: Option<Tree<'a>>,
}

/// The same with the manifest's places by name, for it may have thousands.
#[derive(Debug)]
pub(crate) struct Index<'v, 'a> {
    applied: &'v [(Value, bool)],
    last: Option<Places<'v, 'a>>,
}

/// What was sent at one place: nothing, where nothing was sent there.
#[derive(Debug, Default)]
pub(crate) struct SentAt<'v> {
    applied: Vec<(&'v Value, bool)>,
    last: Option<Cow<'v, Value>>,
}

/// Looks whether one of the words is in the text, before it is read. To look for many takes longer than to read it.
fn mentions(text: &str, words: &[&str]) -> bool {
    const FEW: usize = 64;
    let there = |word: &&str| memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    words.len() > FEW || words.iter().any(there)
}

fn last_applied<'a>(meta: Option<&'a Meta<'_>>) -> Option<&'a LastApplied<'a>> {
    let last = meta.map(|meta| &meta.annotations.last_applied);
    // One with our record in it was injected before it was sent: it says nothing.
    last.filter(|last| last.raw.is_some_and(|raw| !mentions(raw, &[STATUS])))
}

/// An entry of `managedFields`.
#[derive(serde::Deserialize)]
struct ManagedFields<'a> {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    subresource: String,
    #[serde(borrow, default, rename = "fieldsV1")]
    fields: Option<&'a RawValue>,
}

fn entries<'a>(meta: Option<&Meta<'a>>) -> Vec<ManagedFields<'a>> {
    /// An object has a handful of managers. What was sent into a slot is looked for in each.
    const MOST: usize = 64;
    let all = meta.and_then(|meta| meta.managed_fields).map(RawValue::get);
    let all = all.and_then(|text| serde_json::from_str(text).ok());
    let mut all: Vec<ManagedFields<'_>> = all.unwrap_or_default();
    all.truncate(MOST);
    all
}

/// `fieldsV1` of each apply that mentions one of the words, and whether it is the request's own.
fn applied(told: Witnesses<'_>, words: &[&str]) -> Vec<(Value, bool)> {
    let all = told.meta.and_then(|meta| meta.managed_fields);
    let may = |text: &str| mentions(text, &["\"Apply\""]) && mentions(text, words);
    if !all.is_some_and(|all| may(all.get())) {
        return Vec::new();
    }
    let entries_now = entries(told.meta);
    // A patch of the same manager that is no apply leaves an entry of its own, or changes the one that it has.
    let updates_of = |entries: &[ManagedFields<'_>]| -> Vec<String> {
        let its = entries.iter().filter(|entry| {
            entry.operation == "Update"
                && entry.subresource.is_empty()
                && Some(&*entry.manager) == told.manager
        });
        its.filter_map(|entry| Some(entry.fields?.get().to_owned()))
            .collect()
    };
    let updates = updates_of(&entries_now);
    let by_patch = !updates.is_empty() && updates != updates_of(&entries(told.stored));
    let applies = entries_now
        .iter()
        .filter(|entry| entry.operation == "Apply");
    applies
        .filter_map(|entry| {
            let text = entry.fields?.get();
            let counts = mentions(text, words) && !mentions(text, &[STATUS]);
            let now = !by_patch && Some(&*entry.manager) == told.manager;
            counts.then(|| (json::value(text), now))
        })
        .collect()
}

/// The manifest that kubectl applied last, where it mentions one of the words.
fn manifest<'a>(told: Witnesses<'a>, words: &[&str], kind: Kind) -> Option<Tree<'a>> {
    let last = last_applied(told.meta).filter(|last| mentions(last.raw.unwrap_or(""), words))?;
    let object = Object::read(kind, last.text()?).ok()?;
    Tree::read(kind, object.spec.as_ref()?).ok()
}

impl<'a> Sent<'a> {
    /// What was sent by one of the words, which are names of members or items.
    pub(crate) fn read(told: Witnesses<'a>, words: &[&str], kind: Kind) -> Self {
        Self {
            applied: applied(told, words),
            last: manifest(told, words, kind),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.last.is_none()
    }

    pub(crate) fn index(&mut self) -> Index<'_, 'a> {
        Index {
            applied: &self.applied,
            last: self.last.as_mut().map(Places::new),
        }
    }
}

impl<'v> Index<'v, '_> {
    /// What was sent into a slot.
    pub(crate) fn at(&mut self, slot: &Slot<'_>, tree: &Tree<'_>) -> SentAt<'v> {
        let last = self.last.as_mut().and_then(|last| last.find(slot));
        let last = last.map(|node| Cow::Owned(json::value(&node.text())));
        SentAt {
            applied: self.applied_at(slot, slot.path(tree), slot.item()),
            last,
        }
    }

    /// Whether a parent of a slot was sent, be it empty.
    pub(crate) fn has_parent(&mut self, slot: &Slot<'_>, path: &[&str]) -> bool {
        let last = self.last.as_mut();
        last.and_then(|last| last.at(slot, path.iter().copied()))
            .is_some()
            || !self.applied_at(slot, path.iter().copied(), None).is_empty()
    }

    fn applied_at<'p>(
        &self,
        slot: &Slot<'_>,
        path: impl Iterator<Item = &'p str>,
        of_list: Option<(&str, &str)>,
    ) -> Vec<(&'v Value, bool)> {
        if self.applied.is_empty() {
            return Vec::new();
        }
        let root: &[&str] = match slot.form.root {
            Root::Strategy | Root::Rolling | Root::Spec => &["spec"],
            Root::Template => &["spec", "template"],
            Root::Pod => &["spec", "template", "spec"],
            Root::Container => &["spec", "template", "spec", "containers"],
        };
        let item = |by: &str, is: &str| format!("k:{{{}:{}}}", json::string(by), json::string(is));
        let field = |name: &str| format!("f:{name}");
        let container = (slot.form.root == Root::Container).then(|| item("name", &slot.container));
        let names = root.iter().map(|name| field(name)).chain(container);
        let names = names.chain(path.map(field));
        let names: Vec<_> = names.chain(of_list.map(|(by, is)| item(by, is))).collect();
        let here = self.applied.iter().filter_map(|(value, now)| {
            let value = names.iter().try_fold(value, |value, name| value.get(name));
            Some((value?, *now))
        });
        here.collect()
    }
}

impl SentAt<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.last.is_none()
    }

    /// What was sent of a member.
    pub(crate) fn member(&self, name: &str) -> SentAt<'_> {
        let applied = || {
            let name = format!("f:{name}");
            let here = self.applied.iter();
            here.filter_map(|(value, now)| Some((value.get(&name)?, *now)))
                .collect()
        };
        SentAt {
            applied: if self.applied.is_empty() {
                Vec::new()
            } else {
                applied()
            },
            last: self
                .last
                .as_ref()
                .and_then(|last| last.get(name))
                .map(Cow::Borrowed),
        }
    }

    /// Without what was sent before the injection, which put ours in the place of `was`. An apply's entry lists fields
    /// without values, so it counts only where it is this request's own.
    pub(crate) fn since(self, was: &Value) -> Self {
        Self {
            applied: self.applied.into_iter().filter(|(_, now)| *now).collect(),
            last: self.last.filter(|sent| !within(sent, was)),
        }
    }

    /// Whether the manager of this request applies it.
    fn is_by_this_apply(&self) -> bool {
        self.applied.iter().any(|(_, now)| *now)
    }

    /// Whether the value that stands there is one that was sent, whole or in part: the API fills in the rest.
    pub(crate) fn has(&self, value: &Value) -> bool {
        !self.applied.is_empty() || self.last.as_ref().is_some_and(|sent| within(sent, value))
    }
}

/// Whether what stood in a slot before the injection was sent once, and is not any more: the user took it back, though
/// the API's default for it may be what was injected. `now` is what is sent there this time.
pub(crate) fn taken_back(
    told: Witnesses<'_>,
    now: &SentAt<'_>,
    slot: &Slot<'_>,
    tree: &Tree<'_>,
) -> bool {
    // Where nothing names what was sent this time, nothing was taken back either.
    let last = [told.meta, told.stored].map(last_applied);
    let [now_raw, before_raw] = last.map(|last| last.and_then(|last| last.raw));
    let by_kubectl = now_raw.is_some() && now_raw != before_raw && now.last.is_none();
    let by_manager = told.manager.is_some() && !now.is_by_this_apply();
    let (Some(word), true) = (slot.form.path.last(), by_kubectl || by_manager) else {
        return false;
    };
    let stored = Witnesses {
        meta: told.stored,
        ..told
    };
    let mut sent = Sent {
        applied: applied(stored, &[word]),
        last: if by_kubectl {
            manifest(stored, &[word], tree.kind)
        } else {
            None
        },
    };
    let before = sent.index().at(slot, tree);
    before.last.is_some() || by_manager && before.is_by_this_apply()
}

/// Whether a value has all that another has.
pub(crate) fn within(sent: &Value, value: &Value) -> bool {
    match (sent, value) {
        (Value::Object(sent), Value::Object(value)) => sent
            .iter()
            .all(|(key, sent)| value.get(key).is_some_and(|value| within(sent, value))),
        (sent, value) => sent == value,
    }
}
