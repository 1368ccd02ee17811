//! `spring`: the actuator's `serviceregistry` endpoint, inside the pod. What it sets sticks to the
//! address in the registry behind it, so a start hook re-enables it.

use super::exchange::{Exchange, Reenable};
use super::{Deregistration, Registrant};
use crate::policy::{Key, Method, Policy, Port, Problem, port, url_path};

const PATH: &str = "/actuator/serviceregistry";

/// The switch is in the application, which may take long to start.
const BACK_SECONDS: u32 = 300;

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
    lists: false,
};

pub(super) fn plan(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Deregistration, Problem> {
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
    let url = format!("http://127.0.0.1:{port}{path}");
    let body = |status: &str| format!("{{\"status\":\"{status}\"}}").into();
    let exchange = Exchange {
        url: url.clone().into(),
        body: Some(body(status)),
        content_type: Some("application/json"),
        done: &[200, 204],
        // Nacos takes UP as re-enabling and ignores the cancelling; Eureka needs it, or UP would stick.
        reenable: Some(Reenable {
            url: url.into(),
            body: Some(body("UP")),
            then_body: Some(r#"{"status":"CANCEL_OVERRIDE"}"#),
            seconds: Some(BACK_SECONDS),
            ..Reenable::default()
        }),
        ..Exchange::default()
    };
    Ok(exchange.deregister(format!("POST status {status} to 127.0.0.1:{port}{path}")))
}
