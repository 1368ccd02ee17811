//! Who is covered: what namespace and workload say about `silkroll.dev/inject`.

use super::hint;
use super::level;
use crate::plan::ask::{Ask, NamespaceView};
use crate::plan::report::{Decision, Reason};
use crate::policy::{Inject, Layer, LayerValue, Layers, Pairs, Problem, cut};
use crate::slots::kind::Kind;

/// All that is said of a workload.
pub(super) fn layers<'a>(
    ask: &'a Ask<'_>,
    template: &'a Pairs<'a>,
    template_labels: &'a Pairs<'a>,
) -> Layers<'a> {
    // A Pod's are its template's, and what stands on a workload's own metadata reaches no Pod.
    let own = ask.kind != Kind::Pod && !level::left_to_pods(ask);
    let meta = ask.object.metadata.as_ref().filter(|_| own);
    Layers {
        subject: ask.subject(),
        workload: meta.map_or(&[], |meta| &meta.annotations.ours),
        template,
        namespace: ask.view.annotations(),
        defaults: &ask.settings.defaults,
        workload_labels: meta.map_or(&[], |meta| &meta.labels),
        template_labels,
        namespace_labels: ask.view.labels(),
    }
}

/// Whether a workload is covered.
pub(super) enum Cover {
    Yes,
    /// The workload says no, or does not ask where it has to, with a warning where it looks as if it did.
    Workload(Reason, Option<String>),
    /// The namespace says no, with a warning where something says otherwise.
    Namespace(Reason, Option<String>),
    /// What is said cannot be used.
    Invalid(Box<Decision>),
}

pub(super) fn cover(ask: &Ask<'_>, layers: &Layers<'_>, deny: bool) -> Cover {
    let view = ask.view;
    let name = layers.subject.namespace;
    let on = |wanted: fn(Layer) -> bool| {
        layers
            .each()
            .filter(move |(layer, _)| wanted(*layer))
            .find_map(|(layer, pairs)| {
                let (_, value) = pairs.iter().find(|(key, _)| key == "silkroll.dev/inject")?;
                Some(LayerValue { value, layer })
            })
    };
    let workload = on(Layer::is_authors);
    let namespace = on(|layer| layer == Layer::Namespace);
    let says = |found: &Option<LayerValue<'_>>| found.and_then(|found| Inject::parse(found.value));
    let asks = says(&workload) == Some(Inject::Enabled);
    if matches!(view, NamespaceView::Unknown) {
        return Cover::Namespace(
            Reason::NamespaceUnknown,
            Some(format!(
                "nothing was injected: namespace {} is not known to Silkroll (yet): apply again, or add it to the file of --namespaces",
                cut(name, 63)
            )),
        );
    }
    let problem = |found: &LayerValue<'_>, allowed: &str| {
        let problem = Problem::new(
            "inject",
            found.value,
            found.layer,
            layers.subject,
            allowed.to_owned(),
        );
        Cover::Invalid(Box::new(invalid(&[problem], deny)))
    };
    let opted = match (view, namespace) {
        (NamespaceView::Assumed, _) => Inject::Enabled,
        (_, None) => {
            return Cover::Namespace(
                Reason::NamespaceNotOptedIn,
                hint::not_opted_in(layers, says(&workload)),
            );
        }
        (_, Some(found)) => match Inject::parse(found.value) {
            Some(opted) => opted,
            None => {
                return problem(
                    &found,
                    "allowed is enabled, on-request or disabled (true, false)",
                );
            }
        },
    };
    if opted == Inject::Disabled {
        let warning = asks.then(|| {
            format!(
                "{} says silkroll.dev/inject: enabled, but namespace {name} says disabled",
                layers.subject.place(Layer::Workload)
            )
        });
        return Cover::Namespace(Reason::NamespaceDisabled, warning);
    }
    match (&workload, says(&workload)) {
        (Some(found), None | Some(Inject::OnRequest)) => problem(
            found,
            "allowed on a workload is enabled or disabled (true, false)",
        ),
        (_, Some(Inject::Disabled)) => Cover::Workload(Reason::WorkloadDisabled, None),
        (None, None) if ask.object.is_owned() && !level::of_pods(ask) => {
            Cover::Workload(Reason::Owned, None)
        }
        (None, None) if opted == Inject::OnRequest => {
            Cover::Workload(Reason::NotRequested, hint::not_requested(layers))
        }
        (_, Some(_)) | (None, None) => Cover::Yes,
    }
}

/// The answer to annotations that cannot be used.
pub(super) fn invalid(problems: &[Problem], deny: bool) -> Decision {
    let authors: Vec<_> = problems
        .iter()
        .filter(|problem| problem.layer.is_authors())
        .map(ToString::to_string)
        .collect();
    if deny && !authors.is_empty() {
        return Decision::rejected(Reason::InvalidAnnotation, &authors.join("; "));
    }
    let mut decision = Decision::skipped(Reason::InvalidAnnotation);
    for problem in problems {
        decision.push_warning(&format!("nothing was injected: {problem}"));
    }
    decision
}
