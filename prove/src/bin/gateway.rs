//! A gateway as there are many: a list of instances from a registry, as old as its caches make it,
//! and each request to the next of them. It sends none a second time.

use std::env;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use prove::client::{Answer, Failure, Pool, Socket};
use prove::http::Head;
use prove::record::{Kind, now_ms};
use prove::registry::{Format, INSTANCES, Instances, Source};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

const USAGE: &str = "usage: gateway --instances FILE|http://ADDRESS:PORT/PATH [--format nacos|eureka|lines] \
[--cache-seconds N[,N…]] [--listen ADDRESS:PORT] [--timeout-seconds N]";
/// Answers of the app are a line; more than this is somebody else's.
const MOST: usize = 1024 * 1024;
/// Connections that are kept to one instance.
const KEPT: usize = 16;
/// How often connections are let go that instances have closed.
const SWEEP: Duration = Duration::from_secs(1);
/// Where an accept fails for want of files, trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Options {
    listen: SocketAddr,
    source: Source,
    /// One behind the other.
    caches: Vec<Duration>,
    timeout: Duration,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut place = None;
        let mut options = Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            source: Source {
                place: "".parse()?,
                format: Format::Lines,
            },
            // As old as Ribbon's list of servers gets.
            caches: vec![Duration::from_secs(30)],
            timeout: Duration::from_secs(10),
        };
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .with_context(|| format!("{flag} has no value; {USAGE}"))?;
            let said = || format!("{flag} {value}");
            match flag.as_str() {
                "--listen" => options.listen = value.parse().with_context(said)?,
                "--instances" => place = Some(value.parse().with_context(said)?),
                "--format" => options.source.format = value.parse().with_context(said)?,
                "--timeout-seconds" => options.timeout = seconds(&value).with_context(said)?,
                "--cache-seconds" => {
                    let caches: anyhow::Result<_> = value.split(',').map(seconds).collect();
                    options.caches = caches.with_context(said)?;
                }
                _ => bail!("there is no {flag}; {USAGE}"),
            }
        }
        options.source.place = place.with_context(|| format!("--instances is missing; {USAGE}"))?;
        Ok(options)
    }
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| anyhow!("{text:?}: a number of seconds is allowed"))
}

fn main() -> ExitCode {
    let run = || -> anyhow::Result<()> {
        let options = Options::read(env::args().skip(1))?;
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?
            .block_on(serve(options))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say("error", &format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// One event to standard output. Where nobody reads it any more, nothing depends on it.
fn say(event: &str, detail: &str) {
    let line = serde_json::json!({"at_ms": now_ms(), "event": event, "detail": detail});
    let _ = writeln!(io::stdout(), "{line}");
}

struct Gateway {
    instances: Instances,
    pool: Mutex<Pool>,
    timeout: Duration,
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let instances = Instances::keep(options.source, &options.caches, |text| say("list", text))?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("--listen {}", options.listen))?;
    say("listening", &listener.local_addr()?.to_string());
    let gateway = Arc::new(Gateway {
        instances,
        pool: Mutex::new(Pool::new(KEPT)),
        timeout: options.timeout,
    });
    let sweeper = Arc::clone(&gateway);
    tokio::spawn(async move {
        loop {
            sleep(SWEEP).await;
            sweeper.pool().sweep();
        }
    });
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let gateway = Arc::clone(&gateway);
                tokio::spawn(async move {
                    // A caller that went away is no business of the gateway's.
                    let _ = gateway.connection(stream).await;
                });
            }
            Err(error) => {
                say("accept", &error.to_string());
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Gateway {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut bytes = Vec::new();
        loop {
            let head = loop {
                if let Some((head, length)) = Head::read(&bytes)? {
                    bytes.drain(..length);
                    break head;
                }
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
            };
            let (status, body, pod) = self.pass_on(&head).await;
            let keep = head.keeps_alive() && status != 405;
            let close = if keep { "" } else { "Connection: close\r\n" };
            let pod = pod.map_or(String::new(), |pod| format!("Pod: {pod}\r\n"));
            let mut answer = format!(
                "HTTP/1.1 {status} Answer\r\nContent-Length: {}\r\n{pod}{close}\r\n",
                body.len()
            )
            .into_bytes();
            answer.extend(body);
            stream.write_all(&answer).await?;
            if !keep {
                return Ok(stream.shutdown().await?);
            }
        }
    }

    /// The answer of an instance, or the gateway's own where there is none: its status, body and pod.
    async fn pass_on(&self, head: &Head) -> (u16, Vec<u8>, Option<Arc<str>>) {
        let mut words = head.first.split(' ');
        let (method, path) = (words.next(), words.next().unwrap_or("/"));
        // A body would have to be read.
        if method != Some("GET") {
            return (405, Vec::new(), None);
        }
        if path == INSTANCES {
            let all = self.instances.all();
            let lines: Vec<String> = all.iter().map(|address| format!("{address}\n")).collect();
            return (200, lines.concat().into_bytes(), None);
        }
        let Some(address) = self.instances.pick() else {
            return (503, b"no instance is known\n".to_vec(), None);
        };
        let host = head.header("host").unwrap_or("app");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        match self.ask(address, request.as_bytes()).await {
            (Ok(answer), pod) => (answer.status, answer.text, pod),
            (Err(failure), pod) => {
                let status = if failure.kind == Kind::Timeout {
                    504
                } else {
                    502
                };
                let body = format!("{} at {address}: {}\n", failure.kind, failure.detail);
                say("lost", body.trim_end());
                (status, body.into_bytes(), pod)
            }
        }
    }

    async fn ask(
        &self,
        address: SocketAddr,
        request: &[u8],
    ) -> (Result<Answer, Failure>, Option<Arc<str>>) {
        let deadline = Instant::now() + self.timeout;
        let kept = self.pool().take(address);
        let opened = match kept {
            Some(socket) => Ok(socket),
            None => Socket::open(address, deadline).await,
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(failure) => {
                self.pool().put(address, None);
                return (Err(failure), None);
            }
        };
        let result = socket.ask(request, MOST, deadline).await;
        let pod = socket.pod.clone();
        let keep = result.as_ref().is_ok_and(|answer| answer.keep);
        self.pool().put(address, keep.then_some(socket));
        (result, pod)
    }
}
