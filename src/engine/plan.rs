//! Everything that is wanted of one workload: filled by the parts, one after the other.

use std::borrow::Cow;

use super::ask::{Ask, Stop};
use super::program::Chosen;
use super::report::{Step, Timeline};
use super::slot::{Form, Slot};
use super::tree::{Node, Tree};
use crate::deregister::{Deregistration, Registrant};
use crate::policy::Policy;
use crate::text::shown;

/// Characters of a decision that is told, names of the manifest in it: usual ones have a tenth of that.
const STEP_CHARS: usize = 1000;

/// What is wanted in one slot.
#[derive(Debug)]
pub(super) struct Want<'a> {
    pub(super) slot: Slot<'a>,
    /// JSON, with every field that the API server would fill in, or the next round sees a difference.
    pub(super) value: String,
    /// Before all other items of the list.
    pub(super) first: bool,
    /// Recorded only: a rule of the API does not allow it yet.
    pub(super) later: bool,
}

/// What is to be injected, and what to say about it.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) wants: Vec<Want<'a>>,
    pub(super) warnings: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) explain: bool,
    pub(super) timeline: Option<Timeline>,
    pub(super) budget: Budget,
    /// What runs in the containers.
    pub(super) chosen: Chosen,
    /// Of the container at hand.
    pub(super) hook: Hooked,
}

/// The seconds that hooks take, at most, over all containers.
#[derive(Debug, Default)]
pub(super) struct Budget {
    pub(super) hooks: bool,
    pub(super) deregister: i64,
    pub(super) drain: i64,
    pub(super) idle: i64,
    pub(super) end: i64,
    pub(super) own: i64,
    /// A sleep of the user's that stays alone; the grace period holds it already.
    pub(super) kept: i64,
    /// An own hook of which it is not known how long it takes.
    pub(super) unbounded: bool,
}

/// What the pre-stop hook of a container is, for the parts after it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Hooked {
    /// Whether it is the script or the helper.
    pub(super) program: bool,
    /// Seconds that the user's own hook is known or said to take.
    pub(super) own: u32,
    /// Whether it is a startup probe, too.
    pub(super) registered: bool,
    /// Seconds, at most, that it waits on after the drain while clients hold connections; 0: it does not look.
    pub(super) idle: u32,
}

/// What the parts of a pod go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod<'c, 'a> {
    pub(super) ask: &'c Ask<'c>,
    pub(super) policy: &'c Policy<'c>,
    /// What the user wrote.
    pub(super) user: &'c Tree<'a>,
}

/// What the parts of a container that serves traffic go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'c, 'a> {
    pub(super) pod: Pod<'c, 'a>,
    pub(super) name: &'c Cow<'a, str>,
    /// What the user wrote of it.
    pub(super) container: &'c Node<'a>,
    pub(super) place: &'c Registrant<'c>,
    pub(super) deregister: &'c Deregistration,
}

/// What a part wants, of each container that serves traffic or of the pod.
pub(super) enum Wants {
    Container(for<'a> fn(&mut Plan<'a>, &Target<'_, 'a>) -> Result<(), Stop>),
    Pod(for<'a> fn(&mut Plan<'a>, &Pod<'_, 'a>) -> Result<(), Stop>),
}

/// One part: the slots that it can fill, and what it wants in them.
pub(super) struct Part {
    pub(super) forms: &'static [&'static Form],
    pub(super) wants: Wants,
}

impl<'a> Target<'_, 'a> {
    /// The user's hook, where there is one.
    pub(super) fn hook(&self, name: &str) -> Option<&str> {
        self.container.get("lifecycle")?.json(name)
    }

    pub(super) fn slot(&self, form: &'static Form) -> Slot<'a> {
        Slot::of(form, self.name.clone())
    }
}

impl<'a> Plan<'a> {
    pub(super) fn want(&mut self, slot: Slot<'a>, value: String) {
        self.wants.push(Want {
            slot,
            value,
            first: false,
            later: false,
        });
    }

    /// What is wanted in slots of this form.
    pub(super) fn wanted(&self, form: &'static Form) -> impl Iterator<Item = &Want<'a>> {
        self.wants.iter().filter(move |want| want.slot.form == form)
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// The text is made only where it is asked for.
    pub(super) fn step(
        &mut self,
        part: &'static str,
        of: &Target<'_, '_>,
        text: impl FnOnce() -> String,
    ) {
        self.tell(part, of.name, text);
    }

    pub(super) fn pod_step(&mut self, part: &'static str, text: impl FnOnce() -> String) {
        self.tell(part, "", text);
    }

    fn tell(&mut self, part: &'static str, container: &str, text: impl FnOnce() -> String) {
        if self.explain {
            self.steps.push(Step {
                part,
                container: shown(container, STEP_CHARS).into_owned(),
                text: shown(&text(), STEP_CHARS).into_owned(),
            });
        }
    }
}
