//! Spring's actuator, `serviceregistry`: DOWN, and back without an override that would stick.

use crate::ask::ask;
use crate::eureka::{HEARTBEAT, application, customer, is};
use crate::hook::{ONE, RUNNERS, Settings};
use crate::start::{World, up, within};
use testkit::process::Process;

/// The application tells the server of a change of its own at once, but no more than a few times a minute: then with its
/// next look, every 30 s.
const TOLD: u64 = 35;

fn settings() -> Settings {
    at("9810")
}

fn at(port: &str) -> Settings {
    Settings::told("spring", "10.1.2.3", &[("spring-port", port)])
}

/// The application of itself, as its health check would.
fn says(status: &str) {
    let answer = ask("POST", &format!("9810/status/{status}"), &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
}

pub(crate) fn actuator(world: &World, app: Process) {
    for runner in RUNNERS {
        runner.stop(&settings()).has("silkroll: spring: left");
        assert!(is("DOWN", "DOWN"));
        runner.start(&settings());
        within(5, "the override is gone", || {
            is("UP", "UNKNOWN") || is("UNKNOWN", "UNKNOWN")
        });
    }
    within(HEARTBEAT, "it is UP", || is("UP", "UNKNOWN"));
    world.ok("the actuator: DOWN, and back without an override; UP with the next heartbeat");
    says("DOWN");
    within(TOLD, "a DOWN of its own shows", || is("DOWN", "UNKNOWN"));
    says("UP");
    within(TOLD, "its own UP shows", || is("UP", "UNKNOWN"));
    world.ok("afterwards what the application says of itself counts");

    ONE.stop(&settings()).has("left");
    app.kill().unwrap();
    // The start hook runs beside the application, which takes its time.
    ONE.start(&settings());
    let mut app = customer(world);
    up(60, &mut app, || is("DOWN", "DOWN") || is("UP", "UP"));
    within(HEARTBEAT + TOLD, "it is back", || is("UP", "UNKNOWN"));
    world.ok("killed and started again: UP without an override");

    let mut closed = application(world, "closed", 9812, &[]);
    up(60, &mut closed, || {
        ask("GET", "9812/sees/nobody", &[], "").status == 200
    });
    for runner in RUNNERS {
        let said = runner.stop(&at("9812"));
        said.has("silkroll: spring: not done: ");
        said.has("404");
    }
    world.ok("an actuator that does not expose it is named: 404");
    drop(app);
}
