//! `eureka`: the status override `OUT_OF_SERVICE`, not DELETE (the next heartbeat would undo that).
//! The calls: Eureka REST operations, `PUT` and `DELETE /apps/APP/ID/status`.

use super::{Deregistration, Registrant, text};
use crate::policy::{
    Key, Method, Policy, Problem, address_list, dns_subdomain, placeholder_text, printable_text,
};

pub(super) const METHOD: Method = Method {
    name: "eureka",
    settings: &[
        Key {
            name: "eureka-server",
            allowed: "allowed is a URL like http://eureka:8761/eureka, or up to ten with commas",
            fits: address_list,
        },
        Key {
            name: "eureka-app",
            allowed: super::NAME,
            fits: |value| printable_text(value, 255),
        },
        Key {
            name: "eureka-instance",
            allowed: super::TEMPLATE,
            fits: |value| placeholder_text(value, 255, super::PLACEHOLDERS),
        },
        Key {
            name: "eureka-credentials-secret",
            allowed: super::CREDENTIALS,
            fits: dns_subdomain,
        },
    ],
    // Three caches, one behind the other: server 30 s, client 30 s, load balancer 35 s.
    default_drain: 95,
    lists: true,
};

pub(super) fn plan(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Deregistration, Problem> {
    let server = policy.needs(
        "server",
        "the URL of the registry, e.g. http://eureka:8761/eureka",
    )?;
    let app = super::named_or_workload(policy, place, "app")?;
    let port = place.port(None);
    let instance = match policy.setting("instance") {
        Some(given) => super::with_port(policy, "eureka-instance", &given, &port)?,
        None => match &port {
            // Spring Cloud's own default: ${spring.cloud.client.hostname}:${spring.application.name}:${server.port}
            Ok(port) => format!("{{podname}}:{app}:{port}"),
            Err(why) => {
                return Err(policy.method_problem(format!(
                    "set silkroll.dev/eureka-instance, e.g. {{podname}}:{app}:8080: {why}"
                )));
            }
        },
    };
    let mut vars = vec![
        text("SILKROLL_EUREKA_SERVER", super::list(server)),
        text("SILKROLL_EUREKA_APP", app),
        text("SILKROLL_EUREKA_INSTANCE", instance),
    ];
    vars.extend(
        port.ok()
            .map(|port| text("SILKROLL_EUREKA_PORT", port.to_string())),
    );
    if let Some(secret) = policy.setting("credentials-secret") {
        vars.push(super::secret(
            "SILKROLL_EUREKA_USERNAME",
            secret.value,
            "username",
        ));
        vars.push(super::secret(
            "SILKROLL_EUREKA_PASSWORD",
            secret.value,
            "password",
        ));
    }
    Ok(Deregistration {
        summary: format!("set {app} on this pod OUT_OF_SERVICE in Eureka at {server}"),
        reenables: true,
        ..Deregistration::calling(vars)
    })
}
