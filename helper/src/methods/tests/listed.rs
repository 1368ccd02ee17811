//! What the lists say, and what goes by them.

use super::*;
use crate::attempt::{Answered, Attempt};
use crate::listed::Listed;
use crate::methods::find;
use crate::settings::Settings;
use crate::{await_other, find_self, patience, unless_ready};
use std::cell::Cell;

const NACOS: [(&str, &str); 5] = [
    ("podip", "10.1.2.3"),
    ("SILKROLL_METHOD", "nacos"),
    ("SILKROLL_NACOS_SERVER", "n:8848"),
    ("SILKROLL_NACOS_SERVICE", "a b"),
    ("SILKROLL_NACOS_PORT", "80"),
];
const EUREKA: [(&str, &str); 6] = [
    ("podip", "10.1.2.3"),
    ("SILKROLL_METHOD", "eureka"),
    ("SILKROLL_EUREKA_SERVER", "e:8761"),
    ("SILKROLL_EUREKA_APP", "shop"),
    ("SILKROLL_EUREKA_INSTANCE", "web-1:shop:80"),
    ("SILKROLL_EUREKA_PORT", "80"),
];
const CONSUL: [(&str, &str); 5] = [
    ("podip", "10.1.2.3"),
    ("SILKROLL_METHOD", "consul"),
    (
        "SILKROLL_HTTP_URL",
        "http://{hostip}:8500/v1/agent/service/deregister/web-{podip}",
    ),
    ("SILKROLL_HOST_IP", "10.0.0.9"),
    ("SILKROLL_HTTP_ABSENT", "404 Unknown"),
];

/// Reads the list once: whether this container and others are in it, or why it cannot be read.
fn listed(
    vars: &[(&str, &str)],
    answers: impl Fn(&Asked) -> Option<(u16, String)> + 'static,
) -> (Result<(bool, bool), String>, Vec<String>) {
    let registry = Registry::new(vars, answers);
    let settings = Settings(&registry);
    let list = find(&crate::method(settings), settings).listed.unwrap();
    let answered = Answered::default();
    let attempt = Attempt::new(&registry, 4, true, &answered);
    let found = list(&attempt)
        .map(|Listed { this, others, .. }| (this, others))
        .map_err(|trouble| String::from_utf8(trouble.what).unwrap());
    let asked = registry.asked();
    (
        found,
        asked
            .iter()
            .map(|asked| format!("{} {}{}", asked.verb, asked.host, asked.target))
            .collect(),
    )
}

#[test]
fn of_nacos_what_callers_can_use_counts() {
    const ME: &str = r#"{"ip":"10.1.2.3","port":80,"weight":1.0,"healthy":true,"enabled":true,"metadata":{"ip":"10.9.9.9","port":"80"}}"#;
    for (hosts, this, others) in [
        (ME.to_owned(), true, false),
        (String::new(), false, false),
        (r#"{"ip":"10.1.2.30","port":80}"#.to_owned(), false, true),
        // 1.x has some of an instance behind its metadata.
        (
            format!(
                r#"{ME},{{"ip":"10.1.2.4","port":80,"metadata":{{}},"enabled":true,"weight":0.5}}"#
            ),
            true,
            true,
        ),
        (
            format!(r#"{ME},{{"ip":"10.1.2.4","port":80,"metadata":{{}},"weight":0.0}}"#),
            true,
            false,
        ),
        (
            format!(r#"{ME},{{"ip":"10.1.2.4","port":80,"healthy":false}}"#),
            true,
            false,
        ),
        (
            format!(r#"{ME},{{"ip":"10.1.2.4","port":80,"enabled":false}}"#),
            true,
            false,
        ),
        // Another container of this pod, or of the node's network.
        (
            format!(r#"{ME},{{"ip":"10.1.2.3","port":81,"healthy":true}}"#),
            true,
            true,
        ),
        (ME.replace("true", "false"), false, false),
    ] {
        let body = format!(r#"{{"name":"x","hosts":[{hosts}]}}"#);
        let (found, asked) = listed(&NACOS, move |_| answer(200, &body));
        assert_eq!(found, Ok((this, others)), "{hosts}");
        assert_eq!(
            asked,
            [
                "GET n:8848/nacos/v1/ns/instance/list?serviceName=DEFAULT_GROUP%40%40a%20b&namespaceId=public"
            ]
        );
    }
    // With its protection threshold reached, the list has the dead as healthy, too.
    let other = ME.replace("10.1.2.3", "10.1.2.4");
    for (reached, others) in [(true, false), (false, true)] {
        let body = format!(
            r#"{{"hosts":[{ME},{other}],"reachProtectionThreshold":{reached},"valid":true}}"#
        );
        let (found, _) = listed(&NACOS, move |_| answer(200, &body));
        assert_eq!(found, Ok((true, others)));
    }
    let (found, asked) = listed(&NACOS, |asked| {
        if asked.target.contains("/v1/") {
            return answer(410, "gone");
        }
        answer(200, &format!(r#"{{"code":0,"data":[{ME}]}}"#))
    });
    assert_eq!(found, Ok((true, false)));
    assert_eq!(
        asked[1],
        "GET n:8848/nacos/v3/client/ns/instance/list?serviceName=a%20b&groupName=DEFAULT_GROUP&namespaceId=public"
    );
}

#[test]
fn of_eureka_only_what_is_up_counts() {
    let instance = |id: &str, ip: &str, port: u16, status: &str| {
        format!(
            r#"{{"instanceId":"{id}","ipAddr":"{ip}","status":"{status}","overriddenStatus":"UP","port":{{"$":{port},"@enabled":"true"}}}}"#
        )
    };
    let me = instance("web-1:shop:80", "10.1.2.3", 80, "UP");
    for (list, this, others) in [
        (me.clone(), true, false),
        // By its address, where its id is another.
        (instance("x", "10.1.2.3", 80, "UP"), true, false),
        (instance("x", "10.1.2.3", 81, "UP"), false, true),
        (
            instance("web-1:shop:80", "10.1.2.3", 80, "STARTING"),
            false,
            false,
        ),
        (
            format!("{me},{}", instance("y", "10.1.2.4", 80, "UP")),
            true,
            true,
        ),
        (
            format!("{},{me}", instance("y", "10.1.2.4", 80, "DOWN")),
            true,
            false,
        ),
        (
            format!("{me},{}", instance("y", "10.1.2.4", 80, "OUT_OF_SERVICE")),
            true,
            false,
        ),
    ] {
        let body = format!(r#"{{"application":{{"name":"SHOP","instance":[{list}]}}}}"#);
        let (found, asked) = listed(&EUREKA, move |_| answer(200, &body));
        assert_eq!(found, Ok((this, others)), "{list}");
        assert_eq!(asked, ["GET e:8761/eureka/apps/shop"]);
    }
    let (found, _) = listed(&EUREKA, |_| answer(404, ""));
    assert_eq!(found, Ok((false, false)));
}

#[test]
fn of_consul_the_agent_tells_the_name_and_its_list_what_passes() {
    let entry = |id: &str| {
        format!(
            r#"{{"Node":{{"ID":"u-1","Node":"n","Meta":{{"ID":"a","Service":"b"}}}},"Service":{{"ID":"{id}","Service":"web shop","Port":80,"Weights":{{"Passing":1}}}},"Checks":[{{"ServiceID":"{id}","ServiceName":"web shop"}}]}}"#
        )
    };
    for (list, this, others) in [
        ("[]".to_owned(), false, false),
        (format!("[{}]", entry("web-7")), true, false),
        (
            format!("[{},{}]", entry("web-7"), entry("web-8")),
            true,
            true,
        ),
        (format!("[{}]", entry("web-8")), false, true),
        // An id is the agent's own.
        (
            format!("[{},{}]", entry("web-7"), entry("web-7")),
            true,
            true,
        ),
    ] {
        let body = list.clone();
        let (found, asked) = listed(&CONSUL, move |asked| {
            if asked.target.contains("/health/") {
                return answer(200, &body);
            }
            answer(
                200,
                r#"{"Kind": "", "ID": "web-7", "Service": "web shop", "Meta": {"ID": "x"}, "Port": 80}"#,
            )
        });
        assert_eq!(found, Ok((this, others)), "{list}");
        assert_eq!(
            asked,
            [
                "GET 10.0.0.9:8500/v1/agent/service/web-10.1.2.3",
                "GET 10.0.0.9:8500/v1/health/service/web%20shop?passing"
            ]
        );
    }
    // A token that may not read nodes gets a list without them.
    let (found, _) = listed(&CONSUL, |asked| {
        if asked.target.contains("/health/") {
            return answer(200, "filtered:[]");
        }
        answer(200, r#"{"ID":"web-7","Service":"web","Port":80}"#)
    });
    let why =
        "http://10.0.0.9:8500/v1 hides nodes from this token, which needs the right to read them";
    assert_eq!(found, Err(why.to_owned()));
    let (found, _) = listed(&CONSUL, |_| answer(404, "Unknown service ID"));
    assert_eq!(found, Ok((false, false)));
}

#[test]
fn what_is_no_list_is_not_believed() {
    for (vars, name) in [
        (&NACOS[..], "nacos"),
        (&EUREKA, "eureka"),
        (&CONSUL, "consul"),
    ] {
        for (status, body) in [
            (200, "ok"),
            (200, "{\"hosts\":["),
            // The page of an error, a proxy's or another server's.
            (200, "{}"),
            (200, r#"{"hosts":null}"#),
            (200, r#"{"code":500,"message":"server error","data":null}"#),
            (200, r#"{"status":"UP"}"#),
            (500, "[]"),
            (403, "{}"),
            (404, "<html>"),
        ] {
            // Eureka says no more of an app that it does not have.
            if (name, status) == ("eureka", 404) {
                continue;
            }
            let (found, _) = listed(vars, move |_| answer(status, body));
            assert!(found.is_err(), "{name} {status} {body}: {found:?}");
        }
        let (found, _) = listed(vars, |_| None);
        assert!(found.is_err(), "{name}");
    }
}

fn hosts(hosts: &[&str]) -> Option<(u16, String)> {
    answer(200, &format!(r#"{{"hosts":[{}]}}"#, hosts.join(",")))
}

/// Waits for another one, at most 7 s, where each answer takes so many milliseconds: what was said, how often the list was read, and
/// how long that took in all.
fn run_slowly(
    millis: u64,
    more: &[(&str, &str)],
    answers: fn(u32) -> Option<(u16, String)>,
) -> (Vec<String>, usize, u64) {
    let mut vars = NACOS.to_vec();
    vars.extend(more);
    let reads = Cell::new(0);
    let mut registry = Registry::new(&vars, move |_| {
        reads.set(reads.get() + 1);
        answers(reads.get())
    });
    registry.takes = millis;
    let settings = Settings(&registry);
    await_other(&registry, find(b"nacos", settings), 7, &Answered::default());
    let took = crate::World::now(&registry);
    (registry.said(), registry.asked().len(), took)
}

#[test]
fn a_slow_node_keeps_the_time_that_it_needs_to_deregister() {
    // Answers of 300 ms leave it as it is; from 1.5 s on there is none.
    for (millis, most) in [
        (0, 7000),
        (300, 7000),
        (600, 6000),
        (1000, 4000),
        (1500, 1500),
    ] {
        let (said, _, took) =
            run_slowly(millis, &[], |_| hosts(&[r#"{"ip":"10.1.2.3","port":80}"#]));
        assert!(took <= most, "{millis}: {took}");
        assert!(
            said[0].contains("is the last usable instance, "),
            "{said:?}"
        );
        // Five calls and a second, of ten.
        assert!(10_000 - took >= 5 * millis + 1000, "{millis}: {took}");
    }
}

#[test]
fn the_last_one_waits_for_another_one_and_then_leaves_all_the_same() {
    const ME: &str = r#"{"ip":"10.1.2.3","port":80}"#;
    const OTHER: &str = r#"{"ip":"10.1.2.4","port":80}"#;
    let last = "nacos: 10.1.2.3:80 of a b is the last usable instance, waiting at most 7 s for another one";
    let run = |more: &[(&str, &str)], answers: fn(u32) -> Option<(u16, String)>| {
        let (said, reads, _) = run_slowly(0, more, answers);
        (said, reads)
    };
    // Another one is there.
    assert_eq!(run(&[], |_| hosts(&[ME, OTHER])), (vec![], 1));
    // It is not in the list itself.
    assert_eq!(run(&[], |_| hosts(&[])), (vec![], 1));
    // Nothing can be read: leaving goes on as ever, and that is said.
    let unread = |(said, reads): (Vec<String>, usize)| {
        let why = "nacos: whether this is the last instance cannot be read: ";
        assert!(
            matches!(&said[..], [line] if line.starts_with(why)),
            "{said:?}"
        );
        assert_eq!(reads, 1);
    };
    unread(run(&[], |_| answer(503, "")));
    unread(run(&[], |_| None));
    // Asked not to.
    let leave = [("SILKROLL_LAST_INSTANCE", "leave")];
    assert_eq!(run(&leave, |_| hosts(&[ME])), (vec![], 0));
    // One comes, and a read that fails meanwhile changes nothing.
    let (said, reads) = run(&[], |read| match read {
        2 => answer(500, ""),
        ..4 => hosts(&[ME]),
        _ => hosts(&[ME, OTHER]),
    });
    assert_eq!(said, [last, "nacos: another instance is listed in 3.0 s"]);
    assert_eq!(reads, 4);
    // Nothing is left to keep.
    let (said, _) = run(&[], |read| if read < 3 { hosts(&[ME]) } else { hosts(&[]) });
    assert_eq!(said, [last]);
    // None comes.
    let (said, reads) = run(&[], |_| hosts(&[ME]));
    assert_eq!(
        said,
        [
            last,
            "nacos: no other instance was seen within 7 s, leaving all the same"
        ]
    );
    assert_eq!(reads, 7);
}

#[test]
fn what_deregistering_needs_is_not_waited() {
    for (limit, spent, waits) in [
        (0, 0, 0),
        (5, 0, 0),
        (6, 0, 3),
        (6, 1, 0),
        (10, 0, 7),
        (10, 1, 6),
        (300, 0, 297),
    ] {
        assert_eq!(patience(limit, spent), waits, "{limit} {spent}");
    }
}

#[test]
fn a_container_counts_as_started_where_it_cannot_be_looked_for() {
    let none = [("SILKROLL_METHOD", "none")];
    let spring = [("SILKROLL_METHOD", "spring")];
    let unwanted = [("SILKROLL_METHOD", "nacos"), ("SILKROLL_IF_ENV", "A")];
    let bound = [
        ("SILKROLL_METHOD", "nacos"),
        ("SILKROLL_READY_SECONDS", "30"),
    ];
    for (vars, age, looks, said) in [
        (&none[..], Some(1), false, ""),
        (&spring, Some(1), false, ""),
        (&unwanted, Some(1), false, ""),
        (&bound, Some(29), true, ""),
        (
            &bound,
            Some(30),
            false,
            "nacos: ready: this pod was not listed within 30 s",
        ),
        (
            &bound,
            None,
            false,
            "nacos: ready: without /proc nothing tells how long this container waits",
        ),
        (&NACOS, Some(119), true, ""),
        (
            &NACOS,
            Some(120),
            false,
            "nacos: ready: this pod was not listed within 120 s",
        ),
    ] {
        let registry = Registry::new(vars, |_| None);
        assert_eq!(unless_ready(&registry, age).is_some(), looks, "{vars:?}");
        assert_eq!(registry.said().concat(), said);
    }
}

#[test]
fn a_container_has_started_once_it_is_listed_or_the_list_cannot_be_read() {
    let list = |body: &str| answer(200, body);
    for (answers, passes, said) in [
        (
            list(r#"{"hosts":[{"ip":"10.1.2.3","port":80}]}"#),
            true,
            "nacos: ready: 10.1.2.3:80 of a b is listed",
        ),
        (
            list(r#"{"hosts":[{"ip":"10.1.2.4","port":80}]}"#),
            false,
            "",
        ),
        (list(r#"{"hosts":[]}"#), false, ""),
        (
            list("garbage"),
            true,
            "nacos: ready: the list cannot be read: http://n:8848/nacos answered 200 to the list with something else or a part",
        ),
        (
            answer(503, ""),
            true,
            "nacos: ready: the list cannot be read: http://n:8848/nacos answered 503 to the list",
        ),
        (
            answer(403, ""),
            true,
            "nacos: ready: the list cannot be read: http://n:8848/nacos answered 403 to the list",
        ),
        (
            None,
            true,
            "nacos: ready: the list cannot be read: no answer from http://n:8848/nacos to GET /v1/ns/instance/list",
        ),
    ] {
        let registry = Registry::new(&NACOS, move |_| answers.clone());
        let settings = Settings(&registry);
        let passed = find_self(&registry, find(b"nacos", settings), 4);
        assert_eq!((passed, &*registry.said().concat()), (passes, said));
    }
    // A registry that is away for a moment is asked again.
    let reads = Cell::new(0);
    let registry = Registry::new(&NACOS, move |_| {
        reads.set(reads.get() + 1);
        if reads.get() < 3 {
            answer(502, "")
        } else {
            answer(200, r#"{"hosts":[]}"#)
        }
    });
    let settings = Settings(&registry);
    assert!(!find_self(&registry, find(b"nacos", settings), 4));
}
