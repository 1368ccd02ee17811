//! Policy and template in, everything that is wanted of the template out.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::base::Base;
use super::container::Target;
use super::emit::{Wanted, WantedContainer};
use super::report::{Reason, Step, Timeline};
use super::status::{Change, Status, Swap};
use super::view::{self, Container, Template};
use super::{Ask, Stop, nodes, rollout, target, valid};
use crate::leave::{self, Arch, MOUNT_PATH, Place, VOLUME};
use crate::policy::{Hook, Policy};

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
    /// The record's text, written once all is settled.
    pub(super) record: String,
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
    leave_windows_alone(template)?;
    let (targets, how) = target::choose(policy, template)?;
    let mut plan = Injection {
        wanted: Wanted::default(),
        rollout: rollout::Wanted::default(),
        status: Status::new(inputs),
        warnings: Vec::new(),
        steps: Vec::new(),
        explain: ask.explain,
        timeline: None,
        record: String::new(),
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
        let target = Target {
            container,
            base: &base.containers[at],
            place: &place,
            leave: &leave,
        };
        if leave.ends.is_some() {
            plan.processes(policy, template)?;
        }
        plan.container(ask, policy, &target, &mut budget)?;
    }
    plan.volume(ask, policy, template)?;
    plan.grace(policy, template, base, &budget)?;
    plan.rollout(ask, policy, template, users);
    plan.remember_empties(template, base, record);
    valid::check(ask, template, base, &mut plan)?;
    Ok(plan)
}

/// A start hook that cannot run keeps its container from starting, so a pod that names Windows among
/// others is left alone, too: it may start there.
fn leave_windows_alone(template: &Template<'_>) -> Result<(), Stop> {
    let why = match nodes::windows(template) {
        nodes::Windows::Unnamed => return Ok(()),
        nodes::Windows::Only => "this is a Windows pod, and the script needs a POSIX shell",
        nodes::Windows::Too => {
            "the pod may start on Windows nodes, where the script has no shell; \
             if it is for Linux alone, say so with a nodeSelector kubernetes.io/os: linux"
        }
    };
    let warning = format!("nothing was injected: {why}");
    Err(Stop::skip(Reason::Windows, warning))
}

/// The seconds that hooks take, at most, over all containers.
#[derive(Debug, Default)]
pub(super) struct Budget {
    pub(super) hooks: bool,
    pub(super) leave: i64,
    pub(super) drain: i64,
    pub(super) end: i64,
    pub(super) own: i64,
    /// A sleep of the user's that stays alone; the grace period holds it already.
    pub(super) kept: i64,
    /// An own hook of which nobody knows how long it takes.
    pub(super) unbounded: bool,
}

impl Injection<'_> {
    /// What ends a server looks for it among the processes that it sees.
    fn processes(&mut self, policy: &Policy<'_>, template: &Template<'_>) -> Result<(), Stop> {
        let shared = |key: &str| {
            view::member(&template.spec.rest, key).is_some_and(|value| value.get() == "true")
        };
        if shared("hostPID") {
            return Err(Stop::Problem(policy.method_problem(
                "the pod sees the node's processes (hostPID), and it would end those of other pods"
                    .to_owned(),
            )));
        }
        if shared("shareProcessNamespace") {
            self.warnings.push(
                "with shareProcessNamespace the hook sees the processes of all containers of the pod: \
                 one of the same name elsewhere in it is ended, too"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The text is made only where somebody reads it.
    pub(super) fn step(
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

    pub(super) fn pod_step(&mut self, part: &'static str, text: impl FnOnce() -> String) {
        if self.explain {
            self.steps.push(Step {
                part,
                container: String::new(),
                text: text(),
            });
        }
    }

    fn volume(
        &mut self,
        ask: &Ask<'_>,
        policy: &Policy<'_>,
        template: &Template<'_>,
    ) -> Result<(), Stop> {
        if self
            .wanted
            .containers
            .iter()
            .all(|container| container.mount.is_none())
        {
            return Ok(());
        }
        if policy.hook == Hook::Binary {
            return self.helper_volume(ask, policy, template);
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

    /// The helper for the architecture of the pod's nodes. A shell-less hook is one fixed path, so one
    /// architecture has to be chosen here.
    fn helper_volume(
        &mut self,
        ask: &Ask<'_>,
        policy: &Policy<'_>,
        template: &Template<'_>,
    ) -> Result<(), Stop> {
        let arch = match nodes::arch(template) {
            nodes::Arch::One(name) => Arch::parse(&name).ok_or_else(|| {
                Stop::Problem(policy.hook_problem(format!(
                    "the pod's nodes are {}, and the helper binary is made for amd64 and arm64; use hook: script",
                    crate::policy::quoted(&name, 40)
                )))
            })?,
            places => {
                let said = policy.hook_arch.and_then(Arch::parse);
                let arch = said.unwrap_or(Arch::Amd64);
                // What is said of all nodes does not hold where the pod itself asks for several kinds.
                if said.is_none() || places == nodes::Arch::Several {
                    self.warnings.push(format!(
                        "hook: binary was taken for {} nodes; on others it cannot run. Say which with \
                         silkroll.dev/hook-arch or a nodeSelector kubernetes.io/arch",
                        arch.name()
                    ));
                }
                arch
            }
        };
        let name = &ask.settings.helper.config_map;
        let starts = self
            .wanted
            .containers
            .iter()
            .any(|container| container.post_start.is_some());
        // A start hook whose program is missing would kill the container again and again: then the
        // kubelet rather waits for the ConfigMap. Without one, nothing keeps the pod from starting.
        let optional = if starts { "" } else { r#","optional":true"# };
        self.wanted.volume = Some(format!(
            r#"{{"name":"{VOLUME}","configMap":{{"name":"{name}","items":[{{"key":"{}","path":"hook"}}],"defaultMode":365{optional}}}}}"#,
            arch.key()
        ));
        self.pod_step("volume", || {
            format!(
                "the helper binary for {} from ConfigMap {name}, mounted at {MOUNT_PATH}",
                arch.name()
            )
        });
        Ok(())
    }

    fn rollout(
        &mut self,
        ask: &Ask<'_>,
        policy: &Policy<'_>,
        template: &Template<'_>,
        users: &rollout::Users<'_>,
    ) {
        if policy.surge {
            match rollout::surge(ask.kind, users.strategy.as_deref(), template) {
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
}
