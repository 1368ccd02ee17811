//! Workloads at the edges of the API's rules: most of them it takes, each near something that it
//! refuses, and near what an injection adds.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::generate::{maybe, object};

/// One of these, as it stands.
fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    prop::sample::select(values).boxed()
}

/// Mostly none, so that an object breaks few rules at once.
fn seldom(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![5 => Just(None), 1 => value.prop_map(Some)].boxed()
}

/// Bytes of annotations around `TotalAnnotationSizeLimitB`: a record has from 150 to 2,000.
fn annotations() -> BoxedStrategy<Value> {
    const LIMIT: usize = 256 * 1024;
    let sized = prop::sample::select(vec![0_usize, 1, 140, 300, 700, 1_500, 4_000]);
    let fill = prop::sample::select(vec!["x", "é", "<", "\"", "\u{2028}"]);
    prop_oneof![
        8 => Just(json!({"example.com/a": "b"})),
        2 => Just(json!({})),
        2 => Just(json!({"kubectl.kubernetes.io/default-container": "b"})),
        1 => (sized, fill).prop_map(|(free, fill)| {
            let length = (LIMIT - "example.com/a".len() - free) / fill.len();
            json!({"example.com/a": fill.repeat(length)})
        }),
    ]
    .boxed()
}

fn hook(sleeps: Vec<i64>) -> BoxedStrategy<Value> {
    prop_oneof![
        Just(json!({"exec": {"command": ["/bin/sh", "-c", "echo bye"]}})),
        Just(json!({"httpGet": {"path": "/bye", "port": 8080}})),
        Just(json!({"httpGet": {"port": "http", "scheme": "HTTPS", "httpHeaders": [{"name": "X", "value": "y"}]}})),
        Just(json!({"tcpSocket": {"port": 8080}})),
        prop::sample::select(sleeps).prop_map(|seconds| json!({"sleep": {"seconds": seconds}})),
    ]
    .boxed()
}

fn lifecycle() -> BoxedStrategy<Value> {
    prop_oneof![
        6 => (maybe(hook(vec![0, 1, 14, 15, 16])), seldom(hook(vec![0, 1, 5])))
            .prop_map(|(pre, post)| object([("preStop", pre), ("postStart", post)])),
        // Within the default grace period, and a second above it.
        1 => prop::sample::select(vec![29, 30, 31])
            .prop_map(|seconds| json!({"preStop": {"sleep": {"seconds": seconds}}})),
        1 => one_of(vec![json!({}), json!({"preStop": null}), json!({"preStop": {}})]),
    ]
    .boxed()
}

fn probe() -> BoxedStrategy<Value> {
    one_of(vec![
        json!({"httpGet": {"path": "/", "port": 8080}}),
        json!({"tcpSocket": {"port": "http"}, "periodSeconds": 3, "failureThreshold": 1}),
        json!({"grpc": {"port": 8080}}),
        json!({"exec": {"command": ["true"]}, "initialDelaySeconds": 600}),
    ])
}

fn grace_of_a_probe() -> BoxedStrategy<Value> {
    one_of(vec![1.into(), 30.into(), 3_600.into()]).prop_map(|seconds| {
        json!({"tcpSocket": {"port": 8080}, "terminationGracePeriodSeconds": seconds})
    })
    .boxed()
}

fn ports(name: &str) -> BoxedStrategy<Value> {
    let (number, host) = if name == "a" { (8080, 80) } else { (9090, 90) };
    one_of(vec![
        json!([]),
        json!([{"name": "http", "containerPort": number}]),
        json!([{"name": "http", "containerPort": number, "protocol": "TCP"}]),
        json!([{"name": "http", "containerPort": number, "hostPort": host}]),
        json!([{"name": "http", "containerPort": number, "hostPort": 0}]),
        json!([{"name": "http", "containerPort": number}, {"name": "metrics", "containerPort": number + 1}]),
        json!([{"name": "dns", "containerPort": number, "protocol": "UDP"}]),
    ])
}

fn env() -> BoxedStrategy<Value> {
    let entries = vec![
        json!({"name": "A", "value": "$(podip)"}),
        json!({"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        json!({"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}),
        json!({"name": "podip", "value": "192.0.2.1"}),
        json!({"name": "podip", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
        json!({"name": "podip", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}),
        json!({"name": "podip"}),
        json!({"name": "SILKROLL_DRAIN_SECONDS", "value": "1"}),
        json!({"name": "SILKROLL_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        json!({"name": "A", "value": "again"}),
    ];
    prop::sample::subsequence(entries, 0..4)
        .prop_map(Value::from)
        .boxed()
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let mounts = one_of(vec![
        json!([]),
        json!([{"name": "data", "mountPath": "/data", "subPath": "x"}]),
        json!([{"name": "data", "mountPath": "/silkroll2"}, {"name": "data", "mountPath": "/silk"}]),
        json!([{"name": "data", "mountPath": "/silkroll"}]),
        json!([{"name": "data", "mountPath": "/silkroll/"}]),
        json!([{"name": "data", "mountPath": "silkroll"}]),
        json!([{"name": "data", "mountPath": "/a/../silkroll/b"}]),
        json!([{"name": "data", "mountPath": "/data", "readOnly": true}]),
    ]);
    let devices = one_of(vec![
        json!([{"name": "block", "devicePath": "/dev/x"}]),
        json!([{"name": "block", "devicePath": "/silkroll"}]),
    ]);
    let more = one_of(vec![
        json!({"envFrom": [{"configMapRef": {"name": "c", "optional": true}}]}),
        json!({"securityContext": {"readOnlyRootFilesystem": true, "runAsNonRoot": true}}),
        json!({"resources": {"claims": [{"name": "gpu"}], "limits": {"cpu": "1", "memory": "1Gi"}}}),
        json!({"restartPolicy": "Always"}),
        json!({"stdin": true, "tty": true, "workingDir": "/silkroll"}),
        json!({"command": ["/silkroll/hook.sh"], "args": ["$(podip)"]}),
    ]);
    (
        ports(name),
        maybe(env()),
        prop_oneof![3 => Just(None), 2 => mounts.prop_map(Some)],
        seldom(devices),
        maybe(lifecycle()),
        (
            seldom(probe()),
            seldom(grace_of_a_probe()),
            seldom(grace_of_a_probe()),
        ),
        seldom(more),
    )
        .prop_map(
            move |(ports, env, mounts, devices, lifecycle, (ready, live, start), more)| {
                let mut container = object([
                    ("name", Some(name.into())),
                    ("image", Some("i:1".into())),
                    ("ports", Some(ports)),
                    ("env", env),
                    ("volumeMounts", mounts),
                    ("volumeDevices", devices),
                    ("lifecycle", lifecycle),
                    ("readinessProbe", ready),
                    ("livenessProbe", live),
                    ("startupProbe", start),
                ]);
                merge(&mut container, more);
                container
            },
        )
}

fn merge(object: &mut Value, more: Option<Value>) {
    if let (Value::Object(object), Some(Value::Object(more))) = (object, more) {
        object.extend(more);
    }
}

fn init_containers() -> BoxedStrategy<Value> {
    one_of(vec![
        json!([{"name": "init", "image": "i:1", "volumeMounts": [{"name": "data", "mountPath": "/silkroll"}]}]),
        json!([{"name": "init", "image": "i:1", "env": [{"name": "podip", "value": "x"}]}]),
        json!([{"name": "side", "image": "i:1", "restartPolicy": "Always", "lifecycle": {"preStop": {"sleep": {"seconds": 30}}}}]),
        json!([{"name": "side", "image": "i:1", "restartPolicy": "Always", "ports": [{"containerPort": 1, "hostPort": 7}],
            "readinessProbe": {"tcpSocket": {"port": 1}}}]),
        // What the API refuses.
        json!([{"name": "side", "image": "i:1", "restartPolicy": "Always", "lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}]),
        json!([{"name": "a", "image": "i:1"}]),
        json!([{"name": "init", "image": "i:1", "volumeMounts": [{"name": "silkroll", "mountPath": "/x"}]}]),
    ])
}

fn places() -> BoxedStrategy<Value> {
    let affinity = |operator: &str, values: &[&str]| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/os", "operator": operator, "values": values}
            ]}]
        }}}})
    };
    one_of(vec![
        json!({"os": {"name": "linux"}}),
        json!({"os": {"name": "windows"}}),
        json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
        json!({"nodeSelector": {"kubernetes.io/arch": "arm64"}}),
        affinity("In", &["windows"]),
        affinity("In", &["windows", "linux"]),
        affinity("NotIn", &["linux"]),
        json!({"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"}),
        json!({"shareProcessNamespace": true}),
        json!({"hostPID": true}),
        json!({"hostUsers": false}),
        json!({"setHostnameAsFQDN": true, "enableServiceLinks": false}),
        json!({"securityContext": {"runAsNonRoot": true, "fsGroup": 1}}),
    ])
}

/// What the containers mount is there, so that one fault does not hide another.
fn volumes() -> impl Strategy<Value = Value> {
    let more = one_of(vec![
        json!({"name": "silkroll", "emptyDir": {}}),
        json!({"name": "silkroll", "configMap": {"name": "own"}}),
        json!({"name": "silkroll", "configMap": {"name": "silkroll-0123456789ab", "optional": true}}),
        json!({"name": "silkroll2", "emptyDir": {}}),
    ]);
    seldom(more).prop_map(|more| {
        let mut all = vec![
            json!({"name": "data", "emptyDir": {}}),
            json!({"name": "block", "persistentVolumeClaim": {"claimName": "block"}}),
        ];
        all.extend(more);
        all.into()
    })
}

fn grace() -> BoxedStrategy<Value> {
    prop_oneof![
        1 => Just(json!(null)),
        1 => Just(json!(0)),
        1 => Just(json!(16)),
        4 => Just(json!(30)),
        2 => Just(json!(75)),
        1 => Just(json!(i32::MAX)),
        1 => Just(json!(i64::from(i32::MAX) + 1)),
        1 => Just(json!(-1)),
    ]
    .boxed()
}

fn template() -> impl Strategy<Value = Value> {
    (
        maybe(annotations()),
        container("a"),
        seldom(container("b")),
        maybe(grace()),
        volumes(),
        seldom(init_containers()),
        seldom(places()),
    )
        .prop_map(
            |(annotations, first, second, grace, volumes, init, places)| {
                let containers: Vec<Value> = [Some(first), second].into_iter().flatten().collect();
                let mut spec = object([
                    ("containers", Some(containers.into())),
                    ("terminationGracePeriodSeconds", grace),
                    ("volumes", Some(volumes)),
                    ("initContainers", init),
                    (
                        "resourceClaims",
                        Some(json!([{"name": "gpu", "resourceClaimName": "gpu"}])),
                    ),
                ]);
                merge(&mut spec, places);
                let metadata = object([
                    ("labels", Some(json!({"app": "a"}))),
                    ("annotations", annotations),
                ]);
                json!({"metadata": metadata, "spec": spec})
            },
        )
}

fn rolling(all: &[[Value; 2]]) -> BoxedStrategy<Value> {
    let all = all.iter().map(|[unavailable, surge]| {
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}})
    });
    one_of(all.collect())
}

fn deployment() -> BoxedStrategy<Value> {
    let strategy = prop_oneof![
        4 => rolling(&[
            [1.into(), 0.into()],
            [0.into(), 1.into()],
            ["25%".into(), "25%".into()],
            ["100%".into(), "150%".into()],
            [1.into(), "00%".into()],
            ["1%".into(), "0%".into()],
            [Value::Null, 0.into()],
            [0.into(), Value::Null],
        ]),
        2 => one_of(vec![
            json!({"type": "Recreate"}),
            json!({}),
            json!({"rollingUpdate": {"maxSurge": 0}}),
            json!({"rollingUpdate": null}),
        ]),
        // What the API refuses.
        1 => rolling(&[
            [0.into(), 0.into()],
            ["0%".into(), "00%".into()],
            ["101%".into(), 1.into()],
            [1.into(), "1".into()],
        ]),
    ];
    with_deadline(strategy, &[1, 2, 5, 60, 61, 599, 600, 601, 3_600])
}

/// A strategy and one of these `progressDeadlineSeconds`, or not.
fn with_deadline(
    strategy: impl Strategy<Value = Value> + 'static,
    seconds: &[u64],
) -> BoxedStrategy<Value> {
    let deadline = one_of(seconds.iter().copied().map(Value::from).collect());
    (maybe(strategy), maybe(deadline))
        .prop_map(|(strategy, deadline)| {
            object([
                ("strategy", strategy),
                ("progressDeadlineSeconds", deadline),
            ])
        })
        .boxed()
}

fn stateful_set() -> BoxedStrategy<Value> {
    let strategy = one_of(vec![
        json!({"type": "OnDelete"}),
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
        json!({"rollingUpdate": {"maxUnavailable": 1}}),
    ]);
    let claim = |name: &str| {
        json!([{"metadata": {"name": name}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}
        }}])
    };
    let claims = one_of(vec![claim("data"), claim("silkroll"), claim("more")]);
    (maybe(strategy), maybe(claims))
        .prop_map(|(strategy, claims)| {
            object([
                ("serviceName", Some("web".into())),
                ("updateStrategy", strategy),
                ("volumeClaimTemplates", claims),
            ])
        })
        .boxed()
}

fn daemon_set() -> BoxedStrategy<Value> {
    let strategy = prop_oneof![
        4 => rolling(&[
            [1.into(), 0.into()],
            [0.into(), 1.into()],
            ["10%".into(), "00%".into()],
            [0.into(), "100%".into()],
            [Value::Null, Value::Null],
        ]),
        1 => Just(json!({"type": "OnDelete"})),
        1 => rolling(&[
            [1.into(), 1.into()],
            [0.into(), 0.into()],
            [Value::Null, 1.into()],
        ]),
    ];
    maybe(strategy)
        .prop_map(|strategy| object([("updateStrategy", strategy)]))
        .boxed()
}

/// Of Argo Rollouts: canary, blue-green, or what its controller refuses.
fn argo() -> BoxedStrategy<Value> {
    let strategy = one_of(vec![
        json!({"canary": {}}),
        json!({"canary": {"maxUnavailable": 1, "maxSurge": 0, "steps": [{"setWeight": 20}, {"pause": {}}]}}),
        json!({"canary": {"maxUnavailable": "25", "maxSurge": "10%"}}),
        json!({"canary": {"maxUnavailable": 0, "maxSurge": "0%"}}),
        json!({"blueGreen": {"activeService": "web", "scaleDownDelaySeconds": 5}}),
        json!({"blueGreen": {"activeService": "web"}, "canary": {}}),
        json!({}),
    ]);
    with_deadline(strategy, &[1, 5, 600])
}

/// A workload of one of these kinds.
pub(crate) fn workload(kinds: impl Into<Vec<&'static str>>) -> impl Strategy<Value = Value> {
    let rollout = |kind: &'static str| match kind {
        "Deployment" => deployment(),
        "StatefulSet" => stateful_set(),
        "Rollout" => argo(),
        _ => daemon_set(),
    };
    let kind = prop::sample::select(kinds.into())
        .prop_flat_map(move |kind| rollout(kind).prop_map(move |rollout| (kind, rollout)));
    let min_ready = one_of([0, 1, 59, 60, 600].map(Value::from).into());
    (kind, template(), seldom(min_ready)).prop_map(|((kind, rollout), template, min_ready)| {
        let mut spec = object([
            ("selector", Some(json!({"matchLabels": {"app": "a"}}))),
            ("template", Some(template)),
            ("minReadySeconds", min_ready),
        ]);
        merge(&mut spec, Some(rollout));
        json!({
            "apiVersion": super::kind(kind).api_version(), "kind": kind,
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": spec,
        })
    })
}
