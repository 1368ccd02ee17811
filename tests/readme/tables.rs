//! What README and docs show and list is what the program does and has.

use std::collections::BTreeSet;
use std::time::Duration;

use silkroll::deregister::METHODS;
use silkroll::engine::Reason;
use silkroll::observe::Metrics;
use silkroll::observe::labels::WriteOutcome;
use silkroll::policy::catalogue;

use super::{Folder, block, readme, root};

/// The cells of the table between two comments, without its two head lines.
fn table(name: &str) -> Vec<Vec<String>> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let inside = testkit::pages::between(root(), &begin, &end).unwrap();
    inside
        .lines()
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The words in backticks.
fn words(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn the_table_has_every_annotation_once_and_no_other() {
    let rows = table("annotations");
    let named: Vec<String> = rows.iter().flat_map(|row| words(&row[0])).collect();
    let known: Vec<&str> = catalogue(METHODS).map(|key| key.name).collect();
    assert_eq!(named, known);
}

#[test]
fn the_table_has_every_method_and_every_default_drain() {
    let rows = table("annotations");
    let row = |name: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row[0] == format!("`{name}`")).unwrap()
    };
    let methods: Vec<String> = words(&row("deregister")[1]).collect();
    let known: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!(methods, known);
    for method in METHODS {
        // As in: 15 with `none`, 30 with `nacos` and `http`.
        let (_, defaults) = row("drain-seconds")[2].split_once("Default: ").unwrap();
        let said = defaults
            .split(", ")
            .find(|part| words(part).any(|word| word == method.name))
            .unwrap_or_else(|| panic!("{} is not in {defaults}", method.name));
        let seconds: u32 = said.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(seconds, method.default_drain, "{}", method.name);
    }
}

#[test]
fn the_table_has_every_reason_once() {
    let rows = table("reasons");
    let named: Vec<String> = rows.iter().flat_map(|row| words(&row[1])).collect();
    let once: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(once.len(), named.len());
    let known: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(once, known);
}

#[test]
fn the_table_has_every_metric() {
    let metrics = Metrics::new();
    // Where nothing has been counted yet, some are not written.
    metrics.admission("", "", "", "", Duration::ZERO);
    metrics.dry_run("");
    metrics.refused("");
    metrics.audited(WriteOutcome::Ok, Duration::ZERO, 0, [("", 0)].into_iter());
    metrics.configmaps("", 0);
    let _open = (metrics.connection(""), metrics.in_flight(""));
    let text = metrics.text();
    let known: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let rows = table("metrics");
    let named: Vec<String> = rows.iter().flat_map(|row| words(&row[0])).collect();
    assert_eq!(named, known);
}

#[test]
fn the_diff_and_the_explanation_are_what_the_command_prints() {
    let folder = Folder::new();
    let command = "silkroll inject -f deployment.yaml --diff --explain";
    assert!(readme().contains(&format!("`{command}`")));
    let output = folder.bash(command, "none".as_ref());
    let explained = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{explained}");
    assert_eq!(explained, block("text explained"));
    // The record is one long line of no interest here.
    let printed = String::from_utf8(output.stdout).unwrap();
    let short: String = printed
        .lines()
        .map(|line| match line.split_once("silkroll.dev/status: ") {
            Some((indent, _)) => format!("{indent}silkroll.dev/status: \"…\"\n"),
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(short, block("diff after"));
}

/// Each line as a reader types it in a clone, `deployment.yaml` of the page beside it; but for the cluster, which `tests/check_cluster.rs` has.
#[test]
fn the_checks_of_the_page_run_and_end_as_it_says() {
    let folder = Folder::new();
    let run = |line: &str| {
        let output = folder.bash(line, "none".as_ref());
        let said = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said, error)
    };
    let block = block("sh check");
    let lines: Vec<&str> = block
        .lines()
        .filter(|line| !line.contains("--cluster"))
        .collect();
    assert_eq!(lines.len(), 4);
    for line in lines {
        let (code, said, error) = run(line);
        let expected = i32::from(!line.contains("--explain"));
        assert_eq!(code, Some(expected), "{line}: {said}{error}");
        if line.contains("--fix") {
            assert!(said.contains(": info SR402 "), "{said}");
            assert!(said.ends_with("0 errors, 0 warnings, 1 info\n"), "{said}");
            let pipeline = format!("{} --fail-on warning", line.split(" --fix").next().unwrap());
            assert_eq!(run(&pipeline).0, Some(0));
        }
    }
}
