//! The objects in a JSON text, one by one as its bytes come in: a registry's list can be large, and of it only the
//! instance at hand counts. Forgiving: what is no JSON yields no objects.

use alloc::vec::Vec;

use crate::text::trim;

/// Deeper is nothing that a registry answers.
const DEPTH: usize = 32;
/// A longer text or key is none that is looked for (a token of a login has up to some thousand).
const TOKEN_BYTES: usize = 8 * 1024;
/// All fields of all objects that are open at one time.
const HELD_BYTES: usize = 256 * 1024;

/// The fields of an object that are no objects and no lists. `{"$": …}`, as Eureka writes its ports, counts as
/// what it holds, unless it says that it is not enabled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Object(Vec<(Vec<u8>, Value)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(Vec<u8>),
    /// A number, true, false or null as written; `[` for a list.
    Bare(Vec<u8>),
}

impl Object {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == key.as_bytes())
            .map(|(_, value)| value)
    }

    /// A field that is a text.
    pub(crate) fn text(&self, key: &str) -> Option<&[u8]> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a field is a list.
    pub(crate) fn has_list(&self, key: &str) -> bool {
        self.bare(key) == Some(b"[")
    }

    /// A field that is a number, true or false.
    pub(crate) fn bare(&self, key: &str) -> Option<&[u8]> {
        match self.get(key) {
            Some(Value::Bare(text)) => Some(text),
            _ => None,
        }
    }
}

enum Frame {
    List,
    /// With the key whose value comes next.
    Object(Object, Option<Vec<u8>>),
}

enum State {
    Between,
    Bare,
    Text,
    Escape,
    /// `\u` and the digits so far, with the first half of a pair where one came before.
    Unicode(u8, u32),
}

/// Finds the objects in the bytes that it is given.
pub(crate) struct Objects {
    open: Vec<Frame>,
    state: State,
    token: Vec<u8>,
    /// The first half of a surrogate pair.
    half: Option<u32>,
    held: usize,
    over: bool,
    whole: Option<Whole>,
}

/// What a text is where it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    Object,
    List,
}

impl Objects {
    pub(crate) fn new() -> Self {
        Self {
            open: Vec::new(),
            state: State::Between,
            token: Vec::new(),
            half: None,
            held: 0,
            over: false,
            whole: None,
        }
    }

    /// What came to its end that was in no other: without it, what was not found may only have been cut off.
    pub(crate) fn whole(&self) -> Option<Whole> {
        self.whole.filter(|_| self.open.is_empty() && !self.over)
    }

    /// Calls `found` for each object that ends in these bytes, inner ones first.
    pub(crate) fn take(&mut self, bytes: &[u8], found: &mut dyn FnMut(&Object)) {
        for &byte in bytes {
            if self.over {
                return;
            }
            match self.state {
                State::Between => self.between(byte, found),
                State::Bare => {
                    if matches!(byte, b',' | b'}' | b']' | b':') || byte.is_ascii_whitespace() {
                        let bare = trim(&core::mem::take(&mut self.token)).to_vec();
                        self.value(Value::Bare(bare));
                        self.state = State::Between;
                        self.between(byte, found);
                    } else {
                        self.push(byte);
                    }
                }
                State::Text => match byte {
                    b'"' => {
                        let text = core::mem::take(&mut self.token);
                        self.state = State::Between;
                        self.text(text);
                    }
                    b'\\' => self.state = State::Escape,
                    _ => self.push(byte),
                },
                State::Escape => {
                    self.state = State::Text;
                    match byte {
                        b'u' => self.state = State::Unicode(0, 0),
                        b'n' => self.push(b'\n'),
                        b'r' => self.push(b'\r'),
                        b't' => self.push(b'\t'),
                        b'b' => self.push(8),
                        b'f' => self.push(12),
                        _ => self.push(byte),
                    }
                }
                State::Unicode(digits, so_far) => match char::from(byte).to_digit(16) {
                    None => self.over = true,
                    Some(digit) => {
                        let value = so_far << 4 | digit;
                        if digits < 3 {
                            self.state = State::Unicode(digits + 1, value);
                        } else {
                            self.state = State::Text;
                            self.unicode(value);
                        }
                    }
                },
            }
        }
    }

    fn between(&mut self, byte: u8, found: &mut dyn FnMut(&Object)) {
        match byte {
            b'{' | b'[' if self.open.len() >= DEPTH => self.over = true,
            b'{' => self.open.push(Frame::Object(Object::default(), None)),
            b'[' => {
                // That there is a list of this name.
                self.value(Value::Bare(b"[".to_vec()));
                self.open.push(Frame::List);
            }
            b'}' | b']' => {
                let closed = self.open.pop();
                if self.open.is_empty() && self.whole.is_none() {
                    self.whole = closed.as_ref().map(|frame| match frame {
                        Frame::List => Whole::List,
                        Frame::Object(..) => Whole::Object,
                    });
                }
                if let Some(Frame::Object(object, _)) = closed {
                    found(&object);
                    self.held = self.held.saturating_sub(weight(&object));
                    let off = object.text("@enabled") == Some(b"false");
                    if let Some(value) = object.get("$").filter(|_| !off) {
                        self.value(value.clone());
                    }
                }
                if let Some(Frame::Object(_, key)) = self.open.last_mut() {
                    *key = None;
                }
            }
            b'"' => self.state = State::Text,
            b',' | b':' => {}
            _ if byte.is_ascii_whitespace() => {}
            _ => {
                self.state = State::Bare;
                self.push(byte);
            }
        }
    }

    fn push(&mut self, byte: u8) {
        // One byte over the limit tells that it was cut.
        if self.token.len() <= TOKEN_BYTES {
            self.token.push(byte);
        }
    }

    fn unicode(&mut self, unit: u32) {
        let code = match (self.half.take(), unit) {
            (_, 0xD800..0xDC00) => {
                self.half = Some(unit);
                return;
            }
            (Some(first), 0xDC00..0xE000) => 0x10000 + ((first - 0xD800) << 10) + (unit - 0xDC00),
            (_, unit) => unit,
        };
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            self.push(byte);
        }
    }

    /// A text is a key where an object has none yet.
    fn text(&mut self, text: Vec<u8>) {
        match self.open.last_mut() {
            Some(Frame::Object(_, key @ None)) => *key = Some(text),
            _ => self.value(Value::Text(text)),
        }
    }

    fn value(&mut self, value: Value) {
        let Some(Frame::Object(object, key)) = self.open.last_mut() else {
            return;
        };
        let Some(key) = key.take() else { return };
        let (Value::Text(text) | Value::Bare(text)) = &value;
        if text.len() > TOKEN_BYTES || key.len() > TOKEN_BYTES {
            return;
        }
        self.held += key.len() + text.len() + FIELD_BYTES;
        object.0.push((key, value));
        self.over = self.held > HELD_BYTES;
    }
}

/// What a field takes besides its texts.
const FIELD_BYTES: usize = 64;

fn weight(object: &Object) -> usize {
    object
        .0
        .iter()
        .map(|(key, Value::Text(text) | Value::Bare(text))| key.len() + text.len() + FIELD_BYTES)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(json: &str, at_once: usize) -> Vec<Object> {
        let mut all = Vec::new();
        let mut scanner = Objects::new();
        for part in json.as_bytes().chunks(at_once) {
            scanner.take(part, &mut |object| all.push(Object(object.0.clone())));
        }
        all
    }

    #[test]
    fn each_object_has_its_own_fields() {
        let json = r#"{"list":[{"ip":"10.0.0.1","port":80,"metadata":{"ip":"x","enabled":"true"},
            "tags":["a",{"b":1}],"enabled":false , "weight":1.0E-2}],"count":1}"#;
        for at_once in [1, 3, 1000] {
            let all = objects(json, at_once);
            assert_eq!(all.len(), 4);
            assert_eq!(all[0].text("ip"), Some(&b"x"[..]));
            assert_eq!(all[0].bare("enabled"), None);
            assert_eq!(all[2].text("ip"), Some(&b"10.0.0.1"[..]));
            assert_eq!(all[2].bare("port"), Some(&b"80"[..]));
            assert_eq!(all[2].bare("enabled"), Some(&b"false"[..]));
            assert_eq!(all[2].bare("weight"), Some(&b"1.0E-2"[..]));
            assert_eq!(all[2].text("b"), None);
            assert_eq!(all[3].bare("count"), Some(&b"1"[..]));
        }
    }

    #[test]
    fn ports_as_eureka_writes_them() {
        let all = objects(
            r#"{"port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"a":{"b":1},"c":"d"}"#,
            7,
        );
        let instance = all.last().unwrap();
        assert_eq!(instance.bare("port"), Some(&b"8080"[..]));
        assert_eq!(instance.bare("securePort"), None);
        assert_eq!(instance.get("a"), None);
        assert_eq!(instance.text("c"), Some(&b"d"[..]));
    }

    #[test]
    fn escapes_are_resolved() {
        let all = objects(r#"{"a\"b":"\u00e4\ud83d\ude00\ud83dx\n\/"}"#, 1);
        assert_eq!(all[0].text("a\"b").unwrap(), "ä😀x\n/".as_bytes());
    }

    #[test]
    fn a_text_that_was_cut_is_not_whole() {
        for (text, whole) in [
            (r#"{"list":[{"a":1}]}"#, Some(Whole::Object)),
            (r#"{"list":[{"a":1}]"#, None),
            (r#"{"list":[{"a":1"#, None),
            (r#"[{"a":[]}]"#, Some(Whole::List)),
            (r#"[{"a":[]}"#, None),
            ("[]", Some(Whole::List)),
            ("ok", None),
            ("", None),
        ] {
            let mut scanner = Objects::new();
            scanner.take(text.as_bytes(), &mut |_| {});
            assert_eq!(scanner.whole(), whole, "{text}");
        }
    }

    #[test]
    fn nothing_makes_it_grow_without_end() {
        let deep = "[".repeat(100_000);
        assert_eq!(objects(&deep, 64).len(), 0);
        let wide = format!("{{{}", r#""k":"v","#.repeat(1_000_000));
        let mut scanner = Objects::new();
        scanner.take(wide.as_bytes(), &mut |_| {});
        assert!(scanner.over && scanner.held < 2 * HELD_BYTES);
        let long = format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(TOKEN_BYTES + 1));
        let all = objects(&long, 4096);
        assert_eq!((all[0].get("a"), all[0].bare("b")), (None, Some(&b"1"[..])));
        for text in [
            "",
            "}}]]",
            "{]",
            "nonsense",
            "{\"a\"",
            "{\"a\":\"\\u12zz\"}",
        ] {
            objects(text, 1);
        }
    }
}
