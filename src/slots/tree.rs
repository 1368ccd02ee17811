//! A workload as a tree: opened only where something is ever put in or taken out, everything else is
//! text that survives byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json;
use super::kind::Kind;
use super::strict::no_text;
use super::view::{Ours, Spec, Text, ours};
use crate::policy::PREFIX;

/// The members of an object that is open, in their order.
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

/// A value of the tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Node<'a> {
    /// Not there. What is taken out leaves its place, so that what is put in again stands there.
    #[default]
    Gone,
    /// JSON that is not looked into.
    Json(Cow<'a, str>),
    /// An object that is open.
    Object(Members<'a>),
    /// A list that is open.
    List(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// Whether it is absent, null, or open and empty: to the API these are one.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Json(text) => text == "null",
            Self::Object(members) => members.iter().all(|(_, node)| matches!(node, Self::Gone)),
            Self::List(items) => items.iter().all(|node| matches!(node, Self::Gone)),
        }
    }

    /// A member that is there; null is.
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(key, _)| key == name);
        found
            .map(|(_, node)| node)
            .filter(|node| !matches!(node, Self::Gone))
    }

    /// The names of an open object's members, taken out or not.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let members = match self {
            Self::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, _)| name.as_ref())
    }

    /// Where a member stands among its object's, taken out or not.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        match self {
            Self::Object(members) => members.iter().position(|(key, _)| key == name),
            _ => None,
        }
    }

    /// The member that stands there.
    pub(crate) fn nth(&self, at: usize) -> Option<&Node<'a>> {
        match self {
            Self::Object(members) => members.get(at).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The member that stands there.
    pub(crate) fn nth_mut(&mut self, at: usize) -> Option<&mut Node<'a>> {
        match self {
            Self::Object(members) => members.get_mut(at).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The item of a list that stands there.
    pub(crate) fn item_mut(&mut self, at: usize) -> Option<&mut Node<'a>> {
        match self {
            Self::List(items) => items.get_mut(at),
            _ => None,
        }
    }

    /// The place of a member, made where there is none.
    pub(crate) fn place(&mut self, name: &str) -> &mut Node<'a> {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else {
            return self;
        };
        let at = members.iter().position(|(key, _)| key == name);
        let at = at.unwrap_or_else(|| {
            members.push((Cow::Owned(name.to_owned()), Self::Gone));
            members.len() - 1
        });
        &mut members[at].1
    }

    /// The text of a member that is not open, and not null.
    pub(crate) fn json(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Self::Json(text)) if text != "null" => Some(text),
            _ => None,
        }
    }

    /// The elements of a list, taken out or not.
    pub(crate) fn places(&self) -> &[Node<'a>] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The elements of a list that are there.
    pub(crate) fn items(&self) -> impl Iterator<Item = &str> {
        self.places().iter().filter_map(|item| match item {
            Self::Json(text) => Some(text.as_ref()),
            _ => None,
        })
    }

    /// The elements of a member that is a list.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).into_iter().flat_map(Node::items)
    }

    /// The whole as JSON.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        let there = |node: &&Node<'a>| !matches!(node, Self::Gone);
        match self {
            Self::Gone => Cow::Borrowed("null"),
            Self::Json(text) => Cow::Borrowed(text),
            Self::Object(members) => {
                let members = members.iter().filter(|(_, node)| there(&node));
                Cow::Owned(json::object(members.map(|(key, node)| (key, node.text()))))
            }
            Self::List(items) => Cow::Owned(json::list(items.iter().filter(there).map(Node::text))),
        }
    }
}

/// Where a tree is open. What something is called in an error, and whether it may be null.
enum Shape {
    Closed,
    Object(&'static str, bool, &'static [(&'static str, Shape)]),
    List(&'static str, bool, &'static Shape),
}

const ITEMS: Shape = Shape::List("a list", true, &Shape::Closed);
const CONTAINER: Shape = Shape::Object(
    "a container",
    false,
    &[
        ("name", Shape::Closed),
        ("env", ITEMS),
        ("volumeMounts", ITEMS),
        ("lifecycle", Shape::Object("an object", true, &[])),
        ("readinessProbe", Shape::Closed),
        ("startupProbe", Shape::Closed),
        ("ports", Shape::Closed),
    ],
);
const TEMPLATE: Shape = Shape::Object(
    "a pod template",
    false,
    &[
        (
            "metadata",
            Shape::Object(
                "the template's metadata",
                true,
                &[("annotations", Shape::Object("annotations", true, &[]))],
            ),
        ),
        (
            "spec",
            Shape::Object(
                "a pod's spec",
                false,
                &[
                    ("terminationGracePeriodSeconds", Shape::Closed),
                    ("volumes", ITEMS),
                    ("containers", Shape::List("a sequence", true, &CONTAINER)),
                ],
            ),
        ),
    ],
);
const STRATEGY: Shape = Shape::Object(
    "a strategy",
    true,
    &[
        ("rollingUpdate", Shape::Object("an object", true, &[])),
        ("canary", Shape::Object("an object", true, &[])),
    ],
);

/// Bytes of a pod template that is read. The API server takes requests of 3 MiB, and its binary form is
/// shorter than JSON. What is read of a template may be 20 times as large: each element of a list is a
/// slice.
const MOST_BYTES: usize = 4 << 20;
/// Containers that are read: each takes more than a hundred times the two bytes that it may have.
const MOST_CONTAINERS: usize = 16_384;

impl<'de> DeserializeSeed<'de> for &Shape {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        match self {
            Shape::Closed => <&RawValue>::deserialize(deserializer)
                .map(|raw| Node::Json(Cow::Borrowed(raw.get()))),
            _ => deserializer.deserialize_any(ShapeVisitor(self)),
        }
    }
}

struct ShapeVisitor<'s>(&'s Shape);

impl<'de> Visitor<'de> for ShapeVisitor<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Shape::Closed => "a value",
            Shape::Object(what, ..) | Shape::List(what, ..) => what,
        })
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(no_text(&self))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        match self.0 {
            Shape::Object(_, true, _) | Shape::List(_, true, _) => Ok(Node::Json("null".into())),
            _ => Err(E::invalid_type(de::Unexpected::Unit, &self)),
        }
    }

    /// A known member that comes twice is an error: which one would count is anybody's guess.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Shape::Object(_, _, known) = self.0 else {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        };
        let mut members: Members<'de> = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            let shape = known.iter().find(|(name, _)| *name == key);
            if let Some((name, _)) = shape
                && members.iter().any(|(seen, _)| *seen == key)
            {
                return Err(de::Error::duplicate_field(name));
            }
            let node = map.next_value_seed(shape.map_or(&Shape::Closed, |(_, shape)| shape))?;
            members.push((key, node));
        }
        Ok(Node::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Shape::List(_, _, shape) = self.0 else {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        };
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(*shape)? {
            if items.len() == MOST_CONTAINERS && !matches!(shape, Shape::Closed) {
                let what = format!("there are more than {MOST_CONTAINERS} containers");
                return Err(de::Error::custom(what));
            }
            items.push(item);
        }
        Ok(Node::List(items))
    }
}

/// A workload: what of its `spec` is ever put in or taken out, and what decides about that.
#[derive(Debug, Clone)]
pub(crate) struct Tree<'a> {
    pub(crate) kind: Kind,
    pub(crate) spec: Node<'a>,
    /// Of the containers, in their order.
    pub(crate) names: Vec<Cow<'a, str>>,
    /// The template's annotations under our prefix.
    pub(crate) ours: Ours<'a>,
}

/// For what is not there.
static NOTHING: Node<'static> = Node::Gone;

impl<'a> Tree<'a> {
    /// Reads a workload.
    ///
    /// # Errors
    /// Why the template is none, in words.
    pub(crate) fn read(kind: Kind, spec: &Spec<'a>) -> Result<Self, String> {
        let raw = spec.template.ok_or("spec.template is missing")?;
        let told = |why: String| match kind {
            Kind::Pod => why,
            _ => format!("spec.template: {why}"),
        };
        let bytes = raw.get().len();
        if bytes > MOST_BYTES {
            let what = format!("the template has {bytes} bytes, at most {MOST_BYTES} are read");
            return Err(told(what));
        }
        let open = |shape: &Shape, raw: &'a RawValue| {
            shape.deserialize(&mut serde_json::Deserializer::from_str(raw.get()))
        };
        let template = open(&TEMPLATE, raw).map_err(|error| told(error.to_string()))?;
        let mut members = vec![(Cow::Borrowed("template"), template)];
        let strategy = match kind.strategy() {
            "strategy" => spec.strategy,
            _ => spec.update_strategy,
        };
        if let Some(raw) = strategy {
            // What cannot be opened is none that anything of ours could stand in.
            let closed = Node::Json(Cow::Borrowed(raw.get()));
            let node = open(&STRATEGY, raw).unwrap_or(closed);
            members.push((Cow::Borrowed(kind.strategy()), node));
        }
        if let Some(raw) = spec.min_ready_seconds {
            let node = Node::Json(Cow::Borrowed(raw.get()));
            members.push((Cow::Borrowed("minReadySeconds"), node));
        }
        let mut tree = Self {
            kind,
            spec: Node::Object(members),
            names: Vec::new(),
            ours: Vec::new(),
        };
        let names: Result<_, _> = tree.containers().iter().map(name_of).collect();
        tree.names = names.map_err(|error| told(error.to_string()))?;
        tree.ours = our_annotations(tree.meta()).map_err(|error| told(error.to_string()))?;
        Ok(tree)
    }

    pub(crate) fn template(&self) -> &Node<'a> {
        self.spec.get("template").unwrap_or(&NOTHING)
    }

    pub(crate) fn meta(&self) -> &Node<'a> {
        self.template().get("metadata").unwrap_or(&NOTHING)
    }

    pub(crate) fn pod(&self) -> &Node<'a> {
        self.template().get("spec").unwrap_or(&NOTHING)
    }

    pub(crate) fn containers(&self) -> &[Node<'a>] {
        match self.pod().get("containers") {
            Some(Node::List(containers)) => containers,
            _ => &[],
        }
    }

    /// Read only where a pod has some.
    pub(crate) fn init_containers(&self) -> Vec<serde_json::Value> {
        let init = self.pod().json("initContainers");
        init.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    pub(crate) fn strategy(&self) -> &Node<'a> {
        self.spec.get(self.kind.strategy()).unwrap_or(&NOTHING)
    }

    /// What of the strategy has the numbers of pods.
    pub(crate) fn rolling(&self) -> &Node<'a> {
        self.strategy().get(self.kind.rolling()).unwrap_or(&NOTHING)
    }

    /// The record's text, where there is one.
    pub(crate) fn record(&self) -> Option<&str> {
        let found = self
            .ours
            .iter()
            .find(|(key, _)| key == crate::policy::STATUS);
        found.map(|(_, value)| value.as_ref())
    }

    /// The template's labels under our prefix, which should be annotations.
    pub(crate) fn our_labels(&self) -> Ours<'_> {
        let labels = self.meta().json("labels");
        let labels = labels.filter(|text| text.contains(PREFIX));
        labels
            .and_then(|text| ours(&mut serde_json::Deserializer::from_str(text)).ok())
            .unwrap_or_default()
    }
}

fn name_of<'a>(container: &Node<'a>) -> Result<Cow<'a, str>, serde_json::Error> {
    match container.get("name") {
        Some(node) => string(node),
        None => Ok(Cow::Borrowed("")),
    }
}

fn our_annotations<'a>(meta: &Node<'a>) -> Result<Ours<'a>, serde_json::Error> {
    let Some(Node::Object(members)) = meta.get("annotations") else {
        return Ok(Vec::new());
    };
    let ours = members.iter().filter(|(key, _)| key.starts_with(PREFIX));
    ours.map(|(key, node)| Ok((key.clone(), string(node)?)))
        .collect()
}

fn string<'a>(node: &Node<'a>) -> Result<Cow<'a, str>, serde_json::Error> {
    match node {
        // The borrow outlives the node, where the text is borrowed.
        Node::Json(Cow::Borrowed(text)) => Ok(serde_json::from_str::<Text<'a>>(text)?.0),
        node => Ok(Cow::Owned(serde_json::from_str(&node.text())?)),
    }
}
