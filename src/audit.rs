//! What the audit says of a workload as it is stored: as it should be, missed, or injected with something outdated; and
//! what to do. Pure: the engine is asked what it would do if the stored object came now.

use crate::engine::{
    Ask, Decision, Kind, NamespaceView, Object, Outcome, Reason, Settings, decide, injects_pods,
};
use crate::text::shown;

/// The longest note, in bytes: what an Event holds (`events.k8s.io/v1` says 1 kB).
const NOTE: usize = 1000;
/// What is told of a name, in characters.
const NAME: usize = 80;

/// What was found wrong with one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// A code: one of [`reasons`].
    pub reason: &'static str,
    /// Whether it mends itself at the workload's next change (law 2: there is no rollout of Silkroll's own). Everything
    /// else waits for its author.
    pub outdated: bool,
    /// What is wrong and what to do, on one line, under 1 kB.
    pub note: String,
}

/// It is not injected, and would be.
pub const NOT_INJECTED: &str = "not-injected";
/// It is injected with something that this Silkroll, or its annotations, would have otherwise.
pub const OUTDATED: &str = "outdated";

/// Why nothing can be injected, though the namespace has opted in: who can mend it is the workload's author, or the
/// cluster's administrator.
const HINDERED: [Reason; 9] = [
    Reason::BadRecord,
    Reason::InvalidAnnotation,
    Reason::LevelOff,
    Reason::NoContainer,
    Reason::NameTaken,
    Reason::NoRoom,
    Reason::Windows,
    Reason::BadGracePeriod,
    Reason::Malformed,
];

/// All codes that an [`AuditFinding`] can have.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    let own = [NOT_INJECTED, OUTDATED].into_iter();
    own.chain(HINDERED.iter().map(|reason| reason.code()))
}

/// One stored object.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub namespace: &'a str,
    /// What is known of that namespace.
    pub view: NamespaceView<'a>,
    /// All of it, as JSON.
    pub json: &'a str,
    /// Whether the helper's ConfigMap stands there.
    pub helper_stands: bool,
}

/// Whether objects of this kind are looked at in a namespace.
#[must_use]
pub fn covers(kind: Kind, namespace: NamespaceView<'_>) -> bool {
    kind != Kind::Pod || injects_pods(namespace)
}

/// Judges one object; nothing where it is as it should be.
///
/// It is asked about as a CREATE of what is stored. What was sent of it is left aside: nobody sends it now, and its record
/// says what of it is ours.
#[must_use]
pub fn look(settings: &Settings, stored: &Stored<'_>) -> Option<AuditFinding> {
    let Stored {
        kind,
        namespace,
        view,
        json,
        helper_stands,
    } = *stored;
    let object = match Object::read(kind, json) {
        Ok(mut object) => {
            object.forget_what_was_sent();
            object
        }
        Err(why) => {
            let text = format!(
                "nothing was injected: the {} cannot be read: {why}",
                kind.name()
            );
            return Some(hindered(Reason::Malformed, &text));
        }
    };
    let decision = decide(&Ask {
        settings,
        kind,
        namespace,
        view,
        object: &object,
        old: None,
        manager: None,
        remove: false,
        explain: false,
        helper_stands,
    });
    judge(kind, namespace, object.name(), &decision)
}

/// What a decision about a stored object means.
fn judge(kind: Kind, namespace: &str, name: &str, decision: &Decision) -> Option<AuditFinding> {
    let said = || match (&decision.denial, decision.warnings.first()) {
        (Some(denial), _) => denial.clone(),
        (None, Some(warning)) => warning
            .strip_prefix("silkroll: ")
            .unwrap_or(warning)
            .to_owned(),
        (None, None) => decision.reason.meaning().trim().to_owned(),
    };
    match (decision.outcome, decision.reason) {
        // What an owner wrote is the owner's to change.
        (Outcome::Unchanged, _) | (Outcome::Removed, Reason::Owned) => None,
        (Outcome::Injected, Reason::Covered) => Some(AuditFinding {
            reason: NOT_INJECTED,
            outdated: false,
            note: note(&format!(
                "not injected: it was admitted before the namespace opted in or while Silkroll gave no answer, so a rollout \
                 can lose requests. To mend it: {}",
                again(kind, namespace, name)
            )),
        }),
        (Outcome::Injected, _) => Some(AuditFinding {
            reason: OUTDATED,
            outdated: true,
            note: note(&format!(
                "injected otherwise than would be done now (the script, the annotations or the settings have changed). Its next \
                 change brings it up to date; at once: {}",
                again(kind, namespace, name)
            )),
        }),
        (Outcome::Removed, _) => Some(AuditFinding {
            reason: OUTDATED,
            outdated: true,
            note: note(&format!(
                "injected, though it is not to be any more ({}). Its next change takes that out; at once: {}",
                decision.reason.meaning().trim(),
                again(kind, namespace, name)
            )),
        }),
        (Outcome::Skipped, reason) if !HINDERED.contains(&reason) => None,
        (Outcome::Skipped | Outcome::Rejected, reason) => Some(hindered(reason, &said())),
    }
}

fn hindered(reason: Reason, said: &str) -> AuditFinding {
    AuditFinding {
        reason: reason.code(),
        outdated: false,
        note: note(&format!(
            "{said}. Where it needs no injection, say so: silkroll.dev/inject: disabled on it"
        )),
    }
}

/// What makes the user's change for which the webhook is asked.
fn again(kind: Kind, namespace: &str, name: &str) -> String {
    let (namespace, name) = (shown(namespace, NAME), shown(name, NAME));
    match kind {
        Kind::Pod => {
            format!("kubectl delete pod {name} -n {namespace}, and its controller makes another")
        }
        // `kubectl argo rollouts restart` leaves the template as it is.
        Kind::Rollout => format!("change the pod template of rollout/{name} -n {namespace}"),
        _ => format!(
            "kubectl rollout restart {}/{name} -n {namespace} --field-manager=silkroll",
            kind.option()
        ),
    }
}

/// Cut to what an Event takes, which counts bytes.
fn note(text: &str) -> String {
    let mut most = NOTE;
    loop {
        let cut = shown(text, most);
        if cut.len() <= NOTE {
            return cut.into_owned();
        }
        most = most * 3 / 4;
    }
}

#[cfg(test)]
mod tests;
