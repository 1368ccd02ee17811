//! Annotations that cannot be used: the author is told what, where and what is allowed; values that
//! are free text arrive as they are and never become shell text.

use super::manifests;
use super::space::Space;
use super::world::World;

/// Annotation, value as JSON text, and what the denial must say of it.
const HOSTILE: &[(&str, &str, &str)] = &[
    (
        "inject",
        r#""yes""#,
        "allowed on a workload is enabled or disabled",
    ),
    (
        "inject",
        r#""on-request""#,
        "allowed on a workload is enabled or disabled",
    ),
    (
        "inject",
        r#""""#,
        "allowed on a workload is enabled or disabled",
    ),
    (
        "drain-seconds",
        r#""-1""#,
        r#""-1" on Deployment denials/web cannot be used: allowed is a whole number"#,
    ),
    (
        "drain-seconds",
        r#""1.5""#,
        "whole number of seconds from 0 to 3600",
    ),
    ("drain-seconds", r#""1e9""#, "whole number"),
    ("drain-seconds", r#""10s""#, "whole number"),
    ("drain-seconds", r#""3601""#, "from 0 to 3600"),
    ("drain-seconds", r#""12345678901234567890""#, "whole number"),
    ("drain-seconds", r#""１０""#, "plain digits"),
    ("drain-seconds", r#"" 10""#, "plain digits"),
    ("drain-seconds", r#""$(id)""#, r#""$(id)""#),
    ("drain-seconds", r#""`id`""#, r#""`id`""#),
    ("drain-seconds", r#""1\n2""#, r#""1\n2""#),
    ("drain-seconds", r#""1\u00002""#, r#""1\u{0}2""#),
    ("drain-seconds", "\"1\u{202e}2\"", r"1\u{202e}2"),
    ("shutdown-seconds", r#""0""#, "from 1 to 3600"),
    ("deregister-timeout-seconds", r#""301""#, "from 1 to 300"),
    (
        "deregister",
        r#""nacos; rm -rf /""#,
        "one of none, nacos, eureka, consul, dubbo, spring, http, nginx, signal",
    ),
    (
        "deregister",
        r#""nacos""#,
        "it needs silkroll.dev/nacos-server",
    ),
    (
        "deregister-if-env",
        r#""A B""#,
        "name of an environment variable",
    ),
    ("container", r#""nobody""#, "there is no container"),
    ("container", r#""Web!""#, "a container's name"),
    ("readiness", r#""tcp://:0""#, "cannot be used"),
    ("readiness", r#""tcp://:65536""#, "cannot be used"),
    (
        "readiness",
        r#""tcp://:nowhere""#,
        "declares no TCP port of that name",
    ),
    ("readiness", r#""ftp://:1""#, "cannot be used"),
    ("readiness-period-seconds", r#""0""#, "from 1 to 999999"),
    ("hook", r#""shell""#, "allowed is auto, script"),
    ("start-hook", r#""always""#, "auto or none"),
    ("existing-pre-stop", r#""drop""#, "chain, keep or replace"),
    ("rollout", r#""fast""#, "keep or surge"),
    ("nacos-server", r#""nacos:8848 $(id)""#, "allowed is a URL"),
    ("http-url", r#""file:///etc/passwd""#, "cannot be used"),
    ("http-method", r#""PO ST""#, "cannot be used"),
    ("http-headers-secret", r#""../x""#, "the name of a Secret"),
];

#[test]
fn a_value_that_cannot_be_used_is_denied_to_its_author_with_what_is_allowed() {
    let space = Space::new(World::shared(), "denials", &[("inject", "enabled")]);
    for (key, value, says) in HOSTILE {
        let mut manifest = manifests::plain("web");
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let annotation = format!("silkroll.dev/{key}");
        manifest["metadata"]["annotations"][&annotation] = value;
        let output = space.kubectl(&["apply", "-f", "-"], &manifest.to_string());
        let place = format!("{annotation}: {output:?}");
        assert!(!output.success, "{place}");
        assert!(output.stderr.contains(&annotation), "{place}");
        assert!(
            output
                .stderr
                .contains("\"inject.silkroll.dev\" denied the request"),
            "{place}"
        );
        assert!(output.stderr.contains(says), "{place}");
        let safe = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
        assert!(output.stderr.chars().all(safe), "{place}");
    }
    let stored = space.world.plane.get(&["deployment", "-n", "denials"]);
    assert_eq!(stored, None);
}

#[test]
fn a_value_of_300_kilobytes_is_denied_in_a_short_message() {
    let space = Space::new(World::shared(), "huge", &[("inject", "enabled")]);
    let value = "9".repeat(300 * 1024);
    let manifest = manifests::annotated(manifests::plain("web"), &[("drain-seconds", &value)]);
    let output = space.kubectl(&["create", "-f", "-"], &manifest.to_string());
    assert!(!output.success);
    assert!(output.stderr.contains("characters more"), "{output:?}");
    assert!(output.stderr.len() < 1000, "{output:?}");
}

#[test]
fn a_denied_update_leaves_what_is_stored() {
    let space = Space::new(World::shared(), "denied-update", &[("inject", "enabled")]);
    space.apply(&manifests::plain("web"));
    let before = space.settled("deployment/web");
    let bad = "silkroll.dev/drain-seconds=soon";
    let output = space.kubectl(&["annotate", "deployment/web", bad], "");
    assert!(
        !output.success && output.stderr.contains("\"soon\""),
        "{output:?}"
    );
    let after = space.settled("deployment/web");
    assert_eq!(after.object["spec"], before.object["spec"]);
    assert_eq!(
        after.object["metadata"]["annotations"],
        before.object["metadata"]["annotations"]
    );
}

/// Annotations that are free text, and the variable that each becomes.
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "http-body",
        "$(id) `id` ${HOME} \"'\\ \n &;|<>",
        "SILKROLL_HTTP_BODY",
    ),
    (
        "http-url",
        "http://admin/$(podip)?a=$(id)&b={podip}",
        "SILKROLL_HTTP_URL",
    ),
    (
        "http-content-type",
        "text/plain; a=\"$(id)\"",
        "SILKROLL_HTTP_CONTENT_TYPE",
    ),
];

#[test]
fn free_text_arrives_as_a_value_and_nowhere_else() {
    let space = Space::new(World::shared(), "texts", &[("inject", "enabled")]);
    for (key, value, variable) in TEXTS {
        let mut annotations = vec![("deregister", "http"), ("http-url", "http://admin/")];
        annotations.retain(|(name, _)| name != key);
        annotations.push((key, value));
        let manifest = manifests::annotated(manifests::plain("web"), &annotations);
        let output = space.kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &manifest.to_string(),
        );
        assert!(output.success, "{key}: {output:?}");
        let stored: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let web = &stored["spec"]["template"]["spec"]["containers"][0];
        let env = web["env"].as_array().unwrap();
        let entry = env.iter().find(|entry| entry["name"] == *variable);
        // The kubelet reads `$$` as `$`, so the container sees the text itself.
        let arrives = entry.unwrap()["value"].as_str().unwrap().replace("$$", "$");
        assert_eq!(arrives, *value);
        let hook = web["lifecycle"].to_string();
        assert!(!hook.contains("id`") && !hook.contains("$(id)"), "{hook}");
    }
}
