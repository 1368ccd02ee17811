//! `nacos`: the instance is disabled, not deleted (a heartbeat would bring it back), and read back.
//! Parameters: Nacos Open API, `PUT /nacos/v1/ns/instance` and `/nacos/v3/admin/ns/instance`.

use super::{CREDENTIALS, Deregistration, NAME, Registrant, text};
use crate::policy::{
    Key, Method, Policy, Port, Problem, address_list, dns_subdomain, port, printable_text,
};

pub(super) const METHOD: Method = Method {
    name: "nacos",
    settings: &[
        Key {
            name: "nacos-server",
            allowed: "allowed is a URL like http://nacos:8848, or up to ten with commas",
            fits: address_list,
        },
        Key {
            name: "nacos-service",
            allowed: NAME,
            fits: name,
        },
        Key {
            name: "nacos-group",
            allowed: NAME,
            fits: name,
        },
        Key {
            name: "nacos-namespace",
            allowed: NAME,
            fits: name,
        },
        Key {
            name: "nacos-cluster",
            allowed: NAME,
            fits: name,
        },
        Key {
            name: "nacos-port",
            allowed: super::PORT,
            fits: port,
        },
        Key {
            name: "nacos-credentials-secret",
            allowed: CREDENTIALS,
            fits: dns_subdomain,
        },
    ],
    // Spring Cloud's load balancer keeps its list for 35 s, and 33.5 s of that were seen; Ribbon and APISIX keep theirs for
    // 30 s (docs/drain.md).
    default_drain: 40,
    lists: true,
};

fn name(value: &str) -> bool {
    printable_text(value, 255)
}

pub(super) fn plan(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Deregistration, Problem> {
    let value = |key: &str| policy.setting(key).map(|found| found.value);
    let server = policy.needs("server", "the URL of the registry, e.g. http://nacos:8848")?;
    let service = super::named_or_workload(policy, place, "service")?;
    let wanted = policy.setting("port");
    let port = place
        .port(wanted.and_then(|found| Port::parse(found.value)))
        .map_err(|allowed| match &wanted {
            Some(found) => policy.misfit("nacos-port", found, allowed),
            None => policy.method_problem(format!("set silkroll.dev/nacos-port: {allowed}")),
        })?;

    let mut vars = vec![
        text("SILKROLL_NACOS_SERVER", super::list(server)),
        text("SILKROLL_NACOS_SERVICE", service),
        text("SILKROLL_NACOS_PORT", port.to_string()),
    ];
    for (key, variable) in [
        ("group", "SILKROLL_NACOS_GROUP"),
        ("namespace", "SILKROLL_NACOS_NAMESPACE"),
        ("cluster", "SILKROLL_NACOS_CLUSTER"),
    ] {
        vars.extend(value(key).map(|value| text(variable, value)));
    }
    if let Some(secret) = value("credentials-secret") {
        vars.push(super::secret("SILKROLL_NACOS_USERNAME", secret, "username"));
        vars.push(super::secret("SILKROLL_NACOS_PASSWORD", secret, "password"));
    }
    Ok(Deregistration {
        reenables: true,
        summary: format!("disable $podip:{port} of {service} in Nacos at {server}, read it back"),
        ..Deregistration::calling(vars)
    })
}
