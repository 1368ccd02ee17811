//! The formats of others, against their schemas and rules, with names that mean harm.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::{WEB, check, text};

/// A Deployment that does all it can to break out of a format.
fn hostile() -> String {
    let name = "]]></failure>&<a b='\"'>\n::error::x%0A,file=/etc ##[error]x\u{202e}\u{1b}[31m\u{0}\u{fffe}";
    let long = "x".repeat(5000);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": long},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [
            {"name": name, "ports": [{"containerPort": 1}], "readinessProbe": {"httpGet": {"port": name}}},
        ]}}},
    })
    .to_string()
}

fn inputs() -> [String; 5] {
    let ignored = WEB.replace(
        "replicas: 2",
        "replicas: 1 # silkroll:ignore SR301 <why> & \"so\"",
    );
    let beside = format!("{}\n---\na: [\n", hostile());
    [WEB.to_owned(), ignored, hostile(), beside, passed_over()]
}

fn out(format: &str, input: &str) -> String {
    text(&check(&["-f", "-", "-o", format], input).stdout)
}

#[test]
fn sarif_is_valid_by_its_schema() {
    let mut schema: Value = serde_json::from_str(include_str!("sarif-schema-2.1.0.json")).unwrap();
    // The schema has a bracket too many there, which is no regular expression; no log here says its language.
    for definition in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][definition]["properties"]["language"];
        assert!(
            language
                .as_object_mut()
                .unwrap()
                .remove("pattern")
                .is_some()
        );
    }
    let schema = jsonschema::validator_for(&schema).unwrap();
    for input in inputs() {
        let log: Value = serde_json::from_str(&out("sarif", &input)).unwrap();
        let errors: Vec<String> = schema
            .iter_errors(&log)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{input}");
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"]
                [usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            assert_eq!(rule["id"], result["ruleId"]);
        }
    }
    // The schema itself can tell.
    assert!(!schema.is_valid(&json!({"version": "2.1.0", "runs": [{}]})));
}

#[test]
fn sarif_names_files_as_uris_and_leaves_out_what_is_ignored_or_known() {
    let folder = tempfile::tempdir().unwrap();
    let web = &inputs()[1];
    let run = |text: &str, more: &[&str]| {
        std::fs::write(folder.path().join("a b#%.yaml"), text).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args([
                "check",
                "-f",
                "a b#%.yaml",
                "-o",
                "sarif",
                "--rules",
                "SR301",
            ])
            .args(more)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        (log["runs"][0]["results"].clone(), output.status.code())
    };
    assert_eq!(run(web, &[]), (json!([]), Some(0)));
    let web = web.replace("silkroll:ignore", "");
    let (results, code) = run(&web, &[]);
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b%23%25.yaml");
    assert_eq!(place["region"]["startLine"], 6);
    assert_eq!(code, Some(1));
    run(&web, &["--write-baseline", "known"]);
    assert_eq!(run(&web, &["--baseline", "known"]), (json!([]), Some(0)));
}

#[test]
fn what_was_not_judged_is_told_in_every_format_for_programs() {
    for (input, unreadable, whole) in [
        (WEB.to_owned(), 0, true),
        (format!("{WEB}---\na: [\n---\n<b\n"), 2, false),
        (String::new(), 0, false),
    ] {
        let log: Value = serde_json::from_str(&out("sarif", &input)).unwrap();
        let invocation = &log["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], whole, "{input}");
        let notes = invocation["toolExecutionNotifications"].as_array().unwrap();
        let said = |note: &Value| {
            note["message"]["text"]
                .as_str()
                .unwrap()
                .contains("standard input: document")
        };
        assert_eq!(
            notes.iter().filter(|note| said(note)).count(),
            unreadable,
            "{input}"
        );
        let found: Value = serde_json::from_str(&out("json", &input)).unwrap();
        assert_eq!(found["summary"]["unreadable"], unreadable, "{input}");
        let clean = found["summary"]["errors"] == 0;
        assert_eq!(found["summary"]["failed"], !whole || !clean, "{input}");
        let github = out("github", &input);
        let told = github.lines().filter(|line| {
            line.starts_with(
                "::error title=a document that could not be read::standard input: document",
            )
        });
        assert_eq!(told.count(), unreadable, "{github}");
        let junit = out("junit", &input);
        assert_eq!(
            junit.matches("<error type=\"unreadable\">").count(),
            unreadable,
            "{junit}"
        );
        assert!(
            junit.contains(&format!("errors=\"{unreadable}\">\n")),
            "{junit}"
        );
    }
}

/// Seven workloads that are taken to serve nobody, beside a Service, and a Pod of its own.
fn passed_over() -> String {
    let mut input = String::from(
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {selector: {app: other}, ports: [{port: 80}]}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: alone}\nspec: {containers: []}\n",
    );
    for number in 0..7 {
        let web = WEB.replace("name: web\nspec", &format!("name: w{number}\nspec"));
        input.push_str("---\n");
        input.push_str(&web);
    }
    input
}

#[test]
fn all_that_was_passed_over_is_named_in_every_format_for_programs() {
    let input = passed_over();
    let output = check(&["-f", "-"], &input);
    assert!(
        text(&output.stderr)
            .contains("Deployment default/w4 and 2 more (-o json names all): no Service")
    );
    let found: Value = serde_json::from_str(&out("json", &input)).unwrap();
    assert_eq!(found["summary"]["passedOver"], 8);
    let remarks = found["remarks"].as_array().unwrap();
    let objects = remarks
        .iter()
        .flat_map(|one| one["objects"].as_array().unwrap());
    let named: BTreeSet<&str> = objects.map(|one| one["object"].as_str().unwrap()).collect();
    let log: Value = serde_json::from_str(&out("sarif", &input)).unwrap();
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], true);
    let notes = invocation["toolExecutionNotifications"].to_string();
    let junit = out("junit", &input);
    assert!(junit.contains("skipped=\"8\""), "{junit}");
    for number in 0..7 {
        let name = format!("Deployment default/w{number}");
        assert!(named.contains(&*name), "{named:?}");
        assert!(notes.contains(&name), "{notes}");
        let skipped = format!("name=\"{name}\"><skipped message=\"taken to serve nobody");
        assert!(junit.contains(&skipped), "{junit}");
        assert!(!junit.contains(&format!("name=\"{name}\"/>")), "{junit}");
    }
    assert!(
        named.contains("Pod default/alone")
            && junit.contains("name=\"Pod default/alone\"><skipped")
    );
}

#[test]
fn a_chart_is_told_in_every_format_beside_what_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("shop");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(chart.join("Chart.yaml"), "name: shop\n").unwrap();
    fs::write(folder.path().join("web.yaml"), WEB).unwrap();
    let says = "shop is a Helm chart, whose templates are no manifests: build first: helm template";
    let name = |name: &str| folder.path().join(name).display().to_string();
    for (paths, findings) in [
        (vec![name("shop")], 0),
        (vec![name("shop"), name("web.yaml")], 2),
        (vec![name("web.yaml"), name("shop")], 2),
    ] {
        for format in ["text", "json", "sarif", "junit", "github"] {
            let mut args = vec!["-o", format];
            args.extend(paths.iter().flat_map(|path| ["-f", path.as_str()]));
            let output = check(&args, "");
            assert_eq!(output.status.code(), Some(2), "{format} {paths:?}");
            let (out, said) = (text(&output.stdout), text(&output.stderr));
            assert!(said.contains(says), "{said}");
            let told = ["sarif", "junit", "github"].contains(&format);
            assert_eq!(out.contains(says), told, "{format}: {out}");
            assert_eq!(
                out.contains("and it has no preStop hook"),
                findings > 0,
                "{format} {paths:?}: {out}"
            );
            if format == "json" {
                let found: Value = serde_json::from_str(&out).unwrap();
                assert_eq!(found["summary"]["unreadable"], 1);
                assert_eq!(found["findings"].as_array().unwrap().len(), findings);
            }
        }
    }
    // Nothing is written beside what could not be read.
    let output = check(&["--fix", "-f", &name("web.yaml"), "-f", &name("shop")], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(name("web.yaml")).unwrap(), WEB);
}

#[test]
fn what_is_piped_in_is_shown_at_the_template_that_it_was_made_of() {
    let helm = |source: &str| format!("---\n# Source: {source}\n{WEB}");
    for (input, uri, line) in [
        (WEB.to_owned(), "standard%20input", 12),
        (
            helm("shop/templates/web.yaml"),
            "shop/templates/web.yaml",
            1,
        ),
        (helm("../../etc/passwd"), "standard%20input", 14),
        (helm("/etc/passwd"), "standard%20input", 14),
        (helm(""), "standard%20input", 14),
        (
            format!("---\n# Source: a/b.yaml\nkind: A\n---\n{WEB}"),
            "standard%20input",
            16,
        ),
    ] {
        let output = text(&check(&["-f", "-", "-o", "sarif", "--rules", "SR101"], &input).stdout);
        let log: Value = serde_json::from_str(&output).unwrap();
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        let found = (
            &place["artifactLocation"]["uri"],
            &place["region"]["startLine"],
        );
        assert_eq!(found, (&json!(uri), &json!(line)), "{input}");
        let file = uri.replace("%20", " ");
        let github = text(&check(&["-f", "-", "-o", "github", "--rules", "SR101"], &input).stdout);
        assert!(
            github.starts_with(&format!("::error file={file},line={line},")),
            "{github}"
        );
    }
}

/// What of an XML schema the one for JUnit uses: which elements stand in which, and which attributes they have and need.
fn assert_valid(schema: &roxmltree::Document<'_>, node: roxmltree::Node<'_, '_>) {
    let name = node.tag_name().name();
    let root = schema.root_element();
    let declared = root
        .children()
        .find(|one| one.has_tag_name((XS, "element")) && one.attribute("name") == Some(name));
    let declared = declared.unwrap_or_else(|| panic!("<{name}> is in no schema"));
    let inside: BTreeSet<&str> = declared
        .descendants()
        .filter_map(|one| one.attribute("ref"))
        .collect();
    let attributes: Vec<_> = declared
        .descendants()
        .filter(|one| one.has_tag_name((XS, "attribute")))
        .collect();
    for attribute in node.attributes() {
        let known = attributes
            .iter()
            .any(|one| one.attribute("name") == Some(attribute.name()));
        assert!(
            known,
            "<{name} {}=…> is not in the schema",
            attribute.name()
        );
    }
    for needed in attributes
        .iter()
        .filter(|one| one.attribute("use") == Some("required"))
    {
        let attribute = needed.attribute("name").unwrap();
        assert!(node.has_attribute(attribute), "<{name}> lacks {attribute}");
    }
    let mixed = declared.attribute("type") == Some("xs:string")
        || declared
            .children()
            .any(|one| one.attribute("mixed") == Some("true"));
    for child in node.children() {
        if child.is_text() {
            assert!(
                mixed || child.text().unwrap().trim().is_empty(),
                "text in <{name}>"
            );
        } else {
            let child_name = child.tag_name().name();
            assert!(inside.contains(child_name), "<{child_name}> in <{name}>");
            assert_valid(schema, child);
        }
    }
}

const XS: &str = "http://www.w3.org/2001/XMLSchema";

#[test]
fn junit_is_valid_by_its_schema_and_counts_right() {
    let schema = roxmltree::Document::parse(include_str!("junit-10.xsd")).unwrap();
    for input in inputs() {
        for fail_on in ["info", "error"] {
            let output = check(&["-f", "-", "-o", "junit", "--fail-on", fail_on], &input);
            let output = text(&output.stdout);
            let document = roxmltree::Document::parse(&output).unwrap();
            assert_valid(&schema, document.root_element());
            for suite in document
                .descendants()
                .filter(|node| node.has_tag_name("testsuite"))
            {
                let number = |name: &str| {
                    suite
                        .descendants()
                        .filter(|node| node.has_tag_name(name))
                        .count()
                        .to_string()
                };
                assert_eq!(
                    suite.attribute("tests"),
                    Some(&*number("testcase")),
                    "{output}"
                );
                assert_eq!(
                    suite.attribute("failures"),
                    Some(&*number("failure")),
                    "{output}"
                );
            }
        }
    }
}

#[test]
fn github_gets_one_command_a_line_whatever_a_name_holds() {
    for input in inputs() {
        let output = out("github", &input);
        for line in output.lines() {
            let (command, message) = line[2..].split_once("::").unwrap();
            let (level, properties) = command.split_once(' ').unwrap();
            assert!(["error", "warning", "notice"].contains(&level), "{line}");
            let names: Vec<&str> = properties
                .split(',')
                .map(|pair| pair.split_once('=').unwrap().0)
                .collect();
            let unread = line.contains("title=a document that could not be read::");
            let expected: &[&str] = if unread {
                &["title"]
            } else {
                &["file", "line", "title"]
            };
            assert_eq!(names, expected, "{line}");
            assert!(!message.is_empty() && line.len() < 3000, "{line}");
            assert!(!line.contains(['\u{1b}', '\u{202e}', '\r']), "{line}");
        }
        let commands = output.matches("::error").count();
        assert!(commands <= output.lines().count() + 1);
    }
    let line = out("github", WEB);
    let line = line.lines().find(|line| line.contains("SR101")).unwrap();
    let begin = "::error file=standard input,line=12,title=SR101%3A nothing delays SIGTERM until callers have forgotten the pod::Deployment default/web, container web: ";
    assert!(line.starts_with(begin), "{line}");
}

/// Whether a runner of GitHub's or Azure's would take a line for a command: one that begins it, or the other form anywhere
/// in it.
fn is_command(line: &str) -> bool {
    let other = ["##[", "##vso["];
    line.trim_start().starts_with("::") || other.iter().any(|begin| line.contains(begin))
}

#[test]
fn no_name_becomes_a_workflow_command_wherever_it_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("::error::a.yaml", hostile()),
        ("##[error]b.yaml", hostile()),
        ("::error::c.yaml", "a: [".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for format in ["text", "github", "junit", "json", "sarif"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args([
                "check",
                "-o",
                format,
                "-f",
                "::error::a.yaml",
                "-f",
                "##[error]b.yaml",
                "-f",
                "::error::c.yaml",
            ])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let (out, said) = (text(&output.stdout), text(&output.stderr));
        assert!(said.contains("c.yaml: document 1"), "{said}");
        let printed = said
            .lines()
            .chain(out.lines().filter(|_| format != "github"));
        for line in printed {
            assert!(!is_command(line), "{format}: {line}");
        }
        for line in out.lines().filter(|_| format == "github") {
            let ours = [
                "::error file=",
                "::warning file=",
                "::notice file=",
                "::error title=",
            ];
            assert!(ours.iter().any(|begin| line.starts_with(begin)), "{line}");
        }
    }
}

#[test]
fn what_could_deceive_is_escaped_in_json_and_means_the_same() {
    let name = "a\u{9b}31m\u{202e}b ##[error]c ##VSO[task.d]\u{7f}\u{feff}";
    let web: Value = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 1}]}]}}},
    });
    let output = out("json", &web.to_string());
    assert!(
        !output.contains(|c: char| !c.is_ascii() || c == '\u{7f}'),
        "{output}"
    );
    assert!(
        output.contains("a\\u009b31m\\u202eb #\\u0023[error]c #\\u0023VSO[task.d]\\u007f\\ufeff")
    );
    let found: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(found["findings"][0]["name"], name);
    for line in output.lines().chain(out("sarif", &web.to_string()).lines()) {
        assert!(!is_command(line), "{line}");
    }
}

#[test]
fn explanations_of_an_injection_hold_no_command() {
    // A kind begins its line, and of what runs pods it may be anything.
    let web = WEB.replace("kind: Deployment", "kind: '::error::##[error]x'");
    let web = web.replace("apps/v1", "example.com/v1");
    for args in [&["--explain"][..], &["--diff", "--explain"]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        std::fs::write(&path, &web).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .arg("inject")
            .args(args)
            .arg("-f")
            .arg(path)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(said.contains("kind-not-covered"), "{said}");
        for line in said.lines() {
            assert!(!is_command(line), "{line}");
        }
    }
}

#[test]
fn a_long_name_makes_no_format_for_people_or_services_large() {
    let long = "x".repeat(1 << 16);
    let web = WEB.replace("name: web", &format!("name: {long}"));
    for format in ["text", "sarif", "junit", "github"] {
        let output = out(format, &web);
        let longest = output.lines().map(str::len).max();
        assert!(longest < Some(20_000), "{format}: {longest:?}");
    }
}

#[test]
fn the_text_shows_what_could_deceive_and_cuts_what_is_long() {
    let output = out("text", &hostile());
    assert!(!output.contains(['\u{1b}', '\u{202e}', '\u{0}']));
    assert!(output.lines().all(|line| line.len() < 2000), "{output}");
}

#[test]
fn odd_shapes_are_read_as_absent() {
    let fields = [
        "metadata",
        "spec",
        "spec.template",
        "spec.template.metadata",
        "spec.template.spec",
        "spec.template.spec.containers",
        "spec.template.spec.containers.0",
        "spec.template.spec.containers.0.ports",
        "spec.template.spec.containers.0.lifecycle",
        "spec.template.spec.containers.0.readinessProbe",
        "spec.template.spec.containers.0.env",
        "spec.template.spec.containers.0.command",
        "spec.template.spec.volumes",
        "spec.strategy",
        "spec.replicas",
        "spec.selector",
        "spec.ports",
        "spec.minAvailable",
        "spec.scaleTargetRef",
        "spec.rules",
        "data",
        "spec.template.spec.terminationGracePeriodSeconds",
        "spec.template.spec.affinity",
    ];
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(9e99),
        json!("x"),
        json!([]),
        json!([[null]]),
        json!({}),
        json!({"a": [1]}),
        json!(i64::MAX),
        json!(i64::MIN),
    ];
    let kinds = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("argoproj.io/v1alpha1", "Rollout"),
        ("v1", "Service"),
        ("policy/v1", "PodDisruptionBudget"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("networking.k8s.io/v1", "Ingress"),
        ("v1", "ConfigMap"),
        ("v1", "Namespace"),
    ];
    let mut all = Vec::new();
    for (api_version, kind) in kinds {
        for field in fields {
            for value in &odd {
                let mut object = json!({
                    "apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "annotations": {}},
                    "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [
                        {"name": "a", "image": "a", "ports": [{"containerPort": 1}], "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1"]}}}},
                    ]}}},
                });
                set(&mut object, field, value.clone());
                all.push(object);
            }
        }
    }
    let stream: Vec<String> = all.iter().map(Value::to_string).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string();
    // By itself a workload without template or selector is a part of one.
    for (input, code) in [(stream.join("\n---\n"), 2), (list, 1)] {
        for format in ["text", "json"] {
            let output = check(&["-f", "-", "-o", format], &input);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{said}");
        }
    }
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for name in path.split('.') {
        let next = match name.parse::<usize>() {
            Ok(number) => at.get_mut(number),
            Err(_) if at.is_object() => Some(&mut at[name]),
            Err(_) => None,
        };
        let Some(next) = next else { return };
        at = next;
    }
    *at = value;
}
