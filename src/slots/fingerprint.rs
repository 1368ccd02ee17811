//! A fingerprint of what the user wrote: the template without Silkroll, and our annotations on the
//! workload. Equal fingerprints mean that the user changed nothing; it guards nothing against
//! malice, for whoever could forge it could write the template itself.

use std::borrow::Cow;

use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::bare::bare;
use super::json::{self, plain};
use super::slot::Form;
use super::tree::{Node, Tree};
use crate::policy::Pairs;

/// The API's default for terminationGracePeriodSeconds.
pub(crate) const DEFAULT_GRACE: i64 = 30;

/// The fingerprint, 16 hexadecimal digits.
pub(crate) fn of(user: &Tree<'_>, workload: &Pairs<'_>) -> String {
    let mut sum = of_node("template", user.template(), user.kind.is_filled_in());
    for (key, value) in workload {
        sum = sum.wrapping_add(of_member(key, xxh3_64(value.as_bytes())));
    }
    format!("{sum:016x}")
}

/// Whether two templates of one fingerprint are the same as they are written, too.
pub(crate) fn same_as_written(one: &Tree<'_>, other: &Tree<'_>) -> bool {
    let of = |tree: &Tree<'_>| of_node("template", tree.template(), true);
    one.kind.is_filled_in() || of(one) == of(other)
}

/// Whether two templates differ where nothing is ever injected: a look at what stands beside all slots, without taking
/// anything out. Of custom resources it is not known, for they may say the same in other words.
pub(crate) fn plainly_differ(one: &Tree<'_>, other: &Tree<'_>, slots: &[&Form]) -> bool {
    fn closed<'n>(node: &'n Node<'_>, name: &str) -> Option<Cow<'n, str>> {
        node.json(name).map(plain)
    }
    let beside = |name: &str| slots.iter().all(|form| form.path[0] != name);
    let differ = |one: &Node<'_>, other: &Node<'_>| {
        let names = one.names().chain(other.names());
        names
            .filter(|name| beside(name))
            .any(|name| closed(one, name) != closed(other, name))
    };
    one.kind.is_filled_in()
        && (one.containers().len() != other.containers().len()
            || differ(one.pod(), other.pod())
            || one
                .containers()
                .iter()
                .zip(other.containers())
                .any(|(one, other)| differ(one, other)))
}

fn of_grace(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

fn of_member(key: &str, value: u64) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), value)
}

/// Null, what is open and empty, and absence are one: the API server makes the first the last. The order of
/// members does not count, for the API server writes its own. `filled_in`: whether it does so with what is closed.
fn of_node(name: &str, node: &Node<'_>, filled_in: bool) -> u64 {
    let value = match node {
        Node::Gone => return 0,
        Node::Json(text) if text == "null" => return 0,
        Node::Json(text) => match name {
            "preStop" | "postStart" => xxh3_64(with_defaults(text, handler).as_bytes()),
            "readinessProbe" | "startupProbe" if filled_in => {
                xxh3_64(with_defaults(text, probe).as_bytes())
            }
            "terminationGracePeriodSeconds" => return of_grace(text),
            _ if filled_in => xxh3_64(plain(text).as_bytes()),
            _ => match said(name, text) {
                Some(text) => xxh3_64(text.as_bytes()),
                None => 0,
            },
        },
        Node::Object(members) => {
            let members = members
                .iter()
                .map(|(key, node)| of_node(key, node, filled_in));
            let sum = members.fold(0, u64::wrapping_add);
            // The API server fills it in; a record made from a manifest knows it as absent.
            if name == "spec" && node.json("terminationGracePeriodSeconds").is_none() {
                sum.wrapping_add(of_grace(&DEFAULT_GRACE.to_string()))
            } else {
                sum
            }
        }
        Node::List(items) => {
            let mut hash = Xxh3::new();
            let mut any = false;
            for item in items {
                match item {
                    Node::Gone => continue,
                    Node::Json(text) if filled_in => hash.update(plain(text).as_bytes()),
                    Node::Json(text) => hash.update(said("", text).unwrap_or_default().as_bytes()),
                    item => hash.update(&of_node("", item, filled_in).to_be_bytes()),
                }
                // A byte that no JSON text has, so that pieces cannot run together.
                hash.update(&[0xff]);
                any = true;
            }
            if any { hash.digest() } else { 0 }
        }
    };
    match value {
        0 => 0,
        value => of_member(name, value),
    }
}

/// What a value says of a kind whose objects the API server does not fill in; none where that is nothing.
fn said(name: &str, text: &str) -> Option<String> {
    let mut said = bare(name, json::value(text));
    said.sort_all_objects();
    (!said.is_null()).then(|| said.to_string())
}

/// A value as the API server has it: a record made from a manifest lacks what defaulting fills in, and has the members
/// in the manifest's order.
fn with_defaults(text: &str, fill_in: fn(&mut Value)) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    fill_in(&mut value);
    value.sort_all_objects();
    value.to_string()
}

/// `SetDefaults_Probe`: what an apply merged into ours is told apart before that, and is read again with what was filled in.
fn probe(value: &mut Value) {
    const DEFAULTS: [(&str, i64); 4] = [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ];
    if let Some(members) = value.as_object_mut() {
        for (member, default) in DEFAULTS {
            let number = members.entry(member).or_insert(Value::Null);
            if number.is_null() || *number == 0 {
                *number = default.into();
            }
        }
    }
    handler(value);
}

/// `SetDefaults_HTTPGetAction`.
fn handler(value: &mut Value) {
    if let Some(get) = value.get_mut("httpGet").and_then(Value::as_object_mut) {
        for (member, default) in [("path", "/"), ("scheme", "HTTP")] {
            let text = get.entry(member).or_insert(Value::Null);
            if text.as_str().is_none_or(str::is_empty) {
                *text = default.into();
            }
        }
    }
}
