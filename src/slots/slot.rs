//! A place that something is injected into: a member at a path, or an item of a list. How a value is
//! put in, taken out, compared and recorded is known here and nowhere else.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::hash_map::{self, Entry};
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use memchr::memmem::Finder;
use serde_json::Value;

use super::json;
use super::tree::{Node, Tree};

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
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

impl Root {
    /// Whether it is part of the pod template, which a rollback brings back.
    pub(crate) fn in_template(self) -> bool {
        matches!(self, Self::Template | Self::Pod | Self::Container)
    }
}

/// What can stand in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A whole number of seconds.
    Seconds,
    /// A number of pods, a percentage, a word, or a list that is ours or not, as a whole.
    Plain,
    /// An object. What an apply merged into ours is the user's where one of these members is in it: it
    /// can stand alone then. None named: any member but the one that the item is told apart by.
    Object(&'static [&'static str]),
}

/// One kind of slot; a part says which it fills.
#[derive(Debug)]
pub(crate) struct Form {
    /// Its name in the record, which no other form has.
    pub(crate) key: &'static str,
    pub(crate) root: Root,
    pub(crate) path: &'static [&'static str],
    /// For an item of the list at the path: the member that tells items apart, and its value; empty where
    /// the record names it.
    pub(crate) item: Option<(&'static str, &'static str)>,
    pub(crate) holds: Holds,
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Form {}

/// The one slot that no part fills: the record itself.
pub(crate) const RECORD: Form = Form {
    key: "record",
    root: Root::Template,
    path: &["metadata", "annotations", crate::policy::STATUS],
    item: None,
    holds: Holds::Plain,
};

/// A slot of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot<'a> {
    pub(crate) form: &'static Form,
    /// The container's name; empty for all others.
    pub(crate) container: Cow<'a, str>,
    /// What the item is called where the form leaves it open.
    pub(crate) item: Cow<'a, str>,
}

impl<'a> Slot<'a> {
    pub(crate) fn new(form: &'static Form) -> Self {
        Self::of(form, Cow::Borrowed(""))
    }

    pub(crate) fn of(form: &'static Form, container: Cow<'a, str>) -> Self {
        let item = Cow::Borrowed("");
        Self {
            form,
            container,
            item,
        }
    }

    /// Its name in the record: `grace`, `web/preStop`, `web/env/podip`.
    pub(crate) fn key(&self) -> String {
        // With the two slashes, so that it is not moved while it grows.
        let bytes = self.container.len() + self.form.key.len() + self.item.len() + 2;
        let mut key = String::with_capacity(bytes);
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
    pub(crate) fn parse(key: &'a str, forms: impl Iterator<Item = &'static Form>) -> Option<Self> {
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
    pub(crate) fn path(
        &self,
        tree: &Tree<'_>,
    ) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let names = [tree.kind.strategy(), tree.kind.rolling()];
        let of_the_kind = match self.form.root {
            Root::Strategy => 1,
            Root::Rolling => 2,
            _ => 0,
        };
        let names = names.into_iter().take(of_the_kind);
        names.chain(self.form.path.iter().copied())
    }

    /// The member that tells items apart, and its value here.
    pub(crate) fn item(&self) -> Option<(&'static str, &str)> {
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

    /// Whether a text is what the record says of this slot: `now`, which is read into `recorded` where it has to be.
    pub(crate) fn holds(&self, text: &str, now: &str, recorded: &OnceCell<Value>) -> bool {
        let item = self.item();
        is_short(text, item, now) || {
            let recorded = recorded.get_or_init(|| json::value(now));
            stands(&json::value(text), recorded, item.map(|(by, _)| by))
        }
    }

    /// The path of the innermost parent that putting it in may have to make; each part of it from its beginning is one, too.
    pub(crate) fn parents(&self, tree: &Tree<'_>) -> Vec<&'static str> {
        let mut path: Vec<_> = self.path(tree).collect();
        if self.form.item.is_none() {
            path.pop();
        }
        path
    }

    /// The name of a parent in the record.
    pub(crate) fn parent_key(&self, path: &[&str]) -> String {
        let path = path.join("/");
        match self.form.root {
            Root::Container => format!("{}/{path}", self.container),
            _ => path,
        }
    }
}

/// Names are short, and there are many.
type HashMap<K, V> = hash_map::HashMap<K, V, RandomState>;

/// A tree with its containers and items by name, for a record or a plan may name thousands.
#[derive(Debug)]
pub(crate) struct Places<'t, 'a> {
    pub(crate) tree: &'t mut Tree<'a>,
    /// Where template, pod and containers stand among the members that they are among. Nothing moves them.
    down: [usize; 3],
    containers: HashMap<Cow<'a, str>, usize>,
    /// The lists that were looked into, by container and form.
    lists: HashMap<(usize, &'static str), List<'a>>,
}

/// A list of a container.
#[derive(Debug, Default)]
struct List<'a> {
    /// Where it stands among the container's members.
    member: usize,
    /// The first of each name.
    items: HashMap<Cow<'a, str>, usize>,
    /// The others.
    more: HashMap<Cow<'a, str>, Vec<usize>>,
}

impl List<'_> {
    /// Where the items of a name stand.
    fn named(&self, name: &str) -> Vec<usize> {
        let first = self.items.get(name).into_iter();
        first
            .chain(self.more.get(name).into_iter().flatten())
            .copied()
            .collect()
    }
}

impl<'t, 'a> Places<'t, 'a> {
    pub(crate) fn new(tree: &'t mut Tree<'a>) -> Self {
        let names = tree.names.iter().enumerate().rev();
        let containers = names.map(|(at, name)| (name.clone(), at)).collect();
        // Where one is not there, nothing below it is.
        let down = ["template", "spec", "containers"];
        let mut node = Some(&tree.spec);
        let down = down.map(|name| {
            let at = node.and_then(|node| node.index(name));
            node = at.zip(node).and_then(|(at, node)| node.nth(at));
            at.unwrap_or(usize::MAX)
        });
        Self {
            tree,
            down,
            containers,
            lists: HashMap::default(),
        }
    }

    fn root(&mut self, slot: &Slot<'_>) -> Option<&mut Node<'a>> {
        let [template, pod, containers] = self.down;
        let spec = &mut self.tree.spec;
        match slot.form.root {
            Root::Strategy | Root::Rolling | Root::Spec => Some(spec),
            Root::Template => spec.nth_mut(template),
            Root::Pod => spec.nth_mut(template)?.nth_mut(pod),
            Root::Container => {
                let at = *self.containers.get(&*slot.container)?;
                let pod = spec.nth_mut(template)?.nth_mut(pod)?;
                match pod.nth_mut(containers)? {
                    Node::List(containers) => containers.get_mut(at),
                    _ => None,
                }
            }
        }
    }

    /// The node at a path from the slot's root, where it is there.
    pub(crate) fn at<'p>(
        &mut self,
        slot: &Slot<'_>,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Option<&mut Node<'a>> {
        path.into_iter().try_fold(self.root(slot)?, |node, name| {
            let at = node.index(name)?;
            node.nth_mut(at)
        })
    }

    /// What stands in a slot; null does.
    pub(crate) fn find(&mut self, slot: &Slot<'_>) -> Option<&mut Node<'a>> {
        self.find_by(slot, |_| true)
    }

    /// The same; of several items of one name, the one that is what the record says, where there is one.
    pub(crate) fn find_ours(&mut self, slot: &Slot<'_>, now: &str) -> Option<&mut Node<'a>> {
        // Read once, for there may be thousands of one name.
        let recorded = OnceCell::new();
        self.find_by(slot, |node| match node {
            Node::Json(text) => slot.holds(text, now, &recorded),
            _ => false,
        })
    }

    /// Of several items of one name, the first that is asked for, else the first.
    fn find_by(
        &mut self,
        slot: &Slot<'_>,
        asked: impl Fn(&Node<'a>) -> bool,
    ) -> Option<&mut Node<'a>> {
        let found = match slot.form.item {
            None => {
                let path = slot.path(self.tree);
                self.at(slot, path)
            }
            Some((_, is)) => {
                let (list, named) = if is.is_empty() {
                    let list = self.list(slot)?;
                    let (member, named) = (list.member, list.named(&slot.item));
                    (self.root(slot)?.nth_mut(member)?, named)
                } else {
                    let path = slot.path(self.tree);
                    let list = self.at(slot, path)?;
                    let items = list.places().iter().enumerate();
                    let is_it =
                        |node: &Node<'a>| matches!(node, Node::Json(text) if slot.is_item(text));
                    let named = items.filter(|(_, item)| is_it(item)).map(|(at, _)| at);
                    let named = named.collect();
                    (list, named)
                };
                let ours = |at: &&usize| list.places().get(**at).is_some_and(&asked);
                let ours = named.iter().find(|at| named.len() > 1 && ours(at));
                list.item_mut(*ours.or(named.first())?)
            }
        };
        found.filter(|node| !matches!(node, Node::Gone))
    }

    /// The list of a container that a slot is an item of; its path has one name.
    fn list(&mut self, slot: &Slot<'_>) -> Option<&mut List<'a>> {
        let key = (*self.containers.get(&*slot.container)?, slot.form.key);
        if !self.lists.contains_key(&key) {
            let container = self.root(slot)?;
            let member = container.index(slot.form.path.first()?)?;
            let mut found = List {
                member,
                ..List::default()
            };
            if let Some(Node::List(list)) = container.nth(member) {
                found.items.reserve(list.len());
                for (at, item) in list.iter().enumerate() {
                    if let Node::Json(text) = item {
                        let name = match text {
                            Cow::Borrowed(text) => json::name_of(text),
                            Cow::Owned(text) => Cow::Owned(json::name_of(text).into_owned()),
                        };
                        match found.items.entry(name) {
                            Entry::Vacant(free) => drop(free.insert(at)),
                            Entry::Occupied(taken) => {
                                found.more.entry(taken.key().clone()).or_default().push(at);
                            }
                        }
                    }
                }
            }
            self.lists.insert(key, found);
        }
        self.lists.get_mut(&key)
    }

    /// Puts a value in; of a list's items, before all others or after them.
    pub(crate) fn put(&mut self, slot: &Slot<'a>, text: Cow<'a, str>, first: bool) {
        let path = slot.path(self.tree);
        let Some(root) = self.root(slot) else {
            return;
        };
        let place = path.fold(root, Node::place);
        if slot.form.item.is_none() {
            *place = Node::Json(text);
            return;
        }
        if !matches!(place, Node::List(_)) {
            *place = Node::List(Vec::new());
        }
        let mut last = None;
        if let Node::List(items) = place {
            // An item of which there is one stands where it stood. The order of others means something.
            let left = matches!(slot.form.item, Some((_, is)) if !is.is_empty());
            let hole = items
                .iter()
                .position(|item| left && matches!(item, Node::Gone));
            match hole {
                Some(at) => items[at] = Node::Json(text),
                None if first => items.insert(0, Node::Json(text)),
                None => {
                    last = Some(items.len());
                    items.push(Node::Json(text));
                }
            }
        }
        if let Some(at) = self.containers.get(&*slot.container) {
            let key = (*at, slot.form.key);
            match (last, self.lists.get_mut(&key)) {
                (Some(at), Some(known)) => {
                    known.items.entry(slot.item.clone()).or_insert(at);
                }
                _ => drop(self.lists.remove(&key)),
            }
        }
    }
}

/// Longer values are recorded by their hash, in bytes of JSON. A variable that reads a field or a Secret fits.
const LONGEST: usize = 128;

/// How a hash begins.
static HASH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"#"));

/// Whether a text is recorded as it is: a short one, in which nothing can be taken for a hash.
fn is_literal(text: &str) -> bool {
    text.len() <= LONGEST && HASH.find(text.as_bytes()).is_none()
}

/// What the record keeps of a value of ours: enough to know it again, and to know its members again where
/// an apply merged the user's into it. `item`: the member that the key names already.
pub(crate) fn abbreviated<'t>(text: &'t str, item: Option<(&str, &str)>) -> Cow<'t, str> {
    let short = short(text, item);
    short.unwrap_or_else(|| Cow::Owned(shortened(text, item.map(|(by, _)| by))))
}

fn shortened(text: &str, by: Option<&str>) -> String {
    if !text.starts_with('{') {
        return json::string(&json::hash(json::value(text)));
    }
    let members = json::members(text);
    let members = members.iter().filter(|(key, _)| Some(&**key) != by);
    let bytes: usize = members.clone().map(|(_, value)| value.get().len()).sum();
    if bytes <= LONGEST {
        let whole = json::object(members.clone().map(|(key, value)| (key, value.get())));
        if is_literal(&whole) {
            return whole;
        }
    }
    json::object(members.map(|(key, value)| (key, abbreviated(value.get(), None))))
}

/// What a text begins with in the record, and the rest of it: of an item without the member that the key names.
fn recorded<'t>(text: &'t str, item: Option<(&str, &str)>) -> Option<(&'static str, &'t str)> {
    let Some((by, is)) = item else {
        return Some(("", text));
    };
    let rest = text.strip_prefix("{\"")?.strip_prefix(by)?;
    let rest = rest.strip_prefix("\":\"")?.strip_prefix(is)?;
    Some(("{", rest.strip_prefix("\",")?))
}

/// A short value as the record keeps it, without reading it: most are. `None` where it has to be read.
fn short<'t>(text: &'t str, item: Option<(&str, &str)>) -> Option<Cow<'t, str>> {
    let (open, rest) = recorded(text, item)?;
    (open.len() + rest.len() <= LONGEST).then_some(())?;
    let kept = match open {
        "" => Cow::Borrowed(rest),
        open => Cow::Owned([open, rest].concat()),
    };
    is_literal(&kept).then_some(kept)
}

/// Whether a text is a short value that the record keeps as `now`.
pub(crate) fn is_short(text: &str, item: Option<(&str, &str)>, now: &str) -> bool {
    recorded(text, item).is_some_and(|(open, rest)| now.strip_prefix(open) == Some(rest))
        && is_literal(now)
}

/// Whether a value is what the record says.
pub(crate) fn stands(value: &Value, recorded: &Value, by: Option<&str>) -> bool {
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
