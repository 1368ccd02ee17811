//! What is to become of one workload: the answers that need not read its template, and else the reading of it.

use memchr::memmem;
use serde_json::value::RawValue;

use super::cover::{self, Cover, layers};
use super::hint;
use super::level;
use super::reconcile::reconcile;
use super::reference;
use crate::deregister::MOUNT_PATH;
use crate::plan::ask::Ask;
use crate::plan::report::{Decision, Outcome, Reason};
use crate::policy;
use crate::slots::tree::Tree;

/// Decides on one workload.
#[must_use]
pub fn decide(ask: &Ask<'_>) -> Decision {
    if let Some(decision) = level::passed_over(ask) {
        return decision;
    }
    if let Some(decision) = referring(ask) {
        return decision;
    }
    let covered = ask.settings.kinds.contains(&ask.kind) || level::of_pods(ask);
    if !ask.remove && !covered {
        return left_out(ask);
    }
    if !ask.remove && nothing_changed(ask) {
        return Decision::new(Outcome::Unchanged, Reason::NothingChanged);
    }
    let (Some(spec), Some(raw)) = (&ask.object.spec, ask.object.template()) else {
        return without_template(ask);
    };
    if let Some(decision) = skipped_unread(ask, raw) {
        return decision;
    }
    let tree = match Tree::read(ask.kind, spec) {
        Ok(tree) => tree,
        Err(why) => return malformed(ask, &why),
    };
    if !ask.remove && !level::serves(ask, &tree) {
        return Decision::skipped(Reason::OtherPod);
    }
    let old = ask.old.and_then(|old| old.spec.as_ref());
    let old = old.filter(|spec| {
        spec.template
            .is_some_and(|raw| has(raw.get(), policy::STATUS))
    });
    let old = old.and_then(|spec| Tree::read(ask.kind, spec).ok());
    let mut decision = reconcile(ask, &tree, old.as_ref());
    // Whether the pods that come of it mount the helper of this version. One mention too many, in a
    // template that is just being rid of it, costs a ConfigMap that no pod mounts.
    let name = &ask.settings.helper.config_map;
    decision.helper |= matches!(decision.outcome, Outcome::Injected | Outcome::Unchanged)
        && (has(raw.get(), name)
            || decision
                .patch
                .as_deref()
                .is_some_and(|patch| has(patch, name)));
    decision
}

/// A workload that takes its template from another one.
fn referring(ask: &Ask<'_>) -> Option<Decision> {
    let reference = reference::of(ask)?;
    Some(if ask.remove {
        Decision::new(Outcome::Unchanged, Reason::NothingToRemove)
    } else if nothing_changed(ask) {
        Decision::new(Outcome::Unchanged, Reason::NothingChanged)
    } else {
        let cover = cover::cover(ask, &layers(ask, &[], &[]), false);
        reference::skipped(ask, &reference, matches!(cover, Cover::Yes))
    })
}

fn has(text: &str, what: &str) -> bool {
    memmem::find(text.as_bytes(), what.as_bytes()).is_some()
}

fn malformed(ask: &Ask<'_>, what: &str) -> Decision {
    Decision::skipped(Reason::Malformed).warn(&format!(
        "{} was left alone, it cannot be read: {what}",
        ask.subject().place(policy::Layer::Workload)
    ))
}

/// The API server takes a custom resource without a template: only whose namespace is covered is told.
fn without_template(ask: &Ask<'_>) -> Decision {
    let cover = || cover::cover(ask, &layers(ask, &[], &[]), false);
    if !ask.remove
        && !ask.kind.is_filled_in()
        && let Cover::Namespace(reason, None) = cover()
    {
        return Decision::skipped(reason);
    }
    malformed(ask, "spec.template is missing")
}

/// Whether it is an UPDATE that touches nothing that Silkroll looks at. Bytes are compared, not values: the
/// API server writes both objects with one encoder.
fn nothing_changed(ask: &Ask<'_>) -> bool {
    let (Some(old), object) = (ask.old, ask.object) else {
        return false;
    };
    let (Some(new), Some(old_spec)) = (&object.spec, &old.spec) else {
        return false;
    };
    let same = |new: Option<&RawValue>, old: Option<&RawValue>| {
        new.map(RawValue::get) == old.map(RawValue::get)
    };
    object.metadata.is_some()
        && old.metadata.is_some()
        && same(new.template, old_spec.template)
        && object.our_annotations() == old.our_annotations()
        && same(new.strategy, old_spec.strategy)
        && same(new.update_strategy, old_spec.update_strategy)
        && same(new.min_ready_seconds, old_spec.min_ready_seconds)
        // What was injected as minReadySeconds has to stay below it.
        && same(new.progress_deadline_seconds, old_spec.progress_deadline_seconds)
        && same(new.workload_ref, old_spec.workload_ref)
}

/// Most templates of namespaces that have not opted in: nothing in them is of Silkroll, so they need
/// not be read to be left alone.
fn skipped_unread(ask: &Ask<'_>, template: &RawValue) -> Option<Decision> {
    // An escape could hide what is looked for.
    let words = [policy::PREFIX, MOUNT_PATH, "\\u", "\\/"];
    if ask.remove || words.iter().any(|word| has(template.get(), word)) {
        return None;
    }
    match cover::cover(ask, &layers(ask, &[], &[]), level::denies(ask)) {
        Cover::Namespace(reason, None) => Some(Decision::skipped(reason)),
        Cover::Namespace(reason, Some(warning)) => Some(Decision::skipped(reason).warn(&warning)),
        _ => None,
    }
}

/// A workload of a kind that the settings leave out. Its author hears what an author of a covered kind
/// would hear, and, where the namespace would cover it, that the kind is left out.
fn left_out(ask: &Ask<'_>) -> Decision {
    let mut decision = Decision::skipped(Reason::KindNotCovered);
    let Some(raw) = ask.object.template().filter(|_| !nothing_changed(ask)) else {
        return decision;
    };
    if let Some(as_if_covered) = skipped_unread(ask, raw) {
        decision.warnings = as_if_covered.warnings;
        return decision;
    }
    let Some(Ok(tree)) = ask
        .object
        .spec
        .as_ref()
        .map(|spec| Tree::read(ask.kind, spec))
    else {
        return decision;
    };
    let labels = tree.our_labels();
    match cover::cover(ask, &layers(ask, &tree.ours, &labels), false) {
        Cover::Yes => decision.push_warning(&hint::kind_left_out(ask)),
        Cover::Workload(_, warning) | Cover::Namespace(_, warning) => {
            if let Some(warning) = warning {
                decision.push_warning(&warning);
            }
        }
        Cover::Invalid(invalid) => decision.warnings = invalid.warnings,
    }
    decision
}
