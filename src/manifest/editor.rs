//! Collects the changes of a text along a plan.

use super::Format;
use super::layout::{Odd, Spot};
use super::lines::{Lined, line_after};
use super::plan::{self, Plan};
use super::tree::{Id, Kind, Tree};
use super::write::{self, Style};
use serde_json::Value;
use std::collections::HashSet;

/// What leads to a node in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Root,
    /// A key of a block mapping, and its column.
    Key(usize),
    /// A dash, and its column.
    Dash(usize),
    /// Brackets.
    Flow,
}

/// One change of the text: `start..end` gives way to `text`.
#[derive(Debug)]
struct Splice {
    start: usize,
    end: usize,
    text: String,
}

/// Collects the changes; `block.rs` and `flow.rs` say which.
pub(crate) struct Editor<'t, 'a> {
    pub(crate) text: Lined<'t>,
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) spots: Vec<Spot>,
    pub(crate) format: Format,
    pub(crate) style: Style,
    /// The nodes that lose their anchors to an alias.
    pub(crate) moved: HashSet<Id>,
    line_end: &'static str,
    splices: Vec<Splice>,
}

impl<'t, 'a> Editor<'t, 'a> {
    pub(crate) fn new(
        text: Lined<'t>,
        tree: &'t Tree<'a>,
        spots: Vec<Spot>,
        format: Format,
        line_end: &'static str,
    ) -> Self {
        let mut editor = Self {
            text,
            tree,
            spots,
            format,
            style: Style::default(),
            moved: HashSet::new(),
            line_end,
            splices: Vec::new(),
        };
        editor.style = editor.block_style();
        editor
    }

    pub(crate) fn node(&mut self, id: Id, plan: &Plan, holder: Holder) -> Result<(), Odd> {
        let flow = self.spots[id].flow;
        match plan {
            Plan::Keep => Ok(()),
            Plan::New(value) => self.replace(id, value, holder),
            Plan::Anchor(anchor, value) => self.inherit(id, *anchor, value, holder),
            Plan::Mapping(members) => match &self.tree.nodes[id].kind {
                // Empty braces open up where there is room for block style.
                Kind::Mapping(old) if flow && old.is_empty() && self.opens(holder) => {
                    self.replace(id, &Value::Object(members.added.clone()), holder)
                }
                Kind::Mapping(old) => {
                    self.unanchor(id)?;
                    if flow {
                        self.flow_mapping(id, old, members)
                    } else {
                        self.block_mapping(id, old, members, holder)
                    }
                }
                _ => Err(Odd),
            },
            Plan::Sequence(items) => match &self.tree.nodes[id].kind {
                Kind::Sequence(old) if flow && old.is_empty() && self.opens(holder) => {
                    let values = items.iter().filter_map(|item| match item {
                        plan::Item::New(value) => Some(value.clone()),
                        plan::Item::Old(..) => None,
                    });
                    self.replace(id, &Value::Array(values.collect()), holder)
                }
                Kind::Sequence(old) => {
                    self.unanchor(id)?;
                    if flow {
                        self.flow_sequence(id, old, items)
                    } else {
                        self.block_sequence(id, old, items, holder)
                    }
                }
                _ => Err(Odd),
            },
        }
    }

    /// The anchor before a node, `&name`, and where it stands.
    fn anchor(&self, id: Id) -> Option<(usize, &'t str)> {
        let spot = self.spots[id];
        let text = self.text.text;
        let properties = &text[spot.start..spot.body];
        // A tag may stand before it.
        let name = properties
            .split_ascii_whitespace()
            .take(2)
            .find(|word| word.starts_with('&'))?;
        Some((spot.start + properties.find(name)?, name))
    }

    /// Where tag and anchor end; without them, behind what leads to the node.
    pub(crate) fn behind_properties(&self, id: Id) -> usize {
        let spot = self.spots[id];
        let properties = &self.text.text[spot.start..spot.body];
        let mut end = None;
        for word in properties.split_ascii_whitespace() {
            if !word.starts_with(['&', '!']) {
                break;
            }
            let from = end.unwrap_or(0);
            end = properties[from..]
                .find(word)
                .map(|at| from + at + word.len());
        }
        end.map_or(spot.from, |end| spot.start + end)
    }

    /// Takes an anchor off that an alias takes over.
    fn unanchor(&mut self, id: Id) -> Result<(), Odd> {
        if !self.moved.contains(&id) {
            return Ok(());
        }
        let (start, name) = self.anchor(id).ok_or(Odd)?;
        let end = start + name.len();
        let rest = self.text[end..].trim_start_matches([' ', '\t']);
        if rest.starts_with(['\n', '\r']) {
            let before = self.text[..start].trim_end_matches([' ', '\t']).len();
            self.splice(before, end, "");
        } else {
            let next = self.text.len() - rest.len();
            self.splice(start, next, "");
        }
        Ok(())
    }

    /// Puts an anchor and the value that it stands for in the place of an alias.
    fn inherit(&mut self, id: Id, anchor: Id, value: &Value, holder: Holder) -> Result<(), Odd> {
        let (_, name) = self.anchor(anchor).ok_or(Odd)?;
        let spot = self.spots[id];
        let behind = match holder {
            Holder::Root => return Err(Odd),
            Holder::Flow => format!(" {}", write::flow_item(value)),
            Holder::Key(column) => write::behind_key(value, column, self.style),
            Holder::Dash(column) if write::inline(value).is_none() && !value.is_string() => {
                let inner = column + 2;
                let lines = write::block(value, inner, self.style);
                format!("\n{:inner$}{lines}", "")
            }
            Holder::Dash(column) => write::item(value, column, self.style)[1..].to_owned(),
        };
        // What stands in lines of its own goes below a comment behind the alias.
        let (here, below) = behind
            .split_once('\n')
            .map_or((behind.as_str(), None), |(here, below)| (here, Some(below)));
        self.splice(spot.start, spot.end, &format!("{name}{here}"));
        if let Some(below) = below {
            let at = line_after(self.text, spot.end);
            self.splice(at, at, &format!("{below}\n"));
        }
        Ok(())
    }

    fn opens(&self, holder: Holder) -> bool {
        self.format == Format::Yaml && matches!(holder, Holder::Key(_) | Holder::Dash(_))
    }

    fn replace(&mut self, id: Id, value: &Value, holder: Holder) -> Result<(), Odd> {
        match holder {
            Holder::Root => Err(Odd),
            Holder::Flow => {
                self.flow_value(id, value);
                Ok(())
            }
            Holder::Key(_) | Holder::Dash(_) => self.block_value(id, value, holder),
        }
    }

    /// Puts `text` in place of `start..end`; its line ends become the document's.
    pub(crate) fn splice(&mut self, start: usize, end: usize, text: &str) {
        self.splices.push(Splice {
            start,
            end,
            text: text.replace('\n', self.line_end),
        });
    }

    /// The bytes of the text with all changes, at most.
    pub(crate) fn size(&self) -> usize {
        let added = self.splices.iter().map(|splice| splice.text.len());
        self.text.len() + added.sum::<usize>()
    }

    pub(crate) fn spliced(mut self) -> String {
        // Stable: what was inserted first at a place stays first there.
        self.splices
            .sort_by_key(|splice| (splice.start, splice.end));
        let mut edited = String::with_capacity(self.size());
        let mut at = 0;
        for splice in &self.splices {
            // Overlaps would be a mistake, and reading the text again finds it out.
            edited.push_str(self.text.get(at..splice.start).unwrap_or_default());
            edited.push_str(&splice.text);
            at = at.max(splice.end);
        }
        edited.push_str(self.text.get(at..).unwrap_or_default());
        edited
    }
}
