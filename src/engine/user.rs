//! The user's workload: what stands there with the slots of the record taken out, one after the other.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::valid;
use crate::plan::chain;
use crate::slots::json;
use crate::slots::kind::Kind;
use crate::slots::record::{Raw, Record};
use crate::slots::sent::{self, Index, Sent, SentAt, Witnesses};
use crate::slots::slot::{self, Form, Holds, Places, RECORD, Root, Slot};
use crate::slots::tree::{Node, Tree};

/// What is the user's of a workload.
#[derive(Debug)]
pub(super) struct User<'a> {
    pub(super) tree: Tree<'a>,
    /// Whether everything in the template that the record names stood there as it was injected.
    pub(super) whole: bool,
    /// Whether something tells that the user sent what stands in a slot.
    pub(super) told: bool,
    /// The record's containers, under the names that they have now.
    pub(super) containers: Vec<String>,
}

/// Takes out what the record says is ours. What was changed since is the user's; so is what they are
/// known to have sent, though it equals ours (law 1).
pub(super) fn take_out<'a>(
    tree: &Tree<'a>,
    record: Option<&Record<'_>>,
    told: Witnesses<'_>,
    forms: &[&'static Form],
) -> User<'a> {
    let mut user = User {
        tree: tree.clone(),
        whole: record.is_some(),
        told: false,
        containers: Vec::new(),
    };
    let Some(record) = record else {
        return user;
    };
    let mut places = Places::new(&mut user.tree);
    let slots: Vec<_> = record.slots(forms).collect();
    let words = words(slots.iter().map(|(slot, ..)| slot), tree.kind);
    let mut sent = Sent::read(told, &words, tree.kind);
    let told_any = !sent.is_empty();
    let mut index = sent.index();
    let renamed = renamed(record, &slots, &mut places);
    for name in &record.containers {
        let now = renamed.get(&**name).map_or(&**name, String::as_str);
        user.containers.push(now.to_owned());
    }
    // The containers first: whether a volume is still mounted is asked once they are done.
    let (containers, others): (Vec<_>, Vec<_>) = slots
        .into_iter()
        .partition(|(slot, ..)| slot.form.root == Root::Container);
    let mut emptied = Vec::new();
    for (mut slot, key, now) in containers.into_iter().chain(others) {
        if let Some(name) = renamed.get(&*slot.container) {
            slot.container = Cow::Owned(name.clone());
            user.whole = false;
        }
        let in_template = slot.form.root.in_template();
        let was = record.was.get(key).map(Raw::get);
        let sent_here = if told_any {
            index.at(&slot, places.tree)
        } else {
            SentAt::default()
        };
        // Taken away, a volume that the user mounts would leave a mount without one, which the API refuses.
        let mounted = slot.form.path == ["volumes"] && valid::mounts_ours(places.tree);
        let gone = was.is_some()
            && slot.form.holds == Holds::Seconds
            && sent::taken_back(told, &sent_here, &slot, places.tree);
        user.whole &= !gone;
        let sent_here = match was {
            None => sent_here,
            Some(was) => sent_here.since(&json::value(was)),
        };
        user.told |= gone || !sent_here.is_empty();
        let was = was.filter(|_| !gone);
        let Some(node) = places.find_ours(&slot, now) else {
            user.whole &= !in_template;
            continue;
        };
        let short = slot::is_short(&node.text(), slot.item(), now);
        let found = if short && sent_here.is_empty() {
            SlotContent {
                stands: true,
                whose: Whose::Ours,
            }
        } else {
            let was = was.map(json::value);
            whose(
                &slot,
                &node.text(),
                &json::value(now),
                was.as_ref(),
                &sent_here,
            )
        };
        user.whole &= found.stands || !in_template;
        match found.whose {
            Whose::Ours if mounted => user.whole = false,
            Whose::Ours => {
                *node = was.map_or(Node::Gone, |was| Node::Json(Cow::Owned(was.to_owned())));
                emptied.push(slot);
            }
            Whose::Users(value) => *node = Node::Json(Cow::Owned(value.to_string())),
            Whose::AsItStands => {}
        }
    }
    let own = Slot::new(&RECORD);
    if let Some(node) = places.find(&own) {
        *node = Node::Gone;
        emptied.push(own);
    }
    close(&emptied, &mut places, record, &mut index);
    user
}

/// What was found in a slot.
struct SlotContent {
    /// Whether it is what the record says.
    stands: bool,
    whose: Whose,
}

/// Whose it is what stands in a slot.
enum Whose {
    Ours,
    /// Ours with the user's merged into it, which is this.
    Users(Value),
    /// The user's as it stands.
    AsItStands,
}

/// Tells what an apply merged into ours, and what the user changed or sent, from ours.
fn whose(
    slot: &Slot<'_>,
    present: &str,
    now: &Value,
    was: Option<&Value>,
    sent: &SentAt<'_>,
) -> SlotContent {
    let form = slot.form;
    let present = json::value(present);
    let stands = slot::stands(&present, now, slot.item().map(|(by, _)| by));
    // A hook that only Silkroll writes is ours, whatever was changed in it.
    let one_member = present.as_object().is_some_and(|all| all.len() == 1);
    let hook = form.path.starts_with(&["lifecycle"]);
    let ours = stands || hook && one_member && chain::is_ours(&present.to_string());
    let found = |whose| SlotContent { stands, whose };
    if ours && sent.is_empty() {
        return found(Whose::Ours);
    }
    let left = users(&present, now, sent);
    // What stood there before was sent again, and merged into ours.
    if let (Some(left), Some(was)) = (&left, was)
        && merged(&present, left, form)
        && sent::within(left, was)
    {
        return found(Whose::Ours);
    }
    found(match left.filter(|left| alone(left, form)) {
        Some(left) if left == present => Whose::AsItStands,
        Some(left) if stands || merged(&present, &left, form) => Whose::Users(left),
        None if ours => Whose::Ours,
        // Changed since, so it is the user's as it stands.
        _ => Whose::AsItStands,
    })
}

/// What a slot is looked for by in a text.
fn words<'s>(slots: impl Iterator<Item = &'s Slot<'s>> + Clone, kind: Kind) -> Vec<&'s str> {
    /// All variables of the script begin so.
    const VARIABLES: &str = "SILKROLL_";
    let words = slots.clone().filter_map(|slot| match slot.item() {
        Some((_, is)) if is.starts_with(VARIABLES) => Some(VARIABLES),
        Some((_, is)) => Some(is),
        None => slot.form.path.last().copied(),
    });
    // Their parents mean something where they are empty, too.
    let parents = slots.filter_map(|slot| match slot.form.root {
        Root::Rolling => Some(kind.rolling()),
        _ => slot.form.path.first().copied(),
    });
    let parents = parents.filter(|_| !kind.is_filled_in());
    let words = words.chain(parents).collect::<BTreeSet<_>>();
    words.into_iter().collect()
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

/// Gives the parents of slots that were taken out back as they were, where nothing else is in them.
fn close(
    emptied: &[Slot<'_>],
    places: &mut Places<'_, '_>,
    record: &Record<'_>,
    sent: &mut Index<'_, '_>,
) {
    let filled_in = places.tree.kind.is_filled_in();
    let mut parents = BTreeMap::new();
    let mut seen = HashSet::new();
    for slot in emptied {
        // All items of a list have the same.
        if seen.insert((&*slot.container, slot.form.key)) {
            let path = slot.parents(places.tree);
            for depth in 1..=path.len() {
                let key = slot.parent_key(&path[..depth]);
                parents.insert((depth, key), (slot, path[..depth].to_vec()));
            }
        }
    }
    for ((_, key), (slot, path)) in parents.into_iter().rev() {
        if let Some(node) = places.at(slot, path.iter().copied())
            && node.is_nothing()
            && !matches!(node, Node::Json(_))
        {
            match record.empty.get(&*key).map(Raw::get) {
                // Of a custom resource it may mean something: a Rollout with `canary: {}` is a canary.
                None if !filled_in && sent.has_parent(slot, &path) => {}
                None => *node = Node::Gone,
                Some("null") => *node = Node::Json(Cow::Borrowed("null")),
                // It is open and empty.
                Some(_) => {}
            }
        }
    }
}

/// Containers of the record that are called otherwise now: nothing of ours stands under the name that they had, and the
/// most of it under another.
fn renamed(
    record: &Record<'_>,
    slots: &[(Slot<'_>, &str, &str)],
    places: &mut Places<'_, '_>,
) -> BTreeMap<String, String> {
    /// A pod has a handful; of a forged one with thousands each is compared with each.
    const LOOKED_AT: usize = 8;
    /// An address of the pod alone many containers have.
    const LEAST: usize = 2;
    let mut by_container: HashMap<&str, Vec<(&Slot<'_>, &str)>> = HashMap::new();
    for (slot, _, now) in slots {
        if slot.form.root == Root::Container {
            let its = by_container.entry(&slot.container).or_default();
            its.push((slot, now));
        }
    }
    let known: BTreeSet<&str> = record.containers.iter().map(|name| &**name).collect();
    let stands = |places: &mut Places<'_, '_>, slot: &Slot<'_>, now: &str, name: &str| {
        let slot = Slot {
            container: Cow::Borrowed(name),
            ..slot.clone()
        };
        let here = places.find(&slot);
        here.is_some_and(|node| slot.holds(&node.text(), now, &OnceCell::new()))
    };
    let of = |name: &str| by_container.get(name).map_or(&[][..], Vec::as_slice);
    let lost: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| {
            !of(name)
                .iter()
                .any(|(slot, now)| stands(places, slot, now, name))
        })
        .collect();
    if lost.is_empty() {
        return BTreeMap::new();
    }
    let names = places.tree.names.clone();
    let others: Vec<_> = names
        .iter()
        .filter(|name| !known.contains(&***name))
        .collect();
    let mut renamed = BTreeMap::new();
    for old in lost.into_iter().take(LOOKED_AT) {
        let mut best = (0, None);
        for name in others.iter().take(LOOKED_AT) {
            if renamed.values().any(|taken: &String| *taken == ***name) {
                continue;
            }
            let its = of(old);
            let found = its
                .iter()
                .filter(|(slot, now)| stands(places, slot, now, name));
            let found = found.count();
            if found >= LEAST && found * 2 > its.len() && found > best.0 {
                best = (found, Some((**name).clone()));
            }
        }
        if let (_, Some(name)) = best {
            renamed.insert(old.to_owned(), name.into_owned());
        }
    }
    renamed
}
