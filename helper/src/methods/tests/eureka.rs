//! The `eureka` way.

use super::*;

const VARS: [(&str, &str); 5] = [
    ("SILKROLL_METHOD", "eureka"),
    ("SILKROLL_EUREKA_SERVER", "http://dead,http://e:8761"),
    ("SILKROLL_EUREKA_APP", "CART"),
    ("SILKROLL_EUREKA_INSTANCE", "{podname}:cart:80"),
    ("SILKROLL_POD_NAME", "p"),
];
const LIST: &str = r#"{"application":{"name":"CART","instance":[
    {"instanceId":"x:1","ipAddr":"10.1.2.3","port":{"$":80,"@enabled":"true"}},
    {"instanceId":"y:2","ipAddr":"10.1.2.3","port":{"$":81,"@enabled":"true"},"overriddenstatus":"OUT_OF_SERVICE"},
    {"instanceId":"z:3","ipAddr":"10.1.2.9","port":{"$":80,"@enabled":"true"}}]}}"#;

fn server(known: &'static str, page: &'static str) -> impl Fn(&Asked) -> Option<(u16, String)> {
    move |asked| {
        assert!(asked.text.contains("\r\nAccept: application/json\r\n"));
        assert!(!asked.text.contains("*/*"));
        if asked.host == "dead:80" {
            return None;
        }
        match asked.target.strip_prefix("/eureka/apps/CART") {
            Some("") => answer(200, LIST),
            Some(path) if path.split('/').nth(1) == Some(known) => answer(200, page),
            _ => answer(404, ""),
        }
    }
}

#[test]
fn an_instance_of_the_default_name_is_overridden() {
    let mut vars = VARS.to_vec();
    vars.extend([
        ("SILKROLL_EUREKA_USERNAME", "foo"),
        ("SILKROLL_EUREKA_PASSWORD", "bar"),
    ]);
    let answers = server("p%3Acart%3A80", "");
    let (done, asked, said) = run(Direction::Deregister, &vars, move |asked| {
        assert!(
            asked
                .text
                .contains("\r\nAuthorization: Basic Zm9vOmJhcg==\r\n")
        );
        answers(asked)
    });
    assert!(done);
    assert_eq!(
        asked[1],
        "PUT e:8761/eureka/apps/CART/p%3Acart%3A80/status?value=OUT_OF_SERVICE"
    );
    assert_eq!(
        said,
        ["eureka: left as p:cart:80 of CART (http://e:8761/eureka) in 3.0 s"]
    );
}

#[test]
fn one_of_another_name_is_found_by_its_address() {
    let mut vars = VARS.to_vec();
    vars.push(("SILKROLL_EUREKA_PORT", "81"));
    let (done, asked, said) = run(Direction::Deregister, &vars, server("y%3A2", ""));
    assert!(done && said[0].contains("left as y:2 of CART"), "{said:?}");
    assert!(
        asked
            .last()
            .unwrap()
            .contains("PUT e:8761/eureka/apps/CART/y%3A2/status")
    );

    let (done, asked, said) = run(Direction::Deregister, &VARS, server("y%3A2", ""));
    assert!(
        !done && said[0].contains("2 instances of CART are at 10.1.2.3"),
        "{said:?}"
    );
    assert!(
        asked
            .iter()
            .filter(|asked| asked.starts_with("PUT"))
            .all(|asked| asked.contains("/p%3A") || asked.contains("dead"))
    );

    vars.push(("SILKROLL_EUREKA_PORT", "9"));
    let (done, _, said) = run(Direction::Deregister, &vars, server("none", ""));
    assert!(
        done && said[0].contains("10.1.2.3:9 of CART is not registered"),
        "{said:?}"
    );
}

#[test]
fn only_an_override_is_taken_back() {
    for (page, words, deleted) in [
        (
            r#"{"instance":{"instanceId":"p","overriddenStatus":"OUT_OF_SERVICE"}}"#,
            "back as p:cart:80",
            true,
        ),
        (
            r#"{"instance":{"instanceId":"p","overriddenstatus":"OUT_OF_SERVICE"}}"#,
            "back as p:cart:80",
            true,
        ),
        (
            r#"{"instance":{"instanceId":"p","overriddenStatus":"UNKNOWN"}}"#,
            "is not switched off",
            false,
        ),
    ] {
        let (done, asked, said) = run(Direction::Reenable, &VARS, server("p%3Acart%3A80", page));
        assert!(done && said[0].contains(words), "{said:?}");
        let deletes: Vec<_> = asked
            .iter()
            .filter(|asked| asked.starts_with("DELETE"))
            .collect();
        assert_eq!(!deletes.is_empty(), deleted);
        assert!(deletes.iter().all(|asked| asked.ends_with("/status")));
    }
}
