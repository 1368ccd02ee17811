//! What a finding says of an injection, against the injection: the manifest is injected, and judged again.

use std::collections::BTreeSet;
use std::io::Write as _;

use serde_json::{Value, json};
use silkroll::check::RULES;

use super::{WEB, block, check, found, started, text};

/// What `silkroll inject` makes of a manifest. The Namespaces in it are given to it by themselves, opted in.
fn injected(input: &str, args: &[&str]) -> String {
    let (child, mut stdin) = started(&[&["inject", "-f", "-"], args].concat());
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Findings by what makes two of them the same: code, object and container.
fn keys(found: &Value) -> BTreeSet<String> {
    let findings = found["findings"].as_array().unwrap().iter();
    findings.map(key).collect()
}

fn key(one: &Value) -> String {
    let container = one["container"].as_str().unwrap_or_default();
    format!(
        "{} {} {} {container}",
        one["code"].as_str().unwrap(),
        one["kind"].as_str().unwrap(),
        one["name"].as_str().unwrap(),
    )
}

/// Codes that are said to be mended; each other finding has to be there still, or to have become another one.
fn mended(input: &str, args: &[&str]) -> BTreeSet<String> {
    let before = found(input, args);
    let assumed = [args, &["--assume-injected"]].concat();
    let after = keys(&found(input, &assumed));
    // A call at a registry that nothing makes any more is no cure, and the registry that only it told is still there.
    let lost = input.contains("existing-pre-stop\":\"replace") && !input.contains("/deregister\"");
    if !lost {
        assert_eq!(keys(&found(&injected(input, args), args)), after, "{input}");
    }
    let new = after.difference(&keys(&before)).count();
    let mut mended = BTreeSet::new();
    for one in before["findings"].as_array().unwrap() {
        let gone = !after.contains(&key(one));
        if one["mended"] == true {
            assert!(gone, "{one:#}\n{input}");
            mended.insert(one["code"].as_str().unwrap().to_owned());
        } else {
            // What the hook leaves may be little still, and no finding.
            let short = matches!(one["code"].as_str(), Some("SR102" | "SR103"));
            assert!(!gone || new > 0 || lost || short, "{one:#}\n{input}");
        }
        assert_eq!(one["mend"].is_string(), one["mended"] == true, "{one:#}");
    }
    mended
}

#[test]
fn of_each_bad_manifest_an_injection_mends_what_is_said_and_nothing_else() {
    // An injection that is denied makes nothing that could be judged.
    for rule in RULES.iter().filter(|rule| rule.code != "SR604") {
        let expected: &[&str] = match rule.code {
            // Of SR103 and SR108 the user's own hook is kept behind the drain, in a longer grace period; of SR502 a native
            // sleep is added to the drain, and both make 30 s; of SR602 what is missing is a restart.
            "SR101" | "SR103" | "SR107" | "SR108" | "SR201" | "SR502" | "SR602" => &[rule.code],
            // What the manifest says, a probe of its own, how many pods there are, what stands beside the workload; and
            // SR603, where its page has a record that cannot be read.
            _ => &[],
        };
        let expected: BTreeSet<String> = expected.iter().map(|code| (*code).to_owned()).collect();
        let found = mended(block(rule, "yaml bad"), &[]);
        assert_eq!(found, expected, "{}", rule.code);
    }
}

/// A workload with a hook, a grace period and annotations of its own.
fn hooked(hook: &Value, grace: u32, annotations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"replicas": 2, "minReadySeconds": 40, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": grace, "containers": [{
                "name": "web", "image": "registry.example/shop/web:1.4", "ports": [{"containerPort": 8080}],
                "readinessProbe": {"tcpSocket": {"port": 8080}}, "lifecycle": {"preStop": hook},
            }]},
        }},
    })
}

/// Codes that are left when everything is injected, without SR402, which is not about hooks.
fn left(input: &str, args: &[&str]) -> BTreeSet<String> {
    let assumed = [args, &["--assume-injected"]].concat();
    let mut codes = super::codes(&found(input, &assumed));
    codes.remove("SR402");
    codes
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn the_users_own_hook_is_judged_where_it_runs_behind_the_drain() {
    let sh = |script: &str| json!({"exec": {"command": ["/bin/sh", "-c", script]}});
    let nacos = |with: &[(&str, &str)]| {
        let mut all = json!({
            "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848",
            "silkroll.dev/hook": "script",
        });
        for (key, value) in with {
            all[format!("silkroll.dev/{key}")] = json!(value);
        }
        all
    };
    let disable =
        sh("curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?ip=1&enabled=false'; sleep 3");
    let delete = sh("curl -X DELETE http://e:8761/eureka/apps/A/1; sleep 20");
    let replace = json!({"silkroll.dev/existing-pre-stop": "replace"});
    let seconds = json!({"silkroll.dev/existing-pre-stop-seconds": "90"});
    for (what, hook, grace, annotations, gone, stays) in [
        (
            "longer than all",
            json!({"exec": {"command": ["sleep", "90"]}}),
            30,
            json!({}),
            "",
            "SR102",
        ),
        (
            "longer, and said so",
            json!({"exec": {"command": ["sleep", "90"]}}),
            30,
            seconds,
            "SR102",
            "",
        ),
        (
            "longer, and replaced",
            json!({"exec": {"command": ["sleep", "90"]}}),
            30,
            replace.clone(),
            "SR102",
            "",
        ),
        (
            "longer, native, which is counted",
            json!({"sleep": {"seconds": 29}}),
            30,
            json!({}),
            "SR103",
            "",
        ),
        (
            "only just too long",
            sh("sleep 32"),
            30,
            json!({}),
            "",
            "SR103",
        ),
        (
            "as long: of 50 s it leaves the app 5",
            sh("sleep 30"),
            30,
            json!({}),
            "",
            "",
        ),
        (
            "as long, and the app is told to take no more",
            sh("sleep 30"),
            30,
            json!({"silkroll.dev/shutdown-seconds": "5"}),
            "",
            "SR102",
        ),
        (
            "as long, and said so",
            sh("sleep 30"),
            30,
            json!({"silkroll.dev/existing-pre-stop-seconds": "30"}),
            "SR102",
            "",
        ),
        (
            "kept",
            sh("sleep 30"),
            30,
            json!({"silkroll.dev/existing-pre-stop": "keep"}),
            "",
            "SR102",
        ),
        ("deletes", delete.clone(), 30, json!({}), "", "SR110"),
        (
            "deletes, replaced by nothing",
            delete.clone(),
            30,
            replace.clone(),
            "",
            "SR101",
        ),
        (
            "deletes, replaced",
            delete,
            30,
            nacos(&[("existing-pre-stop", "replace")]),
            "SR110",
            "",
        ),
        ("switches off", disable.clone(), 60, json!({}), "", "SR109"),
        (
            "switches off, replaced by nothing",
            disable.clone(),
            60,
            replace,
            "",
            "SR101",
        ),
        (
            "switches off, replaced",
            disable.clone(),
            60,
            nacos(&[("existing-pre-stop", "replace")]),
            "SR109",
            "",
        ),
        (
            "switches off, and on by Silkroll",
            disable.clone(),
            60,
            nacos(&[]),
            "SR109",
            "",
        ),
        (
            "switches off, without a start hook",
            disable,
            60,
            nacos(&[("start-hook", "none")]),
            "",
            "SR109",
        ),
    ] {
        let input = hooked(&hook, grace, &annotations).to_string();
        let mended = mended(&input, &[]);
        let set = |code: &str| BTreeSet::from_iter((!code.is_empty()).then(|| code.to_owned()));
        assert_eq!(
            (mended, left(&input, &[])),
            (set(gone), set(stays)),
            "{what}"
        );
    }
}

#[test]
fn what_an_injection_is_denied_for_is_found_with_the_annotation_and_what_is_allowed() {
    let sleep = json!({"sleep": {"seconds": 15}});
    let web = hooked(&sleep, 60, &json!({"silkroll.dev/last-instance": "foo"})).to_string();
    for args in [&[][..], &["--assume-injected"]] {
        let all = found(&web, args);
        let findings = all["findings"].as_array().unwrap();
        let denied = findings.iter().find(|one| one["code"] == "SR604").unwrap();
        let message = denied["message"].as_str().unwrap();
        let said = r#"silkroll.dev/last-instance: "foo" on Deployment shop/web cannot be used: allowed is wait or leave"#;
        assert!(message.contains(said), "{message}");
        assert_eq!(denied["mended"], false);
    }
}

#[test]
fn pods_that_are_ready_when_they_are_listed_need_no_min_ready_seconds() {
    for (with, code) in [("registered", false), ("probe", true)] {
        let mut web = hooked(
            &json!(null),
            30,
            &json!({
                "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848",
                "silkroll.dev/hook": "script", "silkroll.dev/ready-when": with,
            }),
        );
        web["spec"]["minReadySeconds"] = json!(0);
        let web = web.to_string();
        assert_eq!(left(&web, &[]).contains("SR203"), code, "{with}");
        assert_eq!(mended(&web, &[]).contains("SR203"), !code, "{with}");
    }
}

#[test]
fn a_call_at_a_registry_that_nothing_makes_any_more_is_no_cure() {
    let replace = json!({"silkroll.dev/existing-pre-stop": "replace"});
    let call = "curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?enabled=false'";
    for script in [call.to_owned(), format!("{call}; sleep 15")] {
        let hook = json!({"exec": {"command": ["sh", "-c", script]}});
        let mut web = hooked(&hook, 30, &replace);
        web["spec"]["minReadySeconds"] = json!(0);
        web["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
        let web = web.to_string();
        // Callers find it in the registry still, whatever hook it has.
        assert_eq!(mended(&web, &[]), BTreeSet::new(), "{script}");
        let left = left(&web, &[]);
        assert!(left.contains("SR203") && left.contains("SR503"), "{left:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        std::fs::write(&path, &web).unwrap();
        let shown = path.display().to_string();
        check(&["-f", &shown, "--fix"], "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), web, "{script}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn what_is_in_a_registry_is_not_mended_by_a_sleep_alone() {
    let sh = |script: &str| json!({"exec": {"command": ["sh", "-c", script]}});
    let off = "curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?enabled=false'";
    let nacos = json!({
        "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848", "silkroll.dev/hook": "script",
    });
    let mut replace = nacos.clone();
    replace["silkroll.dev/existing-pre-stop"] = json!("replace");
    let asked = json!({"name": "SPRING_CLOUD_NACOS_DISCOVERY_SERVER_ADDR", "value": "nacos:8848"});
    let named = json!({"name": "REGISTRY_ADDR", "value": "nacos://nacos:8848"});
    let none = json!({});
    for (what, hook, variable, annotations, message, mends) in [
        (
            "no hook",
            Value::Null,
            &asked,
            &none,
            "it has no preStop hook",
            false,
        ),
        (
            "no hook, by an address",
            Value::Null,
            &named,
            &none,
            "it has no preStop hook",
            false,
        ),
        (
            "leaving",
            Value::Null,
            &asked,
            &nacos,
            "it has no preStop hook",
            true,
        ),
        (
            "a sleep",
            json!({"sleep": {"seconds": 40}}),
            &asked,
            &none,
            "it stays there while",
            false,
        ),
        (
            "a sleep, leaving",
            json!({"sleep": {"seconds": 40}}),
            &asked,
            &nacos,
            "it stays there while",
            true,
        ),
        (
            "a script that sleeps",
            sh("sleep 40"),
            &asked,
            &none,
            "it stays there while",
            false,
        ),
        (
            "it leaves at once",
            sh(off),
            &Value::Null,
            &none,
            "its preStop hook ends at once",
            false,
        ),
        (
            "it leaves at its end",
            sh(&format!("sleep 40 && {off}")),
            &Value::Null,
            &none,
            "waits first and takes it out at the end",
            false,
        ),
        (
            "it leaves at its end, replaced",
            sh(&format!("sleep 40 && {off}")),
            &Value::Null,
            &replace,
            "waits first and",
            true,
        ),
        (
            "it leaves first",
            sh(&format!("{off}; sleep 40")),
            &asked,
            &none,
            "",
            false,
        ),
        (
            "a program",
            json!({"exec": {"command": ["/app/leave"]}}),
            &asked,
            &none,
            "",
            false,
        ),
    ] {
        let mut web = hooked(&hook, 90, annotations);
        if variable.is_object() {
            web["spec"]["template"]["spec"]["containers"][0]["env"] = json!([variable]);
        }
        let web = web.to_string();
        let mended = mended(&web, &[]);
        assert_eq!(mended.contains("SR101"), mends, "{what}");
        let assumed = found(&web, &["--rules", "SR101", "--assume-injected"]);
        let found = found(&web, &["--rules", "SR101"]);
        let Some(one) = found["findings"].get(0) else {
            assert_eq!(message, "", "{what}");
            continue;
        };
        let said = one["message"].as_str().unwrap();
        assert!(
            !message.is_empty() && said.contains(message),
            "{what}: {said}"
        );
        assert_eq!(super::codes(&assumed).is_empty(), mends, "{what}");
        for format in ["text", "json", "sarif", "junit", "github"] {
            let output = text(&check(&["-f", "-", "-o", format, "--rules", "SR101"], &web).stdout);
            let output = output.replace("&apos;", "'");
            assert!(
                output.contains("`silkroll.dev/deregister: nacos` and `silkroll.dev/nacos-server`"),
                "{format}: {output}"
            );
            assert!(
                !output.contains("sleep: {seconds: 15}`") || format == "sarif",
                "{format}: {output}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        std::fs::write(&path, &web).unwrap();
        check(
            &[
                "-f",
                &path.display().to_string(),
                "--fix",
                "--rules",
                "SR101",
            ],
            "",
        );
        let written = std::fs::read_to_string(&path).unwrap() != web;
        assert_eq!(written, mends, "{what}");
    }
}

#[test]
fn what_comes_in_the_place_of_a_finding_is_not_mended() {
    // Nothing delays SIGTERM; with the injection a script does that the image cannot run.
    let nacos = json!({"silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848"});
    let mut web = hooked(&Value::Null, 30, &nacos);
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("gcr.io/distroless/java17");
    let web = web.to_string();
    assert_eq!(mended(&web, &[]), BTreeSet::new());
    assert_eq!(left(&web, &[]), BTreeSet::from(["SR104".to_owned()]));
    // The helper needs no shell.
    let helper = ["--node-arch", "amd64"];
    assert_eq!(mended(&web, &helper), BTreeSet::from(["SR101".to_owned()]));
    // But the user's own hook does.
    let hook = json!({"exec": {"command": ["sh", "-c", "sleep 5"]}});
    let mut web = hooked(&hook, 30, &nacos);
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("gcr.io/distroless/java17");
    let web = web.to_string();
    // It leaves before it sleeps now; what cannot run then is found still.
    assert_eq!(mended(&web, &helper), BTreeSet::from(["SR101".to_owned()]));
    let output = found(&web, &[&helper[..], &["--assume-injected"]].concat());
    let message = output["findings"][0]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "behind Silkroll's the hook runs sh, which the image does not have"
    );
}

#[test]
fn a_server_that_silkroll_ends_gracefully_is_said_to_be_so() {
    for (method, mends) in [("none", false), ("nginx", true)] {
        let annotations = json!({"silkroll.dev/deregister": method, "silkroll.dev/hook": "script"});
        let mut web = hooked(&json!({"sleep": {"seconds": 15}}), 60, &annotations);
        web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.17");
        let mended = mended(&web.to_string(), &[]);
        assert_eq!(mended.contains("SR106"), mends, "{method}: {mended:?}");
    }
}

#[test]
fn a_pod_on_the_nodes_address_is_switched_on_again_by_the_start_hook() {
    for (start, mends) in [("auto", true), ("none", false)] {
        let annotations = json!({
            "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848",
            "silkroll.dev/hook": "script", "silkroll.dev/start-hook": start,
        });
        let mut web = hooked(&json!({"sleep": {"seconds": 40}}), 90, &annotations);
        web["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
        let mended = mended(&web.to_string(), &[]);
        assert_eq!(mended.contains("SR503"), mends, "{start}: {mended:?}");
    }
}

/// A Namespace with annotations.
fn namespace(annotations: &Value) -> String {
    let metadata = json!({"name": "shop", "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).to_string()
}

#[test]
fn what_is_to_be_done_depends_on_what_is_done_already() {
    let web = WEB.replace("  name: web\nspec", "  name: web\n  namespace: shop\nspec");
    let live = web.replace("namespace: shop\n", "namespace: shop\n  uid: 5d6a\n");
    for (what, workload, said, expected) in [
        (
            "no Namespace",
            &web,
            None,
            Some("Annotating the namespace would"),
        ),
        (
            "another word",
            &web,
            Some("disabled"),
            Some("Annotating the namespace would"),
        ),
        (
            "opted in",
            &web,
            Some("enabled"),
            Some("Applying the workload would"),
        ),
        (
            "on request",
            &web,
            Some("on-request"),
            Some("Annotating the workload (silkroll.dev/inject: enabled) would"),
        ),
        (
            "live",
            &live,
            None,
            Some("Annotating the namespace (silkroll.dev/inject: enabled) and restarting"),
        ),
        (
            "live, opted in",
            &live,
            Some("enabled"),
            Some("Restarting the workload would"),
        ),
        (
            "it says no itself",
            &web.replace(
                "namespace: shop\n",
                "namespace: shop\n  annotations: {silkroll.dev/inject: disabled}\n",
            ),
            None,
            None,
        ),
    ] {
        let said = said.map(|said| namespace(&json!({"silkroll.dev/inject": said})));
        let input = format!("{workload}---\n{}", said.unwrap_or_default());
        let found = found(&input, &["--rules", "SR101"]);
        let mend = found["findings"][0]["mend"].as_str();
        let begins = expected.is_none_or(|begin| mend.is_some_and(|mend| mend.starts_with(begin)));
        assert!(
            begins && mend.is_some() == expected.is_some(),
            "{what}: {mend:?}"
        );
        for format in ["text", "github", "sarif", "junit"] {
            let output =
                text(&check(&["-f", "-", "-o", format, "--rules", "SR101"], &input).stdout);
            assert_eq!(
                output.contains("would mend it"),
                expected.is_some(),
                "{what}, {format}: {output}"
            );
            let sentence = mend.unwrap_or_default();
            assert!(output.contains(sentence), "{what}, {format}: {output}");
        }
    }
}

#[test]
fn what_runs_with_the_hook_of_another_version_is_restarted() {
    let annotations = json!({
        "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848", "silkroll.dev/hook": "script",
    });
    let mut web = hooked(&Value::Null, 30, &annotations);
    web["metadata"]["uid"] = json!("5d6a");
    let web = injected(&web.to_string(), &[]);
    let at = web.find("silkroll-").unwrap();
    let other = web.replace(
        &web[at..at + "silkroll-0123456789ab".len()],
        "silkroll-0123456789ab",
    );
    let found = found(&other, &["--rules", "SR603"]);
    let mend = found["findings"][0]["mend"].as_str().unwrap();
    assert!(
        mend.starts_with("Restarting the workload would mend it"),
        "{mend}"
    );
}

#[test]
fn what_the_namespace_says_besides_holds() {
    let web = WEB.replace("  name: web\nspec", "  name: web\n  namespace: shop\nspec");
    for (what, annotations, mends) in [
        ("nothing", json!({}), true),
        (
            "no time to wait",
            json!({"silkroll.dev/drain-seconds": "0"}),
            false,
        ),
        (
            "a value that cannot be used",
            json!({"silkroll.dev/drain-seconds": "soon"}),
            false,
        ),
        (
            "the Pods are injected, and not the workload",
            json!({"silkroll.dev/level": "pod"}),
            false,
        ),
    ] {
        let input = format!("{web}---\n{}", namespace(&annotations));
        let found = found(&input, &["--rules", "SR101"]);
        assert_eq!(found["findings"][0]["mended"], mends, "{what}");
    }
}

#[test]
fn an_ignore_that_says_nothing_is_mended_by_no_injection() {
    let web = WEB.replace("replicas: 2", "replicas: 2 # silkroll:ignore SR301");
    let found = found(&web, &["--rules", "SR001"]);
    assert_eq!(found["findings"][0]["mended"], false);
}

#[test]
fn fixing_a_service_writes_into_its_workload() {
    let annotations = json!({"silkroll.dev/drain-seconds": "120"});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "annotations": {
            "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip",
        }},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    let web = hooked(&json!({"sleep": {"seconds": 20}}), 60, &annotations);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    std::fs::write(&path, format!("{service}\n---\n{web}\n")).unwrap();
    let shown = path.display().to_string();
    let output = check(&["-f", &shown, "--fix", "--rules", "SR501"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("1 workload injected"));
}
