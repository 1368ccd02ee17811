//! `spring`: the actuator's `serviceregistry` endpoint, inside the pod. What it sets sticks to the
//! address in the registry behind it, so there is a way back.

use super::{Leave, Place, text};
use crate::policy::{Key, Method, Policy, Port, Problem, port, url_path};

const PATH: &str = "/actuator/serviceregistry";

pub(super) const METHOD: Method = Method {
    name: "spring",
    settings: &[
        Key {
            name: "spring-port",
            allowed: super::PORT,
            fits: port,
        },
        Key {
            name: "spring-path",
            allowed: "allowed is a path like /actuator/serviceregistry",
            fits: url_path,
        },
        Key {
            name: "spring-status",
            allowed: "allowed is DOWN (default; works with Nacos and Eureka) or OUT_OF_SERVICE (Eureka)",
            fits: |value| matches!(value, "DOWN" | "OUT_OF_SERVICE"),
        },
    ],
    // The caller's load balancer keeps its list for 35 s; with Eureka's own caches, set 95.
    default_drain: 45,
};

pub(super) fn plan(policy: &Policy<'_>, place: &Place<'_>) -> Result<Leave, Problem> {
    let or = |key: &str, default| policy.setting(key).map_or(default, |found| found.value);
    let wanted = policy.setting("port");
    let port = match wanted.and_then(|found| Port::parse(found.value)) {
        None => place.actuator_port(),
        given => place.port(given),
    };
    let port = port.map_err(|allowed| match &wanted {
        Some(found) => policy.misfit("spring-port", found, allowed),
        None => policy.method_problem(format!(
            "set silkroll.dev/spring-port, the actuator's port: {allowed}"
        )),
    })?;
    let (path, status) = (or("path", PATH), or("status", "DOWN"));
    Ok(Leave {
        summary: format!("POST status {status} to 127.0.0.1:{port}{path}"),
        comes_back: true,
        ..Leave::calling(vec![
            text("SILKROLL_SPRING_PORT", port.to_string()),
            text("SILKROLL_SPRING_PATH", path),
            text("SILKROLL_SPRING_STATUS", status),
        ])
    })
}
