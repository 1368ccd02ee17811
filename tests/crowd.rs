//! Crowds of bad clients around the real process, and how long good ones wait meanwhile. The figures depend
//! on the machine, so this runs only where it is asked for:
//! `cargo test --release --test crowd -- --ignored --nocapture --test-threads 1`.
//! That each crowd gives way at all is proved without a clock in `listener.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod served;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use served::Served;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a good client may wait, the time to connect included.
const BOUND: Duration = Duration::from_secs(1);
/// How long a crowd is kept up.
const LONG: Duration = Duration::from_secs(10);

/// What one client of a crowd does after its TCP handshake, before it falls silent.
#[derive(Clone, Copy)]
struct Bad {
    tls: bool,
    sends: &'static [u8],
    /// After how many milliseconds it comes again, where it is cut.
    again: u64,
}

const NOTHING: Bad = Bad {
    tls: false,
    sends: b"",
    again: 2000,
};
/// The start of a TLS record that announces 512 bytes.
const HALF_HELLO: Bad = Bad {
    tls: false,
    sends: &[0x16, 3, 1, 2, 0, 1],
    again: 2000,
};
/// The same in a hurry.
const FLOOD: Bad = Bad {
    again: 1000,
    ..HALF_HELLO
};
const AFTER_TLS: Bad = Bad {
    tls: true,
    sends: b"",
    again: 2000,
};
const HALF_HEAD: Bad = Bad {
    tls: true,
    sends: b"POST /mutate HTTP/1.1\r\nHost: ",
    again: 2000,
};
const HALF_BODY: Bad = Bad {
    tls: true,
    sends: b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{",
    again: 2000,
};
/// Many requests in a row, and nothing of the answers is read.
const UNREAD: Bad = Bad {
    tls: true,
    sends: b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\
             POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    again: 2000,
};

/// In the clear, again after a second.
const fn plain(sends: &'static [u8]) -> Bad {
    Bad {
        tls: false,
        sends,
        again: 1000,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures of this machine"]
async fn new_connections_are_served_within_a_second_under_a_crowd() {
    let crowds = [
        ("700 connections without a byte", 700, NOTHING),
        ("700 half-open TLS handshakes", 700, HALF_HELLO),
        ("5,000 half-open TLS handshakes, coming fast", 5000, FLOOD),
        ("700 connections that ask nothing", 700, AFTER_TLS),
        ("700 half heads", 700, HALF_HEAD),
        ("700 half bodies", 700, HALF_BODY),
        ("700 that do not read their answers", 700, UNREAD),
    ];
    within_the_bound(&crowds, Served::addr, async |addr, tls| {
        let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
        ask(&mut connect(addr, tls).await?, request).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures of this machine"]
async fn probes_are_answered_within_a_second_under_a_crowd() {
    let half_head = plain(b"GET /livez HTTP/1.1\r\nHost: ");
    let half_body = plain(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1");
    let idle = plain(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    let crowds = [
        ("40 half heads", 40, half_head),
        ("700 half heads", 700, half_head),
        (
            "5,000 connections without a byte, coming fast",
            5000,
            plain(b""),
        ),
        ("700 idle ones", 700, idle),
        ("700 half bodies", 700, half_body),
    ];
    within_the_bound(&crowds, Served::admin, async |addr, _| {
        let request = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        ask(&mut TcpStream::connect(addr).await?, request).await
    })
    .await;
}

/// A good client beside each crowd, at one of the ports of a server of its own.
async fn within_the_bound(
    crowds: &[(&'static str, usize, Bad)],
    port: fn(&Served) -> SocketAddr,
    good: impl AsyncFn(SocketAddr, Arc<ClientConfig>) -> std::io::Result<()>,
) {
    let mut slow = Vec::new();
    for (name, size, bad) in crowds {
        let served = Served::start(&[], &namespaces());
        let (addr, tls) = (port(&served), served.tls());
        let crowd = tokio::spawn(crowd(addr, Arc::clone(&tls), *size, *bad));
        let worst = worst(async || good(addr, Arc::clone(&tls)).await).await;
        crowd.abort();
        println!("{name}: the slowest good request took {worst:?}");
        if worst > BOUND {
            slow.push(name);
        }
    }
    assert!(slow.is_empty(), "more than {BOUND:?}: {slow:?}");
}

/// `size` bad clients at all times: who is cut comes again.
async fn crowd(addr: SocketAddr, tls: Arc<ClientConfig>, size: usize, bad: Bad) {
    let mut clients = JoinSet::new();
    for _ in 0..size {
        let tls = Arc::clone(&tls);
        clients.spawn(async move {
            loop {
                let _ = stall(addr, Arc::clone(&tls), bad).await;
                tokio::time::sleep(Duration::from_millis(bad.again)).await;
            }
        });
    }
    while clients.join_next().await.is_some() {}
}

async fn stall(addr: SocketAddr, tls: Arc<ClientConfig>, bad: Bad) -> std::io::Result<()> {
    async fn hold<S: AsyncRead + AsyncWrite + Unpin>(
        mut stream: S,
        sends: &[u8],
    ) -> std::io::Result<()> {
        stream.write_all(sends).await?;
        stream.flush().await?;
        // Answers are not read; that the server went is seen when it has cut the connection.
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if sends.is_empty() {
                stream.read_u8().await?;
            } else {
                stream.write_all(b"x").await?;
                stream.flush().await?;
            }
        }
    }
    if bad.tls {
        hold(connect(addr, tls).await?, bad.sends).await
    } else {
        hold(TcpStream::connect(addr).await?, bad.sends).await
    }
}

async fn connect(
    addr: SocketAddr,
    tls: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(tls).connect(name, tcp).await
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &str,
) -> std::io::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    assert!(start.starts_with(b"HTTP/1.1 "), "{start:?}");
    Ok(())
}

/// The longest that any of many good requests took, one after the other; failed ones are sent again.
async fn worst(mut request: impl AsyncFnMut() -> std::io::Result<()>) -> Duration {
    // The crowd comes first.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let (mut worst, mut failed, mut asked) = (Duration::ZERO, 0, 0);
    while begun.elapsed() < LONG {
        let start = Instant::now();
        while let Err(error) = request().await {
            failed += 1;
            if failed <= 3 {
                println!("  {error}");
            }
            assert!(start.elapsed() < Duration::from_secs(60), "never served");
        }
        asked += 1;
        worst = worst.max(start.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("  {asked} good requests, {failed} had to be sent again");
    worst
}

fn namespaces() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
}
