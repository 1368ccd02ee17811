//! The container as the hook finds it: its variables, its clock, its log, its network.

use alloc::vec::Vec;
use core::cell::Cell;

use hook::World;

use crate::sys;

/// Where the log goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Nowhere,
    /// The hook's own output.
    Stdout(i32),
    File(i32),
}

pub(crate) struct Container {
    log: Cell<Log>,
    /// Whether the user's own hook may print to it: a hook's output is held open by whoever it leaves behind, and only
    /// a person who asked for that as a log, by hand, wants to see it there.
    own_log: bool,
}

impl Container {
    /// The container's log is what PID 1 writes to.
    pub(crate) fn new() -> Self {
        let named = sys::var(b"SILKROLL_LOG").filter(|path| !path.is_empty());
        let opened = match named.as_deref() {
            Some(b"-") => None,
            Some(path) => sys::open_log(path, true),
            None => sys::open_log(b"/proc/1/fd/1", false),
        };
        let own_log = opened.is_some() || named.as_deref() == Some(b"-");
        let log = opened
            .map(Log::File)
            .or_else(|| sys::duplicate_stdout().map(Log::Stdout));
        Self {
            log: Cell::new(log.unwrap_or(Log::Nowhere)),
            own_log,
        }
    }

    /// The kubelet waits for everybody who holds the hook's output.
    pub(crate) fn let_go_of_stdout(&self) {
        if let Log::Stdout(file) = self.log.get() {
            sys::close(file);
            self.log.set(Log::Nowhere);
        }
    }

    /// Makes the log what this process prints.
    pub(crate) fn log_as_output(&self) {
        match self.log.get() {
            Log::File(file) | Log::Stdout(file) if self.own_log => sys::print_to(file),
            _ => sys::null_stdio(),
        }
    }
}

impl World for Container {
    fn var(&self, name: &[u8]) -> Option<Vec<u8>> {
        sys::var(name)
    }

    fn now(&self) -> u64 {
        sys::now()
    }

    fn say(&self, line: &[u8]) {
        if let Log::File(file) | Log::Stdout(file) = self.log.get() {
            let line = [&b"silkroll: "[..], &hook::escape_line(line), b"\n"].concat();
            // A pipe without a reader costs a second and the rest of the log, but holds up nothing.
            if !sys::write(file, &line) {
                sys::close(file);
                self.log.set(Log::Nowhere);
            }
        }
    }

    fn pause(&self, millis: u64) {
        sys::sleep_until(sys::now() + millis);
    }

    fn file(&self, path: &[u8]) -> Option<Vec<u8>> {
        sys::whole(path)
    }

    fn exchange(
        &self,
        host: &[u8],
        port: u16,
        request: &[u8],
        until: u64,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        sys::exchange(host, port, request, until, take);
    }
}
