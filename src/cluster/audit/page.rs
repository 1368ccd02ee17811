//! A page of a list: what is not looked at stays a slice of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::audit::{AuditFinding, Stored, covers, look};
use crate::engine::{Kind, NamespaceView, Settings, Strict};
use crate::snapshot::{Asked, Namespaces};

/// What a page came to.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Where the next one begins; empty at the end.
    pub(super) next: String,
    pub(super) looked_at: u64,
    pub(super) found: Vec<AuditedObject>,
}

/// An object with something to say about it.
#[derive(Debug)]
pub(super) struct AuditedObject {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// Counts changes of what was asked for; 0 where the kind has none.
    pub(super) generation: i64,
    pub(super) finding: AuditFinding,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default)]
    metadata: ListMeta<'a>,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
struct ListMeta<'a> {
    #[serde(borrow, default, rename = "continue")]
    next: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(default)]
    generation: Option<i64>,
    #[serde(default)]
    deletion_timestamp: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
struct PodStatus<'a> {
    #[serde(borrow, default)]
    phase: Option<Cow<'a, str>>,
}

impl Item<'_> {
    /// Whether it is on its way out: nothing of it is to be mended.
    fn is_ending(&self, kind: Kind) -> bool {
        let finished = || {
            let status = self.status.map_or("{}", RawValue::get);
            let status = serde_json::from_str::<PodStatus<'_>>(status).unwrap_or_default();
            matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
        };
        self.metadata.deletion_timestamp.is_some() || kind == Kind::Pod && finished()
    }
}

/// Judges the objects of a page that are in namespaces which have opted in.
///
/// # Errors
/// It is no list of objects.
pub(super) fn judge(
    text: &str,
    kind: Kind,
    settings: &Settings,
    namespaces: &Namespaces,
    asked: &Asked,
) -> serde_json::Result<Page> {
    let Strict(list) = serde_json::from_str::<Strict<List<'_>>>(text)?;
    let mut page = Page {
        next: list.metadata.next.unwrap_or_default().into_owned(),
        ..Page::default()
    };
    for raw in list.items.unwrap_or_default() {
        let Strict(item) = serde_json::from_str::<Strict<Item<'_>>>(raw.get())?;
        let namespace = &*item.metadata.namespace;
        let Some(entry) = namespaces.get(namespace).filter(|entry| entry.is_served()) else {
            continue;
        };
        let view = NamespaceView::Known {
            annotations: &entry.annotations,
            labels: &entry.labels,
        };
        if !covers(kind, view) || item.is_ending(kind) {
            continue;
        }
        page.looked_at += 1;
        let finding = look(
            settings,
            &Stored {
                kind,
                namespace,
                view,
                json: raw.get(),
                helper_stands: asked.stands(namespace),
            },
        );
        if let Some(finding) = finding {
            page.found.push(AuditedObject {
                namespace: namespace.to_owned(),
                name: item.metadata.name.clone().into_owned(),
                uid: item.metadata.uid.clone().into_owned(),
                generation: item.metadata.generation.unwrap_or(0),
                finding,
            });
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::NamespaceEntry;
    use serde_json::{Value, json};

    fn web(namespace: &str, more: &Value) -> Value {
        let mut object = json!({
            "metadata": {"name": "web", "namespace": namespace, "uid": "u", "generation": 3,
                "ownerReferences": null},
            "spec": {"template": {"spec": {"containers":
                [{"name": "web", "image": "web", "ports": [{"containerPort": 80}]}]}}},
        });
        json_patch::merge(&mut object, more);
        object
    }

    fn of(kind: Kind, items: &Value) -> Page {
        let namespaces = Namespaces::new();
        let entry = |annotations: &[(&str, &str)]| {
            NamespaceEntry::new(annotations.iter().copied(), [("", ""); 0], false)
        };
        let inject = ("silkroll.dev/inject", "enabled");
        namespaces.set("in", entry(&[inject]));
        namespaces.set("pods", entry(&[inject, ("silkroll.dev/level", "pod")]));
        namespaces.set("out", entry(&[]));
        let settings = Settings {
            kinds: Kind::ALL.to_vec(),
            ..Settings::default()
        };
        let list = json!({"metadata": {"continue": "a=b"}, "items": items});
        judge(
            &list.to_string(),
            kind,
            &settings,
            &namespaces,
            &Asked::default(),
        )
        .unwrap()
    }

    #[test]
    fn only_what_stays_in_namespaces_that_opted_in_is_looked_at() {
        let page = of(
            Kind::Deployment,
            &json!([
                web("in", &json!({})),
                web("out", &json!({})),
                web("unknown", &json!({})),
                web(
                    "in",
                    &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
                ),
                web("pods", &json!({})),
            ]),
        );
        assert_eq!((&*page.next, page.looked_at), ("a=b", 2));
        let [found] = &*page.found else {
            panic!("{page:?}");
        };
        assert_eq!(
            (
                &*found.namespace,
                &*found.name,
                &*found.uid,
                found.generation
            ),
            ("in", "web", "u", 3)
        );
    }

    #[test]
    fn a_pod_that_has_ended_is_passed_over() {
        let pod = |status: &str| {
            let spec = web("pods", &json!({}))["spec"]["template"]["spec"].clone();
            json!({
                "metadata": {"name": "web-1", "namespace": "pods", "uid": "u", "ownerReferences":
                    [{"kind": "ReplicaSet", "name": "web", "controller": true}]},
                "spec": spec, "status": {"phase": status},
            })
        };
        let pods = json!([
            pod("Running"),
            pod("Succeeded"),
            pod("Failed"),
            pod("Pending")
        ]);
        let page = of(Kind::Pod, &pods);
        assert_eq!((page.looked_at, page.found.len()), (2, 2));
    }

    #[test]
    fn an_empty_list_may_be_null_and_what_is_none_is_an_error() {
        assert_eq!(of(Kind::Rollout, &Value::Null).looked_at, 0);
        let (namespaces, asked) = (Namespaces::new(), Asked::default());
        for text in ["", "[]", r#"{"items":[1]}"#, r#"{"items":[{}]}"#] {
            let settings = Settings::default();
            assert!(
                judge(text, Kind::Pod, &settings, &namespaces, &asked).is_err(),
                "{text}"
            );
        }
    }
}
