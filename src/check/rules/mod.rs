//! The rules, one file for each group of their codes.

mod balancing;
mod capacity;
mod disruption;
mod ownership;
mod probes;
mod registry;
mod signals;
mod stopping;

use std::collections::HashSet;

pub(super) use self::registry::calls_a_registry;
pub(super) use self::stopping::is_short;
use super::Terms;
use super::hook::LifecycleHandler;
use super::judged::Judged;
use super::rule::Id;
use super::siblings::Siblings;
use super::workload::{Container, Workload};
use super::world::World;
use crate::manifest::budget::{Account, Excess, element};
use crate::text::cut;

/// The longest message, in characters: what it quotes of a manifest may be as long as that is, and outputs show no more.
const MESSAGE: usize = 1000;

/// What is found while the rules are asked, and what it takes. Where that is too much, nothing more is kept.
#[derive(Debug)]
pub(super) struct Found {
    findings: Vec<Finding>,
    account: Account,
    excess: Option<Excess>,
}

/// Something that is not lossless, and its place.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) id: Id,
    /// The object, by its place in the world.
    pub(super) object: usize,
    /// The workload that it is about, by its place in the world, or the object itself: who is asked to ignore it, too.
    pub(super) workload: usize,
    /// The container, where it is about one.
    pub(super) container: String,
    /// Where in the object, as a JSON pointer; what is missing is said where it would stand in.
    pub(super) pointer: String,
    /// What was seen here.
    pub(super) message: String,
    /// What to do here, where that is not what the rule says.
    pub(super) advice: Option<&'static str>,
}

impl Finding {
    fn of_container(
        id: Id,
        workload: &Workload<'_, '_>,
        container: &Container<'_>,
        pointer: String,
        message: String,
    ) -> Self {
        Self {
            id,
            object: workload.at,
            workload: workload.at,
            container: container.name.to_owned(),
            pointer,
            message,
            advice: None,
        }
    }

    /// What it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        element::<Self>() + self.container.len() + self.pointer.len() + self.message.len()
    }
}

impl Found {
    fn add(&mut self, id: Id, object: usize, pointer: impl Into<String>, message: String) {
        self.keep(Finding {
            id,
            object,
            workload: object,
            container: String::new(),
            pointer: pointer.into(),
            message,
            advice: None,
        });
    }

    /// Of what stands beside workloads and selects them: where it is one, that is asked to ignore it; of several none is.
    fn add_beside(
        &mut self,
        id: Id,
        (world, object): (&World<'_>, usize),
        selected: &[usize],
        pointer: &str,
        message: String,
    ) {
        let workload = match selected {
            [workload] => world.workloads[*workload].0,
            _ => object,
        };
        self.keep(Finding {
            id,
            object,
            workload,
            container: String::new(),
            pointer: pointer.to_owned(),
            message,
            advice: None,
        });
    }

    fn keep(&mut self, mut finding: Finding) {
        if self.excess.is_some() {
            return;
        }
        if finding.message.len() > MESSAGE {
            finding.message = cut(&finding.message, MESSAGE);
        }
        match self.account.charge(finding.bytes()) {
            Ok(()) => self.findings.push(finding),
            Err(excess) => self.excess = Some(excess),
        }
    }

    fn in_container(
        &mut self,
        id: Id,
        workload: &Workload<'_, '_>,
        container: &Container<'_>,
        field: &str,
        message: String,
    ) {
        let pointer = format!("{}{field}", container.path);
        self.of_container(id, workload, container, pointer, message);
    }

    /// As [`Self::in_container`], with what to do there.
    fn advised(
        &mut self,
        id: Id,
        (workload, container): (&Workload<'_, '_>, &Container<'_>),
        field: &str,
        message: String,
        advice: Option<&'static str>,
    ) {
        let pointer = format!("{}{field}", container.path);
        self.keep(Finding {
            advice,
            ..Finding::of_container(id, workload, container, pointer, message)
        });
    }

    /// About a container, wherever it stands in its workload.
    fn of_container(
        &mut self,
        id: Id,
        workload: &Workload<'_, '_>,
        container: &Container<'_>,
        pointer: String,
        message: String,
    ) {
        self.keep(Finding::of_container(
            id, workload, container, pointer, message,
        ));
    }
}

/// Asks every rule about every workload and everything beside them.
///
/// # Errors
/// As [`Account::charge`].
pub(super) fn ask(
    world: &World<'_>,
    terms: Terms<'_>,
    account: &mut Account,
) -> Result<Judged, Excess> {
    let mut judged = Judged::default();
    let mut found = Found {
        findings: Vec::new(),
        account: account.beside(),
        excess: None,
    };
    let mut siblings = Siblings::default();
    let mut beside = account.beside();
    for at in 0..world.workloads() {
        account.go_on()?;
        let mut workload = Workload::new(world, at);
        if let Some(before) = terms.before {
            before.recall(&mut workload);
        }
        if !terms.native_sleep {
            let all = workload.containers.iter_mut();
            for container in all.chain(&mut workload.sidecars) {
                container
                    .pre_stop
                    .iter_mut()
                    .for_each(LifecycleHandler::drop_sleep);
            }
        }
        account.charge(judged.note(&workload))?;
        beside.charge(siblings.note(&workload))?;
        let before = found.findings.len();
        about(&workload, &mut found);
        for finding in &mut found.findings[before..] {
            finding.workload = workload.at;
        }
    }
    disruption::of_budgets(world, &mut found);
    probes::of_services(world, &mut found);
    let Found {
        mut findings,
        account: taken,
        excess,
    } = found;
    excess.map_or(Ok(()), Err)?;
    findings.retain(|one| one.id != Id::Sr301 || !siblings.answer_for(world, one.workload));
    // Two workloads of one name have the same to say of what stands beside them.
    let mut told = HashSet::new();
    findings.retain(|one| {
        let elsewhere = one.object != one.workload;
        !elsewhere || told.insert((one.id, one.object, one.message.clone()))
    });
    let bytes = taken.held();
    drop(taken);
    account.charge(bytes)?;
    judged.findings = findings;
    Ok(judged)
}

fn about(workload: &Workload<'_, '_>, found: &mut Found) {
    ownership::of(workload, found);
    // Nothing runs that could lose a request.
    if workload.is_off() {
        return;
    }
    stopping::of(workload, found);
    signals::of(workload, found);
    registry::of(workload, found);
    probes::of(workload, found);
    capacity::of(workload, found);
    disruption::of(workload, found);
    balancing::of(workload, found);
}
