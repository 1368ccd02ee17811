//! The environment of a target container: the pod's address first, so that later entries can refer
//! to it, then the script's settings.

use super::base::POD_IP;
use super::patch::string;
use crate::leave::{Leave, VarValue};
use crate::policy::Policy;

/// With the field that the API server fills in, so that the next round sees no difference.
pub(super) const POD_IP_ENTRY: &str =
    r#"{"name":"podip","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"status.podIP"}}}"#;

/// One entry: its name and its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// The address alone: all that a hook without the script needs.
pub(super) fn pod_ip() -> Entry {
    Entry {
        name: POD_IP,
        text: POD_IP_ENTRY.to_owned(),
    }
}

/// The entries that the script reads.
pub(super) fn script(policy: &Policy<'_>, leave: &Leave, own_seconds: u32) -> Vec<Entry> {
    let mut entries = vec![
        value("SILKROLL_METHOD", policy.method.name),
        value("SILKROLL_DRAIN_SECONDS", &policy.drain.to_string()),
    ];
    if leave.calls {
        entries.push(value(
            "SILKROLL_LEAVE_SECONDS",
            &policy.leave_timeout.to_string(),
        ));
        entries.extend(policy.if_env.map(|name| value("SILKROLL_IF_ENV", name)));
        // By these a stop hook finds what the start hook of the same pod still tries, and ends it.
        entries.push(field("SILKROLL_POD_NAME", "metadata.name"));
        entries.push(field("SILKROLL_POD_NAMESPACE", "metadata.namespace"));
    }
    if own_seconds > 0 {
        entries.push(value("SILKROLL_OWN_SECONDS", &own_seconds.to_string()));
    }
    entries.extend(leave.vars.iter().map(|var| match &var.value {
        VarValue::Text(text) => value(var.name, text),
        VarValue::Field(path) => field(var.name, path),
        VarValue::Secret { name, key } => entry(
            var.name,
            &format!(
                r#""valueFrom":{{"secretKeyRef":{{"name":{},"key":"{key}","optional":true}}}}"#,
                string(name)
            ),
        ),
    }));
    entries
}

/// The kubelet expands `$(NAME)` in values and reads `$$` as `$`: a value must arrive as it is.
fn value(name: &'static str, text: &str) -> Entry {
    let text = if text.contains('$') {
        string(&text.replace('$', "$$"))
    } else {
        string(text)
    };
    entry(name, &["\"value\":", &text].concat())
}

fn field(name: &'static str, path: &str) -> Entry {
    entry(
        name,
        &format!(r#""valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"{path}"}}}}"#),
    )
}

fn entry(name: &'static str, rest: &str) -> Entry {
    Entry {
        name,
        text: ["{\"name\":\"", name, "\",", rest, "}"].concat(),
    }
}
