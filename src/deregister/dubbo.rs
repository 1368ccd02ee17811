//! `dubbo`: `QoS` `offline` on loopback, which takes the provider out of all its registries.
//! Nothing is re-enabled: the switch is in the process, and a new process registers itself.

use super::exchange::Exchange;
use super::{Deregistration, Registrant};
use crate::policy::{Key, Method, Policy, Problem, whole};

/// `dubbo.application.qos-port`
const QOS_PORT: &str = "22222";

pub(super) const METHOD: Method = Method {
    name: "dubbo",
    settings: &[Key {
        name: "dubbo-port",
        allowed: "allowed is the QoS port, a number from 1 to 65535",
        fits: |value| whole(value, 1..=65535),
    }],
    // Consumers are told by the registry; docs/drain.md says what is known of how soon they follow.
    default_drain: 10,
    lists: false,
};

#[expect(clippy::unnecessary_wraps, reason = "all methods have one signature")]
pub(super) fn plan(policy: &Policy<'_>, _: &Registrant<'_>) -> Result<Deregistration, Problem> {
    let port = policy.setting("port").map_or(QOS_PORT, |found| found.value);
    let exchange = Exchange {
        url: format!("http://127.0.0.1:{port}/offline").into(),
        verb: Some("GET"),
        done: &[200],
        // What `QoS` answers where the provider has published nothing (`BaseOffline` of Dubbo 3.3.5).
        absent: &[(200, "service not found")],
        ..Exchange::default()
    };
    Ok(exchange.deregister(format!("Dubbo QoS offline at 127.0.0.1:{port}")))
}
