//! The registries, as programs beside the node's own, on the node's address so that pods reach them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::http::get;
use testkit::process::Spec;

use super::groups::Group;
use super::{Node, Parts, ground};
use crate::registry::{Format, Source};

/// A registry that services register themselves in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// Nacos 2.3.1.
    Nacos,
    /// Spring Cloud's Eureka server, with its defaults.
    Eureka,
}

/// Where Nacos listens.
pub const NACOS_SERVER: &str = "http://192.0.2.10:8848";

/// Where Eureka listens.
pub const EUREKA_SERVER: &str = "http://192.0.2.10:8761/eureka";

/// How long Spring Cloud `LoadBalancer` keeps a list, `spring.cloud.loadbalancer.cache.ttl`.
pub const BALANCER: Duration = Duration::from_secs(35);

/// A Java program beside the node's own: small, and quick to start rather than quick in the long run.
#[must_use]
pub fn java(name: String, args: Vec<String>) -> Spec {
    let mut all = vec![
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        // Figures that it would leave in the machine's /tmp where it is killed.
        "-XX:-UsePerfData".to_owned(),
        // Killed with the node, it cannot remove what it has there itself.
        format!("-Djava.io.tmpdir={}", ground::HOME),
    ];
    all.extend(args);
    Spec {
        name,
        program: "java".into(),
        args: all,
        env: Vec::new(),
    }
}

impl Registry {
    /// Starts it from its published libraries, as `tests/registries` has prepared them; it comes up
    /// while other things do.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn start(self, node: &mut Node, parts: &Parts, prepared: &Path) -> Result<()> {
        let args = match self {
            Self::Nacos => nacos(&prepared.join("nacos2"))?,
            Self::Eureka => eureka(&prepared.join("eureka")),
        };
        let spec = java(self.name().to_lowercase(), args);
        node.run(parts, &spec, Group::Beside)
    }

    /// Returns when it answers.
    ///
    /// # Errors
    ///
    /// Where it does not come up, with the end of its log.
    pub fn wait(self, node: &mut Node) -> Result<()> {
        let (port, path) = match self {
            Self::Nacos => (8848, "/nacos/v1/ns/operator/metrics"),
            Self::Eureka => (8761, "/eureka/apps/none/none"),
        };
        let host = format!("{}:{port}", ground::NODE_ADDRESS);
        let address: SocketAddr = host.parse().context("the address")?;
        // Eureka's lists come from a cache, which must not learn too early that there are no instances.
        let status = match self {
            Self::Nacos => 200,
            Self::Eureka => 404,
        };
        node.wait(self.name(), |_| {
            get(address, &host, path, Duration::from_secs(1))
                .is_ok_and(|answer| answer.status == status)
        })
    }

    /// What callers ask for the instances of the service of a namespace.
    ///
    /// # Errors
    ///
    /// Where its URL is none.
    pub fn source(self, namespace: &str) -> Result<Source> {
        let (url, format) = match self {
            Self::Nacos => (
                format!(
                    "{NACOS_SERVER}/nacos/v1/ns/instance/list?serviceName=web&groupName={namespace}"
                ),
                Format::Nacos,
            ),
            Self::Eureka => (format!("{EUREKA_SERVER}/apps/{namespace}"), Format::Eureka),
        };
        Ok(Source {
            place: url.parse()?,
            format,
        })
    }

    /// Under which name callers know the service of a namespace.
    #[must_use]
    pub fn service(self, namespace: &str) -> &str {
        match self {
            // Its group is the namespace's.
            Self::Nacos => "web",
            Self::Eureka => namespace,
        }
    }

    /// What a Spring program needs to find the service of a namespace here, and to register nothing itself.
    #[must_use]
    pub fn client(self, namespace: &str) -> Vec<String> {
        match self {
            Self::Nacos => vec![
                "--eureka.client.enabled=false".to_owned(),
                format!("--spring.cloud.nacos.discovery.server-addr={NACOS_SERVER}"),
                format!("--spring.cloud.nacos.discovery.group={namespace}"),
                "--spring.cloud.nacos.discovery.register-enabled=false".to_owned(),
            ],
            Self::Eureka => vec![
                "--spring.cloud.nacos.discovery.enabled=false".to_owned(),
                format!("--eureka.client.service-url.defaultZone={EUREKA_SERVER}/"),
                "--eureka.client.register-with-eureka=false".to_owned(),
            ],
        }
    }

    /// How old a caller's list gets, by the sum of the caches that it goes through.
    #[must_use]
    pub fn oldest_list(self) -> Duration {
        match self {
            Self::Nacos => BALANCER,
            Self::Eureka => Duration::from_secs(30 + 30) + BALANCER,
        }
    }

    /// What a reader of the report has to know of the callers' lists.
    #[must_use]
    pub fn callers(self) -> &'static str {
        match self {
            Self::Nacos => {
                "Spring Cloud Gateway keeps its load balancer's list for 35 s, its default; nothing is shortened."
            }
            Self::Eureka => {
                "The list of Spring Cloud Gateway goes through three caches with their defaults: the server's (30 s), the \
                 client's (30 s) and the load balancer's (35 s); nothing is shortened."
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nacos => "Nacos",
            Self::Eureka => "Eureka",
        }
    }
}

fn nacos(libraries: &Path) -> Result<Vec<String>> {
    let home = Path::new(ground::HOME).join("nacos");
    fs::create_dir_all(home.join("conf"))?;
    // It insists on the file.
    fs::write(home.join("application.properties"), "")?;
    let home = home.display();
    let libraries = libraries.display();
    // The older hessian that the server brings lacks classes that it uses: the newer one first.
    let path =
        format!("{libraries}/classes:{home}:{libraries}/lib/hessian-4.0.63.jar:{libraries}/lib/*");
    let mut args = vec![
        "-Xmx512m".to_owned(),
        "-cp".to_owned(),
        path,
        format!("-Duser.home={home}"),
        format!("-Dnacos.home={home}"),
        "--add-opens=java.base/java.lang=ALL-UNNAMED".to_owned(),
    ];
    let address = ground::NODE_ADDRESS;
    for (name, value) in [
        ("nacos.standalone", "true"),
        ("server.address", address),
        ("server.port", "8848"),
        ("nacos.server.main.port", "8848"),
        ("server.servlet.context-path", "/nacos"),
        ("nacos.inetutils.ip-address", address),
        ("nacos.remote.grpc.listen.ip", address),
        ("nacos.core.auth.enabled", "false"),
        ("nacos.core.auth.system.type", "nacos"),
    ] {
        args.push(format!("-D{name}={value}"));
    }
    args.push("Nacos2".to_owned());
    Ok(args)
}

fn eureka(libraries: &Path) -> Vec<String> {
    let libraries = libraries.display();
    let address = ground::NODE_ADDRESS;
    let mut args = vec![
        "-Xmx256m".to_owned(),
        "-cp".to_owned(),
        format!("{libraries}/classes:{libraries}/lib/*"),
        "Eureka".to_owned(),
    ];
    for (name, value) in [
        ("server.address", address),
        ("server.port", "8761"),
        // It takes an address that is not its own for a peer, and would tell itself everything again.
        ("eureka.instance.hostname", "localhost"),
        (
            "eureka.client.service-url.defaultZone",
            "http://localhost:8761/eureka/",
        ),
        ("eureka.client.register-with-eureka", "false"),
        ("eureka.client.fetch-registry", "false"),
    ] {
        args.push(format!("--{name}={value}"));
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_are_at_the_nodes_address() {
        for server in [NACOS_SERVER, EUREKA_SERVER] {
            assert!(server.contains(&format!("//{}:", ground::NODE_ADDRESS)));
        }
    }

    #[test]
    fn lists_can_be_asked_for() {
        for registry in [Registry::Nacos, Registry::Eureka] {
            let source = registry.source("a-control").unwrap();
            assert!(source.place.to_string().contains("a-control"));
            let client = registry.client("a-control").concat() + registry.service("a-control");
            assert!(client.contains("a-control"));
        }
    }
}
