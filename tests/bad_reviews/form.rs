//! HTTP requests of a wrong form.

use std::io::Write as _;

use crate::ask::{object, server};
use crate::served;

#[test]
fn requests_of_a_wrong_form_are_refused() {
    let server = server();
    let body = object(|_| {}).to_string();
    let with = |line: &str, headers: &str| {
        format!(
            "{line}\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "Content-Type: application/json\r\n";
    let mut cases = vec![
        ("another path", with("POST /mutate/ HTTP/1.1", json), 404),
        ("another case", with("POST /Mutate HTTP/1.1", json), 404),
        ("the root", with("POST / HTTP/1.1", json), 404),
        (
            "a path with dots",
            with("POST /x/../mutate HTTP/1.1", json),
            404,
        ),
        ("no content type", with("POST /mutate HTTP/1.1", ""), 415),
        (
            "text",
            with("POST /mutate HTTP/1.1", "Content-Type: text/plain\r\n"),
            415,
        ),
        (
            "YAML",
            with(
                "POST /mutate HTTP/1.1",
                "Content-Type: application/yaml\r\n",
            ),
            415,
        ),
        (
            "nearly JSON",
            with(
                "POST /mutate HTTP/1.1",
                "Content-Type: application/jsonx\r\n",
            ),
            415,
        ),
        (
            "a form",
            with(
                "POST /mutate HTTP/1.1",
                "Content-Type: application/x-www-form-urlencoded\r\n",
            ),
            415,
        ),
        (
            "a content type that is no text",
            with("POST /mutate HTTP/1.1", "Content-Type: \u{e9}\r\n"),
            415,
        ),
        (
            "JSON with a charset",
            with(
                "POST /mutate HTTP/1.1",
                "Content-Type: Application/JSON; charset=utf-8\r\n",
            ),
            200,
        ),
        (
            "a timeout, as the API server adds it",
            with("POST /mutate?timeout=3s HTTP/1.1", json),
            200,
        ),
        ("HTTP/1.0", with("POST /mutate HTTP/1.0", json), 200),
        (
            "two lengths",
            with(
                "POST /mutate HTTP/1.1",
                &format!("{json}Content-Length: 3\r\n"),
            ),
            400,
        ),
        (
            "a length and chunks",
            with(
                "POST /mutate HTTP/1.1",
                &format!("{json}Transfer-Encoding: chunked\r\n"),
            ),
            400,
        ),
        (
            "an unknown coding",
            format!("POST /mutate HTTP/1.1\r\nHost: l\r\n{json}Transfer-Encoding: gzip\r\n\r\n"),
            400,
        ),
        (
            "a negative length",
            format!("POST /mutate HTTP/1.1\r\nHost: l\r\n{json}Content-Length: -1\r\n\r\n"),
            400,
        ),
        (
            "a length that is no number",
            format!("POST /mutate HTTP/1.1\r\nHost: l\r\n{json}Content-Length: 1e3\r\n\r\n"),
            400,
        ),
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        (
            "a chunk of no length",
            format!(
                "POST /mutate HTTP/1.1\r\nHost: l\r\n{json}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"
            ),
            400,
        ),
        (
            "a head without end",
            format!("POST /mutate HTTP/1.1\r\nX: {}", "x".repeat(128 * 1024)),
            431,
        ),
        (
            "a thousand headers",
            with("POST /mutate HTTP/1.1", &"X-A: b\r\n".repeat(1000)),
            431,
        ),
    ];
    for method in [
        "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "mutate",
    ] {
        cases.push((
            method,
            with(&format!("{method} /mutate HTTP/1.1"), json),
            405,
        ));
    }
    let mut wrong = Vec::new();
    for (what, request, status) in cases {
        let mut stream = server.connect();
        // A server that refuses the head may be gone before all of it is sent.
        let _ = stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.flush());
        match served::answer(&mut stream) {
            Ok(got) if got.status == status => {}
            Ok(got) => wrong.push(format!("{what}: {} {}", got.status, got.text())),
            // Whoever still sends when the server has hung up may not get to read its answer.
            Err(_) if what == "a head without end" => {}
            Err(error) => wrong.push(format!("{what}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
