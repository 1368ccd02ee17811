//! The patch (RFC 6902): the difference of two trees, of which one was made from the other. Each path is
//! made from what stands there, so the patch applies by construction.

use super::json::{self, list, same};
use super::tree::{Members, Node, Tree};
use crate::text::escaped;

/// Operations as JSON text, in order.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    text: String,
}

impl Patch {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The patch as a JSON list; `None` where there is nothing to do.
    pub(crate) fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(']');
        Some(self.text)
    }

    pub(crate) fn replace(&mut self, path: &str, value: &str) {
        self.op("replace", path, Some(value));
    }

    /// Brings a workload to what is wanted of it.
    pub(crate) fn workload(&mut self, present: &Tree<'_>, wanted: &Tree<'_>) {
        match present.kind.template() {
            "" => self.difference("", present.template(), wanted.template()),
            _ => self.difference("/spec", &present.spec, &wanted.spec),
        }
    }

    /// Brings what stands at a path to what is wanted there.
    pub(crate) fn difference(&mut self, path: &str, present: &Node<'_>, wanted: &Node<'_>) {
        self.nodes(&mut path.to_owned(), present, wanted);
    }

    /// `path` is as it was when it returns.
    fn nodes(&mut self, path: &mut String, present: &Node<'_>, wanted: &Node<'_>) {
        match (present, wanted) {
            (Node::Gone, Node::Gone) => {}
            (Node::Gone, _) => self.op("add", path, Some(&wanted.text())),
            (_, Node::Gone) => self.op("remove", path, None),
            (Node::Json(present), Node::Json(wanted)) if same(present, wanted) => {}
            (Node::Object(present), Node::Object(wanted)) => self.objects(path, present, wanted),
            (Node::List(present), Node::List(wanted)) => self.lists(path, present, wanted),
            (_, _) => self.op("replace", path, Some(&wanted.text())),
        }
    }

    fn objects(&mut self, path: &mut String, present: &Members<'_>, wanted: &Members<'_>) {
        /// Members mostly stand where they stood; an object that was made anew has few.
        fn find<'m, 'a>(members: &'m Members<'a>, at: usize, name: &str) -> &'m Node<'a> {
            let here = members.get(at).filter(|(key, _)| key == name);
            let found = here.or_else(|| members.iter().find(|(key, _)| key == name));
            found.map_or(&Node::Gone, |(_, node)| node)
        }
        for (at, (name, before)) in present.iter().enumerate() {
            let lost = matches!(find(wanted, at, name), Node::Gone);
            if lost && !matches!(before, Node::Gone) {
                below(path, &escaped(name), |path| self.op("remove", path, None));
            }
        }
        for (at, (name, wanted)) in wanted.iter().enumerate() {
            let present = find(present, at, name);
            let untouched =
                matches!((present, wanted), (Node::Json(a), Node::Json(b)) if identical(a, b));
            if !untouched && !matches!(wanted, Node::Gone) {
                below(path, &escaped(name), |path| {
                    self.nodes(path, present, wanted);
                });
            }
        }
    }

    fn lists(&mut self, path: &mut String, present: &[Node<'_>], wanted: &[Node<'_>]) {
        if let Some(Node::Object(_)) = wanted.first() {
            for (at, (present, wanted)) in present.iter().zip(wanted).enumerate() {
                below(path, &at.to_string(), |path| {
                    self.nodes(path, present, wanted);
                });
            }
            return;
        }
        let there = |node: &&Node<'_>| !matches!(node, Node::Gone);
        let present: Vec<_> = present.iter().filter(there).map(Node::text).collect();
        let wanted: Vec<_> = wanted.iter().filter(there).map(Node::text).collect();
        let stands = |from: usize| {
            let here = wanted.get(from..from + present.len());
            here.is_some_and(|here| {
                here.iter()
                    .zip(&present)
                    .all(|(a, b)| identical(a, b) || same(a, b))
            })
        };
        // At most one item is put before all others.
        match [0, 1].into_iter().find(|from| stands(*from)) {
            Some(before) => {
                if before == 1 {
                    below(path, "0", |path| self.op("add", path, Some(&wanted[0])));
                }
                below(path, "-", |path| {
                    for item in &wanted[before + present.len()..] {
                        self.op("add", path, Some(item));
                    }
                });
            }
            None => self.op("replace", path, Some(&list(&wanted))),
        }
    }

    fn op(&mut self, op: &str, path: &str, value: Option<&str>) {
        let text = &mut self.text;
        if text.is_empty() {
            // A usual patch, so that it is not moved while it grows.
            text.reserve(4096);
        }
        text.push_str(if text.is_empty() { "[" } else { "," });
        text.push_str("{\"op\":\"");
        text.push_str(op);
        text.push_str("\",\"path\":");
        json::push_string(text, path);
        if let Some(value) = value {
            text.push_str(",\"value\":");
            text.push_str(value);
        }
        text.push('}');
    }
}

/// A path with one name more, for as long as it is used.
fn below(path: &mut String, name: &str, with: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(name);
    with(path);
    path.truncate(length);
}

/// Whether two texts are one slice of the request: most of a tree and of what was made from it is.
fn identical(a: &str, b: &str) -> bool {
    std::ptr::eq(a, b)
}
