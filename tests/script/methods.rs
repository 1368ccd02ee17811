//! The settings that point each method at one server, and a stand-in for Eureka.

use crate::server::{Reply, Request};
use crate::told::told;
use std::sync::{Arc, Mutex};

/// The methods that call something over HTTP.
pub(crate) const CALLING: [&str; 6] = ["http", "nacos", "eureka", "consul", "spring", "dubbo"];

/// What a container is told whose method's server is at `url`. It has a name of its own: the stops of other tests end the
/// re-enabling of a container that they share.
pub(crate) fn settings<'a>(method: &'a str, url: &'a str) -> Vec<(&'a str, &'a str)> {
    let port = url.rsplit(':').next().unwrap_or_default();
    let mut settings = vec![("podip", "10.1.2.3"), ("SILKROLL_METHOD", method)];
    settings.extend(match method {
        "consul" => compiled(
            method,
            &[
                ("consul-agent", url),
                ("consul-service-id", "orders-{podip}"),
                ("consul-token-secret", "acl"),
            ],
        ),
        "spring" => compiled(method, &[("spring-port", port)]),
        "dubbo" => compiled(method, &[("dubbo-port", port)]),
        _ => by_hand(url),
    });
    settings.push(("SILKROLL_CONTAINER", url));
    settings
}

/// What admission makes of the method's annotations; it stays in memory, which a test has enough of.
pub(crate) fn compiled(
    method: &str,
    annotations: &[(&str, &str)],
) -> Vec<(&'static str, &'static str)> {
    let annotations = [&[("deregister", method)], annotations].concat();
    let leak = |(name, value): (&'static str, String)| (name, &*value.leak());
    told(&annotations, "topsecret", "127.0.0.1")
        .into_iter()
        .map(leak)
        .collect()
}

/// Also with servers that no annotation may name.
fn by_hand(url: &str) -> Vec<(&str, &str)> {
    vec![
        ("SILKROLL_HTTP_URL", url),
        ("SILKROLL_HTTP_BODY", "a=b"),
        ("SILKROLL_NACOS_SERVER", url),
        ("SILKROLL_NACOS_SERVICE", "customer"),
        ("SILKROLL_NACOS_PORT", "9810"),
        ("SILKROLL_NACOS_USERNAME", "n"),
        ("SILKROLL_NACOS_PASSWORD", "topsecret"),
        ("SILKROLL_EUREKA_SERVER", url),
        ("SILKROLL_EUREKA_APP", "orders"),
        ("SILKROLL_EUREKA_INSTANCE", "{podip}:orders:8080"),
        ("SILKROLL_EUREKA_USERNAME", "n"),
        ("SILKROLL_EUREKA_PASSWORD", "topsecret"),
    ]
}

/// An instance as Eureka holds it: id, address, port, and whether its override is `OUT_OF_SERVICE`.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: &'static str,
    pub(crate) ip: &'static str,
    pub(crate) port: u16,
    pub(crate) off: bool,
}

pub(crate) type Eureka = Arc<Mutex<Vec<Instance>>>;

impl Instance {
    pub(crate) const fn new(id: &'static str, ip: &'static str, port: u16) -> Self {
        let off = false;
        Self { id, ip, port, off }
    }

    fn page(&self) -> String {
        let status = if self.off { "OUT_OF_SERVICE" } else { "UP" };
        let over = if self.off { status } else { "UNKNOWN" };
        format!(
            r#"{{"instanceId":"{}","hostName":"h","app":"ORDERS","ipAddr":"{}","status":"{status}","overriddenStatus":"{over}","port":{{"$":{},"@enabled":"true"}},"securePort":{{"$":443,"@enabled":"false"}},"dataCenterInfo":{{"@class":"x","name":"MyOwn"}},"metadata":{{"ipAddr":"10.1.2.3","port":"8080"}},"vipAddress":"orders"}}"#,
            self.id, self.ip, self.port
        )
    }
}

/// Answers as the real server of Spring Cloud 2025.0 was seen to.
pub(crate) fn eureka(state: &Eureka, request: &Request) -> Reply {
    let mut state = state.lock().unwrap();
    let absent = || Reply::Answer(404, r#"{"status":404,"error":"Not Found"}"#.to_owned());
    let Some(rest) = request.path().strip_prefix("/eureka/apps/orders") else {
        return absent();
    };
    if rest.is_empty() {
        let pages: Vec<_> = state.iter().map(Instance::page).collect();
        return match &*pages {
            [] => absent(),
            _ => Reply::Chunks(
                200,
                format!(
                    r#"{{"application":{{"name":"ORDERS","instance":[{}]}}}}"#,
                    pages.join(",")
                ),
            ),
        };
    }
    let rest = rest.replace("%3A", ":");
    let (id, change) = match rest[1..].split_once('/') {
        Some((id, "status")) => (id, true),
        Some(_) => return absent(),
        None => (&rest[1..], false),
    };
    let Some(instance) = state.iter_mut().find(|instance| instance.id == id) else {
        return absent();
    };
    match (&*request.method, change, request.query("value")) {
        ("GET", false, None) => {
            Reply::Chunks(200, format!(r#"{{"instance":{}}}"#, instance.page()))
        }
        ("PUT", true, Some("OUT_OF_SERVICE")) => {
            instance.off = true;
            Reply::Answer(200, String::new())
        }
        ("DELETE", true, None) => {
            instance.off = false;
            Reply::Answer(200, String::new())
        }
        _ => Reply::Answer(500, String::new()),
    }
}
