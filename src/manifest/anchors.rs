//! Anchors at a changed place: aliases go on meaning what they meant.

use super::budget::Account;
use super::layout::Odd;
use super::plan::{Item, Members, Plan, Stuck, charged};
use super::tree::{Id, Kind, Tree};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Finds the anchored nodes that the plan changes or takes away, and hands each anchor on to the first alias that stays:
/// it gets the value that the node had, and the aliases behind it follow. Returns the nodes that lose their anchors.
pub(crate) fn settle(
    tree: &Tree<'_>,
    root: &mut Plan,
    account: &mut Account,
) -> Result<HashSet<Id>, Stuck> {
    let mut moved = HashSet::new();
    if tree.aliased.is_empty() {
        return Ok(moved);
    }
    let mut found = MovedAnchors {
        tree,
        changed: BTreeSet::new(),
        gone: HashSet::new(),
    };
    found.walk(root, 0);
    if found.changed.is_empty() {
        return Ok(moved);
    }
    let mut heirs = HashMap::new();
    for (id, node) in tree.nodes.iter().enumerate() {
        if let Kind::Alias(target) = node.kind
            && found.changed.contains(&target)
            && !found.gone.contains(&id)
            && moved.insert(target)
        {
            let value = charged(tree, target, account)?;
            heirs.insert(id, Plan::Anchor(target, value));
        }
    }
    let above = above(tree, &heirs);
    place(tree, root, 0, &above, &mut heirs)?;
    // One that stands where nothing can be put, as a key, is left.
    if heirs.is_empty() {
        Ok(moved)
    } else {
        Err(Odd.into())
    }
}

struct MovedAnchors<'t, 'a> {
    tree: &'t Tree<'a>,
    changed: BTreeSet<Id>,
    gone: HashSet<Id>,
}

impl MovedAnchors<'_, '_> {
    fn walk(&mut self, plan: &Plan, id: Id) {
        match (plan, &self.tree.nodes[id].kind) {
            (Plan::Mapping(members), Kind::Mapping(old)) => {
                self.changes(id);
                for (at, fate) in &members.changed {
                    let (key, value) = old[*at];
                    if let Some(plan) = fate {
                        self.walk(plan, value);
                    } else {
                        self.goes(key);
                        self.goes(value);
                    }
                }
            }
            (Plan::Sequence(items), Kind::Sequence(old)) => {
                self.changes(id);
                let mut next = 0;
                for item in items {
                    if let Item::Old(at, plan) = item {
                        old[next..*at].iter().for_each(|item| self.goes(*item));
                        self.walk(plan, old[*at]);
                        next = at + 1;
                    }
                }
                old[next..].iter().for_each(|item| self.goes(*item));
            }
            (Plan::Keep | Plan::Anchor(..), _) => {}
            _ => self.goes(id),
        }
    }

    fn changes(&mut self, id: Id) {
        if self.tree.aliased.contains_key(&id) {
            self.changed.insert(id);
        }
    }

    /// The node and all below it.
    fn goes(&mut self, id: Id) {
        self.changes(id);
        self.gone.insert(id);
        match &self.tree.nodes[id].kind {
            Kind::Mapping(members) => {
                for (key, value) in members {
                    self.goes(*key);
                    self.goes(*value);
                }
            }
            Kind::Sequence(items) => items.iter().for_each(|item| self.goes(*item)),
            Kind::Scalar { .. } | Kind::Alias(_) => {}
        }
    }
}

/// The heirs and all nodes that they stand in.
fn above(tree: &Tree<'_>, heirs: &HashMap<Id, Plan>) -> HashSet<Id> {
    let mut parents = vec![0; tree.nodes.len()];
    for (id, node) in tree.nodes.iter().enumerate() {
        match &node.kind {
            Kind::Mapping(members) => members.iter().for_each(|(_, value)| parents[*value] = id),
            Kind::Sequence(items) => items.iter().for_each(|item| parents[*item] = id),
            Kind::Scalar { .. } | Kind::Alias(_) => {}
        }
    }
    let mut above = HashSet::new();
    for heir in heirs.keys() {
        let mut id = *heir;
        while above.insert(id) && id != 0 {
            id = parents[id];
        }
    }
    above
}

fn place(
    tree: &Tree<'_>,
    plan: &mut Plan,
    id: Id,
    above: &HashSet<Id>,
    heirs: &mut HashMap<Id, Plan>,
) -> Result<(), Odd> {
    if !above.contains(&id) {
        return Ok(());
    }
    if let Some(heir) = heirs.remove(&id) {
        *plan = heir;
        return Ok(());
    }
    match &tree.nodes[id].kind {
        Kind::Mapping(old) => {
            if *plan == Plan::Keep {
                *plan = Plan::Mapping(Members::default());
            }
            let Plan::Mapping(members) = plan else {
                return Err(Odd);
            };
            for (at, (_, value)) in old.iter().enumerate() {
                if above.contains(value)
                    && let Some(plan) = members.changed.entry(at).or_insert(Some(Plan::Keep))
                {
                    place(tree, plan, *value, above, heirs)?;
                }
            }
        }
        Kind::Sequence(old) => {
            if *plan == Plan::Keep {
                *plan = Plan::Sequence(super::plan::untouched(old));
            }
            let Plan::Sequence(items) = plan else {
                return Err(Odd);
            };
            for item in items {
                if let Item::Old(at, plan) = item {
                    place(tree, plan, old[*at], above, heirs)?;
                }
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
    Ok(())
}
