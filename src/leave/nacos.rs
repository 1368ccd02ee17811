//! `nacos`: the instance is disabled, not deleted (a heartbeat would bring it back), and read back.
//! Parameters: Nacos Open API, `PUT /nacos/v1/ns/instance` and `/nacos/v3/admin/ns/instance`.

use super::{Leave, Place, Var, VarValue, text};
use crate::policy::{
    Key, Method, Policy, Port, Problem, address_list, dns_subdomain, port, printable_text,
};

const NAME: &str = "allowed is visible text of at most 255 bytes on one line";

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
            allowed: "allowed is a number from 1 to 65535 or the name of a declared port",
            fits: port,
        },
        Key {
            name: "nacos-credentials-secret",
            allowed: "allowed is the name of a Secret with the keys username and password",
            fits: dns_subdomain,
        },
    ],
    // Callers cache instance lists: Ribbon and APISIX for 30 s (facts of each in docs).
    default_drain: 30,
};

fn name(value: &str) -> bool {
    printable_text(value, 255)
}

pub(super) fn plan(policy: &Policy<'_>, place: &Place<'_>) -> Result<Leave, Problem> {
    let value = |key: &str| policy.setting(key).map(|found| found.value);
    let Some(server) = value("server") else {
        return Err(policy.method_problem(
            "it needs silkroll.dev/nacos-server, the URL of the registry, e.g. http://nacos:8848"
                .to_owned(),
        ));
    };
    let service = match value("service") {
        Some(service) => service,
        None if place.workload.is_empty() => {
            return Err(policy.method_problem(
                "it needs silkroll.dev/nacos-service where the object has only a generateName"
                    .to_owned(),
            ));
        }
        None => place.workload,
    };
    let wanted = policy.setting("port");
    let port = place
        .port(wanted.and_then(|found| Port::parse(found.value)))
        .map_err(|allowed| match &wanted {
            Some(found) => policy.misfit("nacos-port", found, allowed),
            None => policy.method_problem(format!("{allowed}: set silkroll.dev/nacos-port")),
        })?;

    let mut vars = vec![
        text(
            "SILKROLL_NACOS_SERVER",
            server
                .split(',')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(","),
        ),
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
        for (variable, key) in [
            ("SILKROLL_NACOS_USERNAME", "username"),
            ("SILKROLL_NACOS_PASSWORD", "password"),
        ] {
            vars.push(Var {
                name: variable,
                value: VarValue::Secret {
                    name: secret.to_owned(),
                    key,
                },
            });
        }
    }
    Ok(Leave {
        calls: true,
        comes_back: true,
        vars,
        summary: format!("disable $podip:{port} of {service} in Nacos at {server}, read it back"),
    })
}
