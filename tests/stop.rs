//! How the real process stops: signals, exit codes, and what becomes of requests meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod served;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use served::{Served, answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

fn namespaces() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
}

/// A dry run that computes for long, the more the older the machine.
fn long_manifest() -> String {
    let workloads: Vec<Value> = (0..1000)
        .map(|n| {
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": format!("web-{n}"), "annotations": {"silkroll.dev/inject": "enabled"}},
                "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]}
                }}
            })
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": workloads}).to_string()
}

#[test]
fn each_signal_drains_and_ends_with_0() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut served = Served::start(&["--drain-seconds", "1"], &namespaces());
        let mut kept = served.connect();
        served.signal(signal);
        served.logged("that it drains", |line| line["message"] == "draining");
        kept.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let answer = answer(&mut kept).unwrap();
        assert_eq!(answer.status, 404, "SIG{signal}");
        assert!(!answer.head.keeps_alive(), "SIG{signal}: {:?}", answer.head);
        assert_eq!(served.ended().0, Some(0), "SIG{signal}");
    }
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_an_error_in_words() {
    for limit in [8, 12, 16, 24] {
        let script =
            format!("ulimit -n {limit} && exec \"$0\" serve --standalone --listen 127.0.0.1:0");
        let ran = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_silkroll")])
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{limit}: {said}");
        let says = format!("silkroll: the limit of open files is {limit} and ");
        assert!(said.starts_with(&says), "{limit}: {said}");
        assert!(said.contains("(ulimit -n) to "), "{limit}: {said}");
    }
}

#[test]
fn a_second_signal_ends_at_once_with_the_code_of_a_signal() {
    for (first, second, code) in [
        ("TERM", "TERM", 143),
        ("INT", "INT", 130),
        ("TERM", "HUP", 129),
    ] {
        let mut served = Served::start(&["--drain-seconds", "3600"], &namespaces());
        served.signal(first);
        served.logged("that it drains", |line| line["message"] == "draining");
        served.signal(second);
        assert_eq!(served.ended().0, Some(code), "SIG{first}, SIG{second}");
    }
}

#[test]
fn a_dry_run_that_still_computes_does_not_hold_up_the_end() {
    let mut served = Served::start(&[], &namespaces());
    let body = long_manifest();
    let mut stream = served.connect();
    let head = format!(
        "POST /dry-run HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream.flush().unwrap();
    // Long enough that it has begun, far less than it takes.
    std::thread::sleep(Duration::from_millis(500));
    served.signal("TERM");
    let (code, took) = served.ended();
    println!("the process ended {took:?} after the signal");
    assert_eq!(code, Some(0));
    // 0.3 s for TCP handshakes under way, twice; 5 s for answers; the rest is the machine's.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_drain_that_no_clock_can_hold_is_refused_with_what_is_allowed() {
    for given in ["18446744073709551615", "3601", "-1", "ten"] {
        let output = Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args(["serve", "--standalone", "--namespaces", "/nonexistent"])
            .arg(format!("--drain-seconds={given}"))
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("--drain-seconds") && told.contains(given),
            "{told}"
        );
        assert!(told.contains("0 to 3600"), "{told}");
    }
}

/// How many rounds of [`callers_that_keep_coming_lose_nothing_but_refused_connections`].
fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(3, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_keep_coming_lose_nothing_but_refused_connections() {
    let (mut lost, mut answered) = (0, 0);
    for _ in 0..rounds() {
        let mut served = Served::start(&["--drain-seconds", "1"], &namespaces());
        let (addr, tls) = (served.addr(), served.tls());
        let count = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let (tls, count) = (Arc::clone(&tls), Arc::clone(&count));
            callers.spawn(async move { call(addr, tls, &count).await });
        }
        // They are well under way.
        while count.load(Ordering::SeqCst) < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        served.signal("TERM");
        for one in callers.join_all().await {
            lost += one;
        }
        assert_eq!(served.ended().0, Some(0));
        answered += count.load(Ordering::SeqCst);
    }
    println!("{answered} answered, {lost} lost in {} rounds", rounds());
    assert_eq!(lost, 0);
}

/// One request after the other, each on a connection of its own, until the port refuses one; how many of
/// those that came through the port had no whole answer.
async fn call(addr: SocketAddr, tls: Arc<ClientConfig>, answered: &AtomicUsize) -> usize {
    let mut lost = 0;
    // With the port closed it is refused; anything else here is a fault of the test.
    while let Ok(tcp) = TcpStream::connect(addr).await {
        let one = async {
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = TlsConnector::from(Arc::clone(&tls))
                .connect(name, tcp)
                .await?;
            let request =
                b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(request).await?;
            stream.flush().await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            assert!(text.starts_with("HTTP/1.1 404"), "{text}");
            std::io::Result::Ok(())
        };
        match tokio::time::timeout(Duration::from_secs(20), one).await {
            Ok(Ok(())) => {
                answered.fetch_add(1, Ordering::SeqCst);
            }
            failed => {
                println!("  lost: {failed:?}");
                lost += 1;
            }
        }
    }
    lost
}
