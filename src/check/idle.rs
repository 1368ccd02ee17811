//! Containers that only keep a pod there, for commands that are run in it or for its network: nobody listens in them,
//! whatever leads to them.

use super::hook::{SHELLS, program, shell_script};
use super::image::Image;
use super::shell::{Command, Script};

/// Commands that wait.
const WAITING: [&str; 3] = ["sleep", "tail", "pause"];

/// Commands of a shell and beside it that start no server, as many do that end at once (`nginx`, `service web start`).
const HARMLESS: [&str; 26] = [
    ":", "[", "cat", "cd", "chmod", "chown", "cp", "date", "done", "echo", "exit", "export",
    "false", "fi", "for", "hostname", "ln", "ls", "mkdir", "mv", "printf", "rm", "touch", "trap",
    "true", "wait",
];

/// Words of a shell in front of a command.
const BEFORE: [&str; 9] = [
    "while", "until", "do", "if", "elif", "then", "else", "!", "exec",
];

/// Whether a container with this image, and this command and arguments, serves nobody.
pub(super) fn is_idle(image: &Image<'_>, words: &[&str]) -> bool {
    let Some(first) = words.first().map(|word| program(word)) else {
        // Kubernetes' own, which holds a pod's namespaces, in any registry.
        return image.name() == "pause";
    };
    // A shell without a script ends at once, or waits for somebody who types.
    let alone = words.len() == 1 && SHELLS.contains(&first);
    alone || WAITING.contains(&first) || shell_script(words).is_some_and(only_waits)
}

/// Whether a script waits, and does nothing else that could leave a server behind.
fn only_waits(script: &str) -> bool {
    let script = Script::read(script, &|_| None);
    let mut waits = false;
    let harmless = script.commands.iter().all(|command| {
        let Some(first) = first(command) else {
            return true;
        };
        let waiting = WAITING.contains(&first);
        waits |= waiting;
        waiting || HARMLESS.contains(&first)
    });
    harmless && waits && !script.cut
}

/// What a command runs; none where it only sets variables, or is a word of the shell alone.
fn first(command: &Command) -> Option<&str> {
    let mut words = command.run().iter();
    let first = words.find(|word| word.open || !BEFORE.contains(&word.text.as_str()))?;
    Some(if first.open { "" } else { program(&first.text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_waits_serves_nobody() {
        for (image, words, expected) in [
            ("registry.k8s.io/pause:3.10", &[][..], true),
            ("host:5000/mirror/pause@sha256:0a", &[], true),
            ("registry.example/shop/pause-menu", &[], false),
            ("registry.example/shop/pause", &["/bin/web"], false),
            ("busybox", &[], false),
            ("busybox", &["sleep", "infinity"], true),
            ("busybox", &["/bin/tail", "-f", "/dev/null"], true),
            ("busybox", &["sh", "/run.sh"], false),
            ("nginx:1.14.2", &["/bin/sh"], true),
            ("nginx:1.14.2", &["/bin/web"], false),
        ] {
            assert_eq!(
                is_idle(&Image::parse(image), words),
                expected,
                "{image} {words:?}"
            );
        }
    }

    #[test]
    fn a_script_only_waits_where_nothing_in_it_can_start_a_server() {
        for (script, expected) in [
            ("sleep 3600", true),
            ("exec sleep infinity", true),
            ("touch /tmp/healthy; sleep 3600", true),
            ("trap : TERM INT; sleep infinity & wait", true),
            ("while true; do sleep 30; done", true),
            ("while ! [ -f /stop ]; do date; sleep 1; done", true),
            ("PATH=/bin; X=1 sleep 5 && tail -f /dev/null", true),
            ("echo started; tail -f /dev/null", true),
            ("nginx; sleep infinity", false),
            ("service web start && tail -f /dev/null", false),
            ("/web & sleep infinity", false),
            ("sleep 5; exec /web", false),
            ("sleep 5; exec", true),
            ("while true; do nc -l -p 8080; sleep 1; done", false),
            ("if sleep 1; then /web; fi", false),
            ("sleep 1 | /web", false),
            ("$WEB; sleep 5", false),
            ("echo; date", false),
            ("", false),
            ("sleep 5; serve() { /web; }; serve", false),
            ("sleep 5; 'cut off", false),
        ] {
            let words = ["/bin/sh", "-c", script];
            assert_eq!(
                is_idle(&Image::parse("busybox"), &words),
                expected,
                "{script}"
            );
        }
    }
}
