//! `silkroll inject` as a function of the real kustomize, and what kubectl's own kustomize makes of it.

use std::path::Path;
use std::process::Command;

use testkit::process::{Output, run};

use super::git::built;
use super::world::{file, silkroll};

/// Builds the example, with `silkroll` on the PATH.
fn build(folder: &Path) -> Output {
    let silkroll = Path::new(env!("CARGO_BIN_EXE_silkroll"));
    let path = format!("{}:/usr/bin:/bin", silkroll.parent().unwrap().display());
    let mut command = Command::new(built("SILKROLL_KUSTOMIZE").join("kustomize"));
    command.args(["build", "--enable-alpha-plugins", "--enable-exec"]);
    run(command.arg(folder).env("PATH", path), b"").unwrap()
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn kustomize_runs_the_example_and_gives_what_inject_gives() {
    let output = build(&file("examples/kustomize-function"));
    assert!(output.success, "{output:?}");
    assert!(
        output.stderr.contains("Deployment shop/web: injected"),
        "{output:?}"
    );
    assert!(output.stdout.contains("silkroll.dev/status"), "{output:?}");
    // Once more over it changes nothing.
    let again = silkroll(&["inject", "-f", "-"], &output.stdout);
    assert_eq!(again.stdout, output.stdout);
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn kustomize_fails_with_the_reason_where_inject_does() {
    let folder = tempfile::tempdir().unwrap();
    let example = file("examples/kustomize-function");
    std::fs::create_dir(folder.path().join("base")).unwrap();
    for name in [
        "kustomization.yaml",
        "silkroll.yaml",
        "base/kustomization.yaml",
        "base/web.yaml",
    ] {
        let text = std::fs::read_to_string(example.join(name)).unwrap();
        let text = text.replace("drain-seconds: \"10\"", "drain-seconds: ten");
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let output = build(folder.path());
    assert!(!output.success, "{output:?}");
    assert!(
        output
            .stderr
            .contains("\"ten\" on Deployment shop/web cannot be used"),
        "{output:?}"
    );
    assert_eq!(output.stdout, "");
}
