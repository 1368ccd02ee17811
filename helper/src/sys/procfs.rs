//! What /proc says of processes.

use alloc::vec::Vec;
use core::ffi::CStr;

use hook::{Process, number, parse};

use super::c_text;
use super::file::{File, read};

/// Of a longer one the beginning says enough.
const FILE_BYTES: usize = 4096;

fn open(path: &[u8]) -> Option<File> {
    let path = c_text(path)?;
    // SAFETY: `path` is a text that ends with a zero.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    (file >= 0).then_some(File(file))
}

fn contents(path: &[u8]) -> Option<Vec<u8>> {
    let file = open(path)?;
    let mut buffer = [0; FILE_BYTES];
    Some(read(file.0, &mut buffer).unwrap_or_default().to_vec())
}

/// Whole seconds since the container's first process began.
pub(crate) fn age() -> Option<u64> {
    hook::age(&contents(b"/proc/1/stat")?, &contents(b"/proc/self/stat")?)
}

/// However long it is.
pub(crate) fn whole(path: &[u8]) -> Option<Vec<u8>> {
    let file = open(path)?;
    let mut buffer = [0; FILE_BYTES];
    let mut all = Vec::new();
    while let Some(more) = read(file.0, &mut buffer) {
        all.extend_from_slice(more);
    }
    Some(all)
}

/// A process that has not ended.
pub(crate) fn process(pid: u64) -> Option<Process> {
    let folder = [&b"/proc/"[..], &number(pid)].concat();
    let stat = contents(&[&folder[..], b"/stat"].concat())?;
    let arguments = contents(&[&folder[..], b"/cmdline"].concat()).unwrap_or_default();
    parse(&stat, arguments)
}

/// All of them; none where there is no /proc to see ourselves in.
pub(crate) fn processes() -> Option<Vec<Process>> {
    process(super::own_pid())?;
    // SAFETY: the path is a text that ends with a zero.
    let folder = unsafe { libc::opendir(c"/proc".as_ptr()) };
    if folder.is_null() {
        return None;
    }
    let mut found = Vec::new();
    loop {
        // SAFETY: `folder` is open, and nothing else reads from it.
        let entry = unsafe { libc::readdir(folder) };
        if entry.is_null() {
            break;
        }
        // SAFETY: readdir gave an entry, which stays until the next call, and whose name ends with a zero.
        let name = unsafe { CStr::from_ptr((&raw const (*entry).d_name).cast()) }.to_bytes();
        let pid = core::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok());
        found.extend(pid.and_then(process));
    }
    // SAFETY: `folder` is open and not used after this.
    unsafe { libc::closedir(folder) };
    Some(found)
}
