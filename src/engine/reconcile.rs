//! What is to become of a workload that has been read: changed by its user or not.
//!
//! How an UPDATE is told from a change that the user made (law 2, no rollout of its own):
//! 1. Template, our annotations and strategy are the same bytes as before: nothing to do (`decide.rs`).
//! 2. The template carries a record of its own that fits it whole: it came back from a rollback and stays.
//! 3. What the user wrote (the template with our slots taken out, `user.rs`) has the same fingerprint as
//!    in the stored object: the stored template is put back, whatever was applied over it.
//! 4. Else the user changed something: our slots are taken out and filled afresh.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::check;
use super::cover::{self, Cover, layers};
use super::inject::{self, read_record};
use super::level;
use super::user::{User, take_out};
use super::valid;
use crate::deregister::{METHODS, Script, VOLUME};
use crate::parts::{self, MIN_READY, forms};
use crate::plan::ask::{Ask, Stop};
use crate::plan::chain;
use crate::plan::report::{Decision, Outcome, Reason};
use crate::plan::strategy::refuses_strategy;
use crate::policy::{self, Layers};
use crate::slots::carry::carry;
use crate::slots::diff::Patch;
use crate::slots::fingerprint;
use crate::slots::json;
use crate::slots::kind::Kind;
use crate::slots::record::{Raw, Record};
use crate::slots::sent::{self, Witnesses};
use crate::slots::slot::{Places, RECORD, Slot};
use crate::slots::tree::Tree;
use crate::slots::view::Object;

/// Decides on a workload that has been read; `old` is the stored one, where it has a record of ours.
pub(super) fn reconcile(ask: &Ask<'_>, tree: &Tree<'_>, old: Option<&Tree<'_>>) -> Decision {
    let own = match tree.record().map(read_record) {
        Some(Err(why)) => {
            return Decision::skipped(Reason::BadRecord).warn(&format!(
                "left alone: its record {} cannot be read: {}; kubectl replace it with the manifest from before the injection, \
                 or run the version that wrote it",
                policy::STATUS,
                policy::cut(&why, 60)
            ));
        }
        own => own.and_then(Result::ok),
    };
    let stored = old.and_then(Tree::record);
    let same_record = tree.record() == stored;
    // Most have the one that is stored, which is read already.
    let other = stored.filter(|_| !same_record);
    let other = other.and_then(|text| read_record(text).ok());
    let old_record = if same_record {
        own.as_ref()
    } else {
        other.as_ref()
    };
    let meta = ask.object.metadata.as_ref();
    // Of two records the one that is stored says nothing about what was sent since. One that neither the stored object nor
    // the apply has was written in this very request, before another webhook changed the object: what stands there as
    // recorded is not what was applied.
    let known = tree.record().is_none() || same_record;
    let asked = ask.told();
    let told = Witnesses {
        stored: asked.stored.filter(|_| known),
        manager: asked.manager.filter(|_| known),
        ..asked
    };
    let mut record = own.as_ref();
    let mut user = take_out(tree, record, told, forms());
    if let (None, Some(lost)) = (record, old_record) {
        let by_old = take_out(tree, Some(lost), told, forms());
        // What was made from the stored object lost the record alone. What came whole, and nothing tells what of it was
        // meant, may be all its author's, though it equals ours (law 1).
        let made_from_stored = meta.is_some_and(|meta| meta.uid.is_some());
        let manifest_told = meta.is_some_and(|meta| meta.annotations.last_applied.raw.is_some());
        if made_from_stored || (manifest_told && by_old.whole) || carries_ours(tree) {
            record = Some(lost);
            user = by_old;
        } else {
            user.containers = by_old.containers;
            if refuses_strategy(tree) {
                // What the user wrote does not stand beside ours.
                *user.tree.spec.place(ask.kind.strategy()) = by_old.tree.strategy().clone();
            }
        }
    }
    let labels = tree.our_labels();
    let workload = Workload {
        ask,
        tree,
        old,
        old_record,
        record,
        user,
        layers: layers(ask, &tree.ours, &labels),
    };
    workload.decide()
}

/// Whether a hook or a volume stands there that only Silkroll writes.
fn carries_ours(tree: &Tree<'_>) -> bool {
    let lifecycles = tree
        .containers()
        .iter()
        .filter_map(|container| container.get("lifecycle"));
    let mut hooks = lifecycles.flat_map(|all| [all.json("preStop"), all.json("postStart")]);
    let ours = |volume: &str| {
        let map = &json::value(volume)["configMap"]["name"];
        json::name_of(volume) == VOLUME && map.as_str().is_some_and(Script::names)
    };
    hooks.any(|hook| hook.is_some_and(chain::is_ours)) || tree.pod().list("volumes").any(ours)
}

struct Workload<'a> {
    ask: &'a Ask<'a>,
    tree: &'a Tree<'a>,
    old: Option<&'a Tree<'a>>,
    old_record: Option<&'a Record<'a>>,
    /// The template's own, or the stored one where the template plainly lost it.
    record: Option<&'a Record<'a>>,
    user: User<'a>,
    layers: Layers<'a>,
}

impl Workload<'_> {
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
        let cover = cover::cover(self.ask, &self.layers, level::denies(self.ask));
        if self.only_rollout_changed() {
            let kept = match cover {
                Cover::Yes if !level::left_to_pods(self.ask) => self.restored(&self.fingerprint()),
                _ => None,
            };
            return kept
                .unwrap_or_else(|| Decision::new(Outcome::Unchanged, Reason::NothingChanged));
        }
        match cover {
            Cover::Yes if level::left_to_pods(self.ask) => self.left_to_pods(),
            Cover::Yes => self.covered(),
            Cover::Workload(reason, warning) => {
                let mut decision = self.remove(reason, reason);
                // What stands on the workload itself, and is not what was gone by, is nearer to the cause.
                let warning = check::idle_switch(self.ask).or(warning);
                if let Some(warning) = warning.filter(|_| decision.outcome != Outcome::Removed) {
                    decision.push_warning(&warning);
                }
                decision
            }
            Cover::Namespace(reason @ Reason::NamespaceUnknown, warning) => {
                let mut skipped = Decision::skipped(reason);
                if let Some(warning) = warning {
                    skipped.push_warning(&warning);
                }
                self.not_injected(skipped)
            }
            Cover::Namespace(reason, warning) => {
                let mut decision = self.not_opted_in(reason);
                // What was said already tells of the namespace.
                if let Some(warning) = warning.filter(|_| decision.warnings.is_empty()) {
                    decision.push_warning(&warning);
                }
                decision
            }
            Cover::Invalid(decision) => self.not_injected(*decision),
        }
    }

    /// On a CREATE nothing is touched where the namespace has not opted in; on an UPDATE what was injected here before
    /// is given back.
    fn not_opted_in(&self, reason: Reason) -> Decision {
        let namespace = self.ask.namespace;
        if self.ask.old.is_none() {
            let skipped = Decision::skipped(reason);
            return match self.record {
                None => skipped,
                Some(_) => skipped.warn(&format!(
                    "the pod template was injected elsewhere and namespace {namespace} has not opted in: \
                     opt in, or run silkroll inject --remove on the manifest"
                )),
            };
        }
        let removed = self.remove(reason, reason);
        match removed.outcome {
            Outcome::Removed => removed.warn(&format!(
                "what Silkroll had injected was taken out: namespace {namespace} has not opted in"
            )),
            _ => removed,
        }
    }

    fn fingerprint(&self) -> String {
        self.fingerprint_of(&self.user)
    }

    /// Of what is the user's of this object, told by one way or the other. A Pod's own annotations are its template's.
    fn fingerprint_of(&self, user: &User<'_>) -> String {
        let own: &policy::Pairs<'_> = match self.ask.kind {
            Kind::Pod => &[],
            _ => self.ask.object.our_annotations(),
        };
        fingerprint::of(&user.tree, own)
    }

    /// At level `pod`: read and checked as ever, and not changed. What was injected before is given back.
    fn left_to_pods(&self) -> Decision {
        let checked = check::check(self.ask, &self.layers, &self.user);
        if self.old_record.is_none() || checked.outcome == Outcome::Rejected {
            return checked;
        }
        let removed = self.remove(checked.reason, checked.reason);
        Decision {
            outcome: removed.outcome,
            patch: removed.patch,
            ..checked
        }
    }

    /// Where nothing can be injected for want of something to go by: what the user did not change
    /// stays as it is stored.
    fn not_injected(&self, skipped: Decision) -> Decision {
        let unchanged = self
            .ask
            .old
            .and_then(|_| self.restored(&self.fingerprint()));
        unchanged.unwrap_or_else(|| self.left_alone(skipped))
    }

    /// An UPDATE can have merged the user's new parts into ours, which makes an object that the API
    /// refuses: where nothing is injected ours goes then. So it does where it is in the way of what
    /// the user wrote.
    fn left_alone(&self, skipped: Decision) -> Decision {
        let in_the_way = matches!(
            skipped.reason,
            Reason::NameTaken | Reason::NoRoom | Reason::Windows | Reason::BadGracePeriod
        );
        let mixed = in_the_way || !self.user.whole;
        if skipped.outcome != Outcome::Skipped || self.old_record.is_none() || !mixed {
            return match self.record {
                Some(_) => skipped.of_what_stays(),
                None => skipped,
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
        let user = take_out(self.tree, Some(record), self.ask.told(), forms());
        let mut wanted = self.tree.clone();
        if refuses_strategy(self.tree) {
            *wanted.spec.place(self.ask.kind.strategy()) = user.tree.strategy().clone();
        }
        let seconds = json::integer(self.tree.spec.json("minReadySeconds"));
        let ours = json::integer(record.slots.get(MIN_READY.key).map(Raw::get));
        if let Some(seconds) = seconds.filter(|_| seconds == ours)
            && let Some(why) =
                parts::too_long(self.ask.kind, self.ask.object.spec.as_ref(), seconds)
        {
            *wanted.spec.place("minReadySeconds") = user
                .tree
                .spec
                .get("minReadySeconds")
                .cloned()
                .unwrap_or_default();
            decision.push_warning(&parts::left_out(seconds, &why));
        }
        let mut patch = Patch::default();
        patch.difference("/spec", &self.tree.spec, &wanted.spec);
        if !patch.is_empty() {
            decision.outcome = Outcome::Injected;
            decision.reason = Reason::Restored;
            decision.patch = patch.finish();
        }
        decision
    }

    /// What was there before. `nothing` is the reason where there is nothing of ours.
    fn remove(&self, reason: Reason, nothing: Reason) -> Decision {
        if self.record.is_none() {
            return if self.ask.remove {
                Decision::new(Outcome::Unchanged, nothing)
            } else {
                Decision::skipped(nothing)
            };
        }
        let mut decision = Decision::new(Outcome::Removed, reason);
        let mut wanted = Cow::Borrowed(&self.user.tree);
        // An UPDATE that gave back what the API refuses would be denied, whatever its author changed.
        if self.ask.old.is_some() && valid::needs_grace(&wanted, self.tree) {
            let grace = self.tree.pod().get("terminationGracePeriodSeconds");
            let pod = wanted.to_mut().spec.place("template").place("spec");
            *pod.place("terminationGracePeriodSeconds") = grace.cloned().unwrap_or_default();
            decision.push_warning(
                "terminationGracePeriodSeconds stays as Silkroll set it, for a hook of the pod sleeps longer than \
                 the one from before, which the API refuses; set the one that you want",
            );
        }
        let mut patch = Patch::default();
        patch.workload(self.tree, &wanted);
        decision.patch = patch.finish();
        decision
    }

    fn covered(&self) -> Decision {
        let fingerprint = self.fingerprint();
        if let Some(decision) = self.restored(&fingerprint) {
            return decision;
        }
        let resolved = policy::resolve(&self.layers, METHODS);
        let mut decision = match resolved.policy {
            Ok(policy) if self.ask.kind == Kind::Pod => {
                self.inject(&policy.of_a_pod(), fingerprint)
            }
            Ok(policy) => self.inject(&policy, fingerprint),
            Err(problems) => self.left_alone(cover::invalid(&problems, level::denies(self.ask))),
        };
        for note in resolved.notes {
            decision.push_warning(&note);
        }
        decision
    }

    /// The cases in which the user changed nothing that is injected into.
    fn restored(&self, fingerprint: &str) -> Option<Decision> {
        let object = self.ask.old?;
        let came_back = || self.template_changed() && self.fits_its_record(fingerprint);
        let other_record = self.tree.record() != self.old.and_then(Tree::record);
        if other_record && came_back() {
            return Some(if sent::wrote_no_record(self.ask.told()) {
                Decision::new(Outcome::Unchanged, Reason::AlreadyInjected)
            } else {
                self.rollback_kept()
            });
        }
        if let (Some(old), Some(record)) = (self.old, self.old_record)
            && !fingerprint::plainly_differ(self.tree, old, forms())
        {
            let told = Witnesses {
                meta: object.metadata.as_ref(),
                ..Witnesses::default()
            };
            let before = take_out(old, Some(record), told, forms());
            if before.whole
                && fingerprint::of(&before.tree, object.our_annotations()) == fingerprint
            {
                return Some(self.put_back(record, old, &before.tree));
            }
        }
        (!other_record && came_back()).then(|| self.rollback_kept())
    }

    /// A template that came back stays as it is. Beside it stands what the stored record says, and what the record that came
    /// back wants takes its place.
    fn rollback_kept(&self) -> Decision {
        let mut decision = Decision::new(Outcome::Unchanged, Reason::RollbackKept);
        let beside = take_out(
            self.tree,
            self.old_record,
            self.ask.told(),
            parts::beside_template(),
        );
        let mut wanted = beside.tree;
        *wanted.spec.place("template") = self.tree.template().clone();
        if let Some(record) = self.record
            && let Some(warning) = inject::keep_rollout(self.ask, record, &mut wanted)
        {
            decision.push_warning(&warning);
        }
        let mut patch = Patch::default();
        patch.difference("/spec", &self.tree.spec, &wanted.spec);
        if !patch.is_empty() {
            decision.outcome = Outcome::Injected;
        }
        decision.patch = patch.finish();
        decision
    }

    /// Whether the template fits the record in it whole. What was sent last says nothing about one from before.
    fn fits_its_record(&self, fingerprint: &str) -> bool {
        let Some(record) = self.record.filter(|_| self.tree.record().is_some()) else {
            return false;
        };
        if !self.user.told {
            return self.user.whole && record.user == fingerprint;
        }
        let user = take_out(self.tree, Some(record), Witnesses::default(), forms());
        user.whole && record.user == self.fingerprint_of(&user)
    }

    /// The stored template, and what is wanted beside it. Where the user wrote the same in other words, these stay, with
    /// what was injected as it is stored.
    fn put_back(&self, record: &Record<'_>, old: &Tree<'_>, before: &Tree<'_>) -> Decision {
        let mut patch = Patch::default();
        let mut wanted = self.user.tree.clone();
        if fingerprint::same_as_written(before, &self.user.tree) {
            let [new, old] = [Some(self.ask.object), self.ask.old].map(|object| {
                object
                    .and_then(Object::template)
                    .map_or("null", RawValue::get)
            });
            if !json::same(new, old) {
                patch.replace("/spec/template", old);
            }
            *wanted.spec.place("template") = self.tree.template().clone();
        } else {
            let template = wanted.spec.place("template");
            carry(old.template(), before.template(), template);
        }
        let warning = inject::keep_rollout(self.ask, record, &mut wanted);
        patch.difference("/spec", &self.tree.spec, &wanted.spec);
        let mut decision = if patch.is_empty() {
            Decision::new(Outcome::Unchanged, Reason::AlreadyInjected)
        } else {
            Decision::new(Outcome::Injected, Reason::Restored)
        };
        decision.patch = patch.finish();
        if let Some(warning) = warning {
            decision.push_warning(&warning);
        }
        decision
    }

    fn inject(&self, policy: &policy::Policy<'_>, fingerprint: String) -> Decision {
        let injected = inject::inject(self.ask, policy, &self.user, fingerprint);
        let mut injection = match injected {
            Ok(injection) => injection,
            Err(Stop::Problem(problem)) => {
                let invalid = cover::invalid(&[problem], level::denies(self.ask));
                return self.left_alone(invalid);
            }
            Err(Stop::Skip(reason, warning)) => {
                return self.left_alone(Decision::skipped(reason).warn(&warning));
            }
        };
        let wanted = &mut injection.tree;
        *wanted.spec.place("template").place("metadata") = self.tree.meta().clone();
        let mut patch = Patch::default();
        patch.workload(self.tree, wanted);
        // A record that came with the template is as good as ours where nothing else differs; one
        // that the old object has, too, belongs to what was there before the user's change.
        let own = self.tree.record();
        let outdated = own == self.old.and_then(Tree::record) && self.template_changed();
        if own.is_none() || outdated || !patch.is_empty() {
            let text = Cow::Owned(json::string(&injection.record));
            Places::new(wanted).put(&Slot::new(&RECORD), text, false);
            let at = format!("{}/metadata", self.ask.kind.template());
            patch.difference(&at, self.tree.meta(), wanted.meta());
        }
        let mut decision = match (patch.is_empty(), self.record.is_some()) {
            (true, _) => Decision::new(Outcome::Unchanged, Reason::AlreadyInjected),
            (false, true) => Decision::new(Outcome::Injected, Reason::Refreshed),
            (false, false) => Decision::new(Outcome::Injected, Reason::Covered),
        };
        decision.patch = patch.finish();
        decision.steps = injection.plan.steps;
        decision.timeline = injection.plan.timeline;
        for warning in injection.plan.warnings {
            decision.push_warning(&warning);
        }
        decision
    }

    /// Whether an UPDATE leaves the template and our annotations alone: then the template stays.
    fn only_rollout_changed(&self) -> bool {
        let same = |old: &Object<'_>| old.our_annotations() == self.ask.object.our_annotations();
        self.ask.old.is_some_and(same) && !self.template_changed()
    }

    fn template_changed(&self) -> bool {
        let old = self.ask.old.and_then(Object::template);
        old.map(RawValue::get) != self.ask.object.template().map(RawValue::get)
    }
}
