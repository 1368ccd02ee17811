//! Hostile annotation values, keys and names.

use base64::Engine as _;
use serde_json::json;

use crate::ask::{
    again, annotated, check, check_all, container, denied, injected, left_alone, mutate, object,
    request, server, server_that_warns,
};
use crate::hostile;
use crate::support;

#[test]
fn a_hostile_value_is_denied_on_a_workload_and_warned_of_on_a_namespace() {
    let (server, warning) = (server(), server_that_warns());
    let mut wrong = Vec::new();
    for (at, (value, shown)) in hostile::seconds().into_iter().enumerate() {
        let on_workload = annotated("drain-seconds", &value);
        let on_template = object(|object| {
            object["spec"]["template"]["metadata"]["annotations"] =
                json!({"silkroll.dev/drain-seconds": value});
        });
        let on_namespace = request(|request| request["namespace"] = format!("bad-{at}").into());
        let unasked = {
            let mut review = again(&on_workload);
            review["request"]["namespace"] = "default".into();
            review
        };
        let said = |end: &str| -> &'static str { format!("{shown}{end}").leak() };
        let alone = |says| left_alone("invalid-annotation", says);
        for (what, server, review, expected) in [
            (
                "on the workload",
                &server,
                &on_workload,
                denied(said(
                    " on Deployment shop/web cannot be used: allowed is a whole number of seconds",
                )),
            ),
            (
                "on the template",
                &server,
                &on_template,
                denied(said(
                    " on the pod template of Deployment shop/web cannot be used",
                )),
            ),
            (
                "on the namespace",
                &server,
                &on_namespace,
                alone(said(&format!(" on Namespace bad-{at} cannot be used"))),
            ),
            (
                "on the workload, warning",
                &warning,
                &on_workload,
                alone(said(" on Deployment shop/web cannot be used")),
            ),
            (
                "on the template, warning",
                &warning,
                &on_template,
                alone(said(" on the pod template of")),
            ),
            (
                "where nobody has opted in",
                &server,
                &unasked,
                left_alone(
                    "namespace-not-opted-in",
                    "silkroll.dev/drain-seconds on the Deployment has no effect",
                ),
            ),
        ] {
            let body = review.to_string();
            wrong.extend(check(
                server,
                &format!("{shown} {what}"),
                body.as_bytes(),
                expected,
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_keys_and_names_are_shown_for_what_they_are() {
    let unknown = |key: &str| annotated(key, "1");
    check_all(
        &server(),
        vec![
            (
                "a key of shell text",
                unknown("$(id)"),
                injected("silkroll.dev/$(id) on Deployment shop/web is not known"),
            ),
            (
                "a key with a line end",
                unknown("drain\n-seconds"),
                injected(r"silkroll.dev/drain\n-seconds on"),
            ),
            (
                "a key of bidi marks",
                unknown("\u{202e}sdnoces-niard"),
                injected(r"silkroll.dev/\u{202e}sdnoces-niard on"),
            ),
            (
                "an empty key",
                unknown(""),
                injected("silkroll.dev/ on Deployment shop/web is not known"),
            ),
            (
                "a key of 300 KB",
                unknown(&"x".repeat(300 * 1024)),
                injected("xxx… on Deployment shop/web is not known and has no effect"),
            ),
            (
                "a typo",
                unknown("drain-second"),
                injected("did you mean silkroll.dev/drain-seconds?"),
            ),
            (
                "a name with a line end",
                object(|object| {
                    object["metadata"]["name"] = "w\ne\u{202e}b".into();
                    support::annotate(object, "drain-seconds", "x");
                }),
                denied(r"Deployment shop/w\ne\u{202e}b cannot be used"),
            ),
            (
                "a container's name with an escape",
                container(|container| {
                    container["name"] = "w\u{1b}[31mb".into();
                    container["ports"] = json!([]);
                }),
                injected(r"container w\u{1b}[31mb: no readiness probe"),
            ),
            (
                "a container's name of 40 KB",
                container(|container| {
                    container["name"] = "x".repeat(40 * 1024).into();
                    container["ports"] = json!([]);
                }),
                injected("container xxx"),
            ),
            (
                "a container's name that no record holds",
                container(|container| {
                    container["name"] = "x".repeat(300 * 1024).into();
                    container["ports"] = json!([]);
                }),
                left_alone("no-room", "the pod template's annotations have 0 bytes"),
            ),
        ],
    );
}

#[test]
fn a_value_that_is_allowed_reaches_the_container_as_it_is() {
    let server = server();
    for (value, written) in [
        ("$(id)", "$$(id)"),
        ("$(podip)$$", "$$(podip)$$$$"),
        (
            "`id` \"a\" 'b' \\ ; rm -rf / #",
            "`id` \"a\" 'b' \\ ; rm -rf / #",
        ),
        ("two\nlines\ttab", "two\nlines\ttab"),
        ("{podip} {env:PORT} é ３", "{podip} {env:PORT} é ３"),
    ] {
        let review = object(|object| {
            support::annotate(object, "deregister", "http");
            support::annotate(object, "http-url", "http://a/");
            support::annotate(object, "http-body", value);
        });
        let got = mutate(&server, review.to_string().as_bytes()).json();
        let patch = got["response"]["patch"].as_str().unwrap();
        let patch = base64::engine::general_purpose::STANDARD
            .decode(patch)
            .unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let mut object = review["request"]["object"].clone();
        json_patch::patch(&mut object, &patch).unwrap();
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        let body = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == "SILKROLL_HTTP_BODY")
            .unwrap();
        assert_eq!(body["value"], written);
        // No part of it stands where a shell would read it.
        assert!(!container["lifecycle"].to_string().contains("rm -rf"));
    }
    let long = "x".repeat(300 * 1024);
    for value in ["a\0b", "a\u{202e}b", "a\u{1b}[31m", "", long.as_str()] {
        let review = object(|object| {
            support::annotate(object, "deregister", "http");
            support::annotate(object, "http-url", "http://a/");
            support::annotate(object, "http-body", value);
        });
        let expected = denied("allowed is text of 1 to 8192 bytes without control characters");
        let wrong = check(&server, "a body", review.to_string().as_bytes(), expected);
        assert_eq!(wrong, None);
    }
}
