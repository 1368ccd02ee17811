//! The ways that take few words.

use super::*;

#[test]
fn consul_is_told_at_the_agent_of_the_node() {
    let vars = [
        ("SILKROLL_METHOD", "consul"),
        ("SILKROLL_CONSUL_AGENT", "http://{hostip}:8500/"),
        ("SILKROLL_HOST_IP", "fd00::9"),
        ("SILKROLL_CONSUL_SERVICE_ID", "cart-{podip}"),
        ("SILKROLL_CONSUL_TOKEN", "secret\n"),
    ];
    for (status, body, right, words) in [
        (
            200,
            "",
            true,
            "consul: left as cart-10.1.2.3 (http://[fd00::9]:8500)",
        ),
        (404, "Unknown service ID \"x\"", true, "is not registered"),
        (404, "page not found", false, "answered 404 to the change"),
        (403, "no", false, "answered 403 to the change"),
    ] {
        let (done, asked, said) = run(Direction::Leave, &vars, move |asked| {
            assert!(asked.text.contains("\r\nX-Consul-Token: secret\r\n"));
            answer(status, body)
        });
        assert_eq!(
            asked,
            ["PUT fd00::9:8500/v1/agent/service/deregister/cart-10.1.2.3"]
        );
        assert!(done == right && said[0].contains(words), "{said:?}");
        assert!(!said.concat().contains("secret"));
    }
}

#[test]
fn dubbo_and_spring_are_told_on_loopback() {
    let (done, asked, said) = run(Direction::Leave, &[("SILKROLL_METHOD", "dubbo")], |_| {
        answer(200, "OK")
    });
    assert!(done && said[0].starts_with("dubbo: left (http://127.0.0.1:22222/offline)"));
    assert_eq!(asked, ["GET 127.0.0.1:22222/offline"]);

    let vars = [
        ("SILKROLL_METHOD", "spring"),
        ("SILKROLL_SPRING_PORT", "8081"),
    ];
    let (done, asked, _) = run(Direction::Back, &vars, |asked| {
        assert!(
            asked
                .text
                .contains("\r\nContent-Type: application/json\r\n")
        );
        answer(
            if asked.text.ends_with(r#"{"status":"UP"}"#) {
                204
            } else {
                200
            },
            "",
        )
    });
    assert!(done);
    assert_eq!(asked, ["POST 127.0.0.1:8081/actuator/serviceregistry"; 2]);
    let (done, asked, said) = run(Direction::Leave, &vars, |_| answer(404, ""));
    assert!(
        !done
            && said[0].contains(
                "answered 404 to the status DOWN (is /actuator/serviceregistry exposed?)"
            )
    );
    assert_eq!(asked.len(), 1);
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
        (201, 1, "POST http://h/10.1.2.3 answered 201"),
        (302, 1, "not done: POST http://h/10.1.2.3 answered 302"),
        (404, 1, "not done: POST http://h/10.1.2.3 answered 404"),
        (503, 8, "not done: POST http://h/10.1.2.3 answered 503"),
    ] {
        let (done, asked, said) = run(Direction::Leave, &vars, move |asked| {
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
