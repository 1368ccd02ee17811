//! SR101 to SR108: what happens between the deletion of a pod and its end.

use super::super::hook::{Hook, SHELLS, mentions, program, shell_script};
use super::super::ours::Ours;
use super::super::read::text;
use super::super::table::Id;
use super::super::workload::{Container, Serves, Workload};
use super::Found;

/// What an app gets at least to end by itself: the margin that Silkroll leaves, in seconds.
const MARGIN: i64 = 5;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    let grace = workload.grace();
    for container in &workload.containers {
        nothing_waits(workload, container, found);
        if let Some(hook) = &container.pre_stop
            && grace > 1
        {
            times(workload, container, hook, found);
        }
        no_shell(workload, container, found);
        if workload.serves() {
            ungraceful(workload, container, found);
        }
    }
    if workload.serves() {
        for container in workload.serving() {
            in_front(workload, container, found);
            framework(workload, container, found);
        }
        if grace <= 1 {
            found.add(
                Id::Sr107,
                workload.at,
                workload.of_pod("terminationGracePeriodSeconds"),
                format!("terminationGracePeriodSeconds is {grace}"),
            );
        }
    }
}

/// Arguments by which a server itself goes on serving for a while after SIGTERM: Traefik, the ingress-nginx controller,
/// kube-apiserver and what is built on its library, `CoreDNS`.
const WAITING: [&str; 5] = [
    "requestacceptgracetimeout",
    "shutdown-grace-period",
    "shutdown-delay",
    "lameduck",
    "graceful-drain",
];

fn nothing_waits(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let why = match container.serves {
        Serves::No => return,
        Serves::Presumed => "it declares ports",
        Serves::Registered => "callers find it in a registry",
        Serves::Led => "a Service leads to it",
    };
    // Where the one pod ends before the next begins, nobody takes over while it waits: SR301 and SR302 say so.
    let alone = workload.replicas().is_some_and(|replicas| replicas <= 1)
        && (workload.is("StatefulSet")
            || text(&workload.object.spec()["strategy"], "type") == "Recreate");
    if alone
        || container.is_istio()
        || container
            .words()
            .iter()
            .any(|word| mentions(word, &WAITING))
    {
        return;
    }
    let (field, message) = match &container.pre_stop {
        None => ("", format!("{why}, and it has no preStop hook")),
        Some(hook) if hook.delays_nothing() => (
            "/lifecycle/preStop",
            format!("{why}, and its preStop hook ends at once"),
        ),
        Some(_) => return,
    };
    found.in_container(Id::Sr101, workload, container, field, message);
}

fn times(
    workload: &Workload<'_, '_>,
    container: &Container<'_>,
    hook: &Hook<'_>,
    found: &mut Found,
) {
    let grace = workload.grace();
    let takes = if hook.time.more > 0 {
        "takes up to"
    } else {
        "takes"
    };
    let hook = seconds(hook);
    if hook >= grace {
        let message = format!("the hook {takes} {hook} s, the grace period is {grace} s");
        let id = Id::Sr102;
        found.in_container(id, workload, container, "/lifecycle/preStop", message);
        return;
    }
    let told = shutdown(workload, container);
    let needs = told.unwrap_or(MARGIN);
    if hook > 0 && hook.saturating_add(needs) > grace {
        let left = grace - hook;
        let what = match told {
            Some(seconds) => format!("the app is told to take {seconds} s"),
            None => format!("less than {MARGIN} s is hardly enough for any app"),
        };
        let message = format!(
            "the hook {takes} {hook} s of the {grace} s, which leaves the app {left} s; {what}"
        );
        let id = Id::Sr103;
        found.in_container(id, workload, container, "/lifecycle/preStop", message);
    }
}

/// What is to be reckoned with.
fn seconds(hook: &Hook<'_>) -> i64 {
    i64::try_from(hook.time.reckoned()).unwrap_or(i64::MAX)
}

/// The seconds that an app is told to take for its shutdown, where the manifest says so.
fn shutdown(workload: &Workload<'_, '_>, container: &Container<'_>) -> Option<i64> {
    const ARGUMENTS: [&str; 6] = [
        "--graceful-timeout",
        "--timeout-graceful-shutdown",
        "--shutdown-timeout",
        "--graceful-shutdown-timeout",
        "--spring.lifecycle.timeout-per-shutdown-phase",
        "-Dspring.lifecycle.timeout-per-shutdown-phase",
    ];
    const KEY: &str = "silkroll.dev/shutdown-seconds";
    let own = workload.object.annotation(KEY);
    let template = text(&workload.metadata["annotations"], KEY);
    if let Some(told) = [own, template]
        .into_iter()
        .find_map(|text| text.parse().ok())
    {
        return Some(told);
    }
    if let Some(told) = container.env("SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE") {
        return duration(told);
    }
    let words = container.words();
    let mut words = words
        .iter()
        .flat_map(|word| word.split_whitespace())
        .peekable();
    while let Some(word) = words.next() {
        let (name, value) = word
            .split_once('=')
            .map_or((word, None), |(name, value)| (name, Some(value)));
        if ARGUMENTS.contains(&name) {
            return duration(value.or_else(|| words.peek().copied())?);
        }
    }
    None
}

/// `20`, `20s`, `PT20S`, `1m`.
fn duration(text: &str) -> Option<i64> {
    let text = text.trim_matches(['"', '\'']).to_ascii_lowercase();
    let text = text.strip_prefix("pt").unwrap_or(&text);
    let (number, times) = match text.strip_suffix('s') {
        Some(number) => (number, 1),
        None => match text.strip_suffix('m') {
            Some(number) => (number, 60),
            None => (text, 1),
        },
    };
    number
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(times))
}

/// What only a shell or the tools beside one can run.
const TOOLS: [&str; 9] = [
    "sleep", "curl", "wget", "kill", "pkill", "killall", "echo", "touch", "cat",
];

fn no_shell(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    if !container.image.has_no_shell() {
        return;
    }
    let hooks = [
        ("/lifecycle/preStop", &container.pre_stop),
        ("/lifecycle/postStart", &container.post_start),
    ];
    for (field, hook) in hooks {
        let Some(hook) = hook else {
            continue;
        };
        let first = hook.command.first().copied().unwrap_or_default();
        let missing = |word: &str| SHELLS.contains(&word) || TOOLS.contains(&word);
        let message = match (program(first), program(hook.chained)) {
            (first, _) if missing(first) => {
                format!("the hook runs {first}, which the image does not have")
            }
            (_, own) if missing(own) => {
                format!("behind Silkroll's the hook runs {own}, which the image does not have")
            }
            _ => continue,
        };
        found.in_container(Id::Sr104, workload, container, field, message);
    }
}

/// Package managers that run a script as a child, behind a shell.
const MANAGERS: [&str; 4] = ["npm", "yarn", "pnpm", "npx"];

fn in_front(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let words = container.words();
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
    let Some(script) = shell_script(&words) else {
        return;
    };
    if let Some(message) = stays_in_front(first, script, &container.image) {
        found.in_container(Id::Sr105, workload, container, field, message);
    }
}

/// Whether a shell stays process 1 in front of the last command of its script. Tried: dash 0.5.12, Debian's `sh`, stays in
/// front of any command; bash 5.2 and busybox replace themselves by the last one, where nothing is left to do.
fn stays_in_front(
    shell: &str,
    script: &str,
    image: &super::super::image::Image<'_>,
) -> Option<String> {
    let lines = script.lines().map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    // What goes on in the next line is one command.
    let joined = lines.join("\n").replace("\\\n", " ");
    if joined.contains("trap ") || joined.contains("tini") || joined.contains("dumb-init") {
        return None;
    }
    let last = joined
        .split(['\n', ';'])
        .rev()
        .map(str::trim)
        .find(|part| !part.is_empty())?;
    let last = last.rsplit("&&").next().unwrap_or(last).trim();
    if ["exec ", "exec\t", "done", "fi", "esac", "wait", "}"]
        .iter()
        .any(|begin| last.starts_with(begin))
    {
        return None;
    }
    let mut words = last
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let first = program(words.next().unwrap_or_default());
    if MANAGERS.contains(&first) {
        return Some(format!(
            "{shell} starts {first}, which starts the server as its child"
        ));
    }
    let piped = last.contains('|') && !last.contains("||");
    let busybox = ["alpine", "busybox"]
        .iter()
        .any(|word| image.tag.contains(word) || image.name().contains(word));
    let may_stay = piped || (matches!(shell, "sh" | "dash") && !busybox);
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
    let told = container.pre_stop.as_ref().is_some_and(|hook| {
        mentions(&hook.text, &QUIT) || hook.ours.is_some_and(Ours::ends_gracefully)
    });
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
    } else if image.is_official("php")
        && image.tag.contains("fpm")
        && !sets_fpm_timeout(workload, container)
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
fn sets_fpm_timeout(workload: &Workload<'_, '_>, container: &Container<'_>) -> bool {
    let _ = workload;
    super::super::read::list(container.value, "volumeMounts")
        .iter()
        .any(|mount| mentions(text(mount, "mountPath"), &["php-fpm", "fpm.d", "fpm.conf"]))
}

fn framework(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let words = container.words();
    let says = |parts: &[&str]| words.iter().any(|word| mentions(word, parts));
    let probes = ["readinessProbe", "livenessProbe", "startupProbe"];
    let actuator = probes
        .iter()
        .any(|probe| text(&container.value[*probe]["httpGet"], "path").contains("/actuator/"));
    let entries = super::super::read::list(container.value, "env").iter();
    let spring = actuator
        || says(&["-dspring.", "--spring."])
        || entries
            .map(|entry| text(entry, "name"))
            .any(|name| name.starts_with("SPRING_"));
    let gunicorn = says(&["gunicorn"]);
    let (name, takes, setting) = if spring {
        (
            "Spring Boot",
            30,
            "spring.lifecycle.timeout-per-shutdown-phase",
        )
    } else if gunicorn {
        ("gunicorn", 30, "--graceful-timeout")
    } else {
        return;
    };
    // What it is told is SR103's.
    if shutdown(workload, container).is_some() {
        return;
    }
    let hook = container.pre_stop.as_ref().map_or(0, seconds);
    let left = workload.grace().saturating_sub(hook);
    if left > 1 && left < takes {
        let message =
            format!("{left} s are left for {name}, which takes up to {takes} s ({setting})");
        found.add(
            Id::Sr108,
            workload.at,
            workload.of_pod("terminationGracePeriodSeconds"),
            message,
        );
        if let Some(last) = found.0.last_mut() {
            container.name.clone_into(&mut last.container);
        }
    }
}
