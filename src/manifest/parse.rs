//! From tokens to the tree, with go-yaml's grammar.

use super::budget::{Account, element, text as text_bytes};
use super::error::Fault;
use super::scan::{Lexeme, Scanner, Token, unexpected};
use super::tree::{At, Id, Kind, Node, ScalarStyle, Tree};
use std::borrow::Cow;
use std::collections::HashMap;

/// Bytes of a node, of its place in the node above it, and of its anchor.
const NODE: usize = element::<Node<'_>>() + element::<(Id, Id)>() + element::<(&str, Id)>();

/// Parses one YAML document, before which `---` was read already where it is `marked`. `depth` and `account` bound what
/// comes back.
pub(crate) fn parse<'a>(
    text: &'a str,
    marked: bool,
    depth: usize,
    account: &mut Account,
) -> At<Tree<'a>> {
    let mut parser = Parser {
        scanner: Scanner::new(text),
        tree: Tree::default(),
        open: Vec::new(),
        anchors: HashMap::new(),
        depth,
        account,
    };
    parser.document(marked)?;
    Ok(parser.tree)
}

/// A collection that is not at its end.
pub(super) struct Open {
    pub(super) id: Id,
    pub(super) style: Style,
    /// A mapping's key that has no value yet.
    pub(super) key: Option<Id>,
    /// Whether a mapping's key was one when it was read, by its colon or a `?`.
    pub(super) keyed: bool,
    /// Nothing of it is read yet but its opening.
    pub(super) first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    BlockSequence,
    /// A list whose dashes stand in the column of the key above.
    Indentless,
    BlockMapping,
    FlowSequence,
    FlowMapping,
    /// A mapping of one member in a list in brackets, without braces of its own.
    Pair,
}

/// Which collections a node may be that have no brackets.
#[derive(Clone, Copy)]
pub(super) enum Block {
    None,
    Indented,
    Any,
}

pub(super) struct Parser<'a, 'b> {
    pub(super) scanner: Scanner<'a>,
    pub(super) tree: Tree<'a>,
    pub(super) open: Vec<Open>,
    anchors: HashMap<&'a str, Id>,
    depth: usize,
    account: &'b mut Account,
}

impl<'a> Parser<'a, '_> {
    fn document(&mut self, mut marked: bool) -> At<()> {
        if matches!(self.peek()?, Token::DocumentStart) && !marked {
            self.scanner.take()?;
            marked = true;
        }
        match self.peek()? {
            Token::StreamEnd => return Ok(()),
            Token::DocumentStart | Token::DocumentEnd if marked => {}
            _ => self.node(Block::Indented)?,
        }
        while let Some(open) = self.open.last() {
            let (style, id, first) = (open.style, open.id, open.first);
            match style {
                Style::BlockSequence | Style::Indentless => self.block_item(style)?,
                Style::BlockMapping => self.block_member()?,
                Style::FlowSequence => self.flow_item(id, first)?,
                Style::FlowMapping => self.flow_member(id, first)?,
                Style::Pair => self.pair(first)?,
            }
        }
        self.scanner.end()
    }

    pub(super) fn peek(&mut self) -> At<&Token<'a>> {
        Ok(&self.scanner.peek()?.token)
    }

    /// An item of a list with dashes, or the list's end.
    fn block_item(&mut self, style: Style) -> At<()> {
        match self.peek()? {
            Token::BlockEntry => {}
            Token::BlockEnd if style == Style::BlockSequence => {
                return self.close();
            }
            _ if style == Style::Indentless => {
                self.open.pop();
                return Ok(());
            }
            _ => return self.wrong("a `-` is missing, or this line is not in its column"),
        }
        let dash = self.scanner.take()?;
        match (self.peek()?, style) {
            (Token::BlockEntry | Token::BlockEnd, _)
            | (Token::Key | Token::Value, Style::Indentless) => self.nothing(&dash),
            _ => self.node(Block::Indented),
        }
    }

    /// A key or a value of a mapping without braces, or the mapping's end.
    fn block_member(&mut self) -> At<()> {
        let awaits_value = self.open.last().is_some_and(|open| open.key.is_some());
        match (self.peek()?, awaits_value) {
            (Token::Key, false) | (Token::Value, true) => {}
            (Token::BlockEnd, false) => {
                return self.close();
            }
            (_, true) => return self.nothing_here(),
            (_, false) => {
                return self.wrong("a key is missing, or this line is not in its column");
            }
        }
        let indicator = self.scanner.take()?;
        match self.peek()? {
            Token::Key | Token::Value | Token::BlockEnd => self.nothing(&indicator),
            _ => self.node(Block::Any),
        }
    }

    /// A node with its tag and its anchor, in either order; of a collection only its opening.
    pub(super) fn node(&mut self, block: Block) -> At<()> {
        if matches!(self.peek()?, Token::Alias(_)) {
            return self.alias();
        }
        let mut properties = Properties::at(self.scanner.peek()?);
        for _ in 0..2 {
            match self.peek()? {
                Token::Anchor(_) if properties.anchor.is_none() => {}
                Token::Tag(..) if properties.tag.is_none() => {}
                _ => break,
            }
            let lexeme = self.scanner.take()?;
            properties.end = lexeme.end;
            match lexeme.token {
                Token::Anchor(name) => properties.anchor = Some(name),
                Token::Tag(handle, suffix) => {
                    let tag = full_tag(handle, suffix).map_err(|fault| (lexeme.line, fault))?;
                    properties.tag = Some(tag);
                }
                _ => {}
            }
        }
        let (sequence, mapping) = (Kind::Sequence(Vec::new()), Kind::Mapping(Vec::new()));
        match (self.peek()?, block) {
            // It belongs to the list, and stays for the list's first item.
            (Token::BlockEntry, Block::Any) => {
                self.collection(sequence, Style::Indentless, properties)
            }
            (Token::Scalar(..), _) => self.scalar(properties),
            (Token::FlowSequenceStart, _) => {
                self.scanner.take()?;
                self.collection(sequence, Style::FlowSequence, properties)
            }
            (Token::FlowMappingStart, _) => {
                self.scanner.take()?;
                self.collection(mapping, Style::FlowMapping, properties)
            }
            (Token::BlockSequenceStart, Block::Indented | Block::Any) => {
                self.scanner.take()?;
                self.collection(sequence, Style::BlockSequence, properties)
            }
            (Token::BlockMappingStart, Block::Indented | Block::Any) => {
                self.scanner.take()?;
                self.collection(mapping, Style::BlockMapping, properties)
            }
            _ if properties.anchor.is_some() || properties.tag.is_some() => self.empty(properties),
            _ => self.wrong("a value is missing"),
        }
    }

    fn alias(&mut self) -> At<()> {
        let lexeme = self.scanner.take()?;
        let Token::Alias(name) = lexeme.token else {
            return Err((lexeme.line, unexpected("this")));
        };
        let Some(&target) = self.anchors.get(name) else {
            let what = format!("the alias `*{name}` names no anchor before it");
            return Err((lexeme.line, Fault::Syntax(what)));
        };
        if self.open.iter().any(|open| open.id == target) {
            return Err((lexeme.line, Fault::SelfReference));
        }
        *self.tree.aliased.entry(target).or_default() += 1;
        let place = Properties::at(&lexeme);
        self.add(Kind::Alias(target), place)?;
        Ok(())
    }

    fn scalar(&mut self, mut properties: Properties<'a>) -> At<()> {
        let lexeme = self.scanner.take()?;
        properties.end = lexeme.end;
        let Token::Scalar(text, style) = lexeme.token else {
            return Err((lexeme.line, unexpected("this")));
        };
        if properties.anchor.is_none() && properties.tag.is_none() {
            properties.line = lexeme.line;
        }
        self.add(Kind::Scalar { text, style }, properties)?;
        Ok(())
    }

    fn empty(&mut self, properties: Properties<'a>) -> At<()> {
        let kind = Kind::Scalar {
            text: Cow::Borrowed(""),
            style: ScalarStyle::Plain,
        };
        self.add(kind, properties).map(|_| ())
    }

    /// A value that is not written, behind an indicator.
    pub(super) fn nothing(&mut self, indicator: &Lexeme<'a>) -> At<()> {
        self.empty(Properties::at(indicator))
    }

    /// A value that is not written, before the next token.
    pub(super) fn nothing_here(&mut self) -> At<()> {
        let place = Properties::at(self.scanner.peek()?);
        self.empty(place)
    }

    pub(super) fn collection(
        &mut self,
        kind: Kind<'a>,
        style: Style,
        properties: Properties<'a>,
    ) -> At<()> {
        let line = properties.line;
        let id = self.add(kind, properties)?;
        if self.open.len() >= self.depth {
            return Err((line, Fault::TooDeep(self.depth)));
        }
        self.open.push(Open {
            id,
            style,
            key: None,
            keyed: false,
            first: true,
        });
        Ok(())
    }

    /// Takes the token that ends a collection.
    pub(super) fn close(&mut self) -> At<()> {
        self.scanner.take()?;
        self.open.pop();
        Ok(())
    }

    fn add(&mut self, kind: Kind<'a>, properties: Properties<'a>) -> At<Id> {
        let mut bytes = NODE
            + properties
                .tag
                .as_ref()
                .map_or(0, |tag| text_bytes(tag.len()));
        if let Kind::Scalar {
            text: Cow::Owned(text),
            ..
        } = &kind
        {
            bytes += text_bytes(text.len());
        }
        let line = properties.line;
        self.account
            .charge(bytes)
            .map_err(|excess| (line, excess.into()))?;
        let composite = matches!(kind, Kind::Sequence(_) | Kind::Mapping(_));
        let id = self.tree.add(Node {
            kind,
            tag: properties.tag,
            anchor: properties.anchor.is_some(),
            end: properties.end,
            line,
        });
        if let Some(name) = properties.anchor {
            self.anchors.insert(name, id);
        }
        if let Some(open) = self.open.last_mut() {
            match &mut self.tree.nodes[open.id].kind {
                Kind::Sequence(items) => items.push(id),
                Kind::Mapping(members) => match open.key.take() {
                    Some(key) => members.push((key, id)),
                    None if composite => return Err((line, Fault::Key("a mapping or a list"))),
                    None => open.key = Some(id),
                },
                Kind::Scalar { .. } | Kind::Alias(_) => {}
            }
        }
        Ok(id)
    }

    /// The next token does not fit.
    fn wrong(&mut self, what: &str) -> At<()> {
        let line = self.scanner.peek()?.line;
        Err((line, Fault::Syntax(what.to_owned())))
    }
}

/// What stands before a node, and where it begins and ends.
pub(super) struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Option<String>,
    end: usize,
    line: usize,
}

impl Properties<'_> {
    /// None, for a node at a token.
    pub(super) fn at(lexeme: &Lexeme<'_>) -> Self {
        Self {
            anchor: None,
            tag: None,
            end: lexeme.end,
            line: lexeme.line,
        }
    }
}

fn full_tag(handle: &str, suffix: String) -> Result<String, Fault> {
    match handle {
        "" => Ok(suffix),
        "!" => Ok(format!("!{suffix}")),
        "!!" => Ok(format!("tag:yaml.org,2002:{suffix}")),
        _ => {
            let what = format!("the tag handle `{handle}` is defined nowhere");
            Err(Fault::Syntax(what))
        }
    }
}
