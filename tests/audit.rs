//! The audit on a real API server: what is stored and not injected is found, told once, and by one replica at a time,
//! whatever happens to it or to the API server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod cluster;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cluster::side::namespace;
use cluster::{ControlPlane, Options, replica};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::PostParams;
use serde_json::{Value, json};
use testkit::process::{Process, mib};
use testkit::wait::{PATIENCE, eventually, within};

const SYSTEM: &str = "silkroll-system";
/// More Deployments than a page of the audit holds, which is 250.
const MANY: u64 = 255;
const ACCOUNT: &str = "system:serviceaccount:silkroll-system:silkroll";

/// An installed Silkroll of which no replica runs. Tests take turns: there is one Lease.
struct World {
    plane: ControlPlane,
    account: PathBuf,
    certs: PathBuf,
    replicas: AtomicUsize,
}

impl World {
    fn turn() -> MutexGuard<'static, Self> {
        static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
        let world = WORLD.get_or_init(|| Mutex::new(Self::start()));
        // A failed test must not fail those after it.
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        let forget = ["delete", "lease", "-n", SYSTEM, "--all"];
        world.plane.ok(&forget, "");
        world
    }

    fn start() -> Self {
        let plane = ControlPlane::start(Options::default());
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
        plane.ok(&["apply", "-f", &install.display().to_string()], "");
        let certs = plane.dir().join("certs");
        replica::make_certs(&certs);
        let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
        Self {
            plane,
            account,
            certs,
            replicas: AtomicUsize::new(0),
        }
    }

    /// Starts a replica with the account of the install file, and more flags.
    fn replica(&self, flags: &[&str]) -> Replica {
        let at = self.replicas.fetch_add(1, Ordering::Relaxed);
        let host = format!("replica-{at}");
        let mut spec = replica::spec(&host, &self.certs);
        spec.args.extend(flags.iter().map(|&flag| flag.to_owned()));
        spec.env = vec![
            ("KUBECONFIG".to_owned(), self.account.display().to_string()),
            ("HOSTNAME".to_owned(), host.clone()),
        ];
        let process = self.plane.run(&spec).unwrap();
        let mut replica = Replica {
            process,
            log: self.plane.dir().join(format!("{host}.log")),
            host,
            admin: ([127, 0, 0, 1], 0).into(),
        };
        replica.admin = eventually("what it serves on", || {
            let serving = |line: &Value| line["message"] == "serving";
            let line = replica.log().into_iter().find(serving)?;
            line["admin_listen"].as_str()?.parse().ok()
        });
        replica
    }

    fn holder(&self) -> String {
        let lease = self.plane.get(&["lease", "-n", SYSTEM, "silkroll-audit"]);
        let holder = lease.map(|lease| lease["spec"]["holderIdentity"].clone());
        holder
            .unwrap_or_default()
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Events of the audit in a namespace: kind, name, reason and note.
    fn events(&self, namespace: &str) -> Vec<Value> {
        let events = self.plane.get(&["events.events.k8s.io", "-n", namespace]);
        let events = events.unwrap_or_default()["items"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ours = |event: &Value| event["reportingController"] == "silkroll.dev/audit";
        events.into_iter().filter(ours).collect()
    }

    /// All Deployments of a namespace at once.
    fn delete_all(&self, namespace: &str) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        self.plane.ok(&["delete", "--raw", &path], "");
    }

    fn asked(&self, what: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut asked = self.plane.audit();
        asked.retain(|event| event["user"]["username"] == ACCOUNT && what(event));
        asked
    }
}

struct Replica {
    process: Process,
    log: PathBuf,
    host: String,
    admin: SocketAddr,
}

impl Replica {
    fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines();
        // The last one may be half written.
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn metrics(&self) -> String {
        let answer = testkit::http::get(self.admin, "admin", "/metrics", Duration::from_secs(60));
        answer.unwrap().text()
    }

    /// A figure; none where it is not there.
    fn figure(&self, name: &str) -> Option<String> {
        let text = self.metrics();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    }

    fn runs(&self, result: &str) -> u64 {
        let name = format!("silkroll_audit_runs_total{{result=\"{result}\"}}");
        self.figure(&name).unwrap().parse().unwrap()
    }

    fn found(&self, reason: &str) -> Option<u64> {
        let name = format!("silkroll_audit_findings{{reason=\"{reason}\"}}");
        self.figure(&name).map(|value| value.parse().unwrap())
    }

    /// Waits for more whole runs.
    fn runs_again(&self, times: u64) {
        let before = self.runs("ok");
        eventually("runs of the audit", || {
            (self.runs("ok") >= before + times).then_some(())
        });
    }

    fn says(&self, part: &str) -> usize {
        let says = |line: &&Value| line.to_string().contains(part);
        self.log().iter().filter(says).count()
    }
}

fn web(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
        }},
    })
}

/// What the webhook would have stored.
fn injected(object: &Value) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    let output = testkit::process::run(
        command.args(["inject", "-f", "-"]),
        object.to_string().as_bytes(),
    );
    let output = output.unwrap();
    assert!(output.success, "{output:?}");
    output.stdout
}

/// What is admitted while nobody asks the webhook: nothing answers, and then its configuration is gone. In `missed` each with
/// something to say of it; `fine` and `out` are as they should be.
fn applied_meanwhile(plane: &ControlPlane) {
    namespace(plane, "missed", Some("enabled"));
    namespace(plane, "fine", Some("enabled"));
    namespace(plane, "out", None);
    let create =
        |namespace: &str, text: &str| plane.ok(&["create", "-n", namespace, "-f", "-"], text);
    create("missed", &web("away").to_string());
    plane.ok(&["delete", "mutatingwebhookconfiguration", "silkroll"], "");
    create("missed", &web("gone").to_string());
    create("out", &web("gone").to_string());
    create("fine", &injected(&web("injected")));
    let mut disabled = web("disabled");
    disabled["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
    create("fine", &disabled.to_string());
    let mut wrong = web("wrong");
    wrong["metadata"]["annotations"] = json!({"silkroll.dev/drain-seconds": "soon"});
    create("missed", &wrong.to_string());
    let mut old = web("old");
    old["metadata"]["annotations"] = json!({"silkroll.dev/drain-seconds": "7"});
    create("missed", &injected(&old));
    plane.ok(
        &[
            "annotate",
            "deployment",
            "-n",
            "missed",
            "old",
            "--overwrite",
            "silkroll.dev/drain-seconds=8",
        ],
        "",
    );
}

#[test]
fn what_was_admitted_while_silkroll_was_away_is_found_and_told_once() {
    let world = World::turn();
    let plane = &world.plane;
    applied_meanwhile(plane);
    let replica = world.replica(&["--audit-interval=1"]);
    replica.runs_again(3);
    for (reason, count) in [
        ("not-injected", 2),
        ("outdated", 1),
        ("invalid-annotation", 1),
        ("windows", 0),
    ] {
        assert_eq!(
            replica.found(reason),
            Some(count),
            "{reason}: {}",
            replica.metrics()
        );
    }
    assert_eq!(replica.runs("failed"), 0);
    let last = replica.figure("silkroll_audit_last_whole_run_timestamp_seconds");
    assert!(last.unwrap().parse::<u64>().unwrap() > 1_000_000_000);
    let mut told: Vec<_> = world
        .events("missed")
        .iter()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&event["regarding"]["name"]),
                text(&event["reason"]),
                text(&event["type"]),
            )
        })
        .collect();
    told.sort();
    let expected = [
        ("away", "NotInjected", "Warning"),
        ("gone", "NotInjected", "Warning"),
        ("old", "Outdated", "Normal"),
        ("wrong", "InvalidAnnotation", "Warning"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(world.events("fine"), Vec::<Value>::new());
    assert_eq!(world.events("out"), Vec::<Value>::new());
    assert_eq!(
        replica.says("kubectl rollout restart deployment/gone -n missed"),
        1
    );
    // As people look for it.
    let described = plane.ok(&["events", "-n", "missed", "--for", "deployment/gone"], "");
    assert!(
        described.contains("kubectl rollout restart deployment/gone"),
        "{described}"
    );

    // Mended, it is found no more; a change of what is missed is told again.
    plane.ok(
        &["replace", "-n", "missed", "-f", "-"],
        &injected(&web("away")),
    );
    plane.ok(
        &[
            "set",
            "image",
            "deployment/gone",
            "-n",
            "missed",
            "web=web:2",
        ],
        "",
    );
    replica.runs_again(2);
    assert_eq!(replica.found("not-injected"), Some(1));
    assert_eq!(world.events("missed").len(), 5);
    drop(replica);
    // It gave its Lease back, so that the next one need not wait. And an Event that stands is not written again.
    assert_eq!(world.holder(), "");
    let next = world.replica(&["--audit-interval=1"]);
    next.runs_again(2);
    assert_eq!(world.events("missed").len(), 5);
    for name in ["missed", "fine", "out"] {
        world.delete_all(name);
    }
    next.runs_again(2);
    assert_eq!(next.found("not-injected"), Some(0));
}

#[test]
fn one_replica_audits_and_when_it_is_killed_the_other_one_does() {
    let world = World::turn();
    let plane = &world.plane;
    namespace(plane, "turns", Some("enabled"));
    let replicas = [
        world.replica(&["--audit-interval=1"]),
        world.replica(&["--audit-interval=1"]),
    ];
    let holder = eventually("a holder", || {
        Some(world.holder()).filter(|holder| !holder.is_empty())
    });
    let [first, second] = replicas;
    let (auditor, other) = if holder.starts_with(&first.host) {
        (first, second)
    } else {
        (second, first)
    };
    auditor.runs_again(4);
    assert_eq!(other.runs("ok"), 0);
    assert_eq!(other.found("not-injected"), None);

    auditor.process.kill().unwrap();
    plane.ok(
        &["create", "-n", "turns", "-f", "-"],
        &web("web").to_string(),
    );
    eventually("the miss", || {
        (other.found("not-injected")? == 1).then_some(())
    });
    assert!(world.holder().starts_with(&other.host));
    assert_eq!(world.events("turns").len(), 1);
    world.delete_all("turns");
}

#[test]
fn a_lease_that_is_not_silkrolls_is_left_alone_and_no_audit_is_made() {
    let world = World::turn();
    let plane = &world.plane;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "silkroll-audit", "namespace": SYSTEM}, "spec": {"holderIdentity": "somebody"},
    });
    plane.ok(&["create", "-f", "-"], &lease.to_string());
    let replica = world.replica(&["--audit-interval=1"]);
    eventually("that it is said", || {
        (replica.says("was not made by Silkroll") > 0).then_some(())
    });
    let version = || {
        plane
            .get(&["lease", "-n", SYSTEM, "silkroll-audit"])
            .unwrap()["metadata"]["resourceVersion"]
            .clone()
    };
    let before = version();
    plane.ok(
        &[
            "label",
            "lease",
            "-n",
            SYSTEM,
            "silkroll-audit",
            "app.kubernetes.io/managed-by=silkroll",
        ],
        "",
    );
    assert_ne!(version(), before);
    let labelled = version();
    // Held without a duration: for how long nobody knows.
    let looks = || {
        world
            .asked(|event| event["objectRef"]["name"] == "silkroll-audit")
            .len()
    };
    let looked = looks();
    eventually("more turns", || (looks() > looked + 2).then_some(()));
    // It was said of one fault and not at each turn.
    assert_eq!(
        (replica.says("the audit cannot use its Lease"), version()),
        (1, labelled)
    );
    assert_eq!(replica.runs("ok") + replica.runs("failed"), 0);
    plane.ok(&["delete", "lease", "-n", SYSTEM, "silkroll-audit"], "");
    replica.runs_again(1);
}

#[test]
fn an_api_server_that_goes_away_is_said_once_and_audits_go_on_when_it_is_back() {
    let world = World::turn();
    let plane = &world.plane;
    namespace(plane, "back", Some("enabled"));
    let replica = world.replica(&["--audit-interval=1"]);
    replica.runs_again(1);
    plane.kill_api_server();
    eventually("that it is said", || {
        (replica.says("the audit cannot") > 0).then_some(())
    });
    // It answers meanwhile, and what was found stays.
    assert_eq!(replica.found("windows"), Some(0));
    plane.start_api_server();
    plane.ok(
        &["create", "-n", "back", "-f", "-"],
        &web("web").to_string(),
    );
    eventually("the miss", || {
        (replica.found("not-injected")? == 1).then_some(())
    });
    let said = replica.says("the audit cannot");
    assert!(said <= 2, "{said}");
    world.delete_all("back");
}

#[test]
fn what_is_on_the_second_page_is_found_and_a_kind_that_is_refused_hides_no_other() {
    let world = World::turn();
    let plane = &world.plane;
    namespace(plane, "pages", Some("enabled"));
    let refused = |event: &Value| {
        let what = event["objectRef"]["resource"].as_str().unwrap_or_default();
        event["annotations"]["authorization.k8s.io/decision"] == "forbid"
            && !["statefulsets", "rollouts"].contains(&what)
    };
    let before = world.asked(refused).len();
    create_many(&world, "pages");
    // The account of the install file may list Deployments alone.
    let replica = world.replica(&[
        "--audit-interval=1",
        "--workloads=statefulset,deployment,rollout",
    ]);
    eventually("all of them", || {
        (replica.found("not-injected")? == MANY).then_some(())
    });
    assert!(replica.runs("failed") > 0 && replica.runs("ok") == 0);
    assert_eq!(replica.says("the audit cannot list statefulsets"), 1);
    assert_eq!(replica.says("the audit cannot list rollouts"), 1);
    let pages = world.asked(|event| {
        let uri = event["requestURI"].as_str().unwrap_or_default();
        uri.contains("/deployments?limit=250&continue=")
    });
    assert!(!pages.is_empty());
    // Each is told of once, 80 in a run.
    eventually("an Event for each", || {
        (world.events("pages").len() as u64 == MANY).then_some(())
    });
    world.delete_all("pages");
    drop(replica);
    assert_eq!(world.asked(refused)[before..], Vec::<Value>::new());
}

/// Deployments, each in a namespace, as fast as an API server takes them.
fn create_all(world: &World, all: impl Iterator<Item = (String, Value)>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = kube::Client::try_from(world.plane.config().await).unwrap();
        stream::iter(all)
            .map(|(namespace, object)| {
                let api = kube::Api::<Deployment>::namespaced(client.clone(), &namespace);
                let object = serde_json::from_value(object).unwrap();
                async move { api.create(&PostParams::default(), &object).await }
            })
            .buffer_unordered(16)
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
    });
}

/// Deployments that were never injected, more than a page of the audit holds.
fn create_many(world: &World, namespace: &str) {
    let all = (0..MANY).map(|n| (namespace.to_owned(), web(&format!("web-{n:03}"))));
    create_all(world, all);
}

#[test]
fn a_list_whose_pages_expire_is_begun_again_and_nothing_is_counted_twice() {
    let world = World::turn();
    namespace(&world.plane, "expires", Some("enabled"));
    create_many(&world, "expires");
    let replica = world.replica(&["--audit-interval=1"]);
    let gone = || {
        let expired = |event: &Value| {
            let uri = event["requestURI"].as_str().unwrap_or_default();
            uri.contains("continue=") && event["responseStatus"]["code"] == 410
        };
        world.asked(expired).len()
    };
    eventually("an answer of 410", || {
        for _ in 0..20 {
            world.plane.compact();
            std::thread::sleep(Duration::from_millis(20));
        }
        (gone() > 0).then_some(())
    });
    replica.runs_again(2);
    assert_eq!(replica.found("not-injected"), Some(MANY));
    world.delete_all("expires");
}

#[test]
fn lists_that_the_api_server_is_too_busy_for_are_said_once_and_tried_again() {
    let world = World::turn();
    let plane = &world.plane;
    namespace(plane, "busy", Some("enabled"));
    plane.ok(
        &["create", "-n", "busy", "-f", "-"],
        &web("web").to_string(),
    );
    // Priority and fairness with one place for what the audit lists, and somebody who has it: the rest is answered with 429.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let holder = "system:serviceaccount:busy:holder";
    let rule = |verb: &str, group: &str, resources: &str| {
        json!({
            "verbs": [verb], "apiGroups": [group], "resources": [resources], "namespaces": ["*"], "clusterScope": true,
        })
    };
    let flow = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": {"name": "busy"},
            "spec": {"type": "Limited", "limited": {
                "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"},
            }},
        },
        {
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": "busy"},
            "spec": {
                "priorityLevelConfiguration": {"name": "busy"}, "matchingPrecedence": 2,
                "rules": [{
                    "subjects": [{"kind": "User", "user": {"name": ACCOUNT}}, {"kind": "User", "user": {"name": holder}}],
                    "resourceRules": [rule("list", "apps", "deployments"), rule("create", "", "endpoints")],
                }],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "busy"},
            "webhooks": [{
                "name": "never.answers.example", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 30, "clientConfig": {"url": format!("https://{address}/")},
                "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["endpoints"]}],
            }],
        },
    ]});
    plane.ok(&["create", "-f", "-"], &flow.to_string());
    plane.ok(&["create", "serviceaccount", "holder", "-n", "busy"], "");
    plane.ok(
        &[
            "create",
            "rolebinding",
            "holder",
            "-n",
            "busy",
            "--clusterrole=cluster-admin",
            "--serviceaccount=busy:holder",
        ],
        "",
    );
    let as_holder = format!("--as={holder}");
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "held", "namespace": "busy"}});
    let busy = |event: &Value| event["responseStatus"]["code"] == 429;
    let busying = AtomicBool::new(true);
    let replica = world.replica(&["--audit-interval=1"]);
    std::thread::scope(|scope| {
        // The API server waits 10 s for a handshake.
        scope.spawn(|| {
            while busying.load(Ordering::Relaxed) {
                plane.kubectl(&["create", &as_holder, "-f", "-"], &endpoints.to_string());
            }
        });
        let failed = within(PATIENCE, "a run that fails", || {
            Ok((replica.runs("failed") > 0).then_some(()))
        });
        busying.store(false, Ordering::Relaxed);
        failed.unwrap();
    });
    assert_eq!(replica.says("the audit cannot list deployments"), 1);
    // A client that is told to wait does, and the run fails where that takes longer than 30 s: no storm of calls.
    let refused = world.asked(busy).len();
    assert!((1..60).contains(&refused), "{refused} calls");
    plane.ok(&["delete", "-f", "-"], &flow.to_string());
    eventually("the miss", || {
        (replica.found("not-injected")? == 1).then_some(())
    });
    assert_eq!(replica.says("the audit can list deployments again"), 1);
    world.delete_all("busy");
}

#[test]
fn an_event_that_one_namespace_refuses_is_written_in_the_others() {
    let world = World::turn();
    let plane = &world.plane;
    for name in ["refusing", "willing"] {
        namespace(plane, name, Some("enabled"));
    }
    let policy = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "no-events"},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["", "events.k8s.io"], "apiVersions": ["*"], "operations": ["CREATE"],
                    "resources": ["events"],
                }]},
                "validations": [{"expression": "false", "message": "no Events here"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "no-events"},
            "spec": {
                "policyName": "no-events", "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "refusing"}}},
            },
        },
    ]});
    plane.ok(&["create", "-f", "-"], &policy.to_string());
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "any", "namespace": "refusing"},
        "involvedObject": {"kind": "Namespace", "name": "refusing", "namespace": "refusing"},
    });
    eventually("the policy", || {
        let tried = plane.kubectl(
            &["create", "--dry-run=server", "-f", "-"],
            &event.to_string(),
        );
        tried.stderr.contains("no Events here").then_some(())
    });
    for name in ["refusing", "willing"] {
        plane.ok(&["create", "-n", name, "-f", "-"], &web("web").to_string());
    }
    let replica = world.replica(&["--audit-interval=1"]);
    replica.runs_again(3);
    assert_eq!(replica.found("not-injected"), Some(2));
    assert_eq!(replica.runs("failed"), 0);
    assert_eq!(world.events("refusing").len(), 0);
    assert_eq!(world.events("willing").len(), 1);
    // The log has both, and why the one has no Event.
    assert_eq!(replica.says("kubectl rollout restart deployment/web"), 2);
    assert_eq!(replica.says("the audit cannot write Events"), 1);
    assert_eq!(replica.says("no Events here"), 1);
    let tried = |event: &Value| {
        let object = &event["objectRef"];
        let created = event["verb"] == "create" && object["resource"] == "events";
        created && object["namespace"] == "refusing"
    };
    assert_eq!(world.asked(tried).len(), 1);
    for name in ["refusing", "willing"] {
        world.delete_all(name);
    }
    plane.ok(&["delete", "-f", "-"], &policy.to_string());
}

/// By hand: `cargo test --test audit -- --ignored --nocapture`, with `SILKROLL_CLUSTER_BIN` as for the others.
/// `SILKROLL_PROGRAM` names the program to measure, where it is not that of this build, `AUDIT_DEPLOYMENTS` another number.
#[test]
#[ignore = "a measurement: 10,000 Deployments, two minutes"]
fn what_an_audit_of_10_000_deployments_costs() {
    const NAMESPACES: usize = 50;
    let all = std::env::var("AUDIT_DEPLOYMENTS").map_or(10_000, |number| number.parse().unwrap());
    let each = all / NAMESPACES;
    let world = World::turn();
    let plane = &world.plane;
    let items: Vec<_> = (0..each)
        .map(|n| {
            let mut object = web(&format!("web-{n}"));
            object["metadata"]["annotations"] = json!({
                "silkroll.dev/deregister": "nacos", "silkroll.dev/nacos-server": "http://nacos:8848",
            });
            object
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let injected: Value = serde_json::from_str(&injected(&list)).unwrap();
    let injected = injected["items"].as_array().unwrap();
    let names: Vec<_> = (0..NAMESPACES).map(|n| format!("cost-{n}")).collect();
    for name in &names {
        namespace(plane, name, Some("enabled"));
    }
    let all = names
        .iter()
        .flat_map(|name| injected.iter().map(move |one| (name.clone(), one.clone())));
    create_all(&world, all);
    let replica = world.replica(&["--audit-interval=60"]);
    // Past the writes of its start, before the first run.
    std::thread::sleep(Duration::from_secs(50));
    let lists = || {
        let listed = |event: &Value| {
            event["verb"] == "list" && event["objectRef"]["resource"] == "deployments"
        };
        world.asked(listed).len()
    };
    let (calls, before) = (lists(), replica.process.used().unwrap());
    // Each look at it costs something, too.
    let begun = std::time::Instant::now();
    while replica.runs("ok") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(900));
        std::thread::sleep(Duration::from_secs(2));
    }
    let after = replica.process.used().unwrap();
    println!(
        "one audit of {} Deployments: {:?} of processor time, {} calls, {} s; memory {:.1} MiB before, {:.1} after, {:.1} at most",
        NAMESPACES * each,
        after.cpu.saturating_sub(before.cpu),
        lists() - calls,
        replica
            .figure("silkroll_audit_last_run_duration_seconds")
            .unwrap(),
        mib(before.memory),
        mib(after.memory),
        mib(after.most),
    );
    assert_eq!(replica.found("not-injected"), Some(0));
    assert_eq!(replica.found("outdated"), Some(0));
}
