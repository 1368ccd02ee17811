//! An HTTP server on 127.0.0.1 that records what it is asked and can misbehave.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use testkit::http::{self, Head};

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    head: Head,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(&name.to_ascii_lowercase())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query as it was written, not decoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    Answer(u16, String),
    /// The same where the caller has not closed its side, as a proxy does that takes this for a caller that has gone.
    IfStillThere(u16, String),
    /// The same in chunks, of a few bytes where it is short.
    Chunks(u16, String),
    Redirect(String),
    /// Reads the request and says nothing.
    Hang,
    /// A byte a second, for ever.
    Drip,
    /// Closes without a word.
    Close,
    /// Bytes that are no HTTP.
    Garbage,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", handler)
    }

    pub(crate) fn start_at(
        address: &str,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            stopped: Arc::default(),
        };
        let (requests, stopped) = (server.requests.clone(), server.stopped.clone());
        let handler: Arc<Handler> = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (requests, stopped, handler) =
                    (requests.clone(), stopped.clone(), handler.clone());
                thread::spawn(move || serve(stream, &requests, &stopped, &*handler));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    stopped: &AtomicBool,
    handler: &Handler,
) {
    let Some(request) = read_request(&mut stream) else {
        return;
    };
    requests.lock().unwrap().push(request.clone());
    let whole = |status: u16, body: &str| {
        format!(
            "HTTP/1.1 {status} Word\r\nContent-Length: {}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match handler(&request) {
        Reply::Answer(status, body) => whole(status, &body),
        Reply::IfStillThere(status, body) => {
            // The end of a request comes at once behind it, where it comes.
            stream
                .set_read_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            if stream.read(&mut [0; 1]).is_ok() {
                return;
            }
            whole(status, &body)
        }
        Reply::Chunks(status, body) => {
            let mut chunks = String::new();
            for part in body.as_bytes().chunks(7.max(body.len() / 100)) {
                let _ = write!(
                    chunks,
                    "{:x}\r\n{}\r\n",
                    part.len(),
                    String::from_utf8_lossy(part)
                );
            }
            format!(
                "HTTP/1.1 {status} Word\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunks}0\r\n\r\n"
            )
        }
        Reply::Redirect(to) => format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Reply::Garbage => "\0\u{1}no http, as in HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        Reply::Close => return,
        Reply::Hang => {
            // Ends when the client goes.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        Reply::Drip => {
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: "
                .iter()
                .chain(b"x".iter().cycle())
            {
                if stopped.load(Ordering::SeqCst) || stream.write_all(&[*byte]).is_err() {
                    return;
                }
                thread::park_timeout(Duration::from_secs(1));
            }
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes());
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let (head, body) = http::head(stream).ok()??;
    let mut first = head.first.split(' ');
    let mut request = Request {
        method: first.next()?.to_owned(),
        target: first.next()?.to_owned(),
        body,
        head,
    };
    let length = request.header("content-length");
    let length: usize = length.map_or(0, |text| text.parse().unwrap());
    let missing = length.saturating_sub(request.body.len());
    let mut rest = vec![0; missing];
    stream.read_exact(&mut rest).ok()?;
    request.body.extend(rest);
    Some(request)
}
