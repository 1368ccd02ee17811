//! Workloads that share their callers: where a Service leads to several, those of the others answer while the only pod of
//! one is away.

use std::collections::{HashMap, HashSet};

use super::object::Identity;
use super::workload::{Serves, Workload};
use super::world::World;
use crate::manifest::budget::element;

/// Whom each Service leads callers to.
#[derive(Default)]
pub(super) struct Siblings<'a> {
    /// Of a workload, by its place among the objects, the Services that lead callers to it: where only these do.
    led: HashMap<usize, Vec<usize>>,
    /// Of a Service the workloads with pods that it leads to.
    by_service: HashMap<usize, Vec<usize>>,
    /// Workloads whose input has a Service that leads to them: it is whole by itself.
    whole: HashSet<usize>,
    /// Services with the inputs and names of these: what stands in an input twice is one.
    known: HashSet<(usize, &'a str, Identity<'a>)>,
}

impl<'a> Siblings<'a> {
    /// Notes what leads to a workload; what that takes, in bytes.
    pub(super) fn note(&mut self, workload: &Workload<'_, 'a>) -> usize {
        let led = &workload.led_by;
        let pods = !workload.is_off() && workload.replicas().is_none_or(|pods| pods > 0);
        for service in led.iter().copied().filter(|_| pods) {
            let object = workload.object;
            let identity = object.identity();
            if identity.is_none_or(|who| self.known.insert((service, object.file, who))) {
                let of = self.by_service.entry(service).or_default();
                of.push(workload.at);
            }
        }
        let file = workload.object.file;
        let mut services = led.iter();
        if services.any(|service| workload.world.objects[*service].file == file) {
            self.whole.insert(workload.at);
        }
        let mut serving = workload.serving();
        // Callers that ask a registry are led to nobody else.
        if !led.is_empty() && serving.all(|one| one.serves == Serves::Led) {
            self.led.insert(workload.at, led.clone());
        }
        led.len() * (2 * element::<usize>() + element::<(usize, &str, Identity<'_>)>())
            + element::<usize>()
    }

    /// Whether each Service that leads to a workload leads to another one, too, which has pods. Two inputs that each have
    /// a workload and its Service are two ways to run it, or two apps with the same labels, and say nothing of each other.
    pub(super) fn answer_for(&self, world: &World<'_>, workload: usize) -> bool {
        let own = &world.objects[workload];
        let answers = |at: &usize| {
            let other = &world.objects[*at];
            let who = other.identity();
            if other.file == own.file {
                *at != workload && (who.is_none() || who != own.identity())
            } else {
                let whole = self.whole.contains(&workload) && self.whole.contains(at);
                !whole && !world.environments.apart(own.file, other.file)
            }
        };
        self.led.get(&workload).is_some_and(|services| {
            services.iter().all(|service| {
                let others = self.by_service.get(service);
                others.is_some_and(|others| others.iter().any(answers))
            })
        })
    }
}
