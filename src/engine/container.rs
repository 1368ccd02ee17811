//! Everything that is wanted of one target container.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::base::{BaseContainer, POD_IP, VARIABLES, may_be_ours};
use super::emit::WantedContainer;
use super::env::{self, Entry};
use super::hook::{self, PreStop};
use super::inject::{Budget, Injection};
use super::own;
use super::probe::{self, Probe};
use super::status;
use super::view::{self, Container};
use super::{Ask, Stop};
use crate::leave::{Leave, Place};
use crate::policy::{Hook, Policy};

const MOUNT: &str = r#"{"name":"silkroll","readOnly":true,"mountPath":"/silkroll"}"#;

/// A container that serves traffic, and what is known of it.
pub(super) struct Target<'t, 'a> {
    pub(super) container: &'a Container<'a>,
    pub(super) base: &'t BaseContainer<'a>,
    pub(super) place: &'t Place<'t>,
    pub(super) leave: &'t Leave,
}

impl<'a> Injection<'a> {
    pub(super) fn container(
        &mut self,
        ask: &Ask<'_>,
        policy: &Policy<'_>,
        target: &Target<'_, 'a>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let Target {
            container,
            base,
            place,
            leave,
        } = *target;
        let mut wanted = WantedContainer::default();
        let mut record = status::Container::default();
        let name = container.name.as_ref();

        let user = base.pre_stop.user.as_deref();
        let own;
        match hook::pre_stop(policy, leave, user, place, ask.settings.native_sleep) {
            PreStop::Set(hook) => {
                self.step("pre-stop", container, || hook.line);
                own = hook.own;
                budget.hooks = true;
                budget.drain = i64::from(policy.drain);
                match leave.ends {
                    Some(seconds) => budget.end = budget.end.max(i64::from(seconds)),
                    None if leave.calls => budget.leave = i64::from(policy.leave_timeout),
                    None => {}
                }
                self.warn_of_own_hook(policy, container, base, hook.sleep.is_some());
                record.pre_stop = Some(status::Hook {
                    sleep: hook.sleep,
                    over: base.pre_stop.user.as_deref().and_then(recorded),
                });
                wanted.pre_stop = Some(hook.text);
            }
            PreStop::Keep(why) => {
                budget.kept = budget.kept.max(hook::sleeps(user).map_or(0, i64::from));
                own = kept_seconds(policy, user);
                self.step("pre-stop", container, || why.to_owned());
            }
            PreStop::Unchainable(why) => {
                budget.kept = budget.kept.max(hook::sleeps(user).map_or(0, i64::from));
                own = kept_seconds(policy, user);
                self.step("pre-stop", container, || format!("kept: {why}"));
                self.warnings.push(format!(
                    "container {name}: no preStop hook was injected, the one there cannot be chained: {why}"
                ));
            }
        }
        budget.own = budget.own.max(i64::from(own));
        budget.unbounded |= hook::is_unbounded(policy, user);
        let script = record
            .pre_stop
            .as_ref()
            .is_some_and(|hook| hook.sleep.is_none());

        if script && leave.comes_back && policy.start_hook {
            self.start_hook(policy, container, base, place, &mut wanted, &mut record);
        }
        if script {
            wanted.mount = Some(MOUNT);
            record.mount = true;
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
        if let Some(calls) = own::calls(user) {
            // `chain` written out is an answer to this warning, which says all there is to say.
            if !policy.says("existing-pre-stop") {
                let warning = own::warning(policy, &container.name, calls);
                self.warnings.push(warning);
            }
        } else if policy.existing_pre_stop_seconds.is_none() && !user.get().contains("\"sleep\":{")
        {
            self.warnings.push(format!(
                "container {}: its own preStop runs after the drain, in the app's shutdown time; \
                 say what it needs with silkroll.dev/existing-pre-stop-seconds",
                container.name
            ));
        }
        if shell_is_a_guess(policy, container, base) {
            self.warnings.push(format!(
                "container {}: chaining its own preStop needs /bin/sh in the image; without one set \
                 silkroll.dev/hook to binary, with one to script",
                container.name
            ));
        }
    }

    fn start_hook(
        &mut self,
        policy: &Policy<'_>,
        container: &'a Container<'a>,
        base: &BaseContainer<'a>,
        place: &Place<'_>,
        wanted: &mut WantedContainer,
        record: &mut status::Container<'a>,
    ) {
        match hook::post_start(policy, base.post_start.user.as_deref(), place) {
            Ok(hook) => {
                self.step("post-start", container, || hook.line);
                if !base.post_start.ours && shell_is_a_guess(policy, container, base) {
                    self.warnings.push(format!(
                        "container {}: a start hook runs /bin/sh; an image without a shell will not \
                         start with it: then set silkroll.dev/hook to binary, else to script",
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
        let merged = |name: &str| name == POD_IP && base.pod_ip.is_some();
        for entry in entries {
            if merged(entry.name) || users.iter().any(|name| name == entry.name) {
                self.step("env", container, || {
                    format!("{} stays as the container has it", entry.name)
                });
                self.warn_of_users_entry(container, entry.name, wanted.mount.is_some());
                continue;
            }
            record.env.push(Cow::Borrowed(entry.name));
            wanted.env.push(entry);
        }
        if !wanted.env.is_empty() {
            self.step("env", container, || env_line(&wanted.env));
        }
        if wanted.env.iter().any(|entry| entry.name == POD_IP) {
            self.warn_of_hidden_pod_ip(container, base);
        }
    }

    /// An `envFrom` that may set `podip` is in most large manifests, and hardly one does: a warning for
    /// each would be read by nobody. It is given where the container's own parts speak of `podip`, which
    /// then may have come from there.
    fn warn_of_hidden_pod_ip(&mut self, container: &Container<'_>, base: &BaseContainer<'_>) {
        if !env::may_come_from_elsewhere(container) {
            return;
        }
        let entries = container.env.items.iter().enumerate();
        let users = entries.filter(|(at, _)| base.our_env.binary_search(at).is_err());
        let mut texts = shell_evidence(container, base);
        texts.extend(users.map(|(_, entry)| entry.get()));
        if texts.iter().any(|text| text.contains(POD_IP)) {
            self.warnings.push(format!(
                "container {}: podip is the pod's address now, also where its envFrom sets another; to \
                 keep that, or to end this warning, write podip in its env",
                container.name
            ));
        } else {
            self.step("env", container, || {
                "podip of env stands over one of envFrom, if there is any".to_owned()
            });
        }
    }

    /// What the user wrote stays, but the script then does something else than the annotations say.
    fn warn_of_users_entry(&mut self, container: &Container<'_>, name: &str, script: bool) {
        let elsewhere = |item: &RawValue| {
            view::name_of(item) == name && !item.get().contains("\"status.podIP\"")
        };
        let foreign_address =
            name == POD_IP && container.env.items.iter().any(|item| elsewhere(item));
        if script && (name.starts_with(VARIABLES) || foreign_address) {
            self.warnings.push(format!(
                "container {}: its own variable {name} stays, and the hook goes by it instead of by Silkroll's",
                container.name
            ));
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
}

/// What a hook of the user's needs that stays as it is.
fn kept_seconds(policy: &Policy<'_>, user: Option<&RawValue>) -> u32 {
    user.and(policy.existing_pre_stop_seconds).unwrap_or(0)
}

fn env_line(entries: &[Entry]) -> String {
    let settings = entries
        .iter()
        .filter(|entry| entry.name.starts_with(VARIABLES))
        .count();
    let address = entries.iter().any(|entry| entry.name == POD_IP);
    match (address, settings) {
        (true, 0) => "podip from status.podIP".to_owned(),
        (true, _) => format!("podip from status.podIP and {settings} settings of the hook"),
        (false, _) => format!("{settings} settings of the hook"),
    }
}

/// A hook of the user's as the record keeps it.
fn recorded<'a>(hook: &RawValue) -> Option<Cow<'a, RawValue>> {
    let text = super::patch::plain(hook).into_owned();
    RawValue::from_string(text).ok().map(Cow::Owned)
}

/// Whether a shell is needed that nothing shows to be there. An explicit `hook: script` is taken at its
/// word.
fn shell_is_a_guess(
    policy: &Policy<'_>,
    container: &Container<'_>,
    base: &BaseContainer<'_>,
) -> bool {
    policy.hook == Hook::Script
        && !policy.says("hook")
        && !hook::shows_shell(&shell_evidence(container, base))
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
