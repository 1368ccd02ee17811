//! What a YAML scalar means to kubectl.
//!
//! kubectl reads manifests with go-yaml v2 (YAML 1.1 with changes of its own), then turns the result into JSON. The
//! rules are those of go-yaml's `resolve.go` and of `sigs.k8s.io/yaml`; `tests/kubectl_scalars.rs` compares them with
//! a real kubectl.

use super::error::Fault;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Number, Value};

const CORE: &str = "tag:yaml.org,2002:";

/// As Go's `base64.StdEncoding`: padding is needed, loose last bits are not looked at.
const GO_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A scalar's meaning before it becomes JSON: keys and values part ways afterwards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Int(i64),
    /// Only over `i64::MAX`.
    Unsigned(u64),
    Float(f64),
    Text,
    /// Text other than what is written, out of `!!binary`.
    Decoded(String),
}

/// Reads a scalar; `tag` is its full tag, `plain` says that it has no quotes and is no block scalar.
pub(crate) fn meaning(text: &str, plain: bool, tag: Option<&str>) -> Result<Meaning, Fault> {
    let Some(tag) = tag else {
        return Ok(if plain { resolve(text) } else { Meaning::Text });
    };
    let Some(short) = tag.strip_prefix(CORE) else {
        // A tag that go-yaml does not know, `!` included.
        return Ok(Meaning::Text);
    };
    let wrong = || Fault::Tag {
        value: text.to_owned(),
        tag: format!("!!{short}"),
    };
    match (short, resolve(text)) {
        ("null", Meaning::Null) => Ok(Meaning::Null),
        ("bool", found @ Meaning::Bool(_))
        | ("int", found @ (Meaning::Int(_) | Meaning::Unsigned(_)))
        | ("float", found @ Meaning::Float(_)) => Ok(found),
        #[allow(
            clippy::cast_precision_loss,
            reason = "the tag asks for a float, as in go-yaml"
        )]
        ("float", Meaning::Int(int)) => Ok(Meaning::Float(int as f64)),
        ("binary", _) => decode(text).map(Meaning::Decoded).ok_or_else(wrong),
        // A rough check where go-yaml parses the date: either way it stays text.
        ("timestamp", _) if text.len() > 7 && text.as_bytes()[4] == b'-' => Ok(Meaning::Text),
        ("null" | "bool" | "int" | "float" | "timestamp", _) => Err(wrong()),
        _ => Ok(Meaning::Text),
    }
}

fn decode(text: &str) -> Option<String> {
    let joined: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    // kubectl would put U+FFFD for bytes that are no text, and so change the value unseen.
    String::from_utf8(GO_BASE64.decode(joined).ok()?).ok()
}

/// What a plain scalar without a tag means.
pub(crate) fn resolve(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Meaning::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Meaning::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Meaning::Float(f64::NEG_INFINITY),
        _ => match text.as_bytes()[0] {
            b'.' if is_float(text) => float(text),
            b'+' | b'-' | b'0'..=b'9' => number(&text.replace('_', "")),
            _ => Meaning::Text,
        },
    }
}

fn number(text: &str) -> Meaning {
    if let Some(int) = go_int(text) {
        return int;
    }
    if is_float(text) {
        return float(text);
    }
    // go-yaml's own second look, which lets a sign stand after the prefix.
    if let Some(bits) = text.strip_prefix("0b")
        && let Ok(int) = i64::from_str_radix(bits, 2)
    {
        return Meaning::Int(int);
    }
    Meaning::Text
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn go_int(text: &str) -> Option<Meaning> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("+", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    if let Ok(int) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Meaning::Int(int));
    }
    if !sign.is_empty() {
        return None;
    }
    u64::from_str_radix(digits, radix)
        .ok()
        .map(Meaning::Unsigned)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(text);
    let mut rest = &text[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let part = digits(after);
        if whole == 0 && part == 0 {
            return false;
        }
        rest = &after[part..];
    } else if whole == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        None => rest.is_empty(),
    }
}

fn float(text: &str) -> Meaning {
    match text.parse::<f64>() {
        // Go answers "out of range" here, and go-yaml then leaves the text alone.
        Ok(float) if float.is_finite() => Meaning::Float(float),
        _ => Meaning::Text,
    }
}

/// The JSON value of a scalar.
pub(crate) fn value(text: &str, meaning: Meaning) -> Result<Value, Fault> {
    Ok(match meaning {
        Meaning::Null => Value::Null,
        Meaning::Bool(bool) => Value::Bool(bool),
        Meaning::Int(int) => Value::Number(int.into()),
        Meaning::Unsigned(int) => Value::Number(int.into()),
        Meaning::Float(float) => {
            Value::Number(json_number(float).ok_or_else(|| Fault::NoJson(text.to_owned()))?)
        }
        Meaning::Text => Value::String(text.to_owned()),
        Meaning::Decoded(text) => Value::String(text),
    })
}

/// As Go writes a float to JSON and Kubernetes reads it back: a whole number that fits is an integer.
fn json_number(float: f64) -> Option<Number> {
    // 2^63 is exact as a float, i64::MAX is not.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float.fract() == 0.0 && (-END..END).contains(&float) {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "whole and in range, as just tested"
        )]
        return Some((float as i64).into());
    }
    Number::from_f64(float)
}

/// The JSON key that a scalar key becomes, as `sigs.k8s.io/yaml` writes it.
pub(crate) fn key(text: &str, meaning: Meaning) -> Result<String, Fault> {
    Ok(match meaning {
        Meaning::Null => return Err(Fault::Key("null (or nothing)")),
        Meaning::Unsigned(_) => return Err(Fault::Key("a number of 64 bits")),
        Meaning::Bool(bool) => bool.to_string(),
        Meaning::Int(int) => int.to_string(),
        Meaning::Float(float) => go_float32(float),
        Meaning::Text => text.to_owned(),
        Meaning::Decoded(text) => text,
    })
}

/// Go's `strconv.FormatFloat(float, 'g', -1, 32)`, in go-yaml's spelling of the infinities.
fn go_float32(float: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "sigs.k8s.io/yaml prints float keys with 32 bits"
    )]
    let float = float as f32;
    if float.is_nan() {
        return ".nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        // Go takes %e under -4 and from the precision on, which counts as 6 for the shortest form.
        -4..=5 => format!("{float}"),
        exponent => format!(
            "{digits}e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        ),
    }
}
