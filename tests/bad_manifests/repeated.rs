//! What kubectl takes and was hardly meant: taken as well, with a word about it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::doors::{WEB, dry_run, inject};

fn twice() -> String {
    WEB.replace(
        "spec:\n  template:",
        "spec:\n  replicas: 2\n  replicas: 3\n  template:",
    )
}

fn line_of(text: &str, part: &str) -> usize {
    1 + text.lines().position(|line| line.contains(part)).unwrap()
}

#[test]
fn a_key_twice_is_told_by_the_command_and_the_last_one_counts() {
    let text = twice();
    let (first, last) = (line_of(&text, "replicas: 2"), line_of(&text, "replicas: 3"));
    let says = format!("the key \"replicas\" stands in line {first} and again in line {last}: ");
    let ran = inject(&["-f", "-"], text.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.report);
    assert!(
        ran.report.contains(&format!("warning: {says}")),
        "{}",
        ran.report
    );
    assert!(
        ran.out.contains("replicas: 2\n  replicas: 3\n"),
        "{}",
        ran.out
    );
    let ran = inject(&["-f", "-", "-o", "json"], text.as_bytes());
    assert!(ran.out.contains("\"replicas\": 3"), "{}", ran.out);
    // Of what Silkroll has nothing to do with, too.
    let ran = inject(&["-f", "-"], b"kind: Service\nkind: Service\n");
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "kind: Service\nkind: Service\n")
    );
    assert_eq!(
        ran.report,
        "standard input: document 1: the key \"kind\" stands in line 1 and again in line 2: kubectl takes the last one without a word; remove one\n"
    );
}

#[test]
fn a_key_twice_is_a_warning_of_the_dry_run() {
    let answer = dry_run("?output=json", twice().as_bytes());
    assert_eq!(answer.status, 200);
    let json = answer.json_or_null();
    let warnings = json["items"][0]["warnings"].to_string();
    assert!(
        warnings.contains("the key \\\"replicas\\\" stands in line"),
        "{warnings}"
    );
    let answer = dry_run("?output=json&fail-on=warning", twice().as_bytes());
    assert_eq!(answer.status, 422);
}

#[test]
fn strict_refuses_a_key_twice() {
    for (text, document) in [
        (twice(), 1),
        (format!("{WEB}---\n{{\"a\": 1, \"a\": 2}}\n"), 2),
    ] {
        let ran = inject(&["-f", "-", "--strict"], text.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.report);
        let says = format!("standard input: document {document}: the key \"");
        assert!(ran.report.contains(&says), "{}", ran.report);
    }
    let both = format!(
        "{}---\n{{\"a\": 1, \"a\": 2, \"b\": 1, \"b\": 2}}\n",
        twice()
    );
    let ran = inject(&["-f", "-", "--strict"], both.as_bytes());
    let counted = ran.report.contains("2 documents could not be read");
    assert!(counted, "{}", ran.report);
    let ran = inject(&["-f", "-", "--strict"], WEB.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.report);
}

#[test]
fn the_member_that_counts_is_edited() {
    let text = WEB.replace(
        "spec:\n  template:",
        "spec:\n  template: {spec: {containers: []}}\n  template:",
    );
    assert_ne!(text, WEB);
    let ran = inject(&["-f", "-"], text.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.report);
    let there = "  template: {spec: {containers: []}}\n";
    let alone = inject(&["-f", "-"], WEB.as_bytes()).out;
    assert_eq!(ran.out.replace(there, ""), alone);
}

#[test]
fn stray_bytes_in_comments_come_out_as_they_were() {
    let text = [b"# f\xFCr alle\n", WEB.as_bytes(), b"# \xE4nde\n"].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["inject", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"# f\xFCr alle\n"));
    assert!(output.stdout.ends_with(b"# \xE4nde\n"));
    assert!(output.stdout.len() > text.len());
    let answer = dry_run("?output=yaml", &text);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, output.stdout);
}
