//! `level: pod` on a real API server with its controllers: Pods are injected, and what makes them is not touched.

use serde_json::{Value, json};
use silkroll::deregister::Helper;
use testkit::wait::eventually;

use super::manifests;
use super::space::Space;
use super::world::World;

const LEVEL_POD: &[(&str, &str)] = &[("inject", "enabled"), ("level", "pod")];

/// The Pods of a workload, by its label.
fn pods(space: &Space<'_>, app: &str, count: usize) -> Vec<Value> {
    let selector = format!("app={app}");
    eventually(&format!("{count} pods of {app}"), || {
        let list = space
            .world
            .plane
            .get(&["pods", "-n", &space.name, "-l", &selector])?;
        let pods = list["items"].as_array()?.clone();
        (pods.len() == count).then_some(pods)
    })
}

fn injected(pod: &Value) -> bool {
    pod["metadata"]["annotations"]["silkroll.dev/status"].is_string()
}

/// A template's owner that is not in the table of kinds: nothing of ours sees it, but for its Pods.
fn replica_set(name: &str) -> Value {
    let mut set = manifests::plain(name);
    set["kind"] = "ReplicaSet".into();
    set["spec"]["replicas"] = 2.into();
    set
}

#[test]
fn the_pods_of_a_replica_set_are_injected_as_a_deployment_would_be() {
    let space = Space::new(World::shared(), "level-replicaset", LEVEL_POD);
    space.apply(&replica_set("web"));
    for pod in pods(&space, "web", 2) {
        assert!(injected(&pod), "{pod}");
        let web = &pod["spec"]["containers"][0];
        assert_eq!(web["lifecycle"]["preStop"]["sleep"]["seconds"], 15);
        assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 50);
        // What the API server's own admission brought is there.
        assert!(pod["spec"]["serviceAccountName"].is_string());
    }
    let set = space
        .world
        .plane
        .get(&["replicaset/web", "-n", &space.name]);
    let template = &set.unwrap()["spec"]["template"];
    assert!(!template.to_string().contains("silkroll"), "{template}");
}

#[test]
fn a_deployment_stays_as_it_was_written_and_its_pods_are_injected() {
    let space = Space::new(World::shared(), "level-deployment", LEVEL_POD);
    let twin = Space::new(World::shared(), "level-untouched", &[]);
    let manifest = manifests::plain("web");
    space.apply(&manifest);
    twin.apply(&manifest);
    let state = space.settled("deployment/web");
    assert_eq!(
        state.object["spec"],
        twin.settled("deployment/web").object["spec"]
    );
    let count = usize::try_from(state.object["spec"]["replicas"].as_u64().unwrap()).unwrap();
    assert!(pods(&space, "web", count).iter().all(injected));

    let diff = space.kubectl(&["diff", "-f", "-"], &manifest.to_string());
    assert!(diff.success && diff.stdout.is_empty(), "{diff:?}");
    let server_side = ["diff", "--server-side", "--field-manager=argocd", "-f", "-"];
    let diff = space.kubectl(&server_side, &manifest.to_string());
    assert!(
        !diff.stdout.contains("preStop") && !diff.stdout.contains("silkroll"),
        "{diff:?}"
    );
    for _ in 0..2 {
        space.apply(&manifest);
    }
    assert_eq!(space.settled("deployment/web").revisions, state.revisions);
}

#[test]
fn who_comes_before_and_after_and_an_invalid_annotation_keep_no_pod_from_starting() {
    let space = Space::new(World::shared(), "level-invalid", LEVEL_POD);
    let mut set = replica_set("web");
    set["spec"]["template"]["metadata"]["annotations"] = json!({"silkroll.dev/drain-seconds": "x"});
    space.apply(&set);
    assert!(!pods(&space, "web", 2).iter().any(injected));
    // The author of a Deployment with the same mistake hears of it.
    let mut deployment = manifests::plain("denied");
    deployment["spec"]["template"]["metadata"]["annotations"] =
        json!({"silkroll.dev/drain-seconds": "x"});
    let denied = space.kubectl(&["apply", "-f", "-"], &deployment.to_string());
    assert!(
        !denied.success && denied.stderr.contains("allowed is a whole number"),
        "{denied:?}"
    );
}

#[test]
fn a_pod_of_a_job_a_bare_one_and_a_mirror_are_not_touched() {
    let space = Space::new(World::shared(), "level-others", LEVEL_POD);
    let spec = manifests::plain("bare")["spec"]["template"]["spec"].clone();
    space.apply(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "bare", "labels": {"app": "bare"}}, "spec": spec}));
    let owned = manifests::owned_pod(&space.name);
    assert!(injected(&space.dry_run(&owned)));
    let mut job = owned.clone();
    job["metadata"]["ownerReferences"][0]["kind"] = "Job".into();
    assert!(!injected(&space.dry_run(&job)));
    let mut ends = owned.clone();
    ends["spec"]["restartPolicy"] = "OnFailure".into();
    assert!(!injected(&space.dry_run(&ends)));
    // As a kubelet makes it: the Node is its controller.
    let mut mirror = owned;
    mirror["metadata"]["ownerReferences"][0]["kind"] = "Node".into();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    mirror["spec"]["nodeName"] = "node".into();
    assert!(!injected(&space.dry_run(&mirror)));
    // One that says no is not even asked about; its neighbour shows that the others could have been.
    let mut says_no = replica_set("no");
    says_no["spec"]["template"]["metadata"]["annotations"] =
        json!({"silkroll.dev/inject": "disabled"});
    space.apply(&says_no);
    space.apply(&replica_set("web"));
    assert!(pods(&space, "web", 2).iter().all(injected));
    for (app, count) in [("bare", 1), ("no", 2)] {
        assert!(!pods(&space, app, count).iter().any(injected), "{app}");
    }
}

#[test]
fn the_level_of_a_namespace_that_was_injected_changes_at_the_next_change_of_each_workload() {
    let space = Space::new(World::shared(), "level-change", &[("inject", "enabled")]);
    let manifest = manifests::plain("web");
    space.apply(&manifest);
    let before = space.settled("deployment/web");
    assert!(before.injected());
    let other = manifests::plain("other");
    space.reannotate("level=pod", &other, |answer| {
        !answer.stdout.contains("silkroll.dev/status")
    });
    space.quiet(&["scale", "deployment/web", "--replicas=5"], "");
    assert!(space.settled("deployment/web").injected(), "nothing rolls");
    // A Pod of a template that is injected already has one record and one hook.
    let all = pods(&space, "web", 5);
    assert!(all.iter().all(injected));
    for pod in &all {
        assert_eq!(
            pod["spec"]["containers"][0]["lifecycle"],
            before.web()["lifecycle"]
        );
    }
    space.quiet(&["set", "image", "deployment/web", "web=web:2"], "");
    let after = space.settled("deployment/web");
    assert!(
        !after.injected() && after.pod()["terminationGracePeriodSeconds"] == 30,
        "{}",
        after.pod()
    );
}

#[test]
fn no_pod_waits_for_the_helper() {
    let space = Space::new(World::shared(), "level-helper", LEVEL_POD);
    let asks = |mut object: Value| {
        object["spec"]["template"]["metadata"]["annotations"] = json!({
            "silkroll.dev/hook": "binary", "silkroll.dev/hook-arch": "amd64",
            "silkroll.dev/deregister": "http", "silkroll.dev/http-url": "http://admin/offline",
            "silkroll.dev/http-start-url": "http://admin/online",
        });
        object
    };
    let helper = Helper::current().config_map;
    let stands = || {
        space
            .world
            .plane
            .get(&["configmap", "-n", &space.name, &helper])
    };
    // Whether the kubelet runs the helper at start, and then waits for its ConfigMap.
    let waits = |pod: &Value| {
        let start = &pod["spec"]["containers"][0]["lifecycle"]["postStart"];
        let volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
        let maps: Vec<_> = volumes
            .filter(|volume| volume["configMap"]["name"] == *helper)
            .collect();
        assert_eq!(maps.len(), 1, "{pod}");
        assert_eq!(
            maps[0]["configMap"]["optional"] == true,
            start.is_null(),
            "{pod}"
        );
        !start.is_null()
    };

    let mut pod = manifests::owned_pod(&space.name);
    pod["metadata"]["annotations"] =
        asks(replica_set("web"))["spec"]["template"]["metadata"]["annotations"].clone();
    assert_eq!(stands(), None);
    assert!(
        !waits(&space.dry_run(&pod)),
        "there is none, and a dry run makes none"
    );
    space.apply(&asks(replica_set("web")));
    for pod in pods(&space, "web", 2) {
        waits(&pod);
    }
    eventually("the helper's ConfigMap", stands);
    eventually("a start hook in later Pods", || {
        waits(&space.dry_run(&pod)).then_some(())
    });

    // A kind that is seen: it is there before the first Pod.
    let early = Space::new(World::shared(), "level-helper-early", LEVEL_POD);
    let mut deployment = asks(manifests::plain("web"));
    deployment["spec"]["replicas"] = 0.into();
    early.apply(&deployment);
    eventually("the helper's ConfigMap before a Pod", || {
        early
            .world
            .plane
            .get(&["configmap", "-n", &early.name, &helper])
    });
}
