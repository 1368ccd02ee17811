//! `http`: any request to anything that keeps a list of instances.

use super::exchange::{Exchange, Reenable};
use super::{Deregistration, Registrant};
use crate::policy::{
    Key, Method, Policy, Problem, dns_subdomain, header_value, http_method, http_url, text_block,
};

const URL: &str = "allowed is an http:// or https:// URL with the characters of RFC 3986 (others \
     percent-encoded) and the placeholders {podip}, {podname}, {namespace}, {port}, {env:NAME}";
const VERB: &str = "allowed is GET, POST, PUT, DELETE or PATCH";
const BODY: &str = "allowed is text of 1 to 8192 bytes without control characters";

/// A body travels as an environment variable, of which a pod has room for few large ones.
const BODY_BYTES: usize = 8192;

pub(super) const METHOD: Method = Method {
    name: "http",
    settings: &[
        Key {
            name: "http-url",
            allowed: URL,
            fits: http_url,
        },
        Key {
            name: "http-method",
            allowed: VERB,
            fits: http_method,
        },
        Key {
            name: "http-body",
            allowed: BODY,
            fits: body,
        },
        Key {
            name: "http-content-type",
            allowed: "allowed is visible ASCII on one line, at most 256 characters",
            fits: header_value,
        },
        Key {
            name: "http-headers-secret",
            allowed: "allowed is the name of a Secret whose key headers has lines Name: value",
            fits: dns_subdomain,
        },
        Key {
            name: "http-start-url",
            allowed: URL,
            fits: http_url,
        },
        Key {
            name: "http-start-method",
            allowed: VERB,
            fits: http_method,
        },
        Key {
            name: "http-start-body",
            allowed: BODY,
            fits: body,
        },
    ],
    // As long as the slowest of the caches that client libraries commonly have (30 s).
    default_drain: 30,
    lists: false,
};

fn body(value: &str) -> bool {
    text_block(value, BODY_BYTES)
}

pub(super) fn plan(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Deregistration, Problem> {
    const PORT: &str = "{port}";
    let value = |key: &str| policy.setting(key).map(|found| found.value);
    let url = policy.needs(
        "url",
        "the address to call, e.g. http://admin/offline?host={podip}",
    )?;
    let templates = ["url", "body", "start-url", "start-body"];
    let uses_port = |key: &str| value(key).is_some_and(|value| value.contains(PORT));
    // Which port that is, only the manifest tells.
    let port = if templates.into_iter().any(uses_port) {
        let port = place.port(None).map_err(|allowed| {
            policy.method_problem(format!("write the number for {{port}}: {allowed}"))
        })?;
        port.to_string()
    } else {
        String::new()
    };
    let filled = |template: &str| template.replace(PORT, &port).into();
    let exchange = Exchange {
        url: filled(url),
        verb: value("method"),
        body: value("body").map(filled),
        content_type: value("content-type"),
        headers_secret: value("headers-secret"),
        reenable: value("start-url").map(|url| Reenable {
            url: filled(url),
            verb: value("start-method"),
            body: value("start-body").map(filled),
            ..Reenable::default()
        }),
        ..Exchange::default()
    };
    Ok(exchange.deregister(format!("{} {url}", value("method").unwrap_or("POST"))))
}
