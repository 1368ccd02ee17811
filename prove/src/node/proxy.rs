//! How kube-proxy leads connections to pods.

use std::fmt;

use clap::ValueEnum;

/// The modes of kube-proxy that the proof knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Proxy {
    /// The newer one, which upstream recommends since Kubernetes 1.33.
    #[default]
    Nftables,
    /// kube-proxy's default to this day.
    Iptables,
}

impl fmt::Display for Proxy {
    /// As `--proxy-mode` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        })
    }
}
