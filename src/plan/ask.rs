//! What the engine is asked.

use std::borrow::Cow;

use super::report::Reason;
use crate::deregister::{Arch, Helper, Script};
use crate::policy::{Pairs, Problem, Subject};
use crate::slots::kind::Kind;
use crate::slots::sent::Witnesses;
use crate::slots::view::Object;

/// What does not change from one request to the next.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster's defaults: full keys, checked at start.
    pub defaults: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The script that pods run.
    pub script: Script,
    /// The helper binary that pods run instead, where their image may have no shell.
    pub helper: Helper,
    /// The architecture that all nodes of the cluster have, where they have one and it is known.
    pub node_arch: Option<Arch>,
    /// Whether the cluster has the native sleep action (Kubernetes 1.30 and later).
    pub native_sleep: bool,
    /// Whether an annotation that cannot be used denies the request of its author.
    pub deny_invalid: bool,
    /// The kinds that are covered.
    pub kinds: Vec<Kind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            defaults: Vec::new(),
            script: Script::current(),
            helper: Helper::current(),
            node_arch: None,
            native_sleep: true,
            deny_invalid: true,
            kinds: vec![Kind::Deployment],
        }
    }
}

impl Settings {
    /// The kinds that are covered, as the command line names them.
    pub(crate) fn workloads(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.option()).collect();
        kinds.join(",")
    }
}

/// What is known of the namespace.
#[derive(Debug, Clone, Copy)]
pub enum NamespaceView<'a> {
    /// Its annotations and labels under our prefix.
    Known {
        /// Full keys and values.
        annotations: &'a Pairs<'a>,
        /// Full keys and values.
        labels: &'a Pairs<'a>,
    },
    /// It is not in the snapshot.
    Unknown,
    /// No cluster was asked; it counts as opted in (a file at hand was meant).
    Assumed,
}

impl<'a> NamespaceView<'a> {
    pub(crate) fn annotations(self) -> &'a Pairs<'a> {
        match self {
            Self::Known { annotations, .. } => annotations,
            Self::Unknown | Self::Assumed => &[],
        }
    }

    pub(crate) fn labels(self) -> &'a Pairs<'a> {
        match self {
            Self::Known { labels, .. } => labels,
            Self::Unknown | Self::Assumed => &[],
        }
    }
}

/// One question to the engine.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What holds for all requests.
    pub settings: &'a Settings,
    /// The object's kind.
    pub kind: Kind,
    /// The namespace that it goes to.
    pub namespace: &'a str,
    /// What is known of that namespace.
    pub view: NamespaceView<'a>,
    /// The object.
    pub object: &'a Object<'a>,
    /// The object as it is stored; none for a CREATE.
    pub old: Option<&'a Object<'a>>,
    /// The field manager of the request: a server-side apply always has one.
    pub manager: Option<&'a str>,
    /// Take the injection out instead of bringing it in.
    pub remove: bool,
    /// Tell the decisions one by one.
    pub explain: bool,
    /// Whether the helper's ConfigMap stands in the namespace. Asked of Pods alone, which start at once; false
    /// where it is not known.
    pub helper_stands: bool,
}

impl Ask<'_> {
    /// Where it can be seen what the user sent.
    pub(crate) fn told(&self) -> Witnesses<'_> {
        Witnesses {
            meta: self.object.metadata.as_ref(),
            stored: self.old.and_then(|old| old.metadata.as_ref()),
            manager: self.manager,
        }
    }

    pub(crate) fn workload_name(&self) -> &str {
        let name = self
            .object
            .metadata
            .as_ref()
            .and_then(|meta| meta.name.as_ref());
        name.map_or("", |name| name.0.as_ref())
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            kind: self.kind.name(),
            namespace: self.namespace,
            name: self.object.name(),
        }
    }
}

/// Why an injection was given up.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A value does not fit this object.
    Problem(Problem),
    /// The object is left alone, with a warning.
    Skip(Reason, String),
}

impl Stop {
    pub(crate) fn skip(reason: Reason, warning: String) -> Self {
        Self::Skip(reason, warning)
    }
}
