//! SR101 to SR104, SR107 and SR108: the time between the deletion of a pod and its end.

use super::super::hook::{LifecycleHandler, SHELLS, mentions, program};
use super::super::jvm;
use super::super::read::text;
use super::super::registry;
use super::super::rule::Id;
use super::super::staying::Staying;
use super::super::workload::{Container, Serves, Workload};
use super::Found;

/// What an app gets at least to end by itself: the margin that Silkroll leaves, in seconds.
const MARGIN: i64 = 5;

pub(super) fn of(workload: &Workload<'_, '_>, found: &mut Found) {
    let grace = workload.grace();
    for container in workload.all() {
        nothing_waits(workload, container, found);
        if let Some(hook) = &container.pre_stop
            && grace > 1
        {
            times(workload, container, hook, found);
        }
        no_shell(workload, container, found);
    }
    if workload.serves() {
        for container in workload.serving() {
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

/// Images of servers that serve on for some seconds after SIGTERM by themselves, by parts of their name, as their sources
/// have it: Knative's webhooks and its activator (`DefaultDrainTimeout` in knative.dev/pkg, 45 s), podinfo (3 s), the demo of
/// Argo Rollouts (`termination-delay`, 10 s), and Gatekeeper (`--shutdown-delay` in main.go of v3.23, 10 s).
const PATIENT: [(&str, &str); 5] = [
    ("knative.dev/", "/cmd/webhook"),
    ("knative.dev/", "/cmd/activator"),
    ("stefanprodan/", "/podinfo"),
    ("argoproj/", "/rollouts-demo"),
    ("openpolicyagent/", "/gatekeeper"),
];

/// Whether the server itself waits after SIGTERM, as far as its manifest shows.
fn waits_itself(container: &Container<'_>) -> bool {
    let image = container.image.repository;
    let known = |(whose, name): &(&str, &str)| image.contains(whose) && image.ends_with(name);
    container.is_istio()
        || PATIENT.iter().any(known)
        || container
            .words()
            .iter()
            .any(|word| mentions(word, &WAITING))
}

/// Whether a native sidecar gets its SIGTERM late enough: the kubelet sends it when all other containers have ended
/// (`terminationOrdering` in `pkg/kubelet/kuberuntime`), so their hooks delay it, too.
fn waits_for_the_app(workload: &Workload<'_, '_>, container: &Container<'_>) -> bool {
    let beside = workload
        .sidecars
        .iter()
        .any(|one| one.path == container.path);
    let waits = |one: &Container<'_>| {
        one.pre_stop
            .as_ref()
            .is_some_and(|hook| !hook.delays_nothing())
    };
    beside && workload.containers.iter().any(waits)
}

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
            || text(&workload.runner.spec()["strategy"], "type") == "Recreate");
    if alone || waits_itself(container) || waits_for_the_app(workload, container) {
        return;
    }
    let (field, message) = match &container.pre_stop {
        None => ("", format!("{why}, and it has no preStop hook")),
        Some(hook) => {
            let message = match (hook.in_vain, container.registry, hook.stays()) {
                (Some(how), ..) => format!("{why}, and its preStop hook {how}"),
                (None, Some(registry), Some(Staying::Throughout)) => format!(
                    "callers seem to find it in {registry}, and it stays there while its preStop hook waits"
                ),
                (None, Some(registry), Some(Staying::UntilTheEnd)) => format!(
                    "callers seem to find it in {registry}, and its preStop hook waits first and takes it out at the end"
                ),
                _ => return,
            };
            ("/lifecycle/preStop", message)
        }
    };
    let advice = container.registry.and_then(registry::way_out);
    found.advised(Id::Sr101, (workload, container), field, message, advice);
}

fn times(
    workload: &Workload<'_, '_>,
    container: &Container<'_>,
    hook: &LifecycleHandler<'_>,
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
        let message = if hook == i64::MAX {
            format!("the hook waits for ever, the grace period is {grace} s")
        } else {
            format!("the hook {takes} {hook} s, the grace period is {grace} s")
        };
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

/// What Silkroll reckons with for an app's shutdown where nobody says (`shutdown-seconds`), in seconds.
const SHUTDOWN: i64 = 30;

/// Whether a hook, as far as it is known, leaves the app less than it is told to take, or than Silkroll reckons with.
pub(in super::super) fn is_short(workload: &Workload<'_, '_>, container: &Container<'_>) -> bool {
    container.pre_stop.as_ref().is_some_and(|hook| {
        let needs = shutdown(workload, container).unwrap_or(SHUTDOWN);
        seconds(hook).saturating_add(needs) > workload.grace()
    })
}

/// What is to be reckoned with.
fn seconds(hook: &LifecycleHandler<'_>) -> i64 {
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

fn framework(workload: &Workload<'_, '_>, container: &Container<'_>, found: &mut Found) {
    let mut words = container.words().into_iter();
    let gunicorn = words.any(|word| mentions(word, &["gunicorn"]));
    // It waits for nothing then.
    if jvm::shutdown(container).is_some_and(|how| how.eq_ignore_ascii_case("immediate")) {
        return;
    }
    let (name, takes, setting) = if jvm::is_spring(container) {
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
        let pointer = workload.of_pod("terminationGracePeriodSeconds");
        found.of_container(Id::Sr108, workload, container, pointer, message);
    }
}
