//! The methods that call one server: what they ask, what they make of each answer, and that no setting is ever more
//! than data.

use crate::methods::{CALLING, compiled, settings};
use crate::run::{NO_PUT, Place, SHELLS, each_client, pairs};
use crate::server::{Reply, Request, Server};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use testkit::wait::eventually;

fn stop(
    shell: &str,
    client: &str,
    method: &str,
    url: &str,
    more: &[(&str, &str)],
) -> (String, usize) {
    let place = Place::new(shell, &[client]);
    let mut env = settings(method, url);
    // Time enough for a busy machine: what succeeds takes no more of it than it needs.
    env.push(("SILKROLL_DEREGISTER_SECONDS", "60"));
    // What is read before has tests of its own, in last_instance.rs.
    env.push(("SILKROLL_LAST_INSTANCE", "leave"));
    env.extend(more);
    let outcome = place.hook(&env, &["stop"]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.output);
    (
        outcome.output,
        std::fs::read_dir(place.work()).unwrap().count(),
    )
}

#[test]
fn every_shell_and_client_makes_the_call_of_its_method() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (method, verb, target, body) in [
        (
            "consul",
            "PUT",
            "/v1/agent/service/deregister/orders-10.1.2.3",
            "",
        ),
        ("dubbo", "GET", "/offline", ""),
        (
            "spring",
            "POST",
            "/actuator/serviceregistry",
            r#"{"status":"DOWN"}"#,
        ),
    ] {
        for (shell, client) in pairs() {
            let (output, _) = stop(shell, client, method, &server.url(), &[]);
            let case = format!("{method} in {shell} with {client}: {output}");
            if client == NO_PUT && verb == "PUT" {
                assert!(
                    output.contains("not done: no tool in this image can send PUT"),
                    "{case}"
                );
                continue;
            }
            let request = server.requests().pop().unwrap_or_default();
            assert_eq!(
                (&*request.method, &*request.target),
                (verb, target),
                "{case}"
            );
            assert_eq!(request.body, body.as_bytes(), "{case}");
            if method == "consul" {
                assert_eq!(
                    request.header("x-consul-token"),
                    Some("topsecret"),
                    "{case}"
                );
            }
            if method == "spring" {
                assert_eq!(
                    request.header("content-type"),
                    Some("application/json"),
                    "{case}"
                );
            }
            assert!(
                output.contains(&format!("silkroll: {method}: left")),
                "{case}"
            );
            assert!(!output.contains("topsecret"), "{case}");
        }
    }
}

#[test]
fn every_client_keeps_its_side_open_until_it_has_the_answer() {
    let server = Server::start(|_| Reply::IfStillThere(200, String::new()));
    for (shell, client) in pairs() {
        let (output, _) = stop(shell, client, "dubbo", &server.url(), &[]);
        let left = output.contains("silkroll: dubbo: left");
        assert!(left, "{shell} with {client}: {output}");
    }
}

#[test]
fn each_answer_has_one_meaning() {
    let unknown = r#"Unknown service ID "x". Ensure that the service ID is passed"#;
    for (method, status, body, says) in [
        (
            "consul",
            404,
            unknown,
            "is not registered, nothing to take out",
        ),
        ("consul", 404, "<html>", "not done: "),
        ("consul", 404, "an unknown service", "is not registered"),
        ("consul", 403, "Permission denied", "answered 403"),
        ("consul", 500, "", "answered 500"),
        ("consul", 204, "", "answered 204"),
        ("consul", 301, "", "answered 301"),
        ("dubbo", 200, "OK", "left: GET http://127.0.0.1:"),
        // What QoS says in a 200 where the provider has published nothing, perhaps not yet.
        (
            "dubbo",
            200,
            "service not found",
            "is not registered, nothing to take out",
        ),
        (
            "dubbo",
            404,
            "",
            "answered 404 (is this path exposed there?)",
        ),
        ("dubbo", 403, "", "answered 403"),
        ("dubbo", 500, "", "answered 500"),
        ("dubbo", 301, "", "answered 301"),
        ("spring", 204, "", "left: POST http://127.0.0.1:"),
        (
            "spring",
            404,
            "",
            "/actuator/serviceregistry answered 404 (is this path exposed there?)",
        ),
        ("spring", 415, "", "answered 415"),
        ("spring", 403, "", "answered 403"),
        ("spring", 500, "", "answered 500"),
        ("spring", 301, "", "answered 301"),
        ("eureka", 403, "", "answered 403"),
        ("eureka", 500, "", "answered 500"),
        ("eureka", 204, "", "answered 204"),
        ("eureka", 301, "", "answered 301"),
        (
            "eureka",
            404,
            "",
            "is not registered, nothing to switch off",
        ),
        // An absence in an answer that broke off is none.
        (
            "nacos",
            200,
            r#"{"list":[{"ip":"10.9.9.9","port":1,"metadata":{}}"#,
            "with something else or a part",
        ),
        (
            "nacos",
            200,
            r#"{"list":[],"count":0}"#,
            "is not registered, nothing to switch off",
        ),
    ] {
        // An error of the server may pass, one of ours will not: it is asked again, until it says that it is ours.
        let again = status == 500 || says.contains("a part");
        let says = if again { "answered 403" } else { says };
        for (shell, _) in SHELLS {
            let asked = Mutex::new(Vec::new());
            let server = Server::start(move |request| {
                let mut asked = asked.lock().unwrap();
                asked.push(request.target.clone());
                let times = asked.iter().filter(|it| **it == request.target).count();
                if again && times > 2 {
                    Reply::Answer(403, String::new())
                } else {
                    Reply::Answer(status, body.to_owned())
                }
            });
            let no_login = [("SILKROLL_NACOS_USERNAME", "")];
            let (output, _) = stop(shell, "curl", method, &server.url(), &no_login);
            let case = format!("{method} {status} in {shell}: {output}");
            assert!(output.contains(says), "{case}");
            let done = output.contains("left: ")
                || output.contains("left as")
                || output.contains(", nothing to ");
            assert_ne!(done, output.contains("not done"), "{case}");
            let asked = server.requests();
            let times = asked.iter().filter(|it| it.target == asked[0].target);
            assert_eq!(times.count(), if again { 3 } else { 1 }, "{case}");
        }
    }
}

#[test]
fn spring_comes_back_with_up_and_without_an_override() {
    for (shell, _) in SHELLS {
        let server = Server::start(|_| Reply::Answer(204, String::new()));
        let place = Place::new(shell, &["curl"]);
        let outcome = place.hook(&settings("spring", &server.url()), &["start"]);
        let case = format!("{shell}: {}", outcome.output);
        assert!(outcome.says_at_start("spring: back"), "{case}");
        // Where the start came to its bound, it begins anew after it.
        let both = [r#"{"status":"UP"}"#, r#"{"status":"CANCEL_OVERRIDE"}"#];
        eventually(&case, || {
            let requests = server.requests();
            let bodies: Vec<_> = requests
                .iter()
                .map(|it| std::str::from_utf8(&it.body).unwrap())
                .collect();
            assert!(bodies.iter().all(|body| both.contains(body)), "{bodies:?}");
            bodies.ends_with(&both).then_some(())
        });
    }
}

#[test]
fn a_start_has_nothing_to_send_where_nothing_sticks() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for method in ["consul", "dubbo", "nginx", "signal"] {
        for (shell, _) in SHELLS {
            let outcome =
                Place::new(shell, &["curl"]).hook(&settings(method, &server.url()), &["start"]);
            assert_eq!(
                (outcome.status, &*outcome.output),
                (Some(0), ""),
                "{method} in {shell}"
            );
        }
    }
    assert!(server.requests().is_empty());
}

const HOSTILE: &str = "-$(touch CANARY)`touch CANARY`;'\"\\ \n&=%41#?é";
const ENCODED: &str =
    "-%24%28touch%20CANARY%29%60touch%20CANARY%60%3B%27%22%5C%20%0A%26%3D%2541%23%3F%C3%A9";

/// How a request has to look.
type Check = Box<dyn Fn(&Request)>;

#[test]
fn hostile_settings_arrive_encoded() {
    let in_path = |path: String| move |request: &Request| assert_eq!(request.target, path);
    // No annotation can hold a line end; here it comes in with the pod's name.
    let id = HOSTILE.replace('\n', "") + "/{podname}";
    let consul = compiled("consul", &[("consul-service-id", &id)]);
    let path = consul[0].1.split_once(":8500").unwrap().1;
    let cases: [(&str, &str, String, Check); 6] = [
        (
            "eureka",
            "SILKROLL_EUREKA_APP",
            HOSTILE.to_owned(),
            Box::new(in_path(format!(
                "/eureka/apps/{ENCODED}/10.1.2.3%3Aorders%3A8080/status?value=OUT_OF_SERVICE"
            ))),
        ),
        (
            "eureka",
            "SILKROLL_EUREKA_INSTANCE",
            format!("{HOSTILE}{{podip}}{{else}}{{env:HOSTILE}}"),
            Box::new(in_path(format!(
                "/eureka/apps/orders/{ENCODED}10.1.2.3%7Belse%7D{ENCODED}/status?value=OUT_OF_SERVICE"
            ))),
        ),
        (
            "consul",
            "SILKROLL_HTTP_URL",
            format!("URL{path}"),
            Box::new(in_path(format!(
                "/v1/agent/service/deregister/{}%2F{ENCODED}",
                ENCODED.replace("%0A", "")
            ))),
        ),
        (
            "consul",
            "SILKROLL_HTTP_TOKEN_HEADER",
            "X-$(touch CANARY): `touch CANARY`".to_owned(),
            Box::new(|request: &Request| {
                assert!(request.header("x-consul-token").is_none());
                assert!(!format!("{request:?}").contains("topsecret"));
            }),
        ),
        (
            "consul",
            "SILKROLL_HTTP_ABSENT",
            "$(touch CANARY),403 `touch CANARY`,4?3,403 [^x],*".to_owned(),
            Box::new(|request: &Request| assert_eq!(request.method, "PUT")),
        ),
        (
            "consul",
            "SILKROLL_HTTP_TOKEN",
            "$(touch CANARY)`x`'\"\\ &=%41#".to_owned(),
            Box::new(|request: &Request| {
                assert_eq!(
                    request.header("x-consul-token"),
                    Some("$(touch CANARY)`x`'\"\\ &=%41#")
                );
            }),
        ),
    ];
    for (shell, client) in pairs() {
        for (method, name, value, check) in &cases {
            let server = Server::start(|_| Reply::Answer(403, String::new()));
            let value = value.replace("URL", &server.url());
            let more = [
                (*name, &*value),
                ("HOSTILE", HOSTILE),
                ("SILKROLL_POD_NAME", HOSTILE),
            ];
            let (output, files) = stop(shell, client, method, &server.url(), &more);
            assert_eq!(files, 0, "{name} in {shell} with {client}: a canary");
            if client == NO_PUT {
                continue;
            }
            let requests = server.requests();
            assert_eq!(
                requests.len(),
                1,
                "{name} in {shell} with {client}: {output}"
            );
            check(&requests[0]);
            assert!(output.contains("answered 403"), "{name}: {output}");
        }
    }
}

#[test]
fn settings_that_cannot_be_used_are_named_and_cost_nothing() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for (method, name, value, says) in [
        (
            "eureka",
            "SILKROLL_EUREKA_APP",
            "",
            "SILKROLL_EUREKA_APP is not set",
        ),
        (
            "eureka",
            "SILKROLL_EUREKA_SERVER",
            " ,",
            "SILKROLL_EUREKA_SERVER names no server",
        ),
        ("eureka", "podip", "", "podip is not set"),
        ("consul", "podip", "", "podip is not set"),
        (
            "consul",
            "SILKROLL_HTTP_URL",
            "",
            "consul: not done: SILKROLL_HTTP_URL is not set",
        ),
        (
            "consul",
            "SILKROLL_HTTP_URL",
            "http://{hostip}:8500/x",
            "SILKROLL_HOST_IP is not set",
        ),
        (
            "consul",
            "SILKROLL_HTTP_URL",
            "http://127.0.0.1:9/all/{env:NOTHING}",
            "a part of the URL's path is empty",
        ),
        (
            "dubbo",
            "SILKROLL_HTTP_URL",
            "http://127.0.0.1:80;touch CANARY/offline",
            "the port in the URL is not a number",
        ),
        (
            "spring",
            "SILKROLL_HTTP_METHOD",
            "$(touch CANARY)",
            "not a request method",
        ),
        (
            "signal",
            "SILKROLL_SIGNAL_NAME",
            "",
            "SILKROLL_SIGNAL_NAME is not the name of a signal",
        ),
        (
            "signal",
            "SILKROLL_SIGNAL_NAME",
            "9;touch CANARY",
            "SILKROLL_SIGNAL_NAME is not the name of a signal",
        ),
    ] {
        for (shell, _) in SHELLS {
            let (output, files) = stop(shell, "curl", method, &server.url(), &[(name, value)]);
            assert!(output.contains(says), "{name}={value} in {shell}: {output}");
            assert_eq!(files, 0, "a canary");
        }
    }
    assert!(server.requests().is_empty());
}

#[test]
fn the_agent_of_the_own_node_is_asked_and_ipv6_gets_brackets() {
    for (address, host) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
        let server = Server::start_at(address, |_| Reply::Answer(200, String::new()));
        let agent = format!("http://{{hostip}}:{}/", server.address.port());
        let id = ("consul-service-id", "{podip}");
        let mut more = compiled("consul", &[("consul-agent", &agent), id]);
        more.push(("SILKROLL_HOST_IP", host));
        for (shell, _) in SHELLS {
            let (output, _) = stop(shell, "curl", "consul", "http://h", &more);
            let path = "/v1/agent/service/deregister/10.1.2.3 answered 200";
            assert!(
                output.contains("consul: left: PUT http://") && output.contains(path),
                "{host} in {shell}: {output}"
            );
        }
    }
}

#[test]
fn nothing_is_left_where_the_variable_that_decides_is_not_set() {
    let server = Server::start(|_| Reply::Answer(200, String::new()));
    for method in CALLING.iter().chain(&["nginx", "signal"]) {
        let (output, _) = stop(
            "dash",
            "curl",
            method,
            &server.url(),
            &[("SILKROLL_IF_ENV", "UNSET_HERE")],
        );
        assert!(
            output.contains("UNSET_HERE is not set here, nothing to leave"),
            "{output}"
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn secrets_are_in_no_argument_list() {
    // As they are and as basic authentication has them.
    let (plain, basic) = ("hidden-in-argv-7431", "bjpoaWRkZW4taW4tYXJndi03NDMx");
    // Each request is answered when all processes have been looked at.
    let (looked, look) = channel::<()>();
    let look = Mutex::new(look);
    let server = Server::start(move |_| {
        let _ = look.lock().unwrap().recv();
        Reply::Answer(200, String::new())
    });
    // GNU wget takes headers in its arguments only, and comes late for that; so does busybox wget.
    for (shell, client) in each_client() {
        if client.ends_with("wget") {
            continue;
        }
        for method in ["http", "eureka", "consul"] {
            let url = server.url();
            let mut env = settings(method, &url);
            let header = format!("X-Key: {plain}");
            env.extend([
                ("SILKROLL_HTTP_HEADERS", &*header),
                ("SILKROLL_EUREKA_PASSWORD", plain),
                ("SILKROLL_HTTP_TOKEN", plain),
                ("SILKROLL_DEREGISTER_SECONDS", "60"),
                // One request is looked at; what is read before it carries the same headers.
                ("SILKROLL_LAST_INSTANCE", "leave"),
            ]);
            let before = server.requests().len();
            let place = Place::new(shell, &[client]);
            let mut child = place
                .hook_command(&env, &["stop"])
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            eventually("the request", || {
                (server.requests().len() > before).then_some(())
            });
            let sent = format!("{:?}", server.requests().last());
            assert!(
                sent.contains(plain) || sent.contains(basic),
                "{client}: {sent}"
            );
            for process in std::fs::read_dir("/proc").unwrap().flatten() {
                let Ok(line) = std::fs::read(process.path().join("cmdline")) else {
                    continue;
                };
                let line = String::from_utf8_lossy(&line).into_owned();
                assert!(
                    !line.contains(plain) && !line.contains(basic),
                    "{client}: {line}"
                );
            }
            looked.send(()).unwrap();
            child.wait().unwrap();
        }
    }
}
