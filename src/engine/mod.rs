//! Workload and policy in, a [`Decision`] with a JSON patch out. Pure: no I/O, no clock, no
//! randomness; the same input gives the same bytes.
//!
//! How an UPDATE is told from a change that the user made (law 2, no rollout of its own):
//! 1. Template, our annotations and strategy are the same bytes as before: nothing to do.
//! 2. What the user wrote (the template without our parts, `base.rs`) has the same fingerprint as
//!    in the old object: the old template is put back, whatever was re-applied over it.
//! 3. The template carries a record that fits it whole: it came back from a rollback and stays.
//! 4. Else the user changed something: our parts are taken out and injected afresh.

mod base;
mod container;
mod cover;
mod emit;
mod env;
mod fingerprint;
mod grace;
mod hint;
mod hook;
mod inject;
mod nodes;
mod own;
mod patch;
mod probe;
mod report;
mod rollout;
mod status;
mod strict;
mod target;
mod valid;
mod view;
mod was;
mod weigh;

use std::borrow::Cow;

use memchr::memmem;
use serde_json::value::RawValue;

pub use cover::NamespaceView;
pub use report::{Decision, Outcome, Reason, Step, Timeline};
pub(crate) use strict::{Strict, flag, optional};
pub use view::{Object, Text};

use crate::leave::{Helper, Script};
use crate::policy::{self, Problem, Subject};
use view::Template;

/// The kinds of workload that Silkroll knows, all of `apps/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Deployment
    Deployment,
    /// `StatefulSet`
    StatefulSet,
    /// `DaemonSet`
    DaemonSet,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The kind's name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// Finds a kind by `apiVersion` and `kind`.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        (api_version == "apps/v1")
            .then(|| Self::ALL.into_iter().find(|known| known.name() == kind))
            .flatten()
    }
}

/// What does not change from one request to the next.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster's defaults: full keys, checked at start.
    pub defaults: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The script that pods run.
    pub script: Script,
    /// The helper binary that pods run instead, where `hook: binary` says so.
    pub helper: Helper,
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
            native_sleep: true,
            deny_invalid: true,
            kinds: vec![Kind::Deployment],
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
    /// Take the injection out instead of bringing it in.
    pub remove: bool,
    /// Tell the decisions one by one.
    pub explain: bool,
}

impl Ask<'_> {
    fn workload_name(&self) -> &str {
        self.object
            .metadata
            .as_ref()
            .and_then(|meta| meta.name.as_ref())
            .map_or("", |name| name.0.as_ref())
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            kind: self.kind.name(),
            namespace: self.namespace,
            name: self.object.name(),
        }
    }
}

/// Why an injection was given up.
#[derive(Debug)]
enum Stop {
    /// A value does not fit this object.
    Problem(Problem),
    /// The object is left alone, with a warning.
    Skip(Reason, String),
}

impl Stop {
    fn skip(reason: Reason, warning: String) -> Self {
        Self::Skip(reason, warning)
    }
}

/// Decides on one workload.
#[must_use]
pub fn decide(ask: &Ask<'_>) -> Decision {
    if !ask.remove && !ask.settings.kinds.contains(&ask.kind) {
        return weigh::left_out(ask);
    }
    if !ask.remove && nothing_changed(ask) {
        return Decision::new(Outcome::Unchanged, Reason::NothingChanged);
    }
    let Some(raw) = ask.object.template() else {
        return malformed(ask, "spec.template is missing");
    };
    if let Some(decision) = weigh::nobodys(ask, raw) {
        return decision;
    }
    let template = match Template::read(raw) {
        Ok(template) => template,
        Err(error) => return malformed(ask, &format!("spec.template: {error}")),
    };
    let old_template = ask
        .old
        .and_then(Object::template)
        .filter(|raw| memmem::find(raw.get().as_bytes(), policy::STATUS.as_bytes()).is_some())
        .and_then(|raw| Template::read(raw).ok());
    let mut decision = weigh::weigh(ask, &template, old_template.as_ref());
    decision.helper = mounts_helper(ask, &decision, raw);
    decision
}

/// Whether the pods that come of it mount the helper of this version. One mention too many, in a
/// template that is just being rid of it, costs a ConfigMap that nobody mounts.
fn mounts_helper(ask: &Ask<'_>, decision: &Decision, template: &RawValue) -> bool {
    let name = ask.settings.helper.config_map.as_bytes();
    let mentions = |text: &str| memmem::find(text.as_bytes(), name).is_some();
    matches!(decision.outcome, Outcome::Injected | Outcome::Unchanged)
        && (mentions(template.get()) || decision.patch.as_deref().is_some_and(mentions))
}

fn malformed(ask: &Ask<'_>, what: &str) -> Decision {
    Decision::skipped(Reason::Malformed).warn(&format!(
        "{} was left alone, it cannot be read: {what}",
        ask.subject().place(policy::Layer::Workload)
    ))
}

/// Whether it is an UPDATE that touches nothing that Silkroll looks at. Bytes are compared, not values: the
/// API server writes both objects with one encoder.
fn nothing_changed(ask: &Ask<'_>) -> bool {
    let Some(old) = ask.old else {
        return false;
    };
    let (Some(new_spec), Some(old_spec)) = (&ask.object.spec, &old.spec) else {
        return false;
    };
    let (Some(new_meta), Some(old_meta)) = (&ask.object.metadata, &old.metadata) else {
        return false;
    };
    let same = |new: Option<&RawValue>, old: Option<&RawValue>| {
        new.map(RawValue::get) == old.map(RawValue::get)
    };
    same(new_spec.template, old_spec.template)
        && new_meta.annotations == old_meta.annotations
        && same(new_spec.strategy, old_spec.strategy)
        && same(new_spec.update_strategy, old_spec.update_strategy)
        && same(new_spec.min_ready_seconds, old_spec.min_ready_seconds)
        // What was injected as minReadySeconds has to stay below it.
        && same(new_spec.progress_deadline_seconds, old_spec.progress_deadline_seconds)
}
