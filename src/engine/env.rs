//! The environment of a target container: the pod's address and the script's settings.
//!
//! Ours stand after the user's, so that a JSON patch of the user's that names an entry by its number
//! hits the one that it means. Only where an entry of the user's refers to `$(podip)` the address
//! stands first: the kubelet expands references to earlier entries alone. Where ours stand in an object
//! that was injected by another rule does not matter until its user changes it (law 2).

use super::Strict;
use super::base::{BaseContainer, POD_IP};
use super::patch::{Patch, list, same, string};
use super::view::{Container, List, Presence, Text, member};
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

/// Whether one of the container's `envFrom` may set `podip`: the keys of a ConfigMap or Secret are not
/// in the manifest, but with a prefix only some names are possible. An entry of `env`, as ours is, wins.
pub(super) fn may_come_from_elsewhere(container: &Container<'_>) -> bool {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Source<'a> {
        #[serde(borrow)]
        prefix: Option<Text<'a>>,
    }
    let sources: Vec<Source<'_>> = member(&container.rest, "envFrom")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    sources.iter().any(|source| {
        let prefix = source.prefix.as_ref().map_or("", |text| text.0.as_ref());
        POD_IP.starts_with(prefix)
    })
}

/// Brings a container's environment to the user's entries and the wanted ones.
pub(super) fn settle(
    patch: &mut Patch,
    pointer: &str,
    present: &List<'_>,
    base: &BaseContainer<'_>,
    wanted: &[Entry],
    was: Option<&str>,
) {
    if base.our_env.is_empty() && wanted.is_empty() {
        return;
    }
    let users = users(present, base);
    let referred = users.iter().any(|entry| refers_to_pod_ip(entry));
    let leads = |entry: &&Entry| referred && entry.name == POD_IP;
    let first = wanted.iter().filter(leads).map(|entry| entry.text.as_str());
    let last = wanted
        .iter()
        .filter(|entry| !leads(entry))
        .map(|entry| entry.text.as_str());
    if base.our_env.is_empty() && present.presence == Presence::Present {
        for entry in first {
            patch.add(&format!("{pointer}/0"), entry);
        }
        for entry in last {
            patch.add(&format!("{pointer}/-"), entry);
        }
        return;
    }
    let target: Vec<&str> = first.chain(users.iter().copied()).chain(last).collect();
    let equal = target.len() == present.items.len()
        && target
            .iter()
            .zip(&present.items)
            .all(|(target, item)| same(target, item.get()));
    match (target.is_empty(), was) {
        (true, Some(was)) => patch.replace(pointer, was),
        (true, None) => patch.remove(pointer),
        (false, _) if equal => {}
        (false, _) if base.our_env.is_empty() => patch.add(pointer, &list(target)),
        (false, _) => patch.replace(pointer, &list(target)),
    }
}

/// The user's entries in their order; a `podip` of theirs that was merged into ours is in its place.
fn users<'b>(present: &'b List<'_>, base: &'b BaseContainer<'_>) -> Vec<&'b str> {
    let entries = present.items.iter().enumerate();
    entries
        .filter_map(|(at, item)| match &base.pod_ip {
            Some((place, users)) if *place == at => Some(users.get()),
            _ if base.our_env.binary_search(&at).is_ok() => None,
            _ => Some(item.get()),
        })
        .collect()
}

/// Whether the kubelet expands `$(podip)` in the value of this entry.
fn refers_to_pod_ip(entry: &str) -> bool {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Value<'a> {
        #[serde(borrow)]
        value: Option<Text<'a>>,
    }
    // An escape could hide the name.
    let may = entry.contains("(podip)") || entry.contains("\\u");
    may && serde_json::from_str::<Strict<Value<'_>>>(entry)
        .is_ok_and(|Strict(entry)| entry.value.is_some_and(|text| expands_pod_ip(&text.0)))
}

/// Whether `$(podip)` stands in the text and is not escaped: `$$` is a dollar sign, and what follows it
/// is text (Kubernetes, `third_party/forked/golang/expansion`).
pub(super) fn expands_pod_ip(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if rest.starts_with("(podip)") {
            return true;
        }
        rest = rest.strip_prefix('$').unwrap_or(rest);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_one_that_the_kubelet_expands() {
        for (text, expands) in [
            ("$(podip)", true),
            ("http://$(podip):8080/", true),
            ("$$$(podip)", true),
            ("$(A)$(podip)", true),
            ("$$(podip)", false),
            ("$$$$(podip)", false),
            ("$podip ${podip} (podip) $( podip) $(podips)", false),
            ("", false),
        ] {
            assert_eq!(expands_pod_ip(text), expands, "{text}");
        }
        for (entry, refers) in [
            (r#"{"name":"A","value":"$(podip)"}"#, true),
            (r#"{"name":"A","value":"\u0024\u0028podip)"}"#, true),
            (r#"{"name":"$(podip)","value":"a"}"#, false),
            (r#"{"name":"A","value":null,"x":"$(podip)"}"#, false),
            (r#"["$(podip)"]"#, false),
        ] {
            assert_eq!(refers_to_pod_ip(entry), refers, "{entry}");
        }
    }
}
