//! JSON as the same tree as YAML's, so that one editor serves both.

use super::budget::{Account, element, text as text_bytes};
use super::error::Fault;
use super::tree::{At, Id, Kind, Node, ScalarStyle, Tree};
use super::warning::Warnings;
use foldhash::fast::RandomState;
use std::borrow::Cow;
use std::collections::HashMap;

/// Reads a text that `serde_json` has found to be JSON. Checks what that does not: depth and memory;
/// warns of double keys, of which the last counts.
pub(crate) fn parse<'a>(
    text: &'a str,
    depth: usize,
    account: &mut Account,
    warnings: &mut Warnings,
) -> At<Tree<'a>> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        tree: Tree::default(),
        depth,
        account,
        warnings,
    };
    reader.value(0)?;
    Ok(reader.tree)
}

/// Bytes of a key and its line, by which a second one like it is found.
const LINE: usize = element::<(Cow<'_, str>, usize)>();

struct Reader<'a, 'b> {
    text: &'a str,
    at: usize,
    line: usize,
    tree: Tree<'a>,
    depth: usize,
    account: &'b mut Account,
    warnings: &'b mut Warnings,
}

impl<'a> Reader<'a, '_> {
    fn value(&mut self, depth: usize) -> At<Id> {
        self.space();
        if depth > self.depth {
            return Err((self.line, Fault::TooDeep(self.depth)));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest
                    .find([',', ']', '}', ' ', '\t', '\r', '\n'])
                    .unwrap_or(rest.len());
                let text = &rest[..end];
                self.scalar(Cow::Borrowed(text), ScalarStyle::Plain, end)
            }
        }
    }

    fn string(&mut self) -> At<Id> {
        let mut end = self.at + 1;
        let bytes = self.text.as_bytes();
        while bytes.get(end).is_some_and(|byte| *byte != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let raw = self
            .text
            .get(self.at..=end)
            .ok_or_else(|| self.unexpected())?;
        let text = if raw.contains('\\') {
            self.charge(text_bytes(raw.len()))?;
            let text = serde_json::from_str(raw).map_err(|_| self.unexpected())?;
            Cow::Owned(text)
        } else {
            Cow::Borrowed(&raw[1..raw.len() - 1])
        };
        self.scalar(text, ScalarStyle::DoubleQuoted, raw.len())
    }

    fn scalar(&mut self, text: Cow<'a, str>, style: ScalarStyle, length: usize) -> At<Id> {
        self.at += length;
        self.node(Kind::Scalar { text, style }, self.at)
    }

    fn object(&mut self, depth: usize) -> At<Id> {
        let id = self.node(Kind::Mapping(Vec::new()), self.at)?;
        // Keys are hashed with a seed of this process that nobody sees.
        let mut lines = HashMap::with_hasher(RandomState::default());
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        while self.peek() != Some(b'}') {
            self.charge(element::<(Id, Id)>() + LINE)?;
            let key = self.string()?;
            if let Kind::Scalar { text, .. } = &self.tree.nodes[key].kind
                && let Some(first) = lines.insert(text.clone(), self.line)
            {
                self.warnings.repeated(text, first, self.line);
            }
            self.space();
            self.expect(b':')?;
            members.push((key, self.value(depth + 1)?));
            self.separator(b'}')?;
        }
        self.account.give_back(members.len() * LINE);
        self.close(id, Kind::Mapping(members));
        Ok(id)
    }

    fn array(&mut self, depth: usize) -> At<Id> {
        let id = self.node(Kind::Sequence(Vec::new()), self.at)?;
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        while self.peek() != Some(b']') {
            self.charge(element::<Id>())?;
            items.push(self.value(depth + 1)?);
            self.separator(b']')?;
        }
        self.close(id, Kind::Sequence(items));
        Ok(id)
    }

    fn charge(&mut self, bytes: usize) -> At<()> {
        let line = self.line;
        self.account
            .charge(bytes)
            .map_err(|excess| (line, excess.into()))
    }

    fn node(&mut self, kind: Kind<'a>, end: usize) -> At<Id> {
        self.charge(element::<Node<'_>>())?;
        Ok(self.tree.add(Node {
            kind,
            tag: None,
            anchor: false,
            end,
            line: self.line,
        }))
    }

    fn close(&mut self, id: Id, kind: Kind<'a>) {
        self.at += 1;
        self.tree.nodes[id].kind = kind;
        self.tree.nodes[id].end = self.at;
    }

    /// Past the comma, or up to the end of the collection.
    fn separator(&mut self, close: u8) -> At<()> {
        self.space();
        if self.peek() != Some(close) {
            self.expect(b',')?;
            self.space();
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> At<()> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn unexpected(&self) -> (usize, Fault) {
        (self.line, Fault::Json("something unexpected".to_owned()))
    }
}
