//! The environment of a target container: the pod's address and the script's settings.
//!
//! Ours stand after the user's, so that a JSON patch of the user's that names an entry by its number
//! hits the one that it means. Only where an entry of the user's refers to `$(podip)` the address
//! stands first: the kubelet expands references to earlier entries alone. Where ours stand in an object
//! that was injected by another rule does not matter until its user changes it (law 2).

use std::borrow::Cow;

use crate::deregister::VarValue;
use crate::plan::ask::Stop;
use crate::plan::chain;
use crate::plan::wants::{Hooked, Part, Plan, Target, Want, Wants};
use crate::slots::json::{name_of, string};
use crate::slots::slot::{Form, Holds, Root, Slot};
use crate::slots::strict::Strict;
use crate::slots::tree::Node;
use crate::slots::view::Text;

static FORM: Form = Form {
    key: "env",
    root: Root::Container,
    path: &["env"],
    item: Some(("name", "")),
    holds: Holds::Object(&["value", "valueFrom"]),
};

pub(crate) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Container(want),
};

/// The address of the pod: what hooks and scripts of users read, too.
const POD_IP: &str = "podip";

/// With the field that the API server fills in, so that the next round sees no difference.
const POD_IP_ENTRY: &str =
    r#"{"name":"podip","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"status.podIP"}}}"#;

/// One entry: its name and its JSON.
struct Entry {
    name: &'static str,
    text: String,
}

/// The address alone: all that a hook without the script needs.
fn pod_ip() -> Entry {
    Entry {
        name: POD_IP,
        text: POD_IP_ENTRY.to_owned(),
    }
}

/// The entries that the script reads.
fn script(target: &Target<'_, '_>, hook: Hooked) -> Vec<Entry> {
    let (policy, deregister) = (target.pod.policy, target.deregister);
    let mut entries = vec![
        value("SILKROLL_METHOD", policy.method.name),
        value("SILKROLL_DRAIN_SECONDS", &policy.drain.to_string()),
    ];
    if hook.idle > 0 {
        entries.push(value("SILKROLL_IDLE_SECONDS", &hook.idle.to_string()));
        let ports: Vec<_> = target
            .place
            .serving_ports()
            .map(|port| port.to_string())
            .collect();
        // Without it the hook goes by the ports that are listened on.
        if !ports.is_empty() {
            entries.push(value("SILKROLL_IDLE_PORTS", &ports.join(",")));
        }
    }
    if deregister.calls {
        entries.push(value(
            "SILKROLL_DEREGISTER_SECONDS",
            &policy.deregister_timeout.to_string(),
        ));
        entries.extend(policy.if_env.map(|name| value("SILKROLL_IF_ENV", name)));
        if policy.method.lists && policy.last_leaves {
            entries.push(value("SILKROLL_LAST_INSTANCE", "leave"));
        }
        if let Some((seconds, _)) = policy.registered.as_ref().filter(|_| hook.registered) {
            entries.push(value("SILKROLL_READY_SECONDS", &seconds.to_string()));
        }
        // By these a stop hook finds what the start hook of the same pod still tries, and ends it.
        entries.push(field("SILKROLL_POD_NAME", "metadata.name"));
        entries.push(field("SILKROLL_POD_NAMESPACE", "metadata.namespace"));
    }
    if hook.own > 0 {
        entries.push(value("SILKROLL_OWN_SECONDS", &hook.own.to_string()));
    }
    entries.extend(deregister.vars.iter().map(|var| match &var.value {
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

fn want<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    let hook = plan.hook;
    let mut entries = vec![pod_ip()];
    if hook.program {
        entries.extend(script(target, hook));
    }
    let users: Vec<&str> = target.container.list("env").collect();
    let names: Vec<Cow<'_, str>> = users.iter().map(|entry| name_of(entry)).collect();
    let (mut address, mut settings) = (false, 0);
    for Entry { name, text } in entries {
        if names.iter().any(|known| known == name) {
            plan.step("env", target, || {
                format!("{name} stays as the container has it")
            });
            let mut here = users.iter().zip(&names).filter(|(_, known)| *known == name);
            let foreign =
                name != POD_IP || here.any(|(entry, _)| !entry.contains("\"status.podIP\""));
            // What the user wrote stays, but the script then does something else than the annotations say.
            if hook.program && foreign {
                plan.warn(format!(
                    "container {}: its own variable {name} stays, and the hook goes by it instead of by Silkroll's",
                    target.name
                ));
            }
            continue;
        }
        match name {
            POD_IP => address = true,
            _ => settings += 1,
        }
        let first = name == POD_IP && users.iter().any(|entry| refers_to_pod_ip(entry));
        let slot = Slot {
            item: Cow::Borrowed(name),
            ..target.slot(&FORM)
        };
        plan.wants.push(Want {
            slot,
            value: text,
            first,
            later: false,
        });
    }
    if address || settings > 0 {
        plan.step("env", target, || match (address, settings) {
            (true, 0) => "podip from status.podIP".to_owned(),
            (true, _) => format!("podip from status.podIP and {settings} settings of the hook"),
            (false, _) => format!("{settings} settings of the hook"),
        });
    }
    if address {
        warn_of_hidden_pod_ip(plan, target, &users);
    }
    Ok(())
}

/// An `envFrom` that may set `podip` is in most large manifests, and hardly one does: a warning for
/// each would soon be read by none of them. It is given where the container's own parts speak of `podip`, which
/// then may have come from there.
fn warn_of_hidden_pod_ip(plan: &mut Plan<'_>, target: &Target<'_, '_>, users: &[&str]) {
    if !may_come_from_elsewhere(target.container) {
        return;
    }
    let mut texts = chain::own_commands(target);
    texts.extend(users);
    if texts.iter().any(|text| text.contains(POD_IP)) {
        plan.warn(format!(
            "container {}: podip is the pod's address now, also where its envFrom sets another; to \
             keep that, or to end this warning, write podip in its env",
            target.name
        ));
    } else {
        plan.step("env", target, || {
            "podip of env stands over one of envFrom, if there is any".to_owned()
        });
    }
}

/// Whether one of the container's `envFrom` may set `podip`: the keys of a ConfigMap or Secret are not
/// in the manifest, but with a prefix only some names are possible. An entry of `env`, as ours is, wins.
fn may_come_from_elsewhere(container: &Node<'_>) -> bool {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Source<'a> {
        #[serde(borrow)]
        prefix: Option<Text<'a>>,
    }
    let sources: Vec<Source<'_>> = container
        .json("envFrom")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    sources.iter().any(|source| {
        let prefix = source.prefix.as_ref().map_or("", |text| text.0.as_ref());
        POD_IP.starts_with(prefix)
    })
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
fn expands_pod_ip(text: &str) -> bool {
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
