//! Very deep and very large objects.

use serde_json::{Value, json};
use silkroll::admission::MAX_BODY;

use crate::ask::{
    Expected, SPLICE, again, check, container, deceives, denied, injected, left_alone, mutate,
    nested, object, pod, server, spliced,
};
use crate::support;

#[test]
fn a_hundred_thousand_levels_of_nesting_are_answered() {
    const LEVELS: usize = 100_000;
    let server = server();
    let objects = "{\"a\":".repeat(LEVELS) + "1" + &"}".repeat(LEVELS);
    let strange = left_alone("malformed", "cannot be read");
    let mut wrong = Vec::new();
    for text in [nested(LEVELS), objects] {
        let at = |place: &str, expected: Expected| {
            let mut review = object(|_| {});
            *pointer(&mut review, place) = SPLICE.into();
            check(&server, place, &spliced(&review, &text), expected)
        };
        for (place, expected) in [
            ("/request/future", injected("")),
            ("/request/object/future", injected("")),
            ("/request/object/spec/future", injected("")),
            ("/request/object/metadata/managedFields", injected("")),
            ("/request/object/metadata/annotations/x", injected("")),
            (
                "/request/object/metadata/annotations/silkroll.dev~1container",
                strange,
            ),
            (
                "/request/object/metadata/annotations",
                Expected { ..strange },
            ),
            ("/request/object/spec/template/future", injected("")),
            (
                "/request/object/spec/template/metadata/annotations/x",
                injected(""),
            ),
            ("/request/object/spec/template/spec/future", injected("")),
            ("/request/object/spec/template/spec/volumes/0", injected("")),
            (
                "/request/object/spec/template/spec/terminationGracePeriodSeconds",
                left_alone("bad-grace-period", "terminationGracePeriodSeconds is"),
            ),
            (
                "/request/object/spec/template/spec/containers/0/future",
                injected(""),
            ),
            (
                "/request/object/spec/template/spec/containers/0/env/0",
                injected(""),
            ),
            (
                "/request/object/spec/template/spec/containers/0/ports",
                injected("declares no TCP port"),
            ),
            (
                "/request/object/spec/template/spec/containers/0/readinessProbe",
                injected(""),
            ),
            (
                "/request/object/spec/template/spec/containers/0/lifecycle/postStart",
                injected(""),
            ),
        ] {
            if place.ends_with("annotations") && text.starts_with('{') {
                // An object is what annotations are, whatever is in it.
                wrong.extend(at(place, injected("")));
            } else {
                wrong.extend(at(place, expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The member at a path, made where it is missing.
fn pointer<'v>(value: &'v mut Value, path: &str) -> &'v mut Value {
    path[1..].split('/').fold(value, |value, name| {
        let name = name.replace("~1", "/");
        match name.parse::<usize>() {
            Ok(at) => {
                if value.is_null() {
                    *value = json!([]);
                }
                let list = value.as_array_mut().unwrap();
                list.resize(list.len().max(at + 1), Value::Null);
                &mut list[at]
            }
            Err(_) => &mut value[name],
        }
    })
}

#[test]
fn large_objects_are_answered_before_anybody_gives_up() {
    let containers = |count: usize| {
        pod(|pod| {
            let container = pod["containers"][0].clone();
            pod["containers"] = (0..count)
                .map(|at| {
                    let mut container = container.clone();
                    container["name"] = format!("c{at}").into();
                    container
                })
                .collect();
        })
    };
    let record = |parts: usize| {
        let slots: serde_json::Map<_, _> = (0..parts)
            .map(|at| (format!("web/env/V{at}"), json!({"value": "v"})))
            .collect();
        let record = json!({
            "format": 2, "version": "0.1.0", "user": "0", "containers": ["web"], "slots": slots
        });
        move |review: &mut Value| {
            review["request"]["object"]["spec"]["template"]["metadata"]["annotations"] =
                json!({"silkroll.dev/status": record.to_string()});
        }
    };
    let entries = |count: usize| -> Value {
        (0..count)
            .map(|at| json!({"name": format!("V{at}"), "value": "v"}))
            .collect()
    };
    let many_env = container(|container| container["env"] = entries(45_000));
    let cases = vec![
        (
            "10,000 containers",
            containers(10_000),
            left_alone(
                "no-container",
                "which of the containers c0, c1, c2, c3, … serves",
            ),
        ),
        (
            "10,000 containers, 200 of them named",
            {
                let names: Vec<_> = (9_800..10_000).map(|at| format!("c{at}")).collect();
                let mut review = containers(10_000);
                review["request"]["object"]["metadata"]["annotations"]["silkroll.dev/container"] =
                    names.join(",").into();
                review
            },
            denied("silkroll.dev/container: "),
        ),
        (
            "10,000 containers, 150 of them named",
            {
                let names: Vec<_> = (9_850..10_000).map(|at| format!("c{at}")).collect();
                let mut review = containers(10_000);
                review["request"]["object"]["metadata"]["annotations"]["silkroll.dev/container"] =
                    names.join(",").into();
                review
            },
            injected(""),
        ),
        ("45,000 variables", again(&many_env), injected("")),
        (
            "45,000 variables of our prefix",
            container(|container| {
                container["env"] = (0..45_000)
                    .map(|at| json!({"name": format!("SILKROLL_{at}"), "value": "v"}))
                    .collect();
            }),
            injected(""),
        ),
        (
            "a record of 1,000 parts over 45,000 variables",
            {
                let mut review = again(&many_env);
                record(1_000)(&mut review);
                review
            },
            Expected {
                reason: "refreshed",
                ..injected("")
            },
        ),
        (
            "a record of thousands of parts",
            {
                let mut review = again(&many_env);
                record(3_000)(&mut review);
                review
            },
            Expected {
                reason: "refreshed",
                ..injected("")
            },
        ),
        (
            "a record of 300 KB",
            object(|object| {
                object["spec"]["template"]["metadata"]["annotations"] =
                    json!({"silkroll.dev/status": "x".repeat(300 * 1024)});
            }),
            left_alone("bad-record", "cannot be read"),
        ),
        (
            "45,000 ports",
            container(|container| {
                container["ports"] = (0..45_000)
                    .map(|at| json!({"containerPort": at % 65_536}))
                    .collect();
            }),
            injected("TCP ports"),
        ),
        (
            "45,000 volumes and mounts",
            {
                let mut review = container(|container| {
                    container["volumeMounts"] = (0..45_000)
                        .map(
                            |at| json!({"name": format!("v{at}"), "mountPath": format!("/m/{at}")}),
                        )
                        .collect();
                });
                review["request"]["namespace"] = "registry".into();
                review["request"]["object"]["metadata"]["annotations"]["silkroll.dev/start-hook"] =
                    "none".into();
                review
            },
            injected(""),
        ),
    ];
    let server = server();
    let mut wrong = Vec::new();
    for (what, review, expected) in cases {
        let body = review.to_string();
        assert!(body.len() <= MAX_BODY, "{what}: {}", body.len());
        // What hangs fails by the client's patience.
        wrong.extend(check(&server, what, body.as_bytes(), expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_review_of_more_values_than_any_stored_object_has_is_refused_unread() {
    let review = container(|container| container["env"] = vec![0; 200_001].into());
    let got = mutate(&server(), review.to_string().as_bytes());
    assert_eq!(got.status, 413, "{}", got.text());
    let says = "the review has more than 200000 values, which no stored object has";
    assert!(got.text().contains(says), "{}", got.text());
}

#[test]
fn ten_thousand_unknown_annotations_are_told_in_a_few_warnings() {
    let review = object(|object| {
        for at in 0..10_000 {
            support::annotate(object, &format!("drain-seconds-{at}"), "1");
        }
    });
    let got = mutate(&server(), review.to_string().as_bytes()).json();
    let warnings = got["response"]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 11, "{warnings:?}");
    assert_eq!(
        warnings[10],
        "silkroll: 9990 more unknown annotations under silkroll.dev/"
    );
}

/// Where something long is put, and how.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Value));

#[test]
fn what_was_sent_is_repeated_in_part_only() {
    const LONG: usize = 6 * 1024 * 1024;
    let server = server();
    // Each is one byte as it is sent, and six where it is escaped as text, 44 where that is escaped once more.
    let long = "\u{7f}".repeat(LONG);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut review = object(|_| {});
        change(&mut review);
        review
    };
    let refused: &[Change<'_>] = &[
        ("dryRun", &|review| {
            review["request"]["dryRun"] = long.clone().into()
        }),
        ("request", &|review| review["request"] = long.clone().into()),
        ("uid", &|review| {
            review["request"]["uid"] = long.clone().into()
        }),
        ("kind", &|review| review["kind"] = long.clone().into()),
        ("apiVersion", &|review| {
            review["apiVersion"] = long.clone().into()
        }),
        ("the kind of the request", &|review| {
            review["request"]["kind"] = long.clone().into();
        }),
    ];
    for (place, change) in refused {
        let body = with(change).to_string();
        let answer = mutate(&server, body.as_bytes());
        assert_eq!(answer.status, 400, "{place}");
        assert!(answer.body.len() < 600, "{place}: {}", answer.body.len());
        assert!(
            !deceives(answer.text().trim_end()),
            "{place}: {}",
            answer.text()
        );
    }
    let answered: &[Change<'_>] = &[
        ("name", &|review| {
            review["request"]["name"] = long.clone().into()
        }),
        ("namespace", &|review| {
            review["request"]["namespace"] = long.clone().into()
        }),
        ("object", &|review| {
            review["request"]["object"] = long.clone().into()
        }),
        ("metadata", &|review| {
            review["request"]["object"]["metadata"] = long.clone().into()
        }),
        ("annotations", &|review| {
            review["request"]["object"]["metadata"]["annotations"] = long.clone().into();
        }),
        ("an annotation", &|review| {
            support::annotate(&mut review["request"]["object"], "drain-seconds", &long);
        }),
        ("a key of ours", &|review| {
            support::annotate(&mut review["request"]["object"], &long, "1");
        }),
        ("a container's name", &|review| {
            review["request"]["object"]["spec"]["template"]["spec"]["containers"][0]["name"] =
                long.clone().into();
        }),
        ("containers", &|review| {
            review["request"]["object"]["spec"]["template"]["spec"]["containers"] =
                long.clone().into();
        }),
    ];
    for (place, change) in answered {
        let review = again(&with(change));
        let answer = mutate(&server, review.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{place}: {}", answer.text());
        let response = answer.json()["response"].clone();
        for part in ["status", "warnings", "auditAnnotations"] {
            let text = response[part].to_string();
            assert!(
                text.len() < 2500,
                "{place}: {part} has {} bytes",
                text.len()
            );
        }
        let uid = &review["request"]["uid"];
        let line = server.logged(place, |line| line["uid"] == *uid).to_string();
        assert!(line.len() < 4000 && !deceives(&line), "{place}: {line}");
    }
    // Nothing in the log of all this is long, of whatever request it is.
    let longest = server.longest_line();
    assert!(longest < 4000, "{longest}");
}
