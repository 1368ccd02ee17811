//! One workload being weighed: covered or not, changed by its user or not, and what follows.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::value::RawValue;

use super::base::{self, Base};
use super::cover::{self, Cover};
use super::patch::{self, Patch};
use super::report::{Decision, Outcome, Reason};
use super::status::{self, Status};
use super::view::Template;
use super::{Ask, Object, Stop, emit, fingerprint, hint, inject, nothing_changed, rollout, valid};
use crate::leave::{METHODS, MOUNT_PATH};
use crate::policy::{self, Layers, Pairs};

/// Most templates of namespaces that have not opted in: nothing in them is of Silkroll, so they need
/// not be read to be left alone.
pub(super) fn nobodys(ask: &Ask<'_>, template: &RawValue) -> Option<Decision> {
    let text = template.get().as_bytes();
    let ours = memmem::find(text, policy::PREFIX.as_bytes()).is_some()
        || memmem::find(text, MOUNT_PATH.as_bytes()).is_some();
    // An escape could hide what was looked for.
    if ask.remove
        || ours
        || memmem::find(text, b"\\u").is_some()
        || memmem::find(text, b"\\/").is_some()
    {
        return None;
    }
    let layers = layers(ask, &[], &[]);
    match cover::cover(&layers, ask.view, ask.settings.deny_invalid) {
        Cover::Namespace(reason, None) => Some(Decision::skipped(reason)),
        Cover::Namespace(reason, Some(warning)) => Some(Decision::skipped(reason).warn(&warning)),
        _ => None,
    }
}

/// A workload of a kind that the settings leave out. Its author hears what an author of a covered kind
/// would hear, and, where the namespace would cover it, that the kind is left out.
pub(super) fn left_out(ask: &Ask<'_>) -> Decision {
    let mut decision = Decision::skipped(Reason::KindNotCovered);
    let Some(raw) = ask.object.template().filter(|_| !nothing_changed(ask)) else {
        return decision;
    };
    if let Some(as_if_covered) = nobodys(ask, raw) {
        decision.warnings = as_if_covered.warnings;
        return decision;
    }
    let Ok(template) = Template::read(raw) else {
        return decision;
    };
    let labels = template.our_labels();
    let layers = layers(ask, &template.metadata.annotations.ours, &labels);
    match cover::cover(&layers, ask.view, false) {
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

fn layers<'a>(
    ask: &'a Ask<'_>,
    template: &'a Pairs<'a>,
    template_labels: &'a Pairs<'a>,
) -> Layers<'a> {
    let meta = ask.object.metadata.as_ref();
    Layers {
        subject: ask.subject(),
        workload: meta.map_or(&[], |meta| &meta.annotations),
        template,
        namespace: ask.view.annotations(),
        defaults: &ask.settings.defaults,
        workload_labels: meta.map_or(&[], |meta| &meta.labels),
        template_labels,
        namespace_labels: ask.view.labels(),
    }
}

/// Decides on a workload whose template has been read; `old` is the stored template, where it has a
/// record of ours.
pub(super) fn weigh(
    ask: &Ask<'_>,
    template: &Template<'_>,
    old: Option<&Template<'_>>,
) -> Decision {
    let own_text = base::record_text(template);
    let own = own_text.map(Status::read);
    let note = match &own {
        Some(Err(why)) => Some(format!(
            "{} on the pod template cannot be read and counts as none: {}",
            policy::STATUS,
            policy::cut(why, 80)
        )),
        _ => None,
    };
    let own = own.and_then(Result::ok);
    let old_record = old
        .and_then(base::record_text)
        .and_then(|text| Status::read(text).ok());
    let (record, base) = part(template, own.as_ref(), old_record.as_ref());
    let labels = template.our_labels();
    let weighed = Weighed {
        ask,
        template,
        old,
        own_text,
        old_record: old_record.as_ref(),
        record,
        base,
        layers: layers(ask, &template.metadata.annotations.ours, &labels),
    };
    let mut decision = weighed.decide();
    if let Some(note) = note {
        decision.push_warning(&note);
    }
    decision
}

/// Parts the template by its own record, or by the old one where its own was lost but parts of ours
/// are plainly there.
fn part<'a>(
    template: &Template<'a>,
    own: Option<&'a Status<'a>>,
    old: Option<&'a Status<'a>>,
) -> (Option<&'a Status<'a>>, Base<'a>) {
    if let (None, Some(old)) = (own, old) {
        let by_old = base::part(template, Some(old));
        if by_old.found {
            return (Some(old), by_old);
        }
    }
    (own, base::part(template, own))
}

struct Weighed<'a> {
    ask: &'a Ask<'a>,
    template: &'a Template<'a>,
    old: Option<&'a Template<'a>>,
    own_text: Option<&'a str>,
    old_record: Option<&'a Status<'a>>,
    record: Option<&'a Status<'a>>,
    base: Base<'a>,
    layers: Layers<'a>,
}

impl<'a> Weighed<'a> {
    fn injected(&self) -> bool {
        self.base.found || self.own_text.is_some()
    }

    fn decide(&self) -> Decision {
        if self.ask.remove {
            return self.remove(Reason::RemovalAsked, Reason::NothingToRemove);
        }
        let decision = self.decide_by_cover();
        if decision.patch.is_none() && decision.outcome != Outcome::Rejected {
            return self.giving_way(decision);
        }
        decision
    }

    fn decide_by_cover(&self) -> Decision {
        let cover = cover::cover(&self.layers, self.ask.view, self.ask.settings.deny_invalid);
        if self.only_rollout_changed() {
            let inputs = || fingerprint::of(self.template, &self.base, self.layers.workload);
            return match cover {
                Cover::Yes => self.restored(&inputs()),
                _ => None,
            }
            .unwrap_or_else(|| Decision::new(Outcome::Unchanged, Reason::NothingChanged));
        }
        match cover {
            Cover::Yes => self.covered(),
            Cover::Workload(reason, warning) => {
                let decision = self.remove(reason, reason);
                match warning {
                    Some(warning) if decision.outcome != Outcome::Removed => {
                        decision.warn(&warning)
                    }
                    _ => decision,
                }
            }
            Cover::Namespace(reason @ Reason::NamespaceUnknown, warning) => {
                let mut skipped = Decision::skipped(reason);
                if let Some(warning) = warning {
                    skipped.push_warning(&warning);
                }
                self.not_injected(skipped)
            }
            Cover::Namespace(reason, warning) => {
                // On a CREATE nothing is touched where nobody has opted in; on an UPDATE what was
                // injected here before is given back.
                let mut decision = if self.ask.old.is_some() {
                    let removed = self.remove(reason, reason);
                    if removed.outcome == Outcome::Removed {
                        removed.warn(&format!(
                            "what Silkroll had injected was taken out: namespace {} has not opted in",
                            self.ask.namespace
                        ))
                    } else {
                        removed
                    }
                } else {
                    let skipped = Decision::skipped(reason);
                    if self.injected() {
                        skipped.warn(&format!(
                            "the pod template was injected elsewhere and namespace {} has not opted in: \
                             opt in, or run silkroll inject --remove on the manifest",
                            self.ask.namespace
                        ))
                    } else {
                        skipped
                    }
                };
                // What was said above tells of the namespace already.
                if let Some(warning) = warning.filter(|_| decision.warnings.is_empty()) {
                    decision.push_warning(&warning);
                }
                decision
            }
            Cover::Invalid(decision) => self.not_injected(*decision),
        }
    }

    /// Where nothing can be injected for want of something to go by: what the user did not change
    /// stays as it is stored.
    fn not_injected(&self, skipped: Decision) -> Decision {
        let unchanged = self.ask.old.is_some().then(|| {
            let inputs = fingerprint::of(self.template, &self.base, self.layers.workload);
            self.restored(&inputs)
        });
        unchanged
            .flatten()
            .unwrap_or_else(|| self.left_alone(skipped))
    }

    /// An UPDATE can have merged the user's new parts into ours, which makes an object that the API
    /// refuses: where nothing is injected ours goes then. So it does where it is in the way of what
    /// the user wrote.
    fn left_alone(&self, skipped: Decision) -> Decision {
        let in_the_way = matches!(
            skipped.reason,
            Reason::NameTaken | Reason::NoRoom | Reason::Windows | Reason::BadGracePeriod
        );
        let mixed = in_the_way || !self.base.whole;
        if skipped.outcome != Outcome::Skipped || self.old_record.is_none() || !mixed {
            return if self.base.found {
                skipped.of_what_stays()
            } else {
                skipped
            };
        }
        let mut decision = self.remove(skipped.reason, skipped.reason);
        decision.warnings = skipped.warnings;
        decision
    }

    /// What of ours outside the template would break a rule of the API beside what the user wrote
    /// gives way, whoever is covered.
    fn giving_way(&self, mut decision: Decision) -> Decision {
        let Some(record) = self.old_record else {
            return decision;
        };
        let (users, warning) = rollout::giving_way(self.ask.kind, self.ask.object, record);
        let mut patch = Patch::default();
        self.give_back_rollout(&mut patch, &users);
        if patch.is_empty() {
            return decision;
        }
        decision.outcome = Outcome::Injected;
        decision.reason = Reason::Restored;
        decision.patch = patch.finish();
        if let Some(warning) = warning {
            decision.push_warning(&warning);
        }
        decision
    }

    /// The strategy and the seconds as the user has them.
    fn give_back_rollout(&self, patch: &mut Patch, users: &rollout::Users<'_>) {
        let nothing = rollout::Wanted::default();
        rollout::emit(patch, self.ask.kind, self.ask.object, users, &nothing);
    }

    /// What was there before. `nothing` is the reason where there is nothing of ours.
    fn remove(&self, reason: Reason, nothing: Reason) -> Decision {
        if !self.injected() {
            let outcome = if self.ask.remove {
                Outcome::Unchanged
            } else {
                Outcome::Skipped
            };
            return Decision::new(outcome, nothing);
        }
        let users = rollout::users(self.ask.kind, self.ask.object, self.record);
        let wanted = emit::Wanted {
            containers: self
                .base
                .containers
                .iter()
                .map(|_| emit::WantedContainer::default())
                .collect(),
            ..emit::Wanted::default()
        };
        let was = self.record.map(|record| &record.was);
        let mut patch = Patch::default();
        emit::template(&mut patch, self.template, &self.base, &wanted, was);
        self.give_back_rollout(&mut patch, &users);
        emit::record(&mut patch, self.template, None, was);
        let mut decision = Decision::new(Outcome::Removed, reason);
        decision.patch = patch.finish();
        decision
    }

    fn covered(&self) -> Decision {
        let inputs = fingerprint::of(self.template, &self.base, self.layers.workload);
        if let Some(decision) = self.restored(&inputs) {
            return decision;
        }
        let resolved = policy::resolve(&self.layers, METHODS);
        let mut decision = match resolved.policy {
            Ok(policy) => self.inject(&policy, inputs),
            Err(problems) => {
                self.left_alone(cover::invalid(&problems, self.ask.settings.deny_invalid))
            }
        };
        for note in resolved.notes {
            decision.push_warning(&note);
        }
        decision
    }

    /// The cases in which the user changed nothing that is injected into.
    fn restored(&self, inputs: &str) -> Option<Decision> {
        let new_raw = self.ask.object.template()?;
        if let (Some(old), Some(record), Some(object)) = (self.old, self.old_record, self.ask.old) {
            let old_raw = object.template()?;
            let parted = base::part(old, Some(record));
            let annotations = object
                .metadata
                .as_ref()
                .map_or(&[][..], |meta| &meta.annotations);
            let before = fingerprint::of(old, &parted, annotations);
            if parted.whole && before == inputs {
                let mut patch = Patch::default();
                if !patch::same(new_raw.get(), old_raw.get()) {
                    patch.replace("/spec/template", old_raw.get());
                }
                let users = rollout::users(self.ask.kind, self.ask.object, Some(record));
                let (wanted, warning) = self.kept_rollout(record, &users);
                rollout::emit(&mut patch, self.ask.kind, self.ask.object, &users, &wanted);
                let mut decision = Decision::new(Outcome::Injected, Reason::Restored);
                if patch.is_empty() {
                    decision = Decision::new(Outcome::Unchanged, Reason::AlreadyInjected);
                }
                decision.patch = patch.finish();
                if let Some(warning) = warning {
                    decision.push_warning(&warning);
                }
                return Some(decision);
            }
        }
        let brought = self.ask.old.is_some()
            && self.own_text.is_some()
            && self.base.whole
            && self.record.is_some_and(|record| record.inputs == inputs)
            && self.template_changed();
        brought.then(|| Decision::new(Outcome::Unchanged, Reason::BroughtBack))
    }

    /// Strategy and minReadySeconds as the record has them, over what the user has now.
    fn kept_rollout(
        &self,
        record: &Status<'_>,
        users: &rollout::Users<'_>,
    ) -> (rollout::Wanted, Option<String>) {
        let mut wanted = rollout::Wanted::default();
        if record.strategy.is_some()
            && let rollout::Surge::Set(text) =
                rollout::surge(self.ask.kind, users.strategy.as_deref(), self.template)
        {
            wanted.strategy = RawValue::from_string(text).ok().map(|after| status::Swap {
                before: None,
                after: Cow::Owned(after),
            });
        }
        if let Some(change) = record.min_ready
            && users.min_ready.unwrap_or(0) == 0
        {
            let spec = self.ask.object.spec.as_ref();
            match valid::too_long(self.ask.kind, spec, change.after) {
                None => wanted.min_ready = Some(change),
                Some(why) => {
                    return (wanted, Some(valid::min_ready_left_out(change.after, &why)));
                }
            }
        }
        (wanted, None)
    }

    fn inject(&self, policy: &policy::Policy<'_>, inputs: String) -> Decision {
        let users = rollout::users(self.ask.kind, self.ask.object, self.record);
        let plan = inject::plan(
            self.ask,
            policy,
            self.template,
            &self.base,
            self.record,
            &users,
            inputs,
        );
        let plan = match plan {
            Ok(plan) => plan,
            Err(Stop::Problem(problem)) => {
                let invalid = cover::invalid(&[problem], self.ask.settings.deny_invalid);
                return self.left_alone(invalid);
            }
            Err(Stop::Skip(reason, warning)) => {
                return self.left_alone(Decision::skipped(reason).warn(&warning));
            }
        };
        let was = self.record.map(|record| &record.was);
        let mut patch = Patch::default();
        emit::template(&mut patch, self.template, &self.base, &plan.wanted, was);
        rollout::emit(
            &mut patch,
            self.ask.kind,
            self.ask.object,
            &users,
            &plan.rollout,
        );
        let own = self.own_text.is_some() && self.record.is_some();
        // A record that came with the template is as good as ours where nothing else differs; one
        // that the old object has, too, belongs to what was there before the user's change.
        let outdated =
            self.own_text.is_some() && self.old_text() == self.own_text && self.template_changed();
        if !own || outdated || !patch.is_empty() {
            emit::record(&mut patch, self.template, Some(&plan.record), was);
        }
        let mut decision = match (patch.is_empty(), self.injected()) {
            (true, _) => Decision::new(Outcome::Unchanged, Reason::AlreadyInjected),
            (false, true) => Decision::new(Outcome::Injected, Reason::Refreshed),
            (false, false) => Decision::new(Outcome::Injected, Reason::Covered),
        };
        decision.patch = patch.finish();
        decision.steps = plan.steps;
        decision.timeline = plan.timeline;
        for warning in plan.warnings {
            decision.push_warning(&warning);
        }
        decision
    }

    fn old_text(&self) -> Option<&'a str> {
        self.old.and_then(base::record_text)
    }

    /// Whether an UPDATE leaves the template and our annotations alone: then the template stays.
    fn only_rollout_changed(&self) -> bool {
        let annotations = |object: &'a Object<'a>| object.metadata.as_ref().map(|m| &m.annotations);
        self.ask
            .old
            .is_some_and(|old| annotations(old) == annotations(self.ask.object))
            && !self.template_changed()
    }

    fn template_changed(&self) -> bool {
        let old = self.ask.old.and_then(Object::template);
        old.map(RawValue::get) != self.ask.object.template().map(RawValue::get)
    }
}
