//! A patch, written into the text.

use super::budget::{Account, Excess, charge_clone};
use super::editor::{Editor, Holder};
use super::error::{EditError, Fault};
use super::layout::{self, Spot};
use super::lines::{Lined, Lines};
use super::plan::{self, Stuck};
use super::split::{self, PieceKind};
use super::tree::{Kind, Tree};
use super::value::is_merge;
use super::warning::Warnings;
use super::{Document, Format, Limits, json, write};
use json_patch::Patch;
use serde_json::Value;
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
    /// Where the patch does not fit the value, or the work takes more than the input's budget.
    pub fn edit(&self, patch: &Patch) -> Result<Edited, EditError> {
        let mut account = self.account.beside();
        charge_clone(&mut account, &self.value)?;
        let mut wanted = self.value.clone();
        json_patch::patch(&mut wanted, patch)?;
        if same(&wanted, &self.value) {
            return Ok(Edited {
                text: self.piece.text.to_owned(),
                value: wanted,
                rewritten: None,
            });
        }
        let (head, body) = self.piece.text.split_at(self.piece.body);
        let (body, value, rewritten) = match self.in_place(body, patch, &wanted, &mut account) {
            Ok((body, value)) => (body, value, None),
            Err(Failed::Anew(why)) => {
                let value = ordered_as(&self.value, wanted);
                (self.anew(body, &value)?, value, Some(why))
            }
            Err(Failed::Excess(excess)) => return Err(excess.into()),
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
        account: &mut Account,
    ) -> Result<(String, Value), Failed> {
        let text = match self.format {
            Format::Json => body.into(),
            Format::Yaml => super::complete(body, super::line_end(self.piece.text)),
        };
        let tree = match self.format {
            Format::Json => {
                json::parse(&text, self.limits.depth, account, &mut Warnings::default())
            }
            Format::Yaml => super::parse_yaml(&text, &self.piece, &self.limits, account),
        };
        let tree = tree.map_err(|(_, fault)| Failed::by(&fault, Rewritten::Layout))?;
        let repeats =
            !tree.aliased.is_empty() || tree.nodes.iter().any(|node| node.anchor || is_merge(node));
        let otherwise = |why| Failed::Anew(if repeats { Rewritten::Aliases } else { why });
        let plan = plan::of(&tree, &patch.0, account).map_err(|stuck| match stuck {
            Stuck::Odd => otherwise(Rewritten::Patch),
            Stuck::Excess(excess) => Failed::Excess(excess),
        })?;
        account.charge(tree.nodes.len() * size_of::<Spot>())?;
        let spots =
            layout::of(&text, &tree).map_err(|_| Failed::Anew(self.explicit_key(&text, &tree)))?;
        // Line ends of old Macs: the line-wise editing would not see them.
        if old_line_end(&text) {
            return Err(Failed::Anew(Rewritten::Layout));
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
        account.charge(editor.size())?;
        let mut edited = editor.spliced();
        if self.format == Format::Yaml && !body.ends_with('\n') {
            let end = edited.trim_end_matches(['\r', '\n']).len();
            edited.truncate(end);
        }
        let checked = self.checked(edited, wanted)?;
        checked.ok_or_else(|| otherwise(Rewritten::Layout))
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
    fn checked(&self, body: String, wanted: &Value) -> Result<Option<(String, Value)>, Excess> {
        // The patch may lead over a limit, and the document stays readable all the same.
        let limits = Limits {
            document_bytes: usize::MAX,
            ..self.limits
        };
        let mut account = self.account.beside();
        let read = super::parse_body(
            &body,
            &self.piece,
            &limits,
            &mut account,
            &mut Warnings::default(),
        );
        let (format, value) = match read {
            Ok(read) => read,
            Err((_, Fault::Excess(excess))) => return Err(excess),
            Err(_) => return Ok(None),
        };
        // It must also still be one document: `{}` before a comment would be JSON before YAML.
        let head = &self.piece.text[..self.piece.body];
        let whole = format!("{head}{body}");
        let one = split::pieces(&whole, 2).is_ok_and(|pieces| pieces.len() == 1);
        let fits = format == self.format || self.format == Format::Yaml;
        Ok((fits && one && same(&value, wanted)).then_some((body, value)))
    }

    fn anew(&self, body: &str, value: &Value) -> Result<String, Excess> {
        let mut account = self.account.beside();
        let content = layout::line_start(body, layout::skip(body, 0));
        // Where an old Mac's line end stands in it, it is more than blank lines and comments.
        let lead = match self.format {
            Format::Yaml if !old_line_end(&body[..content]) => &body[..content],
            _ => "",
        };
        let end = super::line_end(self.piece.text);
        if self.format == Format::Yaml {
            let text = format!(
                "{lead}{}",
                write::to_yaml_within(value, &mut account)?.replace('\n', end)
            );
            if let Some((text, _)) = self.checked(text, value)? {
                return Ok(text);
            }
        }
        // JSON is YAML too: the way out where block style has no form (a key over 1,024 characters, say).
        let json = format!("{value:#}\n").replace('\n', end);
        Ok(if self.piece.kind == PieceKind::Yaml {
            format!("{lead}{json}")
        } else {
            json
        })
    }
}

/// Whether a line ends as on old Macs, with a carriage return alone: a parser of YAML knows such lines, and what goes by `\n` does not.
fn old_line_end(text: &str) -> bool {
    text.replace("\r\n", "\n").contains('\r')
}

/// Why there is no edit in place.
#[derive(Debug)]
enum Failed {
    Anew(Rewritten),
    Excess(Excess),
}

impl Failed {
    fn by(fault: &Fault, otherwise: Rewritten) -> Self {
        match fault {
            Fault::Excess(excess) => Self::Excess(*excess),
            _ => Self::Anew(otherwise),
        }
    }
}

impl From<Excess> for Failed {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
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
