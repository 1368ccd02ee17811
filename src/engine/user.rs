//! The user's workload: what stands there with the slots of the record taken out, one after the other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::chain;
use super::json;
use super::record::Record;
use super::sent::{Sent, SentAt};
use super::slot::{self, Form, Holds, Places, RECORD, Root, Slot};
use super::tree::{Node, Tree};
use super::valid;
use super::view::Meta;

/// What is the user's of a workload.
#[derive(Debug)]
pub(super) struct User<'a> {
    pub(super) tree: Tree<'a>,
    /// Whether everything in the template that the record names stood there as it was injected.
    pub(super) whole: bool,
    /// The record's containers, under the names that they have now.
    pub(super) containers: Vec<String>,
}

/// Takes out what the record says is ours. What was changed since is the user's; so is what they are
/// known to have sent, though it equals ours (law 1).
pub(super) fn take_out<'a>(
    tree: &Tree<'a>,
    record: Option<&Record<'_>>,
    meta: Option<&Meta<'_>>,
    forms: &[&'static Form],
) -> User<'a> {
    let mut user = User {
        tree: tree.clone(),
        whole: record.is_some(),
        containers: Vec::new(),
    };
    let mut places = Places::new(&mut user.tree);
    let own = Slot::new(&RECORD);
    let Some(record) = record else {
        return user;
    };
    let slots: Vec<_> = record.slots(forms).collect();
    let sent = Sent::read(meta, &words(slots.iter().map(|(slot, ..)| slot)));
    let renamed = renamed(record, &slots, &mut places);
    for name in &record.containers {
        let now = renamed.get(&**name).map_or(&**name, String::as_str);
        user.containers.push(now.to_owned());
    }
    // The containers first: whether a volume is still mounted is asked once they are done.
    let (containers, others): (Vec<_>, Vec<_>) = slots
        .into_iter()
        .partition(|(slot, ..)| slot.form.root == Root::Container);
    for (mut slot, key, now) in containers.into_iter().chain(others) {
        if let Some(name) = renamed.get(&*slot.container) {
            slot.container = Cow::Owned(name.clone());
            user.whole = false;
        }
        let by = slot.item().map(|(by, _)| by);
        let in_template = !matches!(slot.form.root, Root::Spec | Root::Strategy | Root::Rolling);
        let sent_here = if sent.is_empty() {
            SentAt::default()
        } else {
            let mut at = sent.at(&slot, places.tree);
            // An apply's entry lists fields without values: where something stood before, it may be that.
            if record.was.contains_key(key) {
                at.fields.clear();
            }
            at
        };
        // Taken away, a volume that the user mounts would leave a mount without one, which the API refuses.
        let mounted = slot.form.path == ["volumes"] && valid::mounts_ours(places.tree);
        let Some(node) = places.find(&slot) else {
            user.whole &= !in_template;
            continue;
        };
        let give_back = || match record.was.get(key) {
            Some(was) => Node::Json(Cow::Owned(was.get().to_owned())),
            None => Node::Gone,
        };
        let short = slot::short(&node.text(), slot.item()).is_some_and(|text| text == now);
        if short && sent_here.is_empty() && !mounted {
            *node = give_back();
            close(&slot, &mut places, record);
            continue;
        }
        let now = json::value(now);
        let present = json::value(&node.text());
        let stands = slot::stands(&present, &now, by);
        user.whole &= stands || !in_template;
        // A hook that only Silkroll writes is ours, whatever was changed in it.
        let alone_there = present
            .as_object()
            .is_some_and(|members| members.len() == 1);
        let written = slot.form.path.starts_with(&["lifecycle"])
            && alone_there
            && chain::is_ours(&node.text());
        let users = if (stands || written) && sent_here.is_empty() {
            None
        } else {
            users(&present, &now, &sent_here)
        };
        match users.filter(|users| alone(users, slot.form)) {
            Some(users) if users == present => {}
            Some(users) if stands || merged(&present, &users, slot.form) => {
                *node = Node::Json(Cow::Owned(users.to_string()));
            }
            None if stands && mounted => user.whole = false,
            None if stands || written => {
                *node = give_back();
                close(&slot, &mut places, record);
            }
            // Changed since, so it is the user's as it stands.
            _ => {}
        }
    }
    if let Some(node) = places.find(&own) {
        *node = Node::Gone;
        close(&own, &mut places, record);
    }
    user
}

/// What a slot is looked for by in a text.
pub(super) fn words<'s>(slots: impl Iterator<Item = &'s Slot<'s>>) -> Vec<&'s str> {
    /// All variables of the script begin so.
    const VARIABLES: &str = "SILKROLL_";
    let words = slots.filter_map(|slot| match slot.item() {
        Some((_, is)) if is.starts_with(VARIABLES) => Some(VARIABLES),
        Some((_, is)) => Some(is),
        None => slot.form.path.last().copied(),
    });
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is left of a value where the members that equal ours and were not sent are taken away. An action or a source
/// counts as a whole; only the sources of a variable stand one level deeper.
fn users(present: &Value, ours: &Value, sent: &SentAt<'_>) -> Option<Value> {
    const SOURCES: &str = "valueFrom";
    let theirs = |value: &Value, ours: &Value, sent: &SentAt<'_>| {
        (!slot::stands(value, ours, None) || sent.has(value)).then(|| value.clone())
    };
    let (Value::Object(members), Value::Object(all_ours)) = (present, ours) else {
        return theirs(present, ours, sent);
    };
    let left = members.iter().filter_map(|(key, value)| {
        let sent = sent.member(key);
        let left = match all_ours.get(key) {
            Some(ours) if key == SOURCES => users(value, ours, &sent)?,
            Some(ours) => theirs(value, ours, &sent)?,
            None => value.clone(),
        };
        Some((key.clone(), left))
    });
    let left: Map<String, Value> = left.collect();
    (!left.is_empty()).then_some(Value::Object(left))
}

/// Whether it can stand without ours.
fn alone(users: &Value, form: &Form) -> bool {
    let Holds::Object(any_of) = form.holds else {
        return true;
    };
    let by = form.item.map(|(by, _)| by);
    users.as_object().is_some_and(|members| {
        members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .any(|(key, _)| {
                Some(key.as_str()) != by && (any_of.is_empty() || any_of.contains(&key.as_str()))
            })
    })
}

/// Whether something of ours stands beside what is the user's, as an apply leaves it: where they took it away, the
/// rest was theirs to keep.
fn merged(present: &Value, users: &Value, form: &Form) -> bool {
    match form.holds {
        Holds::Object([]) => present != users,
        Holds::Object(any_of) => any_of
            .iter()
            .any(|name| present.get(name) != users.get(name)),
        Holds::Seconds | Holds::Plain => false,
    }
}

/// Gives the parents of a slot that was taken out back as they were, where nothing else is in them.
fn close(slot: &Slot<'_>, places: &mut Places<'_, '_>, record: &Record<'_>) {
    for (key, path) in slot.parents(places.tree).into_iter().rev() {
        if let Some(node) = places.at(slot, &path)
            && node.is_nothing()
            && !matches!(node, Node::Json(_))
        {
            match record.empty.get(&*key).map(|was| was.get()) {
                None => *node = Node::Gone,
                Some("null") => *node = Node::Json(Cow::Borrowed("null")),
                // It is open and empty.
                Some(_) => {}
            }
        }
    }
}

/// Containers of the record that are called otherwise now: found by the most that they still carry of ours.
fn renamed(
    record: &Record<'_>,
    slots: &[(Slot<'_>, &str, &str)],
    places: &mut Places<'_, '_>,
) -> BTreeMap<String, String> {
    /// A pod has a handful; a forged one may have thousands.
    const LOOKED_AT: usize = 32;
    let mut renamed = BTreeMap::new();
    let names = places.tree.names.clone();
    let missing = record
        .containers
        .iter()
        .filter(|name| !names.contains(name));
    for old in missing.take(LOOKED_AT) {
        let mut best = (0, None);
        for name in names
            .iter()
            .filter(|name| !record.containers.contains(name))
            .take(LOOKED_AT)
        {
            if renamed.values().any(|taken| *taken == **name) {
                continue;
            }
            let its = slots
                .iter()
                .filter(|(slot, ..)| slot.form.root == Root::Container && slot.container == *old);
            let mut all = 0;
            let mut found = 0;
            for (slot, _, now) in its {
                let slot = Slot {
                    container: name.clone(),
                    ..slot.clone()
                };
                let by = slot.item().map(|(by, _)| by);
                let here = places.find(&slot).map(|node| json::value(&node.text()));
                all += 1;
                found += usize::from(
                    here.is_some_and(|here| slot::stands(&here, &json::value(now), by)),
                );
            }
            if found * 2 > all && found > best.0 {
                best = (found, Some(name));
            }
        }
        if let (_, Some(name)) = best {
            renamed.insert(old.clone().into_owned(), name.clone().into_owned());
        }
    }
    renamed
}
