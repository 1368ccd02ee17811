//! Where in a manifest a warning points. Warnings are sentences; each names what it is about (an annotation, a container,
//! a field), and that is looked up in the object.

use serde_json::Value;

use super::manifests::Item;
use super::report::Lines;
use crate::engine::Kind;
use crate::manifest::{Document, Warning};
use crate::policy::PREFIX;
use crate::text::escaped;

/// The lines of the document that an item, its denial and its warnings are about.
#[derive(Debug, Default)]
struct Asked {
    /// Of each item: how many pointers are its, the object's own first.
    counts: Vec<usize>,
    pointers: Vec<String>,
}

/// For each item the lines of the input that it is about. Costs a reading of the document, where there is a workload in it.
#[must_use]
pub fn lines(document: &Document<'_>, items: &[Item]) -> Vec<Lines> {
    let mut asked = Asked::default();
    for item in items {
        let object = document.value().pointer(&item.path).unwrap_or(&Value::Null);
        let before = asked.pointers.len();
        asked.pointers.push(item.path.clone());
        let decision = &item.decision;
        for text in decision.denial.iter().chain(&decision.warnings) {
            let pointer = pointer(item, object, text);
            asked.pointers.push(format!("{}{pointer}", item.path));
        }
        asked.counts.push(asked.pointers.len() - before);
    }
    let found = if items.iter().any(Item::is_workload) {
        let pointers: Vec<&str> = asked.pointers.iter().map(String::as_str).collect();
        document.lines_of(&pointers)
    } else {
        Vec::new()
    };
    let mut found = found
        .into_iter()
        .map(|lines| lines.last().copied().unwrap_or(document.line()));
    let mut of_items = Vec::with_capacity(items.len());
    for (item, count) in items.iter().zip(asked.counts) {
        let mut own = found.by_ref().take(count);
        let object = own.next().unwrap_or(document.line());
        let denial = item.decision.denial.as_ref().and_then(|_| own.next());
        let warnings = own.zip(&item.decision.warnings);
        let warnings = warnings.map(|(line, text)| repeated(document, text).unwrap_or(line));
        of_items.push(Lines {
            object,
            denial,
            warnings: warnings.collect(),
        });
    }
    of_items
}

/// The line of a warning that is about the text and not about what it means.
fn repeated(document: &Document<'_>, text: &str) -> Option<usize> {
    let warnings = document.warnings().iter();
    let mut lines = warnings.filter_map(|warning| match warning {
        Warning::RepeatedKey { last, .. } if warning.to_string() == text => Some(*last),
        _ => None,
    });
    lines.next()
}

/// Fields that warnings name, and where they stand: in the object, or in the pod's spec.
const FIELDS: [(&str, bool, &str); 7] = [
    (
        "terminationGracePeriodSeconds",
        true,
        "/terminationGracePeriodSeconds",
    ),
    ("hostNetwork", true, "/hostNetwork"),
    ("scaleDownDelaySeconds", false, "/spec/strategy/blueGreen"),
    ("minReadySeconds", false, "/spec/minReadySeconds"),
    ("maxUnavailable", false, "/spec/strategy"),
    ("workloadRef", false, "/spec/workloadRef"),
    ("strategy", false, "/spec/strategy"),
];

/// Members of a container that warnings name in their own words.
const MEMBERS: [(&str, &str); 4] = [
    ("preStop", "/lifecycle/preStop"),
    ("postStart", "/lifecycle/postStart"),
    ("readiness probe", "/readinessProbe"),
    ("own variable", "/env"),
];

/// What in the object a sentence is about, as a JSON pointer; empty for all of it. It may lead on to what is not there.
fn pointer(item: &Item, object: &Value, text: &str) -> String {
    let kind = Kind::of(&item.api_version, &item.kind);
    let template = kind.map_or("/spec/template", Kind::template);
    if let Some(pointer) = annotation(object, template, text) {
        return pointer;
    }
    if let Some(pointer) = container(object, template, text) {
        let member = MEMBERS.iter().find(|(name, _)| text.contains(name));
        return pointer + member.map_or("", |(_, member)| member);
    }
    match FIELDS.iter().find(|(name, ..)| text.contains(name)) {
        Some((_, true, field)) => format!("{template}/spec{field}"),
        Some((_, false, field)) => (*field).to_owned(),
        None => String::new(),
    }
}

/// The first of our annotations in the object that a sentence names.
fn annotation(object: &Value, template: &str, text: &str) -> Option<String> {
    let own = "/metadata/annotations".to_owned();
    let of_template = format!("{template}/metadata/annotations");
    // On which of the two it stands, the sentence says.
    let places = if text.contains("the pod template of") {
        [of_template, own]
    } else {
        [own, of_template]
    };
    places.into_iter().find_map(|place| {
        let annotations = object.pointer(&place)?.as_object()?;
        let ours = annotations.keys().filter(|key| key.starts_with(PREFIX));
        let named = ours.filter_map(|key| {
            let short = &key[PREFIX.len()..];
            // A word of English is no name of ours; what has a dash is.
            let at = word(text, key)
                .or_else(|| short.contains('-').then(|| word(text, short)).flatten());
            Some((at?, key))
        });
        let (_, key) = named.min()?;
        Some(format!("{place}/{}", escaped(key)))
    })
}

/// Where a name stands in a text by itself.
fn word(text: &str, name: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.match_indices(name).map(|(at, _)| at).find(|at| {
        let after = text[at + name.len()..].chars().next();
        let before = text[..*at].chars().next_back();
        // A sentence may end behind it.
        !after.is_some_and(|c| part(c) && c != '.') && !before.is_some_and(part)
    })
}

/// The container that a sentence begins with: `container web: …`, its name cut where it is long.
fn container(object: &Value, template: &str, text: &str) -> Option<String> {
    let (_, rest) = text.split_once("container ")?;
    let (name, _) = rest.split_once(':')?;
    let begin = name.trim_end_matches('…');
    ["containers", "initContainers"]
        .into_iter()
        .find_map(|list| {
            let place = format!("{template}/spec/{list}");
            let containers = object.pointer(&place)?.as_array()?;
            let at = containers.iter().position(|one| {
                let own = one["name"].as_str().unwrap_or_default();
                own == name || (begin.len() < name.len() && own.starts_with(begin))
            })?;
            Some(format!("{place}/{at}"))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::{Decision, Reason};

    #[test]
    fn a_sentence_points_at_what_it_names() {
        let object = json!({
            "metadata": {"annotations": {
                "silkroll.dev/hook": "x",
                "silkroll.dev/hook-arch": "y",
                "silkroll.dev/drain-seconds": "20s",
                "silkroll.dev/ro~out": "surge",
            }},
            "spec": {"template": {
                "metadata": {"annotations": {"silkroll.dev/drain-seconds": "z"}},
                "spec": {
                    "containers": [{"name": "log"}, {"name": "web"}],
                    "initContainers": [{"name": "a-long-name-of-a-container"}],
                },
            }},
        });
        let item = Item {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: String::new(),
            name: String::new(),
            path: String::new(),
            decision: Decision::skipped(Reason::OtherKind),
        };
        for (text, expected) in [
            (
                "silkroll.dev/drain-seconds=\"20s\" on Deployment shop/web cannot be used: allowed is …",
                "/metadata/annotations/silkroll.dev~1drain-seconds",
            ),
            (
                "silkroll.dev/drain-seconds=\"z\" on the pod template of Deployment shop/web",
                "/spec/template/metadata/annotations/silkroll.dev~1drain-seconds",
            ),
            (
                "say which with silkroll.dev/hook-arch or a nodeSelector",
                "/metadata/annotations/silkroll.dev~1hook-arch",
            ),
            (
                "silkroll.dev/ro~out is not known",
                "/metadata/annotations/silkroll.dev~1ro~0out",
            ),
            (
                "silkroll: container web: no preStop hook was injected",
                "/spec/template/spec/containers/1/lifecycle/preStop",
            ),
            (
                "container web: its image may have no shell",
                "/spec/template/spec/containers/1",
            ),
            (
                "container a-long-name…: x",
                "/spec/template/spec/initContainers/0",
            ),
            (
                "terminationGracePeriodSeconds is 700; …",
                "/spec/template/spec/terminationGracePeriodSeconds",
            ),
            ("the namespace has not opted in", ""),
            ("container gone: x", ""),
            ("silkroll.dev/unseen", ""),
        ] {
            assert_eq!(pointer(&item, &object, text), expected, "{text}");
        }
    }
}
