//! The load generator where it runs in a pod: in a cluster of which only the API server can be reached,
//! cluster addresses cannot. Begins when the service answers; what it says is in `prove::load::told`.

use std::env;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use prove::load::told::{STATE, STOP, Told};
use prove::load::{Handle, Plan, start, wait_for_answers};
use prove::lock::lock;
use prove::record::{Load, Millis, now_ms};
use testkit::http;

const USAGE: &str = "usage: load --listen ADDRESS:PORT --target ADDRESS:PORT --plan JSON";

/// Whoever asks sends a line and a few headers.
const READ: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let Err(error) = run();
    eprintln!("load: {error:#}");
    ExitCode::from(2)
}

fn run() -> Result<std::convert::Infallible> {
    let options = Options::read(env::args().skip(1))?;
    let listener = TcpListener::bind(options.listen)
        .with_context(|| format!("--listen {}", options.listen))?;
    // As the app says it: a test has to find the port.
    println!(
        "{}",
        serde_json::json!({"phase": "listening", "detail": listener.local_addr()?.to_string()})
    );
    let stage = Arc::new(Mutex::new(Stage::Waiting));
    {
        let stage = Arc::clone(&stage);
        thread::spawn(move || {
            let begun = wait_for_answers(options.target, &options.plan.host)
                .and_then(|()| start(options.plan, options.target));
            *lock(&stage) = begun.map_or_else(|error| failed(&error), Stage::Running);
        });
    }
    loop {
        let (stream, _) = listener.accept().context("accepting")?;
        let stage = Arc::clone(&stage);
        // Whoever went away asks again.
        thread::spawn(move || drop(serve(stream, &stage)));
    }
}

struct Options {
    listen: SocketAddr,
    target: SocketAddr,
    plan: Plan,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let (mut listen, mut target, mut plan) = (None, None, None);
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .with_context(|| format!("{flag} has no value; {USAGE}"))?;
            let of = || format!("{flag} {value}");
            match flag.as_str() {
                "--listen" => listen = Some(value.parse().with_context(of)?),
                "--target" => target = Some(value.parse().with_context(of)?),
                "--plan" => plan = Some(serde_json::from_str(&value).with_context(of)?),
                _ => bail!("there is no {flag}; {USAGE}"),
            }
        }
        Ok(Self {
            listen: listen.context(USAGE)?,
            target: target.context(USAGE)?,
            plan: plan.context(USAGE)?,
        })
    }
}

enum Stage {
    Waiting,
    Running(Handle),
    Stopped(Millis, Load),
    Failed(String),
}

fn failed(error: &anyhow::Error) -> Stage {
    Stage::Failed(format!("{error:#}"))
}

fn serve(mut stream: TcpStream, stage: &Mutex<Stage>) -> io::Result<()> {
    stream.set_read_timeout(Some(READ))?;
    let Some((head, _)) = http::head(&mut stream)? else {
        return Ok(());
    };
    let (status, body) = match head.first.split(' ').nth(1) {
        Some(STATE) => ("200 OK", json(&tell(&lock(stage)))?),
        Some(STOP) => ("200 OK", json(&stop(&mut lock(stage)))?),
        _ => (
            "404 Not Found",
            format!("there are {STATE} and {STOP}\n").into_bytes(),
        ),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

fn json(told: &Told) -> io::Result<Vec<u8>> {
    serde_json::to_vec(told).map_err(io::Error::other)
}

fn tell(stage: &Stage) -> Told {
    let mut told = Told {
        now_ms: now_ms(),
        ..Told::default()
    };
    match stage {
        Stage::Waiting => {}
        Stage::Running(handle) => told.started_ms = Some(handle.started_ms),
        Stage::Stopped(started_ms, load) => {
            told.started_ms = Some(*started_ms);
            told.load = Some(load.clone());
        }
        Stage::Failed(why) => told.failed = Some(why.clone()),
    }
    told
}

/// Others who ask meanwhile wait for the same.
fn stop(stage: &mut Stage) -> Told {
    *stage = match std::mem::replace(stage, Stage::Waiting) {
        Stage::Running(handle) => {
            let started_ms = handle.started_ms;
            match handle.stop() {
                Ok(load) => Stage::Stopped(started_ms, load),
                Err(error) => failed(&error),
            }
        }
        other => other,
    };
    tell(stage)
}
