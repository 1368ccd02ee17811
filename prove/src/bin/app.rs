//! The service under load: an HTTP/1.1 server as plain as real ones, in one static binary.
//!
//! Answers `/`, `/slow?ms=N` and `/healthz` (500 after a request for `/fail-liveness`), sends server-sent events at `/events`
//! and messages on a WebSocket at `/ws` until its client leaves or it is told to end, names its pod in the `Pod` header, and prints its phases, one JSON object a line. Registers itself in Eureka
//! where it is told to. What SIGTERM does is the point of it: see [`OnTerm`].

use std::env;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use prove::record::now_ms;
use prove::registry::Instance;
use testkit::http::Head;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{interval, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// What a shell calls the end by signal 15.
const TERMINATED: u8 = 143;
const USAGE: &str = "usage: app [--listen ADDRESS:PORT] [--on-term die|graceful|ignore] \
[--linger-seconds N] [--startup-seconds N] [--eureka http://ADDRESS:PORT/PATH --eureka-app NAME --address IP]";

/// Where an accept fails for want of files, trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// From one message of a stream to the next.
const MESSAGES: Duration = Duration::from_secs(1);

/// What SIGTERM does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnTerm {
    /// The end, at once, as for most programs: requests under way are cut off.
    Die,
    /// Accepts no more, finishes what is under way, ends. Kept connections get `Connection: close`
    /// with their next answer; those that ask nothing are closed after `--linger-seconds`; streams end.
    Graceful,
    /// Nothing: a program that runs as PID 1 and handles no signals is only ended by SIGKILL.
    Ignore,
}

#[derive(Debug)]
struct Options {
    listen: SocketAddr,
    on_term: OnTerm,
    linger: Duration,
    startup: Duration,
    eureka: Option<String>,
    eureka_app: String,
    /// What it tells Eureka; the pod's own.
    address: IpAddr,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            on_term: OnTerm::Graceful,
            linger: Duration::from_secs(1),
            startup: Duration::ZERO,
            eureka: None,
            eureka_app: "web".to_owned(),
            address: IpAddr::from([127, 0, 0, 1]),
        };
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| format!("{flag} has no value; {USAGE}"))?;
            let bad = |allowed: &str| format!("{flag} {value}: {allowed} is allowed");
            let seconds = || {
                value
                    .parse()
                    .ok()
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .ok_or_else(|| bad("a number of seconds"))
            };
            match flag.as_str() {
                "--listen" => options.listen = value.parse().map_err(|_| bad("ADDRESS:PORT"))?,
                "--linger-seconds" => options.linger = seconds()?,
                "--startup-seconds" => options.startup = seconds()?,
                "--eureka" => options.eureka = Some(value),
                "--eureka-app" => options.eureka_app = value,
                "--address" => options.address = value.parse().map_err(|_| bad("an IP address"))?,
                "--on-term" => {
                    options.on_term = match value.as_str() {
                        "die" => OnTerm::Die,
                        "graceful" => OnTerm::Graceful,
                        "ignore" => OnTerm::Ignore,
                        _ => return Err(bad("die, graceful or ignore")),
                    }
                }
                _ => return Err(format!("there is no {flag}; {USAGE}")),
            }
        }
        Ok(options)
    }

    fn instance(&self, host: &str, port: u16) -> anyhow::Result<Option<Instance>> {
        let address = SocketAddr::new(self.address, port);
        let new = |server: &String| Instance::new(server, &self.eureka_app, host, address);
        self.eureka.as_ref().map(new).transpose()
    }
}

/// What the connections share.
struct App {
    pod: String,
    sick: AtomicBool,
    under_way: AtomicU64,
    connections: AtomicU64,
    /// Becomes true when the server ends in an orderly way.
    ending: watch::Sender<bool>,
    linger: Duration,
}

fn main() -> ExitCode {
    let options = match Options::read(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            say("error", &error);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime.and_then(|runtime| runtime.block_on(run(&options))) {
        Ok(code) => code,
        Err(error) => {
            say("error", &error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn told_to_end(ending: &mut watch::Receiver<bool>) {
    drop(ending.wait_for(|ending| *ending).await);
}

/// One phase to standard output. Where it is not read any more, nothing depends on it.
fn say(phase: &str, detail: &str) {
    let line = serde_json::json!({"at_ms": now_ms(), "phase": phase, "detail": detail});
    let _ = writeln!(io::stdout(), "{line}");
}

async fn run(options: &Options) -> io::Result<ExitCode> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    say("starting", "");
    tokio::select! {
        () = sleep(options.startup) => {}
        _ = term.recv(), if options.on_term != OnTerm::Ignore => {
            say("sigterm", "while starting");
            return Ok(TERMINATED.into());
        }
    }
    let listener = TcpListener::bind(options.listen).await?;
    say("listening", &listener.local_addr()?.to_string());
    let app = Arc::new(App {
        pod: env::var("HOSTNAME").unwrap_or_default(),
        sick: AtomicBool::new(false),
        under_way: AtomicU64::new(0),
        connections: AtomicU64::new(0),
        ending: watch::Sender::new(false),
        linger: options.linger,
    });
    let port = listener.local_addr()?.port();
    let instance = options.instance(&app.pod, port).map_err(io::Error::other)?;
    let registered = instance
        .clone()
        .map(|instance| tokio::spawn(async move { instance.keep(say).await }));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let app = Arc::clone(&app);
                    app.connections.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(async move {
                        // A caller that went away is no business of the server's.
                        let _ = app.serve(stream).await;
                        app.connections.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                Err(error) => {
                    say("accept", &error.to_string());
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            _ = interrupt.recv() => return Ok(ExitCode::from(130)),
            _ = term.recv() => match options.on_term {
                OnTerm::Ignore => say("sigterm", "ignored"),
                OnTerm::Die => {
                    say("sigterm", &format!("{} requests under way", app.under_way.load(Ordering::Relaxed)));
                    return Ok(TERMINATED.into());
                }
                OnTerm::Graceful => break,
            },
        }
    }
    let under_way = app.under_way.load(Ordering::Relaxed);
    say("sigterm", &format!("{under_way} requests under way"));
    drop(listener);
    app.ending.send_replace(true);
    // As Spring does it: out of the registry when it is told to end, and no sooner.
    if let (Some(instance), Some(registered)) = (instance, registered) {
        registered.abort();
        if let Err(error) = instance.leave().await {
            say("not left", &format!("{error:#}"));
        }
    }
    while app.connections.load(Ordering::Relaxed) > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    say("ended", "");
    Ok(ExitCode::SUCCESS)
}

impl App {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut ending = self.ending.subscribe();
        let mut bytes = Vec::new();
        loop {
            let Some(head) = self.request(&mut stream, &mut bytes, &mut ending).await? else {
                return Ok(());
            };
            self.under_way.fetch_add(1, Ordering::Relaxed);
            let streamed = match (head.first.as_str(), head.header("sec-websocket-key")) {
                ("GET /events HTTP/1.1", _) => Some(self.events(&mut stream, &mut ending).await),
                ("GET /ws HTTP/1.1", Some(key)) => {
                    Some(self.web_socket(&mut stream, key, &mut ending).await)
                }
                _ => None,
            };
            if let Some(ended) = streamed {
                self.under_way.fetch_sub(1, Ordering::Relaxed);
                return ended;
            }
            let (status, body) = self.answer(&head.first).await;
            let keep = head.keeps_alive() && !status.starts_with("405") && !*ending.borrow();
            let close = if keep { "" } else { "Connection: close\r\n" };
            let written = stream
                .write_all(
                    format!(
                        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nPod: {}\r\n{close}\r\n{body}",
                        body.len(),
                        self.pod
                    )
                    .as_bytes(),
                )
                .await;
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            written?;
            if !keep {
                return stream.shutdown().await;
            }
        }
    }

    /// Server-sent events, until the client leaves or the server ends.
    async fn events(
        &self,
        stream: &mut TcpStream,
        ending: &mut watch::Receiver<bool>,
    ) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nPod: {}\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            self.pod
        );
        stream.write_all(head.as_bytes()).await?;
        let mut messages = interval(MESSAGES);
        let mut unasked = [0; 64];
        loop {
            tokio::select! {
                _ = messages.tick() => {
                    let event = format!("data: {}\n\n", now_ms());
                    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                    stream.write_all(chunk.as_bytes()).await?;
                }
                read = stream.read(&mut unasked) => if read? == 0 { return Ok(()) },
                () = told_to_end(ending) => {
                    stream.write_all(b"0\r\n\r\n").await?;
                    return stream.shutdown().await;
                }
            }
        }
    }

    /// Messages on a WebSocket, until the client leaves or the server ends.
    async fn web_socket(
        &self,
        stream: &mut TcpStream,
        key: &str,
        ending: &mut watch::Receiver<bool>,
    ) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nPod: {}\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            self.pod,
            derive_accept_key(key.as_bytes())
        );
        stream.write_all(head.as_bytes()).await?;
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        let mut messages = interval(MESSAGES);
        loop {
            tokio::select! {
                _ = messages.tick() => {
                    let message = Message::text(now_ms().to_string());
                    socket.send(message).await.map_err(io::Error::other)?;
                }
                // What a client says is no business of ours, but for its goodbye.
                said = socket.next() => if !matches!(said, Some(Ok(_))) { return Ok(()) },
                () = told_to_end(ending) => {
                    let away = CloseFrame { code: CloseCode::Away, reason: "the server ends".into() };
                    return socket.close(Some(away)).await.map_err(io::Error::other);
                }
            }
        }
    }

    /// The next request; none where none will come.
    async fn request(
        &self,
        stream: &mut TcpStream,
        bytes: &mut Vec<u8>,
        ending: &mut watch::Receiver<bool>,
    ) -> io::Result<Option<Head>> {
        loop {
            match Head::read(bytes) {
                Ok(Some((head, length))) => {
                    bytes.drain(..length);
                    return Ok(Some(head));
                }
                Ok(None) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            let read = tokio::select! {
                read = stream.read_buf(bytes) => read?,
                () = self.time_to_go(ending) => 0,
            };
            if read == 0 {
                return Ok(None);
            }
        }
    }

    /// Comes to its end when an idle connection has had its time after SIGTERM.
    async fn time_to_go(&self, ending: &mut watch::Receiver<bool>) {
        if ending.wait_for(|ending| *ending).await.is_ok() {
            sleep(self.linger).await;
        }
    }

    async fn answer(&self, request: &str) -> (&'static str, String) {
        const OK: &str = "200 OK";
        let mut words = request.split(' ');
        let (method, target) = (words.next(), words.next().unwrap_or_default());
        // A body would have to be read.
        if method != Some("GET") {
            return ("405 Method Not Allowed", String::new());
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/" => (OK, format!("{}\n", self.pod)),
            "/slow" => {
                let ms = query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix("ms=")?.parse().ok());
                let Some(ms) = ms else {
                    return ("400 Bad Request", "ms: a number is missing\n".to_owned());
                };
                sleep(Duration::from_millis(ms)).await;
                (OK, format!("{} after {ms} ms\n", self.pod))
            }
            "/healthz" if self.sick.load(Ordering::Relaxed) => {
                ("500 Internal Server Error", "sick\n".to_owned())
            }
            "/healthz" => (OK, "well\n".to_owned()),
            "/fail-liveness" => {
                self.sick.store(true, Ordering::Relaxed);
                say("sick", "");
                (OK, "from now on /healthz fails\n".to_owned())
            }
            _ => ("404 Not Found", String::new()),
        }
    }
}
