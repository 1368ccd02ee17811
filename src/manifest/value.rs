//! From the tree to the JSON value that kubectl would send.

use super::budget::{Account, Budget, ITEM, MEMBER, Stop, element, text as text_bytes};
use super::error::Fault;
use super::scalar;
use super::tree::{At, Id, Kind, Node, Tree};
use saphyr_parser::ScalarStyle;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The value of a whole document: null where it is empty.
pub(crate) fn of(tree: &Tree<'_>, depth: usize, account: &mut Account) -> At<Value> {
    let mut reader = Reader {
        tree,
        account,
        depth,
    };
    if tree.root().is_some() {
        reader.read(0, 0)
    } else {
        Ok(Value::Null)
    }
}

/// The JSON key of a node that stands for one.
pub(crate) fn key(tree: &Tree<'_>, id: Id) -> At<String> {
    let mut node = &tree.nodes[id];
    while let Kind::Alias(target) = node.kind {
        node = &tree.nodes[target];
    }
    let Kind::Scalar { text, style } = &node.kind else {
        return Err((tree.nodes[id].line, Fault::Key("a mapping or a list")));
    };
    let plain = *style == ScalarStyle::Plain;
    scalar::meaning(text, plain, node.tag.as_deref())
        .and_then(|meaning| scalar::key(text, meaning))
        .map_err(|fault| (tree.nodes[id].line, fault))
}

/// Whether a key is `<<`, which merges instead of naming a member.
pub(crate) fn is_merge(node: &Node<'_>) -> bool {
    let Kind::Scalar { text, style } = &node.kind else {
        return false;
    };
    text == "<<"
        && match node.tag.as_deref() {
            None | Some("!") => *style == ScalarStyle::Plain,
            Some(tag) => tag == "tag:yaml.org,2002:merge",
        }
}

struct Reader<'t, 'a, 'b> {
    tree: &'t Tree<'a>,
    /// Each use of an alias is charged all that it repeats.
    account: &'b mut Account,
    depth: usize,
}

/// Bytes of a key and its line, by which a second one like it is found.
const LINE: usize = element::<(String, usize)>();

impl<'t, 'a> Reader<'t, 'a, '_> {
    fn read(&mut self, id: Id, depth: usize) -> At<Value> {
        let node = self.count(id, depth)?;
        match &node.kind {
            Kind::Scalar { text, style } => {
                scalar::meaning(text, *style == ScalarStyle::Plain, node.tag.as_deref())
                    .and_then(|meaning| scalar::value(text, meaning))
                    .map_err(|fault| (node.line, fault))
            }
            Kind::Sequence(items) => {
                let items = items.iter().map(|item| self.read(*item, depth + 1));
                items.collect::<At<Vec<_>>>().map(Value::Array)
            }
            Kind::Mapping(members) => {
                let mut map = Map::new();
                self.members(members, depth, &mut map)?;
                Ok(Value::Object(map))
            }
            Kind::Alias(target) => self.read(*target, depth),
        }
    }

    fn count(&mut self, id: Id, depth: usize) -> At<&'t Node<'a>> {
        let node = &self.tree.nodes[id];
        if depth > self.depth {
            return Err((node.line, Fault::TooDeep(self.depth)));
        }
        let text = match &node.kind {
            Kind::Scalar { text, .. } => text_bytes(text.len()),
            _ => 0,
        };
        self.charge(node.line, ITEM + text)?;
        Ok(node)
    }

    fn charge(&mut self, line: usize, bytes: usize) -> At<()> {
        self.account
            .charge(bytes)
            .map_err(|excess| (line, excess.into()))
    }

    /// Members in their order. As in go-yaml v2, what `<<` brings replaces members that stand before it.
    fn members(
        &mut self,
        members: &[(Id, Id)],
        depth: usize,
        map: &mut Map<String, Value>,
    ) -> At<()> {
        let mut lines = HashMap::new();
        for &(key, value) in members {
            let node = &self.tree.nodes[key];
            // The value's own share as an item is part of a member's.
            self.charge(node.line, MEMBER - ITEM + LINE)?;
            if is_merge(node) {
                self.merge(value, depth + 1, map)?;
                continue;
            }
            let name = self::key(self.tree, key)?;
            self.charge(node.line, 2 * text_bytes(name.len()))?;
            if let Some(first) = lines.insert(name.clone(), node.line) {
                return Err((node.line, Fault::DuplicateKey { key: name, first }));
            }
            let value = self.read(value, depth + 1)?;
            map.insert(name, value);
        }
        Ok(())
    }

    fn merge(&mut self, id: Id, depth: usize, map: &mut Map<String, Value>) -> At<()> {
        let node = self.count(id, depth)?;
        match &node.kind {
            Kind::Mapping(members) => self.members(members, depth, map),
            Kind::Alias(target) if matches!(self.tree.nodes[*target].kind, Kind::Mapping(_)) => {
                self.merge(*target, depth, map)
            }
            // The first of the list wins, so it comes last.
            Kind::Sequence(items) => {
                for &item in items.iter().rev() {
                    let target = match self.tree.nodes[item].kind {
                        Kind::Alias(target) => target,
                        _ => item,
                    };
                    if !matches!(self.tree.nodes[target].kind, Kind::Mapping(_)) {
                        return Err((self.tree.nodes[item].line, Fault::Merge));
                    }
                    self.merge(target, depth + 1, map)?;
                }
                Ok(())
            }
            _ => Err((node.line, Fault::Merge)),
        }
    }
}

/// The value of one node of a tree that [`of`] has read before.
pub(crate) fn at(tree: &Tree<'_>, id: Id) -> At<Value> {
    let budget = Budget::new(usize::MAX, Stop::default());
    Reader {
        tree,
        account: &mut budget.account(),
        depth: usize::MAX,
    }
    .read(id, 0)
}
