//! A thousand stops against servers that misbehave at random: each ends in its budget, its output closed.

use crate::methods::{CALLING, settings};
use crate::run::{Place, SPARE, pairs};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const RUNS: u64 = 1000;
/// They mostly wait; more at once would measure the machine and not the hook.
const AT_ONCE: u64 = 20;

const FAULTS: [&str; 13] = [
    "refuses",
    "never resolves",
    "hangs",
    "drips",
    "half-open",
    "500",
    "redirects",
    "garbage",
    "huge",
    "closes early",
    "bad chunks",
    "endless chunk",
    "endless head",
];

/// The generator called `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.throw() % of.len() as u64).unwrap()]
    }
}

fn misbehave(fault: &str, mut stream: TcpStream) {
    let ok = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    let mut read = [0; 8192];
    if fault == "half-open" {
        let _ = stream.shutdown(Shutdown::Write);
        while matches!(stream.read(&mut read), Ok(1..)) {}
        return;
    }
    let _ = stream.read(&mut read);
    let text = match fault {
        "500" => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "redirects" => "HTTP/1.1 301 Gone\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "garbage" => "HTTP/HTTP/9.9 \0\u{7f}\r\n\r\nHTTP/1.1 2xx {\"$(touch CANARY)".to_owned(),
        "closes early" => format!("{ok}Content-Length: 5000\r\n\r\n{{\"instance"),
        "bad chunks" => format!(
            "{ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n-1\r\nFFFFFFFFFFFFFFFFFFF\r\n{{\"x\r\n"
        ),
        "endless chunk" => format!("{ok}Transfer-Encoding: chunked\r\n\r\n"),
        "huge" => format!("{ok}Content-Length: 99999999999\r\n\r\n"),
        _ => String::new(),
    };
    let _ = stream.write_all(text.as_bytes());
    let filling: &[u8] = match fault {
        "huge" => &b"{".repeat(65536),
        "endless chunk" => &b"1\r\na\r\n".repeat(8192),
        "endless head" => &b"HTTP/1.1 100 Continue\r\nX: y\r\n".repeat(2048),
        "drips" => b"H",
        // The client is the first to go.
        "hangs" => {
            while matches!(stream.read(&mut read), Ok(1..)) {}
            return;
        }
        _ => return,
    };
    while stream.write_all(filling).is_ok() {
        if fault == "drips" {
            thread::park_timeout(Duration::from_secs(1));
        }
    }
}

/// The address of a server that does so to everybody, until the tests end.
fn server(fault: &'static str) -> String {
    match fault {
        "refuses" => return "http://127.0.0.1:9".to_owned(),
        "never resolves" => return "http://registry.invalid:9".to_owned(),
        _ => {}
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || misbehave(fault, stream));
        }
    });
    url
}

type Counts = BTreeMap<(&'static str, &'static str), u32>;

type Pairs = [(&'static str, &'static str)];

/// One stop of many: what it was of, and what it took over its budget.
fn stop(seed: u64, run: u64, pairs: &Pairs, urls: &[(&'static str, String)]) -> (Counts, Duration) {
    let mut dice = Dice(seed ^ (run << 32));
    let (shell, client) = dice.one(pairs);
    let method = dice.one(&CALLING);
    let (fault, url) = &urls[usize::try_from(dice.throw()).unwrap() % urls.len()];
    let (leave, drain) = (dice.one(&[1, 1, 1, 2]), dice.one(&[0, 0, 0, 1]));
    let (leave_text, drain_text) = (leave.to_string(), drain.to_string());
    let case = format!("seed {seed}, run {run}: {method} in {shell} with {client}, server {fault}");

    let mut env = settings(method, url);
    env.push(("SILKROLL_DEREGISTER_SECONDS", &leave_text));
    env.push(("SILKROLL_DRAIN_SECONDS", &drain_text));
    let place = Place::new(shell, &[client]);
    place.add("/usr/bin/head", "head");
    // Reads to the end of the output: somebody who kept it open would be waited for.
    let budget = Duration::from_secs(leave + drain);
    let outcome = place.hook_within(budget, &env, &["stop", "exec", "sh", "-c", "echo own"]);

    let over = outcome.over;
    let case = format!("{case}, {over:?} over\n{}", outcome.output);
    assert_eq!(outcome.status, Some(0), "{case}");
    assert!(over < SPARE, "{case}");
    assert!(outcome.output.ends_with("own\n"), "{case}");
    assert!(
        outcome.output.contains(&format!("silkroll: {method}: ")),
        "{case}"
    );
    assert!(!outcome.output.contains("topsecret"), "{case}");
    assert_eq!(
        std::fs::read_dir(place.work()).unwrap().count(),
        0,
        "{case}: a canary"
    );
    let of = [
        ("method", method),
        ("shell", shell),
        ("client", client),
        ("server", *fault),
    ];
    (of.into_iter().map(|what| (what, 1)).collect(), over)
}

#[test]
fn a_thousand_stops_end_in_their_budget() {
    a_thousand(&pairs());
}

#[test]
fn a_thousand_stops_of_the_helper_end_in_their_budget() {
    let mut helper = pairs();
    helper.retain(|(runner, _)| *runner == "helper");
    a_thousand(&helper);
}

fn a_thousand(pairs: &Pairs) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("SILKROLL_SEED").map_or(now.as_secs(), |text| text.parse().unwrap());
    println!("seed {seed}; SILKROLL_SEED={seed} repeats it");
    let urls: Vec<_> = FAULTS.iter().map(|fault| (*fault, server(fault))).collect();
    let total = Mutex::new((Counts::new(), Duration::ZERO));
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::SeqCst);
                    if run >= RUNS {
                        return;
                    }
                    let (counts, over) = stop(seed, run, pairs, &urls);
                    let mut total = total.lock().unwrap();
                    for (what, count) in counts {
                        *total.0.entry(what).or_insert(0) += count;
                    }
                    total.1 = total.1.max(over);
                }
            });
        }
    });
    let (counts, slowest) = total.into_inner().unwrap();
    let lines: Vec<_> = counts
        .iter()
        .map(|((kind, name), count)| format!("{kind} {name}: {count}"))
        .collect();
    println!(
        "{RUNS} runs, at most {slowest:?} over the budget; {}",
        lines.join(", ")
    );
    let covered = |kind, name| counts.contains_key(&(kind, name));
    assert!(
        CALLING.iter().all(|name| covered("method", name)),
        "{lines:?}"
    );
    assert!(
        FAULTS.iter().all(|name| covered("server", name)),
        "{lines:?}"
    );
    assert!(
        pairs
            .iter()
            .all(|(shell, client)| covered("shell", shell) && covered("client", client)),
        "{lines:?}"
    );
}
