//! Small servers that behave in one way each.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use testkit::http::{self, Head};

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
pub(crate) fn request(stream: &mut TcpStream) -> Option<Head> {
    http::head(stream).ok()?.map(|(head, _)| head)
}

/// Answers every request on the connection with the same bytes, after a while.
pub(crate) fn answer_all(mut stream: TcpStream, after: Duration, answer: &str) {
    while let Some(asked) = request(&mut stream) {
        thread::sleep(after);
        if stream.write_all(answer.as_bytes()).is_err() || !asked.keeps_alive() {
            return;
        }
    }
}

/// A whole answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nPod: a-pod\r\n\r\nhello";
