//! Where the values of a document stand in the input, and the comments in it: for whoever points at them.

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
        let lines = |pointer: &&str| {
            let lines = lines(&tree, pointer).into_iter().map(|line| above + line);
            lines.collect()
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
        let above = self.first_line();
        let comments = found.into_iter().filter_map(|at| {
            let start = body[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let before = body[start..at].trim_end_matches([' ', '\t']);
            let hash = start + before.strip_suffix('#')?.len();
            let left = &body[start..hash];
            let alone = left.trim().is_empty();
            if in_scalar(hash) || !(alone || left.ends_with([' ', '\t'])) {
                return None;
            }
            let rest = &body[at + mark.len()..];
            let line = above + body[..start].matches('\n').count();
            let below = rest.lines().skip(1);
            let blank = |text: &&str| text.trim().is_empty() || text.trim_start().starts_with('#');
            let about = if alone {
                line + 1 + below.take_while(blank).count()
            } else {
                line
            };
            let text = rest.lines().next().unwrap_or_default().trim();
            Some(Comment { line, about, text })
        });
        comments.collect()
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

/// The lines of all that leads to a pointer, in the text that was parsed.
fn lines(tree: &Tree<'_>, pointer: &str) -> Vec<usize> {
    let Some(root) = tree.root() else {
        return Vec::new();
    };
    let mut lines = vec![root.line];
    let mut id: Id = 0;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let next = match &tree.nodes[id].kind {
            Kind::Mapping(members) => {
                // The last of a name counts.
                let mut members = members.iter().rev();
                let is = |key: Id| value::key(tree, key).is_ok_and(|key| key == name);
                members
                    .find(|(key, _)| is(*key))
                    .map(|(key, value)| (tree.nodes[*key].line, *value))
            }
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
