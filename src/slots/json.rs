//! JSON texts: compared, taken apart and written by hand, for most of an object is never looked into.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::strict::Strict;
use super::view::Text;

/// The members of an object, in their order.
pub(crate) type RawMembers<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// A value's text, the same whoever wrote it: the API server escapes `&`, `<` and `>` in strings
/// (Go's `encoding/json` does), other writers do not. Both leave out white space. Numbers keep their digits.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find('"') {
        let (before, quoted) = rest.split_at(begin);
        let end = end_of_string(quoted);
        let (quoted, after) = quoted.split_at(end);
        out.push_str(before);
        match serde_json::from_str::<String>(quoted) {
            Ok(decoded) if quoted.contains('\\') => push_string(&mut out, &decoded),
            _ => out.push_str(quoted),
        }
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where the JSON string ends that a text begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether two JSON texts mean the same value. The API server writes members in its own order and
/// escapes `<`, `>` and `&`, so texts may differ where values do not.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left == right || {
        let left = serde_json::from_str::<Value>(left).ok();
        left.is_some() && left == serde_json::from_str(right).ok()
    }
}

/// A hash of what a value means, whoever wrote it: `#` and 16 hexadecimal digits.
pub(crate) fn hash(mut value: Value) -> String {
    value.sort_all_objects();
    format!("#{:016x}", xxh3_64(value.to_string().as_bytes()))
}

/// A text as a value; null where it is none.
pub(crate) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A whole number; none for null, absence and everything else.
pub(crate) fn integer(text: Option<&str>) -> Option<i64> {
    serde_json::from_str(text?).ok()
}

/// Writes a JSON string.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

/// Writes a JSON string behind a text.
pub(crate) fn push_string(out: &mut String, text: &str) {
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Without an end at the first one: so the compiler looks at many bytes at once.
    if text.bytes().fold(false, |any, byte| any | special(byte)) {
        // Text has no way to fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

/// Writes a JSON list of raw elements.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = impl AsRef<str> + 'a>) -> String {
    let mut out = String::with_capacity(128);
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(item.as_ref());
    }
    out.push(']');
    out
}

/// Writes a JSON object of raw members.
pub(crate) fn object<K: AsRef<str>, V: AsRef<str>>(
    members: impl IntoIterator<Item = (K, V)>,
) -> String {
    // Most are longer than what a text begins to grow from.
    let mut out = String::with_capacity(128);
    out.push('{');
    for (at, (key, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_string(&mut out, key.as_ref());
        out.push(':');
        out.push_str(value.as_ref());
    }
    out.push('}');
    out
}

/// The members of an object; empty for `null` and for other kinds of values.
pub(crate) fn members(text: &str) -> RawMembers<'_> {
    struct All<'a>(RawMembers<'a>);
    impl<'de: 'a, 'a> Deserialize<'de> for All<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct AllVisitor;
            impl<'de> Visitor<'de> for AllVisitor {
                type Value = RawMembers<'de>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut found = Vec::new();
                    while let Some(Text(key)) = map.next_key()? {
                        found.push((key, map.next_value()?));
                    }
                    Ok(found)
                }
            }
            deserializer.deserialize_map(AllVisitor).map(All)
        }
    }
    serde_json::from_str::<All<'_>>(text).map_or_else(|_| Vec::new(), |all| all.0)
}

/// The text of one member.
pub(crate) fn member<'a>(members: &RawMembers<'a>, name: &str) -> Option<&'a str> {
    let found = members.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.get())
}

/// Made once, for it is looked for in each of a hundred elements.
static ANOTHER_NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#","name":"#));

/// The name of a list's element; empty where it has none.
pub(crate) fn name_of(text: &str) -> Cow<'_, str> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Text<'a>,
    }
    // The API server writes the name first: then a look at the first bytes is enough, far cheaper than
    // reading each of a hundred elements.
    if let Some(rest) = text.strip_prefix(r#"{"name":""#)
        && let Some(end) = rest.find(['"', '\\'])
        && rest.as_bytes()[end] == b'"'
        && ANOTHER_NAME.find(&rest.as_bytes()[end..]).is_none()
    {
        return Cow::Borrowed(&rest[..end]);
    }
    serde_json::from_str::<Strict<Named<'_>>>(text)
        .map(|Strict(named)| named.name.0)
        .unwrap_or_default()
}
