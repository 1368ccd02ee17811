//! HTTP for the tests themselves: what the registry says, and what a client is told to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// 0: nobody there, or no HTTP.
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {self:?}"))
    }
}

pub(crate) fn get(url: &str) -> Answer {
    ask("GET", url, &[], "")
}

/// To 127.0.0.1 and the port in `url` (`PORT/PATH`). HTTP/1.0, so that nobody answers in chunks.
pub(crate) fn ask(verb: &str, url: &str, headers: &[&str], body: &str) -> Answer {
    let (port, path) = url.split_once('/').unwrap();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port.parse().unwrap())) else {
        return Answer::default();
    };
    // Only a server that hangs makes use of it; its test fails then.
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let length = format!("Content-Length: {}", body.len());
    let mut lines = vec![
        format!("{verb} /{path} HTTP/1.0"),
        "Host: 127.0.0.1".to_owned(),
        length,
    ];
    lines.extend(headers.iter().map(|header| (*header).to_owned()));
    let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    let mut answer = Vec::new();
    let read = stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_end(&mut answer));
    let text = String::from_utf8_lossy(&answer);
    match (read, text.split_once("\r\n\r\n")) {
        (Ok(_), Some((head, body))) => Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or_default(),
            body: body.to_owned(),
        },
        _ => Answer::default(),
    }
}
