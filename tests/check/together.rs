//! Which objects belong together, and what is asked of them: each row was a false alarm, or missed, in what users of this
//! and of like tools have reported.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{check, codes, found, text};

/// Merges one object into another, lists item by item.
pub(super) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) if into.len() >= from.len() => {
            into.iter_mut()
                .zip(from)
                .for_each(|(into, from)| merge(into, from));
        }
        (into, from) => *into = from.clone(),
    }
}

/// A workload of three pods in which nothing is wrong, with changes.
pub(super) fn workload(kind: &str, changes: &Value) -> Value {
    let group = if kind == "Rollout" {
        "argoproj.io/v1alpha1"
    } else {
        "apps/v1"
    };
    let mut all = json!({
        "apiVersion": group, "kind": kind, "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 60, "containers": [{
                "name": "web", "image": "registry.example/shop/web:1.4",
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 15}}},
            }]},
        }},
    });
    merge(&mut all, changes);
    all
}

/// Neither hook nor probe.
fn bare() -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"readinessProbe": null, "lifecycle": null}]}}}})
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub(super) fn service(spec: &Value) -> Value {
    let mut all = object(
        "v1",
        "Service",
        "web",
        &json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}),
    );
    merge(&mut all, &json!({"spec": spec}));
    all
}

fn budget(spec: &Value) -> Value {
    let mut all = object(
        "policy/v1",
        "PodDisruptionBudget",
        "web",
        &json!({"selector": {"matchLabels": {"app": "web"}}}),
    );
    merge(&mut all, &json!({"spec": spec}));
    all
}

pub(super) fn scaler(kind: &str, numbers: &Value) -> Value {
    let (api_version, kind_of_target) = match kind {
        "ScaledObject" => ("keda.sh/v1alpha1", Value::Null),
        _ => ("autoscaling/v2", json!("Deployment")),
    };
    let mut all = object(
        api_version,
        kind,
        "web",
        &json!({"scaleTargetRef": {"kind": kind_of_target, "name": "web"}}),
    );
    merge(&mut all, &json!({"spec": numbers}));
    all
}

pub(super) fn stream(objects: &[Value]) -> String {
    let objects: Vec<String> = objects.iter().map(ToString::to_string).collect();
    objects.join("\n---\n")
}

fn set(codes: &str) -> BTreeSet<String> {
    codes.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn expect(what: &str, objects: &[Value], expected: &str) {
    let found = found(&stream(objects), &[]);
    assert_eq!(codes(&found), set(expected), "{what}: {found:#}");
}

#[test]
fn labels_that_a_controller_adds_lead_to_the_workload_all_the_same() {
    let one = budget(&json!({"maxUnavailable": 1}));
    let blue_green = json!({"spec": {"strategy": {"blueGreen": {"scaleDownDelaySeconds": 5}}}});
    let mut rollout = workload("Rollout", &bare());
    merge(&mut rollout, &blue_green);
    let hash = |key: &str| service(&json!({"selector": {(key): "6b8f9c"}}));
    let pod = |name: &str| {
        let mut all = service(&json!({}));
        all["spec"]["selector"] = json!({"statefulset.kubernetes.io/pod-name": name});
        all
    };
    let stateful = workload("StatefulSet", &bare());
    for (what, workload, service, expected) in [
        (
            "as it is applied",
            &rollout,
            service(&json!({})),
            "SR101 SR201 SR303",
        ),
        (
            "a live Rollout",
            &rollout,
            hash("rollouts-pod-template-hash"),
            "SR101 SR201 SR303",
        ),
        ("another label", &rollout, hash("tier"), ""),
        ("one pod", &stateful, pod("web-0"), "SR101 SR201"),
        ("one pod of another", &stateful, pod("db-0"), ""),
    ] {
        expect(what, &[workload.clone(), service, one.clone()], expected);
    }
}

#[test]
fn a_rollout_that_names_a_workload_says_how_many_and_how() {
    let rollout = |spec: &Value| {
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        let mut all = object(
            "argoproj.io/v1alpha1",
            "Rollout",
            "web",
            &json!({
                "replicas": 3, "workloadRef": reference, "strategy": {"canary": {"maxUnavailable": 0}},
            }),
        );
        merge(&mut all, &json!({"spec": spec}));
        all
    };
    let scaled = json!({"scaleTargetRef": {"kind": "Rollout"}, "minReplicas": 1});
    let scaled = scaler("HorizontalPodAutoscaler", &scaled);
    let none = json!({"spec": {"replicas": 0}});
    let unset = json!({"spec": {"replicas": null}});
    for (what, changes, rollout, more, expected) in [
        (
            "scaled to none",
            &none,
            rollout(&json!({})),
            None,
            "SR101 SR201",
        ),
        ("not said", &unset, rollout(&json!({})), None, "SR101 SR201"),
        (
            "one",
            &none,
            rollout(&json!({"replicas": 1})),
            None,
            "SR101 SR201 SR301",
        ),
        (
            "none at all",
            &none,
            rollout(&json!({"replicas": 0})),
            None,
            "",
        ),
        (
            "scaled",
            &none,
            rollout(&json!({})),
            Some(scaled),
            "SR101 SR201 SR301",
        ),
        (
            "takes some away",
            &none,
            rollout(&json!({"strategy": {"canary": {"maxUnavailable": 1}}})),
            None,
            "SR101 SR201 SR302",
        ),
        (
            "blue-green",
            &none,
            rollout(
                &json!({"strategy": {"canary": null, "blueGreen": {"scaleDownDelaySeconds": 5}}}),
            ),
            None,
            "SR101 SR201 SR303",
        ),
        (
            "of another",
            &none,
            rollout(&json!({"workloadRef": {"name": "other"}})),
            None,
            "",
        ),
    ] {
        let mut deployment = workload("Deployment", &bare());
        merge(&mut deployment, changes);
        let one = budget(&json!({"maxUnavailable": 1}));
        let mut all = vec![deployment, rollout, service(&json!({})), one];
        all.extend(more);
        expect(what, &all, expected);
    }
}

#[test]
fn a_service_leads_to_the_container_that_listens_there() {
    let one = budget(&json!({"maxUnavailable": 1}));
    let spec = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
    let sidecar = |more: Value| {
        let mut all = json!({"name": "envoy", "image": "x/envoy", "restartPolicy": "Always",
            "ports": [{"name": "proxy", "containerPort": 10000}]});
        merge(&mut all, &more);
        json!([all])
    };
    let careful = json!({"readinessProbe": {"tcpSocket": {"port": 10000}}, "lifecycle": {"preStop": {"sleep": {"seconds": 15}}}});
    let silent = json!([{"name": "web", "image": "x", "ports": null, "readinessProbe": null, "lifecycle": null}]);
    let two = |other: Value| {
        let mut all = workload("Deployment", &bare());
        all["spec"]["template"]["spec"]["containers"] =
            json!([{"name": "web", "image": "x/y"}, other]);
        all
    };
    for (what, workload, service, expected) in [
        (
            "a native sidecar",
            workload(
                "Deployment",
                &spec(json!({"initContainers": sidecar(careful), "containers": silent})),
            ),
            service(&json!({"ports": [{"targetPort": 10000}]})),
            "",
        ),
        (
            "a native sidecar by name",
            workload(
                "Deployment",
                &spec(json!({"initContainers": sidecar(json!({})), "containers": silent})),
            ),
            service(&json!({"ports": [{"targetPort": "proxy"}]})),
            "SR101 SR201",
        ),
        (
            "a native sidecar, which ends after the app",
            workload(
                "Deployment",
                &spec(json!({"initContainers": sidecar(json!({}))})),
            ),
            service(&json!({"ports": [{"targetPort": "proxy"}]})),
            "SR201",
        ),
        (
            "an init container",
            workload(
                "Deployment",
                &spec(json!({"initContainers": sidecar(json!({"restartPolicy": null}))})),
            ),
            service(&json!({"ports": [{"targetPort": "proxy"}]})),
            "SR207",
        ),
        (
            "an undeclared port beside an exporter",
            two(
                json!({"name": "e", "image": "x/e", "ports": [{"name": "metrics", "containerPort": 9100}]}),
            ),
            service(&json!({})),
            "SR101 SR201",
        ),
        (
            "an undeclared port of either",
            two(json!({"name": "l", "image": "x/l"})),
            service(&json!({})),
            "",
        ),
        (
            "a name that nobody has",
            workload("Deployment", &json!({})),
            service(&json!({"ports": [{"targetPort": "https"}]})),
            "SR207",
        ),
        (
            "a name that nobody has: the rest is said, too",
            workload("Deployment", &bare()),
            service(&json!({"ports": [{"targetPort": "https"}]})),
            "SR101 SR201 SR207",
        ),
        (
            "a name that nobody has, of either",
            two(json!({"name": "l", "image": "x/l", "ports": [{"containerPort": 8081}]})),
            service(&json!({"ports": [{"targetPort": "https"}]})),
            "SR101 SR207",
        ),
        (
            "a name of another protocol",
            workload("Deployment", &json!({})),
            service(&json!({"ports": [{"targetPort": "http", "protocol": "UDP"}]})),
            "SR207",
        ),
        (
            "another name for something outside",
            workload("Deployment", &bare()),
            service(&json!({"type": "ExternalName", "externalName": "x.example"})),
            "SR101",
        ),
    ] {
        expect(what, &[workload, service, one.clone()], expected);
    }
}

#[test]
fn a_service_for_metrics_leads_no_callers() {
    let one = budget(&json!({"maxUnavailable": 1}));
    let args = |args: Value| json!({"spec": {"template": {"spec": {"containers": [{"ports": null, "args": args}]}}}});
    for (what, name, arguments, expected) in [
        ("by nothing", "manager", json!([]), "SR101 SR201"),
        (
            "by the Service's name",
            "controller-manager-metrics-service",
            json!([]),
            "",
        ),
        (
            "by an argument",
            "manager",
            json!(["--metrics-bind-address=:8443"]),
            "",
        ),
        (
            "another port",
            "manager",
            json!(["--metrics-bind-address=:9090"]),
            "SR101 SR201",
        ),
        (
            "metrics for callers",
            "metrics-server",
            json!([]),
            "SR101 SR201",
        ),
    ] {
        let mut manager = workload("Deployment", &bare());
        merge(&mut manager, &args(arguments));
        let mut service =
            service(&json!({"ports": [{"name": "https", "port": 8443, "targetPort": 8443}]}));
        service["metadata"]["name"] = json!(name);
        expect(what, &[manager, service, one.clone()], expected);
    }
}

/// A second Deployment of the same labels.
fn second(replicas: i64) -> Value {
    let mut all = workload("Deployment", &json!({"spec": {"replicas": replicas}}));
    all["metadata"]["name"] = json!("web2");
    all
}

fn least(number: &Value) -> Value {
    budget(&json!({"minAvailable": number}))
}

fn expect_with_service(cases: Vec<(&str, Vec<Value>, &str)>) {
    for (what, mut objects, expected) in cases {
        objects.push(service(&json!({})));
        expect(what, &objects, expected);
    }
}

#[test]
fn a_budget_counts_for_the_pods_that_it_selects_and_with_the_others() {
    let named = |name: &str, spec: Value| {
        let mut all = budget(&spec);
        all["metadata"]["name"] = json!(name);
        all
    };
    let nothing = {
        let mut all = budget(&json!({"maxUnavailable": 0}));
        all["spec"]["selector"] = Value::Null;
        all
    };
    let one_of = |pod: &str| {
        named(
            pod,
            json!({"maxUnavailable": 1, "selector": {"matchLabels": {"statefulset.kubernetes.io/pod-name": pod}}}),
        )
    };
    let deployment = workload("Deployment", &json!({}));
    let stateful = workload("StatefulSet", &json!({}));
    expect_with_service(vec![
        ("none", vec![deployment.clone()], "SR402"),
        (
            "one",
            vec![deployment.clone(), budget(&json!({"maxUnavailable": 1}))],
            "",
        ),
        (
            "one without a selector",
            vec![deployment.clone(), nothing],
            "SR402",
        ),
        (
            "two",
            vec![
                deployment.clone(),
                budget(&json!({"maxUnavailable": 1})),
                named("other", json!({"minAvailable": 1})),
            ],
            "SR401",
        ),
        (
            "the same twice",
            vec![
                deployment.clone(),
                budget(&json!({"maxUnavailable": 1})),
                budget(&json!({"maxUnavailable": 1})),
            ],
            "",
        ),
        (
            "one for each pod",
            vec![stateful, one_of("web-0"), one_of("web-1")],
            "",
        ),
        (
            "over two workloads",
            vec![deployment.clone(), second(2), least(&json!(4))],
            "",
        ),
        (
            "over two, all of both",
            vec![deployment.clone(), second(2), least(&json!(5))],
            "SR401",
        ),
        (
            "over two, a share",
            vec![deployment.clone(), second(2), least(&json!("90%"))],
            "SR401",
        ),
    ]);
}

#[test]
fn a_budget_is_weighed_against_what_an_autoscaler_leaves() {
    let scaled = |least: i64, most: i64| {
        scaler(
            "HorizontalPodAutoscaler",
            &json!({"minReplicas": least, "maxReplicas": most}),
        )
    };
    let keda = |numbers: Value| scaler("ScaledObject", &numbers);
    let deployment = workload("Deployment", &json!({}));
    expect_with_service(vec![
        (
            "a share of few",
            vec![deployment.clone(), scaled(2, 6), least(&json!("60%"))],
            "SR403",
        ),
        (
            "a share of enough",
            vec![deployment.clone(), scaled(3, 6), least(&json!("60%"))],
            "",
        ),
        (
            "a share of all",
            vec![deployment.clone(), scaled(2, 4), least(&json!("90%"))],
            "SR401",
        ),
        (
            "more than ever",
            vec![deployment.clone(), scaled(2, 4), least(&json!(4))],
            "SR401",
        ),
        (
            "over two, one scaled",
            vec![
                deployment.clone(),
                scaled(2, 4),
                second(2),
                least(&json!(3)),
            ],
            "",
        ),
        (
            "KEDA without a least",
            vec![deployment.clone(), keda(json!({}))],
            "SR301",
        ),
        (
            "KEDA with two",
            vec![deployment.clone(), keda(json!({"minReplicaCount": 2}))],
            "SR402",
        ),
        (
            "KEDA that idles",
            vec![
                deployment,
                keda(json!({"minReplicaCount": 2, "idleReplicaCount": 0})),
            ],
            "SR301",
        ),
    ]);
}

#[test]
fn a_rollout_takes_away_what_the_controller_reckons() {
    let one = budget(&json!({"maxUnavailable": 1}));
    for (replicas, surge, unavailable, expected) in [
        (2, json!(0), json!("25%"), "SR302"),
        (2, json!("25%"), json!("25%"), ""),
        (3, json!("0%"), json!("25%"), "SR302"),
        (2, json!(1), json!(0), ""),
        (4, json!(1), json!("25%"), "SR302"),
    ] {
        let rolling = json!({"maxSurge": surge, "maxUnavailable": unavailable});
        let changes =
            json!({"spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}});
        let all = [
            workload("Deployment", &changes),
            service(&json!({})),
            one.clone(),
        ];
        expect(&format!("{replicas} {rolling}"), &all, expected);
    }
}

#[test]
fn two_probes_are_the_same_where_they_ask_the_same() {
    let one = budget(&json!({"maxUnavailable": 1}));
    for (what, live, expected) in [
        (
            "by number and name",
            json!({"httpGet": {"path": "/", "port": "http"}}),
            "SR202",
        ),
        (
            "the defaults",
            json!({"httpGet": {"port": 8080, "scheme": "HTTP"}}),
            "SR202",
        ),
        (
            "another path",
            json!({"httpGet": {"path": "/live", "port": 8080}}),
            "",
        ),
        (
            "another scheme",
            json!({"httpGet": {"port": 8080, "scheme": "HTTPS"}}),
            "",
        ),
    ] {
        let changes =
            json!({"spec": {"template": {"spec": {"containers": [{"livenessProbe": live}]}}}});
        let all = [
            workload("Deployment", &changes),
            service(&json!({})),
            one.clone(),
        ];
        expect(what, &all, expected);
    }
}

#[test]
fn a_node_that_may_be_taken_back_is_told_by_its_labels() {
    for (expression, expected) in [
        (
            json!({"key": "cloud.google.com/gke-spot", "operator": "Exists"}),
            "SR405",
        ),
        (
            json!({"key": "cloud.google.com/gke-spot", "operator": "DoesNotExist"}),
            "",
        ),
        (
            json!({"key": "karpenter.sh/capacity-type", "operator": "Exists"}),
            "",
        ),
    ] {
        let required = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
        let affinity =
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});
        let changes = json!({"spec": {"template": {"spec": {"affinity": affinity}}}});
        let all = [
            workload("Deployment", &changes),
            budget(&json!({"maxUnavailable": 1})),
        ];
        expect(&expression.to_string(), &all, expected);
    }
}

/// Runs it on files, whose names are told with their objects.
pub(super) fn judged(files: &[(&str, Vec<Value>)]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, objects) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, stream(objects)).unwrap();
    }
    let path = folder.path().display().to_string();
    let output = check(&["-R", "-f", &path, "-o", "json"], "");
    let found = serde_json::from_slice(&output.stdout).unwrap();
    (found, text(&output.stderr))
}

/// Codes, each with the folder of the file that it stands in.
pub(super) fn by_folder(found: &Value) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap().iter();
    let mut all: Vec<String> = findings
        .map(|one| {
            let file = Path::new(one["file"].as_str().unwrap());
            let folder = file.parent().unwrap().file_name().unwrap();
            format!("{} {}", folder.display(), one["code"].as_str().unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn environments_of_one_application_say_nothing_of_each_other() {
    let deployment = || workload("Deployment", &json!({"spec": {"replicas": null}}));
    let scaled = |least: i64| {
        scaler(
            "HorizontalPodAutoscaler",
            &json!({"minReplicas": least, "maxReplicas": 9}),
        )
    };
    let one = || budget(&json!({"maxUnavailable": 1}));
    let told = "stands in ";
    for (what, files, expected, remark) in [
        (
            "one is too small",
            vec![
                ("dev/all.yaml", vec![deployment(), scaled(1), one()]),
                ("prod/all.yaml", vec![deployment(), scaled(3), one()]),
            ],
            vec!["dev SR301"],
            true,
        ),
        (
            "the other is too small",
            vec![
                ("dev/all.yaml", vec![deployment(), scaled(3), one()]),
                ("prod/all.yaml", vec![deployment(), scaled(1), one()]),
            ],
            vec!["prod SR301"],
            true,
        ),
        (
            "one has no budget, in files of their own",
            vec![
                ("dev/web.yaml", vec![deployment()]),
                ("dev/hpa.yaml", vec![scaled(3)]),
                ("prod/web.yaml", vec![deployment()]),
                ("prod/more/hpa.yaml", vec![scaled(3)]),
                ("prod/more/pdb.yaml", vec![one()]),
            ],
            vec!["dev SR402"],
            true,
        ),
        (
            "what stands beside both is for both",
            vec![
                ("dev/web.yaml", vec![deployment(), scaled(3)]),
                ("prod/web.yaml", vec![deployment(), scaled(3)]),
                ("pdb.yaml", vec![one()]),
            ],
            vec![],
            true,
        ),
        (
            "two autoscalers of one workload",
            vec![
                ("base/web.yaml", vec![deployment(), one()]),
                ("dev/hpa.yaml", vec![scaled(1)]),
                ("prod/hpa.yaml", vec![scaled(3)]),
            ],
            vec!["dev SR301"],
            true,
        ),
        (
            "one application in several folders",
            vec![
                ("base/web.yaml", vec![deployment()]),
                ("scaling/hpa.yaml", vec![scaled(3)]),
                ("more/pdb.yaml", vec![one()]),
            ],
            vec![],
            false,
        ),
    ] {
        let (found, said) = judged(&files);
        assert_eq!(by_folder(&found), expected, "{what}: {found:#}");
        assert_eq!(said.contains(told), remark, "{what}: {said}");
    }
}

#[test]
fn an_input_that_is_named_twice_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    fs::write(&path, workload("Deployment", &json!({})).to_string()).unwrap();
    std::os::unix::fs::symlink(&path, folder.path().join("z.yaml")).unwrap();
    let (file, folder) = (
        path.display().to_string(),
        folder.path().display().to_string(),
    );
    let output = check(&["-f", &file, "-f", &folder, "-f", &file, "-o", "json"], "");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["summary"]["workloads"], 1);
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found:#}");
}

#[test]
fn a_workload_says_what_is_to_be_ignored_of_all_that_stands_beside_it() {
    let ignoring =
        |codes: &str| json!({"annotations": {"silkroll.dev/ignore": format!("{codes} why")}});
    let few = scaler(
        "HorizontalPodAutoscaler",
        &json!({"minReplicas": 1, "maxReplicas": 9}),
    );
    let unready = service(&json!({"publishNotReadyAddresses": true}));
    let none = budget(&json!({"maxUnavailable": 0}));
    let objects = [few, unready, none];
    let wrong = ["SR205", "SR301", "SR401"];
    for (what, changes, left) in [
        ("nothing", json!({}), &wrong[..]),
        (
            "the autoscaler",
            json!({"metadata": ignoring("SR301")}),
            &["SR205", "SR401"],
        ),
        (
            "all",
            json!({"metadata": ignoring("SR205,SR301,SR401")}),
            &[],
        ),
        (
            "on the pod template",
            json!({"spec": {"template": {"metadata": ignoring("SR205,SR301,SR401")}}}),
            &[],
        ),
        (
            "without a reason, on the pod template",
            json!({"spec": {"template": {"metadata": {"annotations": {"silkroll.dev/ignore": "SR301"}}}}}),
            &["SR001", "SR205", "SR301", "SR401"],
        ),
    ] {
        let mut all = vec![workload("Deployment", &changes)];
        all.extend(objects.clone());
        expect(what, &all, &left.join(" "));
    }
}

#[test]
fn what_is_not_judged_is_said() {
    let pods = json!({"spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]}});
    let config = object(
        "apps.openshift.io/v1",
        "DeploymentConfig",
        "web",
        &json!({"template": pods}),
    );
    let knative = object(
        "serving.knative.dev/v1",
        "Service",
        "web",
        &json!({"template": pods}),
    );
    let pod = object("v1", "Pod", "web", &pods["spec"]);
    let job = object("batch/v1", "Job", "web", &json!({"template": pods}));
    let local = workload(
        "Deployment",
        &json!({"metadata": {"annotations": {"config.kubernetes.io/local-config": "true"}}}),
    );
    let mut other = workload("Deployment", &bare());
    merge(
        &mut other,
        &json!({"metadata": {"name": "api"}, "spec": {"template": {"metadata": {"labels": {"app": "api"}}}}}),
    );
    let mut bent = service(&json!({"selector": {"app": "wbe"}}));
    bent["metadata"]["name"] = json!("bent");
    let both = json!([{"name": "web", "image": "x"}, {"name": "logs", "image": "x"}]);
    let mut undeclared = workload("Deployment", &json!({}));
    undeclared["spec"]["template"]["spec"]["containers"] = both;
    let level = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "annotations": {
        "silkroll.dev/inject": "enabled", "silkroll.dev/level": "pod",
    }}});
    for (what, objects, says) in [
        ("a Job", vec![job], ""),
        (
            "a DeploymentConfig",
            vec![config],
            "not judged: 1 DeploymentConfig of apps.openshift.io: they keep pods",
        ),
        (
            "a Knative Service",
            vec![knative],
            "not judged: 1 Service of serving.knative.dev: they keep pods",
        ),
        (
            "Pods",
            vec![pod.clone(), pod],
            "not judged: 2 Pod: they keep pods",
        ),
        (
            "a local one",
            vec![local],
            "not judged: 1 object with config.kubernetes.io/local-config",
        ),
        (
            "a workload beside",
            vec![
                other.clone(),
                service(&json!({})),
                workload("Deployment", &json!({})),
            ],
            "taken to serve nobody, though ports are declared: Deployment default/api: no Service",
        ),
        ("without any Service", vec![other], ""),
        (
            "a Service that selects nothing",
            vec![bent],
            "selects no workload that stands here: Service default/bent",
        ),
        (
            "an undeclared port",
            vec![undeclared, service(&json!({}))],
            "Service default/web leads to port 8080 of Deployment default/web, and no container there declares it",
        ),
        (
            "a namespace of Pods",
            vec![level, workload("Deployment", &json!({}))],
            "judged as they stand: Deployment default/web: their namespace has its Pods injected",
        ),
    ] {
        let output = check(&["-f", "-"], &stream(&objects));
        let said = text(&output.stderr);
        assert!(said.contains(says), "{what}: {said}");
        assert_eq!(said.is_empty(), says.is_empty(), "{what}: {said}");
    }
}

#[test]
fn a_part_of_a_workload_is_no_workload_and_is_not_written() {
    let mut image = workload("Deployment", &bare());
    image["spec"].as_object_mut().unwrap().remove("selector");
    let replicas = object("apps/v1", "Deployment", "web", &json!({"replicas": 3}));
    for (what, patch, says) in [
        (
            "an image",
            image,
            "spec.selector is missing, without which the API server takes none: this looks like",
        ),
        (
            "replicas",
            replicas,
            "spec.template is missing: this looks like a kustomize patch",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patch.yaml");
        fs::write(&path, patch.to_string()).unwrap();
        for fix in [&[][..], &["--fix"]] {
            let shown = path.display().to_string();
            let output = check(&[&["-f", &shown][..], fix].concat(), "");
            assert_eq!(output.status.code(), Some(2), "{what}");
            assert!(
                text(&output.stderr).contains(says),
                "{}",
                text(&output.stderr)
            );
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), patch.to_string());
    }
}

#[test]
fn a_registry_is_read_from_all_that_says_it() {
    let env = |name: &str, value: &str| json!({"spec": {"template": {"spec": {"containers": [{"env": [{"name": name, "value": value}]}]}}}});
    let from = json!({"spec": {"template": {"spec": {"containers": [{"envFrom": [{"configMapRef": {"name": "web"}}]}]}}}});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {
        "SPRING_CLOUD_NACOS_DISCOVERY_SERVER_ADDR": "nacos:8848",
    }});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "annotations": {
        "silkroll.dev/deregister": "nacos",
    }}});
    let image =
        |image: &str| json!({"spec": {"template": {"spec": {"containers": [{"image": image}]}}}});
    let nacos = env("NACOS_SERVER_ADDR", "nacos:8848");
    let both = |one: &Value, other: &Value| {
        let mut all = one.clone();
        merge(&mut all, other);
        all
    };
    for (what, changes, beside, is_in) in [
        ("nothing", json!({}), None, false),
        ("a variable", nacos.clone(), None, true),
        ("the Namespace", json!({}), Some(namespace), true),
        ("a ConfigMap", from, Some(map), true),
        (
            "the configuration centre",
            env("NACOS_CONFIG_SERVER_ADDR", "nacos:8848"),
            None,
            false,
        ),
        (
            "it says no",
            env("EUREKA_CLIENT_ENABLED", "false"),
            None,
            false,
        ),
        (
            "an image called after it",
            both(&nacos, &image("shop/order-nacos:1")),
            None,
            true,
        ),
        (
            "the registry itself",
            both(&nacos, &image("nacos/nacos-server:v2.3")),
            None,
            false,
        ),
    ] {
        let one = budget(&json!({"maxUnavailable": 1}));
        let mut all = vec![workload("Deployment", &changes), service(&json!({})), one];
        all.extend(beside);
        // Its hook sleeps, and callers find it in the registry meanwhile.
        expect(what, &all, if is_in { "SR101 SR203" } else { "" });
    }
}

#[test]
fn where_the_namespace_leaves_it_to_each_the_workload_is_to_be_annotated() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "annotations": {
        "silkroll.dev/inject": "on-request",
    }}});
    let input = stream(&[namespace, workload("Deployment", &bare())]);
    let found = found(&input, &["--rules", "SR101"]);
    let mend = found["findings"][0]["mend"].as_str().unwrap();
    assert!(
        mend.starts_with("Annotating the workload (silkroll.dev/inject: enabled) would"),
        "{mend}"
    );
    let said = text(&check(&["-f", "-", "--rules", "SR101"], &input).stdout);
    assert!(
        said.contains("; annotating the workload would mend 1\n"),
        "{said}"
    );
}
