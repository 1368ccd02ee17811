//! Argo CD: its repo-server and application-controller, with self-heal on.

use std::time::Duration;

use serde_json::{Value, json};
use silkroll::manifest::{self, Limits};
use testkit::ports;
use testkit::process::{Process, Spec};
use testkit::wait::{eventually, within};

use super::git::{Git, RECONCILES, SETS, Set, as_printed, built, printed};
use super::world::World;

/// Argo CD takes its time where it meets a cluster first, on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// Its programs, which end with this.
struct Programs {
    _controller: Process,
    _repository: Process,
    _redis: Process,
}

fn start(world: &World) -> Programs {
    let plane = &world.plane;
    let folder = built("SILKROLL_ARGOCD");
    let crds = folder.join("crds").display().to_string();
    plane.ok(&["apply", "--server-side", "-k", &crds], "");
    let established = [
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=60s",
    ];
    // kubectl gives up on one that has no conditions yet.
    eventually("the CRDs of Argo CD", || {
        let waited = plane.kubectl(&[&["wait"], &established[..]].concat(), "");
        waited.success.then_some(())
    });
    plane.ok(&["create", "namespace", "argocd"], "");
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}},
    });
    let mut project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": "argocd"},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    });
    project["spec"]["orphanedResources"] = orphans();
    plane.ok(
        &["create", "-f", "-"],
        &format!("{settings}\n---\n{project}"),
    );

    let [redis, repository, metrics, controller] = ports::free().unwrap();
    let program = |name: &str, args: &[String]| {
        let path = std::env::var("PATH").unwrap();
        let env = [
            ("ARGOCD_BINARY_NAME", format!("argocd-{name}")),
            ("ARGOCD_FAKE_IN_CLUSTER", "true".to_owned()),
            ("ARGOCD_GPG_ENABLED", "false".to_owned()),
            ("KUBECONFIG", plane.kubeconfig().display().to_string()),
            // The repo-server calls a script that is beside it.
            ("PATH", format!("{}:{path}", folder.display())),
        ];
        plane.run(&Spec {
            name: format!("argocd-{name}"),
            program: folder.join("argocd"),
            args: args.to_vec(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        })
    };
    let words = |text: String| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let at = plane.dir().display();
    let redis_args = format!("--bind 127.0.0.1 --port {redis} --appendonly no --dir {at} --save");
    let mut redis_args = words(redis_args);
    redis_args.push(String::new());
    let redis_server = plane.run(&Spec {
        name: "redis".to_owned(),
        program: "/usr/bin/redis-server".into(),
        args: redis_args,
        env: Vec::new(),
    });
    let mut repository_args = words(format!(
        "--address 127.0.0.1 --port {repository} --metrics-address 127.0.0.1 --metrics-port {metrics} \
         --redis 127.0.0.1:{redis} --disable-tls --revision-cache-expiration 5s --client-ca-path"
    ));
    repository_args.push(String::new());
    let controller_args = words(format!(
        "--kubeconfig {} --namespace argocd --redis 127.0.0.1:{redis} --repo-server 127.0.0.1:{repository} \
         --repo-server-plaintext --metrics-port {controller} --app-resync 20 --app-resync-jitter 0",
        plane.kubeconfig().display()
    ));
    Programs {
        _controller: program("application-controller", &controller_args).unwrap(),
        _repository: program("repo-server", &repository_args).unwrap(),
        _redis: redis_server.unwrap(),
    }
}

/// What is printed for a project that watches for orphaned resources, with the watch.
fn orphans() -> Value {
    let text = printed("argocd");
    let block = text
        .lines()
        .skip_while(|line| !line.contains("orphanedResources:"));
    let lines = block.map_while(|line| line.strip_prefix("#   "));
    let yaml = lines.collect::<Vec<_>>().join("\n");
    let documents = manifest::read(yaml.as_bytes(), &Limits::default()).unwrap();
    let mut value =
        documents.into_iter().next().unwrap().unwrap().value()["orphanedResources"].clone();
    assert!(value["ignore"][0]["name"].is_string(), "{yaml}");
    value["warn"] = true.into();
    value
}

/// Names of applications are those of their sets.
fn application(git: &Git, set: &Set) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": set.name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {
                "repoURL": format!("file://{}", git.folder().display()), "path": set.name, "targetRevision": "HEAD",
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": git.namespace(set)},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
        },
    })
}

/// Lets all be compared once more, and returns them.
fn reconcile(world: &World, how: &str) -> Vec<Value> {
    let refresh = format!("argocd.argoproj.io/refresh={how}");
    let all = ["application", "-n", "argocd", "--all", "--overwrite"];
    world
        .plane
        .ok(&[&["annotate"], &all[..], &[&refresh]].concat(), "");
    let asked = |application: &Value| {
        application["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_string()
    };
    let look = || {
        let list = world.plane.get(&["applications", "-n", "argocd"]).unwrap();
        let items = list["items"].as_array().unwrap();
        Ok((!items.iter().any(asked)).then(|| items.clone()))
    };
    within(LONG, "Argo CD compares all", look).unwrap()
}

fn name(application: &Value) -> &str {
    application["metadata"]["name"].as_str().unwrap()
}

fn synced(application: &Value) -> bool {
    application["status"]["sync"]["status"] == "Synced"
}

/// Waits until exactly these are in sync.
fn in_sync(world: &World, what: &str, expected: impl Fn(&Set) -> bool) {
    let mut seen = Vec::new();
    let look = || {
        let all = reconcile(world, "normal");
        seen = all
            .iter()
            .map(|it| (name(it).to_owned(), it["status"]["sync"]["status"].clone()))
            .collect();
        let fits = |set: &Set| {
            let found = all.iter().find(|it| name(it) == set.name).unwrap();
            synced(found) == expected(set)
                && found["status"]["operationState"]["phase"] == "Succeeded"
        };
        Ok(SETS.iter().all(fits).then_some(()))
    };
    within(LONG, what, look).unwrap_or_else(|error| panic!("{error}: {seen:?}"));
}

/// When each was last synced.
fn syncs(all: &[Value]) -> Vec<(String, Value)> {
    let begun = |it: &Value| it["status"]["operationState"]["startedAt"].clone();
    all.iter()
        .map(|it| (name(it).to_owned(), begun(it)))
        .collect()
}

/// In sync 20 times running, with a cache and without one, and no sync.
fn stays(git: &Git) {
    let since = git.states();
    let begun = syncs(&reconcile(git.world, "hard"));
    for round in 0..RECONCILES {
        let all = reconcile(git.world, if round % 2 == 0 { "hard" } else { "normal" });
        for it in &all {
            assert!(
                synced(it),
                "{} in round {round}: {}",
                name(it),
                it["status"]["sync"]
            );
            let conditions = it["status"]["conditions"].to_string();
            assert!(
                !conditions.contains("Orphaned"),
                "{}: {conditions}",
                name(it)
            );
        }
        assert_eq!(syncs(&all), begun, "a sync in round {round}");
        git.unmoved(&since, round);
    }
}

#[test]
#[ignore = "needs the tools: make test-gitops"]
fn argo_cd_is_in_sync_with_what_is_printed_and_not_without() {
    let mut git = Git::new("argocd");
    let world = git.world;
    let _programs = start(world);
    for set in SETS {
        world
            .plane
            .ok(&["create", "-f", "-"], &application(&git, set).to_string());
    }

    // Without settings: those that state what injection changes never come in sync, and are healed again and again.
    in_sync(
        world,
        "out of sync without settings: those that differ",
        |set| !set.differs,
    );
    let first = git.first();
    let begun = syncs(&reconcile(world, "normal"));
    let healed = |(name, start): &(String, Value), now: &[(String, Value)]| {
        now.iter()
            .any(|(other, again)| other == name && again != start)
    };
    let again = eventually("self-heal tries again", || {
        let now = syncs(&reconcile(world, "normal"));
        let differs = SETS.iter().filter(|set| set.differs);
        let healed = differs.map(|set| {
            let it = begun.iter().find(|(name, _)| name == set.name).unwrap();
            healed(it, &now)
        });
        healed.into_iter().all(|it| it).then_some(now)
    });
    for set in SETS.iter().filter(|set| !set.differs) {
        let it = begun.iter().find(|(name, _)| name == set.name).unwrap();
        assert!(!healed(it, &again), "{} was healed: {again:?}", set.name);
    }
    git.unmoved(&first, 0);

    // The first choice, for one of them.
    let printed = printed("argocd");
    for command in ["ServerSideDiff=true", "refresh=hard"] {
        as_printed(world, &printed, command, &[("NAME", "own")]);
    }
    in_sync(world, "in sync by ServerSideDiff", |set| {
        !set.differs || set.name == "own"
    });

    // The second, for all.
    let apply = [
        "apply",
        "--server-side",
        "--field-manager=silkroll",
        "-f",
        "-",
    ];
    world.plane.ok(&apply, &printed);
    in_sync(world, "in sync by the ConfigMap", |_| true);
    git.unmoved(&first, 0);
    stays(&git);

    git.change();
    reconcile(world, "hard");
    git.arrived(&first);
    in_sync(world, "in sync after the change", |_| true);
    stays(&git);
}
