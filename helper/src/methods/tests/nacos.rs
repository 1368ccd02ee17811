//! The `nacos` way.

use super::*;
use std::cell::Cell;

const VARS: [(&str, &str); 4] = [
    ("SILKROLL_METHOD", "nacos"),
    ("SILKROLL_NACOS_SERVER", "n:8848"),
    ("SILKROLL_NACOS_SERVICE", "a b"),
    ("SILKROLL_NACOS_PORT", "80"),
];

fn instance(enabled: bool) -> String {
    format!(
        r#"{{"ip":"10.1.2.3","port":80,"weight":2.5,"enabled":{enabled},"ephemeral":false,"metadata":{{"ip":"10.1.2.3","port":"80","enabled":"true"}}}}"#
    )
}

#[test]
fn an_instance_is_disabled_with_its_weight_and_read_back() {
    let reads = Cell::new(0);
    let (done, asked, said) = run(Direction::Deregister, &VARS, move |asked| {
        if asked.verb == "PUT" {
            return answer(200, "ok");
        }
        reads.set(reads.get() + 1);
        let other = r#"{"ip":"10.1.2.30","port":80,"enabled":true,"weight":9}"#;
        answer(
            200,
            &format!(
                r#"{{"list":[{other},{}],"count":2}}"#,
                instance(reads.get() < 3)
            ),
        )
    });
    assert!(done);
    let catalog = "GET n:8848/nacos/v1/ns/catalog/instances?serviceName=DEFAULT_GROUP%40%40a%20b&namespaceId=public&clusterName=DEFAULT&pageNo=1&pageSize=10000";
    let change = "PUT n:8848/nacos/v1/ns/instance?serviceName=a%20b&groupName=DEFAULT_GROUP&namespaceId=public&clusterName=DEFAULT&ip=10.1.2.3&port=80&enabled=false&weight=2.5&ephemeral=false";
    assert_eq!(asked, [catalog, change, catalog, catalog]);
    assert_eq!(
        said,
        ["nacos: left as 10.1.2.3:80 of a b (http://n:8848/nacos, v1) in 1.0 s"]
    );
}

#[test]
fn three_x_is_found_by_its_refusal_and_logged_into() {
    let mut vars = VARS.to_vec();
    vars.extend([
        ("SILKROLL_NACOS_USERNAME", "u"),
        ("SILKROLL_NACOS_PASSWORD", "p&w"),
    ]);
    let off = Cell::new(false);
    let (done, asked, said) = run(Direction::Deregister, &vars, move |asked| {
        if asked.target.contains("/v1/") {
            return answer(410, "gone");
        }
        if asked.target.ends_with("/login") {
            assert!(asked.text.ends_with("\r\n\r\nusername=u&password=p%26w"));
            return answer(200, r#"{"accessToken":"t.o-k","tokenTtl":1}"#);
        }
        assert!(asked.text.contains("\r\naccessToken: t.o-k\r\n"));
        if asked.verb == "PUT" {
            off.set(true);
            return answer(200, "ok");
        }
        answer(
            200,
            &format!(r#"{{"code":0,"data":{}}}"#, instance(!off.get())),
        )
    });
    assert!(done && said[0].contains("left as 10.1.2.3:80 of a b (http://n:8848/nacos, v3)"));
    let paths: Vec<_> = asked
        .iter()
        .map(|asked| {
            asked
                .split('?')
                .next()
                .unwrap()
                .replace(" n:8848/nacos", " ")
        })
        .collect();
    assert_eq!(
        paths,
        [
            "POST /v1/auth/login",
            "POST /v3/auth/user/login",
            "GET /v1/ns/catalog/instances",
            "GET /v3/admin/ns/instance",
            "PUT /v3/admin/ns/instance",
            "GET /v3/admin/ns/instance",
        ]
    );
}

#[test]
fn answers_are_judged() {
    let cases = [
        (
            404,
            "service x is not found!",
            true,
            "is not registered, nothing to switch off",
        ),
        (
            400,
            "service not found",
            true,
            "is not registered, nothing to switch off",
        ),
        (
            200,
            "{\"list\":[]}",
            true,
            "is not registered, nothing to switch off",
        ),
        (
            200,
            "ok",
            false,
            "answered 200 to the read with something else or a part",
        ),
        (
            200,
            "{\"list\":[",
            false,
            "answered 200 to the read with something else or a part",
        ),
        (
            404,
            "no such page",
            false,
            "not done: http://n:8848/nacos answered 404 to the read",
        ),
        (
            403,
            "no",
            false,
            "not done: http://n:8848/nacos answered 403 to the read",
        ),
        (302, "", false, "answered 302 to the read"),
        (204, "", false, "answered 204 to the read"),
        (500, "", false, "answered 500 to the read"),
    ];
    for (status, body, right, words) in cases {
        let (done, asked, said) = run(Direction::Deregister, &VARS, move |_| answer(status, body));
        assert_eq!(done, right, "{status} {body}");
        assert!(said[0].contains(words), "{said:?}");
        assert_eq!(
            asked.len() > 2,
            status == 500 || words.ends_with("part"),
            "{status}: {asked:?}"
        );
    }
    let (done, _, said) = run(Direction::Deregister, &VARS, |asked| {
        answer(
            200,
            &if asked.verb == "PUT" {
                "ok".to_owned()
            } else {
                instance(true)
            },
        )
    });
    assert!(
        !done && said[0].contains("answered 200 and still has enabled=true"),
        "{said:?}"
    );
}

#[test]
fn what_is_on_its_way_up_is_waited_for() {
    let tries = Cell::new(0);
    let (done, asked, _) = run(Direction::Reenable, &VARS, move |asked| {
        if asked.verb == "PUT" {
            assert!(asked.target.contains("&enabled=true&weight=2.5&"));
            tries.set(10);
            return answer(200, "ok");
        }
        tries.set(tries.get() + 1);
        match tries.get() {
            1 | 2 => answer(200, "{\"list\":[]}"),
            seen => answer(200, &instance(seen > 10)),
        }
    });
    assert!(done);
    assert_eq!(
        asked
            .iter()
            .filter(|asked| asked.starts_with("PUT"))
            .count(),
        1
    );
}
