//! Lists of instances: where they stand, and how they are written; and the instances' own side.

mod instance;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use tokio::time::Instant;

pub use self::instance::Instance;
use crate::client::{Answer, Failure, Socket};

/// A registry that takes longer is down.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A list of some thousand instances.
const MOST: usize = 4 * 1024 * 1024;

/// How a list of instances is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As Nacos answers `/nacos/v1/ns/instance/list`.
    Nacos,
    /// As Eureka answers `/eureka/apps/APP`, in JSON.
    Eureka,
    /// One `ADDRESS:PORT` a line.
    Lines,
}

/// Where a list of instances stands: `http://ADDRESS:PORT/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    address: SocketAddr,
    path: String,
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let allowed = || format!("{text}: http://ADDRESS:PORT/PATH is allowed");
        let rest = text.strip_prefix("http://").with_context(allowed)?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            address: address.parse().with_context(allowed)?,
            path: format!("/{path}"),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.path)
    }
}

/// A list of instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it stands.
    pub place: Place,
    /// How it is written.
    pub format: Format,
}

impl Source {
    /// Reads it now.
    ///
    /// # Errors
    /// Where it cannot be had or read.
    pub async fn read(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let text = self.fetch().await;
        text.and_then(|text| self.format.parse(&text))
            .with_context(|| self.place.to_string())
    }

    async fn fetch(&self) -> anyhow::Result<String> {
        let Place { address, path } = &self.place;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        );
        let answer = ask(*address, &request).await?;
        match (answer.status, self.format) {
            (200, _) => Ok(String::from_utf8(answer.text)?),
            // Eureka knows no application without instances.
            (404, Format::Eureka) => Ok("{}".to_owned()),
            (status, _) => bail!("answered with {status}"),
        }
    }
}

/// Asks a registry, on a connection of its own.
async fn ask(registry: SocketAddr, request: &str) -> anyhow::Result<Answer> {
    let deadline = Instant::now() + TIMEOUT;
    let why = |failure: Failure| anyhow!(failure.detail);
    let mut socket = Socket::open(registry, deadline).await.map_err(why)?;
    socket
        .ask(request.as_bytes(), MOST, deadline)
        .await
        .map_err(why)
}

impl Format {
    /// The instances that a caller would send requests to.
    ///
    /// # Errors
    /// Where the text is not of this format.
    pub fn parse(self, text: &str) -> anyhow::Result<Vec<SocketAddr>> {
        if self == Self::Lines {
            return text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| line.parse().with_context(|| format!("{line:?}")))
                .collect();
        }
        let list: Value = serde_json::from_str(text)?;
        let instances = match self {
            Self::Nacos => many(list.get("hosts").context("no hosts in it")?),
            _ => list
                .pointer("/application/instance")
                .map(many)
                .unwrap_or_default(),
        };
        instances
            .into_iter()
            .filter(|instance| self.serves(instance))
            .map(|instance| self.address(instance).with_context(|| instance.to_string()))
            .collect()
    }

    fn serves(self, instance: &Value) -> bool {
        if self == Self::Nacos {
            let yes = |key| instance.get(key).and_then(Value::as_bool) == Some(true);
            let weight = instance.get("weight").and_then(Value::as_f64);
            yes("enabled") && yes("healthy") && weight.is_none_or(|weight| weight > 0.0)
        } else {
            instance.get("status").and_then(Value::as_str) == Some("UP")
        }
    }

    fn address(self, instance: &Value) -> Option<SocketAddr> {
        let (ip, port) = match self {
            Self::Nacos => (instance.get("ip"), instance.get("port")),
            _ => (instance.get("ipAddr"), instance.pointer("/port/$")),
        };
        let ip: IpAddr = ip?.as_str()?.parse().ok()?;
        // Old Eureka servers write numbers as texts.
        let port = port?;
        let port = port
            .as_u64()
            .or_else(|| port.as_str().and_then(|port| port.parse().ok()))?;
        Some(SocketAddr::new(ip, u16::try_from(port).ok()?))
    }
}

/// A list, or the one thing that some servers write in place of a list of one.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[SocketAddr]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nacos_names_those_that_are_enabled_and_healthy() {
        let text = r#"{"name":"DEFAULT_GROUP@@app","hosts":[
            {"ip":"10.0.0.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true},
            {"ip":"10.0.0.2","port":8080,"weight":1.0,"healthy":true,"enabled":false},
            {"ip":"10.0.0.3","port":8080,"weight":1.0,"healthy":false,"enabled":true},
            {"ip":"10.0.0.4","port":8080,"weight":0.0,"healthy":true,"enabled":true}]}"#;
        assert_eq!(
            addresses(&Format::Nacos.parse(text).unwrap()),
            ["10.0.0.1:8080"]
        );
        assert!(Format::Nacos.parse(r#"{"hosts":[]}"#).unwrap().is_empty());
        for bad in [
            "{}",
            "no json",
            r#"{"hosts":[{"enabled":true,"healthy":true}]}"#,
        ] {
            assert!(Format::Nacos.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn eureka_names_those_that_are_up() {
        let instance = |ip: &str, status: &str, port: &str| {
            format!(
                r#"{{"instanceId":"a","ipAddr":"{ip}","status":"{status}","port":{{"$":{port},"@enabled":"true"}}}}"#
            )
        };
        let one = instance("10.0.0.1", "UP", "8080");
        let out = instance("10.0.0.2", "OUT_OF_SERVICE", "8080");
        let old = instance("10.0.0.3", "UP", r#""8081""#);
        let of = |instances: String| {
            let text = format!(r#"{{"application":{{"name":"APP","instance":{instances}}}}}"#);
            addresses(&Format::Eureka.parse(&text).unwrap())
        };
        assert_eq!(
            of(format!("[{one},{out},{old}]")),
            ["10.0.0.1:8080", "10.0.0.3:8081"]
        );
        assert_eq!(of(one), ["10.0.0.1:8080"]);
        assert!(Format::Eureka.parse("{}").unwrap().is_empty());
    }

    #[test]
    fn lines_are_addresses() {
        let list = Format::Lines.parse("10.0.0.1:80\n\n [::1]:81 \n").unwrap();
        assert_eq!(addresses(&list), ["10.0.0.1:80", "[::1]:81"]);
        assert!(Format::Lines.parse("app:80").is_err());
    }

    #[test]
    fn a_place_has_an_address_and_a_path() {
        let place = |text: &str| text.parse::<Place>().map(|place| place.to_string()).ok();
        assert_eq!(
            place("http://127.0.0.1:8848"),
            Some("http://127.0.0.1:8848/".to_owned())
        );
        assert_eq!(
            place("http://127.0.0.1:8848/a?b=c"),
            Some("http://127.0.0.1:8848/a?b=c".to_owned())
        );
        for bad in ["http://nacos:8848/", "/tmp/list"] {
            let error = bad.parse::<Place>().unwrap_err().to_string();
            assert!(
                error.contains(bad) && error.contains("ADDRESS:PORT/PATH"),
                "{error}"
            );
        }
    }
}
