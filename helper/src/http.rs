//! One request and its answer, as HTTP/1.1 has them.

use alloc::vec::Vec;

use crate::text::{cut, find, number, parse_number, trim};
use crate::url::Url;

/// Of a head that is longer nothing more is looked at.
const HEAD_BYTES: usize = 64 * 1024;

pub(crate) fn request(verb: &[u8], url: &Url<'_>, headers: &[Vec<u8>], body: &[u8]) -> Vec<u8> {
    let mut text = text!(verb, " ", url.path, " HTTP/1.1\r\n");
    // Two Host lines are refused, and of two others servers go by either.
    for (name, value) in [
        ("Host", url.authority),
        ("User-Agent", b"silkroll"),
        ("Accept", b"*/*"),
    ] {
        if !headers.iter().any(|header| is_named(header, name)) {
            text.extend_from_slice(&text!(name, ": ", value, "\r\n"));
        }
    }
    text.extend_from_slice(b"Connection: close\r\n");
    for header in headers {
        text.extend_from_slice(header);
        text.extend_from_slice(b"\r\n");
    }
    if !(body.is_empty() && matches!(verb, b"GET" | b"HEAD")) {
        text.extend_from_slice(&text!(
            "Content-Length: ",
            number(body.len() as u64),
            "\r\n"
        ));
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body);
    text
}

/// Whether the header line has this name.
pub(crate) fn is_named(header: &[u8], name: &str) -> bool {
    cut(header, b":").is_some_and(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes, or until the connection ends.
    Body(Option<u64>),
    ChunkSize,
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Complete,
}

/// Reads an answer as its bytes come in.
pub(crate) struct Reader {
    /// The head until it is whole, and in chunked bodies the line at hand.
    line: Vec<u8>,
    /// The whole head.
    head: Vec<u8>,
    state: State,
    status: u16,
    /// HEAD has an answer without a body, whatever its head says.
    bodiless: bool,
}

impl Reader {
    pub(crate) fn new(verb: &[u8]) -> Self {
        Self {
            line: Vec::new(),
            head: Vec::new(),
            state: State::Head,
            status: 0,
            bodiless: verb == b"HEAD",
        }
    }

    /// The status, 0 where there was no answer. The status line counts even where nothing came after it.
    pub(crate) fn status(&self) -> u16 {
        match (self.status, self.state) {
            (0, State::Head) if self.line.contains(&b'\n') => final_status(&self.line),
            (status, _) => status,
        }
    }

    /// What a header of the answer says.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        header(&self.head, name)
    }

    pub(crate) fn in_head(&self) -> bool {
        self.state == State::Head
    }

    /// Takes what came in and hands the body's bytes on. True when nothing more is to come.
    pub(crate) fn take(&mut self, mut bytes: &[u8], body: &mut dyn FnMut(&[u8])) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Head => {
                    self.line.push(byte);
                    bytes = rest;
                    if self.line.ends_with(b"\n\r\n") || self.line.ends_with(b"\n\n") {
                        self.head();
                    } else if self.line.len() > HEAD_BYTES {
                        self.status = final_status(&self.line);
                        self.state = State::Complete;
                    }
                }
                State::Body(None) => {
                    body(bytes);
                    return false;
                }
                State::Body(Some(left)) => {
                    let (part, behind) = split(bytes, left);
                    body(part);
                    bytes = behind;
                    self.state = match left - part.len() as u64 {
                        0 => State::Complete,
                        left => State::Body(Some(left)),
                    };
                }
                State::Chunk(left) => {
                    let (part, behind) = split(bytes, left);
                    body(part);
                    bytes = behind;
                    self.state = match left - part.len() as u64 {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                }
                State::ChunkEnd => {
                    bytes = rest;
                    if byte == b'\n' {
                        self.state = State::ChunkSize;
                    }
                }
                State::ChunkSize => {
                    bytes = rest;
                    if byte == b'\n' {
                        self.state = match chunk_size(&self.line) {
                            // What trailers say is of no use here.
                            None | Some(0) => State::Complete,
                            Some(size) => State::Chunk(size),
                        };
                        self.line.clear();
                    } else if self.line.len() < HEAD_BYTES {
                        self.line.push(byte);
                    } else {
                        self.state = State::Complete;
                    }
                }
                State::Complete => return true,
            }
        }
        self.state == State::Complete
    }

    fn head(&mut self) {
        let head = core::mem::take(&mut self.line);
        let status = status(&head);
        if (100..200).contains(&status) {
            return;
        }
        self.status = final_status(&head);
        let value = |name: &str| header(&head, name);
        self.state = if self.status == 0 || self.bodiless || matches!(self.status, 204 | 304) {
            State::Complete
        } else if value("Transfer-Encoding")
            .is_some_and(|coding| find(&coding.to_ascii_lowercase(), b"chunked").is_some())
        {
            State::ChunkSize
        } else {
            match value("Content-Length").and_then(parse_number) {
                Some(0) => State::Complete,
                length => State::Body(length),
            }
        };
        self.head = head;
    }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n')
        .skip(1)
        .find(|line| is_named(line, name))
        .and_then(|line| cut(line, b":"))
        .map(|(_, value)| trim(value))
}

fn split(bytes: &[u8], left: u64) -> (&[u8], &[u8]) {
    let at = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, b""))
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next().map(trim)?;
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |size, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        size.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

/// Of `HTTP/1.1 200 OK`; 0 where it is no status line.
fn status(head: &[u8]) -> u16 {
    let first = head
        .split(|byte| *byte == b'\n')
        .next()
        .map_or(&b""[..], trim);
    let Some((version, rest)) = cut(first, b" ") else {
        return 0;
    };
    let code = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
    let known = version.starts_with(b"HTTP/") && version.get(5).is_some_and(u8::is_ascii_digit);
    match parse_number(code).and_then(|code| u16::try_from(code).ok()) {
        Some(code) if known && (100..600).contains(&code) => code,
        _ => 0,
    }
}

fn final_status(head: &[u8]) -> u16 {
    match status(head) {
        100..200 => 0,
        status => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &[u8], at_once: usize) -> (u16, Vec<u8>, bool) {
        let mut reader = Reader::new(b"GET");
        let mut body = Vec::new();
        let mut complete = false;
        for part in answer.chunks(at_once) {
            complete = reader.take(part, &mut |bytes| body.extend_from_slice(bytes));
        }
        (reader.status(), body, complete)
    }

    #[test]
    fn answers_in_pieces_are_the_same_answers() {
        let answers: [(&[u8], u16, &[u8], bool); 12] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 200, b"abc", true),
            (b"HTTP/1.0 404 \r\n\r\nabc", 404, b"abc", false),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", 201, b"", true),
            (b"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 200, b"abc0123456789", true),
            (b"HTTP/1.1 200\ntransfer-encoding:chunked\n\nzz\r\nabc", 200, b"", true),
            (b"HTTP/1.1 200 OK\r\nX", 200, b"", false),
            (b"HTTP/1.1 200 OK", 0, b"", false),
            (b"HTTP/1.1 20", 0, b"", false),
            (b"no http\r\n\r\n", 0, b"", true),
            (b"HTTP/1.1 099 x\r\n\r\n", 0, b"", true),
            (b"HTTP/1.1 600 x\r\n\r\n", 0, b"", true),
            (b"HTTP/1.1 204 x\r\nContent-Length: 9\r\n\r\nabc", 204, b"", true),
        ];
        for (answer, status, body, complete) in answers {
            for at_once in [1, 2, 5, 4096] {
                assert_eq!(
                    read(answer, at_once),
                    (status, body.to_vec(), complete),
                    "{} in pieces of {at_once}",
                    String::from_utf8_lossy(answer)
                );
            }
        }
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 2 * HEAD_BYTES]].concat();
        assert_eq!(read(&endless, 1000), (200, Vec::new(), true));
    }

    #[test]
    fn a_request_says_each_header_once() {
        let url = Url::parse(b"PUT", b"http://h:81/a?b").unwrap();
        let headers = [b"accept: application/json".to_vec()];
        assert_eq!(
            String::from_utf8(request(b"PUT", &url, &headers, b"")).unwrap(),
            "PUT /a?b HTTP/1.1\r\nHost: h:81\r\nUser-Agent: silkroll\r\nConnection: close\r\n\
             accept: application/json\r\nContent-Length: 0\r\n\r\n"
        );
        let named = request(b"GET", &url, &[b"host: app.local".to_vec()], b"");
        let named = String::from_utf8(named).unwrap();
        assert_eq!(named.to_lowercase().matches("host:").count(), 1, "{named}");
        let plain = request(b"GET", &url, &[], b"");
        assert!(!plain.windows(14).any(|part| part == b"Content-Length"));
        assert!(plain.windows(11).any(|part| part == b"Accept: */*"));
    }
}
