//! Runs an attack on a server of its own beside good clients, and judges.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::served::{Answer, Served, Stream, answer};
use crate::support;

/// What the whole process may take at any time: half of the pod's limit in the install file.
const MOST: u64 = 256 << 20;
/// What it may hold a minute later.
const AFTER: u64 = 64 << 20;
const MINUTE: Duration = Duration::from_secs(60);
/// 99 of 100 good reviews of 20 KB, on the release build.
const GOOD: Duration = Duration::from_millis(100);
/// Every good review, of 3 MB as well.
const EVERY: Duration = Duration::from_secs(1);
/// How long a probe waits for its answer.
const PATIENT: Duration = Duration::from_secs(15);

/// Where good reviews come from: an API server has an address of its own.
const API_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Something that a client does again and again.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What it does, for the table.
    pub(crate) what: &'static str,
    /// Flags of `silkroll serve`.
    pub(crate) flags: &'static [&'static str],
    /// How many threads strike at once.
    pub(crate) strikers: usize,
    pub(crate) strike: fn(&Victim, usize),
}

/// The server, as an attacker sees it.
pub(crate) struct Victim {
    served: Served,
    over: AtomicBool,
    strikes: AtomicUsize,
}

impl Victim {
    /// Whether the time is up: to be asked in loops.
    pub(crate) fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A fresh TLS connection; none where the server does not want one.
    pub(crate) fn connect(&self) -> Option<Stream> {
        self.served.try_connect().ok()
    }

    /// A connection to the HTTPS port without TLS yet.
    pub(crate) fn connect_tcp(&self) -> Option<TcpStream> {
        TcpStream::connect(self.served.addr()).ok()
    }

    /// A connection to the port of probes and metrics.
    pub(crate) fn connect_admin(&self) -> Option<TcpStream> {
        TcpStream::connect(self.served.admin()).ok()
    }

    /// Posts a body and waits for the answer, if there is one.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Option<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(&request(path, body)).ok()?;
        stream.flush().ok()?;
        answer(&mut stream).ok()
    }

    /// Holds connections, whatever they are, until the time is up.
    pub(crate) fn hold(&self, seconds: f64) {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while !self.over() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A request with its body.
pub(crate) fn request(path: &str, body: &[u8]) -> Vec<u8> {
    [&head(path, body.len())[..], body].concat()
}

/// A request's head that announces a body.
pub(crate) fn head(path: &str, length: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// A review of a Deployment that is to be injected, with so many bytes.
pub(crate) fn good_review(bytes: usize) -> Vec<u8> {
    let mut object = support::deployment();
    let managed = json!({"manager": "kubectl", "fieldsV1": {"f:spec": "x".repeat(bytes)}});
    object["metadata"]["managedFields"] = json!([managed]);
    support::review("CREATE", &object, &Value::Null)
}

/// What came of an attack.
struct Row {
    strikes: usize,
    start: u64,
    peak: u64,
    after: u64,
    /// Seconds until the memory was back.
    back: f64,
    small: Vec<Duration>,
    large: Vec<Duration>,
    probes: Vec<Duration>,
    failed: Vec<String>,
}

/// One at a time: each judges memory and times.
static TURN: Mutex<()> = Mutex::new(());

impl Attack {
    /// A few seconds of it on whatever build this is, with the bounds for memory. Times are judged by `make attack`: the
    /// debug build is ten times slower, and attackers and good clients share this process.
    pub(crate) fn short(&self) {
        let row = self.run(Duration::from_secs(3));
        let wrong = row.wrong_memory();
        println!("{}", row.line(self.name));
        assert!(!row.small.is_empty(), "no good review was answered");
        assert!(wrong.is_empty(), "{}: {}", self.name, wrong.join("; "));
    }

    fn run(&self, time: Duration) -> Row {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let namespaces = json!({"kind": "NamespaceList", "apiVersion": "v1", "items": [
            {"metadata": {"name": "shop", "annotations": {"silkroll.dev/inject": "enabled"}}},
            {"metadata": {"name": "default", "annotations": {"silkroll.dev/inject": "enabled"}}}
        ]});
        let served = Served::start(self.flags, &namespaces);
        let victim = Arc::new(Victim {
            served,
            over: AtomicBool::new(false),
            strikes: AtomicUsize::new(0),
        });
        let _end = End(&victim.served);
        let start = victim.served.used().memory;
        for at in 0..self.strikers {
            let (victim, strike) = (Arc::clone(&victim), self.strike);
            // Not joined: whoever waits for the server to answer ends with its connection.
            std::thread::spawn(move || {
                while !victim.over() {
                    strike(&victim, at);
                    victim.strikes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let (small, large) = (good_review(20_000), good_review(3_000_000));
        let ask = |body: Vec<u8>, pause| {
            let victim = Arc::clone(&victim);
            std::thread::spawn(move || ask_again_and_again(&victim, &body, pause))
        };
        let small = ask(small, Duration::from_millis(20));
        let large = ask(large, Duration::from_millis(500));
        let probe = {
            let victim = Arc::clone(&victim);
            std::thread::spawn(move || probe_again_and_again(&victim))
        };
        std::thread::sleep(time);
        victim.over.store(true, Ordering::Relaxed);
        let (small, large) = (small.join().unwrap(), large.join().unwrap());
        let probe = probe.join().unwrap();
        let ended = Instant::now();
        while victim.served.used().memory > AFTER && ended.elapsed() < MINUTE {
            std::thread::sleep(Duration::from_millis(100));
        }
        let failed = [small.1, large.1, probe.1].concat();
        Row {
            strikes: victim.strikes.load(Ordering::Relaxed),
            start,
            peak: victim.served.used().most,
            after: victim.served.used().memory,
            back: ended.elapsed().as_secs_f64(),
            small: small.0,
            large: large.0,
            probes: probe.0,
            failed,
        }
    }
}

/// Ends the server when it is dropped: attackers that are not joined keep it from being dropped itself.
struct End<'a>(&'a Served);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.signal("KILL");
    }
}

type Asked = (Vec<Duration>, Vec<String>);

/// Good reviews, each on a connection of its own every second time, as after a scale-up of API servers.
fn ask_again_and_again(victim: &Victim, body: &[u8], pause: Duration) -> Asked {
    let mut asked = Asked::default();
    let mut kept: Option<Stream> = None;
    let mut fresh = false;
    while !victim.over() {
        let begun = Instant::now();
        let stream = match kept.take().filter(|_| !fresh) {
            Some(stream) => Ok(stream),
            None => victim.served.try_connect_from(API_SERVER),
        };
        fresh = !fresh;
        let got = stream.and_then(|mut stream| {
            stream.write_all(&request("/mutate", body))?;
            stream.flush()?;
            let got = answer(&mut stream)?;
            kept = Some(stream);
            Ok(got)
        });
        match got {
            Ok(got) if got.json_or_null()["response"]["patch"].is_string() => {
                asked.0.push(begun.elapsed());
            }
            Ok(got) => asked.1.push(format!("{} {:.80}", got.status, got.text())),
            Err(error) => asked.1.push(format!("{} bytes: {error}", body.len())),
        }
        std::thread::sleep(pause);
    }
    asked
}

/// The kubelet's probe, ten times a second.
fn probe_again_and_again(victim: &Victim) -> Asked {
    let mut asked = Asked::default();
    while !victim.over() {
        let begun = Instant::now();
        let probe = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(victim.served.admin())?;
            stream.set_read_timeout(Some(PATIENT))?;
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        match probe() {
            Ok(text) if text.starts_with("HTTP/1.1 200") => asked.0.push(begun.elapsed()),
            Ok(text) => asked.1.push(format!("/livez: {text:.40}")),
            Err(error) => asked.1.push(format!("/livez: {error}")),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    asked
}

fn at(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index, from a count that is small"
    )]
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(Duration::MAX)
}

impl Row {
    fn wrong_memory(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.peak > MOST {
            wrong.push(format!("{} MiB at its peak", mib(self.peak)));
        }
        if self.after > AFTER {
            wrong.push(format!("still {} MiB after a minute", mib(self.after)));
        }
        wrong
    }

    /// What is not as it must be.
    fn wrong(&self, good: Duration, every: Duration) -> Vec<String> {
        let mut wrong = self.wrong_memory();
        let mut check = |ok: bool, text: String| {
            if !ok {
                wrong.push(text);
            }
        };
        for (what, times, share, bound) in [
            ("20 KB", &self.small, 0.99, good),
            ("20 KB", &self.small, 1.0, every),
            ("3 MB", &self.large, 1.0, every),
            ("/livez", &self.probes, 1.0, every),
        ] {
            check(!times.is_empty(), format!("{what}: no answer at all"));
            let seen = at(times, share);
            check(
                seen <= bound,
                format!("{what}: {seen:?} at {share}, allowed is {bound:?}"),
            );
        }
        check(
            self.failed.is_empty(),
            format!(
                "{} failed, first: {:?}",
                self.failed.len(),
                self.failed.first()
            ),
        );
        wrong
    }

    fn line(&self, name: &str) -> String {
        let ms = |times: &[Duration], share| at(times, share).as_secs_f64() * 1e3;
        format!(
            "{name:<24} {:>8} {:>5} {:>5} {:>5} {:>6.1} {:>6} {:>7.1} {:>7.1} {:>7.1} {:>8.1} {:>8.1} {:>6}",
            self.strikes,
            mib(self.start),
            mib(self.peak),
            mib(self.after),
            self.back,
            self.small.len(),
            ms(&self.small, 0.5),
            ms(&self.small, 0.99),
            ms(&self.small, 1.0),
            ms(&self.large, 1.0),
            ms(&self.probes, 1.0),
            self.failed.len(),
        )
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// All of them for longer, as a table.
pub(crate) fn table(all: &[&Attack]) {
    let text = |name: &str| std::env::var(name).unwrap_or_default();
    let seconds = text("ATTACK_SECONDS").parse().unwrap_or(20);
    let only = text("ATTACK_ONLY");
    println!(
        "{seconds} s of each; memory in MiB, times in ms, of good reviews of 20 KB and 3 MB and of /livez\n"
    );
    println!(
        "{:<24} {:>8} {:>5} {:>5} {:>5} {:>6} {:>6} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6}",
        "attack",
        "strikes",
        "start",
        "peak",
        "after",
        "back s",
        "good",
        "p50",
        "p99",
        "max",
        "3MB max",
        "livez",
        "failed"
    );
    let mut wrong = Vec::new();
    for attack in all.iter().filter(|attack| attack.name.contains(&only)) {
        let row = attack.run(Duration::from_secs(seconds));
        println!("{}  {}", row.line(attack.name), attack.what);
        for text in row.wrong(GOOD, EVERY) {
            println!("    NOT AS IT MUST BE: {text}");
            wrong.push(format!("{}: {text}", attack.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
