//! Everything that is wanted of one workload: filled by the parts, one after the other.

use std::borrow::Cow;

use super::ask::{Ask, Stop};
use super::program::Chosen;
use super::report::{Step, Timeline};
use crate::deregister::{Deregistration, Registrant};
use crate::policy::Policy;
use crate::slots::slot::{Form, Slot};
use crate::slots::tree::{Node, Tree};
use crate::text::shown;

/// Characters of a decision that is told, names of the manifest in it: usual ones have a tenth of that.
const STEP_CHARS: usize = 1000;

/// What is wanted in one slot.
#[derive(Debug)]
pub(crate) struct Want<'a> {
    pub(crate) slot: Slot<'a>,
    /// JSON, with every field that the API server would fill in, or the next round sees a difference.
    pub(crate) value: String,
    /// Before all other items of the list.
    pub(crate) first: bool,
    /// Recorded only: a rule of the API does not allow it yet.
    pub(crate) later: bool,
}

/// What is to be injected, and what to say about it.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) wants: Vec<Want<'a>>,
    pub(crate) warnings: Vec<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) explain: bool,
    pub(crate) timeline: Option<Timeline>,
    pub(crate) budget: Budget,
    /// What runs in the containers.
    pub(crate) chosen: Chosen,
    /// Of the container at hand.
    pub(crate) hook: Hooked,
}

/// The seconds that hooks take, at most, over all containers.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    pub(crate) hooks: bool,
    pub(crate) deregister: i64,
    pub(crate) drain: i64,
    pub(crate) idle: i64,
    pub(crate) end: i64,
    pub(crate) own: i64,
    /// A sleep of the user's that stays alone; the grace period holds it already.
    pub(crate) kept: i64,
    /// An own hook of which it is not known how long it takes.
    pub(crate) unbounded: bool,
}

/// What the pre-stop hook of a container is, for the parts after it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Hooked {
    /// Whether it is the script or the helper.
    pub(crate) program: bool,
    /// Seconds that the user's own hook is known or said to take.
    pub(crate) own: u32,
    /// Whether it is a startup probe, too.
    pub(crate) registered: bool,
    /// Seconds, at most, that it waits on after the drain while clients hold connections; 0: it does not look.
    pub(crate) idle: u32,
}

/// What the parts of a pod go by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pod<'c, 'a> {
    pub(crate) ask: &'c Ask<'c>,
    pub(crate) policy: &'c Policy<'c>,
    /// What the user wrote.
    pub(crate) user: &'c Tree<'a>,
}

/// What the parts of a container that serves traffic go by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'c, 'a> {
    pub(crate) pod: Pod<'c, 'a>,
    pub(crate) name: &'c Cow<'a, str>,
    /// What the user wrote of it.
    pub(crate) container: &'c Node<'a>,
    pub(crate) place: &'c Registrant<'c>,
    pub(crate) deregister: &'c Deregistration,
}

/// What a part wants, of each container that serves traffic or of the pod.
pub(crate) enum Wants {
    Container(for<'a> fn(&mut Plan<'a>, &Target<'_, 'a>) -> Result<(), Stop>),
    Pod(for<'a> fn(&mut Plan<'a>, &Pod<'_, 'a>) -> Result<(), Stop>),
}

/// One part: the slots that it can fill, and what it wants in them.
pub(crate) struct Part {
    pub(crate) forms: &'static [&'static Form],
    pub(crate) wants: Wants,
}

impl<'a> Target<'_, 'a> {
    /// The user's hook, where there is one.
    pub(crate) fn hook(&self, name: &str) -> Option<&str> {
        self.container.get("lifecycle")?.json(name)
    }

    pub(crate) fn slot(&self, form: &'static Form) -> Slot<'a> {
        Slot::of(form, self.name.clone())
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn want(&mut self, slot: Slot<'a>, value: String) {
        self.wants.push(Want {
            slot,
            value,
            first: false,
            later: false,
        });
    }

    /// What is wanted in slots of this form.
    pub(crate) fn wanted(&self, form: &'static Form) -> impl Iterator<Item = &Want<'a>> {
        self.wants.iter().filter(move |want| want.slot.form == form)
    }

    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// The text is made only where it is asked for.
    pub(crate) fn step(
        &mut self,
        part: &'static str,
        of: &Target<'_, '_>,
        text: impl FnOnce() -> String,
    ) {
        self.tell(part, of.name, text);
    }

    pub(crate) fn pod_step(&mut self, part: &'static str, text: impl FnOnce() -> String) {
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
