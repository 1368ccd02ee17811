//! A patch, written into the text.

use super::error::EditError;
use super::layout::{self, Odd, Spot};
use super::lines::{Lined, Lines, line_after};
use super::plan::{self, Plan};
use super::split::{self, PieceKind};
use super::tree::{Id, Kind, Tree};
use super::value::is_merge;
use super::write::{self, Style};
use super::{Document, Format, Limits, json};
use json_patch::Patch;
use serde_json::Value;
use std::collections::HashSet;
use thiserror::Error;

/// A document after a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// The whole document, its separator included.
    pub text: String,
    /// What kubectl would send now.
    pub value: Value,
    /// Why the document had to be written anew, where it had to be: then its comments below the first line of content
    /// are gone, and so are its quotes, its anchors and the way it was indented.
    pub rewritten: Option<Rewritten>,
}

/// Why a text could not follow a patch in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rewritten {
    /// A key behind a `?`, whose value stands elsewhere.
    #[error("the key in line {line} stands behind a `?`, which cannot be edited in place")]
    ExplicitKey {
        /// In the input, counted from 1.
        line: usize,
    },
    /// An alias or `<<` that could not be expanded alone.
    #[error("an anchor, an alias or `<<` stands where it changes, and could not be expanded alone")]
    Aliases,
    /// The patch moves or copies, or replaces the whole document.
    #[error("the change moves, copies or replaces too much of it")]
    Patch,
    /// Anything else in the way that it is laid out.
    #[error("the place that changes is laid out in a way that cannot be edited in place")]
    Layout,
}

impl Document<'_> {
    /// Applies a JSON patch to the text.
    ///
    /// The result always means what the patch makes of the value. Where the patch reaches into what an alias repeats or
    /// `<<` brings, that one place is written out; where the text cannot follow at all, the document is written anew.
    ///
    /// # Errors
    /// Where the patch does not fit the value.
    pub fn edit(&self, patch: &Patch) -> Result<Edited, EditError> {
        let mut wanted = self.value.clone();
        json_patch::patch(&mut wanted, patch)?;
        if same(&wanted, &self.value) {
            return Ok(Edited {
                text: self.piece.text.to_owned(),
                value: self.value.clone(),
                rewritten: None,
            });
        }
        let (head, body) = self.piece.text.split_at(self.piece.body);
        let (body, value, rewritten) = match self.in_place(body, patch, &wanted) {
            Ok((body, value)) => (body, value, None),
            Err(why) => {
                let value = ordered_as(&self.value, wanted);
                (self.anew(body, &value), value, Some(why))
            }
        };
        Ok(Edited {
            text: format!("{head}{body}"),
            value,
            rewritten,
        })
    }

    fn in_place(
        &self,
        body: &str,
        patch: &Patch,
        wanted: &Value,
    ) -> Result<(String, Value), Rewritten> {
        let text = match self.format {
            Format::Json => body.into(),
            Format::Yaml => super::complete(body, super::line_end(self.piece.text)),
        };
        let mut account = self.account.beside();
        let tree = match self.format {
            Format::Json => json::parse(&text, self.limits.depth, &mut account),
            Format::Yaml => super::parse_yaml(&text, &self.limits, &mut account),
        };
        let tree = tree.map_err(|_| Rewritten::Layout)?;
        let repeats =
            !tree.aliased.is_empty() || tree.nodes.iter().any(|node| node.anchor || is_merge(node));
        let otherwise = |why| if repeats { Rewritten::Aliases } else { why };
        let plan = plan::of(&tree, &patch.0).map_err(|_| otherwise(Rewritten::Patch))?;
        let spots = layout::of(&text, &tree).map_err(|_| self.explicit_key(&text, &tree))?;
        // Line ends of old Macs: the line-wise editing would not see them.
        if text.replace("\r\n", "\n").contains('\r') {
            return Err(Rewritten::Layout);
        }
        let lines = Lines::of(&text);
        let text = Lined {
            text: &text,
            lines: &lines,
        };
        let end = super::line_end(self.piece.text);
        let mut editor = Editor::new(text, &tree, spots, self.format, end);
        editor.moved = plan.moved;
        editor
            .node(0, &plan.root, Holder::Root)
            .map_err(|_| otherwise(Rewritten::Layout))?;
        let mut edited = editor.spliced();
        if self.format == Format::Yaml && !body.ends_with('\n') {
            let end = edited.trim_end_matches(['\r', '\n']).len();
            edited.truncate(end);
        }
        self.checked(edited, wanted)
            .map_err(|_| otherwise(Rewritten::Layout))
    }

    /// The first key behind a `?`, where there is one.
    fn explicit_key(&self, text: &str, tree: &Tree<'_>) -> Rewritten {
        let keys = tree.nodes.iter().flat_map(|node| match &node.kind {
            Kind::Mapping(members) => members.as_slice(),
            _ => &[],
        });
        let mut keys: Vec<usize> = keys.map(|(key, _)| tree.nodes[*key].line).collect();
        keys.sort_unstable();
        let marked = |line: &str| {
            let line = line.trim_start_matches(['-', ' ', '\t', '[', '{']);
            line.strip_prefix('?')
                .is_some_and(|rest| rest.starts_with([' ', '\t']) || rest.is_empty())
        };
        let mut lines = text.lines().zip(1_usize..);
        let found = lines.find(|(line, number)| marked(line) && keys.binary_search(number).is_ok());
        match found {
            Some((_, line)) => {
                let head = &self.piece.text[..self.piece.body];
                let above = self.piece.line - 1 + head.matches('\n').count();
                Rewritten::ExplicitKey { line: above + line }
            }
            None => Rewritten::Layout,
        }
    }

    /// Reads what was written; anything but the wanted value is no result.
    fn checked(&self, body: String, wanted: &Value) -> Result<(String, Value), Odd> {
        // The patch may lead over a limit, and the document stays readable all the same.
        let limits = Limits {
            document_bytes: usize::MAX,
            ..self.limits
        };
        let (format, value) =
            super::parse_body(&body, self.piece.kind, &limits, &mut self.account.beside())
                .map_err(|_| Odd)?;
        // It must also still be one document: `{}` before a comment would be JSON before YAML.
        let head = &self.piece.text[..self.piece.body];
        let whole = format!("{head}{body}");
        let one = split::pieces(&whole, 2).is_ok_and(|pieces| pieces.len() == 1);
        let fits = format == self.format || self.format == Format::Yaml;
        if fits && one && same(&value, wanted) {
            Ok((body, value))
        } else {
            Err(Odd)
        }
    }

    fn anew(&self, body: &str, value: &Value) -> String {
        let content = layout::line_start(body, layout::skip(body, 0));
        let lead = if self.format == Format::Yaml {
            &body[..content]
        } else {
            ""
        };
        let end = super::line_end(self.piece.text);
        if self.format == Format::Yaml {
            let text = format!("{lead}{}", write::to_yaml(value).replace('\n', end));
            if let Ok((text, _)) = self.checked(text, value) {
                return text;
            }
        }
        // JSON is YAML too: the way out where block style has no form (a key over 1,024 characters, say).
        let json = format!("{value:#}\n").replace('\n', end);
        if self.piece.kind == PieceKind::Yaml {
            format!("{lead}{json}")
        } else {
            json
        }
    }
}

/// Whether two values are the same to Kubernetes, for which 1.0 and 1 are.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || ((one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// `new`, with the keys that `old` has too in the order of `old`: removing from a map shuffles it.
fn ordered_as(old: &Value, new: Value) -> Value {
    match (old, new) {
        (Value::Object(old), Value::Object(mut new)) => {
            let mut map = serde_json::Map::with_capacity(new.len());
            for (key, before) in old {
                if let Some(value) = new.get_mut(key) {
                    map.insert(key.clone(), ordered_as(before, value.take()));
                }
            }
            map.extend(new.into_iter().filter(|(key, _)| !old.contains_key(key)));
            Value::Object(map)
        }
        (Value::Array(old), Value::Array(new)) => {
            let before = old.iter().chain(std::iter::repeat(&Value::Null));
            Value::Array(
                new.into_iter()
                    .zip(before)
                    .map(|(new, old)| ordered_as(old, new))
                    .collect(),
            )
        }
        (_, new) => new,
    }
}

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
    moved: HashSet<Id>,
    line_end: &'static str,
    splices: Vec<Splice>,
}

impl<'t, 'a> Editor<'t, 'a> {
    fn new(
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

    fn spliced(mut self) -> String {
        // Stable: what was inserted first at a place stays first there.
        self.splices
            .sort_by_key(|splice| (splice.start, splice.end));
        let mut edited = String::with_capacity(self.text.len() + 1024);
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
