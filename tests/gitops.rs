//! `silkroll gitops`: what it prints, and that it names every member that injection changes although the user wrote it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use std::process::Command;

use proptest::prelude::*;
use serde_json::Value;
use silkroll::engine::{Kind, Settings, overwritten};
use support::create;
use support::generate::{self, namespace};

/// The paths of what the user wrote and does not stand there any more. Containers are told apart by their place; of other
/// lists each item has to be there still, for a merge adds to them.
fn changed(was: &Value, is: &Value, path: &str, found: &mut Vec<String>) {
    match (was, is) {
        // Nothing was written, or the record, which is Silkroll's own.
        (Value::Null, _) => {}
        _ if path.ends_with(".silkroll.dev/status") => {}
        (Value::Object(was), Value::Object(is)) => {
            for (name, value) in was {
                let now = is.get(name).unwrap_or(&Value::Null);
                changed(value, now, &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(was), Value::Array(is)) if path.ends_with(".containers") => {
            for (was, is) in was.iter().zip(is) {
                changed(was, is, &format!("{path}[]"), found);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.iter().all(|item| is.contains(item)) => {}
        _ if was == is => {}
        _ => found.push(path.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_injection_overwrites_is_printed(
        plain in generate::workload(), namespace in namespace(), native_sleep in any::<bool>()
    ) {
        let settings = Settings { native_sleep, ..Settings::default() };
        let (injected, _) = create(&plain, &namespace, &settings);
        let text = |name: &str| plain[name].as_str().unwrap_or_default();
        let Some(kind) = Kind::of(text("apiVersion"), text("kind")) else { return Ok(()) };
        let printed = overwritten(kind);
        let mut found = Vec::new();
        changed(&plain, &injected, "", &mut found);
        for path in found {
            let covers = |of: &String| path.strip_prefix(of.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            prop_assert!(printed.iter().any(covers), "{path} is changed and not printed\n{plain}\n{injected}");
        }
    }
}

fn gitops(tool: &str) -> String {
    let mut silkroll = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    let output = silkroll.args(["gitops", tool]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn argocd_gets_a_row_for_each_kind_that_is_in_git() {
    let text = gitops("argocd");
    for kind in Kind::ALL {
        let row = format!("_{}: |", kind.name());
        assert_eq!(text.contains(&row), kind != Kind::Pod, "{kind:?}");
        for path in overwritten(kind) {
            assert!(text.contains(&format!("    - {path}\n")), "{path}");
        }
    }
    assert!(text.contains("ignoreDifferences.argoproj.io_Rollout: |"));
    assert!(!text.contains("_StatefulSet: |\n    jqPathExpressions:\n    - .spec.updateStrategy"));
}

#[test]
fn flux_needs_nothing_and_is_told_of_field_managers() {
    assert!(gitops("flux").lines().all(|line| line.starts_with('#')));
}
