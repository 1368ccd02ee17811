//! A workload of a namespace that says `level: pod`: it stays as its author wrote it, and is read and checked all the same,
//! so that the author hears what no Pod could tell: a Pod is never denied, and its author does not see what is said of one.

use super::cover;
use super::inject::{self, Injection};
use super::level;
use super::user::User;
use crate::deregister::METHODS;
use crate::plan::ask::{Ask, Stop};
use crate::plan::report::{Decision, Outcome, Reason};
use crate::policy::{self, LEVEL, Layer, Layers, PREFIX, cut};
use crate::slots::kind::Kind;

/// What a Pod has no say in: how its workload replaces it. With the values that ask for nothing.
const OF_WORKLOADS: [(&str, &str); 2] = [("rollout", "keep"), ("min-ready-seconds", "0")];
/// Annotations that are named in one warning; more would push its cure out of sight.
const NAMED: usize = 2;

/// Reads and checks a workload whose Pods are injected in its place.
pub(super) fn check(ask: &Ask<'_>, layers: &Layers<'_>, user: &User<'_>) -> Decision {
    let own = own(ask, layers);
    let mut decision = injectable(ask, &own, layers, user);
    if decision.outcome == Outcome::Rejected {
        return decision;
    }
    if !ask.settings.kinds.contains(&Kind::Pod) {
        return Decision::skipped(Reason::LevelOff).warn(&format!(
            "nothing was injected: Namespace {} says {PREFIX}{LEVEL}: pod, which is switched off: --workloads of \
             Silkroll has no pod; have it added, or take the annotation away",
            cut(ask.namespace, 63)
        ));
    }
    for warning in unreached(&own, layers) {
        decision.push_warning(&warning);
    }
    decision
}

/// What comes of injecting the workload's Pods, as far as their template and what stands over it tell.
fn injectable(ask: &Ask<'_>, own: &Layers<'_>, layers: &Layers<'_>, user: &User<'_>) -> Decision {
    let own = policy::resolve(own, METHODS);
    let reaching = policy::resolve(layers, METHODS);
    let notes = own.notes.into_iter().chain(reaching.notes);
    let invalid = |problems: &[policy::Problem]| cover::invalid(problems, level::denies(ask));
    let mut decision = match (own.policy, reaching.policy) {
        (Ok(_), Ok(policy)) => match inject::inject(ask, &policy.of_a_pod(), user, String::new()) {
            Ok(injection) => as_its_pods(ask, injection),
            Err(Stop::Problem(problem)) => invalid(&[problem]),
            Err(Stop::Skip(reason, warning)) => Decision::skipped(reason).warn(&warning),
        },
        (own, reaching) => {
            let problems = [own.err(), reaching.err()];
            let problems: Vec<_> = problems.into_iter().flatten().flatten().collect();
            invalid(&problems)
        }
    };
    for note in notes {
        decision.push_warning(&note);
    }
    decision
}

fn as_its_pods(ask: &Ask<'_>, injection: Injection<'_>) -> Decision {
    let mut decision = Decision::skipped(Reason::LevelPod);
    let plan = injection.plan;
    // Its ConfigMap is there before the Pods are.
    let helper = &ask.settings.helper.config_map;
    decision.helper = plan.wants.iter().any(|want| want.value.contains(helper));
    decision.steps = plan.steps;
    decision.timeline = plan.timeline;
    for warning in plan.warnings {
        decision.push_warning(&warning);
    }
    decision
}

/// What stands on the workload's own metadata, alone.
fn own<'a>(ask: &'a Ask<'_>, layers: &Layers<'a>) -> Layers<'a> {
    let meta = ask.object.metadata.as_ref();
    Layers {
        subject: layers.subject,
        workload: ask.object.our_annotations(),
        template: &[],
        namespace: &[],
        defaults: &[],
        workload_labels: meta.map_or(&[], |meta| &meta.labels),
        template_labels: &[],
        namespace_labels: &[],
    }
}

/// What was said and does not come to pass, for it does not reach the Pods.
fn unreached(own: &Layers<'_>, layers: &Layers<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (key, nothing) in OF_WORKLOADS {
        let places = [
            (Layer::Workload, own.workload),
            (Layer::Template, layers.template),
            (Layer::Namespace, layers.namespace),
        ];
        let found = places
            .into_iter()
            .find_map(|(layer, pairs)| Some((layer, level::value(pairs, key)?)));
        if let Some((layer, _)) = found.filter(|(_, value)| *value != nothing) {
            warnings.push(format!(
                "{PREFIX}{key} on {} has no effect: with level: pod Silkroll leaves workloads as they are",
                layers.subject.place(layer)
            ));
        }
    }
    let reaches = |name: &str| OF_WORKLOADS.iter().all(|(key, _)| *key != name);
    let names: Vec<&str> = own
        .workload
        .iter()
        .filter_map(|(key, _)| key.strip_prefix(PREFIX))
        .filter(|name| policy::is_known(name, METHODS) && *name != LEVEL && reaches(name))
        .collect();
    if !names.is_empty() {
        warnings.push(not_on_the_template(layers.subject, &names));
    }
    warnings
}

/// The workload says by itself whether it is covered, in a place that does not reach its Pods.
pub(super) fn idle_switch(ask: &Ask<'_>) -> Option<String> {
    let says =
        level::left_to_pods(ask) && level::value(ask.object.our_annotations(), "inject").is_some();
    says.then(|| not_on_the_template(ask.subject(), &["inject"]))
}

fn not_on_the_template(subject: policy::Subject<'_>, names: &[&str]) -> String {
    let first: Vec<_> = names.iter().take(NAMED).copied().collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{PREFIX}{}{more} on {} does not reach its Pods, which the namespace injects (level: pod): put it on the \
         pod template",
        first.join(", "),
        subject.place(Layer::Workload)
    )
}
