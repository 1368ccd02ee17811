//! HTTP for the tests themselves: what the registry says, and what a client is told to do.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

pub(crate) use testkit::http::Answer;
use testkit::http::answer;

pub(crate) fn get(url: &str) -> Answer {
    ask("GET", url, &[], "")
}

/// To 127.0.0.1 and the port in `url` (`PORT/PATH`). Status 0: nothing listens there, or no HTTP.
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
    stream
        .write_all(request.as_bytes())
        .and_then(|()| answer(&mut stream))
        .unwrap_or_default()
}
