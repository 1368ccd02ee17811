//! `dubbo`: `QoS` `offline` on loopback, which takes the provider out of all its registries.
//! No way back is sent: the switch is in the process, and a new process registers itself.

use super::{Leave, Place, text};
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
    // Consumers are told by the registry and drop the provider within a second or two.
    default_drain: 10,
};

#[expect(
    clippy::unnecessary_wraps,
    reason = "all ways of leaving have one signature"
)]
pub(super) fn plan(policy: &Policy<'_>, _: &Place<'_>) -> Result<Leave, Problem> {
    let port = policy.setting("port").map_or(QOS_PORT, |found| found.value);
    Ok(Leave {
        summary: format!("Dubbo QoS offline at 127.0.0.1:{port}"),
        ..Leave::calling(vec![text("SILKROLL_DUBBO_PORT", port)])
    })
}
