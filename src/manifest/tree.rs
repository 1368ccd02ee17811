//! A document as a tree of nodes that know where they stand in the text.

use super::error::Fault;
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
    /// Where it ends, in bytes, for scalars and aliases; the rest is found again in the text where it matters.
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

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarStyle {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// A fault and the line of the parsed text that has it, counted from 1.
pub(crate) type At<T> = Result<T, (usize, Fault)>;
