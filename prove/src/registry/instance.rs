//! A service's own side of Eureka, as its clients have it: registers, sends heartbeats, takes itself out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio::time::sleep;

use crate::record::now_ms;

/// Eureka clients' default, `lease-renewal-interval-in-seconds`.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Eureka clients' default, `lease-expiration-duration-in-seconds`.
const LEASE_SECONDS: u32 = 90;
/// How soon a client tries again to register.
const AGAIN: Duration = Duration::from_secs(1);

/// One instance of an application.
#[derive(Clone, Debug)]
pub struct Instance {
    server: SocketAddr,
    /// Of the server, without a slash at its end.
    path: String,
    app: String,
    id: String,
    ip: IpAddr,
    port: u16,
}

impl Instance {
    /// The instance at `address` of `app`, with the id that Spring Cloud would give it on a host of
    /// this name; `server` is a URL with an address in it.
    ///
    /// # Errors
    /// Where the URL has no address.
    pub fn new(server: &str, app: &str, host: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let allowed = || format!("{server}: http://ADDRESS:PORT/PATH is allowed");
        let rest = server.strip_prefix("http://").with_context(allowed)?;
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            server: server.parse().with_context(allowed)?,
            path: format!("/{}", path.trim_end_matches('/')),
            app: app.to_owned(),
            id: format!("{host}:{app}:{}", address.port()),
            ip: address.ip(),
            port: address.port(),
        })
    }

    /// Registers, and sends heartbeats from then on; registers again where the server has forgotten.
    /// `told` gets what happens.
    pub async fn keep(&self, told: impl Fn(&str, &str)) {
        loop {
            match self.register().await {
                Ok(()) => told("registered", &self.id),
                Err(error) => {
                    told("not registered", &format!("{error:#}"));
                    sleep(AGAIN).await;
                    continue;
                }
            }
            loop {
                sleep(HEARTBEAT).await;
                match self
                    .ask("PUT", &format!("{}?status=UP", self.own()), "")
                    .await
                {
                    Ok(404) => break,
                    Ok(_) => {}
                    Err(error) => told("no heartbeat", &format!("{error:#}")),
                }
            }
        }
    }

    /// Takes itself out, as clients do at their end.
    ///
    /// # Errors
    /// Where the server does not do it.
    pub async fn leave(&self) -> anyhow::Result<()> {
        match self.ask("DELETE", &self.own(), "").await? {
            // It may have been forgotten before.
            200 | 404 => Ok(()),
            status => bail!("DELETE answered with {status}"),
        }
    }

    async fn register(&self) -> anyhow::Result<()> {
        let now = now_ms().to_string();
        let host = self.ip.to_string();
        let instance = json!({"instance": {
            "instanceId": self.id, "hostName": host, "app": self.app.to_uppercase(),
            "ipAddr": host, "status": "UP", "overriddenstatus": "UNKNOWN",
            "port": {"$": self.port, "@enabled": "true"},
            "securePort": {"$": 443, "@enabled": "false"},
            "countryId": 1,
            "dataCenterInfo": {
                "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn",
            },
            "leaseInfo": {
                "renewalIntervalInSecs": HEARTBEAT.as_secs(), "durationInSecs": LEASE_SECONDS,
            },
            "vipAddress": self.app, "secureVipAddress": self.app,
            "isCoordinatingDiscoveryServer": "false",
            "lastUpdatedTimestamp": now, "lastDirtyTimestamp": now, "actionType": "ADDED",
        }});
        let path = format!("{}/apps/{}", self.path, self.app.to_uppercase());
        match self.ask("POST", &path, &instance.to_string()).await? {
            204 => Ok(()),
            status => bail!("POST answered with {status}"),
        }
    }

    fn own(&self) -> String {
        let app = self.app.to_uppercase();
        format!("{}/apps/{app}/{}", self.path, self.id)
    }

    async fn ask(&self, verb: &str, path: &str, body: &str) -> anyhow::Result<u16> {
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.server,
            body.len()
        );
        Ok(super::ask(self.server, &request).await?.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_called_as_spring_cloud_calls_it() {
        let address = "10.0.0.1:8080".parse().unwrap();
        let instance = Instance::new("http://10.0.0.9:8761/eureka/", "shop", "web-1", address);
        let path = instance.unwrap().own();
        assert_eq!(path, "/eureka/apps/SHOP/web-1:shop:8080");
        let bad = Instance::new("http://eureka:8761/eureka", "shop", "web-1", address);
        assert!(bad.is_err());
    }
}
