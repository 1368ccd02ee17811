//! Manifests mean to us what they mean to a real kubectl.
//!
//! `kubectl annotate --local` reads a manifest of any kind, asks no server and prints it as JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails a test"
)]

use serde_json::Value;
use silkroll::manifest::{self, Limits};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

const HEAD: &str = "apiVersion: example.com/v1\nkind: Sample\nmetadata:\n  name: sample\n";

/// Plain scalars, and scalars with tags, as they stand behind `- `.
#[rustfmt::skip]
const SCALARS: &[&str] = &[
    // Booleans and what resembles them.
    "y", "Y", "yes", "Yes", "YES", "yEs", "n", "N", "no", "No", "NO", "nO", "on", "On", "ON", "off", "Off", "OFF", "oFF",
    "true", "True", "TRUE", "tRUE", "false", "False", "FALSE", "t", "f", "T", "F",
    // Null.
    "", "~", "null", "Null", "NULL", "nULL", "None", "nil",
    // Integers.
    "0", "-0", "+0", "1", "+1", "-1", "007", "08", "09", "0644", "-0644", "0o644", "0O17", "0o8", "-0o7", "0x1F", "0X1f",
    "-0x10", "+0x10", "0xg", "0x", "0b101", "0B11", "-0b11", "0b2", "0b", "0b-1", "0b+1", "-0b-1", "-0b+1", "1_000",
    "_1", "1_", "1__0", "0_644", "-_1", "+_", "0x_1", "0_x1", "1,000", "9223372036854775807", "-9223372036854775808",
    "0x7fffffffffffffff", "0b1111", "12e", "0o", "0_", "0xFFFFFFFFFFFFFFFFFF", "1 000", "+-1", "--1",
    // Floats.
    "1.0", "1.", ".5", "+.5", "-.5", "5.e1", ".e1", ".", "..", "1e3", "1E3", "1e+3", "1e-3", "1.5e3", "-1.5E-3", "1e400",
    "-1e400", "1e-400", "1_000.5", "._5", "-0.0", "0.1", "1e20", "1e21", "1.5.5", "1.2.3", "10.0.0.1", "0x1.8p1", "1e", "1e+",
    "123456789012345678901234567890", "-123456789012345678901234567890", "0123e2", "08.5", "1f", "infinity", ".infinity",
    "nan", "NaN", "inf", ".Nan", ".iNF", "+.nan", "-.nan", "9007199254740993", "9007199254740993.0", "3.14159265358979",
    // Dates, times and base 60.
    "2001-01-01", "2001-1-1", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43", "12:30", "12:30:45", "190:20:30.15",
    "2001-13-45", "2001-", "2001",
    // Text.
    "a", "a b", "a:b", "a#b", "a #b", "http://x:80/y?z=1", "-a", "?a", ":a", "<", "=",
    "'yes'", "\"no\"", "'1'", "\"0644\"", "'~'", "''", "'it''s'", "\"a\\tb\\n\\x41\\u00e9\\U0001F600\\e\\0\"",
    "'a\n  b'", "\"a\\\n  b\"", "a\n  b", "|\n  a\n  b", "|-\n  a\n", ">\n  a\n  b\n\n  c", "|2\n   a", "|+\n  a\n\n", "|\n\n  a",
    // Tags.
    "! yes", "! 'yes'", "! 12", "! <<: {a: 1}", "a: ! 'b'", "!x 12", "!!str 12", "!!str yes", "!!str", "!!str ~", "!!int 12", "!!int '12'", "!!int 0x1F",
    "!!float 1", "!!float '1.5'", "!!bool yes", "!!bool 'no'", "!!null ''", "!!null ~", "!!binary aGVsbG8=", "!!binary ''",
    "!!timestamp 2001-01-01", "!!seq [a]", "!!map {a: b}", "!!set {a: b}", "!<tag:yaml.org,2002:str> 1", "!!foo 1",
    // Flow style.
    "[]", "{}", "[a, b]", "[a, b,]", "{a: 1, b: }", "{a: b:c}", "[a:b]", "{\"a\":1}", "{\"a\": 1, 'b' : 2}", "[yes, no, '1']",
    "{a: [1, {b: c}]}", "[a: 1, b: 2]", "{a, b}", "[http://x/y]", "[\n  a,\n  b\n  ]", "{? a : b}",
    // Block style behind a dash.
    "a: 1\n  b: 2", "a:\n  - 1\n  - 2", "a:\n    - 1", "- 1\n  - 2", "- - 1", "a: # comment\n    b: 1", "? a\n  : b", "\"a b\": 1", "a : 1",
    "a: b # c", "a: b\t# c", "a: '#'", "a:\n    b\n    c", "a: |\n    x\n  # not part\n  b: 1",
    // The last of a key that stands there twice.
    "{a: 1, a: 2}", "a: {b: 1}\n  a: {c: 2}", "a:\tb",
    // Keys.
    "yes: 1", "1: 1", "0x10: 1", "1.5: 1", "1e6: 1", "123456.7: 1", "1e-5: 1", "0.0001: 1", "1e21: 1", "3.14159265358979: 1", "-0.0: 1",
    ".inf: 1", "-.inf: 1", ".nan: 1", "'yes': 1", "!!str yes: 1", "2001-01-01: 1", "<: 1", "1_0: 1", "16777217.0: 1", "100000.0: 1", "1000000.0: 1",
    // Anchors and merging.
    "a: &x 1\n  b: *x", "a: &x {b: 1}\n  c: *x", "&x a: 1", "&x {a: 1}", "a: &x b\n  *x : 1", "{a: 1, <<: {a: 2, b: 3}}", "{<<: {a: 2, b: 3}, a: 1}",
    "{a: &x {q: 1, r: 1}, b: {<<: [*x, {q: 2, s: 2}], r: 3}}", "{'<<': {a: 1}}", "{<<: {a: 1}, <<: {b: 2}}", "a: &x 1\n  b: &x 2\n  c: *x", "a: &x\n  b: *x",
    "!!merge <<: {a: 1}", "a: {<<: {b: 1, <<: {b: 2}}}",
];

/// What kubectl refuses as we do.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    ".inf", "-.inf", ".nan", "!!int 1.5", "!!int x", "!!bool 1", "!!null x", "!!float x", "!!timestamp x", "!!binary '#'",
    "{~: 1}", "{[a]: 1}", "{{a: 1}: 1}", "{18446744073709551615: 1}", "&x [*x]", "*nothing", "{<<: 1}", "{<<: [1]}", "a: b: c",
    "x:\n\t- 1", "@a", "`a`", "%a", "'a", "\"a", "\"\\q\"", "[a", "{a: 1", "]", "a: 'b' c", "a: [1] 2", "|x\n  a", "!y!z a",
    "a: 1\n   b: 2", "a\u{7}b", "\"a\u{7f}b\"", "- a: 1\n   - b", "? [a]\n  : b", "a: *b",
];

/// What kubectl reads, and we refuse because it does not keep what is written.
const REFUSED_BY_US: &[(&str, &str)] = &[
    ("{1: a, '1': b}", "\"1\" is already there"),
    ("!!binary /w==", "is no !!binary"),
    ("a\u{FEFF}b", "U+FEFF"),
];

/// The values that kubectl makes of `- ` and each of the scalars, under `spec`.
fn manifest(scalars: &[&str]) -> String {
    let mut text = format!("{HEAD}spec:\n");
    for scalar in scalars {
        let _ = writeln!(text, "- {scalar}");
    }
    text
}

fn kubectl(manifest: &str) -> Output {
    let folder = std::env::var_os("SILKROLL_CLUSTER_BIN").expect(
        "SILKROLL_CLUSTER_BIN names no folder with kubectl: run `make cluster`, and the tests by `make test`, which sets it",
    );
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    Command::new(PathBuf::from(folder).join("kubectl"))
        .args([
            "annotate",
            "--local",
            "--output",
            "json",
            "seen=yes",
            "--filename",
        ])
        .arg(file.path())
        .env("KUBECONFIG", "/dev/null")
        .output()
        .expect("kubectl starts")
}

/// Every document as kubectl prints it, without the annotation that made it print.
fn as_kubectl(manifest: &str) -> Result<Vec<Value>, String> {
    let output = kubectl(manifest);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    Ok(values.map(|value| without_mark(value.unwrap())).collect())
}

fn without_mark(mut value: Value) -> Value {
    let metadata = value["metadata"].as_object_mut().unwrap();
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove("seen");
    }
    metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    value
}

fn as_we(manifest: &str) -> Result<Vec<Value>, String> {
    let documents = manifest::read(manifest.as_bytes(), &Limits::default())
        .map_err(|error| error.to_string())?;
    let values = documents
        .into_iter()
        .map(|document| document.map(|document| document.value().clone()));
    values
        .filter(|value| value != &Ok(Value::Null))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

#[test]
fn scalars_keys_tags_and_styles_mean_what_kubectl_means() {
    // Documents of their own, for anchors are the document's; one kubectl reads them all.
    let text: String = SCALARS
        .iter()
        .map(|scalar| manifest(&[scalar]) + "---\n")
        .collect();
    let (theirs, ours) = (as_kubectl(&text), as_we(&text));
    if theirs.is_ok() && theirs == ours {
        return;
    }
    // One by one, to name the input.
    let pairs = SCALARS.iter().map(|scalar| {
        (
            scalar,
            as_kubectl(&manifest(&[scalar])),
            as_we(&manifest(&[scalar])),
        )
    });
    let different: Vec<_> = pairs
        .filter(|(_, theirs, ours)| theirs.is_err() || theirs != ours)
        .collect();
    panic!("(input, kubectl, silkroll): {different:#?}");
}

#[test]
fn integers_over_63_bits_stay_exact_where_kubectl_rounds_them() {
    let text = manifest(&["18446744073709551615", "0xFFFFFFFFFFFFFFFF"]);
    let (theirs, ours) = (as_kubectl(&text).unwrap(), as_we(&text).unwrap());
    for at in 0..2 {
        assert_eq!(ours[0]["spec"][at], 18_446_744_073_709_551_615_u64);
        assert_eq!(theirs[0]["spec"][at].as_f64(), ours[0]["spec"][at].as_f64());
    }
}

#[test]
fn what_kubectl_refuses_is_refused() {
    let answers = REFUSED.iter().map(|scalar| {
        (
            scalar,
            as_kubectl(&manifest(&[scalar])),
            as_we(&manifest(&[scalar])),
        )
    });
    let read: Vec<_> = answers
        .filter(|(_, theirs, ours)| theirs.is_ok() || ours.is_ok())
        .collect();
    assert!(read.is_empty(), "(input, kubectl, silkroll): {read:#?}");
}

#[test]
fn what_kubectl_reads_with_loss_is_refused() {
    for (scalar, message) in REFUSED_BY_US {
        let text = manifest(&[scalar]);
        let (theirs, ours) = (as_kubectl(&text), as_we(&text));
        assert!(theirs.is_ok(), "kubectl refuses {scalar:?}: {theirs:?}");
        assert!(
            ours.as_ref().is_err_and(|error| error.contains(message)),
            "{scalar:?}: {ours:?}"
        );
    }
}

#[test]
fn documents_are_cut_where_kubectl_cuts_them() {
    let named = |name: &str| {
        format!("apiVersion: example.com/v1\nkind: Sample\nmetadata:\n  name: {name}\n")
    };
    let json = |name: &str| {
        format!(
            "{{\"apiVersion\": \"example.com/v1\", \"kind\": \"Sample\", \"metadata\": {{\"name\": \"{name}\"}}}}"
        )
    };
    let (a, b) = (named("a"), named("b"));
    let (ja, jb, jc) = (json("a"), json("b"), json("c"));
    let inputs = [
        format!("{a}---\n{b}"),
        format!("---\n{a}---\n---\n{b}---\n"),
        format!("# head\n---\n{a}--- # tail\n{b}"),
        format!("{a}---   \t\n{b}"),
        format!("\u{FEFF}{a}---\n{b}"),
        format!("\u{FEFF}---\n{a}---\n{b}"),
        format!("{a}...\n---\n{b}...\n"),
        format!("{a}---\n{b}").replace('\n', "\r\n"),
        format!("{a}spec: |\n  a\n  ---\n  b"),
        format!("{a}spec: |\n  a"),
        format!("{a}spec: |+\n  a\n\n\n---\n{b}"),
        format!("{ja}{jb}"),
        format!("  {ja}\n{jb}\n\n{jc}\n"),
        format!("{ja}\n---\n{b}"),
        format!("{ja}\n---\n{jb}\n---\n{jc}\n"),
        format!("{a}---\n{jb}\n"),
        format!("{ja} {b}").replace("} apiVersion", "}\napiVersion"),
        format!("{{apiVersion: example.com/v1, kind: Sample, metadata: {{name: a}}}}\n---\n{b}"),
    ];
    for input in inputs {
        assert_eq!(as_we(&input), as_kubectl(&input), "{input:?}");
    }
}

#[test]
fn inputs_that_kubectl_cannot_cut_have_an_error() {
    let inputs = [
        format!("{HEAD}--- !x\n{HEAD}"),
        format!("{HEAD}----\n{HEAD}"),
        format!("%YAML 1.1\n---\n{HEAD}"),
        format!("{{\"a\": 1}}{{\"a\": 1}}\n---\n{HEAD}"),
    ];
    for input in inputs {
        assert!(
            as_kubectl(&input).is_err() && as_we(&input).is_err(),
            "{input:?}: {:?}",
            as_we(&input)
        );
    }
}
