//! Logs: one line an event on standard error, as JSON or as text. The log never decides about an answer: see
//! `writer.rs` for what becomes of lines that cannot be written.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd as _;
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use super::Metrics;
use super::writer;
pub use super::writer::Guard;
use crate::text::{displayed, shown};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line, for a log store.
    #[default]
    Json,
    /// For eyes; in colour on a terminal only.
    Text,
}

/// What is wrong with the settings of the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error(
        "--log-level={given:?} cannot be read: {source}. Use error, warn, info, debug or trace, \
         or one for each part as in \"info,silkroll::tls=debug\""
    )]
    Level {
        /// What was given.
        given: String,
        /// What the parser said.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A word that is no level would be taken for the name of a part that does not exist, and all others would be silent.
    #[error(
        "--log-level={given:?} cannot be used: {word:?} is no level. Use error, warn, info, debug, trace or off, \
         or one for each part as in \"info,silkroll::tls=debug\""
    )]
    Word {
        /// What was given.
        given: String,
        /// What of it.
        word: String,
    },
    /// Standard error, or the thread that writes to it.
    #[error("the log cannot be started: {0}; is the limit of open files or threads reached?")]
    Start(#[from] io::Error),
    /// It was set up before.
    #[error("the log is set up already: set it up once, at the start of the process")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// The most that is quoted of a setting, in characters.
const GIVEN: usize = 200;
/// The most that a panic says of itself, in characters: it may quote what was sent.
const PANIC_CHARS: usize = 500;

/// Sends what this process logs to standard error from now on, panics included, until the guard is dropped. Lines
/// that are lost are counted in `metrics`.
///
/// # Errors
/// `level` is no filter in the syntax of [`EnvFilter`], the log was set up before, or the process has no place for
/// its thread.
pub fn init(format: Format, level: &str, metrics: &Metrics) -> Result<Guard, Error> {
    let stderr = io::stderr();
    let colour = stderr.is_terminal();
    // Of its own, for the usual one has a lock that a write in progress holds: a reader that stalls would stop
    // everything else that writes there.
    let file = File::from(stderr.as_fd().try_clone_to_owned()?);
    let dropped = metrics.log_lines_dropped.clone();
    let (writer, guard) = writer::start(file, dropped, format == Format::Json)?;
    match format {
        Format::Json => json(level, writer)?.try_init()?,
        Format::Text => text(level, colour, writer)?.try_init()?,
    }
    std::panic::set_hook(Box::new(panicked));
    Ok(guard)
}

/// The usual hook writes to standard error itself, and waits for its reader.
fn panicked(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default();
    tracing::error!(
        at = panic.location().map(tracing::field::display),
        thread = std::thread::current().name(),
        "panicked: {}",
        displayed(what, PANIC_CHARS)
    );
}

/// The Kubernetes client says at ERROR that a request failed, each time and without which; whoever asked says it once, in
/// words.
const REPEATS: &str = "kube_client::client::builder=off";

fn filter(level: &str) -> Result<EnvFilter, Error> {
    let part = |word: &&str| !word.is_empty() && !word.contains(['=', '[', '/']);
    let mut words = level.split(',').map(str::trim).filter(part);
    if let Some(word) = words.find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(Error::Word {
            given: shown(level, GIVEN).into_owned(),
            word: shown(word, GIVEN).into_owned(),
        });
    }
    let asked = level.contains("kube_client");
    let all = format!("{REPEATS},{level}");
    EnvFilter::try_new(if asked { level } else { &all }).map_err(|source| Error::Level {
        given: level.to_owned(),
        source,
    })
}

fn json<W>(level: &str, writer: W) -> Result<impl Subscriber + Send + Sync, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(tracing_subscriber::fmt()
        .json()
        // Fields beside level and message, where log stores look for them.
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        // Else it says by `eprintln!` that a line was not written, which panics where none can be.
        .log_internal_errors(false)
        .with_writer(writer)
        .with_env_filter(filter(level)?)
        .finish())
}

fn text<W>(level: &str, colour: bool, writer: W) -> Result<impl Subscriber + Send + Sync, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(tracing_subscriber::fmt()
        .with_ansi(colour)
        .log_internal_errors(false)
        .with_writer(writer)
        .with_env_filter(filter(level)?)
        .finish())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for level in [
            "info",
            "WARN",
            "off",
            "0",
            "",
            "info,silkroll::tls=debug",
            "warn,silkroll=info",
            "silkroll=trace",
            "silkroll[span]=info,error",
        ] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for (level, word) in [
            ("verbose", "verbose"),
            ("info,silkroll", "silkroll"),
            ("silkroll::tls", "silkroll::tls"),
        ] {
            let error = filter(level).unwrap_err().to_string();
            assert!(error.contains(&format!("{word:?} is no level")), "{error}");
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_on_top() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log = json("info", move || writer.clone()).unwrap();
        tracing::subscriber::with_default(log, || {
            tracing::info!(namespace = "shop\n", dry_run = true, "decided");
            tracing::debug!("not asked for");
        });
        let text = buffer.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "decided");
        assert_eq!(line["namespace"], "shop\n");
        assert_eq!(line["dry_run"], true);
    }

    #[test]
    fn text_has_colours_only_where_asked() {
        for (colour, escapes) in [(false, false), (true, true)] {
            let buffer = Buffer::default();
            let writer = buffer.clone();
            let log = text("info", colour, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(log, || tracing::warn!("look here"));
            assert!(buffer.text().contains("look here"));
            assert_eq!(buffer.text().contains('\u{1b}'), escapes);
        }
    }

    #[test]
    fn a_level_may_be_given_for_each_part() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log = text("warn,silkroll::observe=debug", false, move || {
            writer.clone()
        })
        .unwrap();
        tracing::subscriber::with_default(log, || {
            tracing::debug!("mine");
            tracing::info!(target: "hyper", "theirs");
        });
        assert!(buffer.text().contains("mine"));
        assert!(!buffer.text().contains("theirs"));
    }

    #[test]
    fn what_the_client_repeats_is_there_for_whoever_asks() {
        for (level, heard) in [
            ("info", false),
            ("debug", false),
            ("info,kube_client=error", true),
        ] {
            let buffer = Buffer::default();
            let writer = buffer.clone();
            let log = text(level, false, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(log, || {
                tracing::error!(target: "kube_client::client::builder", "failed with error");
                tracing::error!(target: "kube_client::client", "another");
            });
            assert_eq!(buffer.text().contains("failed with"), heard, "{level}");
            assert!(buffer.text().contains("another"), "{level}");
        }
    }

    #[test]
    fn a_level_that_cannot_be_read_is_named() {
        let error = json("silkroll=loud", io::stderr).err().unwrap().to_string();
        assert!(error.contains("silkroll=loud"), "{error}");
        assert!(error.contains("debug"), "{error}");
    }
}
