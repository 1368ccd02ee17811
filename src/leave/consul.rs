//! `consul`: deregistered at the agent that registered it; anti-entropy would undo it in the catalog.
//! The call: Consul API, `PUT /v1/agent/service/deregister/ID`. It leaves nothing behind that sticks.

use super::{Leave, Place, Var, VarValue, text};
use crate::policy::{Key, Method, Policy, Problem, base_url, dns_subdomain, placeholder_text};

/// Agents commonly run on each node, where pods find them by the node's address.
const AGENT: &str = "http://{hostip}:8500";
const HOST_IP: &str = "{hostip}";

pub(super) const METHOD: Method = Method {
    name: "consul",
    settings: &[
        Key {
            name: "consul-agent",
            allowed: "allowed is a URL like http://consul:8500; {hostip} stands for the node's address",
            fits: agent,
        },
        Key {
            name: "consul-service-id",
            allowed: super::TEMPLATE,
            fits: |value| placeholder_text(value, 255, super::PLACEHOLDERS),
        },
        Key {
            name: "consul-token-secret",
            allowed: "allowed is the name of a Secret with the key token",
            fits: dns_subdomain,
        },
    ],
    // Consul's clients mostly watch; 15 s is for those that poll every 10 s.
    default_drain: 15,
};

fn agent(value: &str) -> bool {
    // Any address will do to try the rest with.
    base_url(&value.replacen(HOST_IP, "0.0.0.0", 1))
}

pub(super) fn plan(policy: &Policy<'_>, place: &Place<'_>) -> Result<Leave, Problem> {
    let agent = policy.setting("agent").map_or(AGENT, |found| found.value);
    let Some(id) = policy.setting("service-id") else {
        return Err(policy.method_problem(
            "it needs silkroll.dev/consul-service-id, the ID that the app registers with, e.g. {podname} or shop-{podip}"
                .to_owned(),
        ));
    };
    let id = super::with_port(policy, "consul-service-id", &id, &place.port(None))?;
    let mut vars = vec![text("SILKROLL_CONSUL_AGENT", agent)];
    if agent.contains(HOST_IP) {
        vars.push(Var {
            name: "SILKROLL_HOST_IP",
            value: VarValue::Field("status.hostIP"),
        });
    }
    let summary = format!("deregister {id} at the Consul agent {agent}");
    vars.push(text("SILKROLL_CONSUL_SERVICE_ID", id));
    if let Some(secret) = policy.setting("token-secret") {
        vars.push(super::secret(
            "SILKROLL_CONSUL_TOKEN",
            secret.value,
            "token",
        ));
    }
    Ok(Leave {
        summary,
        ..Leave::calling(vars)
    })
}
