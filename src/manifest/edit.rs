//! A patch, written into the text.

use super::error::EditError;
use super::layout::{self, Odd, Spot};
use super::plan::{self, Plan};
use super::split::{self, PieceKind};
use super::tree::{Id, Kind, Tree};
use super::warning::Warnings;
use super::write::{self, Style};
use super::{Document, Format, Limits, json};
use json_patch::Patch;
use serde_json::Value;

/// A document after a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// The whole document, its separator included.
    pub text: String,
    /// What kubectl would send now.
    pub value: Value,
    /// Whether the document had to be written anew: then its comments below the first line of content are gone.
    pub rewritten: bool,
}

impl Document<'_> {
    /// Applies a JSON patch to the text.
    ///
    /// The result always means what the patch makes of the value: where the text cannot follow (the patch moves or
    /// copies, or reaches into what an alias repeats), the document is written anew.
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
                rewritten: false,
            });
        }
        let (head, body) = self.piece.text.split_at(self.piece.body);
        let (body, value, rewritten) =
            if let Ok((body, value)) = self.in_place(body, patch, &wanted) {
                (body, value, false)
            } else {
                let value = ordered_as(&self.value, wanted);
                (self.anew(body, &value), value, true)
            };
        Ok(Edited {
            text: format!("{head}{body}"),
            value,
            rewritten,
        })
    }

    fn in_place(&self, body: &str, patch: &Patch, wanted: &Value) -> Result<(String, Value), Odd> {
        let text = match self.format {
            Format::Json => body.into(),
            Format::Yaml => super::complete(body, super::line_end(self.piece.text)),
        };
        let mut account = self.account.beside();
        let tree = match self.format {
            Format::Json => json::parse(
                &text,
                self.limits.depth,
                &mut account,
                &mut Warnings::default(),
            ),
            Format::Yaml => super::parse_yaml(&text, &self.piece, &self.limits, &mut account),
        };
        let tree = tree.map_err(|_| Odd)?;
        let plan = plan::of(&tree, &patch.0)?;
        let mut editor = Editor::new(&text, &tree, self.format, super::line_end(self.piece.text))?;
        editor.node(0, &plan, Holder::Root)?;
        let mut edited = editor.spliced();
        if self.format == Format::Yaml && !body.ends_with('\n') {
            let end = edited.trim_end_matches(['\r', '\n']).len();
            edited.truncate(end);
        }
        self.checked(edited, wanted)
    }

    /// Reads what was written; anything but the wanted value is no result.
    fn checked(&self, body: String, wanted: &Value) -> Result<(String, Value), Odd> {
        // The patch may lead over a limit, and the document stays readable all the same.
        let limits = Limits {
            document_bytes: usize::MAX,
            ..self.limits
        };
        let (format, value) = super::parse_body(
            &body,
            &self.piece,
            &limits,
            &mut self.account.beside(),
            &mut Warnings::default(),
        )
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
                if let Some(value) = new.shift_remove(key) {
                    map.insert(key.clone(), ordered_as(before, value));
                }
            }
            map.append(&mut new);
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
    pub(crate) text: &'t str,
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) spots: Vec<Spot>,
    pub(crate) format: Format,
    pub(crate) style: Style,
    line_end: &'static str,
    splices: Vec<Splice>,
}

impl<'t, 'a> Editor<'t, 'a> {
    fn new(
        text: &'t str,
        tree: &'t Tree<'a>,
        format: Format,
        line_end: &'static str,
    ) -> Result<Self, Odd> {
        let spots = layout::of(text, tree)?;
        // Line ends of old Macs: the line-wise editing would not see them.
        if text.replace("\r\n", "\n").contains('\r') {
            return Err(Odd);
        }
        let mut editor = Self {
            text,
            tree,
            spots,
            format,
            style: Style::default(),
            line_end,
            splices: Vec::new(),
        };
        editor.style = editor.block_style();
        Ok(editor)
    }

    pub(crate) fn node(&mut self, id: Id, plan: &Plan, holder: Holder) -> Result<(), Odd> {
        let flow = self.spots[id].flow;
        match plan {
            Plan::Keep => Ok(()),
            Plan::New(value) => self.replace(id, value, holder),
            Plan::Mapping(members) => match &self.tree.nodes[id].kind {
                // Empty braces open up where there is room for block style.
                Kind::Mapping(old) if flow && old.is_empty() && self.opens(holder) => {
                    self.replace(id, &Value::Object(members.added.clone()), holder)
                }
                Kind::Mapping(old) if flow => self.flow_mapping(id, old, members),
                Kind::Mapping(old) => self.block_mapping(id, old, members, holder),
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
                Kind::Sequence(old) if flow => self.flow_sequence(id, old, items),
                Kind::Sequence(old) => self.block_sequence(id, old, items, holder),
                _ => Err(Odd),
            },
        }
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
