//! Random manifests, and many ways to write them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// How a document is written.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) step: usize,
    pub(crate) indented_dashes: bool,
    pub(crate) crlf: bool,
    pub(crate) final_newline: bool,
    pub(crate) separator: bool,
}

/// A node, and how it is written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) flow: bool,
    /// A choice among the spellings of a scalar or a collection.
    pub(crate) spelling: u8,
    pub(crate) above: bool,
    pub(crate) behind: bool,
    pub(crate) blank: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(Value),
    Map(Vec<(String, Node)>),
    Seq(Vec<Node>),
}

#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) place: u32,
    pub(crate) what: u8,
    pub(crate) value: Value,
}

fn text() -> impl Strategy<Value = String> {
    const ODD: &[&str] = &[
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
    prop_oneof![2 => "[a-z][a-zA-Z0-9./-]{0,8}", 1 => prop::sample::select(ODD).prop_map(str::to_owned)]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        2 => (-5_i64..9_000).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
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

pub(crate) fn document() -> impl Strategy<Value = (Node, Style)> {
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

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op =
        (any::<u32>(), 0..5_u8, value()).prop_map(|(place, what, value)| Op { place, what, value });
    prop::collection::vec(op, 1..6)
}

impl Node {
    pub(crate) fn value(&self) -> Value {
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
                    let _ = writeln!(self.out, "{:indent$}{comment}", "");
                }
                self.out.push_str(&" ".repeat(indent));
            }
            match key {
                Some(key) => {
                    let _ = write!(
                        self.out,
                        "{}:",
                        spelled(&json!(key), child.spelling / 16, false)
                    );
                }
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
            Kind::Map(_) | Kind::Seq(_)
                if dash && !node.behind && !node.spelling.is_multiple_of(4) =>
            {
                self.out.push(' ');
                return self.block(node, path, indent + 2, true);
            }
            Kind::Map(_) | Kind::Seq(_) => {
                if node.behind {
                    let comment = self.comment(path);
                    let _ = write!(self.out, " {comment}");
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
            let _ = write!(self.out, " {in_line}");
        }
        if node.behind && !in_line.starts_with('|') {
            let comment = self.comment(path);
            let _ = write!(self.out, " {comment}");
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
            if number.as_i64().is_some_and(|int| int >= 0) && spelling.is_multiple_of(4) =>
        {
            format!("0x{:x}", number.as_i64().unwrap())
        }
        Value::String(text) => {
            let word = text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.len() > 3
                && text.bytes().all(|c| c.is_ascii_alphanumeric());
            let simple = !text.chars().any(|c| c.is_control() || c == '\u{2028}');
            if spelling.is_multiple_of(3)
                && word
                && !["null", "true", "false"].contains(&text.as_str())
            {
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
    let simple =
        spelling.is_multiple_of(2) && text.contains('\n') && !text.starts_with(['\n', ' ']);
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

pub(crate) fn written(root: &Node, style: &Style) -> (String, Vec<(Vec<String>, String)>) {
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
