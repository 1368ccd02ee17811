//! Several scenarios at once, each with both arms: on the same machine in the same state.

use std::thread;

use super::{Scenario, Settings, run};
use crate::node::kubectl::Kubectl;
use crate::record::{Arm, Run};

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
        let mut running = Vec::new();
        for scenario in scenarios {
            for arm in [Arm::Control, Arm::Silkroll] {
                running.push(scope.spawn(move || run(kubectl, scenario, arm, settings)));
            }
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
