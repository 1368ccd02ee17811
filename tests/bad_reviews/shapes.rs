//! Reviews of what is not ours, and objects that cannot be read.

use serde_json::{Value, json};

use crate::ask::{check_all, container, left_alone, object, pod, request, server, untouched};
use crate::support::deployment;

#[test]
fn what_is_none_of_ours_is_allowed_untouched() {
    let named = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let of_kind = |kind: Value, object: Value| {
        request(|request| {
            request["kind"] = kind;
            request["object"] = object;
        })
    };
    let operation = |operation: Value| request(|request| request["operation"] = operation);
    check_all(
        &server(),
        vec![
            (
                "a ConfigMap",
                of_kind(
                    named("", "v1", "ConfigMap"),
                    json!({"kind": "ConfigMap", "data": {}}),
                ),
                untouched("other-kind"),
            ),
            (
                "a foreign object that is a text",
                of_kind(named("a.b", "v1", "X"), json!("x")),
                untouched("other-kind"),
            ),
            (
                "a foreign object that is a list",
                of_kind(named("a.b", "v1", "X"), json!([1])),
                untouched("other-kind"),
            ),
            (
                "a foreign object with odd metadata",
                of_kind(named("a.b", "v1", "X"), json!({"metadata": 1, "spec": []})),
                untouched("other-kind"),
            ),
            (
                "foreign annotations that are numbers",
                of_kind(
                    named("a.b", "v1", "X"),
                    json!({"metadata": {"annotations": {"silkroll.dev/inject": 1}}}),
                ),
                untouched("other-kind"),
            ),
            (
                "a null foreign object",
                of_kind(named("a.b", "v1", "X"), Value::Null),
                untouched("other-kind"),
            ),
            (
                "a Deployment of an older API",
                of_kind(named("extensions", "v1beta1", "Deployment"), deployment()),
                untouched("other-kind"),
            ),
            (
                "a Deployment of another group",
                of_kind(named("apps.example", "v1", "Deployment"), deployment()),
                untouched("other-kind"),
            ),
            (
                "another case",
                of_kind(named("apps", "v1", "deployment"), deployment()),
                untouched("other-kind"),
            ),
            (
                "no kind",
                of_kind(Value::Null, deployment()),
                untouched("other-kind"),
            ),
            (
                "a kind without members",
                of_kind(json!({}), deployment()),
                untouched("other-kind"),
            ),
            (
                "a StatefulSet, not covered",
                of_kind(named("apps", "v1", "StatefulSet"), deployment()),
                left_alone(
                    "kind-not-covered",
                    "--workloads of Silkroll has deployment, not",
                ),
            ),
            (
                "a DaemonSet, not covered",
                of_kind(named("apps", "v1", "DaemonSet"), deployment()),
                left_alone(
                    "kind-not-covered",
                    "--workloads of Silkroll has deployment, not",
                ),
            ),
            (
                "DELETE",
                request(|request| {
                    request["operation"] = "DELETE".into();
                    request["oldObject"] = request["object"].take();
                }),
                untouched("other-operation"),
            ),
            (
                "CONNECT",
                operation("CONNECT".into()),
                untouched("other-operation"),
            ),
            (
                "no operation",
                operation(Value::Null),
                untouched("other-operation"),
            ),
            (
                "an operation in small letters",
                operation("create".into()),
                untouched("other-operation"),
            ),
            (
                "the scale subresource",
                request(|request| {
                    request["operation"] = "UPDATE".into();
                    request["subResource"] = "scale".into();
                    request["kind"] = named("autoscaling", "v1", "Scale");
                }),
                untouched("other-kind"),
            ),
            (
                "the status subresource",
                request(|request| {
                    request["operation"] = "UPDATE".into();
                    request["subResource"] = "status".into();
                }),
                untouched("subresource"),
            ),
            (
                "an unknown subresource",
                request(|request| request["subResource"] = "x".into()),
                untouched("subresource"),
            ),
            (
                "a null object",
                request(|request| request["object"] = Value::Null),
                untouched("no-object"),
            ),
            (
                "no object",
                request(|request| drop(request.as_object_mut().unwrap().remove("object"))),
                untouched("no-object"),
            ),
        ],
    );
}

#[test]
fn objects_that_cannot_be_read_are_left_alone_with_a_warning() {
    let cannot = |says| left_alone("malformed", says);
    check_all(
        &server(),
        vec![
            (
                "the object is a text",
                request(|request| request["object"] = "x".into()),
                cannot("cannot be read"),
            ),
            (
                "the object is a list",
                request(|request| request["object"] = json!(["apps/v1", "Deployment", {}, {}])),
                cannot("cannot be read"),
            ),
            (
                "metadata is a list",
                object(|object| object["metadata"] = json!(["web"])),
                cannot("cannot be read"),
            ),
            (
                "annotations are a list",
                object(|object| object["metadata"]["annotations"] = json!([])),
                cannot("cannot be read"),
            ),
            (
                "an annotation of ours is a number",
                object(|object| {
                    object["metadata"]["annotations"]["silkroll.dev/drain-seconds"] = 5.into();
                }),
                cannot("cannot be read"),
            ),
            (
                "the name is a number",
                request(|request| request["object"]["metadata"]["name"] = 5.into()),
                cannot("cannot be read"),
            ),
            (
                "spec is a list",
                object(|object| {
                    let template = object["spec"]["template"].take();
                    object["spec"] = json!([template]);
                }),
                cannot("cannot be read"),
            ),
            (
                "no spec",
                object(|object| drop(object.as_object_mut().unwrap().remove("spec"))),
                cannot("spec.template is missing"),
            ),
            (
                "spec is null",
                object(|object| object["spec"] = Value::Null),
                cannot("spec.template is missing"),
            ),
            (
                "no template",
                object(|object| object["spec"] = json!({})),
                cannot("spec.template is missing"),
            ),
            (
                "the template is null",
                object(|object| object["spec"]["template"] = Value::Null),
                cannot("spec.template"),
            ),
            (
                "the template is a list",
                object(|object| object["spec"]["template"] = json!([{}])),
                cannot("spec.template"),
            ),
            (
                "the template's metadata is a text",
                object(|object| object["spec"]["template"]["metadata"] = "x".into()),
                cannot("spec.template"),
            ),
            (
                "the template's annotations are a list",
                object(|object| {
                    object["spec"]["template"]["metadata"]["annotations"] = json!(["x"]);
                }),
                cannot("spec.template"),
            ),
            (
                "a template annotation of ours is a number",
                object(|object| {
                    object["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/inject"] =
                        1.into();
                }),
                cannot("spec.template"),
            ),
            (
                "the pod's spec is a number",
                object(|object| object["spec"]["template"]["spec"] = 1.into()),
                cannot("spec.template"),
            ),
            (
                "the pod's spec is null",
                object(|object| object["spec"]["template"]["spec"] = Value::Null),
                cannot("spec.template"),
            ),
            (
                "containers are an object",
                pod(|pod| pod["containers"] = json!({})),
                cannot("spec.template"),
            ),
            (
                "a container is null",
                pod(|pod| pod["containers"] = json!([null])),
                cannot("spec.template"),
            ),
            (
                "a container is a text",
                pod(|pod| pod["containers"] = json!(["web"])),
                cannot("spec.template"),
            ),
            (
                "a container's name is null",
                container(|container| container["name"] = Value::Null),
                cannot("spec.template"),
            ),
            (
                "env is an object",
                container(|container| container["env"] = json!({"A": "b"})),
                cannot("spec.template"),
            ),
            (
                "volumeMounts are a text",
                container(|container| container["volumeMounts"] = "x".into()),
                cannot("spec.template"),
            ),
            (
                "volumes are a text",
                pod(|pod| pod["volumes"] = "x".into()),
                cannot("spec.template"),
            ),
            (
                "lifecycle is a text",
                container(|container| container["lifecycle"] = "x".into()),
                cannot("spec.template"),
            ),
            (
                "lifecycle is a list",
                container(|container| container["lifecycle"] = json!([])),
                cannot("spec.template"),
            ),
            (
                "the old object is a text",
                request(|request| {
                    request["operation"] = "UPDATE".into();
                    request["oldObject"] = "x".into();
                }),
                cannot("cannot be read"),
            ),
        ],
    );
}
