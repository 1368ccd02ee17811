//! Addresses of a name. The C library's search has bounds of its own, which are not ours: a name is looked up in a
//! process that can be ended.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use libc::{addrinfo, c_int, sockaddr_storage, socklen_t};

use super::file::{pipe, poll, read, write};
use super::process::{close_all_but, end_with_parent};
use super::{Waited, c_text, fork};
use hook::number;

/// As the kernel takes it: of the first so many bytes.
pub(super) struct Address {
    pub(super) storage: sockaddr_storage,
    pub(super) length: socklen_t,
}

/// More are not tried.
const ADDRESSES: usize = 8;
/// An IPv6 address with its port is the largest.
const ADDRESS_BYTES: usize = 28;

impl Address {
    pub(super) fn family(&self) -> c_int {
        self.storage.ss_family.into()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut storage = MaybeUninit::<sockaddr_storage>::zeroed();
        if bytes.len() > ADDRESS_BYTES {
            return None;
        }
        // SAFETY: there is room for more than `ADDRESS_BYTES`, and all zeros is a valid value to begin with.
        let storage = unsafe {
            core::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                storage.as_mut_ptr().cast(),
                bytes.len(),
            );
            storage.assume_init()
        };
        Some(Self {
            storage,
            length: socklen_t::try_from(bytes.len()).ok()?,
        })
    }
}

/// The addresses of a host, as far as they are known in time.
pub(super) fn resolve(host: &[u8], port: u16, until: u64) -> Vec<Address> {
    let numeric = look_up(host, port, libc::AI_NUMERICHOST);
    let found = if numeric.is_empty() {
        in_child(host, port, until)
    } else {
        numeric
    };
    found
        .iter()
        .filter_map(|bytes| Address::from_bytes(bytes))
        .collect()
}

/// Each is sent with its length before it.
fn in_child(host: &[u8], port: u16, until: u64) -> Vec<Vec<u8>> {
    let Some((reader, writer)) = pipe() else {
        return Vec::new();
    };
    let file = writer.0;
    let child = fork(|| {
        end_with_parent();
        close_all_but(file);
        for address in look_up(host, port, 0) {
            if let Ok(length) = u8::try_from(address.len()) {
                write(file, &[&[length][..], &address].concat());
            }
        }
        0
    });
    drop(writer);
    let Some(child) = child else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    let mut buffer = [0; ADDRESSES * (ADDRESS_BYTES + 1)];
    while poll(reader.0, libc::POLLIN, until) {
        match read(reader.0, &mut buffer) {
            Some(more) => bytes.extend_from_slice(more),
            None => break,
        }
    }
    if child.wait(Some(super::now())) == Waited::Over {
        child.kill();
    }
    let mut addresses = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((&length, behind)) = rest.split_first() {
        let Some((address, behind)) = behind.split_at_checked(length.into()) else {
            break;
        };
        addresses.push(address.to_vec());
        rest = behind;
    }
    addresses
}

fn look_up(host: &[u8], port: u16, flags: c_int) -> Vec<Vec<u8>> {
    let (Some(host), Some(port)) = (c_text(host), c_text(&number(port.into()))) else {
        return Vec::new();
    };
    // SAFETY: all zeros is a valid value: nothing wished, no pointers.
    let mut wished: addrinfo = unsafe { MaybeUninit::zeroed().assume_init() };
    wished.ai_flags = flags | libc::AI_NUMERICSERV;
    wished.ai_socktype = libc::SOCK_STREAM;
    let mut list: *mut addrinfo = core::ptr::null_mut();
    // SAFETY: the texts end with a zero; `wished` is valid and `list` there to be written.
    let failed = unsafe {
        libc::getaddrinfo(
            host.as_ptr(),
            port.as_ptr(),
            &raw const wished,
            &raw mut list,
        )
    };
    let mut found = Vec::new();
    if failed != 0 {
        return found;
    }
    let mut at = list;
    // SAFETY: getaddrinfo gave a list that ends with a null, whose members are valid until it is freed.
    while let Some(entry) = unsafe { at.as_ref() } {
        let length = usize::try_from(entry.ai_addrlen).unwrap_or(0);
        if !entry.ai_addr.is_null() && length <= ADDRESS_BYTES && found.len() < ADDRESSES {
            // SAFETY: the address has as many bytes as the entry says.
            let bytes = unsafe { core::slice::from_raw_parts(entry.ai_addr.cast::<u8>(), length) };
            found.push(bytes.to_vec());
        }
        at = entry.ai_next;
    }
    // SAFETY: the list is one that getaddrinfo gave, and is not used after this.
    unsafe { libc::freeaddrinfo(list) };
    found
}
