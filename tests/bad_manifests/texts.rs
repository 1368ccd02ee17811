//! Texts that are no manifests, or hardly: both doors give the same answer.

use serde_json::{Value, json};

use crate::doors::{WEB, dry_run, inject, values};

/// What is to come of a text.
#[derive(Clone, Copy)]
enum Reads {
    /// So many objects, none of which is changed.
    As(usize),
    /// It is refused, and the message has these words.
    Not(&'static str),
}

use Reads::{As, Not};

fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (1..=count).map(|at| line(at) + "\n").collect()
}

fn texts() -> Vec<(&'static str, Vec<u8>, Reads)> {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n";
    let bomb = lines(9, |at| {
        format!("a{at}: &x{at} [{}]", format!("*x{},", at - 1).repeat(10))
    });
    let deep = 100_000;
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("comments only", text("# nothing\n# here\n"), As(0)),
        ("separators only", text("---\n---\n---\n"), As(0)),
        ("null", text("null\n"), As(0)),
        ("blank lines", text("\n\n \n"), As(0)),
        ("another kind", text(service), As(1)),
        ("a mapping that is no object", text("a: 1\n"), As(1)),
        ("an empty mapping", text("{}"), As(1)),
        (
            "a byte order mark",
            text(&format!("\u{feff}{service}")),
            As(1),
        ),
        ("CRLF", text(&service.replace('\n', "\r\n")), As(1)),
        ("no last line end", text(service.trim_end()), As(1)),
        (
            "20,000 documents",
            text(&"---\na: 1\n".repeat(20_000)),
            As(20_000),
        ),
        (
            "20,000 JSON documents",
            text(&"{\"a\":1}".repeat(20_000)),
            As(20_000),
        ),
        ("100,000 separators", text(&"---\n".repeat(100_000)), As(0)),
        (
            "250,001 documents",
            text(&"---\n".repeat(250_001)),
            Not("more than 250000 documents: split it"),
        ),
        (
            "an empty List",
            text("apiVersion: v1\nkind: List\nitems: []\n"),
            As(0),
        ),
        (
            "a List of nothing",
            text("apiVersion: v1\nkind: List\nitems: [null, null]\n"),
            As(0),
        ),
        (
            "a List without items",
            text("apiVersion: v1\nkind: List\n"),
            As(1),
        ),
        (
            "a List of texts",
            text("apiVersion: v1\nkind: List\nitems: [a, 1]\n"),
            As(2),
        ),
        (
            "nested Lists",
            text(
                "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: [{kind: A}, {kind: B}]\n- {kind: C}\n",
            ),
            As(3),
        ),
        (
            "a text",
            text("hello\n"),
            Not("document 1, line 1: this is a text, and a manifest is a mapping"),
        ),
        ("a list", text("- a: 1\n"), Not("this is a list")),
        ("a JSON list", text("[1, 2]"), Not("this is a list")),
        (
            "a number",
            text("--- # first\na: 1\n---\n42\n"),
            Not("document 2, line 3: this is a number"),
        ),
        ("yes", text("yes\n"), Not("this is true or false")),
        (
            "UTF-16",
            utf16(service, u16::to_le_bytes),
            Not(
                "the input is UTF-16: save it as UTF-8 (kubectl reads UTF-16 as well, but only behind a byte order mark)",
            ),
        ),
        (
            "UTF-16 with a mark",
            utf16(&format!("\u{feff}{service}"), u16::to_be_bytes),
            Not("the input is UTF-16"),
        ),
        (
            "not UTF-8",
            b"a: \xff\n".to_vec(),
            Not("line 1: the byte 0xFF is no UTF-8, and only a comment may hold it"),
        ),
        (
            "NUL",
            b"a: x\0\n".to_vec(),
            Not("NUL byte at byte 4 (line 1): is it a text file?"),
        ),
        (
            "a program",
            b"\x7fELF\x02\x01\x01\0\0".to_vec(),
            Not("is it a text file?"),
        ),
        (
            "a control character",
            text("a: \u{7}\n"),
            Not("the character U+0007 cannot stand here"),
        ),
        (
            "a bomb of aliases",
            text(&format!("a0: &x0 [lol]\n{bomb}")),
            Not("little else in it than what aliases repeat"),
        ),
        (
            "a bomb of merges",
            text(&format!(
                "a0: &x0 {{a: 1}}\n{}",
                lines(40, |at| format!(
                    "a{at}: &x{at} {{<<: [*x{0}, *x{0}]}}",
                    at - 1
                ))
            )),
            Not("little else in it than what aliases repeat"),
        ),
        (
            "an alias in itself",
            text("a: &a [*a]\n"),
            Not("which never ends: remove it"),
        ),
        (
            "an alias of nothing",
            text("a: *nobody\n"),
            Not("this is not YAML"),
        ),
        (
            "two keys that become one",
            text("1: a\n'1': b\n"),
            Not("line 2: the key \"1\" is already there in line 1, as a value of another type"),
        ),
        (
            "a tab",
            text("a:\n\tb: 1\n"),
            Not("document 1, line 2: a tab cannot indent YAML"),
        ),
        ("bad YAML", text("a: [1\nb: 2\n"), Not("this is not YAML")),
        (
            "cut JSON",
            text("{\"a\": {\"b\": 1}"),
            Not("this is not YAML"),
        ),
        (
            "a directive",
            text("%YAML 1.2\n---\na: 1\n"),
            Not("kubectl does not read directives"),
        ),
        (
            "text on the separator's line",
            text("--- a: \u{202e}1\n"),
            Not(r"move `a: \u{202e}1` to a line of its own"),
        ),
        (
            "text after the end",
            text("a: 1\n...\nb: 2\n"),
            Not("content after the document's end"),
        ),
        (
            "a mark at the start of a later document",
            text("a: 1\n---\n\u{feff}b: 1\n"),
            As(2),
        ),
        (
            "a mark in the middle",
            text("a: 1\nb: \u{feff}1\n"),
            Not("U+FEFF cannot stand here"),
        ),
        (
            "infinity",
            text("a: .inf\n"),
            Not("`.inf` has no form in JSON"),
        ),
        (
            "deep flow",
            text(&format!("a: {}", "[".repeat(deep))),
            Not("more than 100 levels of nesting: is this a manifest?"),
        ),
        (
            "deep blocks",
            text(&format!("a:\n{}1", "- ".repeat(deep))),
            Not("more than 100 levels of nesting"),
        ),
        (
            "deep JSON",
            text(&format!(
                "{{\"a\": {}{}}}",
                "[".repeat(deep),
                "]".repeat(deep)
            )),
            Not("more than 100 levels of nesting"),
        ),
        (
            "a broken one among others",
            text(&format!("{service}---\na: [1\n---\n{service}")),
            Not("document 2, line 6"),
        ),
    ]
}

#[test]
fn the_endpoint_reads_a_text_or_says_where_it_cannot() {
    let mut wrong = Vec::new();
    for (what, bytes, expected) in texts() {
        let got = dry_run("", &bytes);
        let json = got.json_or_null();
        let message = match json["errors"][0].as_str() {
            Some(error) => error.to_owned(),
            None => got.text(),
        };
        let as_expected = match expected {
            As(count) => {
                let items = json["items"].as_array().map_or(&[][..], Vec::as_slice);
                got.status == 200
                    && items.len() == count
                    && items.iter().all(|item| item["reason"] == "other-kind")
            }
            Not(says) => got.status == 400 && message.contains(says) && message.len() < 600,
        };
        if !as_expected {
            wrong.push(format!(
                "{what}: {} {}",
                got.status,
                message.chars().take(300).collect::<String>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_command_reads_a_text_or_says_where_it_cannot() {
    let mut wrong = Vec::new();
    for (what, bytes, expected) in texts() {
        let ran = inject(&["-f", "-"], &bytes);
        let as_expected = match expected {
            As(0) => {
                ran.code == 0
                    && ran.out.as_bytes() == bytes
                    && ran.report == "silkroll: there is no object in the input\n"
            }
            As(_) => ran.code == 0 && ran.out.as_bytes() == bytes && ran.report.is_empty(),
            Not(says) => {
                ran.code == 2
                    && ran.out.is_empty()
                    && ran.report.starts_with("standard input: ")
                    && ran.report.contains(says)
                    && ran
                        .report
                        .ends_with("could not be read, no manifest was printed\n")
                    && ran.report.len() < 800
            }
        };
        if !as_expected {
            wrong.push(format!("{what}: {} {}", ran.code, ran.report));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_empty_input_is_an_error_for_the_endpoint_and_nothing_to_do_for_the_command() {
    let got = dry_run("", b"");
    assert_eq!(got.status, 400);
    assert!(
        got.text()
            .starts_with("the body is empty; expected is a manifest"),
        "{}",
        got.text()
    );
    let ran = inject(&["-f", "-"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(ran.report, "silkroll: there is no object in the input\n");
    // As where `kustomize build` has failed in front of a gate.
    let ran = inject(&["-f", "-", "--fail-on", "rejected"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

#[test]
fn scalars_mean_what_kubectl_means() {
    let manifest = WEB.replace(
        "spec:\n  template:",
        "spec:\n  replicas: 010\n  paused: yes\n  x: [0o10, 0x10, 1_000, off, ~, 1:30, 2024-01-01]\n  template:",
    );
    let ran = inject(&["-f", "-", "-o", "json"], manifest.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.report);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["spec"]["replicas"], 8);
    assert_eq!(value["spec"]["paused"], true);
    assert_eq!(
        value["spec"]["x"],
        json!([8, 16, 1000, false, null, "1:30", "2024-01-01"])
    );
    // They are left as they are written.
    let ran = inject(&["-f", "-"], manifest.as_bytes());
    assert!(
        ran.out
            .contains("replicas: 010\n  paused: yes\n  x: [0o10, 0x10,"),
        "{}",
        ran.out
    );
    assert_eq!(values(&ran.out)[0]["spec"]["replicas"], 8);
}
