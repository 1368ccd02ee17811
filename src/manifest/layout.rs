//! Where every node stands in the text, to the byte.
//!
//! The parser's own places are exact for scalars only, so the text is walked once more along the tree. A layout that
//! the walk does not know ends it: such a document can be read but not edited in place.

use super::tree::{Id, Kind, ScalarStyle, Tree};

/// Something that the editor has no way to write into; the document is then written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Odd;

/// The place of one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spot {
    /// Behind the colon or the dash that leads to the node.
    pub(crate) from: usize,
    /// The first byte, tag and anchor included.
    pub(crate) start: usize,
    /// The first byte behind tag and anchor.
    pub(crate) body: usize,
    /// Behind the last byte. In the last line of a block scalar, before its line end.
    pub(crate) end: usize,
    /// The dash of an item of a block sequence.
    pub(crate) dash: usize,
    /// A collection in brackets.
    pub(crate) flow: bool,
    /// A comma before the closing bracket.
    pub(crate) comma: Option<usize>,
}

/// The place of every node of a tree, under its id.
pub(crate) fn of(text: &str, tree: &Tree<'_>) -> Result<Vec<Spot>, Odd> {
    let mut walk = Walk {
        text,
        tree,
        spots: vec![Spot::default(); tree.nodes.len()],
    };
    if tree.root().is_some() {
        walk.node(0, 0, false)?;
    }
    Ok(walk.spots)
}

/// The next byte that is neither space nor comment.
pub(crate) fn skip(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            // Between tokens it begins a comment, whatever stands before it.
            b'#' => at = line_end(text, at),
            _ => break,
        }
    }
    at
}

/// Where the line's text ends that `at` is in, before `\n` or `\r\n`.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline);
    if end > at && text.as_bytes()[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

/// Where the line begins that `at` is in.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

struct Walk<'t, 'a> {
    text: &'t str,
    tree: &'t Tree<'a>,
    spots: Vec<Spot>,
}

impl Walk<'_, '_> {
    /// Places a node and all below it; returns its end.
    fn node(&mut self, id: Id, from: usize, in_flow: bool) -> Result<usize, Odd> {
        let node = &self.tree.nodes[id];
        let start = skip(self.text, from);
        let (bare, body) = self.properties(id, start, in_flow);
        let mut spot = Spot {
            from,
            start,
            body,
            ..Spot::default()
        };
        spot.end = match &node.kind {
            Kind::Scalar {
                text,
                style: ScalarStyle::Plain,
            } if text.is_empty() => {
                if bare == start {
                    spot.start = from;
                    bare.min(from)
                } else {
                    bare
                }
            }
            Kind::Scalar {
                style: ScalarStyle::Literal | ScalarStyle::Folded,
                ..
            } => self.block_scalar(body, node.end)?,
            Kind::Scalar {
                style: ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted,
                ..
            } => self.quoted(body)?,
            Kind::Scalar { .. } | Kind::Alias(_) => node.end,
            Kind::Sequence(items) if self.byte(body) == Some(b'[') => {
                spot.flow = true;
                self.flow_sequence(items, body, &mut spot.comma)?
            }
            Kind::Mapping(members) if self.byte(body) == Some(b'{') => {
                spot.flow = true;
                self.flow_mapping(members, body, &mut spot.comma)?
            }
            _ if in_flow => return Err(Odd),
            Kind::Sequence(items) => self.sequence(items, body)?,
            Kind::Mapping(members) => self.mapping(members, body)?,
        };
        if spot.end < spot.start
            || spot.end > self.text.len()
            || !self.text.is_char_boundary(spot.end)
        {
            return Err(Odd);
        }
        self.spots[id] = spot;
        Ok(spot.end)
    }

    /// Where tag and anchor end, and where the content behind them begins.
    fn properties(&self, id: Id, start: usize, in_flow: bool) -> (usize, usize) {
        let node = &self.tree.nodes[id];
        let (mut bare, mut body) = (start, start);
        for _ in 0..usize::from(node.anchor) + usize::from(node.tag.is_some()) {
            if !matches!(self.byte(body), Some(b'&' | b'!')) {
                break;
            }
            let rest = &self.text[body..];
            let ends =
                |c: char| c.is_ascii_whitespace() || (in_flow && matches!(c, ',' | ']' | '}'));
            bare = body + rest.find(ends).unwrap_or(rest.len());
            body = skip(self.text, bare);
        }
        (bare, body)
    }

    /// Behind the closing quote; the parser counts what follows it.
    fn quoted(&self, open: usize) -> Result<usize, Odd> {
        let quote = self
            .byte(open)
            .filter(|byte| matches!(byte, b'\'' | b'"'))
            .ok_or(Odd)?;
        let mut at = open + 1;
        loop {
            at += match (self.byte(at).ok_or(Odd)?, self.byte(at + 1)) {
                (b'\\', _) if quote == b'"' => 2,
                (b'\'', Some(b'\'')) if quote == b'\'' => 2,
                (byte, _) if byte == quote => return Ok(at + 1),
                _ => 1,
            };
        }
    }

    fn block_scalar(&self, header: usize, scanned: usize) -> Result<usize, Odd> {
        if !matches!(self.byte(header), Some(b'|' | b'>')) {
            return Err(Odd);
        }
        let rest = &self.text[header..];
        let least = header
            + rest
                .find(|c: char| c.is_ascii_whitespace())
                .unwrap_or(rest.len());
        let content = self.text.get(..scanned).ok_or(Odd)?;
        let content = if self.text[header..least].contains('+') {
            let content = content.trim_end_matches(' ');
            let content = content.strip_suffix('\n').unwrap_or(content);
            content.strip_suffix('\r').unwrap_or(content)
        } else {
            content.trim_end()
        };
        Ok(content.len().max(least))
    }

    fn sequence(&mut self, items: &[Id], mut at: usize) -> Result<usize, Odd> {
        for &item in items {
            let dash = skip(self.text, at);
            self.expect(dash, b'-')?;
            at = self.node(item, dash + 1, false)?;
            self.spots[item].dash = dash;
        }
        Ok(at)
    }

    fn mapping(&mut self, members: &[(Id, Id)], mut at: usize) -> Result<usize, Odd> {
        for &(key, value) in members {
            let start = skip(self.text, at);
            // `? key` spreads a member over two places.
            if self.byte(start) == Some(b'?')
                && self
                    .byte(start + 1)
                    .is_none_or(|byte| byte.is_ascii_whitespace())
            {
                return Err(Odd);
            }
            let end = self.node(key, start, true)?;
            let colon = end
                + self.text[end..]
                    .bytes()
                    .take_while(|byte| matches!(byte, b' ' | b'\t'))
                    .count();
            self.expect(colon, b':')?;
            at = self.node(value, colon + 1, false)?;
        }
        Ok(at)
    }

    fn flow_sequence(
        &mut self,
        items: &[Id],
        open: usize,
        comma: &mut Option<usize>,
    ) -> Result<usize, Odd> {
        let mut at = open + 1;
        for (index, &item) in items.iter().enumerate() {
            let start = self.next_element(at, index)?;
            at = self.node(item, start, true)?;
        }
        self.close(at, b']', comma)
    }

    fn flow_mapping(
        &mut self,
        members: &[(Id, Id)],
        open: usize,
        comma: &mut Option<usize>,
    ) -> Result<usize, Odd> {
        let mut at = open + 1;
        for (index, &(key, value)) in members.iter().enumerate() {
            let start = self.next_element(at, index)?;
            let end = self.node(key, start, true)?;
            let colon = skip(self.text, end);
            self.expect(colon, b':')?;
            at = self.node(value, colon + 1, true)?;
        }
        self.close(at, b'}', comma)
    }

    fn next_element(&self, at: usize, index: usize) -> Result<usize, Odd> {
        let mut start = skip(self.text, at);
        if index > 0 {
            self.expect(start, b',')?;
            start = skip(self.text, start + 1);
        }
        // An explicit key, or an empty one.
        if matches!(self.byte(start), Some(b'?' | b':')) {
            Err(Odd)
        } else {
            Ok(start)
        }
    }

    fn close(&self, at: usize, bracket: u8, comma: &mut Option<usize>) -> Result<usize, Odd> {
        let mut end = skip(self.text, at);
        if self.byte(end) == Some(b',') {
            *comma = Some(end);
            end = skip(self.text, end + 1);
        }
        self.expect(end, bracket)?;
        Ok(end + 1)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn expect(&self, at: usize, byte: u8) -> Result<(), Odd> {
        if self.byte(at) == Some(byte) {
            Ok(())
        } else {
            Err(Odd)
        }
    }
}
