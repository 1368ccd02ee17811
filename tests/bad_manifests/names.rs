//! Names of files are as outside as what is in them: git can hold one with a line break in it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::doors::WEB;

const NAME: &str =
    "x\n::error file=a.yaml::pwned \u{1b}[31m##[error]y ##vso[task.x]\u{9b}\u{202e}.yaml";

type Make = fn(&Path);

fn folder(path: &Path) {
    std::fs::create_dir(path).unwrap();
}

fn leads_nowhere(path: &Path) {
    std::os::unix::fs::symlink("nowhere", path).unwrap();
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

fn broken(path: &Path) {
    std::fs::write(path, "a: [").unwrap();
}

fn no_text(path: &Path) {
    std::fs::write(path, b"a: \xff").unwrap();
}

fn chart(path: &Path) {
    std::fs::create_dir_all(path.join("templates")).unwrap();
    std::fs::write(path.join("Chart.yaml"), "").unwrap();
}

fn manifest(path: &Path) {
    std::fs::write(path, WEB).unwrap();
}

#[test]
fn no_name_of_a_file_does_anything_to_a_terminal_or_to_a_pipeline() {
    let all = ["inject", "check", "preview"];
    let cases: [(&str, Make, &[&str], &[&str]); 11] = [
        ("an empty folder", folder, &all, &["-f"]),
        ("a link to nothing", leads_nowhere, &all, &["-f"]),
        ("a named pipe", pipe, &all, &["-f"]),
        ("no YAML", broken, &all[..2], &["-f"]),
        ("no text", no_text, &all, &["-f"]),
        ("a chart", chart, &["check"], &["-f"]),
        ("as argument", manifest, &all, &[]),
        ("as an option's value", manifest, &all, &["--node-arch"]),
        (
            "as namespaces",
            broken,
            &["inject"],
            &["-f", "-", "--namespaces"],
        ),
        (
            "as a baseline",
            broken,
            &["check"],
            &["-f", "-", "--baseline"],
        ),
        (
            "as a new baseline",
            folder,
            &["check"],
            &["-f", "-", "--write-baseline"],
        ),
    ];
    for (what, make, commands, args) in cases {
        let place = tempfile::tempdir().unwrap();
        make(&place.path().join(NAME));
        for command in commands {
            let output = Command::new(env!("CARGO_BIN_EXE_silkroll"))
                .arg(command)
                .args(args)
                .arg(NAME)
                .current_dir(place.path())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{what}, {command}: {said}");
            assert!(said.contains("file=a.yaml"), "{what}, {command}: {said}");
            for line in said.lines() {
                let odd = |c: char| silkroll::text::deceptive(c);
                let harm = line.contains(odd)
                    || line.starts_with("::")
                    || ["##[", "##vso["].iter().any(|begin| line.contains(begin));
                assert!(!harm, "{what}, {command}: {line:?}");
            }
        }
    }
}

#[test]
fn no_name_of_a_file_adds_lines_to_a_diff() {
    let place = tempfile::tempdir().unwrap();
    manifest(&place.path().join(NAME));
    let output = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["inject", "--diff", "-f", NAME])
        .current_dir(place.path())
        .output()
        .unwrap();
    let diff = String::from_utf8(output.stdout).unwrap();
    let heads: Vec<&str> = diff.lines().take(3).collect();
    assert!(heads[0].starts_with("--- a/x\\n::error"), "{diff}");
    assert!(heads[1].starts_with("+++ b/x\\n::error"), "{diff}");
    assert!(heads[2].starts_with("@@ "), "{diff}");
}
