//! Whether a hook waits while its pod is in a registry still. Callers who ask there are led to it until SIGTERM then, however
//! long the wait is, and the drain, which has to begin when the pod has left (docs/drain.md), has not begun. Only what leaves
//! no doubt is told: anything that is not known here may be the way out.

use super::ending;
use super::hook::{mentions, program};
use super::shell::{End, Script, Word};
use super::time::{REGISTRIES, Time, behind};

/// How a hook that waits leaves its pod in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Staying {
    /// Nothing in it takes the pod out.
    Throughout,
    /// It is taken out at the end: SIGTERM follows at once.
    UntilTheEnd,
}

/// What does nothing that a registry could hear of.
const IDLE: [&str; 14] = [
    "echo", "printf", "date", "true", ":", "false", "set", "sync", "export", "cd", "umask",
    "unset", "exec", "sleep",
];

/// What one command does.
enum Deed {
    Waits(Time),
    Leaves,
    Unknown,
}

/// Of a command that no shell reads.
pub(super) fn of(command: &[&str]) -> Option<Staying> {
    let words = command.iter().map(|word| Word {
        text: (*word).to_owned(),
        open: false,
    });
    match deed(&words.collect::<Vec<_>>()) {
        Deed::Waits(_) => Some(Staying::Throughout),
        Deed::Leaves => Some(Staying::UntilTheEnd),
        Deed::Unknown => None,
    }
}

/// Of a shell's script.
pub(super) fn of_script(script: &Script) -> Option<Staying> {
    if script.cut {
        return None;
    }
    let mut staying = Staying::Throughout;
    for command in &script.commands {
        if matches!(command.end, End::Pipe | End::Background) {
            return None;
        }
        match deed(command.run()) {
            Deed::Waits(time) if staying == Staying::UntilTheEnd && time != Time::exact(0) => {
                return None;
            }
            Deed::Waits(_) => {}
            Deed::Leaves => staying = Staying::UntilTheEnd,
            Deed::Unknown => return None,
        }
    }
    Some(staying)
}

fn deed(words: &[Word]) -> Deed {
    let words = behind(words);
    let Some(first) = words.first() else {
        return Deed::Waits(Time::exact(0));
    };
    let is_open = words.iter().any(|word| word.open);
    match program(&first.text) {
        "curl" | "wget" if words.iter().any(|word| mentions(&word.text, &REGISTRIES)) => {
            Deed::Leaves
        }
        idle if IDLE.contains(&idle) && !is_open => match Time::of_words(words) {
            time if time.open => Deed::Unknown,
            time => Deed::Waits(time),
        },
        // The app leaves by itself then, as it does at SIGTERM.
        _ if ending::ends(words) => Deed::Waits(Time::exact(0)),
        _ => Deed::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_the_registry_where_all_of_the_hook_is_known() {
        let off = "curl -X PUT 'http://nacos:8848/nacos/v1/ns/instance?enabled=false'";
        for (script, expected) in [
            ("sleep 20".to_owned(), Some(Staying::Throughout)),
            (
                "echo bye; exec sleep 20".to_owned(),
                Some(Staying::Throughout),
            ),
            (
                "sleep 15; nginx -s quit".to_owned(),
                Some(Staying::Throughout),
            ),
            (
                "sleep 15 && curl -X POST localhost:8080/actuator/shutdown".to_owned(),
                Some(Staying::Throughout),
            ),
            (format!("sleep 15 && {off}"), Some(Staying::UntilTheEnd)),
            (
                format!("sleep 15; {off} || true; echo gone"),
                Some(Staying::UntilTheEnd),
            ),
            (off.to_owned(), Some(Staying::UntilTheEnd)),
            (format!("{off}; sleep 15"), None),
            (format!("sleep 5; {off}; sleep 15"), None),
            (format!("sleep 15; {off}; sleep $MORE"), None),
            // Any of these may be a way out.
            ("/app/leave; sleep 15".to_owned(), None),
            ("touch /tmp/down; sleep 15".to_owned(), None),
            ("kill -USR2 1; sleep 15".to_owned(), None),
            ("curl localhost:8080/offline; sleep 15".to_owned(), None),
            (
                "echo $(curl localhost:8080/offline); sleep 15".to_owned(),
                None,
            ),
            (format!("{off} | tee log; sleep 15"), None),
            ("leave & sleep 15".to_owned(), None),
            ("if true; then sleep 15; fi".to_owned(), None),
            ("sleep 15; exit 0".to_owned(), None),
        ] {
            let read = Script::read(&script, &|_| None);
            assert_eq!(of_script(&read), expected, "{script}");
        }
    }
}
