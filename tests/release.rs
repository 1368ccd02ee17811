//! What a release is made by: the workflows, the Dockerfile and what they name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: what cannot be read has to fail the test"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Each workflow with its name.
fn workflows() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = fs::read_dir(root().join(".github/workflows"))
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let text = read(&format!(".github/workflows/{name}"));
            (name, text)
        })
        .collect();
    all.sort();
    assert!(all.len() >= 3, "{all:?}");
    all
}

/// What stands behind `key` on each line that has it.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.trim_start_matches([' ', '-']).strip_prefix(key))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A tag can be moved to other code; the comment says to people and Dependabot which version it is.
#[test]
fn actions_of_others_are_pinned_to_a_commit_and_say_their_version() {
    for (name, text) in workflows() {
        for action in values(&text, "uses: ") {
            if let Some(own) = action.strip_prefix("./") {
                assert!(root().join(own).is_file(), "{name}: {own}");
                continue;
            }
            let (at, comment) = action.split_once(" # v").unwrap_or((action, ""));
            let commit = at.split_once('@').map_or("", |(_, commit)| commit);
            assert!(is_hex(commit, 40), "{name}: {action}");
            assert_eq!(comment.split('.').count(), 3, "{name}: {action}");
        }
    }
}

#[test]
fn an_action_has_one_version_in_all_workflows() {
    let mut seen: Vec<(String, String)> = Vec::new();
    for (name, text) in workflows() {
        for action in values(&text, "uses: ").filter(|action| !action.starts_with("./")) {
            let (action, version) = action.split_once('@').unwrap();
            match seen.iter().find(|(known, _)| known == action) {
                Some((_, known)) => assert_eq!(known, version, "{name}: {action}"),
                None => seen.push((action.to_owned(), version.to_owned())),
            }
        }
    }
}

/// What a workflow may do is said for each of its jobs, and pull requests of strangers get nothing.
#[test]
fn no_workflow_may_do_anything_by_default() {
    for (name, text) in workflows() {
        assert!(text.contains("\npermissions: {}\n"), "{name}");
        assert!(!text.contains("pull_request_target"), "{name}");
        assert!(!text.contains("write-all"), "{name}");
        let jobs = &text[text.find("\njobs:\n").unwrap()..];
        let jobs: Vec<&str> = jobs
            .split("\n  ")
            .filter(|line| !line.starts_with([' ', '#']))
            .collect();
        let said = text.matches("\n    permissions:\n").count();
        assert_eq!(said, jobs.len() - 1, "{name}: {jobs:?}");
        if name != "release.yml" {
            assert!(!text.contains(": write"), "{name}");
        }
    }
}

/// An expression in a script is code of whoever named the branch or the tag.
#[test]
fn scripts_get_their_values_from_the_environment() {
    for (name, text) in workflows() {
        let mut script: Option<usize> = None;
        for line in text.lines() {
            let depth = line.len() - line.trim_start().len();
            if script.is_some_and(|at| depth <= at && !line.trim().is_empty()) {
                script = None;
            }
            let key = line.trim_start_matches([' ', '-']);
            if key.starts_with("run: ") {
                script = Some(line.len() - key.len());
            }
            assert!(script.is_none() || !line.contains("${{"), "{name}: {line}");
        }
    }
}

#[test]
fn workflows_call_make_targets_that_there_are() {
    let makefile = read("Makefile");
    let mut called = Vec::new();
    for (_, text) in workflows() {
        called.extend(values(&text, "target: ").map(str::to_owned));
        called.extend(
            values(&text, "run: make ")
                .filter(|target| !target.starts_with('"'))
                .map(str::to_owned),
        );
    }
    for target in [
        "lint",
        "test",
        "advisories",
        "reproducible",
        "chart",
        "release-check",
    ] {
        assert!(called.iter().any(|name| name == target), "{target}");
    }
    for target in called {
        let there = makefile.lines().any(|line| {
            line.split_once(':')
                .is_some_and(|(names, _)| names.split(' ').any(|name| name == target))
        });
        assert!(there, "{target}");
    }
}

/// What lands is what was tested: `.ci/run` and the workflow have the same targets.
#[test]
fn the_test_workflow_has_every_target_of_ci() {
    let workflow = read(".github/workflows/test.yml");
    let targets: Vec<&str> = values(&workflow, "target: ").collect();
    let run = read(".ci/run");
    let sections: Vec<&str> = values(&run, "section ").collect();
    assert!(sections.contains(&"prove"), "{sections:?}");
    for section in sections {
        assert!(targets.contains(&section), "{section}");
    }
}

#[test]
fn the_image_is_built_from_a_digest_runs_as_no_user_and_names_itself() {
    let dockerfile = read("Dockerfile");
    let bases: Vec<&str> = values(&dockerfile, "FROM ").collect();
    assert_eq!(bases.len(), 2);
    let digest = bases[0]
        .split(' ')
        .find_map(|word| word.split_once("@sha256:"))
        .unwrap();
    assert!(is_hex(digest.1, 64), "{digest:?}");
    assert!(bases[1].starts_with("scratch "), "{bases:?}");
    assert!(read(".github/workflows/test.yml").contains(digest.1));
    let version = format!("ARG VERSION={}\n", env!("CARGO_PKG_VERSION"));
    assert!(dockerfile.contains(&version));
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
    for label in [
        "title",
        "description",
        "licenses",
        "version",
        "revision",
        "source",
    ] {
        let label = format!("org.opencontainers.image.{label}=");
        assert!(dockerfile.contains(&label), "{label}");
    }
}

/// What is done to the files of a release before it is checked.
type Change = Box<dyn Fn(&Path)>;

/// `.ci/release` in a folder with the files that it reads, after what `change` did to them.
fn release(args: &[&str], change: impl Fn(&Path)) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ".ci/release",
        "Cargo.toml",
        "Cargo.lock",
        "Dockerfile",
        "manifests/install.yaml",
        "manifests/chart/Chart.yaml",
        "manifests/chart/values.yaml",
    ] {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root().join(name), to).unwrap();
    }
    let version = env!("CARGO_PKG_VERSION");
    let changes = format!(
        "# Changelog\n\n## [Unreleased]\n\n- a\n\n## [{version}] - 2030-01-02\n\n- b\n\n## [0.0.1]\n\n- c\n\n[0.0.1]: x\n"
    );
    fs::write(folder.path().join("CHANGELOG.md"), changes).unwrap();
    change(folder.path());
    Command::new("sh")
        .arg(folder.path().join(".ci/release"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_release_is_made_only_where_every_file_has_the_version_of_the_tag() {
    let tag = format!("v{}", env!("CARGO_PKG_VERSION"));
    let replace = |name: &'static str, from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join(name);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{name} has no {from}");
            fs::write(path, text.replace(from, to)).unwrap();
        }
    };
    let said = release(&["check", &tag, "Silkroll/silkroll"], |_| ());
    assert!(said.status.success(), "{said:?}");

    let cases: Vec<(&str, &str, Change, &str)> = vec![
        ("v9.9.9", "", Box::new(|_| ()), "Cargo.toml has the version"),
        ("1.0.0", "", Box::new(|_| ()), "does not begin with v"),
        (
            &tag,
            "someone/fork",
            Box::new(|_| ()),
            "users would pull another",
        ),
        (
            &tag,
            "",
            Box::new(replace(
                "manifests/chart/Chart.yaml",
                "\nversion: ",
                "\nversion: 1",
            )),
            "the chart's version has",
        ),
        (
            &tag,
            "",
            Box::new(replace(
                "manifests/chart/Chart.yaml",
                "\nappVersion: ",
                "\nappVersion: 1",
            )),
            "the chart's appVersion has",
        ),
        (
            &tag,
            "",
            Box::new(replace("Dockerfile", "ARG VERSION=", "ARG VERSION=1")),
            "Dockerfile has",
        ),
        (
            &tag,
            "",
            Box::new(replace(
                "manifests/install.yaml",
                "/silkroll:",
                "/silkroll:1",
            )),
            "manifests/install.yaml has",
        ),
        (
            &tag,
            "",
            Box::new(replace("CHANGELOG.md", "- b\n", "")),
            "CHANGELOG.md has no section",
        ),
    ];
    for (tag, repository, change, message) in cases {
        let said = release(&["check", tag, repository], change);
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(
            !said.status.success() && text.contains(message),
            "{message}: {text}"
        );
    }
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let tag = format!("v{}", env!("CARGO_PKG_VERSION"));
    let said = release(&["notes", &tag], |_| ());
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "\n- b\n\n");
}
