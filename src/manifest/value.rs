//! From the tree to the JSON value that kubectl would send.

use super::budget::{Account, ITEM, MEMBER, element, text as text_bytes};
use super::error::Fault;
use super::scalar::{self, Meaning};
use super::tree::{At, Id, Kind, Node, ScalarStyle, Tree};
use super::warning::Warnings;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The value of a whole document: null where it is empty.
pub(crate) fn of(
    tree: &Tree<'_>,
    depth: usize,
    account: &mut Account,
    warnings: &mut Warnings,
) -> At<Value> {
    let mut reader = Reader {
        tree,
        account,
        depth,
        warnings,
        mappings: 0,
        aliases: Aliases::default(),
        bounded: true,
        late: None,
    };
    if tree.root().is_none() {
        return Ok(Value::Null);
    }
    // go-yaml counts the document itself as well.
    reader.aliases.read();
    let value = reader.value(0, 0)?;
    reader.late.map_or(Ok(value), Err)
}

/// The value of one node of a tree that [`of`] has read before.
pub(crate) fn at(tree: &Tree<'_>, id: Id, account: &mut Account) -> At<Value> {
    Reader {
        tree,
        account,
        depth: usize::MAX,
        warnings: &mut Warnings::default(),
        mappings: 0,
        aliases: Aliases::default(),
        bounded: false,
        late: None,
    }
    .value(id, 0)
}

/// The JSON key of a node that stands for one.
pub(crate) fn key(tree: &Tree<'_>, id: Id) -> At<String> {
    typed_key(tree, id)?.map(|(key, _)| key)
}

/// The key; or why JSON has no form for it, where it is a key all the same.
fn typed_key(tree: &Tree<'_>, id: Id) -> At<Result<(String, Type), Late>> {
    let mut node = &tree.nodes[id];
    while let Kind::Alias(target) = node.kind {
        node = &tree.nodes[target];
    }
    let Kind::Scalar { text, style } = &node.kind else {
        return Err((tree.nodes[id].line, Fault::Key("a mapping or a list")));
    };
    let at = |fault| (tree.nodes[id].line, fault);
    let plain = *style == ScalarStyle::Plain;
    let meaning = scalar::meaning(text, plain, node.tag.as_deref()).map_err(at)?;
    let of = Type::of(&meaning);
    Ok(scalar::key(text, meaning).map(|key| (key, of)).map_err(at))
}

/// Whether a key is `<<`, which merges instead of naming a member.
pub(crate) fn is_merge(node: &Node<'_>) -> bool {
    let Kind::Scalar { text, style } = &node.kind else {
        return false;
    };
    text == "<<"
        && match node.tag.as_deref() {
            None => *style == ScalarStyle::Plain,
            Some(tag) => tag == "!" || tag == "tag:yaml.org,2002:merge",
        }
}

/// What a key was before it became text. Keys of two types that become the same text are two members to go-yaml, of
/// which `sigs.k8s.io/yaml` keeps one at random.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Type {
    Text,
    Bool,
    Int,
    /// Told apart by their value, which may have more digits than the key.
    Float(f64),
}

impl Type {
    fn of(meaning: &Meaning) -> Self {
        match meaning {
            Meaning::Bool(_) => Self::Bool,
            Meaning::Int(_) | Meaning::Unsigned(_) => Self::Int,
            Meaning::Float(float) => Self::Float(*float),
            Meaning::Null | Meaning::Text | Meaning::Decoded(_) => Self::Text,
        }
    }
}

/// A key that is there already.
struct Seen {
    of: Type,
    line: usize,
    /// Which mapping brought it: the one itself, or one that it merges.
    mapping: usize,
}

/// Bytes of a key by which a second one like it is found.
const SEEN: usize = element::<(String, Seen)>();

/// A mapping as it grows.
#[derive(Default)]
struct Members {
    map: Map<String, Value>,
    seen: HashMap<String, Seen>,
    late: HashMap<String, Late>,
}

struct Reader<'t, 'a, 'b> {
    tree: &'t Tree<'a>,
    /// Each use of an alias is charged all that it repeats.
    account: &'b mut Account,
    depth: usize,
    warnings: &'b mut Warnings,
    /// How many mappings were read.
    mappings: usize,
    aliases: Aliases,
    /// Whether too many aliases end it.
    bounded: bool,
    /// The first fault of what was read that has no form in JSON. kubectl finds it later, when it writes JSON: where
    /// another value of the same key has replaced it by then, it never does.
    late: Option<Late>,
}

type Late = (usize, Fault);

impl<'t, 'a> Reader<'t, 'a, '_> {
    fn value(&mut self, id: Id, depth: usize) -> At<Value> {
        let node = self.count(id, depth)?;
        match &node.kind {
            Kind::Scalar { text, style } => {
                self.charge(node.line, text_bytes(text.len()))?;
                let at = |fault| (node.line, fault);
                let plain = *style == ScalarStyle::Plain;
                let meaning = scalar::meaning(text, plain, node.tag.as_deref()).map_err(at)?;
                Ok(scalar::value(text, meaning).unwrap_or_else(|fault| {
                    self.late.get_or_insert(at(fault));
                    Value::Null
                }))
            }
            Kind::Sequence(items) => {
                let items = items.iter().map(|item| self.value(*item, depth + 1));
                items.collect::<At<Vec<_>>>().map(Value::Array)
            }
            Kind::Mapping(members) => {
                let mut into = Members::default();
                self.members(members, depth, &mut into)?;
                self.account.give_back(into.seen.len() * SEEN);
                let first = into.late.into_values().min_by_key(|(line, _)| *line);
                self.late = self.late.take().or(first);
                Ok(Value::Object(into.map))
            }
            Kind::Alias(target) => {
                self.aliases.open += 1;
                let value = self.value(*target, depth);
                self.aliases.open -= 1;
                value
            }
        }
    }

    fn count(&mut self, id: Id, depth: usize) -> At<&'t Node<'a>> {
        let node = &self.tree.nodes[id];
        if depth > self.depth {
            return Err((node.line, Fault::TooDeep(self.depth)));
        }
        self.charge(node.line, ITEM)?;
        self.aliases.read();
        if self.bounded && self.aliases.are_too_many() {
            return Err((node.line, Fault::Aliases));
        }
        Ok(node)
    }

    fn charge(&mut self, line: usize, bytes: usize) -> At<()> {
        self.account
            .charge(bytes)
            .map_err(|excess| (line, excess.into()))
    }

    /// Members in their order. As in go-yaml v2, the last of a name wins, and what `<<` brings replaces members that
    /// stand before it.
    fn members(&mut self, members: &[(Id, Id)], depth: usize, into: &mut Members) -> At<()> {
        self.mappings += 1;
        let mapping = self.mappings;
        for &(key, value) in members {
            let node = &self.tree.nodes[key];
            if is_merge(node) {
                self.merge(value, depth + 1, into)?;
                continue;
            }
            self.aliases.read();
            let (name, of) = match typed_key(self.tree, key)? {
                Ok(key) => key,
                Err(late) => {
                    self.late.get_or_insert(late);
                    self.value(value, depth + 1)?;
                    continue;
                }
            };
            // The value's own share as an item is part of a member's.
            let bytes = MEMBER - ITEM + SEEN + 2 * text_bytes(name.len());
            self.charge(node.line, bytes)?;
            let line = node.line;
            if let Some(seen) = into.seen.get(&name) {
                if seen.of != of {
                    let first = seen.line;
                    return Err((line, Fault::DuplicateKey { key: name, first }));
                }
                if seen.mapping == mapping {
                    self.warnings.repeated(&name, seen.line, line);
                }
            }
            into.seen.insert(name.clone(), Seen { of, line, mapping });
            let before = self.late.take();
            let value = self.value(value, depth + 1)?;
            match std::mem::replace(&mut self.late, before) {
                Some(late) => into.late.insert(name.clone(), late),
                None => into.late.remove(&name),
            };
            into.map.insert(name, value);
        }
        Ok(())
    }

    fn merge(&mut self, id: Id, depth: usize, into: &mut Members) -> At<()> {
        let node = &self.tree.nodes[id];
        let Kind::Sequence(items) = &node.kind else {
            return self.merge_one(id, depth, into);
        };
        // The first of the list wins, so it comes last.
        let mut items = items.iter().rev();
        items.try_for_each(|item| self.merge_one(*item, depth + 1, into))
    }

    fn merge_one(&mut self, id: Id, depth: usize, into: &mut Members) -> At<()> {
        let node = self.count(id, depth)?;
        match &node.kind {
            Kind::Mapping(members) => self.members(members, depth, into),
            Kind::Alias(target) if matches!(self.tree.nodes[*target].kind, Kind::Mapping(_)) => {
                self.aliases.open += 1;
                let merged = self.merge_one(*target, depth, into);
                self.aliases.open -= 1;
                merged
            }
            _ => Err((node.line, Fault::Merge)),
        }
    }
}

/// How much of what was read came out of aliases: go-yaml refuses what is little else.
#[derive(Default)]
struct Aliases {
    /// How many are being read now.
    open: usize,
    read: u32,
    repeated: u32,
}

impl Aliases {
    fn read(&mut self) {
        self.read = self.read.saturating_add(1);
        if self.open > 0 {
            self.repeated = self.repeated.saturating_add(1);
        }
    }

    /// go-yaml's own numbers: up to `LOW` nodes, 99 in 100 may be repeated; from `HIGH` on, 10.
    fn are_too_many(&self) -> bool {
        const LOW: u32 = 400_000;
        const HIGH: u32 = 4_000_000;
        if self.repeated <= 100 || self.read <= 1000 {
            return false;
        }
        let above = f64::from(self.read.clamp(LOW, HIGH) - LOW) / f64::from(HIGH - LOW);
        f64::from(self.repeated) / f64::from(self.read) > 0.99 - 0.89 * above
    }
}
