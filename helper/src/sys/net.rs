//! TCP, with a bound on each wait.

use libc::{c_int, socklen_t};

use super::file::{File, poll, read};
use super::resolve::{Address, resolve};
use super::{errno, now, retried};

/// Sends the request to the first address that takes the connection, and hands on what comes back.
pub(crate) fn exchange(
    host: &[u8],
    port: u16,
    request: &[u8],
    until: u64,
    take: &mut dyn FnMut(&[u8]) -> bool,
) {
    let addresses = resolve(host, port, until);
    let mut left = addresses.len() as u64;
    for address in &addresses {
        // One that swallows packets must leave time for the others.
        let now = now();
        let share = now + until.saturating_sub(now) / left;
        left -= 1;
        if let Some(socket) = connect(address, share) {
            if send(&socket, request, until) {
                receive(&socket, until, take);
            }
            return;
        }
    }
}

fn connect(address: &Address, until: u64) -> Option<File> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes numbers.
    let file = unsafe { libc::socket(address.family(), kind, 0) };
    if file < 0 {
        return None;
    }
    let socket = File(file);
    // SAFETY: the address is there to be read, as long as it says.
    let connected = unsafe {
        libc::connect(
            socket.0,
            (&raw const address.storage).cast(),
            address.length,
        )
    };
    if connected == 0 {
        return Some(socket);
    }
    if !matches!(errno(), libc::EINPROGRESS | libc::EINTR) || !poll(socket.0, libc::POLLOUT, until)
    {
        return None;
    }
    let mut error: c_int = 0;
    let mut size = socklen_t::try_from(size_of::<c_int>()).unwrap_or(0);
    // SAFETY: there is room for a number of the size said.
    let known = unsafe {
        libc::getsockopt(
            socket.0,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut error).cast(),
            &raw mut size,
        )
    };
    (known == 0 && error == 0).then_some(socket)
}

fn send(socket: &File, mut bytes: &[u8], until: u64) -> bool {
    while !bytes.is_empty() {
        if !poll(socket.0, libc::POLLOUT, until) {
            return false;
        }
        // SAFETY: the bytes are there to be read.
        let sent = retried(|| unsafe {
            libc::send(
                socket.0,
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
            )
        });
        match usize::try_from(sent) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(_) if errno() == libc::EAGAIN => {}
            // It may have answered before it had read all.
            Err(_) => return true,
        }
    }
    true
}

fn receive(socket: &File, until: u64, take: &mut dyn FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 4096];
    while poll(socket.0, libc::POLLIN, until) {
        match read(socket.0, &mut buffer) {
            Some(part) => {
                if take(part) {
                    return;
                }
            }
            None if errno() == libc::EAGAIN => {}
            None => return,
        }
    }
}
