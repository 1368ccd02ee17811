//! `consul`: deregistered at the agent that registered it; anti-entropy would undo it in the catalog.
//! The call: Consul API, `PUT /v1/agent/service/deregister/ID`. It leaves nothing behind that sticks.

use super::exchange::{Exchange, HOST_IP, Token, segment};
use super::{Deregistration, Registrant};
use crate::policy::{Key, Method, Policy, Problem, base_url, dns_subdomain, placeholder_text};

/// Agents commonly run on each node, where pods find them by the node's address.
const AGENT: &str = "http://{hostip}:8500";

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
    lists: true,
};

fn agent(value: &str) -> bool {
    // Any address will do to try the rest with.
    base_url(&value.replacen(HOST_IP, "0.0.0.0", 1))
}

pub(super) fn plan(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Deregistration, Problem> {
    let agent = policy.setting("agent").map_or(AGENT, |found| found.value);
    let Some(id) = policy.setting("service-id") else {
        return Err(policy.method_problem(
            "it needs silkroll.dev/consul-service-id, the ID that the app registers with, e.g. {podname} or shop-{podip}"
                .to_owned(),
        ));
    };
    let id = super::with_port(policy, "consul-service-id", &id, &place.port(None))?;
    let url = format!(
        "{}/v1/agent/service/deregister/{}",
        agent.strip_suffix('/').unwrap_or(agent),
        segment(&id)
    );
    let exchange = Exchange {
        url: url.into(),
        verb: Some("PUT"),
        done: &[200],
        // A 404 without the agent's own words is a wrong address. Versions differ in how they begin them.
        absent: &[(404, "Unknown"), (404, "unknown")],
        token: policy.setting("token-secret").map(|secret| Token {
            header: "X-Consul-Token:",
            secret: secret.value,
            key: "token",
        }),
        ..Exchange::default()
    };
    Ok(exchange.deregister(format!("deregister {id} at the Consul agent {agent}")))
}
