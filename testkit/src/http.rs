//! As much of HTTP/1.1 as it takes to tell a whole message from a cut one: bytes in, facts out. At the end, what asks
//! and reads with it where a thread may block.

use std::fmt;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A head longer than this is no answer to what is asked here: common servers stop at 8 to 64 KiB.
pub const MAX_HEAD: usize = 64 * 1024;

/// Why bytes are not HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, malformed)
    }
}

/// The first line and the headers of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The request line or the status line.
    pub first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head from the beginning of `bytes`, and says how long it is; none while it is not whole.
    ///
    /// # Errors
    /// Where the bytes are no head, or too many of them are.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if bytes.len() > MAX_HEAD {
                return Err(Malformed(format!("a head of more than {MAX_HEAD} bytes")));
            }
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end])
            .map_err(|_| Malformed("a head that is not text".to_owned()))?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| {
                line.split_once(':')
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                    .ok_or_else(|| Malformed(format!("a header without a colon: {line:?}")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Some((Self { first, headers }, end + 4)))
    }

    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the sender of this head wants the connection kept.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let wants = |word: &str| {
            self.header("connection").is_some_and(|value| {
                value
                    .split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(word))
            })
        };
        let old = self.first.starts_with("HTTP/1.0") || self.first.ends_with("HTTP/1.0");
        !wants("close") && (!old || wants("keep-alive"))
    }

    /// The status code of an answer.
    ///
    /// # Errors
    /// Where the first line is no status line.
    pub fn status(&self) -> Result<u16, Malformed> {
        self.first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .filter(|code| (100..1000).contains(code))
            .ok_or_else(|| Malformed(format!("no status line: {:?}", self.first)))
    }
}

/// How much of a message is still to come after its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes more.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All until the connection is closed.
    UntilClose,
}

impl Body {
    /// The body that belongs to the head of an answer to anything but a HEAD.
    ///
    /// # Errors
    /// Where the length is no number.
    pub fn of(head: &Head, status: u16) -> Result<Self, Malformed> {
        if matches!(status, 100..200 | 204 | 304) {
            return Ok(Self::Length(0));
        }
        if head
            .header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().ends_with("chunked"))
        {
            return Ok(Self::Chunked(Chunks::default()));
        }
        head.header("content-length")
            .map_or(Ok(Self::UntilClose), |value| {
                value
                    .parse()
                    .map(Self::Length)
                    .map_err(|_| Malformed(format!("Content-Length: {value:?}")))
            })
    }

    /// Whether nothing more is to come.
    #[must_use]
    pub fn whole(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.state == ChunkState::End,
            Self::UntilClose => false,
        }
    }

    /// Takes what came, and adds what is text of it to `text`, up to a limit. Bytes after the end
    /// belong to no answer that was asked for.
    ///
    /// # Errors
    /// Where they do not fit.
    pub fn take(&mut self, bytes: &[u8], text: &mut Text) -> Result<(), Malformed> {
        match self {
            Self::Length(left) => {
                *left = left
                    .checked_sub(bytes.len() as u64)
                    .ok_or_else(|| Malformed("more bytes than Content-Length says".to_owned()))?;
                text.add(bytes);
                Ok(())
            }
            Self::Chunked(chunks) => bytes.iter().try_for_each(|byte| chunks.take(*byte, text)),
            Self::UntilClose => {
                text.add(bytes);
                Ok(())
            }
        }
    }
}

/// The beginning of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What was kept.
    pub bytes: Vec<u8>,
    limit: usize,
}

impl Text {
    /// Keeps so many bytes and forgets the rest.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        self.bytes.extend(bytes.iter().take(room));
    }
}

/// Where in a chunked body the next byte belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    state: ChunkState,
    left: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    /// In the lines after the last chunk; whether the present one is empty so far.
    Trailer {
        empty: bool,
    },
    End,
}

impl Chunks {
    fn take(&mut self, byte: u8, text: &mut Text) -> Result<(), Malformed> {
        use ChunkState::{Data, DataEnd, End, Extension, Size, Trailer};
        self.state = match (self.state, byte) {
            (Size | Extension, b'\n') if self.left == 0 => Trailer { empty: true },
            (Size | Extension, b'\n') => Data,
            (Size, b'\r') | (DataEnd, b'\n') => Size,
            (Size, b';' | b' ') | (Extension, _) => Extension,
            (Size, _) => {
                let digit = char::from(byte).to_digit(16);
                self.left = digit
                    .and_then(|digit| self.left.checked_mul(16)?.checked_add(digit.into()))
                    .ok_or_else(|| Malformed(format!("byte {byte} in a chunk's size")))?;
                Size
            }
            (Data, _) => {
                text.add(&[byte]);
                self.left -= 1;
                if self.left == 0 { DataEnd } else { Data }
            }
            (DataEnd, b'\r') => DataEnd,
            (DataEnd, _) => return Err(Malformed(format!("byte {byte} after a chunk"))),
            (Trailer { empty: true }, b'\n') => End,
            (Trailer { .. }, b'\n') => Trailer { empty: true },
            (Trailer { empty }, b'\r') => Trailer { empty },
            (Trailer { .. }, _) => Trailer { empty: false },
            (End, _) => return Err(Malformed("bytes after the last chunk".to_owned())),
        };
        Ok(())
    }
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: Head,
    /// The body, of chunks what is in them.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, where it is JSON.
    #[must_use]
    pub fn json_or_null(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body, which has to be JSON.
    ///
    /// # Panics
    ///
    /// Where it is not, for a test that asks for it has failed then.
    #[must_use]
    #[allow(clippy::panic, reason = "so does a test fail")]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Reads an answer as its bytes come, from wherever.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// What came of the head.
    bytes: Vec<u8>,
    answer: Option<(Answer, Body)>,
}

impl Reader {
    /// Takes what came, nothing where the connection has been closed; the answer once it is whole. What comes behind a
    /// body whose length was stated belongs to another answer and is dropped.
    ///
    /// # Errors
    ///
    /// Where this is no answer, or ends before its end.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<Option<Answer>> {
        if bytes.is_empty() {
            return match self.answer.take() {
                Some((answer, Body::UntilClose)) => Ok(Some(answer)),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        self.bytes.extend_from_slice(bytes);
        let (mut answer, mut body) = if let Some(begun) = self.answer.take() {
            begun
        } else {
            let Some((head, length)) = Head::read(&self.bytes)? else {
                return Ok(None);
            };
            self.bytes.drain(..length);
            let status = head.status()?;
            let body = Body::of(&head, status)?;
            (
                Answer {
                    status,
                    head,
                    body: Vec::new(),
                },
                body,
            )
        };
        let mut bytes = std::mem::take(&mut self.bytes);
        if let Body::Length(left) = body {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let mut text = Text::new(usize::MAX);
        text.bytes = answer.body;
        body.take(&bytes, &mut text)?;
        answer.body = text.bytes;
        if body.whole() {
            return Ok(Some(answer));
        }
        self.answer = Some((answer, body));
        Ok(None)
    }
}

/// Reads this much at a time.
const READ: usize = 64 * 1024;

/// Reads one answer.
///
/// # Errors
///
/// Where there is none, or no end of it.
pub fn answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut reader = Reader::default();
    let mut buffer = vec![0; READ];
    loop {
        let length = stream.read(&mut buffer)?;
        if let Some(answer) = reader.take(&buffer[..length])? {
            return Ok(answer);
        }
    }
}

/// Reads the head of a message, and what came behind it already; none where the other end has closed.
///
/// # Errors
///
/// Where it is no head, or the connection breaks.
pub fn head(stream: &mut impl Read) -> io::Result<Option<(Head, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, length)) = Head::read(&bytes)? {
            return Ok(Some((head, bytes.split_off(length))));
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The answer to a GET on a connection of its own; whoever answers has `limit` to connect and for each part of it.
///
/// # Errors
///
/// Where there is no connection, or no end of the answer.
pub fn get(address: SocketAddr, host: &str, path: &str, limit: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    answer(&mut stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::read(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for end in 0..text.len() - 5 {
            assert_eq!(Head::read(&text[..end]), Ok(None), "{end} bytes");
        }
        let (head, length) = Head::read(text).unwrap().unwrap();
        assert_eq!(
            (head.status(), head.header("content-length"), length),
            (Ok(200), Some("5"), text.len() - 5)
        );
        assert!(Head::read(b"no colon\r\nhere\r\n\r\n").is_err());
        assert!(Head::read(&vec![b'a'; MAX_HEAD + 1]).is_err());
    }

    #[test]
    fn what_is_no_status_is_none() {
        for first in ["HTTP/1.1 OK", "HTTP/1.1 20 OK", "SSH-2.0", "", "HTTP/2 200"] {
            assert!(
                head(&format!("{first}\r\n\r\n")).status().is_err(),
                "{first}"
            );
        }
    }

    #[test]
    fn a_connection_is_kept_unless_someone_says_close() {
        for (text, kept) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\nConnection: upgrade, close\r\n\r\n",
                false,
            ),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n\r\n", true),
        ] {
            assert_eq!(head(text).keeps_alive(), kept, "{text}");
        }
    }

    #[test]
    fn a_chunked_body_ends_where_it_ends_however_it_is_cut() {
        let text = b"5\r\nhello\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nA: b\r\n\r\n";
        for cut in 0..text.len() {
            let mut body = Body::Chunked(Chunks::default());
            let mut said = Text::new(8);
            body.take(&text[..cut], &mut said).unwrap();
            assert!(!body.whole(), "{cut} bytes");
            body.take(&text[cut..], &mut said).unwrap();
            assert!(body.whole());
            assert!(body.take(b"x", &mut said).is_err());
            assert_eq!(said.bytes, b"helloabc");
        }
        for bad in ["g\r\n", "1\r\nab", "ffffffffffffffffff\r\n"] {
            assert!(
                Body::Chunked(Chunks::default())
                    .take(bad.as_bytes(), &mut Text::default())
                    .is_err()
            );
        }
    }

    #[test]
    fn the_head_says_how_long_the_body_is() {
        let body = |text: &str, status| Body::of(&head(text), status);
        assert_eq!(body("a\r\n\r\n", 200), Ok(Body::UntilClose));
        assert_eq!(body("a\r\n\r\n", 204), Ok(Body::Length(0)));
        assert_eq!(
            body("a\r\nContent-Length: 7\r\n\r\n", 200),
            Ok(Body::Length(7))
        );
        assert!(body("a\r\nContent-Length: x\r\n\r\n", 200).is_err());
        let mut seven = Body::Length(7);
        assert!(seven.take(b"12345678", &mut Text::default()).is_err());
    }

    #[test]
    fn an_answer_is_read_however_it_is_cut() {
        for (text, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
                "hello",
            ),
            ("HTTP/1.1 200 OK\r\n\r\nhello", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        ] {
            for cut in 1..text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                let read = answer(&mut first.chain(second)).unwrap();
                assert_eq!((read.status, &*read.text()), (200, body), "{text}, {cut}");
            }
        }
        let two = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 400 No\r\n\r\n";
        assert_eq!(answer(&mut &two[..]).unwrap().text(), "ok");
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        ] {
            let error = answer(&mut text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{text}");
        }
    }
}
