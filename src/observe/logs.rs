//! Logs: one line an event on standard error, as JSON or as text.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

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
    /// Somebody has set up the log before.
    #[error("the log is set up already: set it up once, at the start of the process")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends what this process logs to standard error from now on.
///
/// # Errors
/// `level` is no filter in the syntax of [`EnvFilter`], or the log was set up before.
pub fn init(format: Format, level: &str) -> Result<(), Error> {
    let colour = io::stderr().is_terminal();
    match format {
        Format::Json => json(level, io::stderr)?.try_init()?,
        Format::Text => text(level, colour, io::stderr)?.try_init()?,
    }
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(level).map_err(|source| Error::Level {
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
    fn a_level_that_cannot_be_read_is_named() {
        let error = json("silkroll=loud", io::stderr).err().unwrap().to_string();
        assert!(error.contains("silkroll=loud"), "{error}");
        assert!(error.contains("debug"), "{error}");
    }
}
