//! What a judgement comes to: the findings, and what was learnt of hooks besides, which an injection may take away or change.

use std::collections::HashMap;

use super::ours::Ours;
use super::rules::{self, Finding};
use super::workload::{Container, Serves, Workload};
use crate::manifest::budget::element;

/// What is found in a world.
#[derive(Debug, Default)]
pub struct Judged {
    /// In no order that means anything.
    pub(super) findings: Vec<Finding>,
    /// By workload and the name of the container, what a hook tells.
    hooks: HashMap<usize, HashMap<String, HookFacts>>,
}

/// What a hook tells of its container.
#[derive(Debug)]
struct HookFacts {
    registry: Option<&'static str>,
    /// Callers find it there.
    registered: bool,
    /// Its stop takes it out there, by itself or by Silkroll.
    leaves: bool,
    /// It leaves the app too little time.
    short: bool,
}

impl Judged {
    /// Notes what a workload's hooks tell; what that takes, in bytes.
    pub(super) fn note(&mut self, workload: &Workload<'_, '_>) -> usize {
        let hooked = workload.containers.iter();
        let hooked = hooked.filter(|container| container.pre_stop.is_some());
        let mut bytes = 0;
        for container in hooked {
            let known = HookFacts {
                registry: container.registry,
                registered: container.serves == Serves::Registered,
                leaves: leaves(container),
                short: rules::is_short(workload, container),
            };
            if known.registry.is_some() || known.leaves || known.short {
                bytes += container.name.len() + element::<(String, HookFacts)>();
                let hooks = self.hooks.entry(workload.at).or_default();
                hooks.insert(container.name.to_owned(), known);
            }
        }
        bytes
    }

    /// Puts back what a workload's own hooks told: that callers find it in a registry does not end with an injection that
    /// puts another hook in their place.
    pub(super) fn recall(&self, workload: &mut Workload<'_, '_>) {
        let Some(hooks) = self.hooks.get(&workload.at) else {
            return;
        };
        for container in &mut workload.containers {
            let Some(known) = hooks.get(container.name) else {
                continue;
            };
            container.registry = container.registry.or(known.registry);
            if known.registered && container.serves == Serves::No {
                container.serves = Serves::Registered;
            }
        }
    }

    /// Whether a container's hook leaves the app less time than it needs.
    pub(super) fn is_short(&self, workload: usize, container: &str) -> bool {
        let hooks = self.hooks.get(&workload);
        let known = hooks.and_then(|hooks| hooks.get(container));
        known.is_some_and(|known| known.short)
    }

    /// Workloads and containers that left a registry, and do so no longer.
    pub(super) fn lost<'s>(&'s self, after: &'s Self) -> impl Iterator<Item = (usize, &'s str)> {
        let stays = |workload: usize, name: &str| {
            let hooks = after.hooks.get(&workload);
            let known = hooks.and_then(|hooks| hooks.get(name));
            known.is_some_and(|known| known.leaves)
        };
        let all = self.hooks.iter();
        let all = all.flat_map(|(workload, hooks)| hooks.iter().map(|one| (*workload, one)));
        let leaving = all.filter(|(_, (_, known))| known.leaves);
        let leaving = leaving.map(|(workload, (name, _))| (workload, name.as_str()));
        leaving.filter(move |(workload, name)| !stays(*workload, name))
    }
}

/// Whether its stop takes it out of a registry.
fn leaves(container: &Container<'_>) -> bool {
    container.pre_stop.as_ref().is_some_and(|hook| {
        rules::calls_a_registry(hook) || hook.ours.is_some_and(Ours::leaves_a_registry)
    })
}
