//! SR105 and SR106: who gets the SIGTERM, and whether that is a graceful end.

use super::super::hook::{mentions, program, shell_script};
use super::super::image::Image;
use super::super::ours::Ours;
use super::super::read::{list, text};
use super::super::rule::Id;
use super::super::shell::{End, Script};
use super::super::workload::{Container, Workload};
use super::Found;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    if !workload.serves() {
        return;
    }
    for container in workload.serving() {
        in_front(workload, container, found);
    }
    for container in &workload.containers {
        ungraceful(workload, container, found);
    }
}

/// Package managers that run a script as a child, behind a shell.
const MANAGERS: [&str; 4] = ["npm", "yarn", "pnpm", "npx"];

fn in_front(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let words = container.words();
    let behind = behind_an_init(&words, container);
    let field = if container.value["command"].is_array() {
        "/command"
    } else {
        "/args"
    };
    let Some(first) = words.first().map(|word| program(word)) else {
        return;
    };
    if MANAGERS.contains(&first) {
        let message = format!("{first} is process 1 and starts the server as its child");
        found.in_container(Id::Sr105, workload, container, field, message);
        return;
    }
    // Without a command the image's own entry point comes first, whatever that does with its arguments.
    if field != "/command" {
        return;
    }
    let (shell, words) = match behind {
        Some([shell, ..]) => (program(shell), behind.unwrap_or_default()),
        _ => (first, &*words),
    };
    let Some(script) = shell_script(words) else {
        return;
    };
    let Some(message) = stays_in_front(shell, script, &container.image) else {
        return;
    };
    let message = if behind.is_some() {
        format!(
            "{first} without -g sends the signal to {shell} alone, which may stay in front of the server"
        )
    } else {
        message
    };
    found.in_container(Id::Sr105, workload, container, field, message);
}

/// What an init starts that sends the signal to its child alone: `tini`, which Docker has as `docker-init`, without `-g`.
/// `dumb-init` sends it to the whole group by itself.
fn behind_an_init<'a, 's>(
    words: &'s [&'a str],
    container: &Container<'a>,
) -> Option<&'s [&'a str]> {
    let (init, mut words) = words.split_first()?;
    let known = ["tini", "tini-static", "docker-init"];
    // Where it is there, whatever it says.
    let by_variable = list(container.value, "env").iter();
    let mut by_variable = by_variable.map(|entry| text(entry, "name"));
    if !known.contains(&program(init)) || by_variable.any(|name| name == "TINI_KILL_PROCESS_GROUP")
    {
        return None;
    }
    while let [option, rest @ ..] = words
        && let Some(letters) = option.strip_prefix('-')
    {
        words = rest;
        match letters {
            "-" => break,
            _ if letters.contains('g') => return None,
            // These have a value.
            "p" | "e" => words = words.get(1..)?,
            _ => {}
        }
    }
    Some(words)
}

/// Whether a shell stays process 1 in front of the last command of its script. All of them are replaced by what `exec` is
/// given, with variables set in front of it, too. Tried, by the command line of the process: dash 0.5.12, Debian's `sh`,
/// stays in front of any other command. busybox 1.35 replaces itself by the last one, unless a line ends behind it, as a
/// text that YAML gives by `|` does. bash 5.2 does, unless a line with a comment follows. Neither does in a pipe.
fn stays_in_front(shell: &str, script: &str, image: &Image<'_>) -> Option<String> {
    if mentions(script, &["trap ", "tini", "dumb-init"]) {
        return None;
    }
    let script = Script::read(script, &|_| None);
    let last = script.commands.last().filter(|_| !script.cut)?;
    let words = last.run();
    let first = program(&words.first()?.text);
    let ends = ["exec", "done", "fi", "esac", "wait"];
    if ends.contains(&first) || last.end == End::Background {
        return None;
    }
    if MANAGERS.contains(&first) {
        return Some(format!(
            "{shell} starts {first}, which starts the server as its child"
        ));
    }
    let before = script.commands.iter().rev().nth(1);
    let piped = before.is_some_and(|command| command.end == End::Pipe);
    let busybox = ["alpine", "busybox"]
        .iter()
        .any(|word| image.tag.contains(word) || image.name().contains(word));
    let may_stay = piped
        || match shell {
            "ash" => last.newline,
            "sh" if busybox => last.newline,
            "sh" | "dash" => true,
            _ => last.comment,
        };
    may_stay.then(|| {
        format!(
            "{shell} -c starts the server without exec, and may stay in front of it as process 1"
        )
    })
}

fn ungraceful(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    const QUIT: [&str; 6] = [
        "quit",
        "sigquit",
        "graceful",
        "winch",
        "/wait-shutdown",
        "kill -3",
    ];
    let told = container
        .pre_stop
        .as_ref()
        .is_some_and(|hook| hook.says(&QUIT) || hook.ours.is_some_and(Ours::ends_gracefully));
    // A signal of the manifest's own (KEP-4960) is an answer to this.
    if told || container.value["lifecycle"]["stopSignal"].is_string() {
        return;
    }
    let image = &container.image;
    let words = container.words();
    let message = if image.is_official("nginx")
        && image.version().is_some_and(|version| version < (1, 19))
    {
        "this image of nginx gets SIGTERM, which is its fast shutdown; those from 1.20 on get SIGQUIT"
    } else if image.is_official("php") && image.tag.contains("fpm") && !sets_fpm_timeout(container)
    {
        "php-fpm gives its workers a second, unless process_control_timeout says more"
    } else if words.iter().any(|word| program(word) == "uwsgi")
        && !words.iter().any(|word| {
            mentions(
                word,
                &[
                    "die-on-term",
                    ".ini",
                    ".yml",
                    ".yaml",
                    ".xml",
                    ".json",
                    "hook-master-start",
                ],
            )
        })
    {
        "uWSGI reloads on SIGTERM and does not end, unless it is told die-on-term"
    } else {
        return;
    };
    let field = if message.starts_with("uWSGI") {
        "/command"
    } else {
        "/image"
    };
    found.in_container(Id::Sr106, workload, container, field, message.to_owned());
}

/// Whether a file of php-fpm's settings is mounted; what is in an image cannot be seen.
fn sets_fpm_timeout(container: &Container<'_>) -> bool {
    list(container.value, "volumeMounts")
        .iter()
        .any(|mount| mentions(text(mount, "mountPath"), &["php-fpm", "fpm.d", "fpm.conf"]))
}
