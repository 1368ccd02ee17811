//! The cluster side against a real control plane: the snapshot of namespaces and the script's ConfigMap.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of #[test]")]

mod cluster;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster::side::{Side, namespace, script};
use cluster::{ControlPlane, Options};
use serde_json::Value;
use silkroll::cluster::{Notes, Version, Wanted, Write};
use silkroll::snapshot::Asked;
use testkit::wait::eventually;

fn config_map(plane: &ControlPlane, namespace: &str, name: &str) -> Option<Value> {
    plane.get(&["configmap", "-n", namespace, name])
}

/// Namespaces of the creations of this ConfigMap that reached the API server, successful or not.
fn creations(plane: &ControlPlane, name: &str) -> Vec<String> {
    plane
        .audit()
        .iter()
        .filter(|event| event["verb"] == "create" && event["objectRef"]["resource"] == "configmaps")
        .filter(|event| event["objectRef"]["name"] == name)
        .map(|event| {
            event["objectRef"]["namespace"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

const HANG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_opts_in_gets_the_config_map_and_gets_it_back() {
    let plane = ControlPlane::shared();
    let script = script("silkroll-opt-in");
    namespace(plane, "before", Some("enabled"));
    namespace(plane, "later", None);
    namespace(plane, "never", Some("disabled"));
    let side = Side::start(&plane.kubeconfig(), &script).await;

    let made = eventually("the ConfigMap", || {
        config_map(plane, "before", &script.name)
    });
    assert_eq!(made["immutable"], true);
    assert_eq!(made["data"]["silkroll.sh"], "#!/bin/sh\nexit 0\n");
    assert_eq!(
        made["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "silkroll"
    );
    assert_eq!(
        made["metadata"]["labels"]["app.kubernetes.io/name"],
        "silkroll"
    );
    assert_eq!(
        *side.seen.version.lock().unwrap(),
        Some(Version {
            major: 1,
            minor: 36
        })
    );

    plane.ok(
        &[
            "annotate",
            "namespace",
            "later",
            "silkroll.dev/inject=on-request",
        ],
        "",
    );
    eventually("the ConfigMap after opting in", || {
        config_map(plane, "later", &script.name)
    });
    assert_eq!(
        side.namespaces
            .get("later")
            .unwrap()
            .annotation("silkroll.dev/inject"),
        Some("on-request")
    );

    plane.ok(&["delete", "configmap", "-n", "before", &script.name], "");
    let back = eventually("the ConfigMap after its deletion", || {
        config_map(plane, "before", &script.name)
    });
    assert_ne!(back["metadata"]["uid"], made["metadata"]["uid"]);

    assert!(!creations(plane, &script.name).contains(&"never".to_owned()));
    assert!(
        side.writes().iter().all(|write| *write == Write::Created),
        "{:?}",
        side.writes()
    );
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_helper_is_kept_where_it_is_asked_for_and_nowhere_else() {
    let plane = ControlPlane::shared();
    let mut files = script("silkroll-helper");
    files
        .binary_data
        .insert("hook-amd64".to_owned(), vec![0x7f, 0x45, 0xff]);
    namespace(plane, "by-annotation", Some("enabled"));
    let set = |namespace: &str, annotation: &str| {
        plane.ok(&["annotate", "namespace", namespace, annotation], "");
    };
    set("by-annotation", "silkroll.dev/hook=binary");
    namespace(plane, "by-workload", Some("enabled"));
    namespace(plane, "by-nobody", Some("enabled"));
    namespace(plane, "not-opted-in", None);
    set("not-opted-in", "silkroll.dev/hook=binary");
    let wanted =
        |asked: &Arc<Asked>| Wanted::Where("silkroll.dev/hook", "binary", Arc::clone(asked));
    let there = |namespace: &'static str| move || config_map(plane, namespace, "silkroll-helper");

    let asked = Arc::new(Asked::default());
    let side = Side::start_with(&plane.kubeconfig(), &files, wanted(&asked)).await;
    let made = eventually("the ConfigMap by the annotation", there("by-annotation"));
    assert_eq!(made["binaryData"]["hook-amd64"], "f0X/");
    assert_eq!(there("by-workload")(), None);
    asked.add("by-workload");
    asked.add("not-opted-in");
    eventually("the ConfigMap by a workload", there("by-workload"));
    // A Pod must not wait for one, so it is known where it stands.
    let known = |asked: &Asked| {
        let stands = ["by-annotation", "by-workload"]
            .iter()
            .all(|name| asked.stands(name));
        (stands && !asked.stands("by-nobody")).then_some(())
    };
    eventually("where it stands", || known(&asked));
    let delete = || {
        plane.ok(
            &[
                "delete",
                "configmap",
                "-n",
                "by-workload",
                "silkroll-helper",
            ],
            "",
        )
    };
    delete();
    eventually("the ConfigMap after its deletion", there("by-workload"));
    side.stop().await;

    // A replica that starts anew has been asked by nobody, but sees who was.
    let asked = Arc::new(Asked::default());
    let side = Side::start_with(&plane.kubeconfig(), &files, wanted(&asked)).await;
    eventually("its first list", || side.namespaces.synced().then_some(()));
    eventually("where it stands, after a restart", || known(&asked));
    namespace(plane, "by-annotation-later", Some("enabled"));
    set("by-annotation-later", "silkroll.dev/hook=binary");
    eventually("another namespace's", there("by-annotation-later"));
    delete();
    eventually(
        "the ConfigMap after a restart and its deletion",
        there("by-workload"),
    );
    side.stop().await;

    // Where all namespaces want it, it is known just so. And what goes with nobody to put it back is known, too.
    let asked = Arc::new(Asked::default());
    let everywhere = Wanted::Known(Arc::clone(&asked));
    let mut elsewhere = files.clone();
    elsewhere.name = "silkroll-everywhere".to_owned();
    let side = Side::start_with(&plane.kubeconfig(), &elsewhere, everywhere).await;
    eventually("where it stands", || {
        asked.stands("by-nobody").then_some(())
    });
    set("by-nobody", "silkroll.dev/inject-");
    eventually("the namespace out", || {
        let entry = side.namespaces.get("by-nobody")?;
        (!entry.opted_in()).then_some(())
    });
    let gone = [
        "delete",
        "configmap",
        "-n",
        "by-nobody",
        "silkroll-everywhere",
    ];
    plane.ok(&gone, "");
    eventually("that it is gone", || {
        (!asked.stands("by-nobody")).then_some(())
    });
    side.stop().await;
    for namespace in ["by-nobody", "not-opted-in"] {
        assert!(!creations(plane, "silkroll-helper").contains(&namespace.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_and_a_second_replica_write_nothing_that_is_there() {
    let plane = ControlPlane::shared();
    let script = script("silkroll-restart");
    namespace(plane, "restart-a", Some("enabled"));
    namespace(plane, "restart-b", Some("true"));
    let versions = || {
        ["restart-a", "restart-b"].map(|namespace| {
            config_map(plane, namespace, &script.name)
                .map(|found| found["metadata"]["resourceVersion"].clone())
        })
    };
    let first = Side::start(&plane.kubeconfig(), &script).await;
    let before = eventually("both ConfigMaps", || {
        versions().iter().all(Option::is_some).then(versions)
    });
    first.stop().await;
    let written = creations(plane, &script.name);

    let second = Side::start(&plane.kubeconfig(), &script).await;
    // By the time that it reports this one, it has looked at all the others.
    namespace(plane, "restart-c", Some("enabled"));
    eventually("the third ConfigMap", || {
        config_map(plane, "restart-c", &script.name)
    });
    eventually("its report", || (!second.writes().is_empty()).then_some(()));
    let mut since = creations(plane, &script.name);
    for namespace in &written {
        since.remove(since.iter().position(|other| other == namespace).unwrap());
    }
    // Other tests' namespaces opt in at the same time and get this ConfigMap too.
    since.retain(|namespace| namespace.starts_with("restart-"));
    assert_eq!(since, ["restart-c"]);
    assert_eq!(versions(), before);

    let third = Side::start(&plane.kubeconfig(), &script).await;
    third.namespaces.wait_synced().await;
    namespace(plane, "restart-d", Some("enabled"));
    eventually("the ConfigMap of either", || {
        config_map(plane, "restart-d", &script.name)
    });
    for replica in [second, third] {
        assert!(
            !replica.writes().contains(&Write::Failed),
            "{:?}",
            replica.writes()
        );
        replica.stop().await;
    }
    assert_eq!(versions(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_refuses_holds_up_no_other_and_is_tried_again() {
    let plane = ControlPlane::shared();
    let script = script("silkroll-refused");
    namespace(plane, "shut", Some("enabled"));
    // An account that may read everywhere, and create where a binding says so.
    for args in [
        &["create", "serviceaccount", "-n", "default", "partial"][..],
        &[
            "create",
            "clusterrole",
            "partial-reader",
            "--verb=get,list,watch",
            "--resource=namespaces,configmaps",
        ],
        &[
            "create",
            "clusterrole",
            "partial-writer",
            "--verb=create",
            "--resource=configmaps",
        ],
        &[
            "create",
            "clusterrolebinding",
            "partial",
            "--clusterrole=partial-reader",
            "--serviceaccount=default:partial",
        ],
    ] {
        plane.ok(args, "");
    }
    let allow = |namespace: &str| {
        let kind = ["create", "rolebinding", "partial", "-n", namespace];
        let subject = [
            "--clusterrole=partial-writer",
            "--serviceaccount=default:partial",
        ];
        plane.ok(&[&kind[..], &subject[..]].concat(), "");
    };
    let account = plane.kubeconfig_for_service_account("default", "partial");
    let side = Side::start(&account, &script).await;
    eventually("a refusal", || {
        side.writes().contains(&Write::Failed).then_some(())
    });
    namespace(plane, "roomy", Some("enabled"));
    allow("roomy");
    eventually("the other's ConfigMap", || {
        config_map(plane, "roomy", &script.name)
    });
    assert_eq!(config_map(plane, "shut", &script.name), None);

    allow("shut");
    eventually("the ConfigMap once it is allowed", || {
        config_map(plane, "shut", &script.name)
    });
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opting_out_keeps_it_and_a_terminating_namespace_is_left_alone() {
    let plane = ControlPlane::shared();
    let script = script("silkroll-leaving");
    namespace(plane, "leaver", Some("enabled"));
    // Nothing empties namespaces on this control plane: a deleted one stays Terminating.
    namespace(plane, "going", Some("enabled"));
    plane.ok(&["delete", "namespace", "going", "--wait=false"], "");
    let side = Side::start(&plane.kubeconfig(), &script).await;

    let made = eventually("the ConfigMap", || {
        config_map(plane, "leaver", &script.name)
    });
    plane.ok(
        &["annotate", "namespace", "leaver", "silkroll.dev/inject-"],
        "",
    );
    eventually("the opting out", || {
        (!side.namespaces.get("leaver")?.opted_in()).then_some(())
    });
    // The next one that opts in proves that the controller went on after that.
    namespace(plane, "leaver-next", Some("enabled"));
    eventually("the next ConfigMap", || {
        config_map(plane, "leaver-next", &script.name)
    });
    assert_eq!(
        config_map(plane, "leaver", &script.name),
        Some(made),
        "left exactly as it was"
    );

    plane.ok(&["delete", "namespace", "leaver-next", "--wait=false"], "");
    eventually("the deletion", || {
        side.namespaces
            .get("leaver-next")?
            .terminating
            .then_some(())
    });
    plane.ok(
        &["delete", "configmap", "-n", "leaver-next", &script.name],
        "",
    );
    plane.ok(&["delete", "configmap", "-n", "leaver", &script.name], "");
    namespace(plane, "leaver-last", Some("enabled"));
    eventually("the last ConfigMap", || {
        config_map(plane, "leaver-last", &script.name)
    });
    assert_eq!(
        config_map(plane, "leaver", &script.name),
        None,
        "put back without being asked for"
    );
    let creations = creations(plane, &script.name);
    assert!(!creations.contains(&"going".to_owned()), "{creations:?}");
    assert_eq!(
        creations
            .iter()
            .filter(|namespace| *namespace == "leaver-next")
            .count(),
        1
    );
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_away_leaves_the_snapshot_and_is_caught_up_with_later() {
    let plane = ControlPlane::start(Options::default());
    let script = script("silkroll-away");
    namespace(&plane, "shop", Some("enabled"));
    namespace(&plane, "plain", None);
    let side = Side::start(&plane.kubeconfig(), &script).await;
    eventually("the ConfigMap", || config_map(&plane, "shop", &script.name));

    plane.stop_api_server();
    assert!(side.namespaces.synced());
    assert!(side.namespaces.get("shop").unwrap().opted_in());
    assert!(
        !side
            .namespaces
            .wait_for("plain", HANG)
            .await
            .unwrap()
            .opted_in()
    );

    plane.start_api_server();
    namespace(&plane, "new", Some("enabled"));
    assert!(
        side.namespaces
            .wait_for("new", HANG)
            .await
            .unwrap()
            .opted_in()
    );
    eventually("the ConfigMap after the outage", || {
        config_map(&plane, "new", &script.name)
    });
    assert!(!side.task.is_finished());
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_and_its_deployment_in_one_apply_find_each_other() {
    let plane = ControlPlane::shared();
    let side = Side::start(&plane.kubeconfig(), &script("silkroll-wait")).await;
    side.namespaces.wait_synced().await;
    let waiting = {
        let namespaces = Arc::clone(&side.namespaces);
        tokio::spawn(async move { namespaces.wait_for("just-made", HANG).await })
    };
    namespace(plane, "just-made", Some("enabled"));
    assert!(waiting.await.unwrap().unwrap().opted_in());
    side.stop().await;
}

#[test]
fn nothing_outlives_a_control_plane() {
    let plane = ControlPlane::start(Options::default());
    let dir = plane.dir().to_owned();
    let pids: Vec<String> = ["etcd", "kube-apiserver"]
        .iter()
        .map(|name| {
            std::fs::read_to_string(dir.join(format!("{name}.pid")))
                .unwrap()
                .trim()
                .to_owned()
        })
        .collect();
    let alive = || {
        pids.iter()
            .filter(|pid| Path::new("/proc").join(pid).exists())
            .count()
    };
    assert_eq!(alive(), 2);
    drop(plane);
    assert_eq!(alive(), 0);
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_architecture_is_told_while_all_that_run_linux_have_one() {
    let plane = ControlPlane::shared();
    let node = |name: &str, labels: Value| {
        let node = serde_json::json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}
        });
        plane.ok(&["create", "-f", "-"], &node.to_string());
    };
    let arch = |arch: &str| serde_json::json!({"kubernetes.io/arch": arch});
    let side = Side::start(&plane.kubeconfig(), &script("silkroll-nodes")).await;
    let told = |expected: &[&str]| {
        eventually(&format!("{expected:?}"), || {
            (*side.seen.archs.lock().unwrap() == expected).then_some(())
        });
    };
    told(&["none"]);
    node("first", arch("arm64"));
    told(&["none", "arm64"]);
    node("second", arch("arm64"));
    let windows = serde_json::json!({"kubernetes.io/arch": "amd64", "kubernetes.io/os": "windows"});
    node("windows", windows);
    // A node's health changes every few minutes.
    plane.ok(&["annotate", "node", "first", "beat=1"], "");
    node("other", arch("amd64"));
    told(&["none", "arm64", "none"]);
    plane.ok(&["delete", "node", "other"], "");
    told(&["none", "arm64", "none", "arm64"]);
    plane.ok(
        &[
            "label",
            "--overwrite",
            "node",
            "second",
            "kubernetes.io/arch=amd64",
        ],
        "",
    );
    told(&["none", "arm64", "none", "arm64", "none"]);
    plane.ok(&["delete", "node", "first", "second", "windows"], "");
    side.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_may_not_see_nodes_asks_once_and_goes_on() {
    let plane = ControlPlane::shared();
    namespace(plane, "blind", None);
    plane.ok(&["create", "serviceaccount", "-n", "blind", "blind"], "");
    let account = plane.kubeconfig_for_service_account("blind", "blind");
    let side = Side::start(&account, &script("silkroll-blind")).await;
    let asked = |resource: &str| {
        let mut events = plane.audit();
        events.retain(|event| {
            event["user"]["username"] == "system:serviceaccount:blind:blind"
                && event["objectRef"]["resource"] == resource
        });
        events.len()
    };
    eventually("it was told", || {
        (*side.seen.archs.lock().unwrap() == ["none"]).then_some(())
    });
    // What is tried again and again was tried meanwhile.
    eventually("namespaces are asked for again", || {
        (asked("namespaces") > 2).then_some(())
    });
    assert_eq!(asked("nodes"), 1);
    assert!(!side.task.is_finished());
    side.stop().await;
}

fn notes(plane: &ControlPlane, home: &str) -> Option<Vec<String>> {
    let map = config_map(plane, home, "helper-namespaces")?;
    let data = map["data"].as_object().cloned().unwrap_or_default();
    Some(data.into_iter().map(|(name, _)| name).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_of_who_asked_outlive_a_restart_and_are_pruned_when_a_namespace_is_gone() {
    let plane = ControlPlane::start(Options { controllers: true });
    for name in ["home", "stays", "goes"] {
        namespace(&plane, name, Some("enabled"));
    }
    // Of another hand: it spoils nothing, and it stays.
    let key = ["create", "configmap", "-n", "home", "helper-namespaces"];
    plane.ok(&[&key[..], &["--from-literal=Not_a.name="]].concat(), "");
    let start = async |asked: &Arc<Asked>| {
        let notes = Notes {
            look: Duration::from_millis(200),
            ..Notes::new("home".to_owned(), Arc::clone(asked))
        };
        let script = script("silkroll-notes");
        Side::start_noting(
            &plane.kubeconfig(),
            &script,
            Wanted::Everywhere,
            Some(notes),
        )
        .await
    };
    let asked = Arc::new(Asked::default());
    let side = start(&asked).await;
    side.namespaces.wait_synced().await;
    for name in ["stays", "goes", "a b", "Not_a.name", "never-was"] {
        asked.add(name);
    }
    let noted = |expected: &'static [&str]| {
        let plane = &plane;
        move || (notes(plane, "home")? == expected).then_some(())
    };
    eventually(
        "what exists is noted",
        noted(&["Not_a.name", "goes", "stays"]),
    );
    assert!(!asked.contains("never-was"));
    side.stop().await;

    // A restart knows them; one that opts out stays noted while it exists.
    let asked = Arc::new(Asked::default());
    let side = start(&asked).await;
    eventually("the notes read", || asked.contains("goes").then_some(()));
    let annotation = "silkroll.dev/inject=disabled";
    plane.ok(
        &["annotate", "--overwrite", "namespace", "stays", annotation],
        "",
    );
    plane.ok(&["delete", "namespace", "goes"], "");
    eventually(
        "only the one that is gone is struck out",
        noted(&["Not_a.name", "stays"]),
    );
    assert!(asked.contains("stays") && !asked.contains("goes"));
    side.stop().await;
}

#[tokio::test]
async fn a_version_that_stays_unknown_is_told_after_a_while() {
    // A port that takes connections and answers nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let config = kube::Config::new(url.parse().unwrap());
    let seen = Arc::new(cluster::side::Seen::default());
    let run = silkroll::cluster::Cluster::with_config(config)
        .unwrap()
        .run(Arc::default(), Vec::new(), None, Arc::clone(&seen) as _);
    let task = tokio::spawn(run);
    let begun = std::time::Instant::now();
    while !seen
        .version_unknown
        .load(std::sync::atomic::Ordering::SeqCst)
    {
        assert!(begun.elapsed() < HANG, "it was never told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(30), "too early");
    assert_eq!(*seen.version.lock().unwrap(), None);
    task.abort();
}
