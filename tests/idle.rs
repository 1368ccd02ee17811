//! `drain-until-idle-seconds`, from the annotation to what a pod gets: the hook's settings, its place in the stop and its
//! seconds in the grace period.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use serde_json::{Value, json};
use silkroll::admission::report::words;
use silkroll::engine::{Decision, Outcome, Settings};
use support::{create, deployment, opted_in};

const IDLE: (&str, &str) = ("drain-until-idle-seconds", "60");

fn stored(annotations: &[(&str, &str)], edit: impl FnOnce(&mut Value)) -> (Value, Decision) {
    let mut manifest = deployment();
    edit(&mut manifest["spec"]["template"]["spec"]);
    let (stored, decision) = create(&manifest, &opted_in(annotations), &Settings::default());
    assert_eq!(decision.outcome, Outcome::Injected, "{decision:?}");
    (stored["spec"]["template"]["spec"].clone(), decision)
}

fn setting(pod: &Value, container: usize, name: &str) -> Option<String> {
    let entries = pod["containers"][container]["env"].as_array()?;
    let entry = entries.iter().find(|entry| entry["name"] == name)?;
    entry["value"].as_str().map(str::to_owned)
}

#[test]
fn the_wait_needs_a_hook_and_has_all_its_seconds_in_the_grace_period() {
    let sleep = json!({"preStop": {"sleep": {"seconds": 7}}});
    let nginx = ("deregister", "nginx");
    let dubbo = ("deregister", "dubbo");
    for (annotations, lifecycle, grace, sum, rows) in [
        (
            &[IDLE][..],
            Value::Null,
            110,
            "deregister 0 + drain 15 + idle 60 + own hook 0 + shutdown 30 + 5",
            &[
                (0, "drain"),
                (15, "idle"),
                (75, "SIGTERM"),
                (110, "SIGKILL"),
            ][..],
        ),
        // Without a drain there is something to wait for all the same.
        (
            &[IDLE, ("drain-seconds", "0")],
            Value::Null,
            95,
            "drain 0 + idle 60 + own hook 0",
            &[(0, "idle"), (60, "SIGTERM"), (95, "SIGKILL")],
        ),
        (
            &[IDLE, dubbo],
            sleep.clone(),
            122,
            "deregister 10 + drain 10 + idle 60 + own hook 7 + shutdown 30 + 5",
            &[
                (0, "deregister"),
                (10, "drain"),
                (20, "idle"),
                (80, "hook"),
                (87, "SIGTERM"),
                (122, "SIGKILL"),
            ],
        ),
        // What ends the server itself comes after it.
        (
            &[IDLE, nginx],
            Value::Null,
            120,
            "drain 15 + idle 60 + end 10 + own hook 0",
            &[
                (0, "drain"),
                (15, "idle"),
                (75, "end"),
                (85, "SIGTERM"),
                (120, "SIGKILL"),
            ],
        ),
        // The user's own stays alone, so there is no hook to wait in.
        (
            &[
                IDLE,
                ("existing-pre-stop", "keep"),
                ("shutdown-seconds", "40"),
            ],
            sleep,
            52,
            "deregister 0 + drain 0 + own hook 0",
            &[(0, "hook"), (7, "SIGTERM"), (45, "SIGKILL")],
        ),
    ] {
        let (pod, decision) = stored(annotations, |pod| {
            pod["containers"][0]["lifecycle"] = lifecycle;
        });
        let told = words("web", &decision, true);
        let hooked = setting(&pod, 0, "SILKROLL_IDLE_SECONDS").is_some();
        let kept = annotations
            .iter()
            .any(|(key, _)| *key == "existing-pre-stop");
        assert_eq!(hooked, !kept, "{told}");
        if hooked {
            let command = &pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
            assert_eq!(command[0], "/bin/sh", "{told}");
            assert_eq!(setting(&pod, 0, "SILKROLL_IDLE_SECONDS").unwrap(), "60");
            assert_eq!(setting(&pod, 0, "SILKROLL_IDLE_PORTS").unwrap(), "8080");
            assert_eq!(pod["terminationGracePeriodSeconds"], grace, "{told}");
            assert!(told.contains(sum), "{told}");
            for (at, what) in rows {
                let row = told.lines().any(|line| {
                    line.starts_with(&format!("    {at:>5}  |"))
                        && line.contains(&format!("| {what:<10} "))
                });
                assert!(row, "{at} {what}: {told}");
            }
        }
        let idle = if hooked { 60 } else { 0 };
        assert_eq!(
            serde_json::to_value(decision.timeline).unwrap()["idle"],
            idle
        );
        assert_eq!(told.contains("| idle "), hooked, "{told}");
    }
}

#[test]
fn without_it_nothing_is_looked_at_and_the_native_sleep_stays() {
    for annotations in [&[][..], &[("drain-until-idle-seconds", "0")]] {
        let (pod, decision) = stored(annotations, |_| {});
        let pre_stop = &pod["containers"][0]["lifecycle"]["preStop"];
        assert_eq!(pre_stop["sleep"]["seconds"], 15, "{decision:?}");
        assert_eq!(setting(&pod, 0, "SILKROLL_IDLE_SECONDS"), None);
        assert!(
            !words("web", &decision, true).contains("idle"),
            "{decision:?}"
        );
    }
}

#[test]
fn the_ports_looked_at_are_those_that_serve_callers() {
    let ports = |list: &[(&str, u16, &str)]| {
        let port = |(name, number, protocol): &(&str, u16, &str)| json!({"name": name, "containerPort": number, "protocol": protocol});
        Value::from(list.iter().map(port).collect::<Vec<_>>())
    };
    for (declared, looked_at) in [
        (
            ports(&[("http", 8080, "TCP"), ("grpc", 9090, "TCP")]),
            Some("8080,9090"),
        ),
        (
            ports(&[
                ("http", 8080, "TCP"),
                ("metrics", 9100, "TCP"),
                ("dns", 53, "UDP"),
            ]),
            Some("8080"),
        ),
        // An only port is the main one, whatever it is called.
        (ports(&[("metrics", 9100, "TCP")]), Some("9100")),
        (
            ports(&[("admin", 81, "TCP"), ("metrics", 82, "TCP")]),
            Some("81,82"),
        ),
        // The hook goes by what is listened on.
        (ports(&[("dns", 53, "UDP")]), None),
        (json!([]), None),
    ] {
        let (pod, decision) = stored(&[IDLE], |pod| {
            pod["containers"][0]["ports"] = declared.clone();
        });
        let seen = setting(&pod, 0, "SILKROLL_IDLE_PORTS");
        assert_eq!(seen.as_deref(), looked_at, "{declared}: {decision:?}");
        assert_eq!(setting(&pod, 0, "SILKROLL_IDLE_SECONDS").unwrap(), "60");
    }
}

#[test]
fn on_the_network_of_the_node_only_declared_ports_are_looked_at() {
    for (ports, waits) in [(json!([{"containerPort": 8080}]), true), (json!([]), false)] {
        let (pod, decision) = stored(&[IDLE], |pod| {
            pod["hostNetwork"] = true.into();
            pod["containers"][0]["ports"] = ports.clone();
        });
        let told = decision.warnings.concat();
        assert_eq!(
            setting(&pod, 0, "SILKROLL_IDLE_SECONDS").is_some(),
            waits,
            "{told}"
        );
        let sleeps = pod["containers"][0]["lifecycle"]["preStop"]["sleep"].is_object();
        assert_eq!(sleeps, !waits, "{told}");
        let grace = if waits { 110 } else { 50 };
        assert_eq!(pod["terminationGracePeriodSeconds"], grace, "{told}");
        assert_eq!(
            told.contains("drain-until-idle-seconds has no effect"),
            !waits,
            "{told}"
        );
    }
}

#[test]
fn where_no_hook_of_silkrolls_is_in_the_container_that_is_said() {
    for (wait, said) in [(IDLE, true), ((IDLE.0, "0"), false)] {
        let (pod, decision) = stored(&[wait, ("existing-pre-stop", "keep")], |pod| {
            let hook = json!({"exec": {"command": ["bye"]}});
            pod["containers"][0]["lifecycle"] = json!({"preStop": hook});
        });
        assert!(setting(&pod, 0, "SILKROLL_IDLE_SECONDS").is_none());
        let told = decision.warnings.concat();
        let says = "drain-until-idle-seconds has no effect, for no hook of Silkroll's is in it";
        assert_eq!(told.contains(says), said, "{told}");
    }
}

#[test]
fn each_container_looks_at_its_own_ports_and_the_longest_wait_counts() {
    let (pod, decision) = stored(&[IDLE, ("container", "web,api")], |pod| {
        let mut other = pod["containers"][0].clone();
        other["name"] = "api".into();
        other["ports"] = json!([{"containerPort": 9090}]);
        pod["containers"].as_array_mut().unwrap().push(other);
    });
    assert_eq!(setting(&pod, 0, "SILKROLL_IDLE_PORTS").unwrap(), "8080");
    assert_eq!(setting(&pod, 1, "SILKROLL_IDLE_PORTS").unwrap(), "9090");
    assert_eq!(pod["terminationGracePeriodSeconds"], 110, "{decision:?}");
}

#[test]
fn a_wait_that_the_autoscaler_would_cut_is_warned_of() {
    let (_, decision) = stored(&[("drain-until-idle-seconds", "3600")], |_| {});
    let told = decision.warnings.concat();
    assert!(
        told.contains("terminationGracePeriodSeconds is 3650"),
        "{told}"
    );
}
