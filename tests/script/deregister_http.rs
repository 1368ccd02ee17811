//! The `http` method: what arrives, from every shell with every client.

use crate::run::{NO_PUT, Place, SHELLS, each_client, pairs};
use crate::server::{Reply, Server};

const HOSTILE: &str =
    "$(touch CANARY)`touch CANARY`;'\"\\ -x&a=b%41#{podip}\ttab\nline\u{fc}\u{4e2d}\n";
const ENCODED: &str = "%24%28touch%20CANARY%29%60touch%20CANARY%60%3B%27%22%5C%20-x%26a%3Db%2541%23%7Bpodip%7D%09tab%0Aline%C3%BC%E4%B8%AD%0A";
const IN_JSON: &str = r#"$(touch CANARY)`touch CANARY`;'\"\\ -x&a=b%41#{podip}\u0009tab\u000aline"#;

/// What was asked for next, after so many requests.
fn target(server: &Server, after: usize) -> Option<String> {
    let mut asked = server.requests().into_iter().skip(after);
    asked.next().map(|request| request.target)
}

#[test]
fn hostile_values_arrive_encoded_from_every_shell_and_client() {
    let server = Server::start(|_| Reply::Answer(200, "done".to_owned()));
    for (shell, client) in pairs() {
        let case = format!("{shell} with {client}");
        let place = Place::new(shell, &[client]);
        let url = format!("{}/off line?ip={{podip}}&v={{env:HOSTILE}}", server.url());
        let outcome = place.hook(
            &[
                ("podip", "fd00::7"),
                ("HOSTILE", HOSTILE),
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", &url),
                (
                    "SILKROLL_HTTP_BODY",
                    "host={podip}&v={env:HOSTILE}&n={podname}&{else}",
                ),
                (
                    "SILKROLL_HTTP_HEADERS",
                    "X-Key: s3cret \"$(touch CANARY)\"\r\nno header\nX-Two: 2\n",
                ),
                ("SILKROLL_POD_NAME", "-pod"),
            ],
            &["stop"],
        );
        assert_eq!(outcome.status, Some(0), "{case}: {}", outcome.output);
        let request = server.requests().pop().unwrap_or_default();
        assert_eq!(
            request.target,
            format!("/off%20line?ip=fd00%3A%3A7&v={ENCODED}"),
            "{case}: {}",
            outcome.output
        );
        assert_eq!(
            String::from_utf8_lossy(&request.body),
            format!("host=fd00%3A%3A7&v={ENCODED}&n=-pod&{{else}}"),
            "{case}"
        );
        assert_eq!(request.method, "POST", "{case}");
        assert_eq!(
            request.header("x-key"),
            Some("s3cret \"$(touch CANARY)\""),
            "{case}"
        );
        assert_eq!(request.header("x-two"), Some("2"), "{case}");
        assert_eq!(
            request.header("content-type"),
            Some("application/x-www-form-urlencoded"),
            "{case}"
        );
        assert!(
            outcome.output.contains("/off%20line answered 200"),
            "{case}: {}",
            outcome.output
        );
        assert!(
            !outcome.output.contains("s3cret"),
            "{case}: {}",
            outcome.output
        );
        let left_behind = std::fs::read_dir(place.work()).unwrap().count();
        assert_eq!(left_behind, 0, "{case}: a canary or a temporary file");
    }
    assert_eq!(server.requests().len(), pairs().len());
}

#[test]
fn a_json_body_gets_string_escapes() {
    let server = Server::start(|_| Reply::Answer(204, String::new()));
    for (shell, client) in pairs() {
        let outcome = Place::new(shell, &[client]).hook(
            &[
                ("podip", "10.0.0.1"),
                ("HOSTILE", HOSTILE),
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", &server.url()),
                ("SILKROLL_HTTP_CONTENT_TYPE", "application/json"),
                (
                    "SILKROLL_HTTP_BODY",
                    r#"{"v":"{env:HOSTILE}","ip":"{podip}","n":{}}"#,
                ),
            ],
            &["stop"],
        );
        let request = server.requests().pop().unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(&request.body),
            format!("{{\"v\":\"{IN_JSON}\u{fc}\u{4e2d}\\u000a\",\"ip\":\"10.0.0.1\",\"n\":{{}}}}"),
            "{shell} with {client}: {}",
            outcome.output
        );
    }
}

#[test]
fn any_verb_goes_where_the_client_can_send_it_and_is_named_where_not() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (shell, client) in each_client() {
        for verb in ["GET", "PUT", "DELETE", "PATCH"] {
            let before = server.requests().len();
            let outcome = Place::new(shell, &[client]).hook(
                &[
                    ("SILKROLL_METHOD", "http"),
                    ("SILKROLL_HTTP_URL", &server.url()),
                    ("SILKROLL_HTTP_METHOD", verb),
                ],
                &["stop"],
            );
            let came = server.requests()[before..]
                .iter()
                .map(|request| request.method.clone())
                .collect::<Vec<_>>();
            if client == NO_PUT && verb != "GET" {
                assert!(came.is_empty());
                assert!(
                    outcome
                        .output
                        .contains(&format!("no tool in this image can send {verb}")),
                    "{}",
                    outcome.output
                );
            } else {
                assert_eq!(came, [verb], "{client}: {}", outcome.output);
            }
        }
    }
}

#[test]
fn ipv6_addresses_get_brackets_in_the_host_part_only() {
    let Ok(_) = std::net::TcpListener::bind("[::1]:0") else {
        panic!(
            "this machine has no IPv6 loopback; enable it (sysctl net.ipv6.conf.lo.disable_ipv6=0)"
        );
    };
    let server = Server::start_at("[::1]:0", |_| Reply::Answer(200, String::new()));
    let url = format!("http://{{podip}}:{}/x?h={{podip}}", server.address.port());
    for (shell, client) in each_client() {
        let before = server.requests().len();
        let outcome = Place::new(shell, &[client]).hook(
            &[
                ("podip", "::1"),
                ("SILKROLL_METHOD", "http"),
                // Which each of them can send without a body.
                ("SILKROLL_HTTP_METHOD", "GET"),
                ("SILKROLL_HTTP_URL", &url),
            ],
            &["stop"],
        );
        let asked = target(&server, before);
        // It knows addresses of version 4 only.
        let expected = (client != "nc.traditional").then_some("/x?h=%3A%3A1");
        assert_eq!(asked.as_deref(), expected, "{client}: {}", outcome.output);
    }
}

/// What an answer means is a setting, and the same in every shell and the helper.
#[test]
fn settings_say_what_an_answer_means() {
    let gone = "http: this pod is not registered, nothing to take out: POST http://";
    for (done, absent, status, body, says) in [
        ("", "", 204, "", "http: left: POST http://"),
        ("", "", 302, "", "answered 302"),
        (
            "",
            "",
            404,
            "",
            "answered 404 (is this path exposed there?)",
        ),
        ("200,204", "", 204, "", "http: left: "),
        ("200", "", 204, "", "answered 204"),
        ("302", "", 302, "", "http: left: "),
        ("200", "", 20, "", "no answer"),
        // A status alone, or with words anywhere in the answer.
        ("", "404", 404, "what?", gone),
        ("", "403,404", 404, "", gone),
        ("", "404 no such one", 404, "There is no such one.", gone),
        ("", "404 no such one", 404, "No such page", "answered 404 ("),
        ("", "404 a,404 b", 404, "xbx", gone),
        ("", "404 a", 403, "a", "answered 403"),
        ("", "40 a", 404, "a", "answered 404"),
        // It goes before done: some say so in a success.
        ("200", "200 not found", 200, "service not found", gone),
        ("200", "200 not found", 200, "OK", "http: left: "),
        // Nothing in it is a pattern.
        ("*", "4*,404 [a-z]", 404, "a", "answered 404"),
        ("2??", "", 200, "", "answered 200"),
    ] {
        let server = Server::start(move |_| Reply::Answer(status, body.to_owned()));
        for (shell, _) in SHELLS {
            let url = server.url();
            let env = [
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", &*url),
                ("SILKROLL_HTTP_DONE", done),
                ("SILKROLL_HTTP_ABSENT", absent),
                ("SILKROLL_DEREGISTER_SECONDS", "5"),
            ];
            let outcome = Place::new(shell, &["curl"]).hook_to_its_bound(&env, &["stop"]);
            let said = &outcome.output;
            let case = format!("{done:?} {absent:?} {status} {body:?} in {shell}: {said}");
            assert!(outcome.says_at_its_bound(says), "{case}");
            assert_eq!(
                said.contains("not done"),
                !says.starts_with("http: "),
                "{case}"
            );
        }
    }
}

#[test]
fn a_credential_is_a_header_where_the_container_has_it() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (token, sent) in [
        ("s3cret", Some("Bearer s3cret")),
        // A Secret made from a file.
        ("s3cret\n", Some("Bearer s3cret")),
        ("s3\ncret", None),
        ("", None),
    ] {
        for (shell, client) in pairs() {
            let outcome = Place::new(shell, &[client]).hook(
                &[
                    ("SILKROLL_METHOD", "http"),
                    ("SILKROLL_HTTP_URL", &server.url()),
                    ("SILKROLL_HTTP_METHOD", "GET"),
                    ("SILKROLL_HTTP_TOKEN_HEADER", "Authorization: Bearer"),
                    ("SILKROLL_HTTP_TOKEN", token),
                ],
                &["stop"],
            );
            let case = format!("{token:?} in {shell} with {client}: {}", outcome.output);
            let request = server.requests().pop().unwrap();
            assert_eq!(request.header("authorization"), sent, "{case}");
            assert!(outcome.output.contains("answered 200"), "{case}");
            assert!(!outcome.output.contains("cret"), "{case}");
        }
    }
}

#[test]
fn a_part_of_the_path_that_a_variable_leaves_empty_is_never_asked_for() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (path, target) in [
        ("/all/{env:ID}", Some("/all/a%2Fb")),
        ("/all/{env:NONE}", None),
        ("/all/{env:NONE}?a=/", None),
        ("/all/{env:NONE}/one", None),
        ("/all/x{env:NONE}?id={env:NONE}", Some("/all/x?id=")),
        // As it was written.
        ("/all/", Some("/all/")),
        ("", Some("/")),
        ("?a={env:NONE}", Some("/?a=")),
    ] {
        for (shell, _) in SHELLS {
            let before = server.requests().len();
            let outcome = Place::new(shell, &["curl"]).hook(
                &[
                    ("SILKROLL_METHOD", "http"),
                    ("SILKROLL_HTTP_METHOD", "DELETE"),
                    ("SILKROLL_HTTP_URL", &format!("{}{path}", server.url())),
                    ("ID", "a/b"),
                ],
                &["stop"],
            );
            let asked = self::target(&server, before);
            assert_eq!(
                asked.as_deref(),
                target,
                "{path} in {shell}: {}",
                outcome.output
            );
            assert_eq!(
                outcome
                    .output
                    .contains("http: not done: a part of the URL's path is empty"),
                target.is_none(),
                "{path} in {shell}: {}",
                outcome.output
            );
        }
    }
}

#[test]
fn a_variable_may_hold_a_host_and_its_port() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    let address = server.address.to_string();
    for (shell, client) in each_client() {
        let before = server.requests().len();
        let outcome = Place::new(shell, &[client]).hook(
            &[
                ("SILKROLL_METHOD", "http"),
                ("SILKROLL_HTTP_URL", "http://{env:ADDRESS}/off"),
                ("SILKROLL_HTTP_BODY", "x=1"),
                ("ADDRESS", &address),
            ],
            &["stop"],
        );
        let asked = target(&server, before);
        let case = format!("{shell} with {client}: {}", outcome.output);
        assert_eq!(asked.as_deref(), Some("/off"), "{case}");
    }
}
