//! Answers on a terminal; in colour where it is one.

use std::io::IsTerminal as _;

use serde_json::Value;
use silkroll::policy::PREFIX;

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Longer lines of a diff are cut: the record is one line of a thousand characters.
const WIDTH: usize = 150;

#[derive(Clone, Copy)]
pub(crate) struct Show {
    colour: bool,
}

impl Show {
    pub(crate) fn on_stdout() -> Self {
        Self {
            // https://no-color.org
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    #[expect(clippy::unused_self, reason = "read as: show.line()")]
    pub(crate) fn line(self, text: &str) {
        println!("{text}");
    }

    pub(crate) fn title(self, text: &str) {
        println!("\n{}", self.paint(BOLD, &format!("=== {text}")));
    }

    pub(crate) fn heading(self, text: &str) {
        println!("{}", self.paint(CYAN, text));
    }

    /// The annotations of ours that an object has.
    pub(crate) fn asked(self, who: &str, object: &Value) {
        self.heading(who);
        let annotations = object["metadata"]["annotations"].as_object();
        for (key, value) in annotations.into_iter().flatten() {
            if key.starts_with(PREFIX) {
                println!("  {key}: {}", value.as_str().unwrap_or_default());
            }
        }
    }

    /// What the webhook answered to the API server.
    pub(crate) fn webhook(self, response: &Value) {
        self.heading("the webhook's answer to the API server");
        if response["allowed"] == true {
            println!("  {}, with a patch", self.paint(GREEN, "allowed"));
        } else {
            let message = response["status"]["message"].as_str().unwrap_or_default();
            println!("  {}: {message}", self.paint(RED, "denied"));
        }
        let warnings = response["warnings"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for warning in warnings {
            let warning = warning.as_str().unwrap_or_default();
            println!("  {} {warning}", self.paint(YELLOW, "Warning:"));
        }
        if warnings.is_empty() {
            println!("  no warnings");
        }
    }

    /// The outcome, the decisions and the stop, as the dry run gives them.
    pub(crate) fn item(self, item: &Value) {
        let word = |key: &str| item[key].as_str().unwrap_or_default();
        self.heading("what was decided");
        println!(
            "  {} {}/{}: {} ({}: {})",
            word("kind"),
            word("namespace"),
            word("name"),
            word("outcome"),
            word("reason"),
            word("meaning"),
        );
        for step in item["decisions"].as_array().into_iter().flatten() {
            let word = |key: &str| step[key].as_str().unwrap_or_default();
            println!("  {:<11} {}", word("part"), word("text"));
        }
        if let Some(timeline) = item["timeline"].as_object() {
            let seconds = |key: &str| timeline[key].as_i64().unwrap_or_default();
            self.heading("how a pod stops, in seconds after its deletion, at the latest");
            let mut at = 0;
            for (part, what) in [
                ("deregister", "the registry is told"),
                ("drain", "callers forget the pod, which still answers"),
                ("idle", "clients that still hold connections are waited for"),
                ("end", "the server is told to end, and waited for"),
                ("hook", "the container's own preStop"),
            ] {
                if seconds(part) > 0 {
                    println!("  {at:>5}  {part:<8} {what}");
                    at += seconds(part);
                }
            }
            match timeline["sigterm"].as_i64() {
                Some(at) => println!(
                    "  {at:>5}  SIGTERM  the app has {} s to end by itself",
                    seconds("shutdown")
                ),
                None => println!(
                    "  {at:>5}  hook     the container's own preStop, not bounded; then SIGTERM"
                ),
            }
            println!("  {:>5}  SIGKILL", seconds("sigkill"));
        }
    }

    pub(crate) fn diff(self, text: &str) {
        for line in text.lines() {
            let colour = match line.as_bytes().first() {
                Some(b'+') => GREEN,
                Some(b'-') => RED,
                Some(b'@') => CYAN,
                _ => "0",
            };
            let cut = match line.char_indices().nth(WIDTH) {
                Some((end, _)) => format!("{} …", &line[..end]),
                None => line.to_owned(),
            };
            println!("  {}", self.paint(colour, &cut));
        }
    }
}
