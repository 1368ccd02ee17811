//! Manifests as teams write them, before the API server fills anything in.

use serde_json::{Value, json};

/// A Namespace with annotations of ours, given without the prefix.
pub(crate) fn namespace(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|(key, value)| (format!("silkroll.dev/{key}"), (*value).into()))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "annotations": annotations},
    })
}

/// The least that a Deployment is.
pub(crate) fn plain(name: &str) -> Value {
    workload("Deployment", name)
}

/// The least that a workload of this kind is.
pub(crate) fn workload(kind: &str, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web", "image": "web:1",
                    "ports": [{"name": "http", "containerPort": 8080}],
                }]},
            },
        },
    });
    if kind != "DaemonSet" {
        object["spec"]["replicas"] = 2.into();
    }
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = name.into();
    }
    object
}

/// One that uses everything that Silkroll touches: variables that need the injected one, hooks,
/// volumes, mounts, a sidecar, a grace period, annotations on the template.
pub(crate) fn rich(name: &str) -> Value {
    let mut object = plain(name);
    object["metadata"]["labels"] = json!({"team": "shop"});
    object["metadata"]["annotations"] = json!({"example.com/owner": "shop"});
    object["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%"}});
    let template = &mut object["spec"]["template"];
    template["metadata"]["annotations"] = json!({
        "example.com/scrape": "true",
        "kubectl.kubernetes.io/default-container": "web",
    });
    let spec = &mut template["spec"];
    spec["terminationGracePeriodSeconds"] = 20.into();
    spec["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    let web = &mut spec["containers"][0];
    web["env"] = json!([
        {"name": "ADVERTISE", "value": "$(podip):8080"},
        {"name": "TZ", "value": "UTC"},
    ]);
    web["volumeMounts"] = json!([{"name": "tmp", "mountPath": "/tmp"}]);
    web["lifecycle"] = json!({
        "preStop": {"exec": {"command": ["/bin/sh", "-c", "echo $HOME `date` && echo \"bye\""]}},
        "postStart": {"httpGet": {"path": "/warm", "port": "http"}},
    });
    spec["containers"].as_array_mut().unwrap().push(
        json!({"name": "sidecar", "image": "sidecar:1", "env": [{"name": "A", "value": "b"}]}),
    );
    object
}

/// Sets an annotation of ours on a workload.
pub(crate) fn annotated(mut object: Value, annotations: &[(&str, &str)]) -> Value {
    for (key, value) in annotations {
        object["metadata"]["annotations"][format!("silkroll.dev/{key}")] = (*value).into();
    }
    object
}

/// The first container of a workload.
pub(crate) fn container(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]["containers"][0]
}

/// The annotations of a namespace whose pods leave Nacos.
pub(crate) const NACOS: &[(&str, &str)] = &[
    ("inject", "enabled"),
    ("deregister", "nacos"),
    ("nacos-server", "http://nacos:8848"),
    ("existing-pre-stop-seconds", "3"),
    ("hook", "script"),
];

/// A Pod as a controller would make it.
pub(crate) fn owned_pod(namespace: &str) -> Value {
    let template = plain("probe")["spec"]["template"].clone();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "probe", "namespace": namespace,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "probe",
                                 "uid": "b6f0d5c4-0000-0000-0000-000000000000", "controller": true}],
        },
        "spec": template["spec"],
    })
}
