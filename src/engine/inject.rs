//! The user's workload with everything in it that is wanted, and the record of it.

use std::borrow::Cow;

use super::level;
use super::user::User;
use super::{target, unused, valid};
use crate::deregister::{self, Registrant};
use crate::parts::{PARTS, forms};
use crate::plan::ask::{Ask, Stop};
use crate::plan::choose;
use crate::plan::nodes;
use crate::plan::report::Reason;
use crate::plan::wants::{Plan, Pod, Target, Wants};
use crate::policy::Policy;
use crate::slots::json;
use crate::slots::record::{Raw, Record};
use crate::slots::slot::{self, Places, RECORD, Slot};
use crate::slots::tree::{Node, Tree};

/// What is to be injected.
#[derive(Debug)]
pub(super) struct Injection<'a> {
    /// The workload as it is to be, but for the record.
    pub(super) tree: Tree<'a>,
    /// The record's text.
    pub(super) record: String,
    /// What to say about it.
    pub(super) plan: Plan<'a>,
}

/// Injects into the user's workload.
///
/// # Errors
/// Nothing of it can be injected.
pub(super) fn inject<'a>(
    ask: &Ask<'_>,
    policy: &Policy<'_>,
    user: &User<'a>,
    fingerprint: String,
) -> Result<Injection<'a>, Stop> {
    let pod = Pod {
        ask,
        policy,
        user: &user.tree,
    };
    let mut record = Record::new(fingerprint);
    let mut plan = plan(&pod, &user.containers, &mut record)?;
    // What is new stands in the order in which kubectl prints it.
    plan.wants.sort_by_key(|want| want.slot.form.path);
    let mut tree = user.tree.clone();
    let mut places = Places::new(&mut tree);
    remember_parents(&Slot::new(&RECORD), &mut places, &mut record);
    let mut last = None;
    for want in &plan.wants {
        let slot = &want.slot;
        let key: Cow<'_, str> = Cow::Owned(slot.key());
        let now = slot::abbreviated(&want.value, slot.item());
        if let Some(was) = places.find(slot) {
            let was = json::plain(&was.text()).into_owned();
            record.was.insert(key.clone(), Raw::new(was));
        }
        record.slots.insert(key, Raw::new(now.into_owned()));
        // All items of a list have the same.
        let kind_of_slot = (&*slot.container, slot.form);
        if last != Some(kind_of_slot) {
            remember_parents(slot, &mut places, &mut record);
        }
        last = Some(kind_of_slot);
        if !want.later {
            places.put(slot, Cow::Owned(want.value.clone()), want.first);
        }
    }
    let record = record.write();
    valid::room(&user.tree, &record)?;
    Ok(Injection { tree, record, plan })
}

/// Parents that stand there empty or null, and that injecting fills: giving back means to give back those, too.
fn remember_parents(slot: &Slot<'_>, places: &mut Places<'_, '_>, record: &mut Record<'_>) {
    let path = slot.parents(places.tree);
    for depth in 1..=path.len() {
        let path = &path[..depth];
        let Some(node) = places.at(slot, path.iter().copied()) else {
            return;
        };
        if node.is_nothing() && !matches!(node, Node::Gone) {
            let key = Cow::Owned(slot.parent_key(path));
            let text = node.text().into_owned();
            record.empty.entry(key).or_insert_with(|| Raw::new(text));
        }
    }
}

fn plan<'a>(
    pod: &Pod<'_, 'a>,
    before: &[String],
    record: &mut Record<'_>,
) -> Result<Plan<'a>, Stop> {
    skip_windows(pod.user)?;
    let (targets, how) = target::choose(pod.policy, pod.user, before)?;
    let containers = pod.user.containers();
    let serving: Vec<_> = targets.iter().map(|&at| &containers[at]).collect();
    let mut plan = Plan {
        explain: pod.ask.explain,
        chosen: choose::choose(pod, &serving),
        ..Plan::default()
    };
    let workload = level::workload_name(pod.ask, pod.user);
    for &at in &targets {
        let container = &pod.user.containers()[at];
        let name = &pod.user.names[at];
        let ports = target::tcp_ports(container.json("ports"));
        let place = Registrant {
            workload: &workload,
            container: name,
            ports: &ports,
        };
        let deregister = deregister::plan(pod.policy, &place).map_err(Stop::Problem)?;
        let target = Target {
            pod: *pod,
            name,
            container,
            place: &place,
            deregister: &deregister,
        };
        plan.step("container", &target, || how.to_owned());
        if deregister.ends.is_some() {
            processes(&mut plan, pod)?;
        }
        for part in PARTS {
            if let Wants::Container(want) = part.wants {
                want(&mut plan, &target)?;
            }
        }
        record
            .containers
            .push(Cow::Owned(name.clone().into_owned()));
    }
    for part in PARTS {
        if let Wants::Pod(want) = part.wants {
            want(&mut plan, pod)?;
        }
    }
    target::warn_of_others(&mut plan, pod, &targets);
    unused::warn(&mut plan, pod.policy);
    valid::check(pod.ask, pod.user, &mut plan)?;
    Ok(plan)
}

/// A start hook that cannot run keeps its container from starting, so a pod that names Windows among
/// others is left alone, too: it may start there.
fn skip_windows(user: &Tree<'_>) -> Result<(), Stop> {
    let why = match nodes::windows(user.pod()) {
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

/// What ends a server looks for it among the processes that it sees.
fn processes(plan: &mut Plan<'_>, pod: &Pod<'_, '_>) -> Result<(), Stop> {
    let shared = |name: &str| pod.user.pod().json(name) == Some("true");
    if shared("hostPID") {
        return Err(Stop::Problem(
            pod.policy.method_problem(
                "the pod sees the node's processes (hostPID), and it would end those of other pods"
                    .to_owned(),
            ),
        ));
    }
    if shared("shareProcessNamespace") {
        plan.warn(
            "with shareProcessNamespace the hook sees the processes of all containers of the pod: \
             one of the same name elsewhere in it is ended, too",
        );
    }
    Ok(())
}

/// What the record says was wanted outside of the template, over what the user has there now. With a
/// warning where a rule of the API does not allow it.
pub(super) fn keep_rollout(
    ask: &Ask<'_>,
    record: &Record<'_>,
    wanted: &mut Tree<'_>,
) -> Option<String> {
    use crate::parts::{MIN_READY, SURGE, Surge, left_out, surge, too_long};
    let mut slots = Vec::new();
    if SURGE.iter().any(|form| record.slots.contains_key(form.key))
        && let Surge::Set(set) = surge(wanted)
    {
        slots = set;
    }
    let user = json::integer(wanted.spec.json("minReadySeconds")).unwrap_or(0);
    let mut places = Places::new(wanted);
    for (form, value) in slots {
        places.put(&Slot::new(form), Cow::Borrowed(value), false);
    }
    let seconds = record.slots.get(MIN_READY.key).map(Raw::get);
    let seconds = json::integer(seconds.filter(|_| user == 0))?;
    if let Some(why) = too_long(ask.kind, ask.object.spec.as_ref(), seconds) {
        return Some(left_out(seconds, &why));
    }
    places.put(
        &Slot::new(&MIN_READY),
        Cow::Owned(seconds.to_string()),
        false,
    );
    None
}

/// The forms of all slots, for those who read a record.
pub(super) fn read_record(text: &str) -> Result<Record<'_>, String> {
    Record::read(text, forms())
}
