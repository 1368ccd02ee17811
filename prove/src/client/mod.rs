//! One request on one connection, and the exact cause where it fails.

mod pool;
mod stream;

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::SockRef;
use testkit::http::{Body, Head, Malformed, Text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub use self::pool::Pool;
use crate::record::Kind;

/// Answers are read and forgotten this much at a time.
const READ: usize = 16 * 1024;

/// An open connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// When it was opened.
    pub opened: Instant,
    /// Who answered on it last.
    pub pod: Option<Arc<str>>,
    /// Whether any byte of the present answer has come.
    pub begun: bool,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The beginning of the body, as much as was asked for.
    pub text: Vec<u8>,
    /// Whether the connection may carry another request.
    pub keep: bool,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub struct Failure {
    /// What became of the request.
    pub kind: Kind,
    /// The error in full.
    pub detail: String,
}

impl Failure {
    /// A failure that nothing but we ourselves noticed.
    #[must_use]
    pub fn new(kind: Kind, detail: String) -> Self {
        Self { kind, detail }
    }

    fn of(error: &io::Error, doing: &str) -> Self {
        Self::new(kind(error), format!("{doing}: {error}"))
    }

    fn late(doing: &str) -> Self {
        Self::new(Kind::Timeout, format!("{doing}: no end in time"))
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::new(Kind::Other, format!("the answer is not HTTP: {malformed}"))
    }
}

/// The kind of loss that an error of the operating system is.
fn kind(error: &io::Error) -> Kind {
    match error.kind() {
        ErrorKind::ConnectionRefused => Kind::Refused,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            Kind::Unreachable
        }
        // A broken pipe is what is left of a reset that came before.
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Kind::Reset
        }
        ErrorKind::UnexpectedEof => Kind::Closed,
        ErrorKind::TimedOut => Kind::Timeout,
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::OutOfMemory => Kind::Local,
        // Too many open files, of the process or of the machine, have no kind of their own.
        _ if matches!(
            error
                .raw_os_error()
                .map(rustix::io::Errno::from_raw_os_error),
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOBUFS)
        ) =>
        {
            Kind::Local
        }
        _ => Kind::Other,
    }
}

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// Where that fails, or takes until the deadline.
    pub async fn open(address: SocketAddr, deadline: Instant) -> Result<Self, Failure> {
        let stream = timeout_at(deadline, TcpStream::connect(address))
            .await
            .map_err(|_| Failure::late("connecting"))?
            .map_err(|error| Failure::of(&error, "connecting"))?;
        stream
            .set_nodelay(true)
            .map_err(|error| Failure::of(&error, "connecting"))?;
        Ok(Self {
            stream,
            opened: Instant::now(),
            pod: None,
            begun: false,
        })
    }

    /// Whether the other end has left it open and said nothing unasked. The kernel is asked: what
    /// the event loop knows may be older.
    #[must_use]
    pub fn idle(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        SockRef::from(&self.stream)
            .peek(&mut byte)
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request and reads the answer to its end, of which `limit` bytes are kept.
    ///
    /// # Errors
    /// Where there is no whole answer before the deadline.
    pub async fn ask(
        &mut self,
        request: &[u8],
        limit: usize,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        self.begun = false;
        timeout_at(deadline, self.stream.write_all(request))
            .await
            .map_err(|_| Failure::late("sending"))?
            .map_err(|error| Failure::of(&error, "sending"))?;
        self.answer(limit, deadline).await
    }

    async fn answer(&mut self, limit: usize, deadline: Instant) -> Result<Answer, Failure> {
        let mut bytes = Vec::new();
        let (head, status, rest) = loop {
            match Head::read(&bytes)? {
                Some((head, length)) => {
                    let status = head.status()?;
                    if status >= 200 {
                        break (head, status, length);
                    }
                    bytes.drain(..length);
                }
                None => {
                    if self
                        .more(&mut bytes, deadline, "waiting for the answer")
                        .await?
                        == 0
                    {
                        let doing = if bytes.is_empty() {
                            "closed without an answer"
                        } else {
                            "closed in the head of the answer"
                        };
                        return Err(Failure::new(Kind::Closed, doing.to_owned()));
                    }
                }
            }
        };
        self.pod = head.header("pod").map(Arc::from);
        let mut body = Body::of(&head, status)?;
        let mut text = Text::new(limit);
        body.take(&bytes[rest..], &mut text)?;
        let mut closed = false;
        while !body.whole() {
            bytes.clear();
            if self
                .more(&mut bytes, deadline, "in the middle of the answer")
                .await?
                == 0
            {
                if body != Body::UntilClose {
                    return Err(Failure::new(
                        Kind::Closed,
                        "closed in the middle of the answer".to_owned(),
                    ));
                }
                closed = true;
                break;
            }
            body.take(&bytes, &mut text)?;
        }
        Ok(Answer {
            status,
            text: text.bytes,
            keep: !closed && head.keeps_alive(),
        })
    }

    async fn more(
        &mut self,
        bytes: &mut Vec<u8>,
        deadline: Instant,
        doing: &str,
    ) -> Result<usize, Failure> {
        bytes.reserve(READ);
        let read = timeout_at(deadline, self.stream.read_buf(bytes))
            .await
            .map_err(|_| Failure::late(doing))?
            .map_err(|error| Failure::of(&error, doing))?;
        self.begun |= read > 0;
        Ok(read)
    }
}
