//! What to say where nothing is injected although something looks as if it was meant to be: a key of
//! ours that is misspelt, is a label, or lies idle. Nothing is said where nothing of ours stands.

use std::borrow::Cow;

use crate::deregister::METHODS;
use crate::plan::ask::Ask;
use crate::policy::{self, Inject, Layer, Layers, PREFIX, Pairs, cut};

/// The key that decides who is covered.
const SWITCH: &str = "inject";
/// The longest name of a key that is shown: kubectl may cut a warning, and the cure has to be in it.
const SHOWN: usize = 40;
/// What opting in takes; the namespace's name follows.
const OPT_IN: &str = "set silkroll.dev/inject=enabled on namespace";

/// The namespace says nothing about `inject`. One warning, of what is nearest to the cause: what was
/// meant as the opt-in, then what waits for it. `said`: what the workload says of `inject`.
pub(super) fn not_opted_in(layers: &Layers<'_>, said: Option<Inject>) -> Option<String> {
    // Most namespaces: this is all it costs them.
    if layers.namespace.is_empty()
        && layers.namespace_labels.is_empty()
        && layers.workload.is_empty()
        && layers.template.is_empty()
        && layers.workload_labels.is_empty()
        && layers.template_labels.is_empty()
    {
        return None;
    }
    // Its author wants no injection: that is an answer.
    if said == Some(Inject::Disabled) {
        return None;
    }
    let asks = said == Some(Inject::Enabled);
    let name = layers.subject.namespace;
    mistaken_switch(layers)
        .or_else(|| {
            asks.then(|| {
                format!(
                    "silkroll.dev/inject: enabled on the {} has no effect: {OPT_IN} {name}, or on-request",
                    layers.subject.kind
                )
            })
        })
        .or_else(|| idle(layers).map(|what| format!("{what} has no effect: {OPT_IN} {name}")))
        .or_else(|| {
            let (key, _) = names(layers.namespace)
                .chain(names(layers.namespace_labels))
                .next()?;
            Some(format!(
                "nothing was injected: Namespace {name} has {PREFIX}{}, but no silkroll.dev/inject: enabled or \
                 on-request opts in, disabled ends this warning",
                cut(key, 30)
            ))
        })
}

/// An annotation or label on the namespace that was meant as the opt-in, or that nothing reads.
fn mistaken_switch(layers: &Layers<'_>) -> Option<String> {
    /// Each unknown one costs a comparison with every known one.
    const LOOKED_AT: usize = 10;
    let pairs = layers.namespace;
    let place = layers.subject.place(Layer::Namespace);
    let labels = || names(layers.namespace_labels).take(LOOKED_AT);
    let near = |name: &str, value: &str| policy::suggestion(name, value, pairs, METHODS);
    let known = |name: &str| policy::is_known(name, METHODS);
    let unknown = || {
        names(pairs)
            .filter(|(name, _)| !known(name))
            .take(LOOKED_AT)
    };
    // One warning is enough, so the one that leads to the opt-in goes first.
    let meant = |(name, value): &(&str, &str)| near(name, value) == Some(SWITCH);
    if let Some((name, value)) = unknown().find(meant) {
        let what = policy::unknown(name, near(name, value), Layer::Namespace, layers.subject);
        return Some(format!("nothing was injected: {what}"));
    }
    if let Some((name, _)) = labels().find(meant) {
        return Some(if name == SWITCH {
            format!(
                "{PREFIX}{SWITCH} is a label on {place}: Silkroll reads annotations, make it one"
            )
        } else {
            format!(
                "{PREFIX}{} is a label on {place}: Silkroll reads annotations; did you mean the \
                 annotation {PREFIX}{SWITCH}?",
                cut(name, SHOWN)
            )
        });
    }
    unknown().next().map(|(name, value)| {
        let what = policy::unknown(name, near(name, value), Layer::Namespace, layers.subject);
        format!("{what}; the namespace has not opted in ({PREFIX}{SWITCH})")
    })
}

/// The namespace is covered on request, and the workload does not ask in words that are read.
pub(super) fn not_requested(layers: &Layers<'_>) -> Option<String> {
    idle(layers).map(|what| {
        format!("{what} has no effect: say silkroll.dev/inject: enabled; the namespace injects on request")
    })
}

/// A setting of the workload's own, known or not, that nothing comes of; with its place.
fn idle(layers: &Layers<'_>) -> Option<String> {
    let annotated = [
        (Layer::Workload, layers.workload),
        (Layer::Template, layers.template),
    ];
    for (layer, pairs) in annotated {
        let Some((name, value)) = names(pairs).find(|(name, _)| *name != SWITCH) else {
            continue;
        };
        let meant = match policy::suggestion(name, value, pairs, METHODS) {
            Some(near) if !policy::is_known(name, METHODS) => format!(" (did you mean {near}?)"),
            _ => String::new(),
        };
        let place = near_place(layers, layer);
        return Some(format!("{PREFIX}{}{meant} on {place}", cut(name, SHOWN)));
    }
    let labelled = [
        (Layer::Workload, layers.workload_labels),
        (Layer::Template, layers.template_labels),
    ];
    labelled.into_iter().find_map(|(layer, pairs)| {
        let (name, _) = names(pairs).next()?;
        Some(format!(
            "the label {PREFIX}{} on {} (Silkroll reads annotations)",
            cut(name, 25),
            near_place(layers, layer)
        ))
    })
}

/// Where it stands, without names: kubectl prints the object's on the next line.
fn near_place<'a>(layers: &Layers<'a>, layer: Layer) -> Cow<'a, str> {
    match layer {
        Layer::Template => Cow::Borrowed("the pod template"),
        _ => Cow::Owned(format!("the {}", layers.subject.kind)),
    }
}

/// Names without the prefix, and values; Silkroll's own record aside.
fn names<'a>(pairs: &'a Pairs<'_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let named = pairs
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.as_ref())));
    named.filter(|(name, _)| *name != "status")
}

/// The webhook's rules send a kind that the settings leave out.
pub(super) fn kind_left_out(ask: &Ask<'_>) -> String {
    let (has, kind) = (ask.settings.workloads(), ask.kind.option());
    let all = if has.is_empty() {
        kind.to_owned()
    } else {
        format!("{has},{kind}")
    };
    format!(
        "nothing was injected: --workloads of Silkroll has {has}, not {kind}: start it with --workloads {all}, or say \
         silkroll.dev/inject: disabled on the {}",
        ask.kind.name()
    )
}
