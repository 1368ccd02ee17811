//! What a patch does to each node: the patch replayed on the tree, before any text moves.

use super::budget::{Account, Excess};
use super::error::Fault;
use super::layout::Odd;
use super::names::Names;
use super::tree::{Id, Kind, Tree};
use super::{anchors, value};
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The fate of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    Keep,
    New(Value),
    Mapping(Members),
    Sequence(Vec<Item>),
    /// An alias takes over the anchor of this node, with the value that the node had.
    Anchor(Id, Value),
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

/// Why there is no plan.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stuck {
    /// The text cannot follow.
    Odd,
    /// It would take too much.
    Excess(Excess),
}

impl From<Odd> for Stuck {
    fn from(_: Odd) -> Self {
        Self::Odd
    }
}

impl From<Excess> for Stuck {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
    }
}

/// The value of a node, charged as it is built.
pub(crate) fn charged(tree: &Tree<'_>, id: Id, account: &mut Account) -> Result<Value, Stuck> {
    value::at(tree, id, account).map_err(|(_, fault)| match fault {
        Fault::Excess(excess) => Stuck::Excess(excess),
        _ => Stuck::Odd,
    })
}

/// A plan for a document.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) root: Plan,
    /// Anchored nodes that change or go while an alias still needs what they were: their anchors move to the first such
    /// alias.
    pub(crate) moved: HashSet<Id>,
}

/// Replays a patch. Only operations that the text can follow; the others are [`Odd`].
pub(crate) fn of(
    tree: &Tree<'_>,
    operations: &[PatchOperation],
    account: &mut Account,
) -> Result<Planned, Stuck> {
    let mut root = Plan::Keep;
    let mut planner = Planner {
        tree,
        names: HashMap::new(),
        account,
    };
    for operation in operations {
        planner.account.go_on()?;
        let (path, change) = match operation {
            PatchOperation::Add(AddOperation { path, value }) => (path, Change::Add(value)),
            PatchOperation::Replace(ReplaceOperation { path, value }) => {
                (path, Change::Replace(value))
            }
            PatchOperation::Remove(RemoveOperation { path }) => (path, Change::Remove),
            // Whether it holds was found out on the value.
            PatchOperation::Test(_) => continue,
            _ => return Err(Odd.into()),
        };
        let path: Vec<String> = path
            .tokens()
            .map(|token| token.decoded().into_owned())
            .collect();
        planner.apply(&mut root, 0, &path, change)?;
    }
    let moved = anchors::settle(tree, &mut root, account)?;
    Ok(Planned { root, moved })
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

struct Planner<'t, 'a, 'b> {
    tree: &'t Tree<'a>,
    account: &'b mut Account,
    /// The names in the mappings that operations lead through.
    names: HashMap<Id, Names>,
}

impl<'t> Planner<'t, '_, '_> {
    fn apply(
        &mut self,
        plan: &mut Plan,
        id: Id,
        path: &[String],
        change: Change<'_>,
    ) -> Result<(), Stuck> {
        let Some((name, rest)) = path.split_first() else {
            *plan = self.difference(id, change.value()?)?;
            return Ok(());
        };
        if *plan == Plan::Keep {
            *plan = self.opened(id)?;
        }
        match plan {
            Plan::New(value) => Ok(on_value(value, path, change)?),
            Plan::Mapping(members) => self.on_member(members, id, name, rest, change),
            Plan::Sequence(items) => self.on_item(items, id, name, rest, change),
            Plan::Keep | Plan::Anchor(..) => Err(Odd.into()),
        }
    }

    /// A plan for a node whose parts change. An alias gives way to what it repeats, for only this place changes.
    fn opened(&mut self, id: Id) -> Result<Plan, Stuck> {
        match &self.tree.nodes[id].kind {
            Kind::Mapping(_) => Ok(Plan::Mapping(Members::default())),
            Kind::Sequence(items) => {
                self.account.charge(items.len() * size_of::<Item>())?;
                Ok(Plan::Sequence(untouched(items)))
            }
            Kind::Alias(_) => charged(self.tree, id, self.account).map(Plan::New),
            Kind::Scalar { .. } => Err(Odd.into()),
        }
    }

    fn members(&self, id: Id) -> &'t [(Id, Id)] {
        match &self.tree.nodes[id].kind {
            Kind::Mapping(members) => members,
            _ => &[],
        }
    }

    fn on_member(
        &mut self,
        plan: &mut Members,
        id: Id,
        name: &str,
        rest: &[String],
        change: Change<'_>,
    ) -> Result<(), Stuck> {
        let removed = rest.is_empty() && matches!(change, Change::Remove);
        if removed {
            // `<<` may bring it, too.
            plan.added.shift_remove(name);
        } else if let Some(value) = plan.added.get_mut(name) {
            if rest.is_empty() {
                *value = change.value()?;
                return Ok(());
            }
            return Ok(on_value(value, rest, change)?);
        }
        let members = self.members(id);
        let names = match self.names.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Names::of(self.tree, members, self.account)?),
        };
        if removed {
            return Ok(names.remove(name, plan)?);
        }
        let Some(at) = names.last(name) else {
            // A member of its own stands behind what `<<` brings, and so counts.
            let value = match (rest, change, names.brought.get(name)) {
                ([], Change::Add(value), _) | ([], Change::Replace(value), Some(_)) => {
                    value.clone()
                }
                (_, _, Some(value)) => {
                    let mut value = value.clone();
                    on_value(&mut value, rest, change)?;
                    value
                }
                _ => return Err(Odd.into()),
            };
            plan.added.insert(name.to_owned(), value);
            return Ok(());
        };
        let member = plan.changed.entry(at).or_insert(Some(Plan::Keep));
        match (member, rest, change) {
            (Some(plan), rest, change) => self.apply(plan, members[at].1, rest, change)?,
            (member @ None, [], change) => {
                *member = Some(self.difference(members[at].1, change.value()?)?);
            }
            (None, ..) => return Err(Odd.into()),
        }
        Ok(())
    }

    fn on_item(
        &mut self,
        items: &mut Vec<Item>,
        id: Id,
        name: &str,
        rest: &[String],
        change: Change<'_>,
    ) -> Result<(), Stuck> {
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
                        return Err(Odd.into());
                    };
                    self.apply(plan, nodes[*index], rest, change)?;
                }
            },
        }
        Ok(())
    }

    /// The smallest plan that turns a node into a value, so that what stays the same keeps its comments.
    fn difference(&mut self, id: Id, new: Value) -> Result<Plan, Stuck> {
        let before = self.account.held();
        let old = charged(self.tree, id, self.account)?;
        let plan = self.between(id, &old, new);
        drop(old);
        self.account.give_back(self.account.held() - before);
        Ok(plan)
    }

    fn between(&self, id: Id, old: &Value, new: Value) -> Plan {
        if *old == new {
            return Plan::Keep;
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
        let mut seen = HashSet::with_capacity(members.len());
        // Of a key that stands there twice, kubectl takes the last.
        for (at, (key, id)) in members.iter().enumerate().rev() {
            let name = value::key(self.tree, *key).unwrap_or_default();
            let fate = match (old.get(&name), new.get_mut(&name)) {
                (Some(_), Some(_)) if seen.contains(&name) => Some(Plan::Keep),
                (Some(old), Some(new)) => Some(self.between(*id, old, new.take())),
                _ => None,
            };
            if fate != Some(Plan::Keep) {
                plan.changed.insert(at, fate);
            }
            seen.insert(name);
        }
        plan.added = new
            .into_iter()
            .filter(|(name, _)| !old.contains_key(name))
            .collect();
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

/// A sequence of which every item stays.
pub(crate) fn untouched(items: &[Id]) -> Vec<Item> {
    (0..items.len())
        .map(|at| Item::Old(at, Plan::Keep))
        .collect()
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
