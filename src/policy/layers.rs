use std::borrow::Cow;

use crate::text::{cut, shown};

/// The longest name of a namespace, in characters.
const LABEL: usize = 63;
/// The longest name of an object.
const SUBDOMAIN: usize = 253;

/// Annotations as they stand in one place: full keys and their values.
pub type Pairs<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// Where an annotation stands, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The workload's own metadata.
    Workload,
    /// The metadata of its pod template.
    Template,
    /// Its Namespace.
    Namespace,
    /// The flags of `silkroll serve`.
    Default,
}

impl Layer {
    /// Whether the author of the request wrote it: then a bad value is the author's to mend, and
    /// the request is denied. What stands elsewhere must not block everybody.
    #[must_use]
    pub fn is_authors(self) -> bool {
        matches!(self, Self::Workload | Self::Template)
    }
}

/// The object that the policy is for, as messages name it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// `Deployment`, `StatefulSet`, …, or `Pod`.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name, or its `generateName`.
    pub name: &'a str,
}

impl Subject<'_> {
    /// `Deployment shop/web`, `the pod template of Deployment shop/web`, `Namespace shop`, …
    #[must_use]
    pub fn place(&self, layer: Layer) -> String {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        // What the API server would refuse may be of any length.
        let (namespace, name) = (shown(namespace, LABEL), shown(name, SUBDOMAIN));
        let name = if name.is_empty() { "(no name)" } else { &name };
        // kubectl may cut a warning, and its cure comes after the place: long names go without the
        // namespace, which the author knows.
        let name = if namespace.len() + name.len() < LABEL {
            format!("{namespace}/{name}")
        } else {
            cut(name, LABEL)
        };
        match layer {
            // A Pod is its own template.
            Layer::Template if *kind == "Pod" => format!("{kind} {name}"),
            Layer::Workload => format!("{kind} {name}"),
            Layer::Template => format!("the pod template of {kind} {name}"),
            Layer::Namespace => format!("Namespace {namespace}"),
            Layer::Default => "the cluster's defaults (silkroll serve --default)".to_owned(),
        }
    }
}

/// The four layers of one workload, and the labels that look like annotations.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// Who all this is about.
    pub subject: Subject<'a>,
    /// Annotations of the workload's metadata.
    pub workload: &'a Pairs<'a>,
    /// Annotations of its pod template.
    pub template: &'a Pairs<'a>,
    /// Annotations of its Namespace.
    pub namespace: &'a Pairs<'a>,
    /// The cluster's defaults.
    pub defaults: &'a Pairs<'a>,
    /// Labels of the workload under our prefix.
    pub workload_labels: &'a Pairs<'a>,
    /// Labels of its pod template under our prefix.
    pub template_labels: &'a Pairs<'a>,
    /// Labels of the Namespace under our prefix.
    pub namespace_labels: &'a Pairs<'a>,
}

/// A value and where it was found.
#[derive(Debug, Clone, Copy)]
pub struct LayerValue<'a> {
    /// The annotation's value.
    pub value: &'a str,
    /// Where it stands.
    pub layer: Layer,
}

impl<'a> Layers<'a> {
    /// The layers, strongest first.
    pub fn each(&self) -> impl Iterator<Item = (Layer, &'a Pairs<'a>)> {
        [
            (Layer::Workload, self.workload),
            (Layer::Template, self.template),
            (Layer::Namespace, self.namespace),
            (Layer::Default, self.defaults),
        ]
        .into_iter()
    }

    /// The strongest value of a key, given without the prefix.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<LayerValue<'a>> {
        self.each().find_map(|(layer, pairs)| {
            pairs
                .iter()
                .find(|(key, _)| key.strip_prefix(super::PREFIX) == Some(name))
                .map(|(_, value)| LayerValue { value, layer })
        })
    }

    /// Labels under our prefix, with the layer they stand in; names without the prefix.
    pub fn labels(&self) -> impl Iterator<Item = (Layer, &'a str)> {
        [
            (Layer::Workload, self.workload_labels),
            (Layer::Template, self.template_labels),
            (Layer::Namespace, self.namespace_labels),
        ]
        .into_iter()
        .flat_map(|(layer, pairs)| {
            pairs
                .iter()
                .filter_map(move |(key, _)| Some((layer, key.strip_prefix(super::PREFIX)?)))
        })
    }
}
