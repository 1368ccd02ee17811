//! Edits in block style, where lines and columns carry the structure.

use super::editor::{Editor, Holder};
use super::layout::{Odd, skip};
use super::lines::{first_in_line, line_after, line_end, line_start};
use super::plan::{Item, Members};
use super::tree::{Id, Kind, ScalarStyle};
use super::write::{self, Style};
use serde_json::Value;

/// An element of a block collection: where its key or dash stands, and where it ends.
#[derive(Debug, Clone, Copy)]
struct Element {
    lead: usize,
    end: usize,
    kept: bool,
}

impl Editor<'_, '_> {
    /// The document's own way to indent: what its first collection of each kind does.
    pub(crate) fn block_style(&self) -> Style {
        let (mut step, mut dash) = (None, None);
        for node in &self.tree.nodes {
            let Kind::Mapping(members) = &node.kind else {
                continue;
            };
            if step.is_some() && dash.is_some() {
                break;
            }
            for &(key, value) in members {
                let spot = self.spots[value];
                let column = self.column(self.spots[key].start);
                if spot.flow || !first_in_line(self.text, spot.body) {
                    continue;
                }
                let inner = self.column(spot.body).checked_sub(column);
                match &self.tree.nodes[value].kind {
                    Kind::Mapping(_) => step = step.or(inner),
                    Kind::Sequence(_) => dash = dash.or(inner),
                    _ => {}
                }
            }
        }
        let usual = Style::default();
        Style {
            step: step.unwrap_or(usual.step),
            dash: dash.unwrap_or(usual.dash),
        }
    }

    fn column(&self, at: usize) -> usize {
        at - line_start(self.text, at)
    }

    pub(crate) fn block_mapping(
        &mut self,
        id: Id,
        old: &[(Id, Id)],
        plan: &Members,
        holder: Holder,
    ) -> Result<(), Odd> {
        let elements: Vec<Element> = old
            .iter()
            .enumerate()
            .map(|(at, (key, value))| {
                let kept = plan.changed.get(&at).is_none_or(Option::is_some);
                Element {
                    lead: self.spots[*key].start,
                    end: self.spots[*value].end,
                    kept,
                }
            })
            .collect();
        let column = self.column(elements.first().ok_or(Odd)?.lead);
        for (at, plan) in &plan.changed {
            if let Some(plan) = plan {
                self.node(old[*at].1, plan, Holder::Key(column))?;
            }
        }
        let added: Vec<String> = plan
            .added
            .iter()
            .map(|(key, value)| write::member(key, value, column, self.style))
            .collect();
        self.remove(id, &elements, &added, "{}", holder)?;
        if elements.iter().any(|element| element.kept) {
            self.append(&elements, &added, column);
        }
        Ok(())
    }

    pub(crate) fn block_sequence(
        &mut self,
        id: Id,
        old: &[Id],
        plan: &[Item],
        holder: Holder,
    ) -> Result<(), Odd> {
        let mut elements: Vec<Element> = old
            .iter()
            .map(|item| Element {
                lead: self.spots[*item].dash,
                end: self.spots[*item].end,
                kept: false,
            })
            .collect();
        let column = self.column(elements.first().ok_or(Odd)?.lead);
        let mut waiting = Vec::new();
        let mut before = Vec::new();
        for item in plan {
            match item {
                Item::New(value) => waiting.push(write::item(value, column, self.style)),
                Item::Old(at, plan) => {
                    elements[*at].kept = true;
                    self.node(old[*at], plan, Holder::Dash(column))?;
                    before.push((*at, std::mem::take(&mut waiting)));
                }
            }
        }
        self.remove(id, &elements, &waiting, "[]", holder)?;
        if let Some(first) = elements.iter().position(|element| element.kept) {
            for (at, items) in before {
                self.insert_before(&elements, at, &items, column, at == first);
            }
            self.append(&elements, &waiting, column);
        }
        Ok(())
    }

    /// Takes out what is not kept. Where nothing is, `added` or else `empty` comes in its place.
    fn remove(
        &mut self,
        id: Id,
        elements: &[Element],
        added: &[String],
        empty: &str,
        holder: Holder,
    ) -> Result<(), Odd> {
        let (Some(first), Some(last)) = (elements.first(), elements.last()) else {
            return Err(Odd);
        };
        let column = self.column(first.lead);
        let compact = !first_in_line(self.text, first.lead);
        let next_kept = elements.iter().position(|element| element.kept);
        let mut rest = elements;
        if compact && !first.kept {
            let run = &elements[..next_kept.unwrap_or(elements.len())];
            let comments = self.comments_between(run, next_kept.map(|at| elements[at].lead));
            let (end, text) = match next_kept {
                // Comments that stand alone stay, now behind the dash or the key.
                Some(at) => (elements[at].lead, below_each(&comments, column)),
                None if !comments.is_empty() => return Err(Odd),
                None if added.is_empty() => (last.end, empty.to_owned()),
                None => (line_end(self.text, last.end), joined(added, column)),
            };
            self.splice(first.lead, end, &text);
            rest = &elements[run.len()..];
        } else if next_kept.is_none() && added.is_empty() {
            let (at, text) = if holder == Holder::Root {
                let start = line_start(self.text, first.lead);
                (start, format!("{empty}\n"))
            } else {
                // Behind the key, where its comment stays.
                (self.behind_properties(id), format!(" {empty}"))
            };
            self.splice(at, at, &text);
        } else if next_kept.is_none() {
            let start = line_start(self.text, first.lead);
            self.splice(
                start,
                start,
                &format!("{:column$}{}\n", "", joined(added, column)),
            );
        }
        for element in rest.iter().filter(|element| !element.kept) {
            self.splice(
                line_start(self.text, element.lead),
                line_after(self.text, element.end),
                "",
            );
        }
        Ok(())
    }

    /// The comments in lines of their own between elements, and before `next`.
    fn comments_between(&self, run: &[Element], next: Option<usize>) -> Vec<&'_ str> {
        let leads = run.iter().skip(1).map(|element| element.lead).chain(next);
        let gaps = run.iter().zip(leads).map(|(element, lead)| {
            let from = line_after(self.text, element.end).min(lead);
            &self.text[from..lead]
        });
        gaps.flat_map(str::lines)
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect()
    }

    fn append(&mut self, elements: &[Element], added: &[String], column: usize) {
        if let (Some(last), false) = (elements.last(), added.is_empty()) {
            let at = line_after(self.text, last.end);
            self.splice(
                at,
                at,
                &format!("{:column$}{}\n", "", joined(added, column)),
            );
        }
    }

    /// `first`: nothing before the element with this index is kept.
    fn insert_before(
        &mut self,
        elements: &[Element],
        at: usize,
        items: &[String],
        column: usize,
        first: bool,
    ) {
        if items.is_empty() {
            return;
        }
        let lead = elements[at].lead;
        if first && !first_in_line(self.text, elements[0].lead) {
            return self.splice(
                lead,
                lead,
                &format!("{}\n{:column$}", joined(items, column), ""),
            );
        }
        // A comment above an item belongs to it.
        let mut start = line_start(self.text, lead);
        while start > 0 {
            let above = line_start(self.text, start - 1);
            let comment = self.text[above..start].trim_start().starts_with('#');
            let free = at == 0 || above >= line_after(self.text, elements[at - 1].end);
            if !comment || !free {
                break;
            }
            start = above;
        }
        self.splice(
            start,
            start,
            &format!("{:column$}{}\n", "", joined(items, column)),
        );
    }

    /// Puts a value in the place of what follows a key or a dash.
    pub(crate) fn block_value(&mut self, id: Id, value: &Value, holder: Holder) -> Result<(), Odd> {
        let (text, spot) = (self.text, self.spots[id]);
        let behind = match holder {
            Holder::Key(column) => write::behind_key(value, column, self.style),
            Holder::Dash(column) => format!(" {}", &write::item(value, column, self.style)[2..]),
            Holder::Root | Holder::Flow => return Err(Odd),
        };
        let lead_line_end = line_end(text, spot.from);
        let one_line = !behind.contains('\n');
        if spot.start > lead_line_end {
            // The old value begins below: the lead's line keeps its comment.
            let (start, end) = (line_start(text, spot.start), line_after(text, spot.end));
            // Lines of comments above the old value would become part of a block of text.
            let quoted = (value.is_string() && start > line_after(text, spot.from))
                .then(|| format!(" {}", write::flow(value)));
            let one_line = one_line || quoted.is_some();
            let behind = quoted.unwrap_or(behind);
            if one_line {
                self.splice(spot.from, spot.from, &behind);
                self.splice(start, end, "");
            } else {
                let (header, lines) = self.header_and_lines(value, &behind, holder);
                self.splice(spot.from, spot.from, &header);
                self.splice(start, end, &format!("{lines}\n"));
            }
            return Ok(());
        }
        let empty = spot.end <= spot.from;
        // Several lines that leave no comment behind; a scalar without a header may have one behind its last line.
        let bare = match &self.tree.nodes[id].kind {
            Kind::Scalar { style, .. } => {
                !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            }
            Kind::Alias(_) => true,
            _ => spot.flow,
        };
        let multi = spot.end > lead_line_end && !bare;
        let lead_line_end = if bare {
            line_end(text, spot.end.max(spot.from))
        } else {
            lead_line_end
        };
        let end = if multi {
            line_end(text, spot.end)
        } else {
            spot.end
        };
        let start = if one_line && !empty {
            spot.start.min(skip(&text, spot.from))
        } else {
            spot.from
        };
        if one_line {
            // The blanks before the old value stay.
            let new = if empty {
                behind.as_str()
            } else {
                behind.trim_start()
            };
            self.splice(start, if multi { end } else { spot.end.max(start) }, new);
            return Ok(());
        }
        let comment = !multi
            && !text[spot.end.max(spot.from)..lead_line_end]
                .trim()
                .is_empty();
        if comment {
            // It stays in the lead's line, behind the header of a block of text.
            let end = spot.end.max(spot.from);
            let (header, lines) = self.header_and_lines(value, &behind, holder);
            self.splice(spot.from, end, &header);
            let below = line_after(text, end);
            self.splice(below, below, &format!("{lines}\n"));
        } else {
            self.splice(spot.from, if multi { end } else { lead_line_end }, &behind);
        }
        Ok(())
    }

    /// What of several lines stands in the lead's line, which only text needs, and what in lines of its own.
    fn header_and_lines(&self, value: &Value, behind: &str, holder: Holder) -> (String, String) {
        if let Holder::Dash(column) = holder
            && !value.is_string()
        {
            let inner = column + 2;
            let lines = write::block(value, inner, self.style);
            return (String::new(), format!("{:inner$}{lines}", ""));
        }
        let (header, lines) = behind.split_once('\n').unwrap_or((behind, ""));
        (header.to_owned(), lines.to_owned())
    }
}

/// The lines with their ends, and the indentation that the next one needs.
fn below_each(lines: &[&str], column: usize) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
        text.push_str(&" ".repeat(column));
    }
    text
}

fn joined(added: &[String], column: usize) -> String {
    added.join(&format!("\n{:column$}", ""))
}
