//! Values that the chart does not have, or that cannot be together.

use std::collections::BTreeSet;

use serde_json::Value;

use super::helm::{Helm, chart, documents, file};

/// Values, and what the refusal names.
const REFUSED: &[(&str, &[&str])] = &[
    ("replica: 3", &["replica"]),
    ("image: {repo: x}", &["image", "repo"]),
    ("webhook: {rules: []}", &["webhook", "rules"]),
    (
        "webhook: {namespaceSelector: {matchLabel: {a: b}}}",
        &["namespaceSelector", "matchLabel"],
    ),
    ("certificates: {files: {ca: x}}", &["files", "ca"]),
    (
        "metrics: {serviceMonitor: {enable: true}}",
        &["serviceMonitor", "enable"],
    ),
    ("replicas: two", &["replicas", "integer"]),
    ("image: {digest: latest}", &["digest"]),
    ("image: {tag: 1.2}", &["tag", "string"]),
    (
        "webhook: {failurePolicy: ignore}",
        &["failurePolicy", "Ignore"],
    ),
    ("webhook: {workloads: []}", &["workloads"]),
    ("webhook: {workloads: [job]}", &["workloads", "deployment"]),
    ("webhook: {workloads: [pod]}", &["workloads"]),
    ("webhook: {timeoutSeconds: 31}", &["timeoutSeconds", "30"]),
    (
        "defaults: {drain-seconds: 20}",
        &["drain-seconds", "string"],
    ),
    ("log: {format: xml}", &["format", "json"]),
    ("service: {ipFamilies: [IPv5]}", &["ipFamilies"]),
    ("certificates: {source: vault}", &["source", "cert-manager"]),
    (
        "certificates: {source: self, caBundle: x}",
        &["certificates.caBundle is not for certificates.source: self"],
    ),
    // What was enough while `secret` was the default does not go unheard.
    (
        "certificates: {caBundle: x}",
        &["certificates.source=secret"],
    ),
    (
        "certificates: {secretName: mine}",
        &["certificates.secretName", "certificates.source=secret"],
    ),
    (
        "certificates: {source: files}",
        &["certificates.files.cert", "--set-file"],
    ),
    (
        "certificates: {source: files, files: {cert: A, key: B}}",
        &["certificates.caBundle"],
    ),
    (
        "certificates: {files: {cert: A}}",
        &["certificates.files is for certificates.source: files"],
    ),
    (
        "certificates: {source: cert-manager, caBundle: C}",
        &["certificates.caBundle is not for"],
    ),
    (
        "certificates: {source: secret, caBundle: '-----BEGIN PRIVATE KEY-----'}",
        &["certificates.caBundle holds a private key"],
    ),
    (
        "certificates: {source: secret, caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t}",
        &["certificates.caBundle is PEM"],
    ),
    // By these the Service finds the pods.
    (
        "commonLabels: {app.kubernetes.io/name: x}",
        &[
            "commonLabels cannot have app.kubernetes.io/name",
            "nameOverride",
        ],
    ),
    (
        "podLabels: {app.kubernetes.io/instance: x}",
        &["podLabels cannot have app.kubernetes.io/instance"],
    ),
    ("fullnameOverride: '123'", &["fullnameOverride"]),
    (
        "serviceAccount: {name: \"a' || '\"}",
        &["serviceAccount", "name"],
    ),
    ("log: {level: verbose}", &["log", "level"]),
    ("dnsPolicy: None", &["dnsPolicy"]),
    (
        "ports: {webhook: 8080}",
        &["ports.webhook and ports.admin are the same"],
    ),
    (
        "webhook: {exemptNamespaces: null}",
        &["webhook", "exemptNamespaces"],
    ),
    ("image: null", &["image"]),
    // The hook's workload would never be asked about.
    (
        "wait: {namespace: silkroll-system}",
        &["its own namespace, silkroll-system", "wait.enabled=false"],
    ),
    (
        "wait: {namespace: kube-system}",
        &["webhook.exemptNamespaces has kube-system", "wait.namespace"],
    ),
    (
        "webhook: {exemptNamespaces: [default]}",
        &["webhook.exemptNamespaces has default", "wait.namespace"],
    ),
    (
        "webhook: {namespaceSelector: {matchLabels: {lossless: 'yes'}}}",
        &[
            "webhook.namespaceSelector asks for labels",
            "wait.namespace",
        ],
    ),
    (
        "webhook: {namespaceSelector: {matchExpressions: [{key: lossless, operator: Exists}]}}",
        &["webhook.namespaceSelector asks for labels"],
    ),
    (
        "webhook: {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop]}]}}",
        &[
            "webhook.namespaceSelector leaves out default",
            "wait.namespace",
        ],
    ),
];

#[test]
#[ignore = "needs Helm: make test-helm"]
fn what_the_chart_does_not_have_is_refused_by_name() {
    for helm in Helm::both() {
        for (values, names) in REFUSED {
            let output = helm.template(values);
            let major = helm.major;
            assert!(!output.success, "helm{major}: {values}");
            for name in *names {
                assert!(
                    output.stderr.contains(name),
                    "helm{major}: {values}: {}",
                    output.stderr
                );
            }
        }
    }
}

/// What `helm upgrade` checks, too.
#[test]
#[ignore = "needs Helm: make test-helm"]
fn every_value_is_described_and_every_description_is_of_a_value() {
    let schema = std::fs::read_to_string(file("manifests/chart/values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut described = BTreeSet::new();
    walk(&schema, "", &mut described);
    for helm in Helm::both() {
        let values = helm.ok(&["show", "values", &chart()], "");
        let mut there = BTreeSet::new();
        leaves(&documents(&values)[0], &schema, "", &mut there);
        // Helm gives it to each chart of a parent.
        there.extend([".global", ".enabled", ".tags"].map(str::to_owned));
        assert_eq!(there, described);
    }
}

/// The paths of all values that the schema describes; each has words of its own, and what is a mapping says whether it is
/// the user's.
fn walk(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    assert_eq!(
        schema["additionalProperties"], false,
        "{path} takes anything"
    );
    for (name, inner) in properties {
        let path = format!("{path}.{name}");
        let words = inner["description"].as_str().unwrap_or_default();
        assert!(words.len() > 8 && words.ends_with('.'), "{path}: {words:?}");
        if inner["properties"].is_object()
            && path != ".webhook.namespaceSelector"
            && path != ".webhook.objectSelector"
        {
            walk(inner, &path, found);
        } else {
            found.insert(path);
        }
    }
}

/// The paths of all values that there are, down to where the schema ends.
fn leaves(values: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, value) in values.as_object().unwrap() {
        let path = format!("{path}.{name}");
        let inner = &schema["properties"][name];
        match value.as_object() {
            Some(members) if inner["properties"].is_object() && !members.is_empty() => {
                leaves(value, inner, &path, found);
            }
            _ => {
                found.insert(path);
            }
        }
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn a_parent_chart_can_switch_it_on_and_off() {
    let parent = tempfile::tempdir().unwrap();
    let charts = parent.path().join("charts");
    std::fs::create_dir(&charts).unwrap();
    std::os::unix::fs::symlink(chart(), charts.join("silkroll")).unwrap();
    let about = "{apiVersion: v2, name: all, version: 1.0.0, dependencies: [{name: silkroll, version: '*', condition: \
                 silkroll.enabled, tags: [front]}]}";
    std::fs::write(parent.path().join("Chart.yaml"), about).unwrap();
    let parent = parent.path().display().to_string();
    let args = ["template", "all", &parent, "-n", "all", "-f", "-"];
    for helm in Helm::both() {
        for (values, on) in [
            ("silkroll: {enabled: true}", true),
            ("silkroll: {enabled: false}", false),
            ("tags: {front: false}", false),
            ("{tags: {front: true}, global: {a: b}}", true),
        ] {
            let rendered = helm.ok(&args, values);
            assert_eq!(rendered.contains("kind: Deployment"), on, "{values}");
        }
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn it_has_a_namespace_of_its_own() {
    for helm in Helm::both() {
        let args = ["template", "silkroll", &chart(), "-n", "default", "-f", "-"];
        let refused = helm.run(&args, "");
        let said = "into a namespace of its own (-n silkroll-system --create-namespace)";
        assert!(
            !refused.success && refused.stderr.contains(said),
            "{refused:?}"
        );
        // Where the hook tries a workload elsewhere, or not at all, any will do.
        for values in ["wait: {namespace: shop}", "wait: {enabled: false}"] {
            helm.ok(&args, values);
        }
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn helm_finds_nothing_to_mend_in_the_chart() {
    for helm in Helm::both() {
        let said = helm.ok(&["lint", "--strict", &chart()], "");
        assert!(said.contains("0 chart(s) failed"), "{said}");
    }
}
