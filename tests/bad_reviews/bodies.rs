//! Bodies that are no review, too long or cut short.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use silkroll::admission::MAX_BODY;

use crate::ask::{deceives, mutate, object, server};
use crate::served;
use crate::support::deployment;

#[test]
fn bodies_that_are_no_review_are_refused_and_the_log_says_why() {
    let server = server();
    let whole = object(|_| {}).to_string();
    let with = |change: fn(&mut Value)| {
        let mut review = object(|_| {});
        change(&mut review);
        review.to_string().into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "the body is empty"),
        ("space", b" \n".to_vec(), "not an AdmissionReview"),
        (
            "truncated",
            whole.as_bytes()[..whole.len() / 2].to_vec(),
            "EOF while parsing",
        ),
        (
            "trailing bytes",
            [whole.as_bytes(), b"}"].concat(),
            "trailing characters",
        ),
        (
            "two reviews",
            [whole.as_bytes(), whole.as_bytes()].concat(),
            "trailing characters",
        ),
        (
            "YAML",
            b"kind: AdmissionReview".to_vec(),
            "not an AdmissionReview",
        ),
        (
            "not UTF-8",
            [whole.as_bytes(), b"\xff"].concat(),
            "not UTF-8",
        ),
        (
            "UTF-16",
            whole.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "not an AdmissionReview",
        ),
        (
            "a byte order mark",
            ["\u{feff}".as_bytes(), whole.as_bytes()].concat(),
            "not an AdmissionReview",
        ),
        ("zeros", vec![0; 1000], "not an AdmissionReview"),
        (
            "nothing but brackets",
            vec![b'['; 100_000],
            "not an AdmissionReview",
        ),
        (
            "nothing but objects",
            br#"{"a":"#.repeat(100_000),
            "not an AdmissionReview",
        ),
        ("null", b"null".to_vec(), "not an AdmissionReview"),
        ("a number", b"1".to_vec(), "not an AdmissionReview"),
        ("a text", b"\"x\"".to_vec(), "not an AdmissionReview"),
        ("a list", b"[]".to_vec(), "not an AdmissionReview"),
        (
            "a review as a list",
            br#"["admission.k8s.io/v1","AdmissionReview",{"uid":"u"}]"#.to_vec(),
            "not an AdmissionReview",
        ),
        (
            "an empty object",
            b"{}".to_vec(),
            "expected is AdmissionReview of admission.k8s.io/v1",
        ),
        (
            "a Deployment",
            deployment().to_string().into_bytes(),
            "the body is \"Deployment\" of \"apps/v1\"",
        ),
        (
            "v1beta1",
            with(|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into()),
            "\"admission.k8s.io/v1beta1\"",
        ),
        (
            "no version",
            with(|review| review["apiVersion"] = Value::Null),
            "expected is AdmissionReview",
        ),
        (
            "a version of bidi marks",
            with(|review| review["apiVersion"] = "\u{202e}v1".into()),
            r"\u{202e}v1",
        ),
        (
            "no request",
            with(|review| drop(review.as_object_mut().unwrap().remove("request"))),
            "no request",
        ),
        (
            "null request",
            with(|review| review["request"] = Value::Null),
            "no request",
        ),
        (
            "request is a text",
            with(|review| review["request"] = "x".into()),
            "not an AdmissionReview",
        ),
        (
            "request is a list",
            with(|review| review["request"] = json!(["u", {}, "", "web"])),
            "not an AdmissionReview",
        ),
        (
            "no uid",
            with(|review| drop(review["request"].as_object_mut().unwrap().remove("uid"))),
            "request.uid is missing or empty",
        ),
        (
            "null uid",
            with(|review| review["request"]["uid"] = Value::Null),
            "request.uid is missing or empty",
        ),
        (
            "empty uid",
            with(|review| review["request"]["uid"] = "".into()),
            "request.uid is missing or empty",
        ),
        (
            "uid is a number",
            with(|review| review["request"]["uid"] = 1.into()),
            "not an AdmissionReview",
        ),
        (
            "dryRun is a text",
            with(|review| review["request"]["dryRun"] = "yes".into()),
            "not an AdmissionReview",
        ),
        (
            "twice the same member",
            whole
                .replacen("\"uid\"", "\"uid\":\"u\",\"uid\"", 1)
                .into_bytes(),
            "duplicate field",
        ),
    ];
    let mut wrong = Vec::new();
    for (what, body, says) in cases {
        let got = mutate(&server, &body);
        let text = got.text();
        if got.status != 400 || !text.contains(says) {
            wrong.push(format!("{what}: {} {text}", got.status));
            continue;
        }
        assert!(
            text.len() < 400 && !deceives(text.trim_end()),
            "{what}: {text:?}"
        );
        let message = format!("request refused: {}", text.trim_end());
        let line = server.logged(what, |line| line["message"] == message.as_str());
        assert_eq!(line["why"], "not-a-review", "{what}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let server = server();
    // What 64 bits do not hold is hyper's to refuse, and it says 431.
    for (length, status, says) in [
        (MAX_BODY as u64 + 1, 413, "larger than 7340032 bytes"),
        (9_999_999_999_999, 413, "larger than 7340032 bytes"),
        (u64::MAX, 431, ""),
    ] {
        let head = format!(
            "POST /mutate HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let got = server.send(head.as_bytes());
        assert_eq!(got.status, status, "{length}: {}", got.text());
        assert!(got.text().contains(says), "{}", got.text());
    }
}

#[test]
fn a_body_without_a_length_is_refused_where_it_grows_too_large() {
    let server = server();
    let mut stream = server.connect();
    stream
        .write_all(b"POST /mutate HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = [
        format!("{:x}\r\n", 1 << 20).as_bytes(),
        &vec![b' '; 1 << 20],
        b"\r\n",
    ]
    .concat();
    for _ in 0..MAX_BODY >> 20 {
        stream.write_all(&chunk).unwrap();
    }
    // One byte more, and the end never comes.
    stream.write_all(b"1\r\n \r\n").unwrap();
    stream.flush().unwrap();
    let got = served::answer(&mut stream).unwrap();
    assert_eq!(got.status, 413, "{}", got.text());
}

#[test]
fn bodies_that_never_come_keep_nobody_waiting() {
    let server = server();
    let mut silent: Vec<_> = ["Content-Length: 7340032", "Transfer-Encoding: chunked"]
        .into_iter()
        .cycle()
        .take(40)
        .map(|length| {
            let mut stream = server.connect();
            let head = format!(
                "POST /mutate HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.flush().unwrap();
            stream
        })
        .collect();
    assert_eq!(
        mutate(&server, object(|_| {}).to_string().as_bytes()).status,
        200
    );
    // It was answered beside them, not after they were given up.
    let last = silent.last_mut().unwrap();
    let soon = std::time::Duration::from_millis(1);
    last.sock.set_read_timeout(Some(soon)).unwrap();
    let waiting = last.read(&mut [0]).unwrap_err();
    assert_eq!(waiting.kind(), std::io::ErrorKind::WouldBlock);
    // And in the end they are given up.
    let first = &mut silent[0];
    assert_eq!(served::answer(first).unwrap().status, 408);
}

#[test]
fn a_body_of_the_largest_size_is_read() {
    let server = server();
    let mut body = object(|_| {}).to_string().into_bytes();
    body.resize(MAX_BODY, b' ');
    assert_eq!(mutate(&server, &body).status, 200);
}

#[test]
fn a_body_that_ends_early_is_refused_or_cut_and_the_server_lives_on() {
    let server = server();
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut stream = server.connect();
        let request = format!(
            "POST /mutate HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\n{head}\r\n\r\n1\r\n{{\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.flush().unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // The server may close without a word: nobody is there to read one.
        let _ = stream.read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            rest.is_empty() || rest.starts_with("HTTP/1.1 400"),
            "{head}: {rest}"
        );
    }
    // A length shorter than the body: what is announced is no JSON, what follows no request.
    let body = object(|_| {}).to_string();
    let mut stream = server.connect();
    let request = format!(
        "POST /mutate HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    assert_eq!(served::answer(&mut stream).unwrap().status, 400);
    assert_eq!(mutate(&server, body.as_bytes()).status, 200);
}
