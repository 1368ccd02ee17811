//! A place that something is injected into: a member at a path, or an item of a list. How a value is
//! put in, taken out, compared and recorded is known here and nowhere else.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::json;
use super::tree::{Node, Tree};

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// The strategy in the workload's `spec`, by whatever name the kind has it.
    Strategy,
    /// The member of the strategy with the numbers of pods, by whatever name the kind has it.
    Rolling,
    /// The workload's `spec`.
    Spec,
    /// The pod template.
    Template,
    /// The pod's spec.
    Pod,
    /// A container.
    Container,
}

/// What can stand in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A whole number of seconds.
    Seconds,
    /// A number of pods, a percentage, a word, or a list that is ours or not, as a whole.
    Plain,
    /// An object. What an apply merged into ours is the user's where one of these members is in it: it
    /// can stand alone then. None named: any member but the one that the item is told apart by.
    Object(&'static [&'static str]),
}

/// One kind of slot; a part says which it fills.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Its name in the record.
    pub(super) key: &'static str,
    pub(super) root: Root,
    pub(super) path: &'static [&'static str],
    /// For an item of the list at the path: the member that tells items apart, and its value; empty where
    /// the record names it.
    pub(super) item: Option<(&'static str, &'static str)>,
    pub(super) holds: Holds,
}

/// The one slot that no part fills: the record itself.
pub(super) const RECORD: Form = Form {
    key: "record",
    root: Root::Template,
    path: &["metadata", "annotations", crate::policy::STATUS],
    item: None,
    holds: Holds::Plain,
};

/// A slot of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot<'a> {
    pub(super) form: &'static Form,
    /// The container's name; empty for all others.
    pub(super) container: Cow<'a, str>,
    /// What the item is called where the form leaves it open.
    pub(super) item: Cow<'a, str>,
}

impl<'a> Slot<'a> {
    pub(super) fn new(form: &'static Form) -> Self {
        Self::of(form, Cow::Borrowed(""))
    }

    pub(super) fn of(form: &'static Form, container: Cow<'a, str>) -> Self {
        let item = Cow::Borrowed("");
        Self {
            form,
            container,
            item,
        }
    }

    /// Its name in the record: `grace`, `web/preStop`, `web/env/podip`.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        if self.form.root == Root::Container {
            key.push_str(&self.container);
            key.push('/');
        }
        key.push_str(self.form.key);
        if matches!(self.form.item, Some((_, ""))) {
            key.push('/');
            key.push_str(&self.item);
        }
        key
    }

    /// Reads such a name. A container's may be anything, so the end is read first.
    pub(super) fn parse(key: &'a str, forms: impl Iterator<Item = &'static Form>) -> Option<Self> {
        forms.into_iter().find_map(|form| {
            let (rest, item) = match form.item {
                Some((_, "")) => key.rsplit_once('/')?,
                _ => (key, ""),
            };
            let rest = rest.strip_suffix(form.key)?;
            let container = match form.root {
                Root::Container => rest.strip_suffix('/')?,
                _ => rest.is_empty().then_some("")?,
            };
            Some(Self {
                form,
                container: Cow::Borrowed(container),
                item: Cow::Borrowed(item),
            })
        })
    }

    /// The path, with the names that the kind has for its root; of a strategy from the workload's `spec`.
    pub(super) fn path(&self, tree: &Tree<'_>) -> Vec<&'static str> {
        let names = [tree.kind.strategy(), tree.kind.rolling()];
        let names = match self.form.root {
            Root::Strategy => &names[..1],
            Root::Rolling => &names[..],
            _ => &[],
        };
        [names, self.form.path].concat()
    }

    /// The member that tells items apart, and its value here.
    pub(super) fn item(&self) -> Option<(&'static str, &str)> {
        let (by, is) = self.form.item?;
        Some((by, if is.is_empty() { &self.item } else { is }))
    }

    /// Whether this text is the item.
    fn is_item(&self, text: &str) -> bool {
        self.item().is_some_and(|(by, is)| match by {
            "name" => json::name_of(text) == is,
            by => json::value(text)[by] == *is,
        })
    }

    /// Where each parent that putting it in may have to make is found, the outermost first, with its name in the record.
    pub(super) fn parents(&self, tree: &Tree<'_>) -> Vec<(String, Vec<&'static str>)> {
        let path = self.path(tree);
        let depth = if self.form.item.is_some() {
            path.len()
        } else {
            path.len() - 1
        };
        let prefix = match self.form.root {
            Root::Container => format!("{}/", self.container),
            _ => String::new(),
        };
        (1..=depth)
            .map(|depth| {
                (
                    format!("{prefix}{}", path[..depth].join("/")),
                    path[..depth].to_vec(),
                )
            })
            .collect()
    }
}

/// A tree with its containers and items by name, for a record or a plan may name thousands.
#[derive(Debug)]
pub(super) struct Places<'t, 'a> {
    pub(super) tree: &'t mut Tree<'a>,
    containers: HashMap<String, usize>,
    /// The items of the list that was looked into last.
    list: Option<(usize, &'static Form, HashMap<String, usize>)>,
}

impl<'t, 'a> Places<'t, 'a> {
    pub(super) fn new(tree: &'t mut Tree<'a>) -> Self {
        let names = tree.names.iter().enumerate().rev();
        let containers = names
            .map(|(at, name)| (name.clone().into_owned(), at))
            .collect();
        Self {
            tree,
            containers,
            list: None,
        }
    }

    fn root(&mut self, slot: &Slot<'_>) -> Option<&mut Node<'a>> {
        match slot.form.root {
            Root::Strategy | Root::Rolling | Root::Spec => Some(&mut self.tree.spec),
            Root::Template => member(&mut self.tree.spec, "template"),
            Root::Pod => member(member(&mut self.tree.spec, "template")?, "spec"),
            Root::Container => {
                let at = *self.containers.get(&*slot.container)?;
                let pod = member(member(&mut self.tree.spec, "template")?, "spec")?;
                match member(pod, "containers")? {
                    Node::List(containers) => containers.get_mut(at),
                    _ => None,
                }
            }
        }
    }

    /// The node at a path from the slot's root, where it is there.
    pub(super) fn at(&mut self, slot: &Slot<'_>, path: &[&str]) -> Option<&mut Node<'a>> {
        path.iter()
            .try_fold(self.root(slot)?, |node, name| member(node, name))
    }

    /// What stands in a slot; null does.
    pub(super) fn find(&mut self, slot: &Slot<'_>) -> Option<&mut Node<'a>> {
        let path = slot.path(self.tree);
        if slot.form.item.is_none() {
            return self
                .at(slot, &path)
                .filter(|node| !matches!(node, Node::Gone));
        }
        let at = if matches!(slot.form.item, Some((_, ""))) {
            self.index(slot, &path)?
        } else {
            let Node::List(items) = self.at(slot, &path)? else {
                return None;
            };
            let is = |node: &Node<'_>| matches!(node, Node::Json(text) if slot.is_item(text));
            items.iter().position(is)?
        };
        match self.at(slot, &path)? {
            Node::List(items) => items.get_mut(at).filter(|node| !matches!(node, Node::Gone)),
            _ => None,
        }
    }

    fn index(&mut self, slot: &Slot<'_>, path: &[&str]) -> Option<usize> {
        let container = *self.containers.get(&*slot.container)?;
        let known =
            matches!(&self.list, Some((at, form, _)) if *at == container && *form == slot.form);
        if !known {
            let mut names = HashMap::new();
            if let Node::List(items) = self.at(slot, path)? {
                for (at, item) in items.iter().enumerate() {
                    if let Node::Json(text) = item {
                        names.entry(json::name_of(text).into_owned()).or_insert(at);
                    }
                }
            }
            self.list = Some((container, slot.form, names));
        }
        let (_, _, names) = self.list.as_ref()?;
        names.get(&*slot.item).copied()
    }

    /// Puts a value in; of a list's items, before all others or after them.
    pub(super) fn put(&mut self, slot: &Slot<'_>, text: Cow<'a, str>, first: bool) {
        let path = slot.path(self.tree);
        let Some(root) = self.root(slot) else {
            return;
        };
        let place = path.iter().fold(root, |node, name| node.place(name));
        if slot.form.item.is_none() {
            *place = Node::Json(text);
            return;
        }
        if !matches!(place, Node::List(_)) {
            *place = Node::List(Vec::new());
        }
        if let Node::List(items) = place {
            // An item of which there is one stands where it stood. The order of others means something.
            let left = matches!(slot.form.item, Some((_, is)) if !is.is_empty());
            let hole = items
                .iter()
                .position(|item| left && matches!(item, Node::Gone));
            match hole {
                Some(at) => items[at] = Node::Json(text),
                None => items.insert(if first { 0 } else { items.len() }, Node::Json(text)),
            }
        }
        self.list = None;
    }
}

fn member<'n, 'a>(node: &'n mut Node<'a>, name: &str) -> Option<&'n mut Node<'a>> {
    let Node::Object(members) = node else {
        return None;
    };
    let found = members.iter_mut().find(|(key, _)| key == name);
    found.map(|(_, node)| node)
}

/// Longer values are recorded by their hash, in bytes of JSON.
const LONGEST: usize = 64;

/// What the record keeps of a value of ours: enough to know it again, and to know its members again where
/// an apply merged the user's into it. `by` is the member that the key names already.
pub(super) fn abbreviated(value: Value, by: Option<&str>) -> Value {
    let literal = !value.as_str().is_some_and(|text| text.starts_with('#'));
    match value {
        Value::Object(members) => {
            let members = members
                .into_iter()
                .filter(|(key, _)| Some(key.as_str()) != by);
            let whole = Value::Object(members.collect());
            match whole {
                Value::Object(members)
                    if Value::to_string(&members.clone().into()).len() > LONGEST =>
                {
                    let members = members.into_iter();
                    members
                        .map(|(key, value)| (key, abbreviated(value, None)))
                        .collect()
                }
                whole => whole,
            }
        }
        short if literal && short.to_string().len() <= LONGEST => short,
        long => json::hash(long).into(),
    }
}

/// A short value as the record keeps it, without reading it: most are. `None` where it has to be read.
pub(super) fn short<'t>(text: &'t str, item: Option<(&str, &str)>) -> Option<Cow<'t, str>> {
    let kept = match item {
        None => Cow::Borrowed(text),
        Some((by, is)) => {
            let named = format!("{{\"{by}\":\"{is}\",");
            Cow::Owned(format!("{{{}", text.strip_prefix(&named)?))
        }
    };
    (kept.len() <= LONGEST && !kept.starts_with('"')).then_some(kept)
}

/// Whether a value is what the record says.
pub(super) fn stands(value: &Value, recorded: &Value, by: Option<&str>) -> bool {
    match (value, recorded) {
        (value, Value::String(text)) if text.starts_with('#') => json::hash(value.clone()) == *text,
        (Value::Object(members), Value::Object(recorded)) => {
            let known = |key: &str| Some(key) != by;
            let count = members
                .iter()
                .filter(|(key, value)| known(key) && !value.is_null())
                .count();
            count == recorded.len()
                && recorded.iter().all(|(key, recorded)| {
                    members
                        .get(key)
                        .is_some_and(|value| stands(value, recorded, None))
                })
        }
        (value, recorded) => value == recorded,
    }
}
