//! Requests, containers and ports as nobody expects them.

use serde_json::{Value, json};

use crate::ask::{
    annotated, check_all, container, denied, injected, left_alone, object, pod, request, server,
    untouched,
};

#[test]
fn odd_requests_are_answered_for_what_they_are() {
    check_all(
        &server(),
        vec![
            (
                "UPDATE with a null old object: as a CREATE",
                request(|request| {
                    request["operation"] = "UPDATE".into();
                    request["oldObject"] = Value::Null;
                }),
                injected(""),
            ),
            (
                "UPDATE without an old object: as a CREATE",
                request(|request| {
                    request["operation"] = "UPDATE".into();
                    request.as_object_mut().unwrap().remove("oldObject");
                }),
                injected(""),
            ),
            (
                "an old object without a spec",
                request(|request| {
                    request["operation"] = "UPDATE".into();
                    request["oldObject"] = json!({});
                }),
                injected(""),
            ),
            (
                "an old object in a CREATE is not looked at",
                request(|request| {
                    request["oldObject"] = request["object"].clone();
                }),
                injected(""),
            ),
            (
                "generateName",
                object(|object| {
                    object["metadata"] = json!({"generateName": "web-", "namespace": "shop"});
                }),
                injected(""),
            ),
            (
                "generateName, where the service's name comes from it",
                request(|request| {
                    request["namespace"] = "registry".into();
                    request["object"]["metadata"] =
                        json!({"generateName": "web-", "namespace": "registry"});
                }),
                left_alone("invalid-annotation", "nacos-service"),
            ),
            (
                "no name at all",
                request(|request| {
                    request["name"] = Value::Null;
                    request["object"]["metadata"] = json!({"namespace": "shop"});
                }),
                injected(""),
            ),
            (
                "no metadata",
                object(|object| object["metadata"] = Value::Null),
                untouched("namespace-not-opted-in"),
            ),
            (
                "the request's namespace is missing: the object's counts",
                request(|request| request["namespace"] = Value::Null),
                injected(""),
            ),
            (
                "no namespace anywhere: default counts",
                request(|request| {
                    request["namespace"] = "".into();
                    request["object"]["metadata"]
                        .as_object_mut()
                        .unwrap()
                        .remove("namespace");
                }),
                untouched("namespace-not-opted-in"),
            ),
            (
                "the request's namespace is stronger than the object's",
                request(|request| {
                    request["namespace"] = "default".into();
                }),
                untouched("namespace-not-opted-in"),
            ),
            (
                "an unknown namespace",
                request(|request| request["namespace"] = "nowhere".into()),
                left_alone(
                    "namespace-unknown",
                    "namespace nowhere is not known to Silkroll (yet)",
                ),
            ),
            (
                "a namespace that no namespace can have",
                request(|request| request["namespace"] = "../\u{202e}\n".into()),
                left_alone("namespace-unknown", r"namespace ../\u{202e}\n is not known"),
            ),
            (
                "a namespace with a typo in its opt-in",
                request(|request| request["namespace"] = "typo".into()),
                left_alone("invalid-annotation", "\"enabeld\" on Namespace typo"),
            ),
            (
                "asked for, but off",
                {
                    let mut review = annotated("inject", "enabled");
                    review["request"]["namespace"] = "closed".into();
                    review
                },
                left_alone("namespace-disabled", "says disabled"),
            ),
            (
                "on request, and not requested",
                request(|request| request["namespace"] = "asked".into()),
                untouched("not-requested"),
            ),
            (
                "apiVersion and kind of the object are missing",
                request(|request| {
                    let object = request["object"].as_object_mut().unwrap();
                    object.remove("apiVersion");
                    object.remove("kind");
                }),
                injected(""),
            ),
            (
                "a dry run",
                request(|request| request["dryRun"] = true.into()),
                injected(""),
            ),
            (
                "a null dryRun",
                request(|request| request["dryRun"] = Value::Null),
                injected(""),
            ),
        ],
    );
}

#[test]
fn odd_containers_and_ports_have_one_answer_each() {
    let nobody = |says| left_alone("no-container", says);
    let two = |ports: [Value; 2]| {
        pod(|pod| {
            let mut second = pod["containers"][0].clone();
            second["name"] = "side".into();
            pod["containers"].as_array_mut().unwrap().push(second);
            for (at, ports) in ports.into_iter().enumerate() {
                pod["containers"][at]["ports"] = ports;
            }
        })
    };
    let port = |ports: Value| container(|container| container["ports"] = ports);
    let in_registry = |review: Value| {
        let mut review = review;
        review["request"]["namespace"] = "registry".into();
        review
    };
    check_all(
        &server(),
        vec![
            (
                "no containers",
                pod(|pod| pod["containers"] = json!([])),
                nobody("no containers"),
            ),
            (
                "null containers",
                pod(|pod| pod["containers"] = Value::Null),
                nobody("no containers"),
            ),
            (
                "containers missing",
                pod(|pod| drop(pod.as_object_mut().unwrap().remove("containers"))),
                nobody("no containers"),
            ),
            (
                "a container without a name",
                container(|container| drop(container.as_object_mut().unwrap().remove("name"))),
                injected(""),
            ),
            (
                "no ports",
                port(json!([])),
                injected("no readiness probe was added, it declares no TCP port"),
            ),
            (
                "null ports",
                port(Value::Null),
                injected("declares no TCP port"),
            ),
            (
                "ports that are a text",
                port("8080".into()),
                injected("declares no TCP port"),
            ),
            (
                "several ports",
                port(json!([{"containerPort": 80}, {"containerPort": 81}])),
                injected("declares 2 TCP ports"),
            ),
            (
                "ports out of range",
                port(
                    json!([{"containerPort": 0}, {"containerPort": -1}, {"containerPort": 65536}, {"containerPort": 8080}]),
                ),
                injected(""),
            ),
            (
                "a UDP port only",
                port(json!([{"containerPort": 53, "protocol": "UDP"}])),
                injected("declares no TCP port"),
            ),
            (
                "two containers of one name, one with a port",
                pod(|pod| {
                    let mut second = pod["containers"][0].clone();
                    second["ports"] = Value::Null;
                    pod["containers"].as_array_mut().unwrap().push(second);
                }),
                nobody("two containers are named \"web\", which is refused; rename one"),
            ),
            (
                "two containers, both with ports",
                two([
                    json!([{"containerPort": 80}]),
                    json!([{"containerPort": 81}]),
                ]),
                nobody("which of the containers web, side serves traffic?"),
            ),
            (
                "two containers, none with ports",
                two([json!([]), json!([])]),
                nobody("which of the containers web, side serves traffic?"),
            ),
            (
                "two containers, one with ports",
                two([json!([{"containerPort": 80}]), json!([])]),
                injected(""),
            ),
            (
                "two containers of one name",
                two([json!([]), json!([])])
                    .to_string()
                    .replace("\"side\"", "\"web\"")
                    .parse()
                    .unwrap(),
                nobody("two containers are named \"web\", which is refused"),
            ),
            (
                "a container that does not exist",
                annotated("container", "api"),
                denied("there is no container \"api\"; the pod has web"),
            ),
            (
                "a named port that does not exist",
                annotated("readiness", "tcp://:admin"),
                denied("declares no TCP port of that name (declared: http 8080)"),
            ),
            (
                "a probe's port out of range",
                annotated("readiness", "tcp://:65536"),
                denied("PORT is 1–65535"),
            ),
            (
                "a registry's port that does not exist",
                in_registry(annotated("nacos-port", "admin")),
                denied("declares no TCP port of that name"),
            ),
            (
                "no port for the registry",
                in_registry(port(json!([]))),
                left_alone("invalid-annotation", "set silkroll.dev/nacos-port"),
            ),
            (
                "init containers",
                pod(|pod| pod["initContainers"] = json!([{"name": "init", "image": "i"}])),
                injected(""),
            ),
            (
                "a native sidecar",
                pod(
                    |pod| pod["initContainers"] = json!([{"name": "proxy", "image": "i", "restartPolicy": "Always", "ports": [{"containerPort": 1}]}]),
                ),
                injected(""),
            ),
            (
                "an init container is named",
                {
                    let mut review = annotated("container", "init");
                    review["request"]["object"]["spec"]["template"]["spec"]["initContainers"] =
                        json!([{"name": "init"}]);
                    review
                },
                denied("there is no container \"init\""),
            ),
            (
                "hostNetwork",
                pod(|pod| pod["hostNetwork"] = true.into()),
                injected(""),
            ),
            (
                "Windows by os.name",
                pod(|pod| pod["os"] = json!({"name": "windows"})),
                left_alone("windows", "this is a Windows pod"),
            ),
            (
                "Windows by nodeSelector",
                pod(|pod| pod["nodeSelector"] = json!({"kubernetes.io/os": "windows"})),
                left_alone("windows", "this is a Windows pod"),
            ),
            (
                "Linux by os.name",
                pod(|pod| pod["os"] = json!({"name": "linux"})),
                injected(""),
            ),
        ],
    );
}
