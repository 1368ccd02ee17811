//! How the port closes: without resetting a connection that came through it.

use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};

/// How long TCP handshakes that have begun may take to end after new ones are ignored: a round trip
/// inside a cluster, many times over.
pub(super) const HANDSHAKES: Duration = Duration::from_millis(300);

/// Lets the kernel ignore new TCP handshakes at this port, and complete those that have begun.
///
/// A socket that closes resets what waits in its backlog, and what comes into it between the last
/// accept and the close. Nothing comes after this; a client that tries hears nothing, tries again
/// after a second, and is refused then by the closed port.
///
/// Best effort: where the kernel knows no filters, only that small gap remains.
pub(super) fn ignore_new_handshakes(socket: &TcpListener) {
    // A classic BPF program over the TCP header. Codes as in linux/filter.h; by name:
    let filter = [
        // ldb [13]: the flags
        SockFilter::new(0x30, 0, 0, 13),
        // and #0x12: SYN and ACK of them
        SockFilter::new(0x54, 0, 0, 0x12),
        // jeq #0x02: only SYN?
        SockFilter::new(0x15, 0, 1, 0x02),
        // ret #0: dropped
        SockFilter::new(0x06, 0, 0, 0),
        // ret #-1: all of it is taken
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(socket).attach_filter(&filter) {
        tracing::debug!(%error, "new TCP handshakes cannot be ignored");
    }
}

/// Takes what waits in the backlog and closes the port.
pub(super) fn close(socket: TcpListener, mut each: impl FnMut(TcpStream)) {
    // As tokio's own accept waits to be told of a connection that is there already.
    let Ok(socket) = socket.into_std() else {
        return;
    };
    while let Ok((tcp, _)) = socket.accept() {
        let tcp = tcp
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(tcp));
        if let Ok(tcp) = tcp {
            each(tcp);
        }
    }
}
