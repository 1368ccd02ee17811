//! `--dry-run-listen`: the dry run on a listener of its own, or nowhere.

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

use serde_json::json;
use served::{Served, answer};

const SERVICE: &[u8] = b"apiVersion: v1\nkind: Service\nmetadata: {name: a}\n";
const JSON: &str = "application/json";

#[test]
fn off_takes_the_dry_run_from_the_port_and_says_so() {
    let server = Served::start(
        &["--dry-run-listen=off"],
        &json!({"kind": "List", "items": []}),
    );
    let got = server.post("/dry-run", JSON, SERVICE);
    assert_eq!(got.status, 404);
    assert!(got.text().contains("--dry-run-listen"), "{}", got.text());
    assert_eq!(server.mutate(b"{}").status, 400);
}

#[test]
fn a_port_alone_is_on_loopback_with_the_same_certificate_and_serves_nothing_else() {
    let server = Served::start(
        &["--dry-run-listen=:0"],
        &json!({"kind": "List", "items": []}),
    );
    let line = server.logged("where the dry run is", |line| {
        line["dry_run_listen"].is_string()
    });
    let addr: SocketAddr = line["dry_run_listen"].as_str().unwrap().parse().unwrap();
    assert!(addr.ip().is_loopback());
    for (path, status) in [("/dry-run", 200), ("/mutate", 404)] {
        let mut stream = server.connect_to(addr).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: l\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n",
            SERVICE.len()
        );
        stream
            .write_all(&[head.as_bytes(), SERVICE].concat())
            .unwrap();
        assert_eq!(answer(&mut stream).unwrap().status, status, "{path}");
    }
    assert_eq!(server.post("/dry-run", JSON, SERVICE).status, 404);
}

#[test]
fn what_is_no_place_to_listen_is_refused() {
    for value in ["on", "8444", "localhost:8444", ":x"] {
        let ran = Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args(["serve", "--standalone", "--dry-run-listen", value])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2), "{value}");
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(
            said.contains("expected is off, :PORT for 127.0.0.1"),
            "{said}"
        );
    }
}
