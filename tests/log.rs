//! The log never decides about an answer: whatever becomes of standard error, the real binary answers, and ends as it
//! was told to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod served;
mod support;

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use serde_json::Value;
use testkit::wait::{PATIENCE, Pulse, eventually};
use testkit::{http, ports};

/// What the API server, which waits for 3 s, and the kubelet, which waits for 1 s, need, where the machine keeps up.
const SOON: Duration = Duration::from_secs(1);

struct Serving {
    child: Child,
    https: SocketAddr,
    admin: SocketAddr,
    tls: Arc<ClientConfig>,
    pulse: Pulse,
    _files: tempfile::TempDir,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// The ports are chosen before, for the log may not tell them.
    fn start(stderr: impl Into<Stdio>) -> Self {
        let (mut command, tls, files) = served::standalone();
        let [https, admin] = ports::free()
            .unwrap()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let child = command
            .args(["--drain-seconds", "0"])
            .args(["--listen", &https.to_string()])
            .args(["--admin-listen", &admin.to_string()])
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut serving = Self {
            child,
            https,
            admin,
            tls,
            pulse: Pulse::start(),
            _files: files,
        };
        eventually("readiness", || {
            assert_eq!(serving.child.try_wait().unwrap(), None, "it ended");
            TcpStream::connect(admin).ok()?;
            (serving.plain("/readyz").0 == 200).then_some(())
        });
        serving
    }

    /// Status and body of the plain port.
    fn plain(&self, path: &str) -> (u16, String) {
        let answer = http::get(self.admin, "x", path, PATIENCE).unwrap();
        (answer.status, answer.text())
    }

    /// Sends reviews with long names, one after the other, until `enough`; each must be answered soon.
    fn review_until(&self, enough: impl Fn() -> bool) {
        let mut review: Value = serde_json::from_slice(&support::review(
            "CREATE",
            &support::deployment(),
            &Value::Null,
        ))
        .unwrap();
        review["request"]["name"] = "n".repeat(253).into();
        review["request"]["uid"] = "u".repeat(200).into();
        let body = review.to_string();
        let request = format!(
            "POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = served::connect(&self.tls, self.https).unwrap();
        let begun = Instant::now();
        loop {
            for _ in 0..100 {
                let sent = self.pulse.time();
                stream.write_all(request.as_bytes()).unwrap();
                stream.flush().unwrap();
                assert_eq!(served::answer(&mut stream).unwrap().status, 200);
                let answered = self.pulse.time();
                assert!(answered < sent + SOON, "{sent:?}, {answered:?}");
            }
            if enough() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "it was never enough");
        }
    }

    fn lines_dropped(&self) -> u64 {
        let (_, figures) = self.plain("/metrics");
        let name = "silkroll_log_lines_dropped_total ";
        let figure = figures.lines().find_map(|line| line.strip_prefix(name));
        figure.unwrap().parse().unwrap()
    }

    fn probes_answer(&self) {
        for path in ["/livez", "/readyz"] {
            let sent = self.pulse.time();
            assert_eq!(self.plain(path).0, 200, "{path}");
            let answered = self.pulse.time();
            assert!(answered < sent + SOON, "{path}: {sent:?}, {answered:?}");
        }
    }

    fn ends_by_sigterm(&mut self) {
        let kill = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        let status = eventually("its end", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{status}");
    }

    fn stderr(&mut self) -> BufReader<ChildStderr> {
        BufReader::new(self.child.stderr.take().unwrap())
    }
}

#[test]
fn a_reader_that_stalls_holds_nothing_up_and_is_told_how_much_it_missed() {
    let mut serving = Serving::start(Stdio::piped());
    let mut reader = serving.stderr();
    serving.review_until(|| serving.lines_dropped() > 0);
    serving.probes_answer();

    // It reads on: what was kept is whole, and what was not is counted.
    let dropped = serving.lines_dropped();
    let mut line = String::new();
    let missed = loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"]
            .as_str()
            .unwrap()
            .starts_with("log lines were dropped")
        {
            break line["lines"].as_u64().unwrap();
        }
    };
    assert_eq!(missed, dropped);

    serving.review_until(|| serving.lines_dropped() > dropped);
    serving.ends_by_sigterm();
}

#[test]
fn a_reader_that_goes_away_holds_nothing_up() {
    let mut serving = Serving::start(Stdio::piped());
    drop(serving.stderr());
    serving.review_until(|| serving.lines_dropped() >= 100);
    serving.probes_answer();
    serving.ends_by_sigterm();
}

#[test]
fn a_full_disk_holds_nothing_up() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut serving = Serving::start(full);
    serving.review_until(|| serving.lines_dropped() >= 100);
    serving.probes_answer();
    serving.ends_by_sigterm();
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let mut serving = Serving::start(Stdio::piped());
    let mut reader = serving.stderr();
    serving.ends_by_sigterm();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    for message in ["serving", "SIGTERM", "draining"] {
        assert!(
            text.contains(&format!(r#""message":"{message}""#)),
            "{text}"
        );
    }
}
