//! What the user is known to have sent (law 1): what a field manager applied, and what kubectl applied
//! last. Both are large and read only where something of ours is to be taken out.

use memchr::memmem;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json;
use super::slot::{Root, Slot};
use super::tree::Tree;
use super::view::Meta;
use crate::policy::STATUS;

/// `fieldsV1` of each apply.
fn applied(meta: Option<&Meta<'_>>, words: &[&str]) -> Vec<Value> {
    #[derive(serde::Deserialize)]
    struct Entry<'a> {
        #[serde(default)]
        operation: String,
        #[serde(borrow, default, rename = "fieldsV1")]
        fields: Option<&'a RawValue>,
    }
    let managed = meta.and_then(|meta| meta.managed_fields).map(RawValue::get);
    let managed = managed.filter(|text| mentions(text, &["\"Apply\""]) && mentions(text, words));
    let entries = managed.and_then(|text| serde_json::from_str(text).ok());
    let entries: Vec<Entry<'_>> = entries.unwrap_or_default();
    let entries = entries.iter().filter(|entry| entry.operation == "Apply");
    let fields = entries.filter_map(|entry| entry.fields).map(RawValue::get);
    let fields = fields.filter(|text| mentions(text, words) && !mentions(text, &[STATUS]));
    fields.map(json::value).collect()
}

/// What the user sent, whole.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// `fieldsV1` of each apply.
    fields: Vec<Value>,
    /// The manifest that kubectl applied last.
    last: Option<Value>,
}

/// The same at one place: none, where nothing was sent there.
#[derive(Debug, Default)]
pub(super) struct SentAt<'v> {
    pub(super) fields: Vec<&'v Value>,
    pub(super) last: Option<&'v Value>,
}

/// Looks whether one of the words is in the text, before it is read.
fn mentions(text: &str, words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| memmem::find(text.as_bytes(), word.as_bytes()).is_some())
}

impl Sent {
    /// What was sent by one of the words, which are names of members or items. A manifest with our record in it
    /// was injected before it was sent: it says nothing.
    pub(super) fn read(meta: Option<&Meta<'_>>, words: &[&str]) -> Self {
        let last = meta.and_then(|meta| meta.annotations.last_applied);
        let last = last.filter(|text| mentions(text, words) && !mentions(text, &[STATUS]));
        let last: Option<String> = last.and_then(|text| serde_json::from_str(text).ok());
        Self {
            fields: applied(meta, words),
            last: last.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.last.is_none()
    }

    /// What was sent into a slot.
    pub(super) fn at(&self, slot: &Slot<'_>, tree: &Tree<'_>) -> SentAt<'_> {
        let whole = SentAt {
            fields: self.fields.iter().collect(),
            last: self.last.as_ref(),
        };
        let root: &[&str] = match slot.form.root {
            Root::Strategy | Root::Rolling | Root::Spec => &["spec"],
            Root::Template => &["spec", "template"],
            Root::Pod => &["spec", "template", "spec"],
            Root::Container => &["spec", "template", "spec", "containers"],
        };
        let mut at = root.iter().fold(whole, |at, name| at.member(name));
        if slot.form.root == Root::Container {
            at = at.item("name", &slot.container);
        }
        at = slot.path(tree).iter().fold(at, |at, name| at.member(name));
        match slot.item() {
            Some((by, is)) => at.item(by, is),
            None => at,
        }
    }
}

impl SentAt<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.last.is_none()
    }

    /// What was sent of a member.
    pub(super) fn member(&self, name: &str) -> Self {
        let field = format!("f:{name}");
        Self {
            fields: self
                .fields
                .iter()
                .filter_map(|value| value.get(&field))
                .collect(),
            last: self.last.and_then(|value| value.get(name)),
        }
    }

    /// What was sent of a list's item.
    fn item(&self, by: &str, is: &str) -> Self {
        let field = format!("k:{{{}:{}}}", json::string(by), json::string(is));
        let is_it = |value: &&Value| value[by] == *is;
        Self {
            fields: self
                .fields
                .iter()
                .filter_map(|value| value.get(&field))
                .collect(),
            last: self
                .last
                .and_then(|value| value.as_array()?.iter().find(is_it)),
        }
    }

    /// Whether the value that stands there is one that was sent, whole or in part: the API fills in the rest.
    pub(super) fn has(&self, value: &Value) -> bool {
        !self.fields.is_empty() || self.last.is_some_and(|sent| within(sent, value))
    }
}

fn within(sent: &Value, value: &Value) -> bool {
    match (sent, value) {
        (Value::Object(sent), Value::Object(value)) => sent
            .iter()
            .all(|(key, sent)| value.get(key).is_some_and(|value| within(sent, value))),
        (sent, value) => sent == value,
    }
}
