//! The re-enabling that goes on in the background is found by a socket in the kernel's own name space, which needs no
//! file and no /proc, and is gone with its process. Who listens at it is known to the kernel.

use core::mem::{offset_of, size_of};

use libc::{c_char, c_int, sa_family_t, sockaddr_un, socklen_t, ucred};

use super::file::File;
use super::{clock, errno};

fn address(mark: &[u8]) -> Option<(sockaddr_un, socklen_t)> {
    let mut address = sockaddr_un {
        sun_family: sa_family_t::try_from(libc::AF_UNIX).ok()?,
        sun_path: [0; 108],
    };
    // After a zero, and without one at the end: so it is no file.
    let room = address.sun_path.get_mut(1..=mark.len())?;
    for (place, byte) in room.iter_mut().zip(mark) {
        *place = c_char::from_ne_bytes([*byte]);
    }
    let length = offset_of!(sockaddr_un, sun_path) + 1 + mark.len();
    Some((address, socklen_t::try_from(length).ok()?))
}

fn socket() -> Option<File> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes numbers.
    let file = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    (file >= 0).then_some(File(file))
}

/// Listens under this name until it is dropped; none where another process does.
pub(crate) fn lock(mark: &[u8]) -> Option<File> {
    let (address, length) = address(mark)?;
    let socket = socket()?;
    // SAFETY: the address is there to be read, as long as said.
    let bound = unsafe { libc::bind(socket.0, (&raw const address).cast(), length) };
    // SAFETY: takes numbers.
    let listens = bound == 0 && unsafe { libc::listen(socket.0, 1) } == 0;
    listens.then_some(socket)
}

enum Holder {
    Nobody,
    /// A process whose number may be seen from here.
    Process(Option<c_int>),
}

fn holder(mark: &[u8]) -> Holder {
    let (Some((address, length)), Some(socket)) = (address(mark), socket()) else {
        return Holder::Nobody;
    };
    // SAFETY: the address is there to be read, as long as said.
    if unsafe { libc::connect(socket.0, (&raw const address).cast(), length) } != 0 {
        // Its queue is full, so it is there.
        return if errno() == libc::EAGAIN {
            Holder::Process(None)
        } else {
            Holder::Nobody
        };
    }
    let mut peer = ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut size = socklen_t::try_from(size_of::<ucred>()).unwrap_or(0);
    // SAFETY: there is room for the structure of the size said.
    let known = unsafe {
        libc::getsockopt(
            socket.0,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut size,
        )
    };
    Holder::Process((known == 0 && peer.pid > 1).then_some(peer.pid))
}

/// Ends whoever listens under this name. True where there was one.
pub(crate) fn end_lock(mark: &[u8]) -> bool {
    /// A process that was killed is gone in a moment.
    const GONE_MILLIS: u64 = 1000;
    const LOOK_MILLIS: u64 = 10;
    let until = clock::now() + GONE_MILLIS;
    let mut found = false;
    while let Holder::Process(pid) = holder(mark) {
        found = true;
        if let Some(pid) = pid {
            // SAFETY: takes numbers. The kernel said a moment ago that this process listens there.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        if clock::now() >= until {
            break;
        }
        clock::sleep_until(clock::now() + LOOK_MILLIS);
    }
    found
}
