//! The user's own preStop hook: whether it calls a registry itself, which is then Silkroll's to do,
//! before the drain and with an answer that is read.

use serde_json::Value;

use crate::policy::{Policy, cut};

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Nacos, without a weight: such a call sets the instance's weight to 1, and it stays so.
    NacosWithoutWeight,
    /// Something that keeps a list of instances.
    Registry,
}

/// What makes calls, as a word of a command.
const TOOLS: &[&str] = &[
    "curl", "wget", "http", "https", "nc", "ncat", "python", "python3", "perl", "node", "php",
    "ruby",
];
/// In a path or URL: taking an instance out, or a paused one (Spring's actuator had `/pause`). Each is
/// looked for as a word, `unregister` and `deregister` also in longer ones.
const WORDS: &[&str] = &[
    "deregister",
    "offline",
    "serviceregistry",
    "service-registry",
    "pause",
    "out_of_service",
];
const PARTS: &[&str] = &["deregister", "unregister"];

/// Reads a lifecycle handler of the user's.
pub(crate) fn calls(hook: &str) -> Option<Calls> {
    let hook: Value = serde_json::from_str(hook).ok()?;
    let text = match (hook.get("exec"), hook.get("httpGet")) {
        (Some(exec), _) => {
            let words = exec.get("command")?.as_array()?;
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            let text = words.join(" ").to_ascii_lowercase();
            let tool = |word: &str| TOOLS.contains(&word.rsplit('/').next().unwrap_or(word));
            let calls = text.contains("/dev/tcp/") || text.split(breaks).any(tool);
            calls.then_some(text)?
        }
        (None, Some(get)) => format!("/{}", get.get("path")?.as_str()?).to_ascii_lowercase(),
        (None, None) => return None,
    };
    // Nacos, all versions: /nacos/v1/ns/instance, /nacos/v2/ns/instance, /nacos/v3/admin/ns/instance.
    if text.contains("/ns/instance") {
        let weighed = text.contains("weight");
        return Some(if weighed {
            Calls::Registry
        } else {
            Calls::NacosWithoutWeight
        });
    }
    text.split(breaks)
        .any(|word| word.contains('/') && leaves(word))
        .then_some(Calls::Registry)
}

/// The user's hook calls a registry, after the drain: too late, and twice where Silkroll calls it, too.
/// Both ways to end the warning are named whole, so that none leads to another about the same hook.
pub(crate) fn warning(policy: &Policy<'_>, container: &str, calls: Calls) -> String {
    let method = match policy.method.name {
        "none" => "silkroll.dev/deregister and ",
        _ => "silkroll.dev/",
    };
    let seconds = match policy.existing_pre_stop_seconds {
        None => " and existing-pre-stop-seconds",
        Some(_) => "",
    };
    let weight = match calls {
        Calls::NacosWithoutWeight => "; a Nacos call without weight sets 1",
        Calls::Registry => "",
    };
    format!(
        "container {}: preStop calls a registry after the drain: set {method}existing-pre-stop: replace, \
         or chain{seconds} to keep it{weight}",
        cut(container, 40)
    )
}

/// The user's hook calls a registry, and is replaced by one that calls none.
pub(crate) fn lost(container: &str) -> String {
    format!(
        "container {}: existing-pre-stop: replace takes away a preStop that calls a registry, and nothing calls it in its \
         place: set silkroll.dev/deregister",
        cut(container, 40)
    )
}

/// What ends a word of a shell's text.
fn breaks(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\'' | '`' | ';' | '|' | '(' | ')' | '<' | '>' | ','
        )
}

/// Whether a URL or path takes an instance out of a list.
fn leaves(url: &str) -> bool {
    // Eureka: /apps/APP/ID, mostly under /eureka, and /status under it; /apps alone is many a folder.
    let eureka = url.contains("/eureka/apps/") || url.contains("/apps/") && url.contains("/status");
    let within = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    eureka
        || PARTS.iter().any(|part| url.contains(part))
        || url.split(within).any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(hook: &Value) -> Option<Calls> {
        calls(&hook.to_string())
    }

    #[test]
    fn own_hooks_that_call_a_registry_are_told_from_those_that_do_not() {
        let registry = Some(Calls::Registry);
        let nacos = Some(Calls::NacosWithoutWeight);
        for (command, expected) in [
            (
                "curl -X PUT \"http://$NACOS:8848/nacos/v1/ns/instance?serviceName=a&ip=$podip&enabled=false\"; sleep 30",
                nacos,
            ),
            (
                "wget -qO- --method=DELETE 'nacos:8848/nacos/v2/ns/instance?ip=1'",
                nacos,
            ),
            (
                "/usr/bin/curl -XPUT nacos/nacos/v3/admin/ns/instance -d 'enabled=false&weight=1'",
                registry,
            ),
            (
                "curl -X PUT $EUREKA/eureka/apps/SHOP/$HOSTNAME:shop:8080/status?value=OUT_OF_SERVICE",
                registry,
            ),
            (
                "curl -X DELETE http://eureka:8761/eureka/apps/shop/id",
                registry,
            ),
            (
                "curl --request PUT http://$HOST_IP:8500/v1/agent/service/deregister/web",
                registry,
            ),
            (
                "curl -X PUT eureka:8761/apps/SHOP/id/status?value=DOWN",
                registry,
            ),
            ("curl -s localhost:22222/offline && sleep 15", registry),
            (
                "python3 -c \"import urllib.request as u; u.urlopen('http://localhost:8080/actuator/serviceregistry')\"",
                registry,
            ),
            (
                "curl -X POST http://127.0.0.1:8080/actuator/service-registry?status=DOWN",
                registry,
            ),
            ("curl -XPOST localhost:8080/pause", registry),
            ("curl http://admin/unregisterInstance?host=$podip", registry),
            (
                "exec 3<>/dev/tcp/127.0.0.1/22222; echo GET /offline >&3",
                registry,
            ),
            // No call, or of something else.
            ("sleep 20", None),
            ("echo offline; sleep 5", None),
            ("rm /tmp/offline", None),
            ("curl localhost:8080/actuator/shutdown", None),
            ("curl localhost/health; echo offline", None),
            ("nginx -s quit", None),
            ("python3 /opt/apps/stop.py", None),
            ("curl localhost:8080/offline-files/flush", None),
            ("/app/deregister.sh", None),
        ] {
            let shell = json!({"exec": {"command": ["/bin/sh", "-c", command]}});
            assert_eq!(of(&shell), expected, "{command}");
        }
        for (hook, expected) in [
            (
                json!({"exec": {"command": ["curl", "-X", "PUT", "http://nacos:8848/nacos/v1/ns/instance?ip=1"]}}),
                nacos,
            ),
            (
                json!({"httpGet": {"path": "/offline", "port": 22222}}),
                registry,
            ),
            (
                json!({"httpGet": {"path": "actuator/pause", "port": "http"}}),
                registry,
            ),
            (json!({"httpGet": {"path": "/bye", "port": 80}}), None),
            (json!({"httpGet": {"port": 80}}), None),
            (json!({"exec": {"command": [1, null]}}), None),
            (json!({"exec": {}}), None),
            (json!({"sleep": {"seconds": 3}}), None),
            (json!([]), None),
        ] {
            assert_eq!(of(&hook), expected, "{hook}");
        }
    }
}
