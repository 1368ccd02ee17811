//! The listener under bad clients, panics, crowds and the signal to stop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod https;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get as on_get, post};
use https::{Server, answer, closed, get, patient, until};
use silkroll::server::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

/// Bounds that no test reaches by accident.
fn limits() -> Limits {
    Limits {
        handshake: LONG,
        head: LONG,
        idle: LONG,
        idle_when_full: LONG,
        request: LONG,
        drain: LONG,
        close: LONG,
        ..Limits::default()
    }
}

fn app() -> Router {
    Router::new()
        .route("/", on_get(async || "hello"))
        .route(
            "/panic",
            on_get(async || -> &'static str { panic!("on purpose") }),
        )
        .route("/echo", post(async |body: String| body))
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
async fn http_1_and_2_are_served_over_tls() {
    let server = Server::start(app(), limits()).await;
    let mut one = server.connect().await;
    let first = get(&mut one, "/").await.unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    assert!(
        !first.to_lowercase().contains("connection: close"),
        "{first}"
    );
    let again = get(&mut one, "/").await.unwrap();
    assert!(again.ends_with("hello"), "{again}");

    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((*https::client_config(&server.authority, b"h2")).clone())
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/", server.addr.port());
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.text().await.unwrap(), "hello");
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
        idle_when_full: Duration::ZERO,
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
        idle_when_full: Duration::ZERO,
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
        response.to_lowercase().contains("connection: close")
    })
    .await;
    let response = get(&mut old, "/").await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(
        response.to_lowercase().contains("connection: close"),
        "{response}"
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn http_2_clients_get_a_goaway_after_the_signal_and_their_answer_before_it() {
    let mut server = Server::start(app(), limits()).await;
    let mut stream = server.connect_as(b"h2").await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(request(1));
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    let mut seen = Vec::new();
    while !seen.contains(&(HEADERS, 1)) {
        seen.push(patient(next_frame(&mut stream)).await);
    }
    assert!(!seen.contains(&(GOAWAY, 0)), "{seen:?}");
    server.signal();
    while !seen.contains(&(GOAWAY, 0)) {
        seen.push(patient(next_frame(&mut stream)).await);
    }
    // Asked before the client could know of the GOAWAY: it counts.
    stream.write_all(&request(3)).await.unwrap();
    stream.flush().await.unwrap();
    while !seen.contains(&(HEADERS, 3)) {
        seen.push(patient(next_frame(&mut stream)).await);
    }
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A GET that ends its stream and its headers, from HPACK's static table.
fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0x5, stream, &[0x82, 0x87, 0x84, 0x41, 1, b'x'])
}

async fn next_frame<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> (u8, u32) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    (head[3], id)
}
