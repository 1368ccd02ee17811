//! Where log lines go: a queue that a thread of its own writes out. Who logs never waits and never fails, whatever
//! reads standard error: lines that find no room, or that cannot be written, are dropped and counted.
//!
//! Own code, for what there is counts lines where memory is bytes, and says by `println!` that it could not end,
//! which panics where standard output is closed.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

use super::line;

/// Bytes that wait for the thread; as many may be on their way in its hands. Four thousand usual lines.
const ROOM: usize = 1024 * 1024;
/// How long the end of the process waits for lines that are left: a reader that stalls must not keep it.
const FLUSH: Duration = Duration::from_secs(1);
/// After a write to a pipe that is set not to block and is full.
const FULL: Duration = Duration::from_millis(10);

/// A handle to the queue. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Writer(Arc<Queue>);

/// Ends the queue: what is left is written, within a second.
#[derive(Debug)]
#[must_use = "lines are lost that are still in the queue when the process ends"]
pub struct Guard(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: Counter,
    json: bool,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines in `waiting`.
    lines: u64,
    /// Lines dropped since the log said so.
    untold: u64,
    writing: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.inc_by(lines);
        self.state().untold += lines;
    }
}

/// Starts the thread. `dropped` counts what is lost; `json` says how lines are cut.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn start(
    sink: impl Write + Send + 'static,
    dropped: Counter,
    json: bool,
) -> io::Result<(Writer, Guard)> {
    let queue = Arc::new(Queue {
        state: Mutex::default(),
        changed: Condvar::new(),
        dropped,
        json,
    });
    let thread = Arc::clone(&queue);
    // It lives as long as the process: it may be in a write that never ends, so nothing waits for it.
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_out(&thread, sink))?;
    Ok((Writer(Arc::clone(&queue)), Guard(queue)))
}

fn write_out(queue: &Queue, mut sink: impl Write) {
    let mut batch = Vec::new();
    loop {
        let mut state = queue.state();
        state.writing = false;
        queue.changed.notify_all();
        while state.waiting.is_empty() {
            state = queue
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut state.waiting, &mut batch);
        let lines = std::mem::take(&mut state.lines);
        state.writing = true;
        drop(state);
        let left = write(&mut sink, &batch);
        batch.clear();
        if left == 0 {
            let untold = std::mem::take(&mut queue.state().untold);
            if untold > 0 {
                tracing::warn!(
                    lines = untold,
                    "log lines were dropped: what reads standard error was slower than they came, or away"
                );
            }
        } else {
            queue.drop_lines(left.min(lines));
        }
    }
}

/// Writes all of it. Returns how many lines of it could not be written.
fn write(sink: &mut impl Write, mut bytes: &[u8]) -> u64 {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(FULL),
            Err(_) => break,
        }
    }
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Write for &Writer {
    /// Takes one whole line, for that is how the log's formatter writes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = line::fit(bytes, self.0.json);
        let mut state = self.0.state();
        if state.waiting.len() + line.len() > ROOM {
            drop(state);
            self.0.drop_lines(1);
        } else {
            state.waiting.extend_from_slice(&line);
            state.lines += 1;
            drop(state);
            self.0.changed.notify_all();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let until = Instant::now() + FLUSH;
        let mut state = self.0.state();
        while state.writing || !state.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Passes on what is written; each write waits for a word of permission.
    struct Gate {
        words: Receiver<io::Result<()>>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.words.recv().map_err(io::Error::other)??;
            self.written
                .send(bytes.to_vec())
                .map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Gated = (
        Writer,
        Guard,
        Counter,
        Sender<io::Result<()>>,
        Receiver<Vec<u8>>,
    );

    fn gated() -> Gated {
        let (allow, words) = channel();
        let (written, read) = channel();
        let dropped = Counter::default();
        let (writer, guard) = start(Gate { words, written }, dropped.clone(), false).unwrap();
        (writer, guard, dropped, allow, read)
    }

    fn log(writer: &Writer, line: &str) {
        writer
            .make_writer()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    #[test]
    fn a_reader_that_stalls_holds_nothing_up_and_what_finds_no_room_is_counted() {
        let (writer, guard, dropped, allow, read) = gated();
        let line = "x".repeat(1023);
        // One batch is in the thread's hands at most, another waits; the rest is lost.
        for _ in 0..4 * ROOM / 1024 {
            log(&writer, &line);
        }
        let lost = dropped.get();
        let all = (4 * ROOM / 1024) as u64;
        assert!((all / 2..=3 * all / 4).contains(&lost), "{lost}");
        let begun = Instant::now();
        drop(guard);
        assert!(begun.elapsed() >= FLUSH, "it gave up early");
        for _ in 0..2 {
            allow.send(Ok(())).unwrap();
        }
        let kept: usize = (0..2).map(|_| read.recv().unwrap().len()).sum();
        assert_eq!(kept as u64 / 1024 + lost, all);
    }

    #[test]
    fn the_end_waits_until_all_is_written() {
        let (writer, guard, dropped, allow, read) = gated();
        log(&writer, "last words");
        allow.send(Ok(())).unwrap();
        drop(guard);
        assert_eq!(read.try_recv().unwrap(), b"last words\n");
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_later_ones_tried() {
        let (writer, guard, dropped, allow, read) = gated();
        log(&writer, "lost");
        allow.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        while dropped.get() == 0 {
            std::thread::yield_now();
        }
        for error in [io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock] {
            allow.send(Err(error.into())).unwrap();
        }
        allow.send(Ok(())).unwrap();
        log(&writer, "found");
        drop(guard);
        assert_eq!(read.recv().unwrap(), b"found\n");
        assert_eq!(dropped.get(), 1);
    }
}
