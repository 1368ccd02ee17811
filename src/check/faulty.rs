//! Commands of exec hooks that can never run, the usual mistakes of hand-written ones: no shell reads them, and each word of
//! the list is one argument. They fail at once, and Kubernetes goes on to SIGTERM. Only what leaves no doubt is told.
//!
//! Tried: dash, bash and busybox say that they cannot open `sleep 20`; GNU's and busybox's `sleep` look at all arguments before
//! they wait, and end with `invalid time interval '&&'`.

use super::hook::{SHELLS, program, shell_script};

/// Programs that hooks run, so that a text which begins with one is a command and no file's name.
const PROGRAMS: [&str; 17] = [
    "sleep", "curl", "wget", "kill", "pkill", "killall", "echo", "touch", "cat", "nginx", "java",
    "python", "python3", "node", "nc", "exec", "timeout",
];

/// What a shell would read, and a program takes for an argument.
const OPERATORS: [&str; 8] = ["&&", "||", ";", "|", "&", ">", ">>", "2>&1"];

/// Why a command cannot run.
pub(super) fn why(command: &[&str]) -> Option<&'static str> {
    let (first, rest) = command.split_first()?;
    if let Some(name) = begins(first)
        && (!name.contains('/') || is_program(name))
    {
        return Some(
            "cannot start: its first word holds a whole command, which is taken for a program's name",
        );
    }
    let name = program(first);
    if SHELLS.contains(&name) && shell_script(command).is_none() {
        let file = rest.iter().find(|word| !word.starts_with(['-', '+']))?;
        let is_command = begins(file).is_some_and(is_program);
        return is_command
            .then_some("fails at once: without -c the shell takes its command for a file's name");
    }
    let separate = rest
        .iter()
        .any(|word| OPERATORS.contains(word) || word.ends_with(';'));
    (name == "sleep" && separate)
        .then_some("fails at once: no shell reads it, and sleep takes what follows for times")
}

/// The first of the words that stand in one, where there are several.
fn begins(word: &str) -> Option<&str> {
    let (first, rest) = word.trim_start().split_once(char::is_whitespace)?;
    (!rest.trim().is_empty()).then_some(first)
}

fn is_program(name: &str) -> bool {
    let name = program(name);
    SHELLS.contains(&name) || PROGRAMS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_program_is_called_and_no_shell_reads_is_told() {
        for (command, expected) in [
            (&["sleep 20"][..], Some("cannot start")),
            (&["sh -c sleep 20"], Some("cannot start")),
            (&["/bin/sh -c 'sleep 20'"], Some("cannot start")),
            (&["nginx -s quit"], Some("cannot start")),
            (&["/opt/my app/stop"], None),
            (&["sh", "sleep 20"], Some("fails at once")),
            (
                &["/bin/bash", "-e", "sleep 20; nginx -s quit"],
                Some("fails at once"),
            ),
            (&["sh", "/opt/stop.sh"], None),
            (&["sh", "my script.sh"], None),
            (&["sh", "-c", "sleep 20"], None),
            (&["bash", "-ec", "sleep 20"], None),
            (
                &["sleep", "20", "&&", "nginx", "-s", "quit"],
                Some("fails at once"),
            ),
            (
                &["sleep", "20;", "nginx", "-s", "quit"],
                Some("fails at once"),
            ),
            (&["/app/stop", "&&", "sleep", "20"], None),
            (&["sleep", "20"], None),
            (&["/app/stop", "a b"], None),
            (&["sleep "], None),
            (&[], None),
        ] {
            let why = why(command);
            let found = why.is_some_and(|why| expected.is_some_and(|begin| why.starts_with(begin)));
            assert!(
                found || why.is_none() && expected.is_none(),
                "{command:?}: {why:?}"
            );
        }
    }
}
