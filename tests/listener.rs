//! The listener under bad clients, panics, crowds and the signal to stop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod https;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get as on_get, post};
use https::{Server, answer, closed, get, patient, until};
use silkroll::observe::Metrics;
use silkroll::server::limits::Limits;
use silkroll::server::listener::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);
/// Connections that are no further apart keep coming: two such times are less than the second without one after which the
/// port closes.
const APART: Duration = Duration::from_millis(450);

/// More than the kernel holds for both ends of a connection.
const BIG: usize = 32 * 1024 * 1024;

/// Bounds that no test reaches by accident.
fn limits() -> Limits {
    Limits {
        grace: Duration::ZERO,
        handshake: LONG,
        head: LONG,
        idle: LONG,
        unread: LONG,
        answer: LONG,
        linger: Duration::ZERO,
        request: LONG,
        drain: LONG,
        close: LONG,
        ..Limits::default()
    }
}

fn asks_to_close(answer: &str) -> bool {
    answer.to_lowercase().contains("\r\nconnection: close\r\n")
}

fn app() -> Router {
    Router::new()
        .route("/", on_get(async || "hello"))
        .route(
            "/panic",
            on_get(async || -> &'static str { panic!("on purpose") }),
        )
        .route("/echo", post(async |body: String| body))
        .route(
            "/unread",
            post(async || (StatusCode::PAYLOAD_TOO_LARGE, "too much")),
        )
        .route("/big", on_get(async || vec![b'x'; BIG]))
}

/// An application whose `/wait` answers after `release`, and tells when it has begun.
fn waiting() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        async move || {
            begun.notify_one();
            release.notified().await;
            "done"
        }
    };
    (app().route("/wait", on_get(handler)), begun, release)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start(app(), limits()).await;
    let mut one = server.connect().await;
    let first = get(&mut one, "/").await.unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    assert!(!asks_to_close(&first), "{first}");
    let again = get(&mut one, "/").await.unwrap();
    assert!(again.ends_with("hello"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_not_spoken_whoever_asks_for_it() {
    let server = Server::start(app(), limits()).await;
    // As Go's client offers it.
    let mut config = (*https::client_config(&server.authority, b"h2")).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut both = patient(https::tls(Arc::new(config), server.addr))
        .await
        .unwrap();
    assert_eq!(both.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(get(&mut both, "/").await.unwrap().ends_with("hello"));

    let only = https::client_config(&server.authority, b"h2");
    assert!(patient(https::tls(only, server.addr)).await.is_err());

    let mut knows = server.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    knows.write_all(preface).await.unwrap();
    knows.flush().await.unwrap();
    closed(&mut knows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_500_and_the_connection_lives_on() {
    let server = Server::start(app(), limits()).await;
    let mut stream = server.connect().await;
    for n in 1..=2 {
        let response = get(&mut stream, "/panic").await.unwrap();
        assert!(response.starts_with("HTTP/1.1 500"), "{response}");
        assert!(!response.contains("on purpose"), "{response}");
        let line = format!("silkroll_requests_refused_total{{why=\"panic\"}} {n}");
        assert!(server.has_counted(&line));
        let next = get(&mut stream, "/").await.unwrap();
        assert!(next.starts_with("HTTP/1.1 200"), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_open_than_allowed() {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            "hello"
        }
    };
    let few = Limits {
        connections: 3,
        // All come at once, and none is to be cut by the next one.
        grace: LONG,
        ..limits()
    };
    let server = Arc::new(Server::start(Router::new().route("/", on_get(handler)), few).await);
    let clients: Vec<_> = (0..30)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let mut stream = server.connect().await;
                get(&mut stream, "/").await.unwrap()
            })
        })
        .collect();
    for client in clients {
        let response = patient(client).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
    let most = most.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most} at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_beyond_the_cap_waits_for_one_that_works() {
    let (app, begun, release) = waiting();
    let one = Limits {
        connections: 1,
        ..limits()
    };
    let server = Server::start(app, one).await;
    let mut busy = server.connect().await;
    let working = tokio::spawn(async move { get(&mut busy, "/wait").await });
    patient(begun.notified()).await;
    let mut second = server.tcp().await;
    // The kernel has connected it; nobody serves it, so there is no handshake to read.
    assert!(second.try_read(&mut [0; 1]).is_err());
    assert!(server.has_counted("silkroll_connections{listener=\"webhook\"} 1"));
    release.notify_one();
    let response = patient(working).await.unwrap().unwrap();
    assert!(response.ends_with("done"), "{response}");
    second.shutdown().await.unwrap();
    until("the second connection's turn", async || {
        server.has_counted("silkroll_requests_refused_total{why=\"handshake-failed\"} 1")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_give_way_when_all_are_taken() {
    let one = Limits {
        connections: 1,
        ..limits()
    };
    let server = Server::start(app(), one).await;
    let mut idle = server.connect().await;
    get(&mut idle, "/").await.unwrap();
    let mut other = server.connect().await;
    let response = get(&mut other, "/").await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    closed(&mut idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_handshake_is_cut() {
    let server = Server::start(
        app(),
        Limits {
            handshake: SHORT,
            ..limits()
        },
    )
    .await;
    let mut silent = server.tcp().await;
    let mut half = server.tcp().await;
    // The start of a TLS record that announces 512 bytes.
    half.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    closed(&mut silent).await;
    closed(&mut half).await;
    until("both are counted", async || {
        server.has_counted("silkroll_requests_refused_total{why=\"handshake-timeout\"} 2")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_head_is_cut_even_when_it_drips() {
    let server = Server::start(
        app(),
        Limits {
            head: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stalled = server.connect().await;
    stalled
        .write_all(b"GET / HTTP/1.1\r\nHost: ")
        .await
        .unwrap();
    stalled.flush().await.unwrap();
    closed(&mut stalled).await;

    let (mut reads, mut writes) = tokio::io::split(server.connect().await);
    writes.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    let drip = async {
        while writes.write_all(b"x").await.is_ok() && writes.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = closed(&mut reads) => {}
        () = patient(drip) => {}
    }
    until("both heads cut", async || {
        server.has_counted("silkroll_requests_refused_total{why=\"head-timeout\"} 2")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_body_is_answered_and_ends() {
    let server = Server::start(
        app(),
        Limits {
            request: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let response = patient(answer(&mut stream)).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    assert!(server.has_counted("silkroll_requests_refused_total{why=\"request-timeout\"} 1"));
    closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_head_is_refused() {
    let server = Server::start(app(), limits()).await;
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    // The server may close before it has read all of it.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.flush().await;
    let response = patient(answer(&mut stream)).await.unwrap_or_default();
    assert!(!response.starts_with("HTTP/1.1 200"), "{response}");
    let mut next = server.connect().await;
    assert!(get(&mut next, "/").await.unwrap().ends_with("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_signal_old_and_new_connections_are_served_and_asked_to_close() {
    let mut server = Server::start(app(), limits()).await;
    let mut old = server.connect().await;
    get(&mut old, "/").await.unwrap();
    server.signal();
    until("a new connection is asked to close", async || {
        let mut new = server.connect().await;
        let response = get(&mut new, "/").await.unwrap();
        assert!(response.ends_with("hello"), "{response}");
        asks_to_close(&response)
    })
    .await;
    let response = get(&mut old, "/").await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(asks_to_close(&response), "{response}");
    closed(&mut old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_drain_the_listener_ends_and_idle_connections_close() {
    let mut server = Server::start(
        app(),
        Limits {
            drain: SHORT,
            ..limits()
        },
    )
    .await;
    let mut idle = server.connect().await;
    get(&mut idle, "/").await.unwrap();
    server.signal();
    let addr = server.addr;
    server.ended().await;
    closed(&mut idle).await;
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_is_finished_after_the_port_has_closed() {
    let (app, begun, release) = waiting();
    let mut server = Server::start(
        app,
        Limits {
            drain: Duration::ZERO,
            ..limits()
        },
    )
    .await;
    let mut stream = server.connect().await;
    let working = tokio::spawn(async move { get(&mut stream, "/wait").await });
    patient(begun.notified()).await;
    server.signal();
    until("the port is closed", async || {
        TcpStream::connect(server.addr).await.is_err()
    })
    .await;
    release.notify_one();
    let response = patient(working).await.unwrap().unwrap();
    assert!(response.ends_with("done"), "{response}");
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_does_not_hold_up_the_end() {
    let (app, begun, _release) = waiting();
    let mut server = Server::start(
        app,
        Limits {
            drain: Duration::ZERO,
            close: SHORT,
            ..limits()
        },
    )
    .await;
    let mut stream = server.connect().await;
    let working = tokio::spawn(async move { get(&mut stream, "/wait").await });
    patient(begun.notified()).await;
    server.signal();
    server.ended().await;
    assert!(patient(working).await.unwrap().is_err());
}

/// What a bad client does before it falls silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    /// Bytes in the clear.
    Tcp(&'static [u8]),
    /// Bytes after a TLS handshake.
    Tls(&'static [u8]),
}

const HALF_OPEN: Bad = Bad::Tcp(b"");
/// The start of a TLS record that announces 512 bytes.
const HALF_HELLO: Bad = Bad::Tcp(&[0x16, 3, 1, 2, 0, 1]);
const SILENT: Bad = Bad::Tls(b"");
const HALF_HEAD: Bad = Bad::Tls(b"POST /echo HTTP/1.1\r\nHost: ");
const HALF_BODY: Bad = Bad::Tls(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
const ANSWERED: Bad = Bad::Tls(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
const ANSWERED_AND_HALF: Bad =
    Bad::Tls(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: ");
const UNREAD: Bad = Bad::Tls(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n");

/// Bad clients of one kind, all of whose connections are held open. Each may find itself cut at once.
async fn crowd(server: &Server, size: usize, bad: Bad) -> Vec<Box<dyn std::any::Any + Send>> {
    let mut held: Vec<Box<dyn std::any::Any + Send>> = Vec::new();
    for _ in 0..size {
        match bad {
            Bad::Tcp(bytes) => {
                let mut tcp = server.tcp().await;
                let _ = tcp.write_all(bytes).await;
                held.push(Box::new(tcp));
            }
            Bad::Tls(bytes) => {
                let mut stream = server.connect().await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.flush().await;
                held.push(Box::new(stream));
            }
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_place_without_need_gives_way_to_a_new_connection() {
    for bad in [
        HALF_OPEN,
        HALF_HELLO,
        SILENT,
        HALF_HEAD,
        HALF_BODY,
        ANSWERED,
        ANSWERED_AND_HALF,
        UNREAD,
    ] {
        let few = Limits {
            connections: 8,
            ..limits()
        };
        let server = Server::start(app(), few).await;
        // No bound but the number of places ends any of these.
        let _crowd = crowd(&server, 40, bad).await;
        for _ in 0..10 {
            let mut good = server.connect().await;
            let response = get(&mut good, "/").await.unwrap();
            assert!(response.ends_with("hello"), "{bad:?}: {response}");
        }
    }
}

/// Waits until the server has read all that was sent on a connection of 127.0.0.1, as the kernel tells: unread bytes would
/// make a reset of its end.
async fn all_is_read(server: SocketAddr, client: SocketAddr) {
    let hex = |addr: SocketAddr| format!("0100007F:{:04X}", addr.port());
    let (server, client) = (hex(server), hex(client));
    until("what was sent is read", async || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // Number, local address, remote address, state, bytes to be sent and to be read.
        let mut sockets = table.lines().map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            [fields.next(), fields.next(), fields.nth(1)].map(Option::unwrap_or_default)
        });
        let queues = sockets
            .find_map(|[local, remote, queues]| {
                (local == server && remote == client).then_some(queues)
            })
            .unwrap();
        queues.ends_with(":00000000")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_ends_is_told_so_in_tls() {
    for (what, bad, head) in [
        ("gives way unasked", SILENT, LONG),
        ("gives way with half a head", HALF_HEAD, LONG),
        ("gives way with half a body", HALF_BODY, LONG),
        ("gives way when idle", ANSWERED, LONG),
        ("stalls in its head", HALF_HEAD, SHORT),
    ] {
        let Bad::Tls(sends) = bad else { unreachable!() };
        let one = Limits {
            connections: 1,
            head,
            ..limits()
        };
        let server = Server::start(app(), one).await;
        let mut ended = server.connect().await;
        ended.write_all(sends).await.unwrap();
        ended.flush().await.unwrap();
        if bad == ANSWERED {
            let mut first = [0; 12];
            ended.read_exact(&mut first).await.unwrap();
        }
        let _other = if head == LONG {
            let client = ended.get_ref().0.local_addr().unwrap();
            all_is_read(server.addr, client).await;
            Some(server.tcp().await)
        } else {
            None
        };
        // Without its word for the end, TLS reports one that may be an attacker's.
        let mut rest = Vec::new();
        let read = patient(ended.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "{what}: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_answered_often_is_missed_most() {
    for bad in [HALF_OPEN, SILENT, HALF_HEAD, ANSWERED] {
        let few = Limits {
            connections: 8,
            ..limits()
        };
        let server = Server::start(app(), few).await;
        let mut kept = server.connect().await;
        for _ in 0..3 {
            get(&mut kept, "/").await.unwrap();
        }
        let _crowd = crowd(&server, 40, bad).await;
        let response = get(&mut kept, "/").await.unwrap();
        assert!(response.ends_with("hello"), "{bad:?}: {response}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_has_time_for_its_handshake_where_others_look_better() {
    let few = Limits {
        connections: 8,
        ..limits()
    };
    let server = Server::start(app(), few).await;
    let mut kept = Vec::new();
    for _ in 0..8 {
        let mut one = server.connect().await;
        get(&mut one, "/").await.unwrap();
        kept.push(one);
    }
    // Two of eight places are for those that have yet to ask something.
    let first = server.tcp().await;
    let _second = server.tcp().await;
    let mut first = patient(https::tls_over(&server, first)).await.unwrap();
    assert!(get(&mut first, "/").await.unwrap().ends_with("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_read_is_given_up() {
    for bounds in [
        Limits {
            unread: SHORT,
            ..limits()
        },
        Limits {
            answer: SHORT,
            ..limits()
        },
    ] {
        let server = Server::start(app(), bounds).await;
        let _held = crowd(&server, 1, UNREAD).await;
        until("the answer is given up", async || {
            server.has_counted("silkroll_requests_refused_total{why=\"answer-unread\"} 1")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_read_whole() {
    let server = Server::start(
        app(),
        Limits {
            unread: LONG,
            ..limits()
        },
    )
    .await;
    let mut stream = server.connect().await;
    let response = get(&mut stream, "/big").await.unwrap();
    assert!(response.len() > BIG);
    assert!(get(&mut stream, "/").await.unwrap().ends_with("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_body_was_read_keeps_the_connection_or_says_that_it_closes() {
    const SMALL: usize = 60_000;
    // Far more than the kernel holds, and read within its bound by a slow machine, too.
    const LARGE: usize = 2_000_000;
    for (path, status) in [("/unread", 413), ("/nowhere", 404), ("/big", 405)] {
        for (size, announced, kept) in [
            (SMALL, format!("Content-Length: {SMALL}\r\n"), true),
            (
                0,
                format!("Content-Length: {SMALL}\r\nExpect: 100-continue\r\n"),
                false,
            ),
            (LARGE, format!("Content-Length: {LARGE}\r\n"), false),
            (0, format!("Content-Length: {SMALL}\r\n"), false),
        ] {
            let server = Server::start(app(), limits()).await;
            let mut stream = server.connect().await;
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{announced}\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            // All of it, before a byte of the answer is read: a reset would lose the answer.
            patient(stream.write_all(&vec![b'x'; size])).await.unwrap();
            patient(stream.flush()).await.unwrap();
            let response = patient(answer(&mut stream)).await.unwrap();
            let case = format!("{path}, {size} sent of {announced}: {response}");
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status}")),
                "{case}"
            );
            assert_eq!(asks_to_close(&response), !kept, "{case}");
            if kept {
                assert!(get(&mut stream, "/").await.unwrap().ends_with("hello"));
            } else {
                closed(&mut stream).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_body_that_breaks_off_says_that_the_connection_closes() {
    let server = Server::start(app(), limits()).await;
    let mut stream = server.connect().await;
    let broken =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n";
    stream.write_all(broken.as_bytes()).await.unwrap();
    let response = patient(answer(&mut stream)).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 400"), "{response}");
    assert!(asks_to_close(&response), "{response}");
    closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_came_before_the_port_closed_is_still_served() {
    let mut server = Server::start(
        app(),
        Limits {
            drain: Duration::ZERO,
            ..limits()
        },
    )
    .await;
    let before_tls = server.tcp().await;
    let mut before_asking = server.connect().await;
    server.signal();
    until("the port is closed", async || {
        TcpStream::connect(server.addr).await.is_err()
    })
    .await;
    let mut before_tls = patient(https::tls_over(&server, before_tls)).await.unwrap();
    for stream in [&mut before_tls, &mut before_asking] {
        let response = get(stream, "/").await.unwrap();
        assert!(
            response.ends_with("hello") && asks_to_close(&response),
            "{response}"
        );
    }
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_asks_does_not_hold_up_the_end() {
    let mut server = Server::start(
        app(),
        Limits {
            drain: Duration::ZERO,
            ..limits()
        },
    )
    .await;
    let _silent = server.tcp().await;
    let _half = crowd(&server, 1, HALF_HEAD).await;
    let _asks_nothing = server.connect().await;
    server.signal();
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_stays_open_while_new_connections_keep_coming() {
    let linger = Limits {
        drain: Duration::ZERO,
        linger: LONG,
        ..limits()
    };
    let mut server = Server::start(app(), linger).await;
    server.signal();
    let server = patient(async {
        let (mut begun, mut last) = (Instant::now(), Instant::now());
        // Longer than it takes to close where none comes.
        while begun.elapsed() < Duration::from_secs(3) {
            if std::mem::replace(&mut last, Instant::now()).elapsed() < APART {
                let new = TcpStream::connect(server.addr).await;
                let new = https::tls_over(&server, new.unwrap()).await;
                let answer = get(&mut new.unwrap(), "/").await;
                assert!(answer.unwrap().ends_with("hello"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            } else {
                // The machine itself was busy for so long that they did not keep coming: from the beginning.
                server = Server::start(app(), linger).await;
                server.signal();
                (begun, last) = (Instant::now(), Instant::now());
            }
        }
        server
    })
    .await;
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_without_end_is_no_panic() {
    let mut server = Server::start(
        app(),
        Limits {
            drain: Duration::MAX,
            ..limits()
        },
    )
    .await;
    server.signal();
    until("it drains and serves", async || {
        let mut new = server.connect().await;
        asks_to_close(&get(&mut new, "/").await.unwrap())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_fails_for_good_ends_the_listener_with_the_reason() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let other = socket2::Socket::from(socket.try_clone().unwrap());
    let listener = Listener {
        name: "webhook",
        socket: TcpListener::from_std(socket).unwrap(),
        tls: None,
        app: app(),
        limits: limits(),
        metrics: Arc::new(Metrics::new()),
    };
    let running = tokio::spawn(listener.run(std::future::pending()));
    // It does not listen any more.
    other.shutdown(std::net::Shutdown::Both).unwrap();
    let failed = patient(running).await.unwrap().unwrap_err();
    let told = failed.to_string();
    assert!(
        told.contains("the webhook port can accept no connection any more"),
        "{told}"
    );
}
