use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;

use super::*;

fn entry(inject: &str) -> NamespaceEntry {
    NamespaceEntry::new([(INJECT, inject)], [], false)
}

/// Those that opted in, which are as many as are counted.
fn served(namespaces: &Namespaces) -> Vec<String> {
    let names = namespaces.served_where(|_, _| true);
    let mut names: Vec<_> = names.into_iter().map(String::from).collect();
    names.sort_unstable();
    assert_eq!(namespaces.served(), names.len());
    names
}

/// Long enough that reaching it means that something hangs; no test waits for it otherwise.
const HANG: Duration = Duration::from_secs(60);

#[test]
fn only_our_annotations_and_labels_are_kept_and_they_are_sorted() {
    let entry = NamespaceEntry::new(
        [
            ("silkroll.dev/inject", "enabled"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
            ("silkroll.dev/drain-seconds", "20"),
            ("silkroll.developer/x", "no"),
        ],
        [("team", "shop"), ("silkroll.dev/inject", "enabled")],
        false,
    );
    let pairs = |list: &OwnedPairs| -> Vec<String> {
        list.iter().map(|(k, v)| format!("{k}={v}")).collect()
    };
    assert_eq!(
        pairs(&entry.annotations),
        [
            "silkroll.dev/drain-seconds=20",
            "silkroll.dev/inject=enabled"
        ]
    );
    assert_eq!(pairs(&entry.labels), ["silkroll.dev/inject=enabled"]);
    assert_eq!(entry.annotation("silkroll.dev/drain-seconds"), Some("20"));
    assert_eq!(entry.annotation("silkroll.dev/nothing"), None);
}

#[test]
fn a_namespace_opts_in_by_annotation_and_by_these_values_only() {
    for (value, expected) in [
        ("enabled", true),
        ("on-request", true),
        ("true", true),
        ("disabled", false),
        ("false", false),
        ("", false),
        ("Enabled", false),
        ("enabled ", false),
    ] {
        assert_eq!(entry(value).opted_in(), expected, "{value:?}");
    }
    let label_only = NamespaceEntry::new([], [(INJECT, "enabled")], false);
    assert!(!label_only.opted_in());
}

#[test]
fn namespaces_that_say_the_same_share_one_entry() {
    let namespaces = Namespaces::new();
    namespaces.set("a", NamespaceEntry::new([("team", "x")], [], false));
    namespaces.set("b", NamespaceEntry::default());
    namespaces.replace_all(["c", "d"].map(|name| (name, entry("enabled"))));
    namespaces.set("e", entry("enabled"));
    namespaces.set("f", entry("disabled"));
    let get = |name: &str| namespaces.get(name).unwrap();
    assert!(Arc::ptr_eq(&get("c"), &get("d")));
    assert!(Arc::ptr_eq(&get("c"), &get("e")));
    assert_eq!(*get("f"), entry("disabled"));
    namespaces.set("c", entry("disabled"));
    assert_eq!(*get("c"), entry("disabled"));
    assert_eq!(*get("d"), entry("enabled"));
    assert_eq!(served(&namespaces), ["d", "e"]);
}

#[test]
fn what_namespaces_once_said_is_not_kept_for_ever() {
    let namespaces = Namespaces::new();
    for n in 0..10_000 {
        let drain = [("silkroll.dev/drain-seconds", n.to_string())];
        let name = if n % 2 == 0 { "a" } else { "b" };
        namespaces.set(name, NamespaceEntry::new(drain, [], false));
    }
    assert!(namespaces.read().distinct.len() <= 2 + LEFT_BEHIND);
    let drain = namespaces.get("b").unwrap();
    assert_eq!(drain.annotation("silkroll.dev/drain-seconds"), Some("9999"));
}

#[test]
fn a_complete_list_removes_what_is_not_in_it() {
    let namespaces = Namespaces::new();
    assert!(!namespaces.synced());
    namespaces.set("old", entry("enabled"));
    assert!(!namespaces.synced(), "one event is no complete list");
    namespaces.replace_all([
        ("new", entry("enabled")),
        ("plain", NamespaceEntry::default()),
    ]);
    assert!(namespaces.synced());
    assert!(namespaces.get("old").is_none());
    assert_eq!(namespaces.len(), 2);
    assert_eq!(served(&namespaces), ["new"]);
    namespaces.remove("new");
    assert!(namespaces.get("new").is_none());
    assert_eq!(served(&namespaces), [""; 0]);
}

#[test]
fn a_terminating_namespace_is_not_listed_as_opted_in() {
    let namespaces = Namespaces::new();
    namespaces.set(
        "going",
        NamespaceEntry {
            terminating: true,
            ..entry("enabled")
        },
    );
    assert_eq!(served(&namespaces), [""; 0]);
}

#[test]
fn the_count_of_those_that_opted_in_is_kept_along() {
    let namespaces = Namespaces::new();
    let going = || NamespaceEntry {
        terminating: true,
        ..entry("enabled")
    };
    for (name, entry, expected) in [
        ("a", entry("enabled"), 1),
        ("a", entry("true"), 1),
        ("b", entry("disabled"), 1),
        ("b", entry("on-request"), 2),
        ("c", NamespaceEntry::default(), 2),
        ("a", going(), 1),
        ("b", entry("off"), 0),
        ("b", entry("enabled"), 1),
    ] {
        namespaces.set(name, entry);
        assert_eq!(served(&namespaces).len(), expected);
    }
    for name in ["b", "b", "c", "nothing"] {
        namespaces.remove(name);
        assert_eq!(served(&namespaces), [""; 0]);
    }
}

#[tokio::test]
async fn waiting_for_an_unknown_name_ends_when_it_appears() {
    let namespaces = Arc::new(Namespaces::new());
    let waiter = {
        let namespaces = Arc::clone(&namespaces);
        tokio::spawn(async move { namespaces.wait_for("shop", HANG).await })
    };
    while namespaces.changed.followers() == 0 {
        tokio::task::yield_now().await;
    }
    namespaces.set("other", NamespaceEntry::default());
    namespaces.set("shop", entry("enabled"));
    assert_eq!(waiter.await.unwrap().as_deref(), Some(&entry("enabled")));
}

#[tokio::test]
async fn waiting_for_a_name_that_never_comes_ends_at_the_timeout() {
    let namespaces = Namespaces::new();
    namespaces.replace_all([("known", NamespaceEntry::default())]);
    assert!(
        namespaces.wait_for("shop", HANG).now_or_never().is_none(),
        "it must wait"
    );
    assert!(
        namespaces
            .wait_for("shop", Duration::from_millis(10))
            .await
            .is_none()
    );
    assert!(namespaces.wait_for("known", HANG).await.is_some());
}

#[tokio::test]
async fn a_snapshot_from_manifests_is_complete_and_never_waits() {
    let namespaces = Namespaces::from_manifests(&[]).unwrap();
    namespaces.wait_synced().await;
    assert_eq!(namespaces.wait_for("shop", HANG).now_or_never(), Some(None));
}

#[test]
fn manifests_are_read_alone_in_a_list_and_in_a_typed_list() {
    let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "shop", "annotations": {"silkroll.dev/inject": "enabled", "other": "x"}}});
    let bare =
        json!({"metadata": {"name": "shop", "annotations": {"silkroll.dev/inject": "enabled"}}});
    for document in [
        shop.clone(),
        json!({"kind": "List", "items": [shop]}),
        json!({"kind": "NamespaceList", "items": [bare]}),
    ] {
        let namespaces = Namespaces::from_manifests(std::slice::from_ref(&document)).unwrap();
        assert_eq!(served(&namespaces), ["shop"], "{document}");
    }
}

#[test]
fn manifests_of_a_namespace_being_deleted_say_so() {
    for document in [
        json!({"kind": "Namespace", "metadata": {"name": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        json!({"kind": "Namespace", "metadata": {"name": "n"}, "status": {"phase": "Terminating"}}),
    ] {
        let namespaces = Namespaces::from_manifests(&[document]).unwrap();
        assert!(namespaces.get("n").unwrap().terminating);
    }
}

#[test]
fn manifests_that_cannot_be_used_are_refused_by_name() {
    let namespace = |metadata| json!({"kind": "Namespace", "metadata": metadata});
    for (documents, expected) in [
        (
            vec![json!({"kind": "Deployment", "metadata": {"name": "web"}})],
            r#"found kind "Deployment" (name "web")"#,
        ),
        (
            vec![json!({"kind": "List", "items": [{"kind": "Secret", "metadata": {"name": "s"}}]})],
            r#"found kind "Secret" (name "s")"#,
        ),
        (vec![json!("text")], r#"found kind """#),
        (vec![json!({"items": []})], r#"found kind """#),
        (vec![namespace(json!({}))], "has no metadata.name"),
        (
            vec![
                namespace(json!({"name": "a"})),
                namespace(json!({"name": "a"})),
            ],
            r#"Namespace "a" is given twice"#,
        ),
        (
            vec![namespace(
                json!({"name": "a", "annotations": {"silkroll.dev/drain-seconds": 20}}),
            )],
            "annotations.silkroll.dev/drain-seconds is 20, not a string",
        ),
        (
            vec![namespace(json!({"name": "a", "labels": ["x"]}))],
            "metadata.labels must be a mapping",
        ),
    ] {
        let error = Namespaces::from_manifests(&documents)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
