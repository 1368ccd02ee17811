//! A listener on loopback, and clients that trust its authority.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

mod local;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use silkroll::observe::Metrics;
use silkroll::server::limits::Limits;
use silkroll::server::listener::{Failed, Listener};
use silkroll::tls::check::check;
use silkroll::tls::config::server_config;
use silkroll::tls::issue::Authority;
use silkroll::tls::{CertificateSlot, Files};
use testkit::http::Reader;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use local::{authority, client_config, issue, now};

/// Far longer than anything here takes: it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) authority: Authority,
    pub(crate) slot: Arc<CertificateSlot>,
    pub(crate) metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Failed>>,
}

impl Server {
    /// Over TLS, with a certificate for localhost.
    pub(crate) async fn start(app: Router, limits: Limits) -> Self {
        Self::start_as("localhost", app, limits).await
    }

    /// Over TLS, with a certificate for this name.
    pub(crate) async fn start_as(name: &str, app: Router, limits: Limits) -> Self {
        let authority = authority();
        let issued = issue(&authority, name);
        let files = Files {
            cert: "cert".into(),
            key: "key".into(),
        };
        let (cert, key) = (issued.cert_pem.as_bytes(), issued.key_pem.as_bytes());
        let slot = CertificateSlot::empty();
        slot.set(&check(&files, cert, key, &[], now()).unwrap());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let metrics = Arc::new(Metrics::new());
        let listener = Listener {
            name: "webhook",
            socket,
            tls: Some(server_config(slot.clone()).unwrap()),
            app,
            limits,
            metrics: Arc::clone(&metrics),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(listener.run(async {
            let _ = stopped.await;
        }));
        Self {
            addr,
            authority,
            slot,
            metrics,
            stop: Some(stop),
            task,
        }
    }

    /// Sends the signal to stop, as SIGTERM would.
    pub(crate) fn signal(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the listener to end by itself.
    pub(crate) async fn ended(self) {
        patient(self.task).await.unwrap().unwrap();
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_as(b"http/1.1").await
    }

    pub(crate) async fn connect_as(&self, alpn: &[u8]) -> TlsStream<TcpStream> {
        let config = client_config(&self.authority, alpn);
        patient(tls(config, self.addr)).await.unwrap()
    }

    pub(crate) fn has_counted(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|has| has == line)
    }
}

pub(crate) async fn tls(
    config: Arc<ClientConfig>,
    addr: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, tcp).await
}

/// The handshake on a TCP connection that is there already.
pub(crate) async fn tls_over(
    server: &Server,
    tcp: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = client_config(&server.authority, b"http/1.1");
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, tcp).await
}

pub(crate) async fn patient<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this should have happened long ago")
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let all = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .unwrap_or_else(|_| panic!("{what} never came true"));
}

/// One request on a kept-alive connection; the answer's head and body as text.
pub(crate) async fn get<S>(stream: &mut S, path: &str) -> std::io::Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    patient(async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        answer(stream).await
    })
    .await
}

/// Reads one answer, head and body, as it came.
pub(crate) async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<String> {
    let (mut reader, mut text) = (Reader::default(), Vec::new());
    loop {
        let begun = text.len();
        stream.read_buf(&mut text).await?;
        if reader.take(&text[begun..])?.is_some() {
            return Ok(String::from_utf8(text).unwrap());
        }
    }
}

/// Waits for the server to close the connection.
pub(crate) async fn closed<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = patient(stream.read_to_end(&mut bytes)).await;
}
