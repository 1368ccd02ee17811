//! Where the values of a document stand in the input, and the comments in it: for whoever points at them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::budget::{Account, Excess};
use super::layout;
use super::tree::{At, Id, Kind, Tree};
use super::value;
use super::warning::Warnings;
use super::{Document, Format, json};

/// A comment, and the line that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment<'a> {
    /// Its own line in the input, counted from 1.
    pub line: usize,
    /// The line that it stands behind; of a comment alone in its line the next one with content.
    pub about: usize,
    /// What follows the mark, without blanks around it.
    pub text: &'a str,
}

impl<'a> Document<'a> {
    /// For each JSON pointer the lines of the input, counted from 1, of all that leads there: of the document first, of
    /// the value itself last. Where a pointer leads to nothing, or on through an alias, its lines end before that.
    #[must_use]
    pub fn lines_of(&self, pointers: &[&str]) -> Vec<Vec<usize>> {
        let body = &self.piece.text[self.piece.body..];
        let text = super::complete(body, super::line_end(body));
        let above = self.first_line() - 1;
        let Ok(tree) = self.tree(&text) else {
            return vec![vec![self.piece.line]; pointers.len()];
        };
        let mut members = Members {
            sorted: HashMap::new(),
            account: self.account.beside(),
        };
        let lines = |pointer: &&str| {
            // Whoever ends the work waits for none of them.
            if members.account.go_on().is_err() {
                return Vec::new();
            }
            let lines = lines(&tree, &mut members, pointer).into_iter();
            lines.map(|line| above + line).collect()
        };
        pointers.iter().map(lines).collect()
    }

    /// The comments that begin with a mark, in their order.
    #[must_use]
    pub fn comments(&self, mark: &str) -> Vec<Comment<'a>> {
        let body = &self.piece.text[self.piece.body..];
        let found: Vec<usize> = memchr::memmem::find_iter(body.as_bytes(), mark).collect();
        // JSON has none.
        if found.is_empty() || self.format == Format::Json {
            return Vec::new();
        }
        let text = super::complete(body, super::line_end(body));
        let Ok(tree) = self.tree(&text) else {
            return Vec::new();
        };
        // A layout that cannot be walked has no places: then what looks like a comment is taken for one.
        let spots = layout::of(&text, &tree).unwrap_or_default();
        let mut scalars: Vec<(usize, usize)> = spots
            .iter()
            .zip(&tree.nodes)
            .filter(|(_, node)| matches!(node.kind, Kind::Scalar { .. }))
            .map(|(spot, _)| (spot.body, spot.end))
            .collect();
        scalars.sort_unstable();
        let in_scalar = |at: usize| {
            let before = scalars.partition_point(|(start, _)| *start <= at);
            before > 0 && at < scalars[before - 1].1
        };
        let mut comments: Vec<Comment<'a>> = Vec::new();
        let mut place = LineOfMarks::new(body, self.first_line());
        // The last comment's line, and where its text begins.
        let mut last = (0, 0);
        for at in found {
            place.go_to(at);
            let before = body[place.start..at].trim_end_matches([' ', '\t']);
            let Some(left) = before.strip_suffix('#') else {
                continue;
            };
            let hash = place.start + left.len();
            let alone = hash <= place.content;
            if in_scalar(hash) || !(alone || left.ends_with([' ', '\t'])) {
                continue;
            }
            // One ends where the next one in its line begins.
            if let Some(comment) = comments.last_mut()
                && last.0 == place.line
            {
                comment.text = body[last.1..hash].trim();
            }
            let begin = at + mark.len();
            last = (place.line, begin);
            comments.push(Comment {
                line: place.line,
                about: if alone { place.below() } else { place.line },
                text: body[begin..place.end].trim(),
            });
        }
        comments
    }

    /// What follows a mark in the comments above the content.
    #[must_use]
    pub fn heading(&self, mark: &str) -> Option<&'a str> {
        let body = &self.piece.text[self.piece.body..];
        let lines = body.lines().map(str::trim);
        let mut comments = lines
            .take_while(|line| line.is_empty() || line.starts_with('#'))
            .map(|line| line.trim_start_matches('#').trim());
        comments.find_map(|line| Some(line.strip_prefix(mark)?.trim()))
    }

    /// The line of the input that the body begins in.
    fn first_line(&self) -> usize {
        let head = &self.piece.text[..self.piece.body];
        self.piece.line + head.matches('\n').count()
    }

    fn tree<'t>(&self, text: &'t str) -> At<Tree<'t>> {
        let mut account = self.account.beside();
        match self.format {
            Format::Json => {
                let mut unheard = Warnings::default();
                json::parse(text, self.limits.depth, &mut account, &mut unheard)
            }
            Format::Yaml => super::parse_yaml(text, &self.piece, &self.limits, &mut account),
        }
    }
}

/// A line of a text, which is gone through once from its begin: a document may have a mark in each of its lines, or all in
/// one.
struct LineOfMarks<'t> {
    text: &'t str,
    line: usize,
    /// Where it begins, where what stands in it does, and where it ends.
    start: usize,
    content: usize,
    end: usize,
    /// The next line with content, as it was found last.
    below: usize,
}

impl<'t> LineOfMarks<'t> {
    fn new(text: &'t str, line: usize) -> Self {
        let mut place = Self {
            text,
            line,
            start: 0,
            content: 0,
            end: 0,
            below: 0,
        };
        place.measure();
        place
    }

    fn measure(&mut self) {
        let rest = &self.text[self.start..];
        let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
        self.content = self.start + line.len() - line.trim_start().len();
        self.end = self.start + line.len();
    }

    /// Goes on to the line that `at` is in, which is not before this one.
    fn go_to(&mut self, at: usize) {
        if at <= self.end {
            return;
        }
        // It begins with the line break that ends this one.
        let passed = &self.text.as_bytes()[self.end..at];
        self.line += memchr::memchr_iter(b'\n', passed).count();
        self.start = self.end + memchr::memrchr(b'\n', passed).map_or(0, |newline| newline + 1);
        self.measure();
    }

    /// The line of what a comment is about that is alone in this one: the next line with content.
    fn below(&mut self) -> usize {
        if self.line >= self.below {
            let blank = |text: &&str| {
                let text = text.trim_start();
                text.is_empty() || text.starts_with('#')
            };
            let below = self.text[self.end..].lines().skip(1);
            self.below = self.line + 1 + below.take_while(blank).count();
        }
        self.below
    }
}

/// The members of wide mappings by name: the key's line, and the value. They are sorted out once: there may be thousands
/// of findings beneath one.
struct Members {
    sorted: HashMap<Id, HashMap<String, (usize, Id)>>,
    account: Account,
}

/// Members that are looked through each time.
const FEW: usize = 16;
/// Bytes of a member that is sorted out, beside its name.
const MEMBER: usize = 96;

impl Members {
    fn get(
        &mut self,
        tree: &Tree<'_>,
        id: Id,
        members: &[(Id, Id)],
        name: &str,
    ) -> Option<(usize, Id)> {
        let named = |(key, value): &(Id, Id)| {
            let name = value::key(tree, *key).ok()?;
            Some((name, (tree.nodes[*key].line, *value)))
        };
        if let Some(of) = self.sorted.get(&id) {
            return of.get(name).copied();
        }
        if members.len() > FEW && self.room(tree, members).is_ok() {
            // The last of a name counts.
            let of: HashMap<_, _> = members.iter().filter_map(named).collect();
            let found = of.get(name).copied();
            self.sorted.insert(id, of);
            return found;
        }
        let mut named = members.iter().rev().filter_map(named);
        named.find(|(key, _)| key == name).map(|(_, found)| found)
    }

    fn room(&mut self, tree: &Tree<'_>, members: &[(Id, Id)]) -> Result<(), Excess> {
        let names = members.iter().map(|(key, _)| match &tree.nodes[*key].kind {
            Kind::Scalar { text, .. } => text.len(),
            _ => 0,
        });
        let names: usize = names.sum();
        self.account.charge(names + MEMBER * members.len())
    }
}

/// The name that stands so in a JSON pointer (RFC 6901).
pub(crate) fn unescaped(part: &str) -> Cow<'_, str> {
    if part.contains('~') {
        part.replace("~1", "/").replace("~0", "~").into()
    } else {
        part.into()
    }
}

/// The lines of all that leads to a pointer, in the text that was parsed.
fn lines(tree: &Tree<'_>, sorted: &mut Members, pointer: &str) -> Vec<usize> {
    let Some(root) = tree.root() else {
        return Vec::new();
    };
    let mut lines = vec![root.line];
    let mut id: Id = 0;
    for name in pointer.split('/').skip(1) {
        let name = unescaped(name);
        let next = match &tree.nodes[id].kind {
            Kind::Mapping(members) => sorted.get(tree, id, members, &name),
            Kind::Sequence(items) => {
                let item = name.parse().ok().and_then(|at: usize| items.get(at));
                item.map(|item| (tree.nodes[*item].line, *item))
            }
            Kind::Scalar { .. } | Kind::Alias(_) => None,
        };
        let Some((line, next)) = next else {
            break;
        };
        lines.push(line);
        id = next;
    }
    lines
}
