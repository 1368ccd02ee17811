//! Finding the cluster, as kubectl finds it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::header::{DATE, HeaderValue, USER_AGENT};
use kube::client::ClientBuilder;
use kube::config::{InferConfigError, KubeConfigOptions};
use kube::{Client, Config};
use tower::util::MapResponseLayer;

use super::clock::Clock;
use super::{Error, cause, told};

/// A watch is renewed this often. The renewal goes on where the last one stopped and costs one
/// request; a connection that died unnoticed is noticed 5 s later, so this bounds how stale the
/// snapshot gets without anybody knowing.
pub(super) const WATCH_SECONDS: u32 = 60;

/// Longer than a watch may be silent; everything else answers long before.
const READ_TIMEOUT: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// A node in the same cluster answers in milliseconds; one that does not is worth another try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How audit logs and the API server's metrics name us.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("silkroll/", env!("CARGO_PKG_VERSION")));

/// A connection to one cluster.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: Client,
    /// What the API server says the time is.
    pub(super) clock: Arc<Clock>,
    url: String,
}

impl Cluster {
    /// Connects as kubectl does: `KUBECONFIG` where it is set, else `~/.kube/config`, else the
    /// pod's own service account. Makes no request: an API server that is away is no error yet.
    ///
    /// # Errors
    /// Where no configuration is found, or the one found cannot be used.
    pub async fn connect() -> Result<Self, Error> {
        let config = if std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()) {
            // No fallback here: whoever names a file means that cluster and no other.
            Config::from_kubeconfig(&KubeConfigOptions::default())
                .await
                .map_err(|error| Error::Kubeconfig(error.to_string()))?
        } else {
            // Of two errors the kubeconfig's is the source, which most often is the one to mend.
            let no_cluster = |error: InferConfigError| {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                Error::NoCluster(why.unwrap_or_else(|| error.to_string()))
            };
            Config::infer().await.map_err(no_cluster)?
        };
        Self::with_config(config)
    }

    /// Connects with a configuration at hand; its timeouts are replaced by our own.
    ///
    /// # Errors
    /// Where it does not make a client, for instance because a certificate in it is broken.
    pub fn with_config(mut config: Config) -> Result<Self, Error> {
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        // Else the time a pooled connection sat idle would count as waiting for its next answer.
        config.reset_reader_on_write = true;
        config.headers.push((USER_AGENT, AGENT));
        let url = config.cluster_url.to_string();
        let clock = Arc::new(Clock::default());
        let heard = Arc::clone(&clock);
        let hear = MapResponseLayer::new(move |response: Response<_>| {
            if let Some(date) = response.headers().get(DATE) {
                heard.hear(date);
            }
            response
        });
        match ClientBuilder::try_from(config) {
            Ok(builder) => Ok(Self {
                client: builder.with_layer(&hear).build(),
                clock,
                url,
            }),
            Err(source) => Err(Error::Client { url, source }),
        }
    }

    /// The API server's address, for logs.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is said where nothing comes back.
    pub(super) fn no_answer(&self, error: &kube::Error) -> Error {
        Error::NoAnswer {
            url: self.url.clone(),
            why: cause(error),
        }
    }

    /// A failure, in a sentence: what the API server says, or why it says nothing.
    pub(super) fn failure(&self, error: &kube::Error) -> String {
        match error {
            kube::Error::Api(status) => told(&status.message),
            error => self.no_answer(error).to_string(),
        }
    }

    /// The API server's version.
    ///
    /// # Errors
    /// Where it does not answer, or with something that is no version.
    pub async fn version(&self) -> Result<Version, Error> {
        let info = self
            .client
            .apiserver_version()
            .await
            .map_err(Error::Version)?;
        Version::parse(&info.major, &info.minor).ok_or(Error::OddVersion {
            major: info.major,
            minor: info.minor,
        })
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A Kubernetes version, as far as features depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The 1 of 1.36.
    pub major: u32,
    /// The 36 of 1.36.
    pub minor: u32,
}

impl Version {
    /// From here on the lifecycle action `sleep` is on by default (`PodLifecycleSleepAction`, beta).
    pub const NATIVE_SLEEP: Self = Self {
        major: 1,
        minor: 30,
    };

    /// Can a hook be a native `sleep`, which needs nothing in the image?
    #[must_use]
    pub fn has_native_sleep(self) -> bool {
        self >= Self::NATIVE_SLEEP
    }

    // Some providers send a minor like "30+".
    fn parse(major: &str, minor: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            text[..digits].parse().ok()
        };
        Some(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_send_them() {
        for (major, minor, expected) in [
            ("1", "36", Some((1, 36))),
            ("1", "30+", Some((1, 30))),
            ("1+", "29-eks", Some((1, 29))),
            ("", "30", None),
            ("1", "", None),
            ("one", "30", None),
            ("1", "99999999999999999999", None),
        ] {
            let version = Version::parse(major, minor).map(|v| (v.major, v.minor));
            assert_eq!(version, expected, "{major:?}.{minor:?}");
        }
    }

    #[test]
    fn native_sleep_exists_from_1_30() {
        for ((major, minor), expected) in [
            ((1, 29), false),
            ((1, 30), true),
            ((1, 36), true),
            ((2, 0), true),
        ] {
            assert_eq!(
                Version { major, minor }.has_native_sleep(),
                expected,
                "{major}.{minor}"
            );
        }
    }
}
