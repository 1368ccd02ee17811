//! Values that should reach nothing but a message, and namespaces that hold them.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use serde_json::{Value, json};

/// What is no number of seconds, each with the words that its message must show it in.
pub(crate) fn seconds() -> Vec<(String, &'static str)> {
    let mut values: Vec<_> = [
        ("", r#""""#),
        ("-1", r#""-1""#),
        ("1.5", r#""1.5""#),
        ("1e9", r#""1e9""#),
        ("10s", r#""10s""#),
        ("0x10", r#""0x10""#),
        ("010", r#""010""#),
        ("99999999999999999999", r#""99999999999999999999""#),
        ("３０", r#""３０""#),
        ("$(id)", r#""$(id)""#),
        ("`id`", r#""`id`""#),
        ("\"15\"", r#""\"15\"""#),
        ("'15'", r#""'15'""#),
        ("15\n", r#""15\n""#),
        ("1\r\n5", r#""1\r\n5""#),
        ("15\0", r#""15\u{0}""#),
        ("\u{202e}51", r#""\u{202e}51""#),
        ("\u{1b}[31m15", r#""\u{1b}[31m15""#),
    ]
    .into_iter()
    .map(|(value, shown)| (value.to_owned(), shown))
    .collect();
    values.push((
        "9".repeat(300 * 1024),
        "99999\" (and 307140 characters more)",
    ));
    values
}

/// Namespaces: `shop` has opted in, `registry` leaves Nacos, and `bad-0`, `bad-1` and so on have
/// opted in with the hostile values in their order.
pub(crate) fn namespaces() -> Value {
    let namespace = |name: &str, annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "annotations": annotations}
        })
    };
    let mut all = vec![
        namespace("default", json!({})),
        namespace("shop", json!({"silkroll.dev/inject": "enabled"})),
        namespace("asked", json!({"silkroll.dev/inject": "on-request"})),
        namespace("closed", json!({"silkroll.dev/inject": "disabled"})),
        namespace(
            "registry",
            json!({
                "silkroll.dev/inject": "enabled",
                "silkroll.dev/deregister": "nacos",
                "silkroll.dev/nacos-server": "http://nacos:8848",
                "silkroll.dev/hook": "script"
            }),
        ),
        namespace("typo", json!({"silkroll.dev/inject": "enabeld"})),
    ];
    for (at, (value, _)) in seconds().into_iter().enumerate() {
        all.push(namespace(
            &format!("bad-{at}"),
            json!({"silkroll.dev/inject": "enabled", "silkroll.dev/drain-seconds": value}),
        ));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": all})
}
