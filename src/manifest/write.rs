//! Values as YAML that every reader understands alike, YAML 1.1 or 1.2.

use super::budget::{Account, Excess};
use super::scalar::{self, Meaning};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// How a document indents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Columns between a key and the keys of its mapping.
    pub(crate) step: usize,
    /// Columns between a key and the dashes of its sequence; kubectl prints 0.
    pub(crate) dash: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { step: 2, dash: 0 }
    }
}

/// Writes a value as a YAML document in block style.
///
/// The order of keys stays. Text that YAML 1.1 or 1.2 would take for something else is quoted.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    // Under no key, a block of text would have to be indented for libyaml and its ports.
    let text = value.as_str().map(|text| scalar(text, false));
    let mut text = text
        .or_else(|| inline(value))
        .unwrap_or_else(|| block(value, 0, Style::default()));
    text.push('\n');
    text
}

/// The same within a budget: nesting indents every line, so that a text may be a hundred times its value.
///
/// # Errors
/// As [`Account::charge`]. What is charged stays charged: the text and its pieces while it is put together.
pub fn to_yaml_within(value: &Value, account: &mut Account) -> Result<String, Excess> {
    charge(value, 0, account)?;
    Ok(to_yaml(value))
}

/// Each line at its longest, twice: pieces are put together into larger ones.
fn charge(value: &Value, indent: usize, account: &mut Account) -> Result<(), Excess> {
    let text = |text: &str| {
        let (mut bytes, mut lines) = (2, 1);
        for c in text.chars() {
            lines += usize::from(c == '\n');
            // As an escape: `\u` and four digits, or one more byte.
            bytes += match c {
                ' '..='~' if !matches!(c, '"' | '\\') => 1,
                _ => 6,
            };
        }
        bytes + lines * (indent + 1)
    };
    match value {
        // The longest number.
        Value::Null | Value::Bool(_) | Value::Number(_) => account.charge(2 * 24),
        Value::String(string) => account.charge(2 * text(string)),
        Value::Array(items) => items.iter().try_for_each(|item| {
            account.charge(2 * (indent + 3))?;
            charge(item, indent + 2, account)
        }),
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            account.charge(2 * (indent + 3 + text(key)))?;
            charge(value, indent + 2, account)
        }),
    }
}

/// A value that fits behind a key or a dash, in its line.
pub(crate) fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) if !map.is_empty() => None,
        Value::Array(items) if !items.is_empty() => None,
        Value::String(text) if literal_header(text).is_some() => None,
        other => Some(flow(other)),
    }
}

/// The lines of a collection that is not empty, the first without its indentation, the last without its end.
pub(crate) fn block(value: &Value, indent: usize, style: Style) -> String {
    let mut lines = String::new();
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                new_line(&mut lines, indent);
                lines.push_str(&member(key, value, indent, style));
            }
        }
        Value::Array(items) => {
            for value in items {
                new_line(&mut lines, indent);
                lines.push_str(&item(value, indent, style));
            }
        }
        other => lines = literal(other, indent).unwrap_or_else(|| flow(other)),
    }
    lines
}

fn new_line(lines: &mut String, indent: usize) {
    if !lines.is_empty() {
        let _ = write!(lines, "\n{:indent$}", "");
    }
}

/// A member of a mapping whose keys are in column `indent`.
pub(crate) fn member(name: &str, value: &Value, indent: usize, style: Style) -> String {
    format!("{}:{}", key(name), behind_key(value, indent, style))
}

/// What follows the colon of a key in column `indent`.
pub(crate) fn behind_key(value: &Value, indent: usize, style: Style) -> String {
    if let Some(text) = inline(value) {
        return format!(" {text}");
    }
    let inner = indent
        + if value.is_array() {
            style.dash
        } else {
            style.step
        };
    if value.is_string() {
        return format!(" {}", block(value, inner, style));
    }
    format!("\n{:inner$}{}", "", block(value, inner, style))
}

/// An item of a sequence whose dashes are in column `indent`.
pub(crate) fn item(value: &Value, indent: usize, style: Style) -> String {
    let inner = indent + 2;
    format!(
        "- {}",
        inline(value).unwrap_or_else(|| block(value, inner, style))
    )
}

/// A text of several lines, its lines in column `indent`.
fn literal(value: &Value, indent: usize) -> Option<String> {
    let text = value.as_str()?;
    let mut lines = literal_header(text)?.to_owned();
    for line in text.lines() {
        lines.push('\n');
        if !line.is_empty() {
            let _ = write!(lines, "{:indent$}{line}", "");
        }
    }
    Some(lines)
}

/// The header under which a text stands as a literal block; `None` where quotes are safer.
fn literal_header(text: &str) -> Option<&'static str> {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    // One line reads better in quotes; blanks and line ends at either edge depend on the text around.
    let fits = lines.contains('\n')
        && !lines.starts_with(char::is_whitespace)
        && !lines.ends_with(char::is_whitespace);
    let plain = text.chars().all(|c| c == '\n' || printable(c));
    let blank = |line: &str| !line.is_empty() && line.trim().is_empty();
    (fits && plain && !text.lines().any(blank)).then_some(if text.ends_with('\n') {
        "|"
    } else {
        "|-"
    })
}

/// A value in one line, collections in brackets.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text, false),
        other => inner_flow(other),
    }
}

fn inner_flow(value: &Value) -> String {
    match value {
        Value::Object(map) => format!("{{{}}}", flow_members(map)),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inner_flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => scalar(text, true),
        other => other.to_string(),
    }
}

/// The members of a mapping in braces.
pub(crate) fn flow_members(map: &Map<String, Value>) -> String {
    let members = map.iter().map(|(name, value)| flow_member(name, value));
    members.collect::<Vec<_>>().join(", ")
}

/// One member of a mapping in braces.
pub(crate) fn flow_member(name: &str, value: &Value) -> String {
    format!("{}: {}", scalar(name, true), inner_flow(value))
}

/// One item of a sequence in brackets.
pub(crate) fn flow_item(value: &Value) -> String {
    inner_flow(value)
}

fn key(name: &str) -> String {
    scalar(name, false)
}

/// A text as a plain scalar where that is safe, else in double quotes.
fn scalar(text: &str, in_flow: bool) -> String {
    if plain(text, in_flow) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn plain(text: &str, in_flow: bool) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let indicator = "?:,[]{}#&*!|>'\"%@`=<".contains(first)
        || (first == '-' && text[1..].starts_with([' ', '-']));
    let flow = in_flow && (text.contains([',', '[', ']', '{', '}', ':', '?']) || first == '-');
    let stops = text.starts_with("...")
        || text.ends_with(':')
        || text.contains(": ")
        || text.contains(" #");
    let blank =
        text.trim() != text || text == "-" || !text.chars().all(|c| c != '\t' && printable(c));
    !(text.is_empty() || indicator || flow || stops || blank || ambiguous(text))
}

/// Whether some reader takes the text for a number, a date, a boolean or null.
fn ambiguous(text: &str) -> bool {
    if scalar::resolve(text) != Meaning::Text {
        return true;
    }
    let bytes = text.as_bytes();
    let numeric = text
        .strip_prefix(['+', '-'])
        .unwrap_or(text)
        .starts_with(|c: char| c.is_ascii_digit() || c == '.');
    // Numbers out of range, YAML 1.1's base 60 (`190:20:30`), and dates.
    let base60 = text.contains(':')
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_digit() || b":._+-".contains(byte));
    let date = bytes.len() > 7 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-';
    let prefix = ["0x", "0o", "0b", "0X", "0O", "0B"]
        .iter()
        .any(|prefix| text.contains(prefix));
    numeric && (base60 || date || prefix || text.replace('_', "").parse::<f64>().is_ok())
}

/// In double quotes, with JSON's escapes and those that go-yaml needs besides.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if printable(c) {
            safe.push(c);
        } else {
            let _ = write!(safe, "\\u{:04X}", u32::from(c));
        }
    }
    safe
}

/// What go-yaml reads unescaped and no reader takes for a line break.
fn printable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~' | '\u{A0}'..='\u{2027}' | '\u{202A}'..='\u{D7FF}' | '\u{E000}'..='\u{FEFE}'
        | '\u{FF00}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::to_yaml;
    use serde_json::json;

    #[test]
    fn yaml_quotes_what_some_reader_would_misread() {
        let cases = [
            ("yes", "\"yes\""),
            ("No", "\"No\""),
            ("on", "\"on\""),
            ("y", "\"y\""),
            ("~", "\"~\""),
            ("null", "\"null\""),
            ("", "\"\""),
            ("0644", "\"0644\""),
            ("0o7", "\"0o7\""),
            ("1e3", "\"1e3\""),
            ("1_000", "\"1_000\""),
            ("12:30:45", "\"12:30:45\""),
            ("2001-01-01", "\"2001-01-01\""),
            (".5", "\".5\""),
            ("1e400", "\"1e400\""),
            ("- a", "\"- a\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("*a", "\"*a\""),
            ("a\tb", "\"a\\tb\""),
            ("=", "\"=\""),
            ("<<", "\"<<\""),
            ("\u{85}", "\"\\u0085\""),
            ("a\u{2028}", "\"a\\u2028\""),
            ("plain", "plain"),
            ("1.2.3", "1.2.3"),
            ("http://x:80/y", "http://x:80/y"),
            ("-flag", "-flag"),
            ("a, [b]", "a, [b]"),
            ("x=y", "x=y"),
            ("é", "é"),
        ];
        for (text, expected) in cases {
            assert_eq!(to_yaml(&json!(text)), format!("{expected}\n"));
        }
        let value = json!({"yes": [1, {"a": [[], {}], "b": [["x"]]}], "t": "l1\n  l2\n", "u": "l1\nl2", "f": 1.5});
        let yaml = "\"yes\":\n- 1\n- a:\n  - []\n  - {}\n  b:\n  - - x\nt: |\n  l1\n    l2\nu: |-\n  l1\n  l2\nf: 1.5\n";
        assert_eq!(to_yaml(&value), yaml);
    }
}
