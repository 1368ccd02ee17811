//! Edits inside brackets: YAML's flow style, and JSON.

use super::Format;
use super::editor::{Editor, Holder};
use super::layout::Odd;
use super::lines::{first_in_line, line_end, line_start};
use super::plan::{Item, Members};
use super::tree::{Id, Kind};
use super::write;
use serde_json::{Map, Value};

/// Columns of one level of a JSON document that is indented for people.
const WIDEST_UNIT: usize = 16;

/// An element of a collection in brackets.
#[derive(Debug, Clone, Copy)]
struct Element {
    start: usize,
    end: usize,
    kept: bool,
}

/// What is new: each text goes before the element with that index, or behind all.
type New = Vec<(Option<usize>, String)>;

impl Editor<'_, '_> {
    pub(crate) fn flow_mapping(
        &mut self,
        id: Id,
        old: &[(Id, Id)],
        plan: &Members,
    ) -> Result<(), Odd> {
        let mut elements = Vec::with_capacity(old.len());
        for (at, (key, value)) in old.iter().enumerate() {
            let fate = plan.changed.get(&at);
            if let Some(Some(plan)) = fate {
                self.node(*value, plan, Holder::Flow)?;
            }
            let kept = fate.is_none_or(Option::is_some);
            elements.push(Element {
                start: self.spots[*key].start,
                end: self.spots[*value].end,
                kept,
            });
        }
        let indent = self.element_indent(id, &elements);
        let indent = indent.as_deref();
        let new = plan
            .added
            .iter()
            .map(|(key, value)| (None, self.flow_member_text(key, value, indent)));
        let new = new.collect();
        self.flow_elements(id, &elements, new, indent)
    }

    pub(crate) fn flow_sequence(&mut self, id: Id, old: &[Id], plan: &[Item]) -> Result<(), Odd> {
        let mut elements: Vec<Element> = old
            .iter()
            .map(|item| Element {
                start: self.spots[*item].start,
                end: self.spots[*item].end,
                kept: false,
            })
            .collect();
        let indent = self.element_indent(id, &elements);
        let indent = indent.as_deref();
        let mut new = New::new();
        let mut placed = 0;
        for item in plan {
            match item {
                Item::New(value) => new.push((None, self.flow_text(value, indent))),
                Item::Old(at, plan) => {
                    elements[*at].kept = true;
                    self.node(old[*at], plan, Holder::Flow)?;
                    for (before, _) in &mut new[placed..] {
                        *before = Some(*at);
                    }
                    placed = new.len();
                }
            }
        }
        self.flow_elements(id, &elements, new, indent)
    }

    /// The indentation of elements that stand in lines of their own; `None` where they share one.
    fn element_indent(&self, id: Id, elements: &[Element]) -> Option<String> {
        let text = self.text;
        match elements.last() {
            Some(last) => {
                first_in_line(text, last.start).then(|| text.indent(last.start).to_owned())
            }
            // Empty brackets of a JSON document open as its others do.
            None => self
                .json_unit()
                .map(|unit| text.indent(self.spots[id].start).to_owned() + unit),
        }
    }

    /// The indentation of a JSON document's own members; `None` where it is all in one line.
    fn json_unit(&self) -> Option<&str> {
        let Kind::Mapping(members) = &self.tree.nodes.first()?.kind else {
            return None;
        };
        let start = self.spots[members.first()?.0].start;
        let lines = self.format == Format::Json && first_in_line(self.text, start);
        let unit = &self.text[line_start(self.text, start)..start];
        // A document that itself stands indented has no simple unit; and a wide one would be repeated in every new line.
        let simple = line_start(self.text, self.spots[0].start) == self.spots[0].start;
        (lines && simple && unit.len() <= WIDEST_UNIT).then_some(unit)
    }

    fn flow_member_text(&self, key: &str, value: &Value, indent: Option<&str>) -> String {
        if self.format == Format::Yaml {
            return write::flow_member(key, value);
        }
        format!(
            "{}:{}{}",
            Value::from(key),
            self.colon_space(),
            self.flow_text(value, indent)
        )
    }

    fn flow_text(&self, value: &Value, indent: Option<&str>) -> String {
        if self.format == Format::Yaml {
            return write::flow_item(value);
        }
        let mut text = String::new();
        match (self.json_unit(), indent) {
            (Some(unit), Some(indent)) => json(&mut text, value, Some((indent, unit)), " "),
            _ => json(&mut text, value, None, self.colon_space()),
        }
        text
    }

    /// What the document writes between a colon and its value.
    fn colon_space(&self) -> &'static str {
        let Some(Kind::Mapping(members)) = self.tree.root().map(|root| &root.kind) else {
            return " ";
        };
        let tight = members
            .first()
            .is_some_and(|(_, value)| self.spots[*value].start == self.spots[*value].from);
        if tight { "" } else { " " }
    }

    fn flow_elements(
        &mut self,
        id: Id,
        elements: &[Element],
        new: New,
        indent: Option<&str>,
    ) -> Result<(), Odd> {
        let (text, spot) = (self.text, self.spots[id]);
        let separator = indent.map_or_else(
            || {
                if self.format == Format::Json && self.colon_space().is_empty() {
                    String::new()
                } else {
                    " ".to_owned()
                }
            },
            |indent| format!("\n{indent}"),
        );
        let Some(last) = elements.iter().rposition(|element| element.kept) else {
            return self.refill(id, elements, &new, indent);
        };
        for (at, element) in elements
            .iter()
            .enumerate()
            .filter(|(_, element)| !element.kept)
        {
            // With the comma behind it; at the end, with the one before it.
            let (start, end) = if at < last {
                (element.start, elements[at + 1].start)
            } else {
                (elements[at - 1].end, element.end)
            };
            let outside = format!(
                "{} {}",
                &text[start..element.start],
                &text[element.end..end]
            );
            if outside.contains('#') {
                return Err(Odd);
            }
            self.splice(start, end, "");
        }
        // New elements come behind the comma; a comment behind the last element stays in its line.
        let end = elements[elements.len() - 1].end;
        let (comma, behind) = match (spot.comma, indent) {
            (Some(comma), Some(_)) => (None, line_end(text, comma)),
            (Some(comma), None) => (None, comma + 1),
            (None, Some(_)) if text[end..line_end(text, end)].trim_start().starts_with('#') => {
                (Some(end), line_end(text, end))
            }
            (None, _) => (Some(end), end),
        };
        let mut tail = String::new();
        for (before, new) in new {
            if let Some(at) = before {
                let start = elements[at].start;
                self.splice(start, start, &format!("{new},{separator}"));
            } else {
                tail.push_str(if tail.is_empty() { "" } else { "," });
                tail.push_str(&separator);
                tail.push_str(&new);
            }
        }
        if !tail.is_empty() {
            if let Some(comma) = comma {
                self.splice(comma, comma, ",");
            } else {
                tail.push(',');
            }
            self.splice(behind, behind, &tail);
        }
        Ok(())
    }

    /// Brackets of which nothing stays.
    fn refill(
        &mut self,
        id: Id,
        elements: &[Element],
        new: &New,
        indent: Option<&str>,
    ) -> Result<(), Odd> {
        let spot = self.spots[id];
        let (start, end) = (spot.body + 1, spot.end - 1);
        let mut outside = start;
        for element in elements {
            if self.text[outside..element.start].contains('#') {
                return Err(Odd);
            }
            outside = element.end;
        }
        if self.text[outside..end].contains('#') {
            return Err(Odd);
        }
        let new: Vec<&str> = new.iter().map(|(_, text)| text.as_str()).collect();
        let inside = match indent {
            Some(indent) if !new.is_empty() => {
                // The closing bracket stays in its column where it has a line of its own.
                let place = if first_in_line(self.text, end) {
                    end
                } else {
                    spot.start
                };
                let outer = self.text.indent(place);
                format!("\n{indent}{}\n{outer}", new.join(&format!(",\n{indent}")))
            }
            _ if self.format == Format::Json && self.colon_space().is_empty() => new.join(","),
            _ => new.join(", "),
        };
        self.splice(start, end, &inside);
        Ok(())
    }

    /// Puts a value in the place of another inside brackets.
    pub(crate) fn flow_value(&mut self, id: Id, value: &Value) {
        let spot = self.spots[id];
        let new = self.flow_text(value, Some(self.text.indent(spot.start)));
        let space = if spot.start == spot.end { " " } else { "" };
        self.splice(spot.start, spot.end, &format!("{space}{new}"));
    }
}

/// Writes JSON: in lines, given the indentation of the line and its unit, or in one line.
fn json(out: &mut String, value: &Value, lines: Option<(&str, &str)>, colon_space: &str) {
    let inner = lines.map(|(indent, unit)| format!("{indent}{unit}"));
    let inner_lines = inner.as_deref().zip(lines.map(|(_, unit)| unit));
    let separator = inner
        .as_ref()
        .map_or_else(|| format!(",{colon_space}"), |inner| format!(",\n{inner}"));
    let open = inner
        .as_ref()
        .map(|inner| format!("\n{inner}"))
        .unwrap_or_default();
    let close = lines
        .map(|(indent, _)| format!("\n{indent}"))
        .unwrap_or_default();
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            out.push_str(&open);
            json_members(out, map, inner_lines, colon_space, &separator);
            out.push_str(&close);
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            out.push_str(&open);
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(&separator);
                }
                json(out, item, inner_lines, colon_space);
            }
            out.push_str(&close);
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn json_members(
    out: &mut String,
    map: &Map<String, Value>,
    lines: Option<(&str, &str)>,
    colon_space: &str,
    separator: &str,
) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        out.push_str(colon_space);
        json(out, value, lines, colon_space);
    }
}
