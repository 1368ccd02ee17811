//! YAML's tokens, found as go-yaml v2 finds them, the port of libyaml that kubectl reads with.
//!
//! Its rules are looser than the YAML specification's, and manifests make use of that: brackets may close left of
//! their key, text in quotes may go on there. Which text is a key shows only at the colon behind it, so tokens wait in a
//! queue until that is settled; a key stays in one line and ends within [`KEY_CHARACTERS`]. `tests/yaml_differential.rs`
//! compares all this with the real one.

use super::cursor::{Mark, is_blankz, is_break};
use super::error::Fault;
use super::stray;
use super::tree::{At, ScalarStyle};
use std::borrow::Cow;
use std::collections::VecDeque;

/// How far the colon may be from the start of a key without `?`.
const KEY_CHARACTERS: usize = 1024;

#[derive(Debug)]
pub(crate) enum Token<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// Handle and suffix.
    Tag(&'a str, String),
    Scalar(Cow<'a, str>, ScalarStyle),
}

/// A token and its place.
#[derive(Debug)]
pub(crate) struct Lexeme<'a> {
    pub(crate) token: Token<'a>,
    /// Behind its last byte.
    pub(crate) end: usize,
    /// Of its first byte, counted from 1.
    pub(crate) line: usize,
}

/// Where a key may have begun.
#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    possible: bool,
    /// Nothing but a key can stand there.
    required: bool,
    /// Whether tokens wait for it. go-yaml stops waiting at the end of empty brackets, so `[]: a` has no key.
    waited_for: bool,
    /// The number of its first token.
    token: usize,
    mark: Mark,
}

pub(crate) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) mark: Mark,
    /// How many brackets are open.
    pub(super) flow: usize,
    /// The column of the innermost block collection; -1 outside of all.
    pub(super) indent: isize,
    indents: Vec<isize>,
    /// One for each open bracket, and one for the block outside.
    candidates: Vec<Candidate>,
    pub(super) key_allowed: bool,
    queue: VecDeque<Lexeme<'a>>,
    /// How many tokens have left the queue.
    taken: usize,
    /// The next byte that is no text, which only a comment may hold.
    pub(super) stray: Option<usize>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            mark: Mark::default(),
            flow: 0,
            indent: -1,
            indents: Vec::new(),
            candidates: vec![Candidate::default()],
            key_allowed: true,
            queue: VecDeque::new(),
            taken: 0,
            stray: stray::find(text, 0),
        }
    }

    /// The next token. After [`Token::StreamEnd`] there are no more.
    pub(crate) fn peek(&mut self) -> At<&Lexeme<'a>> {
        while self.unsettled()? {
            self.fetch()?;
        }
        let line = self.line();
        let first = self.queue.front();
        first.ok_or_else(|| (line, unexpected("end")))
    }

    /// Takes the token that [`Scanner::peek`] showed.
    pub(crate) fn take(&mut self) -> At<Lexeme<'a>> {
        self.peek()?;
        self.taken += 1;
        let line = self.line();
        let first = self.queue.pop_front();
        first.ok_or_else(|| (line, unexpected("end")))
    }

    /// Checks that nothing but `...` follows: kubectl looks no further than the end of the first value, not even for
    /// mistakes.
    pub(crate) fn end(&mut self) -> At<()> {
        loop {
            match self.take() {
                Ok(lexeme) => match lexeme.token {
                    Token::StreamEnd => return Ok(()),
                    Token::DocumentEnd => {}
                    _ => return Err((lexeme.line, Fault::AfterEnd)),
                },
                Err((line, stray @ Fault::Stray(_))) => return Err((line, stray)),
                Err((line, _)) => return Err((line, Fault::AfterEnd)),
            }
        }
    }

    /// Whether the first token of the queue may still turn out to be a key.
    fn unsettled(&mut self) -> At<bool> {
        if self.queue.is_empty() {
            return Ok(true);
        }
        let taken = self.taken;
        let first = |candidate: &Candidate| {
            candidate.possible && candidate.waited_for && candidate.token == taken
        };
        match self.candidates.iter().position(first) {
            Some(at) => self.still_possible(at),
            None => Ok(false),
        }
    }

    fn still_possible(&mut self, at: usize) -> At<bool> {
        let now = self.mark;
        let candidate = &mut self.candidates[at];
        let mark = candidate.mark;
        if candidate.possible && (mark.line < now.line || mark.index + KEY_CHARACTERS < now.index) {
            if candidate.required {
                return Err((mark.line + 1, unexpected("no `:` behind a key")));
            }
            candidate.possible = false;
        }
        Ok(candidate.possible)
    }

    /// Finds one token more, or several where blocks begin or end with it.
    fn fetch(&mut self) -> At<()> {
        self.pass_blanks();
        self.unroll(signed(self.mark.column));
        let (byte, next) = (self.byte(0), self.byte(1));
        match byte {
            0 => self.stream_end(),
            b'%' if self.mark.column == 0 => {
                let line = self.text[self.mark.at..].lines().next().unwrap_or_default();
                Err((self.line(), Fault::Directive(line.trim_end().to_owned())))
            }
            b'-' if self.at_document_mark() => self.document_mark(Token::DocumentStart),
            b'.' if self.at_document_mark() => self.document_mark(Token::DocumentEnd),
            b'[' => self.open(Token::FlowSequenceStart),
            b'{' => self.open(Token::FlowMappingStart),
            b']' => self.close(Token::FlowSequenceEnd),
            b'}' => self.close(Token::FlowMappingEnd),
            b',' => {
                self.no_key()?;
                self.key_allowed = true;
                self.indicator(Token::FlowEntry)
            }
            b'-' if is_blankz(next) => self.block_entry(),
            b'?' if self.flow > 0 || is_blankz(next) => self.key(),
            b':' if self.flow > 0 || is_blankz(next) => self.value(),
            b'*' | b'&' => self.anchor(byte == b'*'),
            b'!' => {
                self.maybe_key()?;
                self.key_allowed = false;
                self.tag()
            }
            b'|' | b'>' if self.flow == 0 => {
                self.no_key()?;
                self.key_allowed = true;
                self.block_scalar(byte == b'|')
            }
            b'\'' | b'"' => {
                self.maybe_key()?;
                self.key_allowed = false;
                self.quoted(byte)
            }
            b'\t' => Err((self.line(), Fault::Tab)),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                let what = format!("`{}` cannot begin text without quotes", char::from(byte));
                Err((self.line(), Fault::Syntax(what)))
            }
            _ => {
                self.maybe_key()?;
                self.key_allowed = false;
                self.plain()
            }
        }
    }

    fn pass_blanks(&mut self) {
        loop {
            while self.byte(0) == b' '
                || (self.byte(0) == b'\t' && (self.flow > 0 || !self.key_allowed))
            {
                self.pass(1);
            }
            if self.byte(0) == b'#' {
                self.comment();
            }
            if !is_break(self.byte(0)) {
                return;
            }
            self.pass_line_end();
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    fn stream_end(&mut self) -> At<()> {
        self.unroll(-1);
        self.no_key()?;
        self.key_allowed = false;
        self.push(Token::StreamEnd, self.mark)
    }

    fn document_mark(&mut self, token: Token<'a>) -> At<()> {
        self.unroll(-1);
        self.no_key()?;
        self.key_allowed = false;
        let start = self.mark;
        self.pass(3);
        self.push(token, start)
    }

    fn open(&mut self, token: Token<'a>) -> At<()> {
        self.maybe_key()?;
        self.candidates.push(Candidate {
            token: self.taken + self.queue.len(),
            ..Candidate::default()
        });
        self.flow += 1;
        self.key_allowed = true;
        self.indicator(token)
    }

    fn close(&mut self, token: Token<'a>) -> At<()> {
        self.no_key()?;
        if self.flow > 0 {
            self.flow -= 1;
            let inner = self.candidates.pop();
            if let (Some(inner), Some(outer)) = (inner, self.candidates.last_mut())
                && inner.token == outer.token
            {
                outer.waited_for = false;
            }
        }
        self.key_allowed = false;
        self.indicator(token)
    }

    fn block_entry(&mut self) -> At<()> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err((self.line(), unexpected("`-`")));
            }
            self.roll(self.mark, None, Token::BlockSequenceStart);
        }
        self.no_key()?;
        self.key_allowed = true;
        self.indicator(Token::BlockEntry)
    }

    fn key(&mut self) -> At<()> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err((self.line(), unexpected("`?`")));
            }
            self.roll(self.mark, None, Token::BlockMappingStart);
        }
        self.no_key()?;
        self.key_allowed = self.flow == 0;
        self.indicator(Token::Key)
    }

    fn value(&mut self) -> At<()> {
        let last = self.candidates.len() - 1;
        if self.still_possible(last)? {
            let Candidate { token, mark, .. } = self.candidates[last];
            self.insert(token, Token::Key, mark);
            self.roll(mark, Some(token), Token::BlockMappingStart);
            self.candidates[last].possible = false;
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                if !self.key_allowed {
                    return Err((self.line(), unexpected("`:`")));
                }
                self.roll(self.mark, None, Token::BlockMappingStart);
            }
            self.key_allowed = self.flow == 0;
        }
        self.indicator(Token::Value)
    }

    /// A key may begin here.
    pub(super) fn maybe_key(&mut self) -> At<()> {
        if self.key_allowed {
            let candidate = Candidate {
                possible: true,
                required: self.flow == 0 && self.indent == signed(self.mark.column),
                waited_for: true,
                token: self.taken + self.queue.len(),
                mark: self.mark,
            };
            self.no_key()?;
            if let Some(last) = self.candidates.last_mut() {
                *last = candidate;
            }
        }
        Ok(())
    }

    /// What may have been a key is none.
    fn no_key(&mut self) -> At<()> {
        if let Some(last) = self.candidates.last_mut()
            && last.possible
        {
            if last.required {
                return Err((last.mark.line + 1, unexpected("no `:` behind a key")));
            }
            last.possible = false;
        }
        Ok(())
    }

    /// Begins a block collection where `mark` stands further right than the one around it.
    fn roll(&mut self, mark: Mark, before: Option<usize>, token: Token<'a>) {
        if self.flow == 0 && self.indent < signed(mark.column) {
            self.indents.push(self.indent);
            self.indent = signed(mark.column);
            self.insert(before.unwrap_or(usize::MAX), token, mark);
        }
    }

    /// Ends the block collections that stand further right than `column`.
    fn unroll(&mut self, column: isize) {
        while self.flow == 0 && self.indent > column {
            self.insert(usize::MAX, Token::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Puts a token without any text before the one with this number, or last.
    fn insert(&mut self, number: usize, token: Token<'a>, mark: Mark) {
        let lexeme = Lexeme {
            token,
            end: mark.at,
            line: mark.line + 1,
        };
        let at = number.saturating_sub(self.taken).min(self.queue.len());
        self.queue.insert(at, lexeme);
    }

    /// A token of one byte.
    fn indicator(&mut self, token: Token<'a>) -> At<()> {
        let start = self.mark;
        self.pass(1);
        self.push(token, start)
    }

    /// A token that ends here.
    pub(super) fn push(&mut self, token: Token<'a>, start: Mark) -> At<()> {
        self.push_until(token, start, self.mark.at)
    }

    pub(super) fn push_until(&mut self, token: Token<'a>, start: Mark, end: usize) -> At<()> {
        if let Some(at) = self.stray.filter(|at| *at < self.mark.at) {
            let line = 1 + self.text[..at].matches('\n').count();
            return Err((line, Fault::Stray(stray::byte(self.text, at))));
        }
        self.queue.push_back(Lexeme {
            token,
            end,
            line: start.line + 1,
        });
        Ok(())
    }
}

fn signed(column: usize) -> isize {
    isize::try_from(column).unwrap_or(isize::MAX)
}

pub(super) fn unexpected(what: &str) -> Fault {
    Fault::Syntax(format!("{what} is not expected here"))
}
