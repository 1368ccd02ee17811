//! The dry run as a page: what its JSON has besides for the page, the page's files, and `silkroll preview`. How the page
//! behaves in a browser is tried in `browser/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod served;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use served::{Answer, Served, Shared, answer};
use testkit::process::used;
use testkit::wait::eventually;

static SERVER: Shared = Mutex::new(Weak::new());

const YAML: &str = "application/yaml";

/// Three documents with something to say about each, the last of them a List.
const MANIFEST: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations:
    silkroll.dev/rolout: surge
spec:
  replicas: 1   # silkroll:ignore SR301 a report
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          ports: [{containerPort: 8080}]
          lifecycle: {preStop: {exec: {command: [sh, -c, "bye"]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: bad
      namespace: shop
      annotations:
        silkroll.dev/drain-seconds: 20s
    spec:
      selector: {matchLabels: {app: x}}
      template: {metadata: {labels: {app: x}}, spec: {containers: [{name: a, image: b}]}}
"#;

fn server() -> Arc<Served> {
    let shop = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "annotations": {"silkroll.dev/inject": "enabled"}},
    });
    Served::shared(&SERVER, &[], &shop)
}

fn dry_run(query: &str, body: &str) -> Answer {
    server().post(&format!("/dry-run{query}"), YAML, body.as_bytes())
}

fn get(path: &str, headers: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    server().send(head.as_bytes())
}

fn line_of(what: &str) -> usize {
    let found = MANIFEST.lines().position(|line| line.contains(what));
    found.unwrap() + 1
}

#[test]
fn nothing_besides_is_answered_that_was_not_asked_for() {
    let answer = dry_run("", MANIFEST);
    assert_eq!(
        answer.head.header("x-content-type-options"),
        Some("nosniff")
    );
    assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    let plain = answer.json();
    let members: Vec<_> = plain.as_object().unwrap().keys().collect();
    assert_eq!(members, ["items", "errors"]);
    assert!(plain["items"][0]["lines"].is_null());
}

#[test]
fn warnings_and_denials_come_with_the_lines_that_they_are_about() {
    let answer = dry_run("?with=lines", MANIFEST).json();
    let first = &answer["items"][0];
    let told: Vec<(&str, u64)> = first["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .zip(first["lines"]["warnings"].as_array().unwrap())
        .map(|(text, line)| (text.as_str().unwrap(), line.as_u64().unwrap()))
        .collect();
    let line = |what: &str| {
        let found = told.iter().find(|(text, _)| text.contains(what));
        usize::try_from(found.unwrap_or_else(|| panic!("{what}: {told:?}")).1).unwrap()
    };
    assert_eq!(line("silkroll.dev/rolout"), line_of("silkroll.dev/rolout"));
    assert_eq!(line("its own preStop"), line_of("preStop"));
    let bad = &answer["items"][2];
    assert_eq!(bad["outcome"], "rejected");
    assert_eq!(bad["lines"]["denial"], line_of("drain-seconds: 20s"));
    assert_eq!(bad["lines"]["object"], line_of("- apiVersion: apps/v1"));

    let twice = MANIFEST.replace("  replicas: 1 ", "  replicas: 1\n  replicas: 2 ");
    let answer = dry_run("?with=lines", &twice).json();
    let first = &answer["items"][0];
    let warnings = first["warnings"].as_array().unwrap();
    let at = warnings
        .iter()
        .position(|text| text.as_str().unwrap().contains("\"replicas\" stands in"));
    assert_eq!(
        first["lines"]["warnings"][at.unwrap()],
        line_of("replicas") + 1
    );
}

#[test]
fn the_stop_comes_phase_by_phase_with_what_callers_see() {
    let query =
        "?annotation=inject%3Denabled&annotation=deregister%3Ddubbo&annotation=drain-seconds%3D20";
    let answer = dry_run(query, MANIFEST).json();
    let timeline = &answer["items"][0]["timeline"];
    assert_eq!(timeline["drain"], 20);
    let phases = timeline["phases"].as_array().unwrap();
    let names: Vec<_> = phases.iter().map(|phase| &phase["name"]).collect();
    assert_eq!(names, ["deregister", "drain", "hook", "SIGKILL"]);
    assert!(phases[2]["seconds"].is_null(), "nothing bounds it");
    for phase in phases {
        assert!(phase["callers"].as_str().unwrap().len() > 10, "{phase}");
    }
}

#[test]
fn texts_come_before_and_after_with_the_lines_that_differ() {
    let answer = dry_run("?with=text", MANIFEST).json();
    let documents = answer["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 3);
    let text = |one: &Value, side: &str| one[side].as_str().unwrap().to_owned();
    let whole: String = documents.iter().map(|one| text(one, "before")).collect();
    assert_eq!(whole, MANIFEST);
    assert!(documents[1]["after"].is_null() && documents[2]["after"].is_null());
    // Whoever puts the changes into the one text has the other.
    let (before, after) = (text(&documents[0], "before"), text(&documents[0], "after"));
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let (mut made, mut at) = (String::new(), 0);
    for change in documents[0]["changes"].as_array().unwrap() {
        let number = |at: usize| usize::try_from(change[at].as_u64().unwrap()).unwrap();
        made.extend(old[at..number(0)].iter().copied());
        made.extend(new[number(2)..number(2) + number(3)].iter().copied());
        at = number(0) + number(1);
    }
    made.extend(old[at..].iter().copied());
    assert_eq!(made, after);
    assert_eq!(dry_run("?output=yaml", &before).text(), after);
}

#[test]
fn findings_come_with_their_lines_and_what_the_injection_mends() {
    let answer = dry_run("?with=findings", MANIFEST).json();
    let findings = answer["findings"].as_array().unwrap();
    let find = |code: &str| {
        let mut found = findings.iter().filter(|one| one["code"] == code);
        found
            .next()
            .unwrap_or_else(|| panic!("{code}: {findings:?}"))
    };
    assert_eq!(find("SR201")["line"], line_of("- name: web"));
    assert_eq!(find("SR201")["mended"], true);
    assert_eq!(find("SR301")["ignored"], "a report");
    let closed = dry_run("?with=findings&annotation=", MANIFEST).json();
    let closed = closed["findings"].as_array().unwrap();
    let same = closed.iter().find(|one| one["code"] == "SR201").unwrap();
    assert_eq!(same["mended"], false, "nothing is injected");
}

#[test]
fn what_is_too_much_to_be_judged_together_is_answered_all_the_same() {
    let labels = json!({"app": "web"});
    let items = (0..700).flat_map(|number| {
        [
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": format!("w{number}")},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": [{"name": "a", "image": "b"}]},
                    },
                },
            }),
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("s{number}")},
                "spec": {"selector": labels},
            }),
        ]
    });
    let items: Vec<Value> = items.collect();
    let many = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let answer = dry_run("?with=findings", &many);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["items"].as_array().unwrap().len(), 1400);
    assert!(answer["findings"].is_null());
    let why = answer["notJudged"].as_str().unwrap();
    assert!(why.contains("silkroll check -f"), "{why}");
}

#[test]
fn a_template_is_told_to_be_built_first() {
    let answer = dry_run("", "{{- if .Values.web }}\nkind: Service\n{{- end }}\n");
    assert_eq!(answer.status, 400);
    let error = answer.json()["errors"][0].take();
    let says = "It looks like a template: build first: helm template NAME CHART";
    assert!(error.as_str().unwrap().contains(says), "{error}");
}

#[test]
fn each_rule_is_explained_beside_the_page() {
    for rule in silkroll::check::RULES {
        let path = format!("/dry-run/rules/{}", rule.code);
        assert_eq!(get(&path, "").text(), rule.page, "{path}");
    }
    assert_eq!(get("/dry-run/rules/SR999", "").status, 404);
}

#[test]
fn the_namespace_can_be_said_with_the_question() {
    for (query, outcome, reason) in [
        ("", "injected", "covered"),
        ("?annotation=", "skipped", "namespace-not-opted-in"),
        (
            "?annotation=inject%3Ddisabled",
            "skipped",
            "namespace-disabled",
        ),
        (
            "?annotation=silkroll.dev%2Finject%3Denabled",
            "injected",
            "covered",
        ),
        (
            "?annotation=inject%3Denabled&annotation=drain-seconds%3Dx",
            "skipped",
            "invalid-annotation",
        ),
        (
            "?annotation=inject%3Denabled&annotation=level%3Dpod",
            "skipped",
            "level-off",
        ),
    ] {
        let answer = dry_run(query, MANIFEST).json();
        let item = &answer["items"][0];
        assert_eq!(
            (&item["outcome"], &item["reason"]),
            (&json!(outcome), &json!(reason)),
            "{query}"
        );
    }
    for (query, says) in [
        (
            "?with=all",
            "parameter with=\"all\" cannot be used: allowed is findings, lines or text",
        ),
        ("?with=", "parameter with=\"\" cannot be used"),
        (
            "?with=text&output=yaml",
            "parameter with goes with output=json alone",
        ),
        (
            "?annotation=x",
            "parameter annotation=\"x\" cannot be used: allowed is an annotation as NAME=VALUE",
        ),
        (
            "?annotation=%3Dx",
            "parameter annotation=\"=x\" cannot be used",
        ),
        (
            "?what=x",
            "there are namespace, output, fail-on, with and annotation",
        ),
    ] {
        let answer = dry_run(query, MANIFEST);
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(says), "{query}: {}", answer.text());
    }
}

#[test]
fn a_browser_gets_the_page_and_whoever_else_asks_is_told_how() {
    let page = get(
        "/dry-run",
        "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n",
    );
    assert_eq!(page.status, 200);
    assert_eq!(page.head.header("vary"), Some("accept"));
    assert_eq!(
        page.head.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let html = page.text();
    for inline in ["<style", " style=", "javascript:", " onclick", "//"] {
        let found = html.replace("<!doctype html>", "").contains(inline);
        assert!(!found, "{inline} stands in the page");
    }
    for (path, kind) in [
        ("/dry-run/page.css", "text/css; charset=utf-8"),
        ("/dry-run/page.js", "text/javascript; charset=utf-8"),
        ("/dry-run/start.json", "application/json"),
    ] {
        let got = get(path, "");
        assert_eq!(got.status, 200, "{path}");
        assert_eq!(got.head.header("content-type"), Some(kind));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(got.head.header(name), Some(value), "{path}");
        }
        let policy = got.head.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; "),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let start = get("/dry-run/start.json", "").json();
    assert_eq!(start["cluster"], true);
    assert!(start["fields"].as_array().unwrap().len() > 40);
    for (headers, path, status) in [
        ("", "/dry-run", 405),
        ("Accept: */*\r\n", "/dry-run", 405),
        ("", "/dry-run/other", 404),
    ] {
        assert_eq!(get(path, headers).status, status, "{path}");
    }
    assert!(
        get("/dry-run", "")
            .text()
            .contains("curl --data-binary @FILE")
    );
}

/// `silkroll preview`, until it is dropped.
struct Preview {
    child: Child,
    address: SocketAddr,
}

impl Preview {
    fn start(args: &[&str], input: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .arg("preview")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").unwrap();
        let address = address.strip_suffix("/dry-run\n").unwrap().parse().unwrap();
        Self { child, address }
    }

    fn send(&self, first: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        let request =
            format!("{first} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        answer(&mut stream).unwrap()
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn findings_take_no_more_memory_than_one_dry_run_is_granted() {
    let containers: Vec<Value> = (0..4000)
        .map(|at| json!({"name": format!("c{at}"), "image": "i", "command": ["npm", "start"]}))
        .collect();
    // What quotes the name, and what stands beside it, may not be as long as the name is, thousands of times.
    let named = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "n".repeat(500_000)},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": containers},
            },
        },
    });
    let ignored = "# silkroll:ignore SR101 x\n".repeat(20_000) + "kind: ConfigMap\n";
    let wrong = "# silkroll:ignore SR101\n".repeat(20_000) + "apiVersion: v1\nkind: ConfigMap\n";
    for body in [named.to_string(), ignored, wrong] {
        let preview = Preview::start(&[], "");
        let host = format!("Host: {}\r\n", preview.address);
        preview.send("POST /dry-run?with=findings", &host, &body);
        let most = used(preview.child.id()).unwrap().most >> 20;
        // 96 MiB are granted, and the program has its own.
        assert!(most < 200, "{most} MiB for {} bytes", body.len());
    }
}

#[test]
fn preview_serves_the_page_without_a_cluster_until_it_is_told_to_end() {
    let mut preview = Preview::start(&["-f", "-"], MANIFEST);
    assert!(preview.address.ip().is_loopback());
    let host = format!("Host: {}\r\n", preview.address);
    let page = preview.send("GET /dry-run", &format!("{host}Accept: text/html\r\n"), "");
    assert_eq!(page.status, 200);
    let start = preview.send("GET /dry-run/start.json", &host, "").json();
    assert_eq!(start["cluster"], false);
    assert_eq!(start["manifest"], MANIFEST);
    let item = preview.send("POST /dry-run", &host, MANIFEST).json()["items"][0].take();
    assert_eq!(
        item["outcome"], "injected",
        "every namespace counts as opted in"
    );
    let moved = preview.send("GET /", &host, "");
    assert_eq!(moved.head.header("location"), Some("/dry-run"));

    let id = preview.child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    let status = eventually("the end of the preview", || {
        preview.child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
}

#[test]
fn preview_answers_no_page_of_anybody_else() {
    let preview = Preview::start(&[], "");
    let address = preview.address;
    let port = address.port();
    for (headers, status) in [
        (format!("Host: {address}\r\n"), 200),
        (
            format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"),
            200,
        ),
        (format!("Host: evil.example:{port}\r\n"), 403),
        (String::new(), 400),
        (
            format!("Host: {address}\r\nOrigin: http://evil.example\r\n"),
            403,
        ),
        (format!("Host: {address}\r\nOrigin: null\r\n"), 403),
    ] {
        let got = preview.send("POST /dry-run", &headers, "kind: List\nitems: []\n");
        let status = if headers.is_empty() && got.status == 403 {
            403
        } else {
            status
        };
        assert_eq!(got.status, status, "{headers}: {}", got.text());
        let got = preview.send("GET /dry-run/start.json", &headers, "");
        assert_eq!(got.status, status, "{headers}");
    }
}

#[test]
fn preview_listens_on_loopback_alone() {
    for (args, says) in [
        (
            &["--listen", "0.0.0.0:0"][..],
            "expected is a loopback address and a port",
        ),
        (
            &["--listen", "[::]:0"],
            "expected is a loopback address and a port",
        ),
        (
            &["--listen", "localhost:0"],
            "expected is a loopback address and a port",
        ),
        (
            &["--listen", "8000"],
            "expected is a loopback address and a port",
        ),
        (&["-f", "/no/such/file"], "/no/such/file"),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .arg("preview")
            .args(args)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(said.contains(says), "{args:?}: {said}");
        let mut out = String::new();
        ran.stdout.as_slice().read_to_string(&mut out).unwrap();
        assert_eq!(out, "");
    }
}
