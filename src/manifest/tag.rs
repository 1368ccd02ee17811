//! What stands before a value or for one: anchors, aliases and tags.

use super::cursor::is_blankz;
use super::error::Fault;
use super::scan::{Scanner, Token};
use super::tree::At;

impl<'a> Scanner<'a> {
    pub(super) fn anchor(&mut self, alias: bool) -> At<()> {
        self.maybe_key()?;
        self.key_allowed = false;
        let start = self.mark;
        self.pass(1);
        let name = self.name();
        let fits = is_blankz(self.byte(0))
            || matches!(
                self.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !fits {
            let what = if alias { "an alias" } else { "an anchor" };
            let what = format!("the name of {what} takes letters, digits, `-` and `_`");
            return Err((self.line(), Fault::Syntax(what)));
        }
        let token = if alias {
            Token::Alias(name)
        } else {
            Token::Anchor(name)
        };
        self.push(token, start)
    }

    fn name(&mut self) -> &'a str {
        let rest = &self.text[self.mark.at..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .unwrap_or(rest.len());
        self.pass(end);
        &rest[..end]
    }

    pub(super) fn tag(&mut self) -> At<()> {
        let start = self.mark;
        let wrong = (self.line(), Fault::Syntax("this is no tag".to_owned()));
        self.pass(1);
        let (handle, suffix) = if self.byte(0) == b'<' {
            self.pass(1);
            let suffix = self.tag_uri().filter(|uri| !uri.is_empty());
            let suffix = suffix.ok_or_else(|| wrong.clone())?;
            if self.byte(0) != b'>' {
                return Err(wrong);
            }
            self.pass(1);
            ("", suffix)
        } else {
            let name = self.name();
            if self.byte(0) == b'!' {
                self.pass(1);
                let suffix = self.tag_uri().filter(|uri| !uri.is_empty());
                let suffix = suffix.ok_or_else(|| wrong.clone())?;
                (&self.text[start.at..start.at + name.len() + 2], suffix)
            } else {
                let rest = self.tag_uri().ok_or_else(|| wrong.clone())?;
                let suffix = format!("{name}{rest}");
                if suffix.is_empty() {
                    ("", "!".to_owned())
                } else {
                    ("!", suffix)
                }
            }
        };
        if !is_blankz(self.byte(0)) {
            return Err(wrong);
        }
        self.push(Token::Tag(handle, suffix), start)
    }

    /// `None` where an escape is none.
    fn tag_uri(&mut self) -> Option<String> {
        let mut uri = Vec::new();
        loop {
            match self.byte(0) {
                b'%' => {
                    let digits = self.text.get(self.mark.at + 1..self.mark.at + 3)?;
                    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                        return None;
                    }
                    uri.push(u8::from_str_radix(digits, 16).ok()?);
                    self.pass(3);
                }
                byte if byte.is_ascii_alphanumeric()
                    || b"-_;/?:@&=+$,.!~*'()[]".contains(&byte) =>
                {
                    uri.push(byte);
                    self.pass(1);
                }
                _ => return String::from_utf8(uri).ok(),
            }
        }
    }
}
