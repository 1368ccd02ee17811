//! Hooks and probes of the users' own: chained, kept or replaced, and what an apply merges into
//! ours ends up as one action, the user's.

use serde_json::{Value, json};

use super::manifests;
use super::space::Space;
use super::world::World;

const CALLS: &[(&str, &str)] = &[
    ("inject", "enabled"),
    ("deregister", "http"),
    ("http-url", "http://admin/offline"),
    ("existing-pre-stop-seconds", "3"),
];

fn with_hook(pre_stop: &Value) -> Value {
    let mut manifest = manifests::plain("web");
    let web = manifests::container(&mut manifest);
    web["command"] = json!(["/bin/sh", "-c", "exec web"]);
    web["lifecycle"] = json!({"preStop": pre_stop});
    manifest
}

#[test]
fn a_hook_that_is_there_runs_after_ours_in_the_same_budget() {
    let space = Space::new(World::shared(), "chained", CALLS);
    for (name, own, words, grace) in [
        (
            "exec",
            json!({"exec": {"command": ["/app/stop", "$(id)", "two words"]}}),
            vec!["exec", "/app/stop", "$(id)", "two words"],
            10 + 30 + 3 + 30 + 5,
        ),
        (
            "http",
            json!({"httpGet": {"path": "/bye", "port": "http",
                "httpHeaders": [{"name": "X-A", "value": "b c"}]}}),
            vec!["http", "HTTP", "", "8080", "/bye", "X-A: b c"],
            10 + 30 + 3 + 30 + 5,
        ),
        (
            "sleep",
            json!({"sleep": {"seconds": 7}}),
            vec!["sleep", "7"],
            10 + 30 + 7 + 30 + 5,
        ),
    ] {
        let mut manifest = with_hook(&own);
        manifest["metadata"]["name"] = name.into();
        space.apply(&manifest);
        // A second apply sends the user's hook again, over ours.
        space.apply(&manifest);
        let state = space.settled(&format!("deployment/{name}"));
        assert_eq!(state.chained(), words);
        assert_eq!(
            state.pod()["terminationGracePeriodSeconds"],
            grace,
            "{name}"
        );
        assert_eq!(state.revisions.len(), 1, "{name}");
    }
}

#[test]
fn a_hook_that_is_there_is_kept_or_replaced_where_that_is_asked() {
    let space = Space::new(World::shared(), "kept", CALLS);
    let own = json!({"exec": {"command": ["/app/stop"]}});
    let keep = [("existing-pre-stop", "keep")];
    space.apply(&manifests::annotated(with_hook(&own), &keep));
    let kept = space.settled("deployment/web");
    assert_eq!(kept.web()["lifecycle"]["preStop"], own);
    assert_eq!(kept.pod()["terminationGracePeriodSeconds"], 30 + 3 + 5);

    let replace = [("existing-pre-stop", "replace")];
    space.apply(&manifests::annotated(with_hook(&own), &replace));
    let replaced = space.settled("deployment/web");
    assert_eq!(replaced.chained(), Vec::<&str>::new());

    space.quiet(
        &["annotate", "deployment/web", "silkroll.dev/inject=disabled"],
        "",
    );
    let back = space.settled("deployment/web");
    assert_eq!(back.web()["lifecycle"]["preStop"], own);
}

/// What the user adds by an apply over the injected object, and what must be there then.
#[test]
fn a_hook_that_an_apply_adds_over_ours_is_chained_whatever_its_kind() {
    for (at, (annotations, own)) in [
        (CALLS, json!({"httpGet": {"path": "/bye", "port": 8080}})),
        (CALLS, json!({"exec": {"command": ["/app/stop"]}})),
        (CALLS, json!({"sleep": {"seconds": 4}})),
        (
            &CALLS[..1],
            json!({"httpGet": {"path": "/bye", "port": 8080}}),
        ),
        (&CALLS[..1], json!({"exec": {"command": ["/app/stop"]}})),
    ]
    .into_iter()
    .enumerate()
    {
        for flags in [
            &["apply", "-f", "-"][..],
            &["apply", "--server-side", "-f", "-"],
        ] {
            let name = format!("merged-{at}-{}", flags.len());
            let space = Space::new(World::shared(), &name, annotations);
            let mut plain = with_hook(&Value::Null);
            let seconds = [("existing-pre-stop-seconds", "3")];
            plain = manifests::annotated(plain, &seconds);
            manifests::container(&mut plain)
                .as_object_mut()
                .unwrap()
                .remove("lifecycle");
            space.quiet(flags, &plain.to_string());
            let mut hooked = manifests::annotated(with_hook(&own), &seconds);
            manifests::container(&mut hooked)["image"] = "web:2".into();
            let output = space.kubectl(flags, &hooked.to_string());
            let place = format!("{name}: {own}: {output:?}");
            assert!(output.success && output.stderr.is_empty(), "{place}");
            let state = space.settled("deployment/web");
            let kind = own.as_object().unwrap().keys().next().unwrap();
            let word = if kind == "httpGet" { "http" } else { kind };
            assert_eq!(state.chained()[0], word, "{place}");
            // As if it had been there from the start.
            let fresh = space.dry_run(&renamed(&hooked));
            assert_eq!(state.pod(), &fresh["spec"]["template"]["spec"], "{place}");
            // Gone from the manifest, gone from the pod.
            let output = space.kubectl(flags, &plain.to_string());
            assert!(
                output.success && output.stderr.is_empty(),
                "{place} {output:?}"
            );
            let state = space.settled("deployment/web");
            let fresh = space.dry_run(&renamed(&plain));
            assert_eq!(state.pod(), &fresh["spec"]["template"]["spec"], "{place}");
        }
    }
}

fn renamed(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    // The selector's label stays, so that the templates can be compared.
    manifest["metadata"]["name"] = "fresh".into();
    manifest
}

#[test]
fn a_probe_that_an_apply_adds_over_ours_is_the_users_alone() {
    for (at, probe) in [
        json!({"httpGet": {"path": "/ready", "port": "http"}}),
        json!({"exec": {"command": ["ready"]}, "periodSeconds": 3}),
        json!({"grpc": {"port": 8080}, "failureThreshold": 9}),
        json!({"tcpSocket": {"port": "http"}, "initialDelaySeconds": 2}),
    ]
    .into_iter()
    .enumerate()
    {
        for flags in [
            &["apply", "-f", "-"][..],
            &["apply", "--server-side", "-f", "-"],
        ] {
            let name = format!("probe-{at}-{}", flags.len());
            let space = Space::new(World::shared(), &name, &[("inject", "enabled")]);
            let plain = manifests::plain("web");
            space.quiet(flags, &plain.to_string());
            let mut probed = plain.clone();
            manifests::container(&mut probed)["readinessProbe"] = probe.clone();
            space.quiet(flags, &probed.to_string());
            let state = space.settled("deployment/web");
            let fresh = space.dry_run(&renamed(&probed));
            assert_eq!(state.pod(), &fresh["spec"]["template"]["spec"], "{name}");
            space.quiet(flags, &plain.to_string());
            let state = space.settled("deployment/web");
            let fresh = space.dry_run(&renamed(&plain));
            assert_eq!(state.pod(), &fresh["spec"]["template"]["spec"], "{name}");
        }
    }
}

#[test]
fn a_sleep_that_is_there_is_added_to_the_native_one() {
    let space = Space::new(World::shared(), "sleeps", &CALLS[..1]);
    let plain = manifests::plain("web");
    let mut sleeps = plain.clone();
    manifests::container(&mut sleeps)["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 4}}});
    for (manifest, seconds) in [(&plain, 15), (&sleeps, 19), (&sleeps, 19), (&plain, 15)] {
        space.apply(manifest);
        let state = space.settled("deployment/web");
        let hook = &state.web()["lifecycle"]["preStop"];
        assert_eq!(*hook, json!({"sleep": {"seconds": seconds}}));
    }
}
