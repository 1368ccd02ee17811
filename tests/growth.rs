//! Work grows as its input does: eight times the input costs about eight times the work, whatever the shape.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails a test"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;

use serde_json::{Value, json};
use silkroll::admission::Review;
use silkroll::admission::findings::judged;
use silkroll::admission::manifests::{NamespaceSource, Run};
use silkroll::engine::{NamespaceView, Settings};
use silkroll::manifest::budget::{Budget, Stop};
use silkroll::manifest::{self, Limits, Rewritten};
use testkit::process;

/// The larger input is this many times the smaller one.
const TIMES: usize = 8;
/// Quadratic work would take 64 times as long; what is linear stays far below the middle.
const MOST: u64 = 3 * TIMES as u64;
/// Nanoseconds below which a measurement says nothing.
const FLOOR: u64 = 2_000_000;

/// What this thread has had of a processor so far, in nanoseconds: other load on the machine does not count.
fn worked() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Makes an input of `size` and of eight times that, and compares what `work` takes for them.
fn grows<I>(what: &str, size: usize, input: impl Fn(usize) -> I, work: impl Fn(&I)) {
    let cost = |input: &I| {
        let run = |()| {
            let before = worked();
            work(input);
            worked() - before
        };
        [(), ()].map(run).into_iter().min().unwrap()
    };
    let (small, large) = (input(size), input(size * TIMES));
    let (small, large) = (cost(&small).max(FLOOR), cost(&large));
    assert!(
        large <= MOST * small,
        "{what}: {} µs for {size}, {} µs for {TIMES} times as many",
        small / 1000,
        large / 1000
    );
}

fn deployment(name: &str, labels: usize, containers: usize) -> Value {
    let labels: serde_json::Map<_, _> = (0..labels)
        .map(|at| (format!("label-{at}"), "v".into()))
        .collect();
    let containers: Vec<Value> = (0..containers)
        .map(|at| json!({"name": format!("c{at}"), "image": "i", "ports": [{"containerPort": 8080}]}))
        .collect();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {}, "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}
    })
}

/// The whole way of a manifest: read, decide, edit, compare.
fn inject(text: &String) {
    let run = Run {
        settings: Settings::default().into(),
        known: NamespaceSource::All,
        namespace: "default".to_owned(),
        remove: false,
    };
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    for document in documents {
        let document = document.unwrap();
        let mut operations = Vec::new();
        let mut account = document.account();
        for item in run.decide(document.value(), &mut account).unwrap() {
            assert_eq!(item.decision.outcome.code(), "injected");
            operations.extend(item.patch_in_document().unwrap().0);
        }
        let edited = document.edit(&json_patch::Patch(operations)).unwrap();
        assert_eq!(edited.rewritten, None);
        black_box(manifest::unified_diff("x", document.text(), &edited.text));
    }
}

/// All documents judged together, with and without the injection.
fn judge(text: &String) {
    let run = Run {
        settings: Settings::default().into(),
        known: NamespaceSource::All,
        namespace: "default".to_owned(),
        remove: false,
    };
    let budget = Budget::new(1 << 30, Stop::default());
    let report = judged(&run, text.as_bytes(), &budget).unwrap();
    assert!(report.entries.iter().all(|entry| entry.line > 0));
    assert!(!report.entries.is_empty());
}

fn edit(text: &str, patch: &Value) -> manifest::Edited {
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    let patch = serde_json::from_value(patch.clone()).unwrap();
    documents[0].as_ref().unwrap().edit(&patch).unwrap()
}

#[test]
fn a_list_in_one_line_of_json() {
    let list = |count: usize| {
        let items: Vec<Value> = (0..count)
            .map(|at| deployment(&format!("d{at}"), 100, 1))
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    };
    grows("one line", 80, list, inject);
}

#[test]
fn what_is_found_in_a_list_and_in_one_workload() {
    let list = |count: usize| {
        let items = (0..count).map(|at| {
            let mut one = deployment(&format!("d{at}"), 3, 1);
            one["spec"]["replicas"] = 1.into();
            one
        });
        let items: Vec<Value> = items.collect();
        manifest::to_yaml(&json!({"apiVersion": "v1", "kind": "List", "items": items}))
    };
    grows("workloads of a List", 40, list, judge);
    let containers = |count: usize| {
        let mut one = deployment("web", 3, count);
        one["spec"]["replicas"] = 1.into();
        manifest::to_yaml(&one)
    };
    grows("containers", 100, containers, judge);
}

#[test]
fn workloads_that_share_a_service() {
    let behind = |names: fn(usize) -> String| {
        move |count: usize| {
            let mut items: Vec<Value> = (0..count).map(|at| deployment(&names(at), 1, 1)).collect();
            items.push(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": {"label-0": "v"}, "ports": [{"port": 80, "targetPort": 8080}]},
            }));
            manifest::to_yaml(&json!({"apiVersion": "v1", "kind": "List", "items": items}))
        }
    };
    grows("of many names", 40, behind(|at| format!("d{at}")), judge);
    grows("of one name", 40, behind(|_| "web".to_owned()), judge);
}

/// A `ConfigMap` with a script, and hooks that name it.
fn hooks(script: &str, containers: usize, times: usize) -> String {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"a": script}});
    let mut one = deployment("web", 1, containers);
    let pod = &mut one["spec"]["template"]["spec"];
    pod["volumes"] = json!([{"name": "s", "configMap": {"name": "s"}}]);
    for container in pod["containers"].as_array_mut().unwrap() {
        container["volumeMounts"] = json!([{"name": "s", "mountPath": "/s"}]);
        container["lifecycle"] = json!({"preStop": {"exec": {"command": vec!["/s/a"; times]}}});
    }
    format!("{map}\n---\n{one}\n")
}

#[test]
fn a_script_that_many_hooks_name_or_one_hook_many_times() {
    let script = |count: usize| "echo a b c\n".repeat(count);
    let times = |count: usize| hooks(&script(count), 1, count);
    grows("a script named many times", 400, times, judge);
    let named = |count: usize| hooks(&script(100 * count), count, 1);
    grows("a script named by many hooks", 100, named, judge);
}

#[test]
fn ignores_in_comments_and_findings_in_a_wide_mapping() {
    let ignore = "# silkroll:ignore SR301 why";
    let web = manifest::to_yaml(&deployment("web", 1, 1));
    let alone = |count: usize| format!("{}{web}", format!("{ignore}\n").repeat(count));
    grows("comments alone in their lines", 500, alone, judge);
    let wrong = |count: usize| format!("{}{web}", "# silkroll:ignore x\n".repeat(count));
    grows("comments that say nothing", 100, wrong, judge);
    let behind = |count: usize| {
        let lines = (0..count).map(|at| format!("x{at}: 1 {ignore}\n"));
        format!("{}{web}", lines.collect::<String>())
    };
    grows("comments behind something", 500, behind, judge);
    let one = |count: usize| format!("{}\n{web}", format!("{ignore} ").repeat(count));
    grows("comments in one line", 500, one, judge);
    let indented = |count: usize| {
        let line = format!("{}{ignore} ", " ".repeat(20 * count)).repeat(2)
            + &format!("{ignore} ").repeat(count);
        format!("{line}\n{web}")
    };
    grows("comments behind many blanks", 500, indented, judge);
    let both = |count: usize| {
        let comments = format!("{ignore}\n").repeat(10 * count);
        format!("{comments}{}", deployment("web", 1, count))
    };
    grows("comments and findings", 50, both, judge);
    let annotated = |count: usize| {
        let mut one = deployment("web", 1, count);
        one["metadata"]["annotations"]["silkroll.dev/ignore"] =
            "SR301,SR301,SR301 why; ".repeat(count).into();
        manifest::to_yaml(&one)
    };
    grows("entries of an annotation", 50, annotated, judge);
    let wide = |count: usize| {
        let mut one = deployment("web", 1, count);
        for at in 0..4 * count {
            one["spec"]["template"]["spec"][format!("x{at}")] = 1.into();
        }
        manifest::to_yaml(&one)
    };
    grows("members beside containers", 50, wide, judge);
}

#[test]
fn ports_of_a_service_and_of_containers() {
    let world = |containers: Vec<Value>, ports: Vec<Value>| {
        let mut workload = deployment("web", 0, 0);
        workload["spec"]["template"]["metadata"]["labels"] = json!({"app": "web"});
        workload["spec"]["template"]["spec"]["containers"] = containers.into();
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": ports},
        });
        format!("{workload}\n---\n{service}\n")
    };
    let ports = |count: usize| -> Vec<Value> {
        let ports = 0..count;
        ports
            .map(|at| json!({"port": at, "targetPort": at}))
            .collect()
    };
    grows(
        "ports of one container and of a Service",
        500,
        |count| {
            let declared: Vec<Value> = (0..count)
                .map(|at| json!({"containerPort": 100_000 + at}))
                .collect();
            world(
                vec![json!({"name": "a", "image": "i", "ports": declared})],
                ports(count),
            )
        },
        judge,
    );
    grows(
        "containers, and a Service with as many names",
        500,
        |count| {
            let containers = (0..count).map(|at| {
                let port = json!({"name": format!("n{at}"), "containerPort": 80});
                json!({"name": format!("c{at}"), "image": "i", "ports": [port]})
            });
            let named = (0..count).map(|at| json!({"port": at, "targetPort": format!("x{at}")}));
            world(containers.collect(), named.collect())
        },
        judge,
    );
    grows(
        "arguments, and ports of a Service",
        500,
        |count| {
            let words: Vec<String> = (0..count)
                .map(|at| format!("--metrics-{at}=:{at}"))
                .collect();
            world(
                vec![json!({"name": "a", "image": "i", "args": words})],
                ports(count + 1),
            )
        },
        judge,
    );
}

/// What the programs that this process started and that have ended had of a processor, in nanoseconds, by the clock's ticks.
fn worked_by_programs() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
    // USER_HZ is 100 on every Linux that Rust runs on.
    let ticks = fields
        .skip(13)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap());
    ticks.sum::<u64>() * 10_000_000
}

#[test]
fn documents_that_cannot_be_read() {
    /// Some ticks of the clock.
    const SIZE: usize = 8_000;
    for command in ["inject", "check"] {
        let cost = |documents: usize| {
            let before = worked_by_programs();
            let mut program = Command::new(env!("CARGO_BIN_EXE_silkroll"));
            let input = "a: b: c\n---\n".repeat(documents);
            let output = process::run(program.args([command, "-f", "-"]), input.as_bytes());
            let output = output.unwrap();
            assert_eq!(output.code, Some(2));
            assert_eq!(output.stderr.lines().count(), documents + 1);
            worked_by_programs() - before
        };
        let (small, large) = (cost(SIZE), cost(SIZE * TIMES));
        assert!(
            large <= MOST * small,
            "{command}: {} ms for {SIZE}, {} ms for {TIMES} times as many",
            small / 1_000_000,
            large / 1_000_000
        );
    }
}

#[test]
fn many_blanks_before_a_line_of_json() {
    let list = |count: usize| {
        let items: Vec<Value> = (0..count)
            .map(|at| deployment(&format!("d{at}"), 100, 1))
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        " ".repeat(count * 1000) + &list.to_string()
    };
    grows("blanks", 80, list, inject);
}

#[test]
fn labels_in_json_and_yaml() {
    let json = |count: usize| deployment("web", count, 1).to_string();
    grows("JSON", 4000, json, inject);
    let yaml = |count: usize| manifest::to_yaml(&deployment("web", count, 1));
    grows("YAML", 4000, yaml, inject);
}

#[test]
fn a_document_that_is_written_anew() {
    let text = |count: usize| {
        let mut text = "? a\n: 1\nb:\n".to_owned();
        for at in 0..count {
            writeln!(text, "  \"key-{at}\":   'v{at}' # {at}").unwrap();
        }
        text
    };
    grows("written anew", 1000, text, |text| {
        let edited = edit(text, &json!([{"op": "add", "path": "/c", "value": 2}]));
        assert_eq!(edited.rewritten, Some(Rewritten::ExplicitKey { line: 1 }));
        black_box(manifest::unified_diff("x", text, &edited.text));
    });
}

#[test]
fn a_mapping_that_is_replaced_and_one_that_changes_in_many_places() {
    let map = |count: usize, from: usize| -> Value {
        let members = (from..from + count).map(|at| (format!("k{at}"), at.into()));
        Value::Object(members.collect())
    };
    let replaced = |count: usize| {
        let text = manifest::to_yaml(&json!({"a": map(count, 0)}));
        let value = map(count, count / 2);
        (
            text,
            json!([{"op": "replace", "path": "/a", "value": value}]),
        )
    };
    let each = |op: &'static str| {
        move |count: usize| {
            let text = manifest::to_yaml(&json!({"a": map(count, 0), "b": 1}));
            let operation =
                |at: usize| json!({"op": op, "path": format!("/a/k{at}"), "value": "new"});
            (text, (0..count).map(operation).collect::<Value>())
        }
    };
    let merged = |count: usize| {
        let text = manifest::to_yaml(&json!({"a": map(count, 0)}));
        let text = text.replacen("a:", "a: &a", 1) + "b:\n  <<: *a\n";
        let operation =
            |at: usize| json!({"op": "replace", "path": format!("/b/k{at}"), "value": 1});
        (text, (0..count).map(operation).collect::<Value>())
    };
    let work = |(text, patch): &(String, Value)| {
        assert_eq!(edit(text, patch).rewritten, None);
    };
    grows("replaced", 1000, replaced, work);
    grows("changed", 1000, each("replace"), work);
    grows("removed", 1000, each("remove"), work);
    grows("merged", 1000, merged, work);
}

#[test]
fn items_in_brackets_and_in_lines() {
    let lists = |count: usize| {
        let mut flow = "a: [".to_owned();
        let mut block = "a:\n".to_owned();
        for at in 0..count {
            write!(flow, "{at}, ").unwrap();
            writeln!(block, "- {at}").unwrap();
        }
        // Odd places: something new before each other item.
        let operation =
            |at: usize| json!({"op": "add", "path": format!("/a/{}", 2 * at), "value": "new"});
        let added: Value = (0..count).map(operation).collect();
        (flow + "]\n", block, added)
    };
    grows("items", 500, lists, |(flow, block, added)| {
        assert_eq!(edit(flow, added).rewritten, None);
        assert_eq!(edit(block, added).rewritten, None);
    });
}

#[test]
fn texts_that_have_nothing_in_common() {
    let texts = |count: usize| {
        let lines = |word: &str| -> String {
            (0..count).fold(String::new(), |text, at| text + word + &format!("{at}\n"))
        };
        // The second has each of its lines in the first, too, but in another order.
        let shuffled = (0..count).fold(String::new(), |text, at| {
            text + &format!("a{}\n", at * 7919 % count)
        });
        (lines("a"), lines("b"), shuffled)
    };
    grows("diff", 1000, texts, |(one, other, shuffled)| {
        black_box(manifest::unified_diff("x", one, other));
        black_box(manifest::unified_diff("x", one, shuffled));
    });
}

#[test]
fn a_setting_that_is_given_again_and_again() {
    let review = |count: usize| {
        let settings: Vec<String> = (0..count)
            .map(|at| {
                format!("\"silkroll.dev/drain-seconds\":\"x{at}\",\"silkroll.dev/status\":\"{at}\"")
            })
            .collect();
        let mut object = deployment("web", 1, 1);
        object["metadata"]["annotations"] = json!({"SETTINGS": 1});
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": "CREATE", "namespace": "shop", "object": object,
                "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "resource": {"group": "apps", "version": "v1", "resource": "deployments"}
            }
        })
        .to_string()
        .replace("\"SETTINGS\":1", &settings.join(","))
    };
    let settings = Settings {
        deny_invalid: false,
        ..Settings::default()
    };
    grows("settings", 2000, review, |body| {
        let review = Review::read(body.as_bytes()).unwrap();
        let decision = review.decide(&settings, NamespaceView::Assumed, true);
        assert_eq!(decision.reason.code(), "invalid-annotation");
        assert!(decision.warnings.len() < 20, "{}", decision.warnings.len());
    });
}

#[test]
fn alternatives_of_a_node_affinity() {
    let text = |count: usize| {
        let term = |at| {
            json!({"matchExpressions": [
                {"key": "kubernetes.io/os", "operator": "In", "values": [format!("os-{at}")]},
                {"key": "kubernetes.io/os", "operator": "NotIn", "values": [format!("no-{at}"), "x"]}
            ]})
        };
        let terms: Vec<Value> = (0..count).map(term).collect();
        let mut object = deployment("web", 1, 1);
        object["spec"]["template"]["spec"]["affinity"] = json!({"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}
        }});
        object.to_string()
    };
    grows("terms", 1000, text, inject);
}

#[test]
fn a_wide_indentation_is_not_repeated_in_every_new_line() {
    let wide = " ".repeat(20_000);
    let list: Vec<String> = (0..100)
        .map(|at| format!("{wide}{}", deployment(&format!("d{at}"), 0, 1)))
        .collect();
    let list = list
        .join(",\n")
        .replace("\"labels\":{}", "\"annotations\":{}");
    let text = format!(
        "{{\n{wide}\"apiVersion\":\"v1\",\n{wide}\"kind\":\"List\",\n{wide}\"items\":[\n{list}\n]}}\n"
    );
    let patch: Vec<Value> = (0..100)
        .map(|at| {
            let path = format!("/items/{at}/spec/template/metadata/annotations/a");
            json!({"op": "add", "path": path, "value": {"a": [1, 2, {"b": 3}]}})
        })
        .collect();
    let edited = edit(&text, &patch.into());
    assert_eq!(edited.rewritten, None);
    assert!(edited.text.len() < 2 * text.len(), "{}", edited.text.len());
}

/// An UPDATE of a stored object with a record, as a review; the image is another.
fn changed(stored: &Value) -> String {
    let mut new = stored.clone();
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": "UPDATE", "namespace": "shop",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "object": new, "oldObject": stored
        }
    })
    .to_string()
}

fn decide(body: &String) {
    let namespace = [
        ("silkroll.dev/inject".into(), "enabled".into()),
        ("silkroll.dev/container".into(), "c0".into()),
    ];
    let view = NamespaceView::Known {
        annotations: &namespace,
        labels: &[],
    };
    let review = Review::read(body.as_bytes()).unwrap();
    let decision = review.decide(&Settings::default(), view, false);
    assert_eq!(decision.outcome.code(), "injected", "{decision:?}");
}

/// A record that says so of each of these slots, forged or not, and the names of its containers.
fn record(containers: &[String], slots: Vec<(String, Value)>) -> Value {
    let slots: serde_json::Map<_, _> = slots.into_iter().collect();
    let text = json!({
        "format": 2, "version": "0.1.0", "user": "0123456789abcdef", "containers": containers, "slots": slots
    });
    text.to_string().into()
}

const PODIP: &str =
    r#"{"name":"podip","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"status.podIP"}}}"#;

#[test]
fn records_of_many_slots_and_manifests_that_were_sent() {
    let entry = |at: usize| json!({"name": format!("V{at}"), "value": "1"});
    let address: Value = serde_json::from_str(PODIP).unwrap();
    let source = json!({"valueFrom": address["valueFrom"]});
    let names = |count: usize| (0..count).map(|at| format!("c{at}")).collect::<Vec<_>>();
    let status = "silkroll.dev/status";
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    let with = |mut object: Value, annotation: Value| {
        object["spec"]["template"]["metadata"]["annotations"] = json!({status: annotation});
        object
    };
    // One container with many entries of ours.
    let one = |count: usize| {
        let mut object = deployment("web", 1, 1);
        let entries: Vec<Value> = (0..count).map(entry).collect();
        object["spec"]["template"]["spec"]["containers"][0]["env"] = entries.into();
        let slots = (0..count).map(|at| (format!("c0/env/V{at}"), json!({"value": "1"})));
        with(object, record(&names(1), slots.collect()))
    };
    // Many containers with one each, as they are and renamed.
    let many = |count: usize, called: &str| {
        let mut object = deployment("web", 1, count);
        let containers = &mut object["spec"]["template"]["spec"]["containers"];
        for container in containers.as_array_mut().unwrap().iter_mut().skip(1) {
            container["env"] = json!([address]);
        }
        let slots = (1..count).map(|at| (format!("{called}{at}/env/podip"), source.clone()));
        let names: Vec<_> = (1..count).map(|at| format!("{called}{at}")).collect();
        with(object, record(&names, slots.collect()))
    };
    // Each of them in what was applied last, and in what an apply manages.
    let sent = |mut object: Value| {
        let manifest = json!({"spec": object["spec"]["template"]["spec"]});
        object["metadata"]["annotations"] =
            json!({last: json!({"spec": {"template": manifest}}).to_string()});
        object
    };
    let managed = |mut object: Value, count: usize| {
        let field = json!({"k:{\"name\":\"podip\"}": {".": {}}});
        let containers: serde_json::Map<_, _> = (0..count)
            .map(|at| (format!("k:{{\"name\":\"c{at}\"}}"), json!({"f:env": field})))
            .collect();
        let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": containers}}}});
        object["metadata"]["managedFields"] = json!([
            {"manager": "kubectl", "operation": "Apply", "fieldsV1": fields}
        ]);
        object
    };
    // An object with many members that nothing of ours is among.
    let members = |count: usize| {
        let mut object = one(count);
        let pod = &mut object["spec"]["template"]["spec"];
        for at in 0..count {
            pod[format!("unknown{at}")] = 1.into();
            pod["containers"][0][format!("unknown{at}")] = 1.into();
        }
        object
    };
    // One name again and again, in the record and among the items, beside a slot that takes long to read.
    let repeated = |count: usize| {
        let mut object = deployment("web", 1, 1);
        let entries: Vec<Value> = (0..count)
            .map(|at| json!({"name": "A", "value": at.to_string()}))
            .collect();
        object["spec"]["template"]["spec"]["containers"][0]["env"] = entries.into();
        let long: serde_json::Map<_, _> = (0..count).map(|at| (at.to_string(), 1.into())).collect();
        let slots = vec![("c0/env/A".to_owned(), json!({"value": "x", "long": long}))];
        with(object, record(&names(1), slots))
    };
    let managers = |count: usize| {
        let mut object = one(count);
        let entry =
            json!({"manager": "m", "operation": "Apply", "fieldsV1": {"f:spec": {"f:V1": {}}}});
        object["metadata"]["managedFields"] = vec![entry; count].into();
        object
    };
    let text = |object: Value| changed(&object);
    grows("items of one name", 150, |n| text(repeated(n)), decide);
    grows("managers", 150, |n| text(managers(n)), decide);
    grows("entries", 150, |n| text(one(n)), decide);
    grows("entries, sent", 150, |n| text(sent(one(n))), decide);
    grows("containers", 30, |n| text(many(n, "c")), decide);
    grows("containers, sent", 30, |n| text(sent(many(n, "c"))), decide);
    grows(
        "containers, managed",
        30,
        |n| text(managed(many(n, "c"), n)),
        decide,
    );
    grows("containers, renamed", 30, |n| text(many(n, "old")), decide);
    grows("members", 80, |n| text(members(n)), decide);
}
