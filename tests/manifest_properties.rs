//! Random manifests in random styles, random patches: the text always follows the value, and keeps its comments.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use silkroll::manifest::{self, Document, Limits};
use std::cell::Cell;

/// How a document is written.
#[derive(Debug, Clone)]
struct Style {
    step: usize,
    indented_dashes: bool,
    crlf: bool,
    final_newline: bool,
    separator: bool,
}

/// A node, and how it is written.
#[derive(Debug, Clone)]
struct Node {
    kind: Kind,
    flow: bool,
    /// A choice among the spellings of a scalar or a collection.
    spelling: u8,
    above: bool,
    behind: bool,
    blank: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Scalar(Value),
    Map(Vec<(String, Node)>),
    Seq(Vec<Node>),
}

#[derive(Debug, Clone)]
struct Op {
    place: u32,
    what: u8,
    value: Value,
}

fn text() -> impl Strategy<Value = String> {
    let odd = [
        "yes",
        "0644",
        "1e3",
        "null",
        "",
        " x",
        "a: b",
        "a #b",
        "- a",
        "*x",
        "l1\nl2\n",
        "l1\n\n  l3",
        "\n",
        "é ü",
        "x\t",
        "2001-01-01",
        "{a}",
        "http://x/y?z",
        "\u{1F600}",
        "\u{2028}",
        "---",
        "#!/bin/sh\nexit 0\n",
        "190:20:30",
        "a\\b\"c",
        "...",
        "\u{7}",
        "0x1F",
        "[x",
        "a,b",
        "-1",
    ];
    prop_oneof![2 => "[a-z][a-zA-Z0-9./-]{0,8}", 1 => prop::sample::select(&odd[..]).prop_map(str::to_owned)]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        2 => (-5_i64..9_000).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn named(members: Vec<(String, Node)>) -> Kind {
    let mut seen: Vec<(String, Node)> = Vec::new();
    for (key, node) in members {
        if !seen.iter().any(|(other, _)| *other == key) {
            seen.push((key, node));
        }
    }
    Kind::Map(seen)
}

fn dressed(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Node> {
    let comments = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    );
    (kind, prop::bool::weighted(0.1), any::<u8>(), comments).prop_map(
        |(kind, flow, spelling, (above, behind, blank))| Node {
            kind,
            flow,
            spelling,
            above,
            behind,
            blank,
        },
    )
}

fn node() -> impl Strategy<Value = Node> {
    dressed(scalar().prop_map(Kind::Scalar)).prop_recursive(4, 40, 4, |inner| {
        dressed(prop_oneof![
            2 => prop::collection::vec((text(), inner.clone()), 0..4).prop_map(named),
            1 => prop::collection::vec(inner, 0..4).prop_map(Kind::Seq),
        ])
    })
}

fn document() -> impl Strategy<Value = (Node, Style)> {
    let root = dressed(prop::collection::vec((text(), node()), 1..5).prop_map(named));
    let style = (
        prop_oneof![3 => Just(2), 1 => Just(4)],
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.9),
        any::<bool>(),
    )
        .prop_map(
            |(step, indented_dashes, crlf, final_newline, separator)| Style {
                step,
                indented_dashes,
                crlf,
                final_newline,
                separator,
            },
        );
    (root, style)
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op =
        (any::<u32>(), 0..5_u8, value()).prop_map(|(place, what, value)| Op { place, what, value });
    prop::collection::vec(op, 1..6)
}

impl Node {
    fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Map(members) => members
                .iter()
                .map(|(key, node)| (key.clone(), node.value()))
                .collect::<Map<_, _>>()
                .into(),
            Kind::Seq(items) => items.iter().map(Node::value).collect(),
        }
    }

    /// In brackets, because it is meant to be, or is empty.
    fn in_brackets(&self) -> bool {
        match &self.kind {
            Kind::Scalar(_) => false,
            Kind::Map(members) => self.flow || members.is_empty(),
            Kind::Seq(items) => self.flow || items.is_empty(),
        }
    }
}

/// Writes a node and notes its comments: each is a word of its own, owned by the path of a node.
struct Writer<'s> {
    style: &'s Style,
    out: String,
    comments: Vec<(Vec<String>, String)>,
}

impl Writer<'_> {
    fn comment(&mut self, owner: &[String]) -> String {
        let word = format!("comment{}x", self.comments.len());
        self.comments.push((owner.to_vec(), word.clone()));
        format!("# {word}")
    }

    /// The lines of a collection in column `indent`; `started` where the first line already stands open.
    fn block(&mut self, node: &Node, path: &[String], indent: usize, mut started: bool) {
        let members: Vec<(Option<&str>, &Node)> = match &node.kind {
            Kind::Map(members) => members
                .iter()
                .map(|(key, node)| (Some(key.as_str()), node))
                .collect(),
            Kind::Seq(items) => items.iter().map(|node| (None, node)).collect(),
            Kind::Scalar(_) => unreachable!("only collections have lines"),
        };
        for (at, (key, child)) in members.into_iter().enumerate() {
            let mut own = path.to_vec();
            own.push(key.map_or_else(|| at.to_string(), str::to_owned));
            if !std::mem::take(&mut started) {
                if child.blank {
                    self.out.push('\n');
                }
                if child.above {
                    let comment = self.comment(path);
                    self.out.push_str(&format!("{:indent$}{comment}\n", ""));
                }
                self.out.push_str(&" ".repeat(indent));
            }
            match key {
                Some(key) => self.out.push_str(&format!(
                    "{}:",
                    spelled(&json!(key), child.spelling / 16, false)
                )),
                None => self.out.push('-'),
            }
            self.behind_lead(child, &own, indent, key.is_none());
        }
    }

    fn behind_lead(&mut self, node: &Node, path: &[String], indent: usize, dash: bool) {
        let in_line = match &node.kind {
            Kind::Scalar(value) => {
                let step = if dash { 2 } else { self.style.step };
                literal(value, node.spelling, indent + step)
                    .unwrap_or_else(|| spelled(value, node.spelling, false))
            }
            _ if node.in_brackets() => brackets(node, indent + 1),
            Kind::Map(_) | Kind::Seq(_) if dash && !node.behind && node.spelling % 4 != 0 => {
                self.out.push(' ');
                return self.block(node, path, indent + 2, true);
            }
            Kind::Map(_) | Kind::Seq(_) => {
                if node.behind {
                    let comment = self.comment(path);
                    self.out.push_str(&format!(" {comment}"));
                }
                self.out.push('\n');
                let deeper = match node.kind {
                    Kind::Seq(_) if !dash && !self.style.indented_dashes => 0,
                    _ => self.style.step,
                };
                return self.block(node, path, indent + deeper, false);
            }
        };
        if !in_line.is_empty() {
            self.out.push_str(&format!(" {in_line}"));
        }
        if node.behind && !in_line.starts_with('|') {
            let comment = self.comment(path);
            self.out.push_str(&format!(" {comment}"));
        }
        self.out.push('\n');
    }
}

fn brackets(node: &Node, indent: usize) -> String {
    let (open, close, inner): (_, _, Vec<String>) = match &node.kind {
        Kind::Scalar(value) => return spelled(value, node.spelling, true),
        Kind::Map(members) => {
            let member = |(key, node): &(String, Node)| {
                format!(
                    "{}: {}",
                    spelled(&json!(key), 1, true),
                    brackets(node, indent)
                )
            };
            ('{', '}', members.iter().map(member).collect())
        }
        Kind::Seq(items) => (
            '[',
            ']',
            items.iter().map(|node| brackets(node, indent)).collect(),
        ),
    };
    match node.spelling % 4 {
        _ if inner.is_empty() => format!("{open}{close}"),
        0 => format!("{open} {}, {close}", inner.join(", ")),
        1 => format!(
            "{open}\n{:indent$}{}\n{:indent$}{close}",
            "",
            inner.join(&format!(",\n{:indent$}", "")),
            ""
        ),
        _ => format!("{open}{}{close}", inner.join(", ")),
    }
}

/// A scalar in one of its spellings.
fn spelled(value: &Value, spelling: u8, flow: bool) -> String {
    match value {
        Value::Null if flow => "~".to_owned(),
        Value::Null => ["", "~", "null"][usize::from(spelling % 3)].to_owned(),
        Value::Bool(true) => ["true", "yes", "On"][usize::from(spelling % 3)].to_owned(),
        Value::Number(number)
            if number.as_i64().is_some_and(|int| int >= 0) && spelling % 4 == 0 =>
        {
            format!("0x{:x}", number.as_i64().unwrap())
        }
        Value::String(text) => {
            let word = text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.len() > 3
                && text.bytes().all(|c| c.is_ascii_alphanumeric());
            let simple = !text.chars().any(|c| c.is_control() || c == '\u{2028}');
            if spelling % 3 == 0 && word && !["null", "true", "false"].contains(&text.as_str()) {
                text.clone()
            } else if spelling % 3 == 1 && simple {
                format!("'{}'", text.replace('\'', "''"))
            } else {
                value.to_string().replace('\u{2028}', "\\u2028")
            }
        }
        other => other.to_string(),
    }
}

/// Text of several lines as a block, where that is simple.
fn literal(value: &Value, spelling: u8, indent: usize) -> Option<String> {
    let text = value.as_str()?;
    let simple = spelling % 2 == 0 && text.contains('\n') && !text.starts_with(['\n', ' ']);
    let header = if text.ends_with('\n') { "|" } else { "|-" };
    let line = |line: &str| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("\n{:indent$}{line}", "")
        }
    };
    simple.then(|| format!("{header}{}", text.lines().map(line).collect::<String>()))
}

fn written(root: &Node, style: &Style) -> (String, Vec<(Vec<String>, String)>) {
    let mut writer = Writer {
        style,
        out: String::new(),
        comments: Vec::new(),
    };
    if style.separator {
        writer.out.push_str("---\n");
    }
    let Kind::Map(_) = &root.kind else {
        unreachable!("documents are mappings")
    };
    writer.block(root, &[], 0, false);
    let mut out = writer.out;
    if !style.final_newline {
        out.pop();
    }
    (
        if style.crlf {
            out.replace('\n', "\r\n")
        } else {
            out
        },
        writer.comments,
    )
}

/// Every path of a value but the root's.
fn paths(value: &Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => return,
    };
    for (name, child) in children {
        at.push(name);
        found.push(at.clone());
        paths(child, at, found);
        at.pop();
    }
}

fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// Turns the choices into a patch that applies; comments whose owners go are taken off the list.
fn patch(
    value: &Value,
    ops: &[Op],
    comments: &mut Vec<(Vec<String>, String)>,
) -> (json_patch::Patch, Value) {
    let mut value = value.clone();
    let mut patch = Vec::new();
    for op in ops {
        let mut found = Vec::new();
        paths(&value, &mut Vec::new(), &mut found);
        let Some(path) = found.get(op.place as usize % found.len().max(1)) else {
            break;
        };
        let (parent, name) = path.split_at(path.len() - 1);
        let list = value.pointer(&pointer(parent)).unwrap().is_array();
        let shift = |comments: &mut Vec<(Vec<String>, String)>, by: isize| {
            let from: usize = name[0].parse().unwrap();
            for (owner, _) in comments
                .iter_mut()
                .filter(|(owner, _)| owner.starts_with(parent) && owner.len() > parent.len())
            {
                let index: usize = owner[parent.len()].parse().unwrap();
                if index >= from {
                    owner[parent.len()] = index.checked_add_signed(by).unwrap().to_string();
                }
            }
        };
        let step = match op.what {
            0 if path.len() > 1 || found.len() > 1 => {
                comments.retain(|(owner, _)| !owner.starts_with(path));
                if list {
                    shift(comments, -1);
                }
                json!({"op": "remove", "path": pointer(path)})
            }
            1 | 2 if list => {
                shift(comments, 1);
                json!({"op": "add", "path": pointer(path), "value": op.value})
            }
            1 | 2 => {
                let new = [parent, &[format!("{}New", name[0])]].concat();
                comments.retain(|(owner, _)| !owner.starts_with(&new));
                json!({"op": "add", "path": pointer(&new), "value": op.value})
            }
            3 if list => {
                json!({"op": "add", "path": format!("{}/-", pointer(parent)), "value": op.value})
            }
            _ => {
                comments.retain(|(owner, _)| !owner.starts_with(path));
                json!({"op": "replace", "path": pointer(path), "value": op.value})
            }
        };
        let step: json_patch::PatchOperation = serde_json::from_value(step).unwrap();
        json_patch::patch(&mut value, std::slice::from_ref(&step)).unwrap();
        patch.push(step);
    }
    (json_patch::Patch(patch), value)
}

fn read(text: &str) -> Result<Document<'_>, TestCaseError> {
    let mut documents = manifest::read(text.as_bytes(), &Limits::default())
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(documents.len(), 1, "{}", text);
    documents
        .remove(0)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))
}

/// Edits one generated document and checks what must hold. Returns whether it was written anew.
fn follows(root: &Node, style: &Style, ops: &[Op]) -> Result<bool, TestCaseError> {
    let (text, mut comments) = written(root, style);
    let document = read(&text)?;
    prop_assert_eq!(document.text(), &text);
    prop_assert_eq!(document.value(), &root.value(), "{}", text);
    prop_assert_eq!(
        &document.edit(&json_patch::Patch(vec![])).unwrap().text,
        &text
    );

    let (patch, wanted) = patch(document.value(), ops, &mut comments);
    let edited = document.edit(&patch).unwrap();
    let shown = format!(
        "--- before\n{text}\n--- patch\n{patch}\n--- after\n{}",
        edited.text
    );
    prop_assert_eq!(&edited.value, &wanted, "{}", shown);
    prop_assert_eq!(read(&edited.text)?.value(), &wanted, "{}", shown);
    if !edited.rewritten {
        for (_, comment) in &comments {
            prop_assert!(
                edited.text.contains(comment.as_str()),
                "{} is gone\n{}",
                comment,
                shown
            );
        }
        prop_assert_eq!(
            edited.text.contains('\r'),
            style.crlf && edited.text.contains('\n'),
            "{}",
            shown
        );
        prop_assert!(
            !edited
                .text
                .replace("\r\n", "")
                .contains(if style.crlf { '\n' } else { '\r' }),
            "{}",
            shown
        );
    }
    Ok(edited.rewritten)
}

proptest! {
    #![proptest_config(Config { cases: 600, failure_persistence: None, ..Config::default() })]

    #[test]
    fn edited_text_means_what_the_patch_says_and_keeps_its_comments((root, style) in document(), ops in ops()) {
        follows(&root, &style, &ops)?;
    }

    #[test]
    fn written_yaml_reads_back_as_the_value(value in value()) {
        let text = manifest::to_yaml(&value);
        prop_assert_eq!(read(&text)?.value(), &value, "{}", text);
    }

    #[test]
    fn json_stays_json(value in value(), ops in ops(), spaces in 0..4_usize) {
        let value = json!({"first": value, "second": 2});
        let text = match spaces {
            0 => value.to_string(),
            1 => format!("{value:#}\n"),
            2 => format!("{value:#}").replace("  ", "\t"),
            _ => format!("{value:#}\n").replace('\n', "\r\n"),
        };
        // Text is no indentation.
        let text = if serde_json::from_str::<Value>(&text).is_ok_and(|same| same == value) { text } else { value.to_string() };
        let document = read(&text)?;
        let (patch, wanted) = patch(&value, &ops, &mut Vec::new());
        let edited = document.edit(&patch).unwrap();
        prop_assert!(!edited.rewritten, "{} {} {}", text, patch, edited.text);
        prop_assert_eq!(serde_json::from_str::<Value>(&edited.text).unwrap(), wanted);
        prop_assert_eq!(edited.text.contains('\n'), text.contains('\n'), "{}\n{}", text, edited.text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), soup in "[-:,{}\\[\\] \n#&*!|>'\"%@`a1~?.\t\r<]{0,60}") {
        let _ = manifest::read(&bytes, &Limits::default());
        for document in manifest::read(soup.as_bytes(), &Limits::default()).unwrap().into_iter().flatten() {
            let patch = json_patch::Patch(vec![serde_json::from_value(json!({"op": "add", "path": "/a", "value": {"b": [1]}})).unwrap()]);
            let mut wanted = document.value().clone();
            let fits = json_patch::patch(&mut wanted, &patch).is_ok();
            prop_assert_eq!(document.edit(&patch).ok().map(|edited| edited.value), fits.then_some(wanted), "{:?}", soup);
        }
    }
}

#[test]
fn few_documents_are_written_anew() {
    const CASES: u32 = 2_000;
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let anew = Cell::new(0);
    let result = runner.run(&(document(), ops()), |((root, style), ops)| {
        anew.set(anew.get() + u32::from(follows(&root, &style, &ops)?));
        Ok(())
    });
    if let Err(TestError::Fail(reason, _)) = result {
        panic!("{reason}");
    }
    assert!(
        anew.get() * 100 <= CASES,
        "{} of {CASES} documents were written anew",
        anew.get()
    );
}
