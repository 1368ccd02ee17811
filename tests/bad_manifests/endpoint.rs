//! The dry-run endpoint: what it is asked, and with which parameters.

use serde_json::{Value, json};

use crate::doors::{WEB, annotated, dry_run, server};
use crate::support::{deployment, review};

/// Outcome and reason of each object, and the HTTP status.
fn decided(query: &str, body: &str) -> (u16, Vec<(String, String)>) {
    let got = dry_run(query, body.as_bytes());
    let items = got.json()["items"].take();
    let decided = items.as_array().unwrap().iter().map(|item| {
        let text = |name: &str| item[name].as_str().unwrap().to_owned();
        (text("outcome"), text("reason"))
    });
    (got.status, decided.collect())
}

fn one(outcome: &str, reason: &str) -> Vec<(String, String)> {
    vec![(outcome.to_owned(), reason.to_owned())]
}

#[test]
fn the_namespace_decides_and_a_manifest_without_one_goes_where_the_parameter_says() {
    let nowhere = WEB.replace("  namespace: shop\n", "");
    let of = |namespace: &str| WEB.replace("namespace: shop", &format!("namespace: {namespace}"));
    for (what, query, body, outcome, reason) in [
        ("opted in", "", WEB.to_owned(), "injected", "covered"),
        ("not opted in", "", of("default"), "skipped", "namespace-not-opted-in"),
        ("disabled", "", of("closed"), "skipped", "namespace-disabled"),
        ("a namespace that YAML reads as false", "", of("off"), "rejected", "malformed"),
        ("on request", "", of("asked"), "skipped", "not-requested"),
        ("unknown", "", of("nowhere"), "skipped", "namespace-unknown"),
        ("a typo in the opt-in", "", of("typo"), "skipped", "invalid-annotation"),
        ("a bad value there", "", of("bad-0"), "skipped", "invalid-annotation"),
        ("none: default", "", nowhere.clone(), "skipped", "namespace-not-opted-in"),
        ("none: the parameter's", "?namespace=shop", nowhere, "injected", "covered"),
        ("its own is stronger", "?namespace=closed", WEB.to_owned(), "injected", "covered"),
        ("no spec", "", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {namespace: shop}\n".to_owned(), "rejected", "malformed"),
        ("spec is a list", "", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {namespace: shop}\nspec: [{spec: {containers: [{name: a}]}}]\n".to_owned(), "rejected", "malformed"),
        ("an annotation is a number", "", annotated("drain-seconds", "20"), "rejected", "invalid-annotation"),
        ("an annotation is a bool", "", annotated("inject", "yes"), "rejected", "invalid-annotation"),
        ("a bad value", "", annotated("drain-seconds", "\"20s\""), "rejected", "invalid-annotation"),
    ] {
        assert_eq!(decided(query, &body), (200, one(outcome, reason)), "{what}");
    }
}

#[test]
fn lists_of_every_kind_are_opened() {
    let object: Value = {
        let mut object = deployment();
        object.as_object_mut().unwrap().remove("status");
        object
    };
    let bare = {
        let mut bare = object.clone();
        bare.as_object_mut().unwrap().remove("kind");
        bare.as_object_mut().unwrap().remove("apiVersion");
        bare
    };
    let list = |api_version: &str, kind: &str, items: Vec<&Value>| json!({"apiVersion": api_version, "kind": kind, "items": items});
    let inner = list("v1", "List", vec![&object]);
    for (what, body, injected) in [
        ("a List", list("v1", "List", vec![&object, &object]), 2),
        (
            "a List in a List",
            list("v1", "List", vec![&inner, &object]),
            2,
        ),
        (
            "a DeploymentList",
            list("apps/v1", "DeploymentList", vec![&object]),
            1,
        ),
        (
            "a DeploymentList whose items name no kind, as the API writes it",
            list("apps/v1", "DeploymentList", vec![&bare, &bare]),
            2,
        ),
        (
            "a List whose items name no kind",
            list("v1", "List", vec![&bare]),
            0,
        ),
        (
            "a ServiceList whose items name no kind",
            list("v1", "ServiceList", vec![&bare]),
            0,
        ),
    ] {
        let (status, decided) = decided("", &body.to_string());
        let found = decided
            .iter()
            .filter(|(outcome, _)| outcome == "injected")
            .count();
        assert_eq!((status, found), (200, injected), "{what}: {decided:?}");
    }
}

#[test]
fn a_review_gets_the_answer_of_the_webhook() {
    let body = review("CREATE", &deployment(), &Value::Null);
    let (server, got) = (server(), dry_run("?output=patch", &body));
    let answer = server.mutate(&body).json();
    let patch = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        answer["response"]["patch"].as_str().unwrap(),
    );
    assert_eq!(got.body, [patch.unwrap().as_slice(), b"\n"].concat());

    for (what, body, says) in [
        (
            "no request",
            json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}),
            "has no request",
        ),
        (
            "v1beta1",
            json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": {}}),
            "v1beta1",
        ),
        (
            "no uid",
            json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {}}),
            "request.uid is missing",
        ),
    ] {
        let got = dry_run("", body.to_string().as_bytes());
        assert_eq!(got.status, 400, "{what}");
        assert!(
            got.json()["errors"][0].as_str().unwrap().contains(says),
            "{what}: {}",
            got.text()
        );
    }
}

#[test]
fn parameters_are_checked_by_name_and_value() {
    for (query, says) in [
        (
            "?output=xml",
            "parameter output=\"xml\" cannot be used: allowed is json, yaml, diff or patch",
        ),
        ("?output=", "parameter output=\"\""),
        (
            "?fail-on=always",
            "allowed is rejected, warning or skipped, several with commas, or never",
        ),
        ("?namespace=Shop", "allowed is the name of a namespace"),
        ("?namespace=", "allowed is the name of a namespace"),
        ("?namespace=%E2%80%AEx", r#"namespace="\u{202e}x""#),
        (
            "?dry-run=all",
            "parameter \"dry-run\" is not known; there are namespace, output, fail-on, with and annotation",
        ),
        ("?Output=json", "parameter \"Output\" is not known"),
        ("?%0a=1", r#"parameter "\n" is not known"#),
    ] {
        let got = dry_run(query, WEB.as_bytes());
        assert_eq!(got.status, 400, "{query}");
        assert!(got.text().contains(says), "{query}: {}", got.text());
    }
}

#[test]
fn fail_on_turns_what_came_of_it_into_a_status() {
    let good = WEB.to_owned();
    let warned = annotated("drain-second", "\"20\"");
    let rejected = annotated("drain-seconds", "x");
    let there = |name: &str| WEB.replace("namespace: shop", &format!("namespace: {name}"));
    for (what, body, query, status) in [
        ("good", &good, "", 200),
        ("good", &good, "?fail-on=warning", 200),
        ("warned", &warned, "", 200),
        ("warned", &warned, "?fail-on=never", 200),
        ("warned", &warned, "?fail-on=rejected", 200),
        ("warned", &warned, "?fail-on=warning", 422),
        ("rejected", &rejected, "", 200),
        ("rejected", &rejected, "?fail-on=rejected", 422),
        ("rejected", &rejected, "?fail-on=warning", 422),
        ("rejected", &rejected, "?fail-on=skipped", 422),
        ("good", &good, "?fail-on=warning,skipped", 200),
        ("warned", &warned, "?fail-on=skipped", 200),
        ("warned", &warned, "?fail-on=skipped,warning", 422),
        ("skipped", &there("default"), "?fail-on=warning", 200),
        ("skipped", &there("default"), "?fail-on=skipped", 422),
        ("skipped", &there("typo"), "?fail-on=skipped", 422),
        ("chosen", &there("closed"), "?fail-on=warning,skipped", 200),
        ("chosen", &there("asked"), "?fail-on=warning,skipped", 200),
    ] {
        for output in ["json", "yaml", "diff", "patch"] {
            let and = if query.is_empty() { "?" } else { "&" };
            let got = dry_run(&format!("{query}{and}output={output}"), body.as_bytes());
            // What is rejected has no manifest, diff or patch to show: the answer says why.
            let nothing_to_show = what == "rejected" && output != "json";
            let status = if nothing_to_show { 422 } else { status };
            if status == 422 && output != "json" {
                let says = if what == "skipped" {
                    "skipped ("
                } else {
                    "silkroll.dev/drain-second"
                };
                assert!(got.text().contains(says), "{}", got.text());
            }
            assert_eq!(
                got.status,
                status,
                "{what} {query} {output}: {}",
                got.text()
            );
        }
    }
}

#[test]
fn each_output_has_its_own_form() {
    let service = "apiVersion: v1\nkind: Service # untouched\nmetadata: {name: a}\n";
    let body = format!("{service}---\n{WEB}");
    for (output, content_type, starts, has) in [
        (
            "json",
            "application/json",
            "{\"items\":[{",
            "\"outcome\":\"injected\"",
        ),
        (
            "yaml",
            "application/yaml",
            service,
            "name: web # the only one",
        ),
        (
            "diff",
            "text/plain; charset=utf-8",
            "--- ",
            "+                seconds: 15",
        ),
        (
            "patch",
            "application/json-patch+json",
            "[{\"op\":",
            "silkroll.dev",
        ),
    ] {
        let got = dry_run(&format!("?output={output}"), body.as_bytes());
        assert_eq!(got.status, 200, "{output}");
        let text = got.text();
        assert!(
            text.starts_with(starts) && text.contains(has),
            "{output}: {text}"
        );
        assert_eq!(got.head.header("content-type"), Some(content_type));
    }
    // Nothing half done in a text: one broken document and only the errors come.
    for output in ["yaml", "diff", "patch"] {
        let got = dry_run(
            &format!("?output={output}"),
            format!("{WEB}---\na: [\n").as_bytes(),
        );
        assert_eq!(got.status, 400, "{output}");
        assert!(
            got.text().starts_with("document 2, line "),
            "{output}: {}",
            got.text()
        );
    }
}

#[test]
fn what_takes_more_than_the_budget_is_too_large_in_every_output() {
    let list = vec!["*a"; 1500].join(",");
    let text = format!("x: &a \"{}\"\ny: [{list}]\n", "x".repeat(100_000));
    for output in ["json", "yaml", "diff", "patch"] {
        for body in [&text, &format!("{WEB}---\n{text}")] {
            let got = dry_run(&format!("?output={output}"), body.as_bytes());
            assert_eq!(got.status, 413, "{output}: {}", got.text());
            let says = "MiB of memory once its aliases are expanded";
            assert!(got.text().contains(says), "{output}: {}", got.text());
        }
    }
}

#[test]
fn what_is_too_large_or_no_post_is_refused() {
    let server = server();
    for (request, status) in [
        (
            "POST /dry-run HTTP/1.1\r\nHost: l\r\nContent-Length: 7340033\r\n\r\n",
            413,
        ),
        ("GET /dry-run HTTP/1.1\r\nHost: l\r\n\r\n", 405),
        ("DELETE /dry-run HTTP/1.1\r\nHost: l\r\n\r\n", 405),
    ] {
        let got = server.send(request.as_bytes());
        assert_eq!(got.status, status, "{request}: {}", got.text());
    }
}
