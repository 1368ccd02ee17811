//! Certificates that change under a running server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod https;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use https::{Server, get, issue, now, patient, until};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use silkroll::server::limits::Limits;
use silkroll::tls::issue::{Authority, Issued};
use silkroll::tls::{CertificateSlot, Event, Reloader};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// A folder as the kubelet mounts a Secret: `tls.crt` -> `..data/tls.crt`, `..data` -> a folder.
struct Mounted {
    dir: tempfile::TempDir,
    version: AtomicUsize,
}

impl Mounted {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), dir.path().join(name)).unwrap();
        }
        Self {
            dir,
            version: AtomicUsize::new(0),
        }
    }

    fn swap(&self, cert: &str, key: &str) {
        let version = self.version.fetch_add(1, Ordering::SeqCst);
        let folder = format!("..version_{version}");
        std::fs::create_dir(self.path(&folder)).unwrap();
        std::fs::write(self.path(&folder).join("tls.crt"), cert).unwrap();
        std::fs::write(self.path(&folder).join("tls.key"), key).unwrap();
        symlink(&folder, self.path("..data_tmp")).unwrap();
        std::fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        if version > 0 {
            std::fs::remove_dir_all(self.path(&format!("..version_{}", version - 1))).unwrap();
        }
    }

    fn issued(&self, issued: &Issued) {
        self.swap(&issued.cert_pem, &issued.key_pem);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn reloader(&self, slot: &Arc<CertificateSlot>, expected: &[&str]) -> (Reloader, Told) {
        let told = Told::default();
        let events = Arc::clone(&told.0);
        let reloader = Reloader::new(
            self.path("tls.crt"),
            self.path("tls.key"),
            expected.iter().map(ToString::to_string).collect(),
            Arc::clone(slot),
            move |event| events.lock().unwrap().push(event),
        );
        (reloader, told)
    }
}

/// The events told so far.
#[derive(Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The only event since the last look, which must be a refusal.
    fn refusal(&self, while_serving: bool) -> String {
        match self.take().as_slice() {
            [Event::Refused { reason, serving }] if *serving == while_serving => reason.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn loaded_until(&self) -> i64 {
        match self.take().as_slice() {
            [Event::Loaded { not_after, .. }] => *not_after,
            other => panic!("{other:?}"),
        }
    }
}

fn authority() -> Authority {
    Authority::new(NOW, 3650).unwrap()
}

fn leaf(authority: &Authority, name: &str, days: u32) -> Issued {
    authority.leaf(&[name.to_owned()], &[], NOW, days).unwrap()
}

#[test]
fn the_first_pair_is_loaded_and_read_again_only_when_it_changes() {
    let (mounted, slot, ca) = (Mounted::new(), CertificateSlot::empty(), authority());
    let (mut reloader, told) = mounted.reloader(&slot, &["a.svc"]);
    reloader.poll(NOW);
    let reason = told.refusal(false);
    assert!(reason.contains("tls.crt cannot be read"), "{reason}");
    assert!(!slot.is_set());
    reloader.poll(NOW);
    assert_eq!(told.take(), []);

    mounted.issued(&leaf(&ca, "a.svc", 100));
    reloader.poll(NOW);
    assert_eq!(told.loaded_until(), NOW + 100 * DAY);
    assert_eq!(slot.not_after(), Some(NOW + 100 * DAY));
    reloader.poll(NOW);
    assert_eq!(told.take(), []);

    mounted.issued(&leaf(&ca, "a.svc", 200));
    reloader.poll(NOW);
    assert_eq!(told.loaded_until(), NOW + 200 * DAY);
}

#[test]
fn a_pair_of_no_use_leaves_the_last_good_one() {
    let ca = authority();
    let good = leaf(&ca, "a.svc", 100);
    let other = leaf(&ca, "a.svc", 300);
    let misnamed = leaf(&ca, "b.svc", 300);
    let expired = ca.leaf(&["a.svc".into()], &[], NOW - 30 * DAY, 10).unwrap();
    let half = &other.cert_pem[..100];
    for (case, cert, key, part) in [
        (
            "mismatch",
            &other.cert_pem[..],
            &good.key_pem[..],
            "does not belong",
        ),
        ("half", half, &other.key_pem, "damaged"),
        ("empty", "", "", "no certificate"),
        (
            "expired",
            &expired.cert_pem,
            &expired.key_pem,
            "expired on 2026-12-26 08:00 UTC, 20 days ago",
        ),
        (
            "wrong name",
            &misnamed.cert_pem,
            &misnamed.key_pem,
            "does not cover a.svc",
        ),
    ] {
        let (mounted, slot) = (Mounted::new(), CertificateSlot::empty());
        let (mut reloader, told) = mounted.reloader(&slot, &["a.svc"]);
        mounted.issued(&good);
        reloader.poll(NOW);
        told.loaded_until();

        mounted.swap(cert, key);
        reloader.poll(NOW);
        assert_eq!(told.take(), [], "{case}: it may be half-written");
        reloader.poll(NOW);
        let reason = told.refusal(true);
        assert!(reason.contains(part), "{case}: {reason}");
        reloader.poll(NOW);
        assert_eq!(told.take(), [], "{case}: said once");
        assert_eq!(slot.not_after(), Some(NOW + 100 * DAY), "{case}");

        mounted.issued(&other);
        reloader.poll(NOW);
        assert_eq!(told.loaded_until(), NOW + 300 * DAY, "{case}");
    }
}

#[test]
fn files_written_one_after_the_other_are_no_refusal() {
    let (ca, slot) = (authority(), CertificateSlot::empty());
    let mounted = Mounted::new();
    let (mut reloader, told) = mounted.reloader(&slot, &[]);
    let (first, second) = (leaf(&ca, "a.svc", 100), leaf(&ca, "a.svc", 200));
    mounted.issued(&first);
    reloader.poll(NOW);
    told.loaded_until();
    std::fs::write(mounted.path("..data/tls.crt"), &second.cert_pem).unwrap();
    reloader.poll(NOW);
    std::fs::write(mounted.path("..data/tls.key"), &second.key_pem).unwrap();
    reloader.poll(NOW);
    assert_eq!(told.loaded_until(), NOW + 200 * DAY);
}

#[test]
fn files_that_vanish_leave_the_last_good_one() {
    let (mounted, slot, ca) = (Mounted::new(), CertificateSlot::empty(), authority());
    let (mut reloader, told) = mounted.reloader(&slot, &[]);
    mounted.issued(&leaf(&ca, "a.svc", 100));
    reloader.poll(NOW);
    told.loaded_until();
    std::fs::remove_file(mounted.path("..data")).unwrap();
    reloader.poll(NOW);
    assert_eq!(told.take(), []);
    reloader.poll(NOW);
    assert!(told.refusal(true).contains("cannot be read"));
    assert!(slot.is_set());
}

#[tokio::test]
async fn files_that_vanish_are_told_long_before_the_next_look() {
    let (mounted, slot, ca) = (Mounted::new(), CertificateSlot::empty(), authority());
    mounted.issued(&leaf(&ca, "a.svc", 100));
    mounted.reloader(&slot, &[]).0.poll(NOW);
    assert!(slot.is_set());
    std::fs::remove_file(mounted.path("..data")).unwrap();
    let (reloader, told) = mounted.reloader(&slot, &[]);
    let watch = tokio::spawn(reloader.run(Duration::from_secs(24 * 3600)));
    until("it is told", async || !told.0.lock().unwrap().is_empty()).await;
    assert!(told.refusal(true).contains("cannot be read"));
    watch.abort();
}

#[test]
fn a_pair_from_the_future_is_taken_when_its_time_comes() {
    let (mounted, slot, ca) = (Mounted::new(), CertificateSlot::empty(), authority());
    let (mut reloader, told) = mounted.reloader(&slot, &[]);
    mounted.issued(&leaf(&ca, "a.svc", 100));
    reloader.poll(NOW - 3600);
    assert!(told.refusal(false).contains("not valid before"));
    reloader.poll(NOW - 1800);
    assert_eq!(told.take(), []);
    reloader.poll(NOW);
    assert_eq!(told.loaded_until(), NOW + 100 * DAY);
}

#[test]
fn an_end_that_is_near_is_told_once_a_day() {
    let ca = authority();
    let hours = 3600;
    for (lifetime_days, polls) in [
        (
            300,
            [
                (14 * DAY, None),
                (14 * DAY - 1, Some(13)),
                (13 * DAY, None),
                (13 * DAY - 1, Some(12)),
                (1, Some(0)),
                (0, None),
                (-1, Some(-1)),
            ],
        ),
        // A short-lived one is near its end in its last tenth only.
        (
            1,
            [
                (24 * hours, None),
                (12 * hours, None),
                (3 * hours, None),
                (2 * hours, Some(0)),
                (1, None),
                (0, None),
                (-1, Some(-1)),
            ],
        ),
    ] {
        let (mounted, slot) = (Mounted::new(), CertificateSlot::empty());
        let (mut reloader, told) = mounted.reloader(&slot, &[]);
        mounted.issued(&leaf(&ca, "a.svc", lifetime_days));
        reloader.poll(NOW);
        let not_after = told.loaded_until();
        for (seconds_before, told_days) in polls {
            reloader.poll(not_after - seconds_before);
            let expected: Vec<_> = told_days
                .map(|days| Event::Expiring { not_after, days })
                .into_iter()
                .collect();
            assert_eq!(told.take(), expected, "{seconds_before} s before");
        }
    }
}

#[test]
fn a_file_that_is_no_certificate_by_its_size_is_not_read_whole() {
    let (mounted, slot) = (Mounted::new(), CertificateSlot::empty());
    let (mut reloader, told) = mounted.reloader(&slot, &[]);
    mounted.swap(&"x".repeat(1024 * 1024 + 1), "");
    reloader.poll(NOW);
    assert!(told.refusal(false).contains("larger than 1 MiB"));
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let (mounted, slot) = (Mounted::new(), CertificateSlot::empty());
    let (mut reloader, told) = mounted.reloader(&slot, &[]);
    mounted.swap("", "");
    let cert = mounted.path("..data/tls.crt");
    let pipe = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    let device = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        symlink("/dev/zero", path).unwrap();
    };
    for make in [&pipe as &dyn Fn(&Path), &device] {
        make(&cert);
        reloader.poll(NOW);
        let reason = told.refusal(false);
        assert!(reason.contains("is no regular file"), "{reason}");
        // The next must be news.
        std::fs::remove_file(&cert).unwrap();
        std::fs::write(&cert, "").unwrap();
        reloader.poll(NOW);
        told.take();
    }
}

async fn served(server: &Server) -> Vec<u8> {
    let stream = server.connect().await;
    let certs = stream.get_ref().1.peer_certificates().unwrap();
    certs[0].to_vec()
}

fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.cert_pem.as_bytes())
        .unwrap()
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_under_load_fails_no_request_and_a_bad_pair_changes_nothing() {
    let app = Router::new().route("/", on_get(async || "hello"));
    let server = Arc::new(Server::start(app, Limits::default()).await);
    let mounted = Mounted::new();
    let (reloader, told) = mounted.reloader(&server.slot, &["localhost"]);
    let reloading = tokio::spawn(reloader.run(Duration::from_millis(2)));

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = [true, true, false]
        .into_iter()
        .map(|reconnect| {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                let mut stream = server.connect().await;
                while !stop.load(Ordering::SeqCst) {
                    if reconnect {
                        stream = server.connect().await;
                    }
                    let response = get(&mut stream, "/").await.unwrap();
                    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();

    let mut last = Vec::new();
    for _ in 0..5 {
        let issued = issue(&server.authority, "localhost");
        last = der(&issued);
        let before = answered.load(Ordering::SeqCst);
        mounted.issued(&issued);
        until("the new certificate is served", async || {
            served(&server).await == last
        })
        .await;
        until("requests go on", async || {
            answered.load(Ordering::SeqCst) > before
        })
        .await;
    }

    let (one, two) = (
        issue(&server.authority, "localhost"),
        issue(&server.authority, "localhost"),
    );
    told.take();
    mounted.swap(&one.cert_pem, &two.key_pem);
    until("the mismatch is told", async || {
        told.take()
            .iter()
            .any(|event| matches!(event, Event::Refused { .. }))
    })
    .await;
    assert_eq!(served(&server).await, last);
    assert!(server.slot.not_after().unwrap() > now());

    stop.store(true, Ordering::SeqCst);
    for client in clients {
        patient(client).await.unwrap();
    }
    reloading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_handshakes_fail_and_then_work() {
    let app = Router::new().route("/", on_get(async || "hello"));
    let server = Server::start(app, Limits::default()).await;
    let empty = CertificateSlot::empty();
    let config = silkroll::tls::config::server_config(empty.clone()).unwrap();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let task = tokio::spawn(async move {
        loop {
            let (tcp, _) = socket.accept().await.unwrap();
            // A client that is refused is what this is about.
            let _ = acceptor.accept(tcp).await;
        }
    });
    let client = || https::tls(https::client_config(&server.authority, b"http/1.1"), addr);
    assert!(patient(client()).await.is_err());
    let (mounted, told) = (Mounted::new(), Told::default());
    mounted.issued(&issue(&server.authority, "localhost"));
    let events = Arc::clone(&told.0);
    let (cert, key) = (mounted.path("tls.crt"), mounted.path("tls.key"));
    let mut reloader = Reloader::new(cert, key, Vec::new(), empty, move |event| {
        events.lock().unwrap().push(event);
    });
    reloader.poll(now());
    assert_eq!(told.take().len(), 1);
    patient(client()).await.unwrap();
    task.abort();
}
