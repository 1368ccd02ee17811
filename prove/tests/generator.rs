//! The load generator as it runs in a pod: asked over HTTP, by whoever asks as often as they like.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot be had has to fail the test"
)]

mod programs;

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use programs::Program;
use prove::load::Plan;
use prove::load::told::{STATE, STOP, Told};
use prove::record::now_ms;
use testkit::http;
use testkit::wait::eventually;

fn ask(generator: SocketAddr, path: &str) -> Told {
    let answer = http::get(generator, "load", path, Duration::from_secs(20)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn generator(target: SocketAddr) -> Program {
    let plan = serde_json::to_string(&Plan::default()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(["--listen", "127.0.0.1:0", "--plan", &plan]);
    command.args(["--target", &target.to_string()]);
    Program::start(&mut command)
}

#[test]
fn it_begins_when_the_service_answers_and_tells_what_was_lost_however_often_it_is_stopped() {
    let mut app = Program::app("app-1", &[]);
    let mut generator = generator(app.address());
    let address = generator.address();
    let started_ms = eventually("the begin of the load", || {
        let told = ask(address, STATE);
        assert!(told.now_ms.abs_diff(now_ms()) < 5_000);
        assert_eq!((told.failed, told.load), (None, None));
        told.started_ms
    });
    // At 200 requests a second, far more than are asked for below.
    thread::sleep(Duration::from_secs(2));
    app.term();
    app.code();
    let once = ask(address, STOP);
    let load = once.load.unwrap();
    assert_eq!(once.started_ms, Some(started_ms));
    let sent: u64 = load.seconds.iter().map(|second| second.sent).sum();
    let ok: u64 = load.seconds.iter().map(|second| second.ok).sum();
    assert_eq!(sent, ok + load.lost.len() as u64);
    assert!(
        ok > 50 && !load.lost.is_empty(),
        "nobody answers after the end"
    );
    assert_eq!(ask(address, STOP).load, Some(load));
}

#[test]
fn before_that_there_is_nothing_to_stop() {
    // Nobody listens on port 1.
    let mut generator = generator(SocketAddr::from(([127, 0, 0, 1], 1)));
    let address = generator.address();
    for path in [STATE, STOP, STATE] {
        let told = ask(address, path);
        assert_eq!((told.started_ms, told.load), (None, None));
    }
}
