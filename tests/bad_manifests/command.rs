//! `silkroll inject`: its options, its exit codes, and what goes where.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::doors::{WEB, annotated, inject};

#[test]
fn the_exit_code_says_what_came_of_it_and_no_half_result_is_printed() {
    let warned = annotated("drain-second", "\"20\"");
    let rejected = annotated("drain-seconds", "\"20s\"");
    for (what, input, args, code, out, says) in [
        (
            "injected",
            WEB,
            vec![],
            0,
            true,
            "Deployment shop/web: injected (covered: ",
        ),
        (
            "a template",
            "{{- if .Values.web }}\nkind: Deployment\n{{- end }}\n",
            vec![],
            2,
            false,
            "It looks like a template: build first: helm template NAME CHART | silkroll inject -f -",
        ),
        (
            "warned",
            &warned,
            vec![],
            0,
            true,
            "did you mean silkroll.dev/drain-seconds?",
        ),
        (
            "rejected",
            &rejected,
            vec![],
            1,
            false,
            "silkroll: 1 object rejected, no manifest was printed",
        ),
        (
            "rejected",
            &rejected,
            vec!["--diff"],
            1,
            false,
            "1 object rejected",
        ),
        (
            "rejected",
            &rejected,
            vec!["-o", "patch"],
            1,
            false,
            "1 object rejected",
        ),
        (
            "rejected, but only warned",
            &rejected,
            vec!["--invalid", "warn"],
            0,
            true,
            "warning: nothing was injected: silkroll.dev/drain-seconds: \"20s\"",
        ),
        (
            "one good, one rejected",
            &format!("{WEB}---\n{rejected}"),
            vec![],
            1,
            false,
            "1 object rejected",
        ),
        (
            "one rejected, one unreadable",
            &format!("{rejected}---\na: [\n"),
            vec![],
            2,
            false,
            "1 document could not be read",
        ),
        (
            "not readable as a workload",
            &annotated("inject", "yes"),
            vec![],
            1,
            false,
            "silkroll.dev/inject: true cannot be used: allowed is text, put the value in quotes",
        ),
        (
            "a covered kind by a setting",
            &WEB.replace("kind: Deployment", "kind: DaemonSet"),
            vec!["--workloads", "daemonset"],
            0,
            true,
            "DaemonSet shop/web: injected",
        ),
        (
            "a kind that is not covered",
            &WEB.replace("kind: Deployment", "kind: DaemonSet"),
            vec![],
            0,
            true,
            "skipped (kind-not-covered",
        ),
        (
            "no namespace: default",
            &WEB.replace("  namespace: shop\n", ""),
            vec![],
            0,
            true,
            "Deployment default/web: injected",
        ),
        (
            "no namespace: -n",
            &WEB.replace("  namespace: shop\n", ""),
            vec!["-n", "media"],
            0,
            true,
            "Deployment media/web: injected",
        ),
        (
            "no name",
            &WEB.replace("  name: web\n", ""),
            vec![],
            0,
            true,
            "Deployment shop/(no name): injected",
        ),
        (
            "a name that deceives",
            &WEB.replace("  name: web\n", "  name: \"w\\e[31m\\nb\"\n"),
            vec![],
            0,
            true,
            r"Deployment shop/w\u{1b}[31m\nb: injected",
        ),
    ] {
        let ran = inject(&[vec!["-f", "-"], args].concat(), input.as_bytes());
        assert_eq!(ran.code, code, "{what}: {}", ran.report);
        assert_eq!(!ran.out.is_empty(), out, "{what}: {}", ran.out);
        assert!(ran.report.contains(says), "{what}: {}", ran.report);
        assert!(
            !ran.out.contains("injected ("),
            "{what}: a report in the manifests"
        );
    }
}

#[test]
fn settings_that_cannot_be_used_say_so_before_anything_is_read() {
    for (args, says) in [
        (
            vec!["--default", "drain-seconds"],
            "expected is ANNOTATION=VALUE, e.g. drain-seconds=20",
        ),
        (
            vec!["--default", "drain-seconds=x"],
            "allowed is a whole number of seconds from 0 to 3600",
        ),
        (
            vec!["--default", "drain-second=5"],
            "did you mean silkroll.dev/drain-seconds?",
        ),
        (
            vec!["--default", "inject=enabled"],
            "namespaces opt in for themselves",
        ),
        (vec!["--default", "="], "is not known"),
        (
            vec!["-n", "Shop"],
            "1 to 63 lower-case letters, digits and -",
        ),
        (vec!["-n", ""], "1 to 63 lower-case letters"),
        (vec!["-n", "../x"], "1 to 63 lower-case letters"),
        (
            vec!["--kubernetes-version", "new"],
            "a version looks like 1.36",
        ),
        (vec!["--invalid", "maybe"], "[possible values: deny, warn]"),
        (
            vec!["--workloads", "job"],
            "[possible values: deployment, statefulset, daemonset, rollout, pod]",
        ),
        (vec!["-o", "xml"], "[possible values: yaml, json, patch]"),
        (vec!["--diff", "-o", "json"], "cannot be used with"),
        (vec!["--unknown"], "unexpected argument '--unknown'"),
    ] {
        let ran = inject(&[vec!["-f", "-"], args.clone()].concat(), WEB.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.report.contains(says), "{args:?}: {}", ran.report);
    }
    let ran = inject::<&str>(&[], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.report.contains("--filename <FILE>"), "{}", ran.report);
}

#[test]
fn manifests_go_to_standard_output_and_everything_else_to_standard_error() {
    for args in [
        vec![],
        vec!["--explain"],
        vec!["--diff"],
        vec!["-o", "json"],
        vec!["-o", "patch"],
    ] {
        let ran = inject(&[vec!["-f", "-"], args.clone()].concat(), WEB.as_bytes());
        assert_eq!(ran.code, 0, "{args:?}");
        let ours = ran.report.lines().next().unwrap();
        assert_eq!(
            ours,
            "Deployment shop/web: injected (covered: the namespace has opted in)"
        );
        assert!(!ran.out.contains(ours), "{args:?}");
        let first = ran.out.chars().next().unwrap();
        let expected = match args.as_slice() {
            ["--diff"] => '-',
            ["-o", "json"] => '{',
            ["-o", "patch"] => '[',
            _ => 'a',
        };
        assert_eq!(first, expected, "{args:?}: {}", ran.out);
        assert_eq!(ran.report.contains("SIGKILL"), args == ["--explain"]);
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.yaml");
    // Far more than a pipe holds.
    std::fs::write(&file, format!("---\n{WEB}").repeat(2000)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .args(["inject", "-f"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "---\n");
    // As a shell says of a program that SIGPIPE ended.
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn a_report_that_nobody_can_read_changes_neither_outcome_nor_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let rejected = folder.path().join("rejected.yaml");
    std::fs::write(&rejected, annotated("drain-seconds", "x")).unwrap();
    let good = folder.path().join("good.yaml");
    std::fs::write(&good, WEB).unwrap();
    let broken = folder.path().join("broken.yaml");
    std::fs::write(&broken, "a: [").unwrap();
    let missing = folder.path().join("missing.yaml");
    for (file, code, printed) in [
        (&good, 0, true),
        (&rejected, 1, false),
        (&broken, 2, false),
        (&missing, 2, false),
    ] {
        for report in ["full", "gone"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
            command.args(["inject", "--explain", "-f"]).arg(file);
            let stderr = if report == "full" {
                Stdio::from(std::fs::File::create("/dev/full").unwrap())
            } else {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                Stdio::from(writer)
            };
            let output = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(stderr)
                .spawn()
                .unwrap()
                .wait_with_output()
                .unwrap();
            assert_eq!(output.status.code(), Some(code), "{file:?}, {report}");
            assert_eq!(!output.stdout.is_empty(), printed, "{file:?}, {report}");
        }
    }
}

#[test]
fn manifests_that_cannot_be_written_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    std::fs::write(&file, WEB).unwrap();
    let file = file.to_str().unwrap();
    for args in [
        vec!["inject", "-f", file],
        vec!["configmap", "-n", "shop"],
        vec!["completions", "bash"],
    ] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_silkroll"))
            .args(&args)
            .stdin(Stdio::null())
            .stdout(full)
            .output()
            .unwrap();
        let report = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {report}");
        assert!(
            report.contains("silkroll: standard output cannot be written: No space left on device"),
            "{args:?}: {report}"
        );
    }
}

#[test]
fn fail_on_turns_what_came_of_it_into_an_exit_code() {
    let namespace = |name: &str, inject: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  annotations: {{{inject}}}\n---\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let namespaces = folder.path().join("namespaces.yaml");
    let text = [
        namespace("shop", "silkroll.dev/inject: enabled"),
        namespace("none", ""),
        namespace("closed", "silkroll.dev/inject: disabled"),
        namespace("asked", "silkroll.dev/inject: on-request"),
        namespace("typo", "silkroll.dev/inject: enabeld"),
    ];
    std::fs::write(&namespaces, text.concat()).unwrap();
    let namespaces = namespaces.to_str().unwrap();
    let there = |name: &str| WEB.replace("namespace: shop", &format!("namespace: {name}"));
    let two = WEB.replace(
        "      containers:\n",
        "      containers:\n        - {name: a, image: a, ports: [{containerPort: 1}]}\n",
    );
    let rollout = |text: &str| {
        let text = text
            .replace("apiVersion: apps/v1\n", "")
            .replace("kind: Deployment\n", "kind: Rollout\n");
        format!("apiVersion: argoproj.io/v1alpha1\n{text}")
    };
    let good = WEB.to_owned();
    let warned = annotated("drain-second", "\"20\"");
    let rejected = annotated("drain-seconds", "x");
    // The exit codes without --fail-on, and with rejected, warning, skipped.
    for (what, input, codes) in [
        ("good", &good, [0, 0, 0, 0]),
        ("warned", &warned, [0, 0, 1, 0]),
        ("rejected", &rejected, [1, 1, 1, 1]),
        ("not opted in", &there("none"), [0, 0, 0, 1]),
        ("not known", &there("nowhere"), [0, 0, 1, 1]),
        ("a typo on the namespace", &there("typo"), [0, 0, 1, 1]),
        ("no container", &two, [0, 0, 1, 1]),
        (
            "not covered",
            &WEB.replace("kind: Deployment", "kind: StatefulSet"),
            [0, 0, 1, 1],
        ),
        (
            "of a kind that is not known",
            &WEB.replace("kind: Deployment", "kind: CloneSet"),
            [0, 0, 0, 1],
        ),
        (
            "the same where the namespace says no",
            &there("closed").replace("kind: Deployment", "kind: CloneSet"),
            [0, 0, 0, 0],
        ),
        ("a Rollout, not covered", &rollout(WEB), [0, 0, 1, 1]),
        (
            "a Rollout of another workload's template",
            &rollout(
                "kind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n",
            ),
            [0, 0, 0, 0],
        ),
        ("chosen by the namespace", &there("closed"), [0, 0, 0, 0]),
        ("not asked for", &there("asked"), [0, 0, 0, 0]),
        (
            "chosen by the workload",
            &annotated("inject", "disabled"),
            [0, 0, 0, 0],
        ),
        (
            "no workload",
            &WEB.replace("kind: Deployment", "kind: Job"),
            [0, 0, 0, 0],
        ),
    ] {
        let args = [&[][..], &["rejected"], &["warning"], &["skipped"]];
        for (troubles, code) in args.into_iter().zip(codes) {
            let mut args = vec!["-f", "-", "--namespaces", namespaces];
            for trouble in troubles {
                args.extend(["--fail-on", trouble]);
            }
            let ran = inject(&args, input.as_bytes());
            assert_eq!(ran.code, code, "{what} {troubles:?}: {}", ran.report);
            assert_eq!(ran.out.is_empty(), code == 1, "{what}: {}", ran.out);
            let says = "object failed --fail-on ";
            let expected = code == 1 && what != "rejected";
            assert_eq!(
                ran.report.contains(says),
                expected,
                "{what}: {}",
                ran.report
            );
        }
    }
    let both = format!("{warned}---\n{}---\n{rejected}", there("none"));
    let ran = inject(
        &[
            "-f",
            "-",
            "--namespaces",
            namespaces,
            "--fail-on",
            "warning,skipped",
        ],
        both.as_bytes(),
    );
    let says = "silkroll: 1 object rejected, 2 objects failed --fail-on warning,skipped, no manifest was printed\n";
    assert!(
        ran.code == 1 && ran.report.ends_with(says),
        "{}",
        ran.report
    );
    let ran = inject(&["-f", "-", "--fail-on", "never"], WEB.as_bytes());
    assert_eq!(ran.code, 2);
    assert!(
        ran.report
            .contains("[possible values: rejected, warning, skipped]")
    );
}
