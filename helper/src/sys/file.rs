//! Files: the log, and what the standard streams are.

use libc::c_int;

use super::{c_text, retried};

/// A file that is closed with its owner.
pub(crate) struct File(pub(super) c_int);

impl Drop for File {
    fn drop(&mut self) {
        close(self.0);
    }
}

pub(crate) fn close(file: c_int) {
    // SAFETY: closing a number that is no open file does nothing.
    unsafe { libc::close(file) };
}

/// Opens what can be written to. A pipe is opened for reading too and without waiting, so that a reader that went
/// away or does not read cannot block us.
pub(crate) fn open_log(path: &[u8], create: bool) -> Option<c_int> {
    let path = c_text(path)?;
    let common = libc::O_APPEND
        | libc::O_NONBLOCK
        | libc::O_CLOEXEC
        | libc::O_NOCTTY
        | if create { libc::O_CREAT } else { 0 };
    [libc::O_RDWR, libc::O_WRONLY].into_iter().find_map(|way| {
        // SAFETY: `path` is a text that ends with a zero.
        let file = unsafe { libc::open(path.as_ptr(), way | common, 0o644) };
        above_standard(file)
    })
}

/// Log and standard streams must not be mistaken for each other where a stream was closed.
fn above_standard(file: c_int) -> Option<c_int> {
    match file {
        ..0 => None,
        0..3 => {
            let moved = duplicate(file);
            close(file);
            moved
        }
        file => Some(file),
    }
}

fn duplicate(file: c_int) -> Option<c_int> {
    // SAFETY: asks for a copy of a number above the standard streams; fails where `file` is not open.
    let copy = unsafe { libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 3) };
    (copy >= 0).then_some(copy)
}

pub(crate) fn duplicate_stdout() -> Option<c_int> {
    duplicate(1)
}

/// Nothing to read, and what is printed goes nowhere.
pub(crate) fn null_stdio() {
    // SAFETY: the path is a text that ends with a zero.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    for stream in 0..3 {
        if null < 0 {
            close(stream);
        } else {
            // SAFETY: `null` is open; what `stream` was is closed by it.
            unsafe { libc::dup2(null, stream) };
        }
    }
    if null > 2 {
        close(null);
    }
}

/// Makes standard output and error go to this file, which then waits for its reader as others expect it.
pub(crate) fn print_to(file: c_int) {
    // SAFETY: takes numbers; fails where `file` is not open.
    unsafe {
        let flags = libc::fcntl(file, libc::F_GETFL);
        libc::fcntl(file, libc::F_SETFL, flags & !libc::O_NONBLOCK);
    }
    for stream in [1, 2] {
        // SAFETY: `file` is open; what `stream` was is closed by it.
        unsafe { libc::dup2(file, stream) };
    }
}

/// Writes it all; false where no reader takes it for a second. Some files are shared with others, who want them to wait.
pub(crate) fn write(file: c_int, mut bytes: &[u8]) -> bool {
    const WAIT_MILLIS: u64 = 1000;
    /// A pipe that takes anything takes as much without waiting.
    const AT_ONCE: usize = libc::PIPE_BUF;
    let until = super::now() + WAIT_MILLIS;
    while !bytes.is_empty() {
        if !poll(file, libc::POLLOUT, until) {
            return false;
        }
        let piece = bytes.get(..AT_ONCE).unwrap_or(bytes);
        // SAFETY: the bytes are there to be read.
        let written = retried(|| unsafe { libc::write(file, piece.as_ptr().cast(), piece.len()) });
        match usize::try_from(written) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            // Another writer was quicker.
            Err(_) if super::errno() == libc::EAGAIN => {}
            Err(_) => return false,
        }
    }
    true
}

/// For whoever calls it by hand.
pub(crate) fn complain(text: &[u8]) {
    write(2, text);
}

/// Both ends of a pipe: to read from, to write to.
pub(super) fn pipe() -> Option<(File, File)> {
    let mut ends = [-1; 2];
    // SAFETY: there is room for both numbers.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    let [read, write] = ends;
    (made == 0).then_some((File(read), File(write)))
}

/// What can be read at once; none at the end or after an error.
pub(super) fn read(file: c_int, buffer: &mut [u8]) -> Option<&[u8]> {
    // SAFETY: there is room for as many bytes as the buffer has.
    let count = retried(|| unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) });
    buffer
        .get(..usize::try_from(count).ok()?)
        .filter(|read| !read.is_empty())
}

/// Waits until something can be read or written, or `until`.
pub(super) fn poll(file: c_int, events: libc::c_short, until: u64) -> bool {
    loop {
        let left = until.saturating_sub(super::now());
        if left == 0 {
            return false;
        }
        let mut asked = libc::pollfd {
            fd: file,
            events,
            revents: 0,
        };
        // SAFETY: there is one structure to read and write.
        let ready = unsafe {
            libc::poll(
                &raw mut asked,
                1,
                c_int::try_from(left).unwrap_or(c_int::MAX),
            )
        };
        if ready > 0 {
            return true;
        }
        if ready < 0 && super::errno() != libc::EINTR {
            return false;
        }
    }
}
