//! The grammar in brackets and braces.

use super::error::Fault;
use super::parse::{Block, Parser, Properties, Style};
use super::scan::Token;
use super::tree::{At, Id, Kind};

impl Parser<'_, '_> {
    /// An item of a list in brackets, or the list's end.
    pub(super) fn flow_item(&mut self, list: Id, first: bool) -> At<()> {
        self.begun();
        if !first && !matches!(self.peek()?, Token::FlowSequenceEnd) {
            self.comma(list, "`,` or `]`")?;
        }
        match self.peek()? {
            Token::FlowSequenceEnd => self.close(),
            Token::Key => {
                let key = self.scanner.take()?;
                self.collection(Kind::Mapping(Vec::new()), Style::Pair, Properties::at(&key))
            }
            _ => self.node(Block::None),
        }
    }

    /// Key, value and end of a [`Style::Pair`].
    pub(super) fn pair(&mut self, first: bool) -> At<()> {
        if first {
            self.begun();
            return match self.peek()? {
                Token::Value | Token::FlowEntry | Token::FlowSequenceEnd => {
                    // As libyaml and its ports: the indicator is passed, whatever it is.
                    let indicator = self.scanner.take()?;
                    self.nothing(&indicator)
                }
                _ => self.node(Block::None),
            };
        }
        if self.open.last().is_none_or(|open| open.key.is_none()) {
            self.open.pop();
            return Ok(());
        }
        if matches!(self.peek()?, Token::Value) {
            self.scanner.take()?;
            if !matches!(self.peek()?, Token::FlowEntry | Token::FlowSequenceEnd) {
                return self.node(Block::None);
            }
        }
        self.nothing_here()
    }

    /// A key or a value of a mapping in braces, or the mapping's end.
    pub(super) fn flow_member(&mut self, mapping: Id, first: bool) -> At<()> {
        self.begun();
        if let Some(open) = self.open.last()
            && open.key.is_some()
        {
            // What was no key when it was read has no value: `{a, b}`.
            if open.keyed && matches!(self.peek()?, Token::Value) {
                self.scanner.take()?;
                if !matches!(self.peek()?, Token::FlowEntry | Token::FlowMappingEnd) {
                    return self.node(Block::None);
                }
            }
            return self.nothing_here();
        }
        if !first && !matches!(self.peek()?, Token::FlowMappingEnd) {
            self.comma(mapping, "`,` or `}`")?;
        }
        let keyed = matches!(self.peek()?, Token::Key);
        if let Some(open) = self.open.last_mut() {
            open.keyed = keyed;
        }
        if matches!(self.peek()?, Token::FlowMappingEnd) {
            return self.close();
        }
        if keyed {
            self.scanner.take()?;
            if matches!(
                self.peek()?,
                Token::Value | Token::FlowEntry | Token::FlowMappingEnd
            ) {
                return self.nothing_here();
            }
        }
        self.node(Block::None)
    }

    fn begun(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.first = false;
        }
    }

    fn comma(&mut self, collection: Id, missing: &str) -> At<()> {
        let opened = self.tree.nodes[collection].line;
        let lexeme = self.scanner.peek()?;
        if matches!(lexeme.token, Token::FlowEntry) {
            self.scanner.take()?;
            return Ok(());
        }
        let what = format!("{missing} is missing, for the bracket in line {opened}");
        Err((lexeme.line, Fault::Syntax(what)))
    }
}
