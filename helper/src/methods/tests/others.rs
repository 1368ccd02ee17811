//! The way that is told in settings.

use super::*;

/// As they come of `silkroll.dev/deregister: consul`.
const CONSUL: [(&str, &str); 8] = [
    ("SILKROLL_METHOD", "consul"),
    (
        "SILKROLL_HTTP_URL",
        "http://{hostip}:8500/v1/agent/service/deregister/cart%20-{podip}",
    ),
    ("SILKROLL_HTTP_METHOD", "PUT"),
    ("SILKROLL_HTTP_DONE", "200"),
    ("SILKROLL_HTTP_ABSENT", "404 Unknown,404 unknown"),
    ("SILKROLL_HOST_IP", "fd00::9"),
    ("SILKROLL_HTTP_TOKEN_HEADER", "X-Consul-Token:"),
    ("SILKROLL_HTTP_TOKEN", "secret\n"),
];

#[test]
fn settings_say_what_is_done_and_what_is_absent() {
    for (status, body, right, words) in [
        (
            200,
            "",
            true,
            "consul: left: PUT http://[fd00::9]:8500/v1/agent/service/deregister/cart%20-10.1.2.3 answered 200 in",
        ),
        (
            404,
            "Unknown service ID \"x\"",
            true,
            "consul: this pod is not registered, nothing to take out: PUT http",
        ),
        (404, "an unknown service", true, "is not registered"),
        (
            404,
            "page not found",
            false,
            "answered 404 (is this path exposed there?)",
        ),
        (403, "Unknown", false, "not done: PUT http"),
        (204, "", false, "answered 204"),
    ] {
        let (done, asked, said) = run(Direction::Deregister, &CONSUL, move |asked| {
            assert!(asked.text.contains("\r\nX-Consul-Token: secret\r\n"));
            assert!(!asked.text.contains("Content-Type"));
            answer(status, body)
        });
        assert_eq!(
            asked,
            ["PUT fd00::9:8500/v1/agent/service/deregister/cart%20-10.1.2.3"]
        );
        assert!(done == right && said[0].contains(words), "{said:?}");
        assert!(!said.concat().contains("secret"));
    }
}

#[test]
fn a_success_may_say_otherwise_in_its_words() {
    for (rules, body, words) in [
        (
            "200 service not found",
            "service not found",
            "is not registered",
        ),
        ("200 service not found", "OK", "left: "),
        ("404,200", "OK", "is not registered"),
        ("404 OK,20 OK", "OK", "left: "),
        ("", "", "left: "),
    ] {
        let vars = [
            ("SILKROLL_METHOD", "dubbo"),
            ("SILKROLL_HTTP_URL", "http://127.0.0.1:22222/offline"),
            ("SILKROLL_HTTP_METHOD", "GET"),
            ("SILKROLL_HTTP_ABSENT", rules),
        ];
        let (_, asked, said) = run(Direction::Deregister, &vars, move |_| answer(200, body));
        assert_eq!(asked, ["GET 127.0.0.1:22222/offline"]);
        assert!(said[0].contains(words), "{rules}: {said:?}");
    }
}

#[test]
fn a_way_back_may_take_two_bodies_and_knows_no_absence() {
    let vars = [
        ("SILKROLL_METHOD", "spring"),
        ("SILKROLL_HTTP_URL", "http://127.0.0.1:8081/r"),
        ("SILKROLL_HTTP_CONTENT_TYPE", "application/json"),
        ("SILKROLL_HTTP_ABSENT", "404"),
        ("SILKROLL_HTTP_START_URL", "http://127.0.0.1:8081/r?x"),
        ("SILKROLL_HTTP_START_BODY", r#"{"status":"UP"}"#),
        ("SILKROLL_HTTP_START_THEN", r#"{"status":"CANCEL"}"#),
    ];
    let bodies = |asked: &Asked| asked.text.ends_with(r#"{"status":"UP"}"#);
    let (done, asked, said) = run(Direction::Reenable, &vars, move |asked| {
        assert!(
            asked
                .text
                .contains("\r\nContent-Type: application/json\r\n")
        );
        assert!(bodies(asked) || asked.text.ends_with(r#"{"status":"CANCEL"}"#));
        answer(if bodies(asked) { 204 } else { 200 }, "")
    });
    assert!(done);
    assert_eq!(asked, ["POST 127.0.0.1:8081/r?x"; 2]);
    assert_eq!(
        said,
        ["spring: back: POST http://127.0.0.1:8081/r answered 200 in 0.0 s"]
    );
    // The second waits for the first.
    let (done, asked, said) = run(Direction::Reenable, &vars, |_| answer(404, ""));
    assert!(!done && said[0].contains("not done: POST"), "{said:?}");
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_is_not_told_is_said() {
    let (done, asked, said) = run(Direction::Deregister, &[("SILKROLL_METHOD", "zoo")], |_| {
        None
    });
    assert!(!done && asked.is_empty());
    assert_eq!(
        said,
        ["zoo: not done: SILKROLL_HTTP_URL is not set in 0.0 s"]
    );
}

#[test]
fn any_request_is_judged_by_its_status() {
    let vars = [
        ("SILKROLL_METHOD", "http"),
        ("SILKROLL_HTTP_URL", "http://h/{podip}?k={env:KEY}"),
        ("SILKROLL_HTTP_BODY", "a={env:KEY}"),
        ("SILKROLL_HTTP_HEADERS", "X-A: b\r\nbroken\n\n"),
        ("KEY", "s&t"),
    ];
    for (status, tries, words) in [
        (201, 1, "http: left: POST http://h/10.1.2.3 answered 201"),
        (302, 1, "not done: POST http://h/10.1.2.3 answered 302"),
        (404, 1, "not done: POST http://h/10.1.2.3 answered 404"),
        (503, 8, "not done: POST http://h/10.1.2.3 answered 503"),
    ] {
        let (done, asked, said) = run(Direction::Deregister, &vars, move |asked| {
            assert!(
                asked
                    .text
                    .contains("\r\nX-A: b\r\nContent-Type: application/x-www-form-urlencoded\r\n")
            );
            assert!(asked.text.ends_with("\r\n\r\na=s%26t"));
            answer(status, "")
        });
        assert_eq!(asked[0], "POST h:80/10.1.2.3?k=s%26t");
        assert_eq!((done, asked.len()), (status == 201, tries), "{status}");
        assert!(said.last().unwrap().contains(words), "{said:?}");
    }
}
