//! The load generator as it runs in a pod: asked over HTTP, by whoever asks as often as they like.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot be had has to fail the test"
)]

mod programs;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use programs::Program;
use prove::load::Plan;
use prove::load::told::{STATE, STOP, Told};
use prove::record::now_ms;

fn ask(generator: SocketAddr, path: &str) -> Told {
    let mut stream = TcpStream::connect(generator).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: load\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    serde_json::from_str(body).unwrap()
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
    let begun = Instant::now();
    let started_ms = loop {
        let told = ask(address, STATE);
        assert!(told.now_ms.abs_diff(now_ms()) < 5_000);
        assert_eq!((told.failed, told.load), (None, None));
        if let Some(started_ms) = told.started_ms {
            break started_ms;
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(20));
    };
    thread::sleep(Duration::from_millis(500));
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
