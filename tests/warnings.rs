//! What the author of a workload is told on kubectl's stderr, and what not: law 6, never silent, and
//! nothing on plain success.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::admission::Review;
use silkroll::engine::{Decision, Kind, NamespaceView, Outcome, Reason, Settings};
use support::{Pairs, annotate, create, deployment, opted_in, pairs, review, update};

/// CREATE in a namespace with these annotations and labels.
fn ask(object: &Value, annotations: &Pairs, labels: &Pairs, settings: &Settings) -> Decision {
    let body = review("CREATE", object, &Value::Null);
    let view = NamespaceView::Known {
        annotations,
        labels,
    };
    Review::read(&body).unwrap().decide(settings, view, false)
}

/// What an UPDATE does.
type Edit = fn(&mut Value);

/// The one warning, or nothing; each short enough for kubectl.
fn told(decision: &Decision) -> String {
    assert!(decision.warnings.len() < 2, "{:?}", decision.warnings);
    for warning in &decision.warnings {
        assert!(warning.chars().count() < 250, "{warning}");
    }
    decision.warnings.concat()
}

fn templated(key: &str, value: &str) -> Value {
    let mut object = deployment();
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({format!("silkroll.dev/{key}"): value});
    object
}

fn annotated(list: &[(&str, &str)]) -> Value {
    let mut object = deployment();
    for (key, value) in list {
        annotate(&mut object, key, value);
    }
    object
}

fn labelled(key: &str) -> Value {
    let mut object = deployment();
    object["metadata"]["labels"] = json!({format!("silkroll.dev/{key}"): "x"});
    object
}

/// A manifest at hand may have any name: what the API server would refuse is told of all the same.
#[test]
fn each_decision_is_told_on_one_line_and_cut_whatever_the_names_are() {
    let mut object = deployment();
    object["metadata"]["name"] = format!("é\"\u{2028}\n{}", "x".repeat(5000)).into();
    object["spec"]["template"]["spec"]["containers"][0]["name"] = "a\u{1b}[2J\nb".into();
    let body = review("CREATE", &object, &Value::Null);
    let namespace = support::nacos();
    let view = NamespaceView::Known {
        annotations: &namespace,
        labels: &[],
    };
    let settings = Settings::default();
    let decision = Review::read(&body).unwrap().decide(&settings, view, true);
    assert!(decision.steps.len() > 3, "{decision:?}");
    for step in &decision.steps {
        for text in [&step.text, &step.container] {
            let unseen = |c: char| c.is_control() || c == '\u{2028}';
            assert!(!text.contains(unseen), "{text:?}");
            assert!(text.chars().count() <= 1000, "{text:?}");
        }
    }
}

#[test]
fn what_was_meant_as_the_opt_in_is_told_to_everybody_who_applies_there() {
    let none: &[(&str, &str)] = &[];
    let inject = "did you mean silkroll.dev/inject?";
    for (annotations, labels, says) in [
        (&[("injection", "enabled")][..], none, inject),
        (&[("Inject", "enabled")], none, inject),
        (&[("injct", "enabled")], none, inject),
        (&[("enabled", "true")], none, inject),
        (&[("auto", "enabled")], none, inject),
        // The one that leads to the opt-in goes first.
        (&[("drain-second", "9"), ("injekt", "on")], none, inject),
        (
            &[("drain-second", "9")],
            none,
            "did you mean silkroll.dev/drain-seconds?; the namespace has not opted in",
        ),
        (
            &[("team", "a")],
            none,
            "is not known and has no effect; the namespace has not opted in",
        ),
        (
            &[("deregister", "nacos"), ("nacos-server", "http://n:8848")],
            none,
            "Namespace shop has silkroll.dev/deregister, but no silkroll.dev/inject",
        ),
        (
            none,
            &[("inject", "enabled")],
            "is a label on Namespace shop: Silkroll reads annotations, make it one",
        ),
        (
            none,
            &[("injct", "enabled")],
            "did you mean the annotation silkroll.dev/inject?",
        ),
        (
            none,
            &[("enabled", "true")],
            "did you mean the annotation silkroll.dev/inject?",
        ),
        (
            none,
            &[("drain-seconds", "9")],
            "Namespace shop has silkroll.dev/drain-seconds, but no",
        ),
        (
            &[("inject", "yes")],
            none,
            "silkroll.dev/inject: \"yes\" on Namespace shop cannot be used: allowed is enabled",
        ),
        // Plain.
        (none, none, ""),
        (&[("status", "{}")], none, ""),
        (&[("inject", "disabled"), ("drain-seconds", "9")], none, ""),
        (
            &[("inject", "on-request"), ("drain-seconds", "9")],
            none,
            "",
        ),
    ] {
        // As fast as can be, and with something of ours in the template, which has to be read then.
        let mut mentions = deployment();
        mentions["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["/silkroll"]);
        for object in [deployment(), mentions] {
            let (annotations, labels) = (pairs(annotations), pairs(labels));
            let decision = ask(&object, &annotations, &labels, &Settings::default());
            assert_eq!(decision.outcome, Outcome::Skipped, "{annotations:?}");
            let told = told(&decision);
            assert!(told.contains(says), "{annotations:?} {labels:?}: {told}");
            assert_eq!(told.is_empty(), says.is_empty(), "{annotations:?}: {told}");
        }
    }
}

#[test]
fn a_setting_of_a_workload_that_nothing_comes_of_is_told() {
    let not_opted_in = "has no effect: set silkroll.dev/inject=enabled on namespace shop";
    let not_asked =
        "has no effect: say silkroll.dev/inject: enabled; the namespace injects on request";
    for (object, says) in [
        (
            annotated(&[("drain-seconds", "20")]),
            "silkroll.dev/drain-seconds on the Deployment",
        ),
        (
            templated("nacos-server", "http://n:8848"),
            "silkroll.dev/nacos-server on the pod template",
        ),
        (
            annotated(&[("drain-second", "20")]),
            "silkroll.dev/drain-second (did you mean drain-seconds?) on the Deployment",
        ),
        (
            annotated(&[("injct", "enabled")]),
            "silkroll.dev/injct (did you mean inject?) on the Deployment",
        ),
        (
            annotated(&[("enabled", "true")]),
            "silkroll.dev/enabled (did you mean inject?) on the Deployment",
        ),
        (
            labelled("inject"),
            "the label silkroll.dev/inject on the Deployment (Silkroll reads annotations)",
        ),
        (deployment(), ""),
    ] {
        for (namespace, end) in [
            (pairs(&[]), not_opted_in),
            (pairs(&[("inject", "on-request")]), not_asked),
        ] {
            let decision = ask(&object, &namespace, &pairs(&[]), &Settings::default());
            let told = told(&decision);
            assert_eq!(told.is_empty(), says.is_empty(), "{told}");
            assert!(told.contains(says), "{told}");
            assert!(told.is_empty() || told.contains(end), "{told}");
        }
        // Where the namespace's owner or the author said no, that is an answer.
        let disabled = pairs(&[("inject", "disabled")]);
        let decision = ask(&object, &disabled, &pairs(&[]), &Settings::default());
        assert_eq!(told(&decision), "");
        let mut out = object.clone();
        annotate(&mut out, "inject", "disabled");
        let on_request = pairs(&[("inject", "on-request")]);
        for namespace in [on_request, pairs(&[]), pairs(&[("drain-seconds", "9")])] {
            let decision = ask(&out, &namespace, &pairs(&[]), &Settings::default());
            assert_eq!(told(&decision), "");
        }
    }
}

#[test]
fn a_setting_is_told_with_an_update_that_changes_something_and_not_with_others() {
    let silent = pairs(&[]);
    let misspelt = pairs(&[("injct", "enabled")]);
    let stored = annotated(&[("drain-seconds", "20")]);
    let edits: [(Edit, bool); 4] = [
        (|d| d["spec"]["replicas"] = 9.into(), false),
        (|d| d["metadata"]["labels"] = json!({"a": "b"}), false),
        // As the deployment controller writes it.
        (
            |d| d["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2".into(),
            false,
        ),
        (
            |d| d["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into(),
            true,
        ),
    ];
    for kinds in [Kind::ALL.to_vec(), vec![Kind::StatefulSet]] {
        let settings = Settings {
            kinds,
            ..Settings::default()
        };
        for namespace in [&silent, &misspelt] {
            for (edit, tells) in edits {
                let mut new = stored.clone();
                edit(&mut new);
                let (_, decision) = update(&new, &stored, namespace, &settings);
                assert_eq!(told(&decision).is_empty(), !tells, "{decision:?}");
            }
        }
    }
}

#[test]
fn a_kind_that_the_settings_leave_out_is_told_where_it_would_be_covered() {
    let mut set = deployment();
    set["kind"] = "StatefulSet".into();
    set["spec"].as_object_mut().unwrap().remove("strategy");
    let mut out = set.clone();
    annotate(&mut out, "inject", "disabled");
    let mut asks = set.clone();
    annotate(&mut asks, "inject", "enabled");
    let left_out = "--workloads of Silkroll has deployment, not statefulset: start it with --workloads deployment,statefulset";
    for (object, namespace, says) in [
        (&set, opted_in(&[]), left_out),
        (&asks, pairs(&[("inject", "on-request")]), left_out),
        (&set, pairs(&[("inject", "on-request")]), ""),
        (&out, opted_in(&[]), ""),
        (&set, pairs(&[]), ""),
        (&set, pairs(&[("inject", "disabled")]), ""),
        (
            &set,
            pairs(&[("injct", "enabled")]),
            "did you mean silkroll.dev/inject?",
        ),
        (&set, pairs(&[("inject", "yes")]), "allowed is enabled"),
    ] {
        let decision = ask(object, &namespace, &pairs(&[]), &Settings::default());
        assert_eq!(decision.outcome, Outcome::Skipped);
        assert_eq!(decision.reason, Reason::KindNotCovered);
        let told = told(&decision);
        assert!(told.contains(says), "{namespace:?}: {told}");
        assert_eq!(told.is_empty(), says.is_empty(), "{namespace:?}: {told}");
    }
}

fn nacos(more: &[(&str, &str)]) -> Pairs {
    let mut all = vec![
        ("deregister", "nacos"),
        ("nacos-server", "http://nacos:8848"),
    ];
    all.extend_from_slice(more);
    opted_in(&all)
}

/// With this as its own preStop.
fn stopping(hook: &Value) -> Value {
    let mut object = deployment();
    object["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = json!({"preStop": hook});
    object
}

#[test]
fn an_image_that_may_have_no_shell_is_told_unless_the_script_was_asked_for() {
    let settings = Settings::default();
    let (_, decision) = create(&deployment(), &nacos(&[]), &settings);
    for says in [
        "its image may have no shell",
        "there is no start hook",
        "set silkroll.dev/hook to script",
        "else say silkroll.dev/hook-arch",
    ] {
        assert!(told(&decision).contains(says), "{decision:?}");
    }

    let script = [("hook", "script")];
    let own = stopping(&json!({"exec": {"command": ["/app/bye"]}}));
    let known = [("existing-pre-stop-seconds", "3"), ("hook", "script")];
    for (object, namespace, settings) in [
        (&deployment(), nacos(&script), &settings),
        (&annotated(&script), nacos(&[]), &settings),
        (&templated("hook", "script"), nacos(&[]), &settings),
        (
            &deployment(),
            nacos(&[]),
            &Settings {
                defaults: pairs(&script),
                ..Settings::default()
            },
        ),
        // The chained hook's shell is the same shell.
        (&own, nacos(&known), &settings),
        (&own, opted_in(&known), &settings),
    ] {
        let (_, decision) = create(object, &namespace, settings);
        assert_eq!(decision.outcome, Outcome::Injected);
        assert_eq!(told(&decision), "");
    }
}

#[test]
fn another_container_that_declares_a_port_and_ends_at_once_is_told_of_unless_somebody_named_them() {
    let warned = "container front: it declares port 8081 and gets no hook, so it stops at once while web waits; name both in \
                  silkroll.dev/container, or only web if it serves no callers";
    let front = json!({"name": "front", "image": "front:1", "ports": [{"containerPort": 8081}]});
    let with = |name: &str, value: Value| {
        let mut front = front.clone();
        front[name] = value;
        front
    };
    let stop = json!({"preStop": {"exec": {"command": ["/bye"]}}});
    let start = json!({"postStart": {"exec": {"command": ["/hello"]}}});
    let port = |name: &str| json!([{"containerPort": 8081, "name": name}]);
    let udp = json!([{"containerPort": 8081, "protocol": "UDP"}]);
    let mixed = json!([{"containerPort": 1, "name": "metrics"}, {"containerPort": 8081}]);
    for (other, says) in [
        (front.clone(), true),
        (with("lifecycle", start), true),
        (with("ports", port("grpc")), true),
        (with("ports", mixed), true),
        // Its own hook is an answer.
        (with("lifecycle", stop), false),
        (with("ports", udp), false),
        (with("ports", json!([])), false),
        (with("ports", port("metrics")), false),
        (with("ports", port("http-admin")), false),
        (with("name", json!("istio-proxy")), false),
        (with("name", json!("linkerd-proxy")), false),
    ] {
        for (annotations, may) in [
            (&[][..], true),
            (&[("container", "web")][..], false),
            (&[("drain-seconds", "0")][..], false),
        ] {
            let mut object = deployment();
            let template = &mut object["spec"]["template"];
            template["metadata"]["annotations"] =
                json!({"kubectl.kubernetes.io/default-container": "web"});
            let containers = template["spec"]["containers"].as_array_mut().unwrap();
            containers.push(other.clone());
            let (stored, decision) = create(&object, &opted_in(annotations), &Settings::default());
            assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
            let expected = if says && may {
                format!("silkroll: {warned}")
            } else {
                String::new()
            };
            assert_eq!(told(&decision), expected, "{other} {annotations:?}");
            // By the record it is the same.
            let namespace = opted_in(annotations);
            let mut image = stored.clone();
            image["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
            let (_, later) = update(&image, &stored, &namespace, &Settings::default());
            assert_eq!(told(&later), expected, "{other} {annotations:?}");
        }
    }
    // Native sidecars end after it.
    let mut object = deployment();
    let pod = &mut object["spec"]["template"]["spec"];
    let mut sidecar = front;
    sidecar["restartPolicy"] = "Always".into();
    pod["initContainers"] = json!([sidecar]);
    let (_, decision) = create(&object, &opted_in(&[]), &Settings::default());
    assert_eq!(told(&decision), "");
}

#[test]
fn an_own_hook_that_calls_a_registry_is_better_replaced() {
    let shell = |text: &str| stopping(&json!({"exec": {"command": ["/bin/sh", "-c", text]}}));
    let plain = "curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?ip=1&enabled=false'; sleep 20";
    let weighed =
        "curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?ip=1&enabled=false&weight=5'";
    let replace = "set silkroll.dev/existing-pre-stop: replace";
    let deregister = "set silkroll.dev/deregister and existing-pre-stop: replace";
    let keep = "replace, or chain to keep it";
    let keep_for = "replace, or chain and existing-pre-stop-seconds to keep it";
    let weight = "a Nacos call without weight sets 1";
    let nacos = |more: &[_]| nacos(&[more, &[("hook", "script")]].concat());
    let opted_in = |more: &[_]| opted_in(&[more, &[("hook", "script")]].concat());
    let chain = [("existing-pre-stop", "chain")];
    let seconds = [("existing-pre-stop-seconds", "20")];
    let bound = "say what it needs with silkroll.dev/existing-pre-stop-seconds";
    for (object, namespace, says, not) in [
        (
            shell(plain),
            nacos(&[]),
            vec![replace, keep_for, weight],
            bound,
        ),
        (
            shell(plain),
            nacos(&seconds),
            vec![replace, keep, weight],
            "existing-pre-stop-seconds",
        ),
        (shell(weighed), nacos(&[]), vec![replace], weight),
        (shell(plain), opted_in(&[]), vec![deregister, weight], bound),
        (
            stopping(&json!({"httpGet": {"path": "/offline", "port": 22222}})),
            opted_in(&[("hook", "script")]),
            vec![deregister],
            weight,
        ),
        (shell("sleep 20"), nacos(&[]), vec![bound], replace),
    ] {
        let (_, decision) = create(&object, &namespace, &Settings::default());
        let told = told(&decision);
        assert!(says.iter().all(|says| told.contains(says)), "{told}");
        assert!(!told.contains(not), "{told}");
    }
    // What is replaced and not made up for.
    let replaced = [("existing-pre-stop", "replace")];
    let lost = "takes away a preStop that calls a registry, and nothing calls it in its place: set silkroll.dev/deregister";
    for (object, namespace, says) in [
        (shell(plain), opted_in(&replaced), lost),
        (
            shell(plain),
            opted_in(&[replaced[0], ("deregister", "nginx")]),
            lost,
        ),
        (shell("sleep 20"), opted_in(&replaced), ""),
        (shell(plain), nacos(&replaced), ""),
    ] {
        let (_, decision) = create(&object, &namespace, &Settings::default());
        let told = told(&decision);
        assert!(
            told.contains(says) && told.is_empty() == says.is_empty(),
            "{told}"
        );
    }
    for quiet in [
        nacos(&[("existing-pre-stop", "replace"), ("hook", "script")]),
        nacos(&[("existing-pre-stop", "keep")]),
        // Said as it is meant.
        nacos(&chain),
        nacos(&[chain[0], seconds[0]]),
    ] {
        let (_, decision) = create(&shell(plain), &quiet, &Settings::default());
        assert_eq!(told(&decision), "");
    }
}

#[test]
fn the_timeline_knows_sigterm_only_where_the_own_hook_is_bounded() {
    let exec = json!({"exec": {"command": ["/bin/sh", "-c", "bye"]}});
    let sleep = json!({"sleep": {"seconds": 7}});
    let keep = ("existing-pre-stop", "keep");
    let replace = ("existing-pre-stop", "replace");
    for (hook, more, own, sigterm, sigkill) in [
        (json!({}), &[][..], Some(0), Some(15), 50),
        (exec.clone(), &[], None, None, 50),
        (
            exec.clone(),
            &[("existing-pre-stop-seconds", "0")],
            None,
            None,
            50,
        ),
        (
            exec.clone(),
            &[("existing-pre-stop-seconds", "4")],
            Some(4),
            Some(19),
            54,
        ),
        (exec.clone(), &[keep], None, None, 30),
        (exec.clone(), &[replace], Some(0), Some(15), 50),
        (sleep.clone(), &[], Some(7), Some(22), 57),
        (sleep.clone(), &[keep], Some(7), Some(7), 30),
        // Kept, for it cannot be chained.
        (json!({"tcpSocket": {"port": 1}}), &[], None, None, 30),
    ] {
        let (_, decision) = create(&stopping(&hook), &opted_in(more), &Settings::default());
        let timeline = decision.timeline.unwrap();
        let seen = (timeline.hook, timeline.sigterm, timeline.sigkill);
        assert_eq!(seen, (own, sigterm, sigkill), "{hook} {more:?}");
        assert_eq!(timeline.shutdown, sigterm.map(|at| sigkill - at), "{hook}");
        let json = serde_json::to_value(timeline).unwrap();
        assert_eq!(json["sigterm"].is_null(), sigterm.is_none());
        let words = silkroll::admission::report::words("web", &decision, true);
        assert_eq!(words.contains("not bounded"), own.is_none(), "{words}");
        assert_eq!(
            words.contains("SIGTERM    the app has"),
            own.is_some(),
            "{words}"
        );
    }
}

#[test]
fn a_podip_that_may_come_from_elsewhere_is_told_where_the_manifest_speaks_of_it() {
    let from = |prefix: &str| json!([{"configMapRef": {"name": "a"}, "prefix": prefix}]);
    let refers = json!([{"name": "A", "value": "$(podip)"}]);
    for (env_from, env, args, tells) in [
        (json!([{"secretRef": {"name": "a"}}]), &refers, "", true),
        (from(""), &json!([]), "--bind=$(podip)", true),
        // A key `ip` under this prefix is one, too.
        (from("pod"), &refers, "", true),
        (from("APP_"), &refers, "", false),
        (from(""), &json!([]), "", false),
        (json!([]), &refers, "", false),
        (Value::Null, &refers, "", false),
        (
            from(""),
            &json!([{"name": "podip", "value": "a"}]),
            "$(podip)",
            false,
        ),
    ] {
        let mut object = deployment();
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        container["envFrom"] = env_from.clone();
        container["env"] = env.clone();
        container["args"] = json!([args]);
        let (_, decision) = create(&object, &opted_in(&[]), &Settings::default());
        let told = told(&decision);
        assert_eq!(
            told.contains("also where its envFrom sets another"),
            tells,
            "{env_from}: {told}"
        );
    }
}

#[test]
fn names_of_any_usual_length_leave_room_for_the_cure() {
    let long = |c: &str| c.repeat(63);
    let named = |mut object: Value| {
        object["metadata"]["name"] = long("n").into();
        object["metadata"]["namespace"] = long("s").into();
        object["spec"]["template"]["spec"]["containers"][0]["name"] = long("c").into();
        object
    };
    let key = "existing-pre-stop-secondz";
    let hook = |command: &str| stopping(&json!({"exec": {"command": ["/app/x", command]}}));
    let nacos_call = "curl -X PUT http://nacos:8848/nacos/v1/ns/instance?ip=1";
    let mut no_port = deployment();
    no_port["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([]);
    let mut asks_twice = annotated(&[("inject", "enabled")]);
    asks_twice["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "a"}}]);
    asks_twice["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["$(podip)"]);
    let mut mounts = deployment();
    mounts["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "a", "mountPath": "/silkroll"}]);
    let mut set = deployment();
    set["kind"] = "StatefulSet".into();
    let odd_hook = stopping(&json!({"tcpSocket": {"port": 1}}));
    let mut odd_start = deployment();
    odd_start["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
        json!({"postStart": {"tcpSocket": {"port": 1}}});
    let sleeps = stopping(&json!({"sleep": {"seconds": 4000}}));
    let objects = [
        deployment(),
        templated("team-of-the-application-that-is-here", "a"),
        templated(key, "1"),
        templated("drain-seconds", "1m"),
        annotated(&[("drain-seconds", "1m")]),
        annotated(&[(key, "1")]),
        annotated(&[("inject", "enabled")]),
        annotated(&[("status", "{}")]),
        annotated(&[("deregister", "http")]),
        annotated(&[("container", "other")]),
        annotated(&[("rollout", "surge"), ("min-ready-seconds", "600")]),
        labelled(key),
        labelled("inject"),
        hook("bye"),
        hook(nacos_call),
        no_port,
        asks_twice,
        mounts,
        set,
        odd_hook,
        odd_start,
        sleeps,
    ];
    let settings = Settings {
        deny_invalid: false,
        ..Settings::default()
    };
    let none = pairs(&[]);
    let namespaces = [
        (none.clone(), none.clone()),
        (pairs(&[("inject", "on-request")]), none.clone()),
        (pairs(&[("inject", "disabled")]), none.clone()),
        (pairs(&[("inject", "yes")]), none.clone()),
        (pairs(&[(key, "1")]), none.clone()),
        (pairs(&[("injct", "enabled")]), none.clone()),
        (pairs(&[("drain-seconds", "1")]), none.clone()),
        (none.clone(), pairs(&[("injct", "enabled")])),
        (none.clone(), pairs(&[("inject", "enabled")])),
        (opted_in(&[]), none.clone()),
        (nacos(&[]), none.clone()),
        (nacos(&[("hook", "binary")]), none.clone()),
        (opted_in(&[("drain-seconds", "1m")]), none.clone()),
        (opted_in(&[(key, "1")]), none),
    ];
    let mut told = std::collections::BTreeSet::new();
    for object in objects {
        let object = named(object);
        let injected = create(&object, &nacos(&[]), &settings).0;
        for (annotations, labels) in &namespaces {
            let decisions = [
                ask(&object, annotations, labels, &settings),
                ask(&injected, annotations, labels, &settings),
                update(&object, &injected, annotations, &settings).1,
            ];
            for warning in decisions.iter().flat_map(|decision| &decision.warnings) {
                told.insert(warning.clone());
            }
        }
    }
    let view = NamespaceView::Unknown;
    let body = review("CREATE", &named(deployment()), &Value::Null);
    let unknown = Review::read(&body).unwrap().decide(&settings, view, false);
    told.extend(unknown.warnings);
    // Of these what is cut is not the cure.
    let cures = [
        "cannot be used: there is no container \"other\"; the pod has c",
        "set silkroll.dev/nacos-port: ",
    ];
    let cut: Vec<_> = told
        .iter()
        .filter(|line| line.ends_with('…') && !cures.iter().any(|cure| line.contains(cure)))
        .collect();
    assert_eq!(cut, Vec::<&String>::new());
    assert!(told.len() > 30, "{told:#?}");
}
