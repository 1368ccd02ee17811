//! The load generator against servers that misbehave in one way each: every request is counted
//! once, under its right kind.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: what cannot be had has to fail the test"
)]

mod servers;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use prove::load::{Plan, Stale, start};
use prove::record::{Connection, Kind, Load};
use servers::{OK, answer_all, request, serve};
use socket2::{Domain, SockRef, Socket, Type};

/// A second of load, no slow requests, and more time for each than the busiest machine needs.
fn plan() -> Plan {
    Plan {
        rate: 100,
        duration: Some(Duration::from_secs(1)),
        slow_every: 0,
        timeout: Duration::from_secs(30),
        kept: 4,
        ..Plan::default()
    }
}

fn load(plan: Plan, address: SocketAddr) -> Load {
    start(plan, address).unwrap().wait().unwrap()
}

/// Sent, ok, lost; the sums have to fit.
fn counts(load: &Load) -> (u64, u64, u64) {
    let sum = load.seconds.iter().fold((0, 0, 0), |sum, second| {
        assert_eq!(second.sent, second.ok + second.lost, "{second:?}");
        (sum.0 + second.sent, sum.1 + second.ok, sum.2 + second.lost)
    });
    assert_eq!(load.lost.len() as u64, sum.2, "each lost one is told once");
    sum
}

/// How many were lost in which way.
fn kinds(load: &Load) -> BTreeMap<Kind, usize> {
    let mut kinds = BTreeMap::new();
    for lost in &load.lost {
        *kinds.entry(lost.kind).or_default() += 1;
    }
    kinds
}

#[track_caller]
fn all_lost_as(kind: Kind, load: &Load) {
    assert_eq!(counts(load), (100, 0, 100));
    assert_eq!(
        kinds(load),
        BTreeMap::from([(kind, 100)]),
        "{:?}",
        load.lost[0]
    );
}

#[test]
fn a_good_server_loses_nothing() {
    let address = serve(|stream| answer_all(stream, Duration::ZERO, OK));
    let load = load(plan(), address);
    assert_eq!(counts(&load), (100, 100, 0));
    assert_eq!((load.closed_idle, load.retried), (0, 0));
    assert_eq!(load.seconds.len(), 1);
}

#[test]
fn any_framing_is_an_answer() {
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let address = serve(move |stream| answer_all(stream, Duration::ZERO, answer));
        assert_eq!(counts(&load(plan(), address)), (100, 100, 0), "{answer}");
    }
    let until_close = serve(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
    });
    assert_eq!(counts(&load(plan(), until_close)), (100, 100, 0));
}

#[test]
fn nobody_listening_is_refused() {
    // A port that nobody else is given meanwhile.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    let load = load(plan(), address);
    all_lost_as(Kind::Refused, &load);
    assert!(
        load.lost
            .iter()
            .all(|lost| lost.connection == Connection::New && lost.connection_age_ms.is_none())
    );
    assert_eq!(load.lost[0].url, format!("http://{address}/"));
}

#[test]
fn a_reset_is_a_reset() {
    let address = serve(|mut stream| {
        request(&mut stream);
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    all_lost_as(Kind::Reset, &load(plan(), address));
}

#[test]
fn a_close_before_or_in_the_answer_is_closed() {
    for part in [0, 10, OK.len() - 1] {
        let address = serve(move |mut stream| {
            request(&mut stream);
            stream.write_all(&OK.as_bytes()[..part]).unwrap();
        });
        all_lost_as(Kind::Closed, &load(plan(), address));
    }
}

#[test]
fn a_status_that_is_no_success_is_lost_under_its_code() {
    for (code, answer) in [
        (500, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
        (404, "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"),
        (302, "HTTP/1.1 302 There\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let address = serve(move |stream| answer_all(stream, Duration::ZERO, answer));
        all_lost_as(Kind::Status(code), &load(plan(), address));
    }
}

#[test]
fn silence_is_a_timeout_and_ends_in_time() {
    let begun = Instant::now();
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"] {
        let address = serve(move |mut stream| {
            request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            thread::sleep(Duration::from_secs(600));
        });
        let plan = Plan {
            timeout: Duration::from_millis(500),
            ..plan()
        };
        let load = load(plan, address);
        all_lost_as(Kind::Timeout, &load);
        assert!(load.lost.iter().all(|lost| lost.after_ms >= 500));
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_not_http_is_other() {
    let address = serve(|stream| answer_all(stream, Duration::ZERO, "SSH-2.0-x\r\n\r\n"));
    all_lost_as(Kind::Other, &load(plan(), address));
}

#[test]
fn kept_connections_closed_while_idle_cost_nothing() {
    let address = serve(|mut stream| {
        request(&mut stream);
        stream.write_all(OK.as_bytes()).unwrap();
    });
    // Each of the sixteen is used every 320 ms: time enough for the close to arrive.
    let plan = Plan { kept: 16, ..plan() };
    let load = load(plan, address);
    assert_eq!(counts(&load), (100, 100, 0), "{:?}", load.lost);
    assert!(load.closed_idle > 30, "{}", load.closed_idle);
}

#[test]
fn an_announced_close_is_honoured() {
    let address = serve(|mut stream| {
        request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
    });
    let load = load(plan(), address);
    assert_eq!(counts(&load), (100, 100, 0));
    assert_eq!(load.closed_idle, 0);
}

/// Closes kept connections when the second request comes, as if the two had crossed.
fn crossing(after: Duration) -> SocketAddr {
    serve(move |mut stream| {
        request(&mut stream);
        stream.write_all(OK.as_bytes()).unwrap();
        request(&mut stream);
        thread::sleep(after);
    })
}

#[test]
fn a_request_that_crosses_with_a_close_is_lost() {
    let load = load(plan(), crossing(Duration::ZERO));
    let (sent, ok, lost) = counts(&load);
    // Half of the requests are for kept connections: one is answered, the next is cut.
    assert!(sent == 100 && ok + lost == 100 && lost > 15, "{lost}");
    for lost in &load.lost {
        // What the closing server had not read becomes a reset.
        assert!(matches!(lost.kind, Kind::Closed | Kind::Reset), "{lost:?}");
        assert_eq!(lost.connection, Connection::Kept);
        assert_eq!(lost.pod.as_deref(), Some("a-pod"));
        assert!(lost.connection_age_ms.is_some());
    }
    assert_eq!(load.retried, 0);
}

#[test]
fn a_request_that_crosses_with_a_close_is_sent_again_where_that_is_asked_for() {
    let plan = Plan {
        stale: Stale::Retry,
        ..plan()
    };
    let crossed = load(plan.clone(), crossing(Duration::ZERO));
    assert_eq!(counts(&crossed), (100, 100, 0), "{:?}", crossed.lost);
    assert!(crossed.retried > 15, "{}", crossed.retried);
    let unread = load(plan.clone(), crossing(Stale::CROSSING * 4));
    assert_eq!(counts(&unread), (100, 100, 0), "{:?}", unread.lost);
    // Somebody worked on it for longer than a close takes to cross: lost all the same.
    let slow = Plan {
        slow_every: 1,
        slow_path: plan.path.clone(),
        ..plan
    };
    let worked = load(slow, crossing(Stale::CROSSING * 4));
    assert!(counts(&worked).2 > 10, "{:?}", counts(&worked));
    assert_eq!(worked.retried, 0);
}

#[test]
fn slow_requests_have_their_own_time_and_are_not_slow() {
    let address = serve(|mut stream| {
        while let Some(asked) = request(&mut stream) {
            if asked.first.starts_with("GET /slow?ms=2000 ") {
                thread::sleep(Duration::from_secs(2));
            }
            if stream.write_all(OK.as_bytes()).is_err() || !asked.keeps_alive() {
                return;
            }
        }
    });
    let plan = Plan {
        slow_every: 5,
        slow_path: "/slow?ms=2000".to_owned(),
        slow: Duration::from_secs(2),
        ..plan()
    };
    let load = load(plan, address);
    assert_eq!(counts(&load), (100, 100, 0));
    assert!(load.slowest_ms < 1900, "{}", load.slowest_ms);
}

#[test]
fn a_server_that_stalls_holds_up_no_request() {
    let stalls = Duration::from_secs(1);
    let address = serve(move |stream| answer_all(stream, stalls, OK));
    let load = load(
        Plan {
            duration: Some(Duration::from_secs(3)),
            ..plan()
        },
        address,
    );
    assert_eq!(counts(&load), (300, 300, 0));
    assert!(load.seconds.iter().all(|second| second.sent == 100));
    assert!(load.slowest_ms >= 1000);
}

#[test]
fn a_stopped_run_accounts_for_what_was_under_way() {
    let address = serve(|stream| answer_all(stream, Duration::from_millis(300), OK));
    let handle = start(
        Plan {
            duration: None,
            ..plan()
        },
        address,
    )
    .unwrap();
    while handle.so_far().0 < 20 {
        thread::sleep(Duration::from_millis(5));
    }
    let load = handle.stop().unwrap();
    let (sent, ok, lost) = counts(&load);
    assert!(sent >= 20 && ok == sent && lost == 0, "{:?}", counts(&load));
}
