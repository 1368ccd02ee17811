//! Whether an injection would mend a finding, and what it takes to come to it.

use std::collections::HashSet;

use super::judged::Judged;
use super::rule::Id;
use super::rules::Finding;
use super::world::World;

/// What is to be done so that an injection mends a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Annotate the namespace.
    Annotate,
    /// Annotate it; what runs already is injected when it is restarted or applied next.
    AnnotateAndRestart,
    /// Annotate the workload: its namespace leaves that to each.
    Request,
    /// Nothing but to apply it.
    Apply,
    /// What runs already: restart it, or apply it again.
    Restart,
}

impl Mend {
    /// What to do, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Annotate => {
                "Annotating the namespace would mend it (silkroll.dev/inject: enabled)."
            }
            Self::AnnotateAndRestart => {
                "Annotating the namespace (silkroll.dev/inject: enabled) and restarting the workload would mend it."
            }
            Self::Request => {
                "Annotating the workload (silkroll.dev/inject: enabled) would mend it: its namespace leaves that to each."
            }
            Self::Apply => "Applying the workload would mend it: its namespace has opted in.",
            Self::Restart => "Restarting the workload would mend it: its namespace has opted in.",
        }
    }

    /// Whether the namespace is to be annotated.
    #[must_use]
    pub fn annotates(self) -> bool {
        matches!(self, Self::Annotate | Self::AnnotateAndRestart)
    }
}

/// What makes two findings of two judgements the same one.
type Key<'f> = (Id, usize, &'f str);

/// What is found in the same objects without and with the injection, side by side.
pub(super) struct Mended<'f> {
    before: HashSet<Key<'f>>,
    after: HashSet<Key<'f>>,
    /// Workloads and their containers in which the injection brings up something that was not found before, so that what is
    /// gone there may have only changed its name; and those where it takes away the call at a registry, and makes none.
    changed: HashSet<(usize, &'f str)>,
    injected: &'f Judged,
}

impl<'f> Mended<'f> {
    pub(super) fn new(before: &'f Judged, after: &'f Judged) -> Self {
        // A container that left a registry and does so no longer is worse off, whatever is found no more.
        let lost = before.lost(after);
        let lost = lost.flat_map(|(workload, container)| [(workload, container), (workload, "")]);
        let mut changed: HashSet<_> = lost.collect();
        let before: HashSet<Key<'_>> = before.findings.iter().map(key).collect();
        let new = after
            .findings
            .iter()
            .filter(|one| !before.contains(&key(one)));
        changed.extend(new.map(|one| (one.workload, &*one.container)));
        Self {
            changed,
            injected: after,
            after: after.findings.iter().map(key).collect(),
            before,
        }
    }

    /// What it takes so that a finding is gone, and nothing else has come in its place.
    pub(super) fn how(&self, finding: &Finding, world: &World<'_>) -> Option<Mend> {
        let changed = |container: &str| self.changed.contains(&(finding.workload, container));
        // What is said of comments is no judgement, and no injection changes it.
        let gone = self.before.contains(&key(finding)) && !self.after.contains(&key(finding));
        if !gone || changed("") || changed(&finding.container) {
            return None;
        }
        // A longer grace period that the hook eats is not what these ask for.
        let short = || self.injected.is_short(finding.workload, &finding.container);
        if matches!(finding.id, Id::Sr102 | Id::Sr103) && short() {
            return None;
        }
        let workload = world.objects.get(finding.workload)?;
        let opted_in = world.has_opted_in(workload);
        Some(match (opted_in, workload.is_live()) {
            (false, _) if world.is_on_request(workload) => Mend::Request,
            (false, false) => Mend::Annotate,
            (false, true) => Mend::AnnotateAndRestart,
            (true, false) => Mend::Apply,
            (true, true) => Mend::Restart,
        })
    }
}

fn key(finding: &Finding) -> Key<'_> {
    (finding.id, finding.object, &finding.container)
}
