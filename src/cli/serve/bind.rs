//! Ports that are listened on.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};

use crate::server::listener::BACKLOG;

/// Listens there; `flag` is what named the address, for the error.
pub(in crate::cli) fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let taken = |address| format!("{flag} {address} cannot be listened on; is the port taken?");
    match listen(address) {
        Ok(listener) => Ok(listener),
        // A kernel without IPv6 has no [::]; every IPv4 address is what remains of "every".
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            listen(v4).with_context(|| taken(v4))
        }
        Err(error) => Err(error).with_context(|| taken(address)),
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    // The port can be had again at once after a process that used it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
