//! What a hook does, in whole manifests: how long it takes, whether it waits at all, and who is told to end.

use serde_json::{Value, json};

use super::doubts::served;
use super::{codes, found};

/// A container with a preStop hook and a probe, in a pod with a grace period.
fn with(hook: &Value, grace: u32, more: &Value) -> String {
    let mut container = json!({
        "lifecycle": {"preStop": hook}, "readinessProbe": {"tcpSocket": {"port": 8080}},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        container[key] = value.clone();
    }
    let input = served(&container);
    input.replacen(
        "\"spec\":{\"containers\"",
        &format!("\"spec\":{{\"terminationGracePeriodSeconds\":{grace},\"containers\""),
        1,
    )
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn hooks_are_read_as_a_shell_reads_them() {
    let sh = |script: &str| json!({"exec": {"command": ["sh", "-c", script]}});
    let env = json!({"env": [{"name": "DELAY", "value": "20"}]});
    let secret = json!({"env": [{"name": "DELAY", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]});
    let none = Value::Null;
    for (hook, grace, more, expected) in [
        // Units, fractions, and what never ends.
        (sh("sleep 0.5m"), 20, &none, "SR102"),
        (sh("sleep 0.5m"), 60, &none, ""),
        (sh("sleep 1.5m"), 90, &none, "SR102"),
        (sh("sleep infinity"), 3000, &none, "SR102"),
        (sh("sleep 0.2"), 60, &none, "SR101"),
        // Variables whose value stands there.
        (sh("sleep $DELAY"), 15, &env, "SR102"),
        (sh("sleep \"${DELAY}\""), 60, &env, ""),
        (sh("sleep $DELAY"), 15, &secret, ""),
        (sh("sleep $DELAY"), 15, &none, ""),
        (sh("DELAY=3; sleep $DELAY"), 15, &env, ""),
        (
            json!({"exec": {"command": ["sleep", "$DELAY"]}}),
            60,
            &env,
            "SR101",
        ),
        // What the kubelet does not run.
        (json!({"tcpSocket": {"port": 8080}}), 60, &none, "SR101"),
        // A call that is answered at once, whoever is called.
        (
            sh("curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?enabled=false'"),
            60,
            &none,
            "SR101",
        ),
        (
            sh("curl -X PUT http://e/eureka/apps/A/1/status?value=OUT_OF_SERVICE"),
            60,
            &none,
            "SR101",
        ),
        (
            sh("curl -X PUT http://e/eureka/apps/A/1/status?value=OUT_OF_SERVICE; sleep 30"),
            60,
            &none,
            "",
        ),
        (
            sh("curl -X POST localhost:8080/actuator/shutdown"),
            60,
            &none,
            "SR101",
        ),
        (
            sh("curl -X POST localhost:8080/actuator/shutdown; sleep 20"),
            60,
            &none,
            "SR101",
        ),
        (sh("curl -X POST localhost:8080/drain"), 60, &none, ""),
        (
            json!({"httpGet": {"path": "/actuator/shutdown", "port": 8080}}),
            60,
            &none,
            "SR101",
        ),
        (
            json!({"httpGet": {"path": "/drain", "port": 8080}}),
            60,
            &none,
            "",
        ),
        // What can never run.
        (
            json!({"exec": {"command": ["sleep 20"]}}),
            60,
            &none,
            "SR101",
        ),
        (
            json!({"exec": {"command": ["sh -c sleep 20"]}}),
            60,
            &none,
            "SR101",
        ),
        (
            json!({"exec": {"command": ["sh", "sleep 20"]}}),
            60,
            &none,
            "SR101",
        ),
        (
            json!({"exec": {"command": ["sleep", "20", "&&", "nginx", "-s", "quit"]}}),
            60,
            &none,
            "SR101",
        ),
        (
            json!({"exec": {"command": ["sh", "/opt/stop.sh"]}}),
            60,
            &none,
            "",
        ),
        // The background: the call ends with whoever holds the output.
        (sh("sleep 20 >/dev/null 2>&1 &"), 60, &none, "SR101"),
        (sh("sleep 20 &"), 60, &none, ""),
        // The server is ended before anything waits.
        (
            sh("nginx -s quit; while killall -0 nginx; do sleep 1; done"),
            60,
            &none,
            "SR101",
        ),
        (sh("nginx -s quit; sleep 20"), 60, &none, "SR101"),
        (sh("kill 1; sleep 20"), 60, &none, "SR101"),
        (sh("kill -s TERM 1 && sleep 20"), 60, &none, "SR101"),
        (sh("kill -HUP 1; sleep 20"), 60, &none, ""),
        (
            sh("sleep 15; nginx -s quit; while killall -0 nginx; do sleep 1; done"),
            60,
            &none,
            "",
        ),
        (
            sh("sleep 40; while killall -0 nginx; do sleep 1; done"),
            30,
            &none,
            "SR102",
        ),
    ] {
        let found = found(&with(&hook, grace, more), &["--rules", "SR101,SR102"]);
        let expected: Vec<&str> = Some(expected)
            .filter(|code| !code.is_empty())
            .into_iter()
            .collect();
        let codes: Vec<String> = codes(&found).into_iter().collect();
        assert_eq!(codes, expected, "{hook} {grace} {more}: {found:#}");
    }
}

#[test]
fn a_native_sleep_is_none_where_the_api_server_drops_it() {
    let input = with(&json!({"sleep": {"seconds": 15}}), 60, &Value::Null);
    for (version, is_found) in [
        ("1.28", true),
        ("1.29", true),
        ("1.30", false),
        ("1.36", false),
    ] {
        let args = ["--rules", "SR101", "--kubernetes-version", version];
        let before = found(&input, &args);
        assert_eq!(!codes(&before).is_empty(), is_found, "{version}");
        let after = found(&input, &[&args[..], &["--assume-injected"]].concat());
        assert!(codes(&after).is_empty(), "{version}: {after:#}");
    }
}

#[test]
fn a_hook_in_vain_says_why() {
    let sh = |script: &str| json!({"exec": {"command": ["sh", "-c", script]}});
    for (hook, says) in [
        (sh("echo bye"), "its preStop hook ends at once"),
        (
            sh("kill 1; sleep 20"),
            "its preStop hook ends the server before it waits",
        ),
        (
            json!({"tcpSocket": {"port": 1}}),
            "its preStop hook is a tcpSocket, which the kubelet does not run",
        ),
    ] {
        let found = found(&with(&hook, 60, &Value::Null), &["--rules", "SR101"]);
        let message = found["findings"][0]["message"].as_str().unwrap();
        assert_eq!(message, format!("a Service leads to it, and {says}"));
    }
    let found = found(
        &with(&sh("sleep infinity"), 60, &Value::Null),
        &["--rules", "SR102"],
    );
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert_eq!(message, "the hook waits for ever, the grace period is 60 s");
}

#[test]
fn a_shell_is_replaced_by_what_exec_is_given() {
    for (script, is_found) in [
        ("node server.js", true),
        ("A=1 node server.js", true),
        ("cd /app; node server.js # exec", true),
        ("cat <<EOF >a\nexec b\nEOF\nnode server.js", true),
        ("node server.js | tee log", true),
        ("exec node server.js", false),
        ("A=1 exec node server.js", false),
        ("FOO=\"a b\" BAZ=1 exec /app/server", false),
        ("cd /app && B=$(cat x) exec node server.js", false),
        ("cat <<EOF >a\nb\nEOF\nexec node server.js", false),
        ("run() { exec node; }; run", false),
    ] {
        let container = json!({"command": ["sh", "-c", script]});
        let found = found(&served(&container), &["--rules", "SR105"]);
        assert_eq!(!codes(&found).is_empty(), is_found, "{script}");
    }
}

#[test]
fn an_init_in_front_of_a_shell_reaches_the_server_where_it_signals_the_group() {
    let shell = ["sh", "-c", "java -jar a.jar"];
    for (init, env, is_found) in [
        (&["tini", "--"][..], Value::Null, true),
        (&["/sbin/tini", "-s", "-p", "SIGTERM"], Value::Null, true),
        (&["docker-init", "--"], Value::Null, true),
        (&["tini", "-g", "--"], Value::Null, false),
        (&["tini", "-sg", "--"], Value::Null, false),
        (
            &["tini", "--"],
            json!([{"name": "TINI_KILL_PROCESS_GROUP", "value": "1"}]),
            false,
        ),
        (&["dumb-init", "--"], Value::Null, false),
    ] {
        let command = [init, &shell].concat();
        let container = json!({"command": command, "env": env});
        let found = found(&served(&container), &["--rules", "SR105"]);
        assert_eq!(!codes(&found).is_empty(), is_found, "{command:?}");
    }
    for script in ["exec java -jar a.jar", "tini -g -- java"] {
        let container = json!({"command": ["tini", "--", "sh", "-c", script]});
        let found = found(&served(&container), &["--rules", "SR105"]);
        assert!(codes(&found).is_empty(), "{script}");
    }
    let container = json!({"command": ["tini", "--", "java", "-jar", "a.jar"]});
    assert!(codes(&found(&served(&container), &["--rules", "SR105"])).is_empty());
}

#[test]
fn each_shell_replaces_itself_as_it_was_seen_to() {
    let alpine = "node:20-alpine";
    for (image, shell, script, is_found) in [
        ("node:20", "sh", "node server.js", true),
        (alpine, "sh", "node server.js", false),
        (alpine, "sh", "node server.js;", false),
        (alpine, "sh", "node server.js # x", false),
        (alpine, "sh", "set -e\n./migrate\nnode server.js", false),
        (alpine, "sh", "node server.js\n", true),
        (alpine, "sh", "node server.js\n# x", true),
        (alpine, "ash", "set -e\n./migrate\nnode server.js\n", true),
        (alpine, "sh", "exec node server.js\n", false),
        (alpine, "sh", "node server.js | tee log", true),
        (alpine, "bash", "node server.js\n", false),
        ("node:20", "bash", "set -e\nnode server.js\n", false),
        ("node:20", "bash", "node server.js\n# x", true),
        ("node:20", "bash", "node server.js | tee log", true),
        ("node:20", "dash", "node server.js\n", true),
    ] {
        let container = json!({"image": image, "command": [shell, "-c", script]});
        let found = found(&served(&container), &["--rules", "SR105"]);
        assert_eq!(
            !codes(&found).is_empty(),
            is_found,
            "{image} {shell} {script:?}"
        );
    }
}

#[test]
fn java_and_spring_are_told_by_words_and_not_by_parts_of_words() {
    let env = |name: &str| json!({"env": [{"name": name, "value": "x"}]});
    let image = |name: &str| json!({"image": name});
    for (container, expected) in [
        (image("eclipse-temurin:21"), true),
        (image("quay.io/keycloak/keycloak:26"), true),
        (image("x/spring-petclinic"), true),
        (image("springfield/api:1"), false),
        (image("x/offspring:1"), false),
        (image("x/projetty:1"), false),
        (image("keycloak/keycloak-gatekeeper:1"), false),
        (env("JAVA_OPTS"), true),
        (env("JAVA_TOOL_OPTIONS"), true),
        (env("JVM_HEAP"), true),
        (env("SPRING_PROFILES_ACTIVE"), true),
        (env("JAVA_SERVICE_URL"), false),
        (env("JVM_METRICS_HOST"), false),
        (env("SPRING_API_URL"), false),
        (
            json!({"command": ["/opt/java/bin/java", "-jar", "a.jar"]}),
            true,
        ),
    ] {
        for (seconds, late) in [(5, true), (10, true), (20, false)] {
            let mut container = container.clone();
            container["livenessProbe"] =
                json!({"tcpSocket": {"port": 8080}, "periodSeconds": seconds});
            let found = found(&served(&container), &["--rules", "SR204"]);
            assert_eq!(!codes(&found).is_empty(), expected && late, "{container}");
        }
    }
    let two = |one: (&str, &str), other: (&str, &str)| json!({"env": [{"name": one.0, "value": one.1}, {"name": other.0, "value": other.1}]});
    for (container, expected) in [
        (env("SPRING_PROFILES_ACTIVE"), true),
        (env("SPRING_API_URL"), false),
        (two(("A", "b"), ("SERVER_SHUTDOWN", "graceful")), true),
        (
            two(
                ("SPRING_PROFILES_ACTIVE", "a"),
                ("SERVER_SHUTDOWN", "immediate"),
            ),
            false,
        ),
        (json!({"args": ["--server.shutdown=graceful"]}), true),
        (
            json!({"args": ["--server.shutdown=immediate", "--spring.a=b"]}),
            false,
        ),
    ] {
        let hook = json!({"sleep": {"seconds": 15}});
        let found = found(&with(&hook, 40, &container), &["--rules", "SR108"]);
        assert_eq!(!codes(&found).is_empty(), expected, "{container}");
    }
}

#[test]
fn a_proxy_waits_as_long_as_the_app_beside_it() {
    let sleep = |seconds: u32| json!({"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}});
    let run = json!({"lifecycle": {"preStop": {"exec": {"command": ["/drain"]}}}});
    let env = |names: &[&str]| {
        let value = |name: &&str| json!({"name": name, "value": if name.starts_with("EXIT") { "true" } else { "15s" }});
        json!({"env": names.iter().map(value).collect::<Vec<_>>()})
    };
    let idle = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS";
    for (app, proxy, is_found) in [
        (sleep(15), env(&[idle]), true),
        (sleep(15), env(&[idle, "MINIMUM_DRAIN_DURATION"]), false),
        (json!({}), env(&[idle]), false),
        (sleep(15), json!({}), true),
        (sleep(15), sleep(5), true),
        (sleep(15), sleep(15), false),
        (sleep(15), run.clone(), false),
        (run, sleep(5), false),
    ] {
        let mut input: Value =
            serde_json::from_str(served(&app).split("---").next().unwrap()).unwrap();
        let mut beside = proxy.clone();
        beside["name"] = json!("proxy");
        beside["image"] = json!("gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0");
        let containers = input["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap();
        containers.push(beside);
        let found = found(&input.to_string(), &["--rules", "SR504"]);
        assert_eq!(!codes(&found).is_empty(), is_found, "{app} {proxy}");
    }
}

#[test]
fn consuls_own_command_leaves_and_comes_back() {
    let sh = |script: &str| json!({"exec": {"command": ["sh", "-c", script]}});
    let leave = sh("consul maint -enable -service=web; sleep 15");
    for (back, is_found) in [
        (Value::Null, true),
        (sh("consul maint -disable -service=web"), false),
    ] {
        let container = json!({"lifecycle": {"preStop": leave, "postStart": back}});
        let found = found(&served(&container), &["--rules", "SR109"]);
        assert_eq!(!codes(&found).is_empty(), is_found, "{back}");
    }
}

#[test]
fn what_is_wrong_with_an_annotation_is_said_once() {
    let mut input: Value =
        serde_json::from_str(served(&json!({})).split("---").next().unwrap()).unwrap();
    let ignores = format!("x; SR402 a;{}", "y;".repeat(1000));
    input["metadata"]["annotations"] = json!({"silkroll.dev/ignore": ignores});
    let found = found(&input.to_string(), &["--rules", "SR001,SR402"]);
    let all: Vec<_> = found["findings"].as_array().unwrap().iter().collect();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(codes(&found), ["SR001".to_owned()].into());
}
