//! Small servers that behave in one way each.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Serves each connection on a thread of its own, until the test's process ends.
pub(crate) fn serve(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let each = Arc::new(each);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let each = Arc::clone(&each);
            thread::spawn(move || each(stream.unwrap()));
        }
    });
    address
}

/// Reads one request; none where the other end has closed.
pub(crate) fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    Some(String::from_utf8(bytes).unwrap())
}

/// Answers every request on the connection with the same bytes, after a while.
pub(crate) fn answer_all(mut stream: TcpStream, after: Duration, answer: &str) {
    while let Some(asked) = request(&mut stream) {
        thread::sleep(after);
        if stream.write_all(answer.as_bytes()).is_err() || asked.contains("Connection: close") {
            return;
        }
    }
}

/// A whole answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nPod: a-pod\r\n\r\nhello";
