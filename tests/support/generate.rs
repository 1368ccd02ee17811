//! Workloads and namespaces made up at random.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Pairs, pairs};

pub(crate) fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![2 => Just(None), 3 => value.prop_map(Some)].boxed()
}

fn unknown() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"future": [1, 2.5, "x<>&é", null, {"deep": true}]})),
        Just(json!(null)),
        Just(json!("a \"quoted\" \n text")),
        Just(json!([])),
        Just(json!({})),
    ]
}

fn hook() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"exec": {"command": ["/bin/sh", "-c", "echo `id` $(id) \"x\""]}})),
        Just(json!({"exec": {"command": ["/app/stop"]}})),
        Just(
            json!({"exec": {"command": ["curl", "-XPUT", "http://nacos:8848/nacos/v1/ns/instance?ip=1"]}})
        ),
        Just(json!({"exec": {}})),
        Just(
            json!({"httpGet": {"path": "/stop", "port": 8080, "scheme": "HTTP",
                                "httpHeaders": [{"name": "X-A", "value": "b"}]}})
        ),
        Just(json!({"httpGet": {"port": "web"}})),
        Just(json!({"httpGet": {"port": "nowhere"}})),
        Just(json!({"sleep": {"seconds": 7}})),
        Just(json!({"sleep": {"seconds": 15}})),
        Just(json!({"tcpSocket": {"port": 80}})),
        Just(json!({"exec": {"command": ["a"]}, "httpGet": {"port": 80}})),
        Just(json!({"future": {}})),
        Just(json!({})),
        Just(json!(null)),
    ]
}

fn lifecycle() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!({})),
        1 => Just(json!(null)),
        6 => (maybe(hook()), maybe(hook()), maybe(Just(json!("SIGUSR1")))).prop_map(|(pre, post, signal)| {
            object([("postStart", post), ("preStop", pre), ("stopSignal", signal)])
        }),
    ]
}

fn env() -> impl Strategy<Value = Value> {
    let entry = prop_oneof![
        Just(json!({"name": "A", "value": "$(podip)"})),
        Just(json!({"name": "A", "value": "$$(podip)"})),
        Just(json!({"name": "C", "value": "1"})),
        Just(json!({"name": "podip", "value": "192.0.2.1"})),
        Just(
            json!({"name": "podip", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}})
        ),
        Just(json!({"name": "podip", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}})),
        Just(json!({"name": "SILKROLL_DRAIN_SECONDS", "value": "1"})),
        Just(
            json!({"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}, "future": 1})
        ),
    ];
    prop_oneof![
        1 => Just(json!(null)),
        6 => prop::collection::vec(entry, 0..4).prop_map(Value::from),
    ]
}

pub(crate) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let ports = prop_oneof![
        Just(json!([])),
        Just(json!(null)),
        Just(json!([{"containerPort": 8080, "protocol": "TCP"}])),
        Just(json!([{"name": "web", "containerPort": 8080}])),
        Just(
            json!([{"name": "web", "containerPort": 8080}, {"name": "admin", "containerPort": 8081}])
        ),
        Just(
            json!([{"name": "web", "containerPort": 8080}, {"name": "grpc", "containerPort": 8081}])
        ),
        Just(
            json!([{"containerPort": 70000}, {"containerPort": 0}, {"containerPort": 53, "protocol": "UDP"}])
        ),
    ];
    let mounts = prop_oneof![
        Just(json!([])),
        Just(json!(null)),
        Just(json!([{"name": "data", "mountPath": "/data", "subPath": "x"}])),
        Just(json!([{"name": "data", "mountPath": "/silkroll/"}])),
        Just(json!([{"name": "silkroll", "mountPath": "/elsewhere"}])),
    ];
    let startup = prop_oneof![Just(json!(null)), Just(json!({"tcpSocket": {"port": 80}})),];
    let probe = prop_oneof![
        Just(json!(null)),
        Just(json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": 3})),
        Just(json!({})),
    ];
    (
        maybe(env()),
        maybe(ports),
        maybe(mounts),
        maybe(lifecycle()),
        maybe(probe),
        maybe(startup),
        maybe(Just(json!([{"configMapRef": {"name": "a"}}]))),
        maybe(unknown()),
    )
        .prop_map(
            move |(env, ports, mounts, lifecycle, probe, startup, from, future)| {
                object([
                    ("name", Some(name.into())),
                    ("image", Some("i:1".into())),
                    ("ports", ports),
                    ("envFrom", from),
                    ("env", env),
                    ("volumeMounts", mounts),
                    ("lifecycle", lifecycle),
                    ("readinessProbe", probe),
                    ("startupProbe", startup),
                    ("futureField", future),
                ])
            },
        )
}

fn grace() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(0)),
        Just(json!(30)),
        Just(json!(75)),
        Just(json!(-1)),
        Just(json!(i64::MAX)),
        Just(json!("30")),
        Just(json!(1.5)),
        Just(json!(null)),
    ]
}

fn template() -> impl Strategy<Value = Value> {
    let metadata = prop_oneof![
        Just(json!({"labels": {"app": "a"}})),
        Just(json!({"annotations": {}})),
        Just(json!({"annotations": null, "labels": {}})),
        Just(json!({"annotations": {"x": "y"}, "creationTimestamp": null})),
        Just(json!({"annotations": {"kubectl.kubernetes.io/default-container": "b"}})),
        Just(json!({"annotations": {"silkroll.dev/status": "{\"forged\":1}"}})),
        Just(json!({"annotations": {"silkroll.dev/drain-seconds": "3"}})),
        Just(json!({})),
        Just(json!(null)),
    ];
    let volumes = prop_oneof![
        Just(json!([])),
        Just(json!(null)),
        Just(json!([{"name": "data", "emptyDir": {}}])),
        Just(json!([{"name": "silkroll", "emptyDir": {}}])),
    ];
    (
        maybe(metadata),
        container("a"),
        maybe(container("b")),
        maybe(grace()),
        maybe(volumes),
        maybe(unknown()),
    )
        .prop_map(|(metadata, first, second, grace, volumes, future)| {
            let containers: Vec<Value> = [Some(first), second].into_iter().flatten().collect();
            let spec = object([
                ("containers", Some(containers.into())),
                ("terminationGracePeriodSeconds", grace),
                ("volumes", volumes),
                ("futureField", future),
            ]);
            object([("metadata", metadata), ("spec", Some(spec))])
        })
}

/// A Deployment with anything in it that Silkroll has to live with.
pub(crate) fn workload() -> impl Strategy<Value = Value> {
    let strategy = prop_oneof![
        Just(
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        ),
        Just(json!({"rollingUpdate": {"maxSurge": 0, "future": 1}})),
        Just(json!({"type": "Recreate"})),
        Just(json!({})),
    ];
    (
        template(),
        maybe(strategy),
        maybe((0..9i64).prop_map(Value::from)),
    )
        .prop_map(|(template, strategy, min_ready)| {
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": object([
                    ("replicas", Some(2.into())),
                    ("selector", Some(json!({"matchLabels": {"app": "web"}}))),
                    ("template", Some(template)),
                    ("strategy", strategy),
                    ("minReadySeconds", min_ready),
                ])
            })
        })
}

/// Settings of a namespace that has opted in.
pub(crate) fn namespace() -> impl Strategy<Value = Pairs> {
    let method = prop_oneof![
        Just(vec![]),
        Just(vec![
            ("deregister", "nacos"),
            ("nacos-server", "http://nacos:8848"),
            ("nacos-port", "8080")
        ]),
        Just(vec![
            ("deregister", "nacos"),
            ("nacos-server", "http://nacos:8848"),
            ("nacos-port", "8080"),
            ("ready-when", "registered"),
            ("hook", "script"),
        ]),
        Just(vec![
            ("deregister", "http"),
            ("http-url", "http://cms/off?ip={podip}"),
            ("http-body", "$(id) `id` $$ \" ' é {env:PORT}"),
            ("http-start-url", "http://cms/on"),
        ]),
        Just(vec![
            ("deregister", "eureka"),
            ("eureka-server", "http://a:8761, http://b:8761/eureka/v2"),
            ("eureka-instance", "{podname}:é$(id)"),
            ("eureka-credentials-secret", "eureka"),
        ]),
        Just(vec![
            ("deregister", "consul"),
            ("consul-service-id", "web-{podip}"),
            ("ready-when", "registered"),
            ("ready-when-seconds", "3600"),
        ]),
        Just(vec![("deregister", "spring"), ("spring-port", "8081")]),
        Just(vec![
            ("deregister", "signal"),
            ("signal-name", "SIGQUIT"),
            ("signal-process", "php-fpm"),
        ]),
        Just(vec![("deregister", "nginx"), ("nginx-wait-seconds", "60")]),
    ];
    let more = prop::sample::subsequence(
        vec![
            ("rollout", "surge"),
            ("min-ready-seconds", "5"),
            ("drain-seconds", "0"),
            ("drain-until-idle-seconds", "60"),
            ("existing-pre-stop-seconds", "20"),
            ("start-hook", "none"),
            ("hook", "binary"),
            ("hook-arch", "arm64"),
            ("readiness", "tcp://:8080"),
            ("container", "a"),
            ("shutdown-seconds", "100"),
            ("last-instance", "leave"),
        ],
        0..5,
    );
    let existing = prop::sample::select(vec!["chain", "keep", "replace"]);
    (method, more, existing).prop_map(|(method, more, existing)| {
        let mut all = vec![("inject", "enabled"), ("existing-pre-stop", existing)];
        all.extend(method);
        all.extend(more);
        pairs(&all)
    })
}
