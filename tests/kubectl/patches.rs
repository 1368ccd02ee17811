//! Changes of stored workloads, and settings of namespaces, near the edges of the API's rules.

use serde_json::{Value, json};

/// Settings of a namespace, each of which asks for much at once.
pub(crate) const NAMESPACES: &[&[(&str, &str)]] = &[
    &[("rollout", "surge"), ("min-ready-seconds", "60")],
    &[
        ("min-ready-seconds", "600"),
        ("drain-seconds", "3600"),
        ("shutdown-seconds", "3600"),
        ("container", "a"),
    ],
    &[
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
        ("nacos-port", "8080"),
        ("nacos-credentials-secret", "nacos"),
        ("container", "a"),
        ("rollout", "surge"),
        ("existing-pre-stop-seconds", "20"),
    ],
    &[
        ("deregister", "eureka"),
        (
            "eureka-server",
            "http://a:8761/eureka, http://b:8761/eureka",
        ),
        ("hook", "binary"),
        ("existing-pre-stop", "replace"),
        ("container", "a"),
        ("readiness", "http://:8080/ready"),
        ("rollout", "surge"),
        ("min-ready-seconds", "59"),
    ],
    &[
        ("deregister", "nginx"),
        ("existing-pre-stop", "keep"),
        ("drain-seconds", "0"),
        ("container", "a"),
        ("readiness", "grpc://:8080"),
        ("min-ready-seconds", "1"),
    ],
];

type Change = (&'static str, Value);

/// Changes of a stored workload as a user's patch makes them, each merged into what stands there.
pub(crate) fn patches() -> Vec<Change> {
    let mut all = numbers();
    all.extend(pods());
    all.extend(containers());
    all.extend(strategies("strategy"));
    all.extend(strategies("updateStrategy"));
    all
}

fn pod(spec: &Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn member(name: &str, value: &Value) -> Value {
    pod(&json!({"containers": [{"name": "a", name: value}]}))
}

fn numbers() -> Vec<Change> {
    let opted_out = json!({"annotations": {"silkroll.dev/inject": "disabled"}});
    let grace = |seconds: i64| json!({"terminationGracePeriodSeconds": seconds});
    vec![
        ("the image", member("image", &"i:2".into())),
        (
            "the deadline 60",
            json!({"spec": {"progressDeadlineSeconds": 60}}),
        ),
        (
            "the deadline 61",
            json!({"spec": {"progressDeadlineSeconds": 61}}),
        ),
        (
            "the deadline 1",
            json!({"spec": {"progressDeadlineSeconds": 1}}),
        ),
        ("minReadySeconds 7", json!({"spec": {"minReadySeconds": 7}})),
        ("minReadySeconds 0", json!({"spec": {"minReadySeconds": 0}})),
        (
            "the deadline 60 and the image",
            json!({"spec": {"progressDeadlineSeconds": 60,
                "template": {"spec": {"containers": [{"name": "a", "image": "i:2"}]}}}}),
        ),
        ("a short grace period", pod(&grace(5))),
        ("no grace period", pod(&grace(0))),
        ("opting out", json!({"metadata": opted_out})),
        (
            "opting out, with a short grace period",
            json!({"metadata": opted_out, "spec": {"template": {"spec": grace(5)}}}),
        ),
        (
            "annotations that leave no room",
            json!({"spec": {"template": {"metadata": {"annotations": {
                "example.com/a": "x".repeat(256 * 1024 - "example.com/a".len())
            }}}}}),
        ),
    ]
}

fn pods() -> Vec<Change> {
    let web = |members: Value, volumes: Value| {
        let mut web = json!({"name": "a"});
        web.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        pod(&json!({"volumes": volumes, "containers": [web]}))
    };
    let own = || json!([{"name": "silkroll", "emptyDir": {}}]);
    vec![
        ("a volume of our name", pod(&json!({"volumes": own()}))),
        (
            "a volume of our name, mounted",
            web(
                json!({"volumeMounts": [{"name": "silkroll", "mountPath": "/x"}]}),
                own(),
            ),
        ),
        (
            "a mount at our path",
            web(
                json!({"volumeMounts": [{"name": "data", "mountPath": "/silkroll"}]}),
                json!([{"name": "data", "emptyDir": {}}]),
            ),
        ),
        (
            "a device at our path",
            web(
                json!({"volumeDevices": [{"name": "block", "devicePath": "/silkroll"}]}),
                json!([{"name": "block", "persistentVolumeClaim": {"claimName": "block"}}]),
            ),
        ),
        (
            "Windows",
            pod(&json!({"nodeSelector": {"kubernetes.io/os": "windows"}})),
        ),
        ("os.name windows", pod(&json!({"os": {"name": "windows"}}))),
        (
            "another container with a hook",
            pod(&json!({"containers": [{"name": "b", "image": "i:1",
                "lifecycle": {"preStop": {"sleep": {"seconds": 30}}}}]})),
        ),
    ]
}

fn containers() -> Vec<Change> {
    let hook = |name: &str, hook: Value| member("lifecycle", &json!({name: hook}));
    let probe = |probe: Value| member("readinessProbe", &probe);
    let variable = |variable: Value| member("env", &json!([variable]));
    let key = json!({"configMapKeyRef": {"name": "c", "key": "k"}});
    let get = json!({"httpGet": {"path": "/", "port": 8080}});
    vec![
        ("a readiness probe by HTTP", probe(get.clone())),
        (
            "a readiness probe by command",
            probe(json!({"exec": {"command": ["true"]}})),
        ),
        ("no readiness probe", probe(Value::Null)),
        (
            "a preStop by command",
            hook("preStop", json!({"exec": {"command": ["/stop"]}})),
        ),
        ("a preStop by HTTP", hook("preStop", get)),
        (
            "a preStop that sleeps",
            hook("preStop", json!({"sleep": {"seconds": 30}})),
        ),
        (
            "a postStart by command",
            hook("postStart", json!({"exec": {"command": ["/start"]}})),
        ),
        ("no lifecycle", member("lifecycle", &Value::Null)),
        (
            "podip",
            variable(json!({"name": "podip", "value": "192.0.2.1"})),
        ),
        (
            "podip from elsewhere",
            variable(json!({"name": "podip", "valueFrom": key})),
        ),
        (
            "a variable of ours by value",
            variable(json!({"name": "SILKROLL_POD_NAME", "value": "x"})),
        ),
        (
            "a variable of ours from elsewhere",
            variable(json!({"name": "SILKROLL_METHOD", "valueFrom": key})),
        ),
        (
            "host ports",
            member("ports", &json!([{"containerPort": 8080, "hostPort": 80}])),
        ),
    ]
}

/// `member` is where this kind of workload has its strategy; the others have none of that name.
fn strategies(member: &str) -> Vec<Change> {
    let rolling = |rolling: Value| json!({"spec": {member: {"rollingUpdate": rolling}}});
    let both = |unavailable: i64, surge: i64| {
        rolling(json!({"maxUnavailable": unavailable, "maxSurge": surge}))
    };
    let plain = |name: &str| json!({"spec": {member: {"type": name, "rollingUpdate": null}}});
    vec![
        ("maxSurge 0", rolling(json!({"maxSurge": 0}))),
        ("maxSurge 00%", rolling(json!({"maxSurge": "00%"}))),
        ("maxSurge 2", rolling(json!({"maxSurge": 2}))),
        ("maxUnavailable 2", rolling(json!({"maxUnavailable": 2}))),
        ("maxUnavailable 0", rolling(json!({"maxUnavailable": 0}))),
        ("1 and 0", both(1, 0)),
        ("0 and 1", both(0, 1)),
        ("0 and 0", both(0, 0)),
        ("1 and 1", both(1, 1)),
        ("Recreate", plain("Recreate")),
        ("OnDelete", plain("OnDelete")),
    ]
}
