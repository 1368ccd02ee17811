//! What stands in the pod already.

use serde_json::{Value, json};

use crate::ask::{check_all, container, injected, left_alone, object, pod, server};

#[test]
fn what_the_user_wrote_stays_and_trouble_with_it_is_said() {
    let hook =
        |hook: Value| container(|container| container["lifecycle"] = json!({"preStop": hook}));
    let env = |env: Value| container(|container| container["env"] = env);
    let grace = |grace: Value| pod(|pod| pod["terminationGracePeriodSeconds"] = grace);
    let in_registry = |mut review: Value| {
        review["request"]["namespace"] = "registry".into();
        review["request"]["object"]["metadata"]["annotations"]["silkroll.dev/start-hook"] =
            "none".into();
        review
    };
    let bad_grace = |says| left_alone("bad-grace-period", says);
    let unchained = "no preStop hook was injected, the one there cannot be chained";
    check_all(
        &server(),
        vec![
            (
                "a readiness probe",
                container(|container| {
                    container["readinessProbe"] = json!({"tcpSocket": {"port": 1}});
                }),
                injected(""),
            ),
            (
                "an empty readiness probe",
                container(|container| container["readinessProbe"] = json!({})),
                injected(""),
            ),
            (
                "preStop exec through a shell",
                {
                    let mut review = hook(
                        json!({"exec": {"command": ["/bin/sh", "-c", "echo \"$x\" `id` $(id)"]}}),
                    );
                    review["request"]["object"]["metadata"]["annotations"]["silkroll.dev/existing-pre-stop-seconds"] =
                        "5".into();
                    review
                },
                injected(""),
            ),
            (
                "preStop exec of a kind unknown",
                hook(json!({"exec": {"command": "stop"}})),
                injected(unchained),
            ),
            (
                "preStop exec without a command",
                hook(json!({"exec": {}})),
                injected(unchained),
            ),
            (
                "preStop httpGet to a port by name that does not exist",
                hook(json!({"httpGet": {"port": "nowhere"}})),
                injected(unchained),
            ),
            (
                "preStop httpGet to port 0",
                hook(json!({"httpGet": {"port": 0}})),
                injected(unchained),
            ),
            (
                "preStop sleep",
                hook(json!({"sleep": {"seconds": 3}})),
                injected(""),
            ),
            (
                "preStop sleep, negative",
                hook(json!({"sleep": {"seconds": -3}})),
                injected(unchained),
            ),
            (
                "preStop sleep, endless",
                hook(json!({"sleep": {"seconds": 4_000_000_000_u64}})),
                injected(unchained),
            ),
            (
                "preStop of an action unknown",
                hook(json!({"future\u{202e}\n": {}})),
                injected(r#"its action is "future\u{202e}\n""#),
            ),
            (
                "preStop with two actions",
                hook(json!({"exec": {"command": ["a"]}, "sleep": {"seconds": 1}})),
                injected("more than one action"),
            ),
            (
                "an empty preStop",
                hook(json!({})),
                injected("its own preStop has no action, which the API refuses"),
            ),
            ("preStop is a text", hook("x".into()), injected("")),
            (
                "podip from another source",
                env(
                    json!([{"name": "podip", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]),
                ),
                injected(""),
            ),
            (
                "podip twice",
                env(json!([{"name": "podip", "value": "a"}, {"name": "podip", "value": "b"}])),
                injected(""),
            ),
            (
                "one name twice",
                env(json!([{"name": "A", "value": "a"}, {"name": "A", "value": "b"}])),
                injected(""),
            ),
            (
                "env of anything",
                env(json!([null, 1, "podip", ["podip"], {"name": 1}, {}])),
                injected(""),
            ),
            (
                "a variable of ours",
                in_registry(env(json!([{"name": "SILKROLL_NACOS_PORT", "value": "1"}]))),
                injected("its own variable SILKROLL_NACOS_PORT stays"),
            ),
            (
                "a volume of our name, no script needed",
                pod(|pod| pod["volumes"] = json!([{"name": "silkroll", "emptyDir": {}}])),
                injected(""),
            ),
            (
                "a volume of our name",
                in_registry(pod(|pod| {
                    pod["volumes"] = json!([{"name": "silkroll", "emptyDir": {}}]);
                })),
                left_alone("name-taken", "a volume named silkroll of its own"),
            ),
            (
                "volumes of anything",
                in_registry(pod(|pod| {
                    pod["volumes"] =
                        json!([null, 1, "silkroll", ["silkroll"], {"name": ["silkroll"]}]);
                })),
                injected(""),
            ),
            (
                "our mount path",
                in_registry(container(|container| {
                    container["volumeMounts"] = json!([{"name": "x", "mountPath": "/silkroll"}]);
                })),
                left_alone("name-taken", "mounts something of its own at /silkroll"),
            ),
            (
                "our mount path with a slash",
                in_registry(container(|container| {
                    container["volumeMounts"] = json!([{"name": "x", "mountPath": "/silkroll//"}]);
                })),
                left_alone("name-taken", "mounts something of its own at /silkroll"),
            ),
            (
                "a mount below ours",
                in_registry(container(|container| {
                    container["volumeMounts"] =
                        json!([{"name": "x", "mountPath": "/silkroll/data"}]);
                })),
                left_alone("name-taken", "/silkroll"),
            ),
            (
                "a mount that begins like ours",
                in_registry(container(|container| {
                    container["volumeMounts"] = json!([{"name": "x", "mountPath": "/silkroll2"}]);
                })),
                injected(""),
            ),
            ("grace 0", grace(0.into()), injected("")),
            ("null grace", grace(Value::Null), injected("")),
            (
                "a negative grace",
                grace((-1).into()),
                bad_grace("terminationGracePeriodSeconds is -1"),
            ),
            (
                "a grace of 32 bits and more",
                grace(2_147_483_648_u64.into()),
                bad_grace("is 2147483648"),
            ),
            (
                "a grace of 63 bits",
                grace(i64::MAX.into()),
                bad_grace("is 9223372036854775807"),
            ),
            (
                "a grace of 68 years",
                grace(i32::MAX.into()),
                injected("the cluster autoscaler cuts it"),
            ),
            (
                "a grace that is a text",
                grace("30".into()),
                bad_grace("is \"30\""),
            ),
            (
                "a grace that is a fraction",
                grace(json!(1.5)),
                bad_grace("is 1.5"),
            ),
            (
                "a grace that is a bool",
                grace(true.into()),
                bad_grace("is true"),
            ),
            (
                "a grace that is a text of bidi marks",
                grace("\u{202e}03".into()),
                bad_grace("terminationGracePeriodSeconds is"),
            ),
            (
                "a forged record: left alone",
                object(|object| {
                    object["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"] =
                        "{\"format\":1,\"grace\":\u{202e}".into();
                }),
                left_alone("bad-record", "cannot be read"),
            ),
        ],
    );
}
