//! The names in a mapping, its own and those that `<<` brings.

use super::budget::{Account, element, text};
use super::layout::Odd;
use super::plan::{Members, Stuck, charged};
use super::tree::{Id, Tree};
use super::value;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Bytes of a name without its text, and of its place.
const NAME: usize = element::<(String, Vec<usize>)>() + element::<usize>();

/// Found once for each mapping that a patch leads through: there may be as many operations as members.
pub(crate) struct Names {
    /// Where each name stands. kubectl takes the last, where there are several.
    at: HashMap<String, Vec<usize>>,
    /// Where `<<` stands.
    merges: Vec<usize>,
    /// What it brings, as long as it stands there.
    pub(crate) brought: Map<String, Value>,
}

impl Names {
    pub(crate) fn of(
        tree: &Tree<'_>,
        members: &[(Id, Id)],
        account: &mut Account,
    ) -> Result<Self, Stuck> {
        account.charge(members.len() * NAME)?;
        let mut names = Self {
            at: HashMap::with_capacity(members.len()),
            merges: Vec::new(),
            brought: Map::new(),
        };
        for (at, (key, value)) in members.iter().enumerate() {
            if value::is_merge(&tree.nodes[*key]) {
                names.merges.push(at);
                names.merge(charged(tree, *value, account)?)?;
            } else {
                let name = value::key(tree, *key).map_err(|_| Odd)?;
                account.charge(text(name.len()))?;
                names.at.entry(name).or_default().push(at);
            }
        }
        Ok(names)
    }

    fn merge(&mut self, value: Value) -> Result<(), Odd> {
        match value {
            Value::Object(map) => self.brought.extend(map),
            // The first of the list wins, so it comes last.
            Value::Array(maps) => {
                for map in maps.into_iter().rev() {
                    self.merge(map)?;
                }
            }
            _ => return Err(Odd),
        }
        Ok(())
    }

    /// Where a name stands that counts.
    pub(crate) fn last(&self, name: &str) -> Option<usize> {
        self.at.get(name)?.last().copied()
    }

    /// Takes a member out, wherever it stands or comes from.
    pub(crate) fn remove(&mut self, name: &str, plan: &mut Members) -> Result<(), Odd> {
        if self.brought.shift_remove(name).is_some() {
            self.unmerge(plan)?;
        }
        for at in self.at.get(name).into_iter().flatten() {
            plan.changed.insert(*at, None);
        }
        Ok(())
    }

    /// Puts what `<<` brings in its place.
    fn unmerge(&mut self, plan: &mut Members) -> Result<(), Odd> {
        for (name, value) in std::mem::take(&mut self.brought) {
            match self.last(&name) {
                // It stood before `<<` and did not count; alone it would.
                Some(at) if self.merges.iter().any(|merge| *merge > at) => return Err(Odd),
                Some(_) => {}
                None if plan.added.contains_key(&name) => {}
                None => {
                    plan.added.insert(name, value);
                }
            }
        }
        plan.changed
            .extend(self.merges.iter().map(|at| (*at, None)));
        Ok(())
    }
}
