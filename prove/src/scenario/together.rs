//! Several scenarios at once, each with both arms: on the same machine in the same state.

use std::thread;

use super::gate::Ticket;
use super::{Scenario, Settings, arm};
use crate::record::{Arm, Run};
use testkit::kubectl::Kubectl;

/// The runs, and why the others of the arms could not be run.
#[must_use]
pub fn together(
    kubectl: &Kubectl,
    scenarios: &[&'static Scenario],
    settings: &Settings,
) -> (Vec<Run>, Vec<String>) {
    let mut failures = Vec::new();
    let mut runs = Vec::new();
    thread::scope(|scope| {
        let arms = [Arm::Control, Arm::Silkroll];
        let all = scenarios
            .iter()
            .flat_map(|&scenario| arms.map(|arm| (scenario, arm)));
        let tickets = Ticket::for_each_of(scenarios.len() * arms.len());
        let mut running = Vec::new();
        for ((scenario, arm), ticket) in all.zip(tickets) {
            running.push(scope.spawn(move || arm::run(kubectl, scenario, arm, settings, ticket)));
        }
        for arm in running {
            match arm.join() {
                Ok(Ok(run)) => runs.push(run),
                Ok(Err(error)) => failures.push(format!("{error:#}")),
                Err(_) => failures.push("the thread of an arm panicked".to_owned()),
            }
        }
    });
    (runs, failures)
}
