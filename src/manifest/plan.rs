//! What a patch does to each node: the patch replayed on the tree, before any text moves.

use super::layout::Odd;
use super::tree::{Id, Kind, Tree};
use super::value;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The fate of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    Keep,
    New(Value),
    Mapping(Members),
    Sequence(Vec<Item>),
}

/// The fate of a mapping's members.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Members {
    /// By the member's index; `None` where it goes. Members that are not here stay.
    pub(crate) changed: BTreeMap<usize, Option<Plan>>,
    /// In their order, behind the others.
    pub(crate) added: Map<String, Value>,
}

/// What stands in a sequence afterwards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// The item that had this index.
    Old(usize, Plan),
    New(Value),
}

/// Replays a patch. Only operations that the text can follow; the others are [`Odd`].
pub(crate) fn of(tree: &Tree<'_>, operations: &[PatchOperation]) -> Result<Plan, Odd> {
    let mut plan = Plan::Keep;
    let planner = Planner { tree };
    for operation in operations {
        let (path, change) = match operation {
            PatchOperation::Add(AddOperation { path, value }) => (path, Change::Add(value)),
            PatchOperation::Replace(ReplaceOperation { path, value }) => {
                (path, Change::Replace(value))
            }
            PatchOperation::Remove(RemoveOperation { path }) => (path, Change::Remove),
            // Whether it holds was found out on the value.
            PatchOperation::Test(_) => continue,
            _ => return Err(Odd),
        };
        let path: Vec<String> = path
            .tokens()
            .map(|token| token.decoded().into_owned())
            .collect();
        planner.apply(&mut plan, 0, &path, change)?;
    }
    Ok(plan)
}

#[derive(Clone, Copy)]
enum Change<'p> {
    Add(&'p Value),
    Replace(&'p Value),
    Remove,
}

impl Change<'_> {
    fn value(self) -> Result<Value, Odd> {
        match self {
            Self::Add(value) | Self::Replace(value) => Ok(value.clone()),
            Self::Remove => Err(Odd),
        }
    }
}

struct Planner<'t, 'a> {
    tree: &'t Tree<'a>,
}

impl Planner<'_, '_> {
    fn apply(
        &self,
        plan: &mut Plan,
        id: Id,
        path: &[String],
        change: Change<'_>,
    ) -> Result<(), Odd> {
        let Some((name, rest)) = path.split_first() else {
            *plan = self.difference(id, change.value()?)?;
            return Ok(());
        };
        if *plan == Plan::Keep {
            *plan = self.opened(id)?;
        }
        match plan {
            Plan::New(value) => on_value(value, path, change),
            Plan::Mapping(members) => self.on_member(members, id, name, rest, change),
            Plan::Sequence(items) => self.on_item(items, id, name, rest, change),
            Plan::Keep => Err(Odd),
        }
    }

    /// A plan for a node whose parts change. What an alias repeats cannot change in one place only.
    fn opened(&self, id: Id) -> Result<Plan, Odd> {
        if self.tree.aliased.contains_key(&id) {
            return Err(Odd);
        }
        match &self.tree.nodes[id].kind {
            Kind::Mapping(_) => Ok(Plan::Mapping(Members::default())),
            Kind::Sequence(items) => Ok(Plan::Sequence(
                (0..items.len())
                    .map(|at| Item::Old(at, Plan::Keep))
                    .collect(),
            )),
            Kind::Scalar { .. } | Kind::Alias(_) => Err(Odd),
        }
    }

    fn members(&self, id: Id) -> &[(Id, Id)] {
        match &self.tree.nodes[id].kind {
            Kind::Mapping(members) => members,
            _ => &[],
        }
    }

    fn on_member(
        &self,
        plan: &mut Members,
        id: Id,
        name: &str,
        rest: &[String],
        change: Change<'_>,
    ) -> Result<(), Odd> {
        if let Some(value) = plan.added.get_mut(name) {
            return match (rest, change) {
                ([], Change::Remove) => plan.added.shift_remove(name).map(|_| ()).ok_or(Odd),
                ([], _) => change.value().map(|new| *value = new),
                (rest, change) => on_value(value, rest, change),
            };
        }
        let members = self.members(id);
        let named = |key: Id| {
            !value::is_merge(&self.tree.nodes[key])
                && value::key(self.tree, key).is_ok_and(|key| key == name)
        };
        // Of a key that stands there twice, kubectl takes the last.
        let Some(at) = members.iter().rposition(|(key, _)| named(*key)) else {
            if rest.is_empty() && matches!(change, Change::Add(_)) {
                plan.added.insert(name.to_owned(), change.value()?);
                return Ok(());
            }
            // Only `<<` can have brought it.
            return Err(Odd);
        };
        let member = plan.changed.entry(at).or_insert(Some(Plan::Keep));
        match (member, rest, change) {
            (member, [], Change::Remove) => *member = None,
            (Some(plan), rest, change) => self.apply(plan, members[at].1, rest, change)?,
            (member @ None, [], change) => {
                *member = Some(self.difference(members[at].1, change.value()?)?);
            }
            (None, ..) => return Err(Odd),
        }
        Ok(())
    }

    fn on_item(
        &self,
        items: &mut Vec<Item>,
        id: Id,
        name: &str,
        rest: &[String],
        change: Change<'_>,
    ) -> Result<(), Odd> {
        let at = if name == "-" {
            items.len()
        } else {
            name.parse().map_err(|_| Odd)?
        };
        match (rest, change) {
            ([], Change::Add(value)) if at <= items.len() => {
                items.insert(at, Item::New(value.clone()));
            }
            ([], Change::Remove) if at < items.len() => {
                items.remove(at);
            }
            (rest, change) => match items.get_mut(at).ok_or(Odd)? {
                Item::New(value) if rest.is_empty() => *value = change.value()?,
                Item::New(value) => on_value(value, rest, change)?,
                Item::Old(index, plan) => {
                    let Kind::Sequence(nodes) = &self.tree.nodes[id].kind else {
                        return Err(Odd);
                    };
                    self.apply(plan, nodes[*index], rest, change)?;
                }
            },
        }
        Ok(())
    }

    /// The smallest plan that turns a node into a value, so that what stays the same keeps its comments.
    fn difference(&self, id: Id, new: Value) -> Result<Plan, Odd> {
        let old = value::at(self.tree, id).map_err(|_| Odd)?;
        Ok(self.between(id, &old, new))
    }

    fn between(&self, id: Id, old: &Value, new: Value) -> Plan {
        if *old == new {
            return Plan::Keep;
        }
        if self.tree.aliased.contains_key(&id) {
            return Plan::New(new);
        }
        match (&self.tree.nodes[id].kind, old, new) {
            (Kind::Mapping(members), Value::Object(old), Value::Object(new))
                if self.plain(members) && !new.is_empty() =>
            {
                self.between_maps(members, old, new)
            }
            (Kind::Sequence(items), Value::Array(old), Value::Array(new)) if !new.is_empty() => {
                self.between_lists(items, old, new)
            }
            (_, _, new) => Plan::New(new),
        }
    }

    fn plain(&self, members: &[(Id, Id)]) -> bool {
        !members
            .iter()
            .any(|(key, _)| value::is_merge(&self.tree.nodes[*key]))
    }

    fn between_maps(
        &self,
        members: &[(Id, Id)],
        old: &Map<String, Value>,
        mut new: Map<String, Value>,
    ) -> Plan {
        let mut plan = Members::default();
        for (at, (key, id)) in members.iter().enumerate() {
            let name = value::key(self.tree, *key).unwrap_or_default();
            let fate = match (old.get(&name), new.shift_remove(&name)) {
                (Some(old), Some(new)) => Some(self.between(*id, old, new)),
                _ => None,
            };
            if fate != Some(Plan::Keep) {
                plan.changed.insert(at, fate);
            }
        }
        plan.added = new;
        Plan::Mapping(plan)
    }

    /// What is the same at both ends stays; between, items pair up one by one.
    fn between_lists(&self, nodes: &[Id], old: &[Value], new: Vec<Value>) -> Plan {
        let head = old
            .iter()
            .zip(&new)
            .take_while(|(old, new)| old == new)
            .count();
        let tail = old[head..]
            .iter()
            .rev()
            .zip(new[head..].iter().rev())
            .take_while(|(old, new)| old == new)
            .count();
        let (middle, last) = (old.len() - tail, new.len() - tail);
        let mut items = Vec::with_capacity(new.len());
        for (at, value) in new.into_iter().enumerate() {
            items.push(if at < head {
                Item::Old(at, Plan::Keep)
            } else if at >= last {
                Item::Old(at - last + middle, Plan::Keep)
            } else if at < middle {
                Item::Old(at, self.between(nodes[at], &old[at], value))
            } else {
                Item::New(value)
            });
        }
        Plan::Sequence(items)
    }
}

/// A change inside something that the patch itself has brought.
fn on_value(value: &mut Value, path: &[String], change: Change<'_>) -> Result<(), Odd> {
    let path = jsonptr(path);
    let operation = match change {
        Change::Add(value) => PatchOperation::Add(AddOperation {
            path,
            value: value.clone(),
        }),
        Change::Replace(value) => PatchOperation::Replace(ReplaceOperation {
            path,
            value: value.clone(),
        }),
        Change::Remove => PatchOperation::Remove(RemoveOperation { path }),
    };
    json_patch::patch(value, &[operation]).map_err(|_| Odd)
}

fn jsonptr(path: &[String]) -> json_patch::jsonptr::PointerBuf {
    json_patch::jsonptr::PointerBuf::from_tokens(path.iter().map(String::as_str))
}
