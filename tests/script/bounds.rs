//! Leaving ends in its bound and the hook goes on, whatever the server does.

use crate::run::{NO_PUT, Place, SHELLS, each_client};
use crate::server::{Reply, Server};
use std::thread;
use std::time::Duration;

const LEAVE: u64 = 2;
/// The contract's two seconds over the budget, and one for a machine that runs other tests beside.
const SPARE: u64 = 3;

fn faults() -> Vec<(&'static str, Reply)> {
    vec![
        ("hangs", Reply::Hang),
        ("drips", Reply::Drip),
        ("closes", Reply::Close),
        ("answers 500", Reply::Answer(500, "no".to_owned())),
        ("answers 404", Reply::Answer(404, "no".to_owned())),
        ("redirects", Reply::Redirect("/elsewhere".to_owned())),
        ("talks garbage", Reply::Garbage),
    ]
}

fn ends_in_time(shell: &str, client: &str, fault: &str, url: &str) {
    for method in ["http", "nacos"] {
        if method == "nacos" && client == NO_PUT {
            continue; // cannot send PUT, and a test of its own says so
        }
        let case = format!("{method} in {shell} with {client}, server {fault}");
        let outcome = Place::new(shell, &[client]).hook(
            &[
                ("podip", "10.1.2.3"),
                ("SILKROLL_METHOD", method),
                ("SILKROLL_LEAVE_SECONDS", &LEAVE.to_string()),
                ("SILKROLL_HTTP_URL", url),
                ("SILKROLL_HTTP_BODY", "a=b"),
                ("SILKROLL_NACOS_SERVER", url),
                ("SILKROLL_NACOS_SERVICE", "customer"),
                ("SILKROLL_NACOS_PORT", "9810"),
                ("SILKROLL_NACOS_USERNAME", "n"),
                ("SILKROLL_NACOS_PASSWORD", "topsecret"),
            ],
            &["stop", "exec", "sh", "-c", "echo then the own hook"],
        );
        assert_eq!(outcome.status, Some(0), "{case}: {}", outcome.output);
        assert!(
            outcome.took < Duration::from_secs(LEAVE + SPARE),
            "{case}: {:?}",
            outcome.took
        );
        assert!(
            outcome.output.contains(": not done"),
            "{case}: {}",
            outcome.output
        );
        assert!(
            outcome.output.ends_with("then the own hook\n"),
            "{case}: {}",
            outcome.output
        );
        assert!(
            !outcome.output.contains("topsecret"),
            "{case}: {}",
            outcome.output
        );
    }
}

#[test]
fn every_client_is_bounded_whatever_the_server_does() {
    thread::scope(|scope| {
        for (shell, client) in each_client() {
            scope.spawn(move || {
                for (fault, reply) in faults() {
                    let server = Server::start(move |_| reply.clone());
                    ends_in_time(shell, client, fault, &server.url());
                    assert!(
                        server
                            .requests()
                            .iter()
                            .all(|request| request.path() != "/elsewhere")
                            || client == NO_PUT,
                        "{client} followed a redirect"
                    );
                }
                ends_in_time(shell, client, "refuses", "http://127.0.0.1:9");
                ends_in_time(
                    shell,
                    client,
                    "has no address",
                    "http://registry.invalid:8848",
                );
                // TEST-NET-1: packets go nowhere, so that connecting hangs.
                ends_in_time(shell, client, "is out of reach", "http://192.0.2.1:8848");
                ends_in_time(shell, client, "has no usable URL", "ftp://127.0.0.1/");
            });
        }
    });
}

#[test]
fn every_shell_is_bounded() {
    thread::scope(|scope| {
        for (shell, _) in SHELLS {
            scope.spawn(move || {
                for (fault, reply) in faults() {
                    let server = Server::start(move |_| reply.clone());
                    ends_in_time(shell, "perl", fault, &server.url());
                }
            });
        }
    });
}

#[test]
fn a_server_that_comes_to_itself_within_the_bound_is_reached() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let server =
        Server::start(
            move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Reply::Answer(503, String::new()),
                1 => Reply::Close,
                _ => Reply::Answer(200, String::new()),
            },
        );
    let outcome = Place::new("dash", &["curl"]).hook(
        &[
            ("SILKROLL_METHOD", "http"),
            ("SILKROLL_HTTP_URL", &server.url()),
        ],
        &["stop"],
    );
    assert!(
        outcome.output.contains("answered 200"),
        "{}",
        outcome.output
    );
    assert_eq!(server.requests().len(), 3);
}
