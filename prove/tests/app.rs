//! The app under load, as the proof uses it: what SIGTERM does to the requests under way.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot be had has to fail the test"
)]

mod programs;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use programs::Program;
use prove::load::{Plan, Stays, start};
use prove::record::{Connection, Kind, Load};
use testkit::http::{self, Answer};

fn get(address: SocketAddr, path: &str) -> Answer {
    http::get(address, "app", path, Duration::from_secs(10)).unwrap()
}

/// Load over the app's end: SIGTERM comes after a second, the load goes on until it has ended.
fn over_the_end(mut app: Program) -> (Load, Option<i32>) {
    let address = app.address();
    let plan = Plan {
        slow_every: 5,
        slow_path: "/slow?ms=400".to_owned(),
        slow: Duration::from_millis(400),
        ..Plan::default()
    };
    let handle = start(plan, address).unwrap();
    while handle.so_far().0 < 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    app.term();
    let code = app.code();
    (handle.stop().unwrap(), code)
}

#[test]
fn a_graceful_end_finishes_what_it_has_accepted() {
    let (load, code) = over_the_end(Program::app("app-1", &["--on-term", "graceful"]));
    assert_eq!(code, Some(0));
    assert!(!load.lost.is_empty(), "nobody accepts after SIGTERM");
    for lost in &load.lost {
        // Connections that waited to be accepted are reset with the listener.
        assert!(matches!(lost.kind, Kind::Refused | Kind::Reset), "{lost:?}");
        assert_eq!(lost.connection, Connection::New, "{lost:?}");
    }
}

#[test]
fn dying_cuts_off_what_is_under_way() {
    let (load, code) = over_the_end(Program::app("app-1", &["--on-term", "die"]));
    assert_eq!(code, Some(143));
    for connection in [Connection::New, Connection::Kept] {
        assert!(
            load.lost.iter().any(|lost| lost.connection == connection
                && lost.kind == Kind::Closed
                && lost.url.contains("/slow")),
            "{connection}: {:?}",
            load.lost
        );
    }
}

#[test]
fn streams_last_until_their_clients_leave_or_the_server_ends() {
    let plan = |stay: Duration| Plan {
        rate: 20,
        duration: Some(Duration::from_secs(1)),
        streams: Some(Stays {
            least: stay,
            most: stay,
        }),
        ..Plan::default()
    };
    let mut app = Program::app("app-1", &["--on-term", "graceful"]);
    let address = app.address();
    let load = start(plan(Duration::from_millis(1500)), address)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(load.lost, []);
    assert_eq!(load.seconds[0].ok, 20);
    // Those that are there at its end are cut, each of them.
    let handle = start(plan(Duration::from_secs(60)), address).unwrap();
    while handle.so_far().0 < 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // They are sent; which of them the app has taken up nobody says.
    std::thread::sleep(Duration::from_millis(500));
    app.term();
    assert_eq!(app.says("sigterm"), "20 requests under way");
    assert_eq!(app.code(), Some(0));
    let load = handle.stop().unwrap();
    assert_eq!(load.lost.len(), 20);
    for lost in &load.lost {
        assert_eq!(lost.kind, Kind::Closed, "{lost:?}");
        assert!(
            lost.detail.contains("before the client left, after"),
            "{lost:?}"
        );
        assert_eq!(lost.pod.as_deref(), Some("app-1"), "{lost:?}");
    }
    let web_sockets = load.lost.iter().filter(|lost| lost.url.ends_with("/ws"));
    assert_eq!(web_sockets.count(), 10);
}

#[test]
fn a_program_that_ignores_sigterm_goes_on() {
    let mut app = Program::app("app-1", &["--on-term", "ignore"]);
    let address = app.address();
    app.term();
    assert_eq!(app.says("sigterm"), "ignored");
    assert_eq!(get(address, "/").status, 200);
}

#[test]
fn it_is_well_until_it_is_told_otherwise() {
    let mut app = Program::app("app-1", &[]);
    let address = app.address();
    assert_eq!(get(address, "/healthz").status, 200);
    assert_eq!(get(address, "/fail-liveness").status, 200);
    assert_eq!(get(address, "/healthz").status, 500);
    assert_eq!(get(address, "/").head.header("pod"), Some("app-1"));
    assert_eq!(get(address, "/slow").status, 400);
    assert_eq!(get(address, "/nowhere").status, 404);
}

#[test]
fn it_takes_its_time_to_start_and_can_be_ended_meanwhile() {
    let mut app = Program::app("app-1", &["--startup-seconds", "60"]);
    app.says("starting");
    app.term();
    assert_eq!(app.says("sigterm"), "while starting");
    assert_eq!(app.code(), Some(143));
}

/// Takes one request, answers it with a status, and gives it back.
fn asked(listener: &TcpListener, status: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = String::new();
    let mut bytes = [0; 4096];
    // What was sent at once: its lines, and the JSON if there is one.
    while !request.contains("\r\n\r\n") || (request.contains('{') && !request.ends_with("}}")) {
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "{request}");
        request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
    request
}

#[test]
fn it_registers_in_eureka_until_it_gets_there_and_takes_itself_out_at_its_end() {
    let eureka = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}/eureka", eureka.local_addr().unwrap());
    let args = ["--eureka", &server, "--eureka-app", "shop"];
    let mut app = Program::app("app-1", &[&args[..], &["--address", "10.1.2.3"]].concat());
    let port = app.address().port();
    asked(&eureka, "503 Unavailable");
    let request = asked(&eureka, "204 No Content");
    assert!(request.starts_with("POST /eureka/apps/SHOP HTTP/1.1\r\n"));
    for part in [
        format!(r#""instanceId":"app-1:shop:{port}""#),
        format!(r#""$":{port}"#),
        r#""ipAddr":"10.1.2.3""#.to_owned(),
        r#""status":"UP""#.to_owned(),
    ] {
        assert!(request.contains(&part), "{part}: {request}");
    }
    assert_eq!(app.says("registered"), format!("app-1:shop:{port}"));
    app.term();
    let request = asked(&eureka, "200 OK");
    let expected = format!("DELETE /eureka/apps/SHOP/app-1:shop:{port} HTTP/1.1\r\n");
    assert!(request.starts_with(&expected), "{request}");
    assert_eq!(app.code(), Some(0));
}

#[test]
fn a_wrong_flag_is_named() {
    for (args, said) in [
        (&["--on-term", "quit"], "die, graceful or ignore"),
        (&["--startup-seconds", "soon"], "a number of seconds"),
        (&["--port", "1"], "there is no --port"),
    ] {
        let mut app = Program::app("app-1", args);
        assert!(app.says("error").contains(said));
        assert_eq!(app.code(), Some(2));
    }
}
