//! From annotations to what a pod gets to leave with: settings, hooks, volume and grace period, for
//! each method of deregistering and for both kinds of hook.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::deregister::{Helper, Script};
use silkroll::engine::{Decision, Outcome, Reason, Settings};
use support::{create, deployment, opted_in};

/// A method, its settings, the hook's settings that come of them, its budget and whether it comes back.
struct Case {
    annotations: &'static [(&'static str, &'static str)],
    env: &'static [(&'static str, &'static str)],
    leave: i64,
    drain: i64,
    comes_back: bool,
}

/// `SECRET name key` and `FIELD path` stand for references.
const CASES: &[Case] = &[
    Case {
        annotations: &[
            ("deregister", "nacos"),
            ("nacos-server", "http://a:8848, http://b:8848/nacos"),
            ("nacos-credentials-secret", "login"),
        ],
        env: &[
            ("SILKROLL_NACOS_SERVER", "http://a:8848,http://b:8848/nacos"),
            ("SILKROLL_NACOS_SERVICE", "web"),
            ("SILKROLL_NACOS_PORT", "8080"),
            ("SILKROLL_NACOS_USERNAME", "SECRET login username"),
            ("SILKROLL_NACOS_PASSWORD", "SECRET login password"),
        ],
        leave: 10,
        drain: 40,
        comes_back: true,
    },
    Case {
        annotations: &[
            ("deregister", "eureka"),
            ("eureka-server", "http://eureka:8761/eureka"),
        ],
        env: &[
            ("SILKROLL_EUREKA_SERVER", "http://eureka:8761/eureka"),
            ("SILKROLL_EUREKA_APP", "web"),
            ("SILKROLL_EUREKA_INSTANCE", "{podname}:web:8080"),
            ("SILKROLL_EUREKA_PORT", "8080"),
        ],
        leave: 10,
        drain: 95,
        comes_back: true,
    },
    Case {
        annotations: &[
            ("deregister", "eureka"),
            ("eureka-server", "http://eureka:8761"),
            ("eureka-app", "SHOP $(id)"),
            ("eureka-instance", "{podip}:{env:APP}:{port}"),
            ("eureka-credentials-secret", "login"),
        ],
        env: &[
            ("SILKROLL_EUREKA_SERVER", "http://eureka:8761"),
            // Doubled for the kubelet, which reads it as one.
            ("SILKROLL_EUREKA_APP", "SHOP $$(id)"),
            ("SILKROLL_EUREKA_INSTANCE", "{podip}:{env:APP}:8080"),
            ("SILKROLL_EUREKA_PORT", "8080"),
            ("SILKROLL_EUREKA_USERNAME", "SECRET login username"),
            ("SILKROLL_EUREKA_PASSWORD", "SECRET login password"),
        ],
        leave: 10,
        drain: 95,
        comes_back: true,
    },
    Case {
        annotations: &[
            ("deregister", "consul"),
            ("consul-service-id", "web-{port}-{podname}"),
            ("consul-token-secret", "acl"),
        ],
        env: &[
            (
                "SILKROLL_HTTP_URL",
                "http://{hostip}:8500/v1/agent/service/deregister/web-8080-{podname}",
            ),
            ("SILKROLL_HTTP_METHOD", "PUT"),
            ("SILKROLL_HTTP_DONE", "200"),
            ("SILKROLL_HTTP_ABSENT", "404 Unknown,404 unknown"),
            ("SILKROLL_HOST_IP", "FIELD status.hostIP"),
            ("SILKROLL_HTTP_TOKEN_HEADER", "X-Consul-Token:"),
            ("SILKROLL_HTTP_TOKEN", "SECRET acl token"),
        ],
        leave: 10,
        drain: 15,
        comes_back: false,
    },
    Case {
        annotations: &[
            ("deregister", "consul"),
            ("consul-agent", "http://consul:8500/"),
            ("consul-service-id", "web/$(id) {env:A}"),
        ],
        env: &[
            (
                "SILKROLL_HTTP_URL",
                "http://consul:8500/v1/agent/service/deregister/web%2F%24%28id%29%20{env:A}",
            ),
            ("SILKROLL_HTTP_METHOD", "PUT"),
            ("SILKROLL_HTTP_DONE", "200"),
            ("SILKROLL_HTTP_ABSENT", "404 Unknown,404 unknown"),
        ],
        leave: 10,
        drain: 15,
        comes_back: false,
    },
    Case {
        annotations: &[("deregister", "dubbo"), ("deregister-timeout-seconds", "4")],
        env: &[
            ("SILKROLL_HTTP_URL", "http://127.0.0.1:22222/offline"),
            ("SILKROLL_HTTP_METHOD", "GET"),
            ("SILKROLL_HTTP_DONE", "200"),
            ("SILKROLL_HTTP_ABSENT", "200 service not found"),
        ],
        leave: 4,
        drain: 10,
        comes_back: false,
    },
    Case {
        annotations: &[("deregister", "spring"), ("spring-port", "http")],
        env: &[
            (
                "SILKROLL_HTTP_URL",
                "http://127.0.0.1:8080/actuator/serviceregistry",
            ),
            ("SILKROLL_HTTP_BODY", r#"{"status":"DOWN"}"#),
            ("SILKROLL_HTTP_CONTENT_TYPE", "application/json"),
            ("SILKROLL_HTTP_DONE", "200,204"),
            (
                "SILKROLL_HTTP_START_URL",
                "http://127.0.0.1:8080/actuator/serviceregistry",
            ),
            ("SILKROLL_HTTP_START_BODY", r#"{"status":"UP"}"#),
            (
                "SILKROLL_HTTP_START_THEN",
                r#"{"status":"CANCEL_OVERRIDE"}"#,
            ),
            ("SILKROLL_HTTP_START_SECONDS", "300"),
        ],
        leave: 10,
        drain: 45,
        comes_back: true,
    },
    Case {
        annotations: &[
            ("deregister", "http"),
            ("http-url", "http://cms/off?host={podip}&port={port}"),
        ],
        env: &[("SILKROLL_HTTP_URL", "http://cms/off?host={podip}&port=8080")],
        leave: 10,
        drain: 30,
        comes_back: false,
    },
    Case {
        annotations: &[
            ("deregister", "http"),
            ("http-url", "http://cms:{port}/off"),
            ("http-method", "PUT"),
            ("http-body", r#"{"port":{port},"ip":"{podip}"}"#),
            ("http-content-type", "application/json"),
            ("http-headers-secret", "keys"),
            ("http-start-url", "http://cms/on/{port}"),
            ("http-start-method", "PATCH"),
            ("http-start-body", "{port}"),
        ],
        env: &[
            ("SILKROLL_HTTP_URL", "http://cms:8080/off"),
            ("SILKROLL_HTTP_METHOD", "PUT"),
            ("SILKROLL_HTTP_BODY", r#"{"port":8080,"ip":"{podip}"}"#),
            ("SILKROLL_HTTP_CONTENT_TYPE", "application/json"),
            ("SILKROLL_HTTP_START_URL", "http://cms/on/8080"),
            ("SILKROLL_HTTP_START_METHOD", "PATCH"),
            ("SILKROLL_HTTP_START_BODY", "8080"),
            ("SILKROLL_HTTP_HEADERS", "SECRET keys headers"),
        ],
        leave: 10,
        drain: 30,
        comes_back: true,
    },
    Case {
        annotations: &[
            ("deregister", "nginx"),
            ("deregister-timeout-seconds", "20"),
        ],
        env: &[("SILKROLL_WAIT_SECONDS", "20")],
        leave: 20,
        drain: 15,
        comes_back: false,
    },
    Case {
        annotations: &[
            ("deregister", "signal"),
            ("signal-name", "SIGTERM"),
            ("signal-process", "gunicorn"),
            ("signal-wait-seconds", "40"),
        ],
        env: &[
            ("SILKROLL_SIGNAL_NAME", "TERM"),
            ("SILKROLL_SIGNAL_PROCESS", "gunicorn"),
            ("SILKROLL_WAIT_SECONDS", "40"),
        ],
        leave: 40,
        drain: 15,
        comes_back: false,
    },
];

/// Name and value of the hook's settings, those that every method has left out.
fn settings_of(container: &Value) -> Vec<(String, String)> {
    let common = [
        "podip",
        "SILKROLL_METHOD",
        "SILKROLL_DRAIN_SECONDS",
        "SILKROLL_DEREGISTER_SECONDS",
        "SILKROLL_POD_NAME",
        "SILKROLL_POD_NAMESPACE",
        "SILKROLL_CONTAINER",
    ];
    let entries = container["env"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let from = &entry["valueFrom"];
            let value = match (&from["secretKeyRef"], &from["fieldRef"]) {
                (Value::Null, Value::Null) => entry["value"].as_str().unwrap().to_owned(),
                (secret, Value::Null) => {
                    assert_eq!(
                        secret["optional"], true,
                        "a missing Secret keeps no pod from starting"
                    );
                    format!(
                        "SECRET {} {}",
                        secret["name"].as_str().unwrap(),
                        secret["key"].as_str().unwrap()
                    )
                }
                (_, field) => format!("FIELD {}", field["fieldPath"].as_str().unwrap()),
            };
            (entry["name"].as_str().unwrap().to_owned(), value)
        })
        .filter(|(name, _)| !common.contains(&name.as_str()))
        .collect()
}

#[test]
fn each_way_of_leaving_gets_its_settings_its_hooks_and_its_time() {
    for case in CASES {
        for binary in [false, true] {
            let mut annotations = case.annotations.to_vec();
            if binary {
                annotations.extend([("hook", "binary"), ("hook-arch", "arm64")]);
            } else {
                annotations.push(("hook", "script"));
            }
            let place = format!("{annotations:?}");
            let (stored, decision) =
                create(&deployment(), &opted_in(&annotations), &Settings::default());
            assert_eq!(decision.outcome, Outcome::Injected, "{place}: {decision:?}");
            let pod = &stored["spec"]["template"]["spec"];
            let container = &pod["containers"][0];

            let expected: Vec<(String, String)> = case
                .env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(settings_of(container), expected, "{place}");
            assert_eq!(
                pod["terminationGracePeriodSeconds"],
                case.leave + case.drain + 30 + 5,
                "{place}"
            );
            let command = |hook: &str| container["lifecycle"][hook]["exec"]["command"].clone();
            let starts = case.comes_back;
            // By this a stop finds its own container's re-enabling.
            let name = json!({"name": "SILKROLL_CONTAINER", "value": "web"});
            assert_eq!(
                container["env"].as_array().unwrap().contains(&name),
                starts,
                "{place}"
            );
            assert_eq!(command("postStart").is_null(), !starts, "{place}");
            let volume = &pod["volumes"][0]["configMap"];
            if binary {
                assert_eq!(
                    command("preStop"),
                    json!(["/silkroll/hook", "stop"]),
                    "{place}"
                );
                if starts {
                    assert_eq!(
                        command("postStart"),
                        json!(["/silkroll/hook", "start"]),
                        "{place}"
                    );
                }
                assert_eq!(volume["name"], Helper::current().config_map, "{place}");
                assert_eq!(
                    volume["items"],
                    json!([{"key": "hook-arm64", "path": "hook"}]),
                    "{place}"
                );
                // A start hook without its program would kill the container again and again.
                assert_eq!(
                    volume["optional"].as_bool().unwrap_or(false),
                    !starts,
                    "{place}"
                );
                assert_eq!(decision.warnings, Vec::<String>::new(), "{place}");
            } else {
                assert_eq!(command("preStop")[0], "/bin/sh", "{place}");
                assert_eq!(volume["name"], Script::current().config_map, "{place}");
                assert_eq!(volume["optional"], true, "{place}");
            }
            assert_eq!(volume["defaultMode"], 0o555, "{place}");
            assert_eq!(decision.helper, binary, "{place}");
        }
    }
}

fn decided(annotations: &[(&str, &str)], edit: impl FnOnce(&mut Value)) -> Decision {
    let mut manifest = deployment();
    edit(&mut manifest["spec"]["template"]["spec"]);
    create(&manifest, &opted_in(annotations), &Settings::default()).1
}

#[test]
fn what_a_method_lacks_is_named() {
    type Edit = fn(&mut Value);
    let as_it_is: Edit = |_| {};
    let no_port: Edit = |pod| pod["containers"][0]["ports"] = json!([]);
    for (annotations, edit, needed) in [
        (
            &[("deregister", "eureka")][..],
            as_it_is,
            "silkroll.dev/eureka-server",
        ),
        (
            &[("deregister", "eureka"), ("eureka-server", "http://e:8761")],
            no_port,
            "set silkroll.dev/eureka-instance",
        ),
        (
            &[("deregister", "consul")],
            as_it_is,
            "silkroll.dev/consul-service-id",
        ),
        (
            &[("deregister", "consul"), ("consul-service-id", "a-{port}")],
            no_port,
            "silkroll.dev/consul-service-id: \"a-{port}\" on Namespace shop",
        ),
        (
            &[("deregister", "spring")],
            no_port,
            "silkroll.dev/spring-port",
        ),
        (
            &[("deregister", "spring"), ("spring-port", "admin")],
            as_it_is,
            "declares no TCP port of that name (declared: http 8080)",
        ),
        (
            &[("deregister", "signal"), ("signal-name", "QUIT")],
            as_it_is,
            "silkroll.dev/signal-process",
        ),
        (
            &[("deregister", "signal"), ("signal-process", "x")],
            as_it_is,
            "silkroll.dev/signal-name",
        ),
    ] {
        let decision = decided(annotations, edit);
        assert_eq!(
            decision.reason,
            Reason::InvalidAnnotation,
            "{annotations:?}"
        );
        assert!(
            decision
                .warnings
                .iter()
                .any(|warning| warning.contains(needed)),
            "{annotations:?}: {:?}",
            decision.warnings
        );
    }
}

#[test]
fn the_helper_is_chosen_by_the_architecture_of_the_nodes() {
    const NODES: &str = "kubernetes.io/arch";
    let calls = [("deregister", "dubbo"), ("hook", "binary")];
    let said = [
        ("deregister", "dubbo"),
        ("hook", "binary"),
        ("hook-arch", "amd64"),
    ];
    for (annotations, selector, key, warns) in [
        (&calls[..], json!({}), "hook-amd64", true),
        (&calls, json!({NODES: "arm64"}), "hook-arm64", false),
        (&calls, json!({NODES: "amd64"}), "hook-amd64", false),
        (&said, json!({}), "hook-amd64", false),
        // Where the pod goes is certain; the annotation is a default.
        (&said, json!({NODES: "arm64"}), "hook-arm64", false),
    ] {
        let decision = decided(annotations, |pod| pod["nodeSelector"] = selector.clone());
        assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
        assert!(decision.patch.unwrap().contains(key), "{selector}");
        assert_eq!(
            decision
                .warnings
                .iter()
                .any(|text| text.contains("silkroll.dev/hook-arch")),
            warns,
            "{selector}: {:?}",
            decision.warnings
        );
    }
    // What is said of all nodes does not hold for a pod that asks for several kinds.
    let decision = decided(&said, |pod| {
        pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] = json!([{"matchExpressions": [{"key": NODES, "operator": "In", "values": ["amd64", "arm64"]}]}]);
    });
    assert!(
        decision.warnings[0].contains("kubernetes.io/arch"),
        "{decision:?}"
    );
    let decision = decided(&calls, |pod| pod["nodeSelector"] = json!({NODES: "s390x"}));
    assert_eq!(decision.reason, Reason::InvalidAnnotation);
    assert!(
        decision.warnings[0].contains("s390x"),
        "{:?}",
        decision.warnings
    );
}

#[test]
fn what_ends_a_server_must_not_end_those_of_other_pods() {
    for method in [
        &[("deregister", "nginx")][..],
        &[
            ("deregister", "signal"),
            ("signal-name", "TERM"),
            ("signal-process", "web"),
        ],
    ] {
        let decision = decided(method, |pod| pod["hostPID"] = true.into());
        assert_eq!(decision.reason, Reason::InvalidAnnotation, "{method:?}");
        assert!(decision.warnings[0].contains("hostPID"), "{decision:?}");
        let decision = decided(method, |pod| pod["shareProcessNamespace"] = true.into());
        assert_eq!(decision.outcome, Outcome::Injected, "{method:?}");
        assert!(
            decision.warnings[0].contains("shareProcessNamespace"),
            "{decision:?}"
        );
    }
}

#[test]
fn the_helper_is_not_asked_to_speak_tls() {
    for annotations in [
        &[
            ("deregister", "nacos"),
            ("nacos-server", "http://a, https://b"),
        ][..],
        &[
            ("deregister", "eureka"),
            ("eureka-server", "https://e:8761"),
        ],
        &[
            ("deregister", "consul"),
            ("consul-agent", "https://{hostip}:8501"),
            ("consul-service-id", "x"),
        ],
        &[("deregister", "http"), ("http-url", "https://cms/off")],
        &[
            ("deregister", "http"),
            ("http-url", "http://cms/off"),
            ("http-start-url", "https://cms/on"),
        ],
    ] {
        let script = decided(annotations, |_| {});
        assert_eq!(
            script.outcome,
            Outcome::Injected,
            "{annotations:?}: {script:?}"
        );
        let mut binary = annotations.to_vec();
        binary.push(("hook", "binary"));
        let decision = decided(&binary, |_| {});
        assert_eq!(
            decision.reason,
            Reason::InvalidAnnotation,
            "{annotations:?}"
        );
        let said = &decision.warnings[0];
        assert!(
            said.contains("speaks no TLS") && said.contains("https"),
            "{said}"
        );
    }
    let own = decided(
        &[
            ("deregister", "dubbo"),
            ("hook", "binary"),
            ("hook-arch", "amd64"),
        ],
        |pod| {
            pod["containers"][0]["lifecycle"] =
                json!({"preStop": {"httpGet": {"port": 8080, "scheme": "HTTPS"}}});
        },
    );
    assert!(
        own.warnings[0].contains("speaks no TLS"),
        "{:?}",
        own.warnings
    );
}

#[test]
fn the_helper_runs_the_containers_own_hook_after_its_work() {
    for (own, words) in [
        (
            json!({"exec": {"command": ["/app/stop", "a b"]}}),
            json!(["exec", "/app/stop", "a b"]),
        ),
        (
            json!({"httpGet": {"port": "http", "path": "/bye"}}),
            json!(["http", "HTTP", "", "8080", "/bye"]),
        ),
        (json!({"sleep": {"seconds": 3}}), json!(["sleep", "3"])),
    ] {
        let mut manifest = deployment();
        manifest["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
            json!({"preStop": own});
        let namespace = opted_in(&[
            ("deregister", "dubbo"),
            ("hook", "binary"),
            ("hook-arch", "amd64"),
        ]);
        let (stored, _) = create(&manifest, &namespace, &Settings::default());
        let lifecycle = &stored["spec"]["template"]["spec"]["containers"][0]["lifecycle"];
        let mut command = vec![json!("/silkroll/hook"), json!("stop")];
        command.extend(words.as_array().unwrap().iter().cloned());
        assert_eq!(
            lifecycle["preStop"]["exec"]["command"],
            Value::Array(command)
        );
    }
}

#[test]
fn changing_from_one_hook_to_the_other_leaves_nothing_behind() {
    let nacos = [
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ];
    let with = |hook: &'static str| {
        let mut all = nacos.to_vec();
        all.extend([("hook", hook), ("hook-arch", "amd64")]);
        opted_in(&all)
    };
    for (first, second) in [("script", "binary"), ("binary", "script")] {
        let (stored, _) = create(&deployment(), &with(first), &Settings::default());
        let image = |object: &Value| {
            let mut object = object.clone();
            object["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
            object
        };
        let (after, _) = support::update(
            &image(&stored),
            &stored,
            &with(second),
            &Settings::default(),
        );
        let (fresh, _) = create(&image(&deployment()), &with(second), &Settings::default());
        assert_eq!(after, fresh, "{first} to {second}");
    }
}

#[test]
fn readiness_and_every_registry_take_the_same_port_for_the_main_one() {
    let ports = |list: &[(&str, u16)]| {
        let port = |(name, number): &(&str, u16)| json!({"name": name, "containerPort": number});
        Value::from(list.iter().map(port).collect::<Vec<_>>())
    };
    let apart = ports(&[("management", 8081), ("http", 8080)]);
    let open = ports(&[("http", 8080), ("grpc", 9090), ("metrics", 9100)]);
    let declared = "(http 8080, grpc 9090, metrics 9100)";
    for (annotations, setting, needed) in [
        (
            &[("deregister", "nacos"), ("nacos-server", "http://n:8848")][..],
            ("SILKROLL_NACOS_PORT", "8080"),
            "set silkroll.dev/nacos-port",
        ),
        (
            &[("deregister", "eureka"), ("eureka-server", "http://e:8761")],
            ("SILKROLL_EUREKA_INSTANCE", "{podname}:web:8080"),
            "set silkroll.dev/eureka-instance",
        ),
        (
            &[
                ("deregister", "consul"),
                ("consul-service-id", "web-{port}"),
            ],
            (
                "SILKROLL_HTTP_URL",
                "http://{hostip}:8500/v1/agent/service/deregister/web-8080",
            ),
            "silkroll.dev/consul-service-id: \"web-{port}\"",
        ),
        (
            &[("deregister", "http"), ("http-url", "http://a/?p={port}")],
            ("SILKROLL_HTTP_URL", "http://a/?p=8080"),
            "write the number",
        ),
        // The actuator has the port that is named for it.
        (
            &[("deregister", "spring")],
            (
                "SILKROLL_HTTP_URL",
                "http://127.0.0.1:8081/actuator/serviceregistry",
            ),
            "set silkroll.dev/spring-port",
        ),
    ] {
        let mut manifest = deployment();
        let container =
            |object: &Value| object["spec"]["template"]["spec"]["containers"][0].clone();
        manifest["spec"]["template"]["spec"]["containers"][0]["ports"] = apart.clone();
        let (stored, decision) = create(&manifest, &opted_in(annotations), &Settings::default());
        let stored = container(&stored);
        assert_eq!(
            stored["readinessProbe"]["tcpSocket"]["port"], 8080,
            "{decision:?}"
        );
        let entry = json!({"name": setting.0, "value": setting.1});
        assert!(
            stored["env"].as_array().unwrap().contains(&entry),
            "{decision:?}"
        );
        // Where it stays open, what to set and what there is to choose from.
        let decision = decided(annotations, |pod| {
            pod["containers"][0]["ports"] = open.clone();
        });
        assert_eq!(decision.patch, None, "{annotations:?}");
        let told = decision.warnings.concat();
        assert!(told.contains(needed) && told.contains(declared), "{told}");
    }
    let decision = decided(&[], |pod| pod["containers"][0]["ports"] = open.clone());
    assert_eq!(decision.outcome, Outcome::Injected);
    let says = format!(
        "no readiness probe was added, it declares 3 TCP ports {declared}; set silkroll.dev/readiness"
    );
    assert!(
        decision.warnings.concat().contains(&says),
        "{:?}",
        decision.warnings
    );
}
