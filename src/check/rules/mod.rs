//! The rules, one file for each group of their codes.

mod balancing;
mod capacity;
mod disruption;
mod ownership;
mod probes;
mod registry;
mod signals;
mod stopping;

use super::rule::Id;
use super::workload::{Container, Workload};
use super::world::World;

/// What is found while the rules are asked.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) Vec<Finding>);

/// Something that is not lossless, and its place.
#[derive(Debug, Clone)]
pub struct Finding {
    pub(super) id: Id,
    /// The object, by its place in the world.
    pub(super) object: usize,
    /// The workload that it is about, by its place in the world, or the object itself.
    pub(super) workload: usize,
    /// The container, where it is about one.
    pub(super) container: String,
    /// Where in the object, as a JSON pointer; what is missing is said where it would stand in.
    pub(super) pointer: String,
    /// What was seen here.
    pub(super) message: String,
}

impl Found {
    fn add(&mut self, id: Id, object: usize, pointer: impl Into<String>, message: String) {
        self.0.push(Finding {
            id,
            object,
            workload: object,
            container: String::new(),
            pointer: pointer.into(),
            message,
        });
    }

    fn in_container(
        &mut self,
        id: Id,
        workload: &Workload<'_, '_>,
        container: &Container<'_>,
        field: &str,
        message: String,
    ) {
        self.0.push(Finding {
            id,
            object: workload.at,
            workload: workload.at,
            container: container.name.to_owned(),
            pointer: format!("{}{field}", container.path),
            message,
        });
    }
}

/// Asks every rule about every workload and everything beside them.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let mut found = Found::default();
    for at in 0..world.workloads() {
        let workload = Workload::new(world, at);
        let before = found.0.len();
        about(&workload, &mut found);
        for finding in &mut found.0[before..] {
            finding.workload = workload.at;
        }
    }
    disruption::of_budgets(world, &mut found);
    found.0
}

fn about(workload: &Workload<'_, '_>, found: &mut Found) {
    ownership::of(workload, found);
    // Nothing runs that could lose a request.
    if workload.replicas() == Some(0) {
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
