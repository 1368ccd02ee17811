//! `silkroll check`: each rule by the manifests of its own page, and what the command makes of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot go on has to fail the test"
)]

#[path = "check/doubts.rs"]
mod doubts;
#[path = "check/files.rs"]
mod files;
#[path = "check/formats.rs"]
mod formats;
#[path = "check/hooks.rs"]
mod hooks;
#[path = "check/mended.rs"]
mod mended;
#[path = "check/places.rs"]
mod places;
#[path = "check/together.rs"]
mod together;
#[path = "check/unreachable.rs"]
mod unreachable;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::Value;
use silkroll::check::{RULES, Rule};

/// Starts `silkroll` with pipes to all that it reads and writes.
fn started(args: &[&str]) -> (Child, ChildStdin) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

/// Runs `silkroll check` with a text as its standard input.
fn check(args: &[&str], input: &str) -> Output {
    let (child, mut stdin) = started(&[&["check"], args].concat());
    let input = input.to_owned();
    // It may end without reading it.
    let writing = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What it finds in a manifest, as JSON.
fn found(input: &str, more: &[&str]) -> Value {
    let mut args = vec!["-f", "-", "-o", "json"];
    args.extend(more);
    let output = check(&args, input);
    assert!(
        output.status.code() < Some(2),
        "{}\n{input}",
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The codes of what counts.
fn codes(found: &Value) -> BTreeSet<String> {
    let findings = found["findings"].as_array().unwrap().iter();
    let loud = findings.filter(|one| one["ignored"].is_null() && one["baseline"].is_null());
    loud.map(|one| one["code"].as_str().unwrap().to_owned())
        .collect()
}

fn pages() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check"))
}

/// The only block of a page with this info string.
fn block<'a>(rule: &'a Rule, info: &str) -> &'a str {
    let begin = format!("\n```{info}\n");
    let mut parts = rule.page.split(&*begin);
    let (_, Some(after), None) = (parts.next(), parts.next(), parts.next()) else {
        panic!("{} has not one block `{info}`", rule.page_path());
    };
    &after[..after.find("```").unwrap()]
}

#[test]
fn each_rule_finds_the_bad_manifest_of_its_page_and_not_the_good_one() {
    for rule in RULES {
        let bad = found(block(rule, "yaml bad"), &[]);
        assert!(codes(&bad).contains(rule.code), "{}: {bad:#}", rule.code);
        let good = found(block(rule, "yaml good"), &[]);
        assert!(!codes(&good).contains(rule.code), "{}: {good:#}", rule.code);
    }
}

#[test]
fn each_page_says_what_the_table_says() {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for rule in RULES {
        let page = plain(rule.page);
        for part in [
            format!("# {}: {} ", rule.code, rule.title),
            format!("Severity: {}. {}", rule.severity.name(), rule.harm),
            format!("What to do: {}", rule.advice),
            "Source: ".to_owned(),
        ] {
            assert!(page.contains(&plain(&part)), "{}: {part}", rule.code);
        }
        let file = fs::read_to_string(pages().join(format!("{}.md", rule.code))).unwrap();
        assert_eq!(file, rule.page);
    }
}

#[test]
fn the_index_has_each_rule_once_and_each_page_has_a_rule() {
    let index = fs::read_to_string(pages().join("README.md")).unwrap();
    let (_, after) = index.split_once("<!-- rules -->\n").unwrap();
    let (table, _) = after.split_once("<!-- /rules -->").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).collect();
    let expected: Vec<String> = RULES
        .iter()
        .map(|rule| {
            format!(
                "| [{0}]({0}.md) | {1} | {2} |",
                rule.code,
                rule.severity.name(),
                rule.title
            )
        })
        .collect();
    assert_eq!(rows, expected);
    for entry in fs::read_dir(pages()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.strip_suffix(".md").unwrap();
        assert!(code == "README" || Rule::find(code).is_some(), "{name}");
    }
}

#[test]
fn codes_are_sorted_and_each_is_there_once() {
    let codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
    let sorted: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(codes, sorted.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_page_is_printed_for_its_code() {
    let output = check(&["--explain", "sr102"], "");
    assert_eq!(text(&output.stdout), Rule::find("SR102").unwrap().page);
    assert_eq!(output.status.code(), Some(0));
    let output = check(&["--explain", "SR999"], "");
    assert!(text(&output.stderr).contains("there is no such rule; there are SR001, SR101,"));
    assert_eq!(output.status.code(), Some(2));
}

/// Two replicas without a hook: an error that an injection mends, and an info that it does not.
const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web
          ports: [{containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: 8080}}
";

/// Nothing is wrong with it.
const CLEAN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn the_exit_code_says_what_came_of_it_whatever_the_format() {
    for (what, input, args, code) in [
        ("an error", WEB, &[][..], 1),
        ("an error", WEB, &["--fail-on", "error"], 1),
        ("only an info", WEB, &["--rules", "SR402"], 1),
        (
            "only an info",
            WEB,
            &["--rules", "SR402", "--fail-on", "warning"],
            0,
        ),
        ("none of the rule", WEB, &["--rules", "SR5"], 0),
        ("nothing to find", CLEAN, &[], 0),
        ("nothing at all", "", &[], 2),
        ("a comment", "# nothing\n", &[], 2),
        ("no YAML", "a: [\n", &[], 2),
        (
            "no YAML beside a finding",
            &format!("{WEB}---\na: [\n"),
            &[],
            2,
        ),
        ("a kustomization", "resources: [a.yaml]\n", &[], 2),
        (
            "a patch for a workload",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 1}]}]}}}\n",
            &[],
            2,
        ),
        (
            "with the injection",
            WEB,
            &["--assume-injected", "--rules", "SR101"],
            0,
        ),
        ("a rule that is none", WEB, &["--rules", "SR9"], 2),
        ("a severity that is none", WEB, &["--fail-on", "fatal"], 2),
        ("a file that is not there", WEB, &["-f", "/nowhere.yaml"], 2),
    ] {
        for format in ["text", "json", "sarif", "junit", "github"] {
            let mut all = vec!["-f", "-", "-o", format];
            all.extend(args);
            let output = check(&all, input);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{what}, {format}: {}",
                text(&output.stderr)
            );
        }
    }
}

#[test]
fn a_finding_says_whether_annotating_the_namespace_would_mend_it() {
    let found = found(WEB, &[]);
    let findings = found["findings"].as_array().unwrap();
    let mended: Vec<_> = findings
        .iter()
        .map(|one| (one["code"].as_str().unwrap(), one["mended"] == true))
        .collect();
    assert_eq!(mended, [("SR402", false), ("SR101", true)]);
}

#[test]
fn a_charts_folder_and_its_templates_are_told_how_to_be_built() {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("shop");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    )
    .unwrap();
    fs::write(
        chart.join("values.yaml"),
        "replicas: 2\nresources: {limits: {cpu: 1}}\n",
    )
    .unwrap();
    let template = WEB.replace("name: web\n", "name: {{ .Release.Name }}\n");
    fs::write(chart.join("templates/web.yaml"), template).unwrap();
    for (path, says) in [
        (
            chart.clone(),
            "shop is a Helm chart, whose templates are no manifests: build first: helm template",
        ),
        (
            chart.join("templates"),
            "It looks like a template: build first: helm template NAME CHART | silkroll check -f -",
        ),
        (folder.path().to_owned(), "web.yaml: document 1"),
    ] {
        let output = check(&["-R", "-f", &path.display().to_string()], "");
        let said = text(&output.stderr);
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("kustomization"), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn all_inputs_are_one_world() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n";
    let folder = tempfile::tempdir().unwrap();
    let web = WEB.replace("          readinessProbe: {tcpSocket: {port: 8080}}\n", "");
    fs::write(folder.path().join("a.yaml"), web).unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    fs::write(
        folder.path().join("more/b.json"),
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[]}",
    )
    .unwrap();
    fs::write(folder.path().join("more/c.yml"), service).unwrap();
    let path = folder.path().display().to_string();
    let alone = check(&["-f", &path, "-o", "json"], "");
    let together = check(&["-R", "-f", &path, "-o", "json"], "");
    let codes_of = |output: &Output| codes(&serde_json::from_slice(&output.stdout).unwrap());
    assert!(!codes_of(&alone).contains("SR201"));
    assert!(codes_of(&together).contains("SR201"));
}

#[test]
fn a_baseline_silences_what_it_holds_and_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known.json").display().to_string();
    let written = check(&["-f", "-", "--write-baseline", &path], WEB);
    assert_eq!(written.status.code(), Some(0));
    let known = check(&["-f", "-", "--baseline", &path], WEB);
    assert_eq!(known.status.code(), Some(0), "{}", text(&known.stdout));
    assert!(text(&known.stdout).contains("0 info, 2 in the baseline"));
    // Lines move, and another object comes.
    let moved = format!(
        "# a comment\n{WEB}---\n{}",
        WEB.replace("name: web\nspec", "name: other\nspec")
    );
    let output = found(&moved, &["--baseline", &path]);
    let loud = output["findings"].as_array().unwrap().iter();
    let loud: BTreeSet<_> = loud
        .filter(|one| one["baseline"].is_null())
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(loud, BTreeSet::from(["other"]));
    for (text_of, says) in [
        (
            "{}",
            "it is no baseline that silkroll check --write-baseline has written: missing field `format` at line 1",
        ),
        (
            "{\"format\":1",
            "written: EOF while parsing an object at line 1 column 11\n",
        ),
        (
            "null",
            "expected a mapping with format and findings at line 1",
        ),
        (
            "{\"format\":1,\"findings\":[1]}",
            "expected a mapping with kind, namespace, name and code at line 1",
        ),
        (
            "{\"format\":2,\"findings\":{}}",
            "its format is 2, and this version reads format 1: write it anew",
        ),
        (
            "{\"format\":\"1\",\"findings\":[]}",
            "its format is \"1\", and",
        ),
    ] {
        fs::write(&path, text_of).unwrap();
        let output = check(&["-f", "-", "--baseline", &path], WEB);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains(says),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn fixing_writes_what_inject_would_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    let shown = path.display().to_string();
    let other = "# nothing to mend\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n";
    let input = format!(
        "{}---\n{other}",
        WEB.replace("replicas: 2", "replicas: 2 # two")
    );
    fs::write(&path, &input).unwrap();
    let wanted = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["inject", "-f", &shown])
        .output()
        .unwrap();
    let output = check(&["-f", &shown, "--fix", "-o", "json"], "");
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written, text(&wanted.stdout));
    assert!(written.contains("replicas: 2 # two\n") && written.ends_with(other));
    let left: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(codes(&left), BTreeSet::from(["SR402".to_owned()]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("1 workload injected"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    // What is ignored is not mended, and what cannot be read is not written.
    let ignored = WEB.replace("- name: web", "- name: web # silkroll:ignore SR101 a batch");
    for (text_of, args) in [
        (ignored.as_str(), &["--rules", "SR101"][..]),
        (&format!("{WEB}---\na: [\n"), &[]),
    ] {
        fs::write(&path, text_of).unwrap();
        let mut all = vec!["-f", &shown, "--fix"];
        all.extend(args);
        check(&all, "");
        assert_eq!(fs::read_to_string(&path).unwrap(), text_of);
    }
    let output = check(&["-f", "-", "--fix"], WEB);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_ignored_is_no_setting_of_the_injection() {
    let inject = |input: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        fs::write(&path, input).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args(["inject", "-o", "patch", "-f"])
            .arg(path)
            .output()
            .unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    let ignoring = WEB.replace(
        "  name: web\nspec",
        "  name: web\n  annotations: {silkroll.dev/ignore: SR402 it has no state}\nspec",
    );
    let (patch, said) = inject(&ignoring);
    assert_eq!(inject(WEB), (patch, said.clone()));
    assert!(!said.contains("warning"), "{said}");
}
