//! A document as a tree of nodes that know where they stand in the text.

use super::budget::{Account, element, text as text_bytes};
use super::error::Fault;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// The index of a node in its [`Tree`].
pub(crate) type Id = usize;

/// The nodes of one document, parents before children.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    /// How many aliases name each node that has any.
    pub(crate) aliased: HashMap<Id, usize>,
}

#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) kind: Kind<'a>,
    /// The full tag, e.g. `tag:yaml.org,2002:str`.
    pub(crate) tag: Option<String>,
    pub(crate) anchor: bool,
    /// Where it ends, in bytes. Exact for plain and quoted scalars; the rest is found again in the text where it matters.
    pub(crate) end: usize,
    /// Counted from 1, in the text that was parsed.
    pub(crate) line: usize,
}

#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Scalar {
        text: Cow<'a, str>,
        style: ScalarStyle,
    },
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
    Alias(Id),
}

impl<'a> Tree<'a> {
    /// `None` where the document is empty.
    pub(crate) fn root(&self) -> Option<&Node<'a>> {
        self.nodes.first()
    }

    pub(crate) fn add(&mut self, node: Node<'a>) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

/// A fault and the line of the parsed text that has it, counted from 1.
pub(crate) type At<T> = Result<T, (usize, Fault)>;

/// Bytes of a node and of its place in the node above it.
const NODE: usize = element::<Node<'_>>() + element::<(Id, Id)>();

/// Parses one YAML document. `depth` and `account` bound what comes back.
pub(crate) fn parse<'a>(text: &'a str, depth: usize, account: &mut Account) -> At<Tree<'a>> {
    if !text.is_ascii() {
        let table = text.len() * size_of::<u32>();
        account.charge(table).map_err(|excess| (1, excess.into()))?;
    }
    let offsets = Offsets::of(text);
    let mut builder = Builder {
        tree: Tree::default(),
        open: Vec::new(),
        anchors: HashMap::new(),
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error, text, depth))?;
        let line = span.start.line();
        let place = Place {
            end: offsets.byte(span.end),
            line,
        };
        let owned = match &event {
            Event::Scalar(Cow::Owned(text), ..) => text_bytes(text.len()),
            _ => 0,
        };
        account
            .charge(NODE + owned)
            .map_err(|excess| (line, excess.into()))?;
        builder.take(event, place).map_err(|fault| (line, fault))?;
        if builder.open.len() > depth {
            return Err((line, Fault::TooDeep(depth)));
        }
    }
    Ok(builder.tree)
}

fn syntax(error: &ScanError, text: &str, depth: usize) -> (usize, Fault) {
    let line = error.marker().line().max(1);
    let info = error.info();
    // The scanner may notice one line late, or name the line before.
    let last = line + usize::from(info.contains("tab"));
    for number in (line.saturating_sub(1)..=last).rev() {
        let indent = text
            .lines()
            .nth(number.wrapping_sub(1))
            .map(|line| line.trim_start_matches(' '));
        if indent.is_some_and(|rest| rest.starts_with('\t')) {
            return (number, Fault::Tab);
        }
    }
    match info {
        _ if info.ends_with("must be followed by a valid YAML whitespace") => (line, Fault::Tab),
        "recursion limit exceeded" => (line, Fault::TooDeep(depth)),
        _ => (line, Fault::Syntax(info.to_owned())),
    }
}

/// Turns the parser's places, counted in characters, into bytes.
struct Offsets(Option<Vec<u32>>, usize);

impl Offsets {
    fn of(text: &str) -> Self {
        let table = || {
            text.char_indices()
                .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
                .collect()
        };
        Self((!text.is_ascii()).then(table), text.len())
    }

    fn byte(&self, marker: Marker) -> usize {
        match &self.0 {
            Some(table) => table.get(marker.index()).map_or(self.1, |at| *at as usize),
            None => marker.index().min(self.1),
        }
    }
}

#[derive(Clone, Copy)]
struct Place {
    end: usize,
    line: usize,
}

struct Open {
    id: Id,
    /// A mapping's key that has no value yet.
    key: Option<Id>,
}

struct Builder<'a> {
    tree: Tree<'a>,
    open: Vec<Open>,
    /// The parser's number of an anchor, and the node.
    anchors: HashMap<usize, Id>,
    documents: usize,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, place: Place) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.node(Kind::Scalar { text, style }, anchor, tag, place)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Kind::Sequence(Vec::new()), anchor, tag, place)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.open(Kind::Mapping(Vec::new()), anchor, tag, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.tree.nodes[open.id].end = place.end;
                }
            }
            Event::Alias(anchor) => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    return Err(Fault::Syntax("this alias names no anchor".to_owned()));
                };
                if self.open.iter().any(|open| open.id == target) {
                    return Err(Fault::SelfReference);
                }
                *self.tree.aliased.entry(target).or_default() += 1;
                self.node(Kind::Alias(target), 0, None, place)?;
            }
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::AfterEnd);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        kind: Kind<'a>,
        anchor: usize,
        tag: Option<Cow<'a, Tag>>,
        place: Place,
    ) -> Result<(), Fault> {
        let id = self.node(kind, anchor, tag, place)?;
        self.open.push(Open { id, key: None });
        Ok(())
    }

    fn node(
        &mut self,
        kind: Kind<'a>,
        anchor: usize,
        tag: Option<Cow<'a, Tag>>,
        place: Place,
    ) -> Result<Id, Fault> {
        let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
        let Place { end, line } = place;
        let composite = matches!(kind, Kind::Sequence(_) | Kind::Mapping(_));
        let id = self.tree.add(Node {
            kind,
            tag,
            anchor: anchor > 0,
            end,
            line,
        });
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        if let Some(open) = self.open.last_mut() {
            match &mut self.tree.nodes[open.id].kind {
                Kind::Sequence(items) => items.push(id),
                Kind::Mapping(members) => match open.key.take() {
                    Some(key) => members.push((key, id)),
                    None if composite => return Err(Fault::Key("a mapping or a list")),
                    None => open.key = Some(id),
                },
                Kind::Scalar { .. } | Kind::Alias(_) => {}
            }
        }
        Ok(id)
    }
}
