//! The real binary, serving on loopback, and a client that sends whatever it is told to.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

#[path = "../https/local.rs"]
mod local;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
pub(crate) use testkit::http::{Answer, answer};
use testkit::process::{Used, used};
use testkit::wait::{PATIENCE, eventually};

/// Where the tests of one binary find the server that one of them has started.
pub(crate) type Shared = Mutex<Weak<Served>>;

/// `silkroll serve --standalone`, until it is dropped.
pub(crate) struct Served {
    child: Child,
    addr: SocketAddr,
    admin: SocketAddr,
    tls: Arc<ClientConfig>,
    log: Arc<Log>,
    _files: tempfile::TempDir,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<Value>>,
    more: Condvar,
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Served {
    /// The server of this test binary: started by the first test that asks, stopped after the last.
    pub(crate) fn shared(slot: &'static Shared, flags: &[&str], namespaces: &Value) -> Arc<Self> {
        let mut slot = slot
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        slot.upgrade().unwrap_or_else(|| {
            let served = Arc::new(Self::start(flags, namespaces));
            *slot = Arc::downgrade(&served);
            served
        })
    }

    pub(crate) fn start(flags: &[&str], namespaces: &Value) -> Self {
        let (mut command, tls, files) = standalone();
        let drain: &[&str] = if flags.contains(&"--drain-seconds") {
            &[]
        } else {
            &["--drain-seconds", "0"]
        };
        let known = files.path().join("namespaces.json");
        std::fs::write(&known, namespaces.to_string()).unwrap();
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(drain)
            .arg("--namespaces")
            .arg(known)
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let reader = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                reader.lines.lock().unwrap().push(line);
                reader.more.notify_all();
            }
        });
        let mut served = Self {
            child,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls,
            log,
            _files: files,
        };
        let line = served.logged("that it serves", |line| line["message"] == "serving");
        served.addr = line["listen"].as_str().unwrap().parse().unwrap();
        served.admin = line["admin_listen"].as_str().unwrap().parse().unwrap();
        served
    }

    /// Sends a signal, named as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the process to end; its exit code, and how long that took.
    pub(crate) fn ended(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let status = eventually("the end of the process", || self.child.try_wait().unwrap());
        (status.code(), begun.elapsed())
    }

    /// What trusts its certificate.
    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// Waits for a line of the log.
    pub(crate) fn logged(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let lines = self.log.lines.lock().unwrap();
        let (lines, waited) = self
            .log
            .more
            .wait_timeout_while(lines, PATIENCE, |lines| !lines.iter().any(&is))
            .unwrap();
        assert!(!waited.timed_out(), "the log never said {what}: {lines:?}");
        lines.iter().find(|line| is(line)).unwrap().clone()
    }

    /// The length of the longest line so far.
    pub(crate) fn longest_line(&self) -> usize {
        let lines = self.log.lines.lock().unwrap();
        let length = |line: &Value| line.to_string().len();
        lines.iter().map(length).max().unwrap_or_default()
    }

    /// The HTTPS port.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The plain port.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it has used so far.
    pub(crate) fn used(&self) -> Used {
        used(self.child.id()).unwrap()
    }

    /// A fresh TLS connection.
    pub(crate) fn connect(&self) -> Stream {
        self.try_connect().unwrap()
    }

    /// The same, where the server may have other things to do.
    pub(crate) fn try_connect(&self) -> io::Result<Stream> {
        self.connect_to(self.addr)
    }

    /// The same on another of its ports.
    pub(crate) fn connect_to(&self, addr: SocketAddr) -> io::Result<Stream> {
        connect(&self.tls, addr)
    }

    /// The same from another address of the loopback, as another client's.
    pub(crate) fn try_connect_from(&self, source: Ipv4Addr) -> io::Result<Stream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&self.addr.into())?;
        secure(&self.tls, socket.into())
    }

    /// Sends bytes as they are, whatever they are.
    pub(crate) fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        stream.flush().unwrap();
        answer(&mut stream).unwrap()
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    pub(crate) fn mutate(&self, body: &[u8]) -> Answer {
        self.post("/mutate", "application/json", body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Nothing of a test server needs an orderly end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `silkroll serve --standalone` with a certificate for localhost, and no address to listen at yet; what trusts that
/// certificate, and the folder of its files.
pub(crate) fn standalone() -> (Command, Arc<ClientConfig>, tempfile::TempDir) {
    let authority = local::authority();
    let leaf = local::issue(&authority, "localhost");
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    // Under nohup SIGHUP is ignored, and what is ignored stays so in a child.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_silkroll")])
        .args(["serve", "--standalone", "--tls-cert"])
        .arg(write("tls.crt", &leaf.cert_pem))
        .arg("--tls-key")
        .arg(write("tls.key", &leaf.key_pem));
    let tls = local::client_config(&authority, b"http/1.1");
    (command, tls, files)
}

/// A TLS connection, on which waits end some time.
pub(crate) fn connect(tls: &Arc<ClientConfig>, addr: SocketAddr) -> io::Result<Stream> {
    secure(tls, TcpStream::connect(addr)?)
}

fn secure(tls: &Arc<ClientConfig>, tcp: TcpStream) -> io::Result<Stream> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(tls), name).unwrap();
    Ok(StreamOwned::new(connection, tcp))
}
