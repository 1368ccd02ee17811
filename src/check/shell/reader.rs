//! Reads a script character by character, as POSIX's shell does ("Shell Command Language", 2.2 to 2.10), up to what it does
//! not know: functions, `case`, what is about a whole group.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Command, End, Script, Word, is_name};

/// Variables that are put in at most, and their characters: what is looked for are seconds.
const VARIABLES: usize = 16;
const VALUE: usize = 32;
/// How deep quotes, groups and substitutions may be in each other.
const DEEP: usize = 32;

/// Bytes of a script: taken apart it takes many times its length.
const MOST: usize = 64 << 10;

/// Reads a script; what is longer than [`MOST`] is not looked into.
pub(super) fn read<'v>(text: &str, env: &dyn Fn(&str) -> Option<&'v str>) -> Script {
    if text.len() > MOST {
        return Script {
            commands: Vec::new(),
            cut: true,
        };
    }
    let mut reader = Reader {
        text,
        at: text.char_indices().peekable(),
        script: Script::default(),
        command: Command::default(),
        outputs: [false; 2],
        documents: Vec::new(),
        groups: 0,
        env,
        looked_up: 0,
        own: Vec::new(),
    };
    reader.script.cut = reader.commands().is_none();
    reader.script
}

struct Reader<'t, 'e, 'v> {
    text: &'t str,
    at: Peekable<CharIndices<'t>>,
    script: Script,
    command: Command,
    /// Whether standard output and error go to files.
    outputs: [bool; 2],
    /// Ends of the here-documents that begin with the next line.
    documents: Vec<String>,
    groups: usize,
    env: &'e dyn Fn(&str) -> Option<&'v str>,
    looked_up: usize,
    /// Variables that the script sets, which are no longer those of the manifest.
    own: Vec<String>,
}

impl<'t> Reader<'t, '_, '_> {
    fn peek(&mut self) -> Option<char> {
        self.at.peek().map(|(_, c)| *c)
    }

    fn next(&mut self) -> Option<char> {
        self.at.next().map(|(_, c)| c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    /// All of it; none where something is not understood.
    fn commands(&mut self) -> Option<()> {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => {
                    self.next();
                }
                // The line goes on in the next one.
                '\\' if self.rest().starts_with("\\\n") => {
                    self.next();
                    self.next();
                }
                '\n' => {
                    self.next();
                    self.end(End::Next);
                    self.skip_documents()?;
                    if let Some(last) = self.script.commands.last_mut() {
                        last.newline = true;
                    }
                }
                '#' => {
                    if let (Some(last), true) = (
                        self.script.commands.last_mut(),
                        self.command.words.is_empty(),
                    ) {
                        last.comment = last.newline;
                    }
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                ';' => {
                    self.next();
                    if self.peek() == Some(';') {
                        return None;
                    }
                    self.end(End::Next);
                }
                '&' => {
                    self.next();
                    if self.take('&') {
                        self.end(End::And);
                    } else if self.take('>') {
                        self.take('>');
                        self.word_behind()?;
                        self.outputs = [true; 2];
                    } else {
                        self.end(End::Background);
                    }
                }
                '|' => {
                    self.next();
                    let end = if self.take('|') { End::Or } else { End::Pipe };
                    self.take('&');
                    self.end(end);
                }
                '(' | ')' => {
                    self.next();
                    self.group(c)?;
                }
                '<' | '>' => self.redirect(usize::from(c == '>'))?,
                _ => {
                    let word = self.word()?;
                    match word.text.as_str() {
                        "{" | "}" if !word.open && self.command.words.is_empty() => {
                            let c = if word.text == "{" { '(' } else { ')' };
                            self.group(c)?;
                        }
                        // The number of what is redirected.
                        "0" | "1" | "2" if matches!(self.peek(), Some('<' | '>')) => {
                            self.redirect(word.text.parse().ok()?)?;
                        }
                        _ => {
                            if let Some(name) = word.assigns() {
                                self.own.push(name.to_owned());
                            }
                            self.command.words.push(word);
                        }
                    }
                }
            }
        }
        self.end(End::Next);
        (self.groups == 0).then_some(())
    }

    /// A group runs as if it stood there without its braces, unless something before or behind it is about all of it.
    fn group(&mut self, c: char) -> Option<()> {
        if c == '(' {
            self.groups += 1;
            let before = self.script.commands.last();
            let always = before.is_none_or(|command| command.end == End::Next);
            // Else it is a function's or an array's.
            return (always && self.command.words.is_empty()).then_some(());
        }
        self.groups = self.groups.checked_sub(1)?;
        self.end(End::Next);
        let rest = self.rest().trim_start_matches([' ', '\t', '\r']);
        (rest.is_empty() || rest.starts_with([';', '\n', '}', ')', '#'])).then_some(())
    }

    /// What is not read yet.
    fn rest(&mut self) -> &'t str {
        let at = self.at.peek().map_or(self.text.len(), |(at, _)| *at);
        &self.text[at..]
    }

    fn end(&mut self, end: End) {
        let mut command = std::mem::take(&mut self.command);
        let outputs = std::mem::take(&mut self.outputs);
        if command.words.is_empty() {
            // `&&` goes on in the next line.
            return;
        }
        command.silent = outputs == [true; 2];
        command.end = end;
        self.script.commands.push(command);
    }

    /// `>`, `>>`, `<`, `>&1` and the like, of descriptor 0, 1 or 2.
    fn redirect(&mut self, of: usize) -> Option<()> {
        let out = self.next()? == '>';
        if !out && self.take('<') {
            if self.take('<') {
                return self.word_behind().map(drop);
            }
            self.take('-');
            let end = self.word_behind()?;
            self.documents.push(end.text);
            return Some(());
        }
        if out {
            self.take('>');
            self.take('|');
        }
        let same = self.take('&');
        let target = self.word_behind()?;
        let file = match target.text.as_str() {
            "1" if same => self.outputs[0],
            "2" if same => self.outputs[1],
            // `>&-` and `>&file`.
            _ => true,
        };
        if out && let Some(output) = of.checked_sub(1).and_then(|at| self.outputs.get_mut(at)) {
            *output = file;
        }
        Some(())
    }

    fn word_behind(&mut self) -> Option<Word> {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
        let word = self.word()?;
        (!word.text.is_empty() || word.open).then_some(word)
    }

    /// Skips the here-documents that begin in this line.
    fn skip_documents(&mut self) -> Option<()> {
        for end in std::mem::take(&mut self.documents) {
            loop {
                let line = self.rest().lines().next()?;
                while self.next().is_some_and(|c| c != '\n') {}
                if line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
        Some(())
    }

    fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.next();
                    loop {
                        match self.next()? {
                            '\'' => break,
                            c => word.text.push(c),
                        }
                    }
                }
                '"' => {
                    self.next();
                    self.in_quotes(&mut word)?;
                }
                '\\' => {
                    self.next();
                    match self.next()? {
                        '\n' => {}
                        c => word.text.push(c),
                    }
                }
                '$' | '`' => self.expansion(&mut word)?,
                c => {
                    self.next();
                    word.open |= matches!(c, '*' | '?');
                    word.text.push(c);
                }
            }
        }
        Some(word)
    }

    fn in_quotes(&mut self, word: &mut Word) -> Option<()> {
        loop {
            match self.peek()? {
                '"' => {
                    self.next();
                    return Some(());
                }
                '\\' => {
                    self.next();
                    match self.next()? {
                        '\n' => {}
                        c @ ('$' | '`' | '"' | '\\') => word.text.push(c),
                        c => word.text.extend(['\\', c]),
                    }
                }
                '$' | '`' => self.expansion(word)?,
                c => {
                    self.next();
                    word.text.push(c);
                }
            }
        }
    }

    /// `$NAME`, `${NAME}`, `$(…)`, `` `…` ``.
    fn expansion(&mut self, word: &mut Word) -> Option<()> {
        let start = self.at.peek().map(|(at, _)| *at)?;
        let value = match self.next()? {
            '`' => {
                while self.next()? != '`' {}
                None
            }
            _ => match self.peek() {
                Some('(') => {
                    self.closed('(', ')')?;
                    None
                }
                Some('{') => {
                    let from = start + 2;
                    self.closed('{', '}')?;
                    let to = self.text.len() - self.rest().len() - 1;
                    let inner: &'t str = &self.text[from..to];
                    let name = inner.split([':', '-']).next().unwrap_or_default();
                    // What stands in for an empty value is known; what is cut off or replaced is not looked into.
                    let plain = ["", "-", ":-"];
                    let plain = plain.iter().any(|how| {
                        let rest = &inner[name.len()..];
                        rest == *how || !how.is_empty() && rest.starts_with(how)
                    });
                    if plain { self.value(name) } else { None }
                }
                Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                    let rest = &self.text[start + 1..];
                    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let name = &rest[..end.unwrap_or(rest.len())];
                    for _ in name.chars() {
                        self.next();
                    }
                    self.value(name)
                }
                // `$$`, `$?`, `$1`, `$@`.
                Some(c) if !c.is_whitespace() && !matches!(c, '"' | '\'') => {
                    self.next();
                    None
                }
                _ => {
                    word.text.push('$');
                    return Some(());
                }
            },
        };
        if let Some(value) = value {
            word.text.push_str(&value);
        } else {
            let end = self.text.len() - self.rest().len();
            word.text.push_str(&self.text[start..end]);
            word.open = true;
        }
        Some(())
    }

    fn value(&mut self, name: &str) -> Option<String> {
        self.looked_up += 1;
        if self.looked_up > VARIABLES || !is_name(name) || self.own.iter().any(|own| own == name) {
            return None;
        }
        let value = (self.env)(name)?;
        // An empty one is another word, or none.
        let fits = !value.is_empty() && value.len() <= VALUE && !value.contains(['$', ' ', '*']);
        fits.then(|| value.to_owned())
    }

    /// Goes behind the bracket that closes the next one.
    fn closed(&mut self, open: char, close: char) -> Option<()> {
        let mut depth = 0;
        let mut quote = None;
        loop {
            let c = self.next()?;
            match (quote, c) {
                (Some(inside), c) if c == inside => quote = None,
                (Some('\''), _) => {}
                (_, '\\') => {
                    self.next();
                }
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == open => {
                    depth += 1;
                    if depth > DEEP {
                        return None;
                    }
                }
                (None, c) if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }
}
