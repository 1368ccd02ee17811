//! Policy and template in, everything that is wanted of the template out.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::base::{Base, BaseContainer, POD_IP, VARIABLES, integer, may_be_ours};
use super::emit::{Wanted, WantedContainer};
use super::env::{self, Entry};
use super::hook::{self, PreStop};
use super::probe::{self, Probe};
use super::report::{Reason, Step, Timeline};
use super::status::{self, Change, Status, Swap, Was};
use super::view::{self, Container, List, Presence, Template};
use super::{Ask, Stop, rollout, target};
use crate::leave::{self, Leave, MOUNT_PATH, Place, VOLUME};
use crate::policy::Policy;

/// Seconds for the kubelet's own work between the hook and SIGKILL.
const MARGIN: i64 = 5;
/// The API's default for terminationGracePeriodSeconds.
pub(super) const DEFAULT_GRACE: i64 = 30;
/// `--max-graceful-termination-sec` of the cluster autoscaler.
const AUTOSCALER_LIMIT: i64 = 600;

const MOUNT: &str = r#"{"name":"silkroll","readOnly":true,"mountPath":"/silkroll"}"#;

/// What is to be injected, and what to say about it.
#[derive(Debug)]
pub(super) struct Injection<'a> {
    pub(super) wanted: Wanted,
    pub(super) rollout: rollout::Wanted,
    pub(super) status: Status<'a>,
    pub(super) warnings: Vec<String>,
    pub(super) steps: Vec<Step>,
    explain: bool,
    pub(super) timeline: Option<Timeline>,
}

/// Plans the injection of one workload.
pub(super) fn plan<'a>(
    ask: &Ask<'_>,
    policy: &Policy<'_>,
    template: &'a Template<'a>,
    base: &Base<'a>,
    record: Option<&'a Status<'a>>,
    users: &rollout::Users<'_>,
    inputs: String,
) -> Result<Injection<'a>, Stop> {
    if is_windows(template) {
        return Err(Stop::skip(
            Reason::Windows,
            "nothing was injected: this is a Windows pod, and the script needs a POSIX shell"
                .to_owned(),
        ));
    }
    let (targets, how) = target::choose(policy, template)?;
    let mut plan = Injection {
        wanted: Wanted::default(),
        rollout: rollout::Wanted::default(),
        status: Status::new(inputs),
        warnings: Vec::new(),
        steps: Vec::new(),
        explain: ask.explain,
        timeline: None,
    };
    let mut budget = Budget::default();
    for (at, container) in template.spec.containers.iter().enumerate() {
        if !targets.contains(&at) {
            plan.wanted.containers.push(WantedContainer::default());
            continue;
        }
        plan.step("container", container, || how.to_owned());
        let ports = target::tcp_ports(container.ports);
        let place = Place {
            workload: ask.workload_name(),
            container: &container.name,
            ports: &ports,
        };
        let leave = leave::plan(policy, &place).map_err(Stop::Problem)?;
        plan.container(
            ask,
            policy,
            container,
            &base.containers[at],
            &place,
            &leave,
            &mut budget,
        )?;
    }
    plan.volume(ask, template, base)?;
    plan.grace(policy, template, base, &budget)?;
    plan.rollout(ask, policy, users);
    plan.remember_empties(template, base, record);
    Ok(plan)
}

/// The seconds that hooks take, at most, over all containers.
#[derive(Debug, Default)]
struct Budget {
    hooks: bool,
    leave: i64,
    drain: i64,
    own: i64,
}

impl<'a> Injection<'a> {
    /// The text is made only where somebody reads it.
    fn step(
        &mut self,
        part: &'static str,
        container: &Container<'_>,
        text: impl FnOnce() -> String,
    ) {
        if self.explain {
            self.steps.push(Step {
                part,
                container: container.name.clone().into_owned(),
                text: text(),
            });
        }
    }

    fn pod_step(&mut self, part: &'static str, text: impl FnOnce() -> String) {
        if self.explain {
            self.steps.push(Step {
                part,
                container: String::new(),
                text: text(),
            });
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one container, each used once"
    )]
    fn container(
        &mut self,
        ask: &Ask<'_>,
        policy: &Policy<'_>,
        container: &'a Container<'a>,
        base: &BaseContainer<'a>,
        place: &Place<'_>,
        leave: &Leave,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let mut wanted = WantedContainer::default();
        let mut record = status::Container::default();
        let name = container.name.as_ref();

        let user = base.pre_stop.user.as_deref();
        let mut own = 0;
        match hook::pre_stop(policy, leave, user, place, ask.settings.native_sleep) {
            PreStop::Set(hook) => {
                self.step("pre-stop", container, || hook.line);
                own = hook.own;
                budget.hooks = true;
                budget.drain = i64::from(policy.drain);
                if leave.calls {
                    budget.leave = i64::from(policy.leave_timeout);
                }
                self.warn_of_own_hook(policy, container, base, hook.sleep.is_some());
                record.pre_stop = Some(status::Hook {
                    sleep: hook.sleep,
                    over: base.pre_stop.user.as_deref().and_then(recorded),
                });
                wanted.pre_stop = Some(hook.text);
            }
            PreStop::Keep(why) => self.step("pre-stop", container, || why.to_owned()),
            PreStop::Unchainable(why) => {
                self.step("pre-stop", container, || format!("kept: {why}"));
                self.warnings.push(format!(
                    "container {name}: no preStop hook was injected, the one there cannot be chained: {why}"
                ));
            }
        }
        budget.own = budget.own.max(i64::from(own));
        let script = record
            .pre_stop
            .as_ref()
            .is_some_and(|hook| hook.sleep.is_none());

        if script && leave.comes_back && policy.start_hook {
            self.start_hook(container, base, place, &mut wanted, &mut record);
        }
        if script {
            wanted.mount = Some(MOUNT);
            record.mount = true;
            check_mounts(container, base)?;
        }
        let mut entries = vec![env::pod_ip()];
        if script {
            entries.extend(env::script(policy, leave, own));
        }
        self.env(container, base, entries, &mut wanted, &mut record);
        self.readiness(policy, container, base, place, &mut wanted, &mut record)?;
        self.wanted.containers.push(wanted);
        if !record.is_empty() {
            self.status
                .containers
                .insert(container.name.clone(), record);
        }
        Ok(())
    }

    fn warn_of_own_hook(
        &mut self,
        policy: &Policy<'_>,
        container: &Container<'_>,
        base: &BaseContainer<'_>,
        native: bool,
    ) {
        let Some(user) = base.pre_stop.user.as_deref() else {
            return;
        };
        let chained = policy.existing_pre_stop == crate::policy::ExistingPreStop::Chain;
        if native || !chained {
            return;
        }
        if policy.existing_pre_stop_seconds.is_none() && !user.get().contains("\"sleep\":{") {
            self.warnings.push(format!(
                "container {}: its own preStop runs after the drain, in the app's shutdown time; \
                 say what it needs with silkroll.dev/existing-pre-stop-seconds",
                container.name
            ));
        }
        if !hook::shows_shell(&shell_evidence(container, base)) {
            self.warnings.push(format!(
                "container {}: chaining its own preStop needs /bin/sh in the image; without one set \
                 silkroll.dev/existing-pre-stop to keep",
                container.name
            ));
        }
    }

    fn start_hook(
        &mut self,
        container: &'a Container<'a>,
        base: &BaseContainer<'a>,
        place: &Place<'_>,
        wanted: &mut WantedContainer,
        record: &mut status::Container<'a>,
    ) {
        match hook::post_start(base.post_start.user.as_deref(), place) {
            Ok(hook) => {
                self.step("post-start", container, || hook.line);
                let new = !base.post_start.ours;
                if new && !hook::shows_shell(&shell_evidence(container, base)) {
                    self.warnings.push(format!(
                        "container {}: a start hook runs /bin/sh; an image without a shell will not \
                         start with it: then set silkroll.dev/start-hook to none",
                        container.name
                    ));
                }
                record.post_start = Some(status::Hook {
                    sleep: None,
                    over: base.post_start.user.as_deref().and_then(recorded),
                });
                wanted.post_start = Some(hook.text);
            }
            Err(why) => {
                self.step("post-start", container, || format!("none: {why}"));
                self.warnings.push(format!(
                    "container {}: no start hook, the postStart there cannot be chained: {why}; \
                     a restarted container may stay out of its registry",
                    container.name
                ));
            }
        }
    }

    fn env(
        &mut self,
        container: &Container<'_>,
        base: &BaseContainer<'_>,
        entries: Vec<Entry>,
        wanted: &mut WantedContainer,
        record: &mut status::Container<'a>,
    ) {
        let users: Vec<Cow<'_, str>> = container
            .env
            .items
            .iter()
            .enumerate()
            .filter(|(at, _)| base.our_env.binary_search(at).is_err())
            .filter(|(_, item)| may_be_ours(item))
            .map(|(_, item)| view::name_of(item))
            .collect();
        for entry in entries {
            if users.iter().any(|name| name == entry.name) {
                self.step("env", container, || {
                    format!("{} stays as the container has it", entry.name)
                });
                continue;
            }
            record.env.push(Cow::Borrowed(entry.name));
            wanted.env.push(entry);
        }
        if !wanted.env.is_empty() {
            self.step("env", container, || env_line(&wanted.env));
        }
    }

    fn readiness(
        &mut self,
        policy: &Policy<'_>,
        container: &Container<'_>,
        base: &BaseContainer<'_>,
        place: &Place<'_>,
        wanted: &mut WantedContainer,
        record: &mut status::Container<'a>,
    ) -> Result<(), Stop> {
        let plan = probe::plan(policy, place).map_err(Stop::Problem)?;
        if base.readiness.is_some() {
            self.step("readiness", container, || {
                "the container has a probe, it stays".to_owned()
            });
            return Ok(());
        }
        match plan {
            Probe::Add(text, line) => {
                self.step("readiness", container, || line);
                record.readiness = RawValue::from_string(text.clone()).ok().map(Cow::Owned);
                wanted.readiness = Some(text);
            }
            Probe::NotWanted => self.step("readiness", container, || "none, as asked".to_owned()),
            Probe::NoPort(why) => {
                self.step("readiness", container, || format!("none: {why}"));
                self.warnings.push(format!(
                    "container {}: no readiness probe was added, {why}; set silkroll.dev/readiness",
                    container.name
                ));
            }
        }
        Ok(())
    }

    fn volume(
        &mut self,
        ask: &Ask<'_>,
        template: &Template<'_>,
        base: &Base<'_>,
    ) -> Result<(), Stop> {
        if self
            .wanted
            .containers
            .iter()
            .all(|container| container.mount.is_none())
        {
            return Ok(());
        }
        let taken = template
            .spec
            .volumes
            .items
            .iter()
            .enumerate()
            .any(|(at, volume)| {
                base.our_volumes.binary_search(&at).is_err() && view::name_of(volume) == VOLUME
            });
        if taken {
            return Err(Stop::skip(
                Reason::NameTaken,
                format!(
                    "nothing was injected: the pod has a volume named {VOLUME} of its own; rename it"
                ),
            ));
        }
        let name = &ask.settings.script.config_map;
        // Optional: a missing ConfigMap must not keep a pod from starting. 365 is 0555: readable and
        // executable for whatever user the container runs as.
        self.wanted.volume = Some(format!(
            r#"{{"name":"{VOLUME}","configMap":{{"name":"{name}","defaultMode":365,"optional":true}}}}"#
        ));
        self.pod_step("volume", || {
            format!("the script from ConfigMap {name}, mounted at {MOUNT_PATH}")
        });
        Ok(())
    }

    fn grace(
        &mut self,
        policy: &Policy<'_>,
        template: &Template<'_>,
        base: &Base<'_>,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let before = match base.our_grace {
            Some(change) => change.before,
            None => match template.spec.grace {
                None => None,
                Some(raw) if raw.get() == "null" => None,
                Some(raw) => match integer(Some(raw)) {
                    // The API server refuses it with a better message than a raised number would get.
                    Some(seconds) if (0..=i64::from(i32::MAX)).contains(&seconds) => Some(seconds),
                    _ => {
                        return Err(Stop::skip(
                            Reason::BadGracePeriod,
                            format!(
                                "nothing was injected: terminationGracePeriodSeconds is {}, allowed is a whole number from 0",
                                crate::policy::cut(raw.get(), 40)
                            ),
                        ));
                    }
                },
            },
        };
        let had = before.unwrap_or(DEFAULT_GRACE);
        let own = budget
            .own
            .max(i64::from(policy.existing_pre_stop_seconds.unwrap_or(0)));
        let shutdown = policy.shutdown.map_or(had, i64::from);
        let hook_needs = budget.leave + budget.drain + own;
        let needed = hook_needs + shutdown + MARGIN;
        let grace = if budget.hooks || own > 0 || policy.shutdown.is_some() {
            needed.max(had)
        } else {
            had
        };
        if grace != had || base.our_grace.is_some() {
            self.wanted.grace = Some(grace);
        }
        if grace != had {
            self.status.grace = Some(Change {
                before,
                after: grace,
            });
        }
        self.pod_step("grace", || format!(
                "{grace} s: leave {} + drain {} + own hook {own} + shutdown {shutdown} + {MARGIN}, never less than {had}",
                budget.leave, budget.drain
            ),
        );
        if grace > AUTOSCALER_LIMIT {
            self.warnings.push(format!(
                "terminationGracePeriodSeconds is {grace}; the cluster autoscaler cuts it at {AUTOSCALER_LIMIT} s unless told otherwise"
            ));
        }
        self.timeline = Some(Timeline {
            leave: budget.leave,
            drain: budget.drain,
            hook: own,
            sigterm: hook_needs,
            shutdown: grace - hook_needs,
            sigkill: grace,
        });
        Ok(())
    }

    fn rollout(&mut self, ask: &Ask<'_>, policy: &Policy<'_>, users: &rollout::Users<'_>) {
        if policy.surge {
            match rollout::surge(ask.kind, users.strategy.as_deref()) {
                rollout::Surge::Set(text) => {
                    self.pod_step("rollout", || {
                        "maxUnavailable 0, maxSurge at least 1".to_owned()
                    });
                    self.rollout.strategy = RawValue::from_string(text).ok().map(|after| Swap {
                        before: users
                            .strategy
                            .as_deref()
                            .map(|raw| Cow::Owned(raw.to_owned())),
                        after: Cow::Owned(after),
                    });
                }
                rollout::Surge::Already => {
                    self.pod_step("rollout", || "surges already".to_owned());
                }
                rollout::Surge::Cannot(why) => self.warnings.push(why.to_owned()),
            }
        }
        if let Some(seconds) = policy.min_ready {
            if users.min_ready.unwrap_or(0) == 0 && seconds > 0 {
                self.pod_step("min-ready", || format!("minReadySeconds {seconds}"));
                self.rollout.min_ready = Some(Change {
                    before: users.min_ready,
                    after: i64::from(seconds),
                });
            } else {
                self.pod_step("min-ready", || "stays as the object has it".to_owned());
            }
        }
        self.status.strategy = self.rollout.strategy.clone();
        self.status.min_ready = self.rollout.min_ready;
    }

    /// Members that stand there empty or null, and that injecting fills: giving back means to give
    /// back those, too. Where ours stand there already, the old record knows.
    fn remember_empties(
        &mut self,
        template: &'a Template<'a>,
        base: &Base<'a>,
        record: Option<&'a Status<'a>>,
    ) {
        let was = &mut self.status.was;
        let old = record.map(|record| &record.was);
        if self.wanted.volume.is_some() {
            remember_list(
                was,
                "volumes",
                &template.spec.volumes,
                &base.our_volumes,
                old,
            );
        }
        if self.wanted.grace.is_some() {
            let null = template.spec.grace.filter(|raw| raw.get() == "null");
            remember(was, "terminationGracePeriodSeconds", null, old);
        }
        let metadata = &template.metadata;
        if metadata.annotations.others.is_empty()
            && metadata
                .annotations
                .ours
                .iter()
                .all(|(key, _)| key == crate::policy::STATUS)
        {
            if record.is_some() {
                remember(was, "annotations", None, old);
                remember(was, "metadata", None, old);
            } else {
                remember_empty(was, "annotations", metadata.annotations.presence);
                if metadata.annotations.presence == Presence::Absent && metadata.rest.is_empty() {
                    remember_empty(was, "metadata", metadata.presence);
                }
            }
        }
        for (at, container) in template.spec.containers.iter().enumerate() {
            let wanted = &self.wanted.containers[at];
            let parted = &base.containers[at];
            let mut was = Was::new();
            let old = parted.was;
            if !wanted.env.is_empty() {
                remember_list(&mut was, "env", &container.env, &parted.our_env, old);
            }
            if wanted.mount.is_some() {
                remember_list(
                    &mut was,
                    "volumeMounts",
                    &container.mounts,
                    &parted.our_mounts,
                    old,
                );
            }
            let nothing = |raw: &&RawValue| raw.get() == "null" || view::members(raw).is_empty();
            if wanted.pre_stop.is_some() || wanted.post_start.is_some() {
                remember(
                    &mut was,
                    "lifecycle",
                    container.lifecycle.filter(nothing),
                    old,
                );
                for (name, hook, set) in [
                    ("preStop", &parted.pre_stop, wanted.pre_stop.is_some()),
                    ("postStart", &parted.post_start, wanted.post_start.is_some()),
                ] {
                    if set {
                        remember(&mut was, name, hook.present.filter(nothing), old);
                    }
                }
            }
            if wanted.readiness.is_some() {
                let null = container.readiness.filter(|raw| raw.get() == "null");
                remember(&mut was, "readinessProbe", null, old);
            }
            if !was.is_empty()
                && let Some(record) = self.status.containers.get_mut(&container.name)
            {
                record.was = was;
            }
        }
    }
}

fn env_line(entries: &[Entry]) -> String {
    let settings = entries
        .iter()
        .filter(|entry| entry.name.starts_with(VARIABLES))
        .count();
    let address = entries.iter().any(|entry| entry.name == POD_IP);
    match (address, settings) {
        (true, 0) => "podip from status.podIP".to_owned(),
        (true, _) => format!("podip from status.podIP and {settings} settings of the script"),
        (false, _) => format!("{settings} settings of the script"),
    }
}

/// A hook of the user's as the record keeps it.
fn recorded<'a>(hook: &RawValue) -> Option<Cow<'a, RawValue>> {
    let text = super::patch::plain(hook).into_owned();
    RawValue::from_string(text).ok().map(Cow::Owned)
}

fn remember<'a>(
    was: &mut Was<'a>,
    name: &'static str,
    present: Option<&'a RawValue>,
    old: Option<&'a Was<'a>>,
) {
    let kept = old.and_then(|old| old.get(name)).map(|raw| &**raw);
    if let Some(raw) = present.or(kept) {
        was.insert(Cow::Borrowed(name), Cow::Borrowed(raw));
    }
}

fn remember_empty(was: &mut Was<'_>, name: &'static str, presence: Presence) {
    let text = match presence {
        Presence::Absent => return,
        Presence::Null => "null",
        Presence::Present => "{}",
    };
    if let Ok(raw) = RawValue::from_string(text.to_owned()) {
        was.insert(Cow::Borrowed(name), Cow::Owned(raw));
    }
}

fn remember_list<'a>(
    was: &mut Was<'a>,
    name: &'static str,
    list: &List<'_>,
    ours: &[usize],
    old: Option<&'a Was<'a>>,
) {
    if !ours.is_empty() {
        remember(was, name, None, old);
        return;
    }
    let text = match list.presence {
        Presence::Null => "null",
        Presence::Present if list.items.is_empty() => "[]",
        _ => return,
    };
    if let Ok(raw) = RawValue::from_string(text.to_owned()) {
        was.insert(Cow::Borrowed(name), Cow::Owned(raw));
    }
}

/// Below counts, too: ours is read-only, so no mount point can be made in it and the container would
/// not start.
fn is_at_or_below(path: &str) -> bool {
    let below = path.strip_prefix(MOUNT_PATH);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn check_mounts(container: &Container<'_>, base: &BaseContainer<'_>) -> Result<(), Stop> {
    let taken = container
        .mounts
        .items
        .iter()
        .enumerate()
        .any(|(at, mount)| {
            let path =
                view::member(&view::members(mount), "mountPath").map(|raw| raw.get().to_owned());
            let path = path.and_then(|text| serde_json::from_str::<String>(&text).ok());
            base.our_mounts.binary_search(&at).is_err()
                && path.is_some_and(|path| is_at_or_below(&path))
        });
    if taken {
        return Err(Stop::skip(
            Reason::NameTaken,
            format!(
                "nothing was injected: container {} mounts something of its own at {MOUNT_PATH} or below; move it",
                container.name
            ),
        ));
    }
    Ok(())
}

/// What the container's own parts say about its image; hooks of ours name a shell without proving one.
fn shell_evidence<'a>(container: &Container<'a>, base: &'a BaseContainer<'_>) -> Vec<&'a str> {
    let telling = ["command", "args", "livenessProbe", "startupProbe"];
    let rest = container
        .rest
        .iter()
        .filter(|(key, _)| telling.contains(&key.as_ref()))
        .map(|(_, value)| value.get());
    let users = [&base.readiness, &base.pre_stop.user, &base.post_start.user];
    let users = users.into_iter().filter_map(|raw| raw.as_deref());
    rest.chain(users.map(RawValue::get)).collect()
}

fn is_windows(template: &Template<'_>) -> bool {
    let named = |raw: Option<&RawValue>, key: &str| {
        raw.is_some_and(|raw| {
            view::member(&view::members(raw), key).is_some_and(|value| value.get() == "\"windows\"")
        })
    };
    let rest = &template.spec.rest;
    named(view::member(rest, "os"), "name")
        || named(view::member(rest, "nodeSelector"), "kubernetes.io/os")
}
