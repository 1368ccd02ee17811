//! The commands of README and docs in their order, on a real control plane: install, opt in, apply, ask, upgrade, uninstall.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use serde_json::{Value, json};
use silkroll::cli::Cli;
use testkit::process::Process;
use testkit::wait::eventually;

use super::cluster::installed::{self, SYSTEM, secret};
use super::cluster::{ControlPlane, Options};
use super::{Folder, block};

const CONFIGURATION: &[&str] = &["mutatingwebhookconfiguration", "silkroll"];
const NAMESPACE: &[&str] = &["namespace", "shop"];
const DEPLOYMENT: &[&str] = &["deployment", "-n", "shop", "web"];

#[test]
fn what_readme_and_docs_tell_to_type_works_in_its_order() {
    let plane = ControlPlane::start(Options { controllers: true });
    let folder = Folder::new();
    let admin = plane.kubeconfig();
    let run = |info: &str| {
        let output = folder.bash(&block(&format!("sh {info}")), &admin);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{info}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    };

    // There is no node here, so the program runs in the place of its pods.
    let webhook = std::thread::scope(|scope| {
        let installing = scope.spawn(|| run("install"));
        let webhook = Webhook::start(&plane);
        say_ready(&plane, &two_pods(&plane));
        webhook.route(&plane);
        let said = installing.join().unwrap();
        assert!(said.contains("Silkroll answers"), "{said}");
        webhook
    });

    run("opt-in");
    assert_eq!(run("apply"), block("text applied"));
    kubectl_owns_none_of(&plane, CONFIGURATION, "f:caBundle");
    kubectl_owns_none_of(&plane, NAMESPACE, "f:silkroll.dev/inject");

    // Of a kind that is not covered, in a namespace that has opted in.
    plane.ok(&["create", "-f", "-"], &stateful_set("db"));
    eventually("the pod that runs without an injection", || {
        let listed = folder.bash(&block("sh not-injected"), &admin);
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(!listed.contains("web-"), "{listed}");
        let words: Vec<_> = listed.split_whitespace().collect();
        (words == ["db-0", "StatefulSet", "<none>"]).then_some(())
    });

    // As a job that was given nothing but access to the cluster.
    run("ca");
    let asked = block("sh dry-run").replace("localhost:8443", &webhook.address);
    let answer = folder.bash(&asked, &admin);
    let body = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.status.success(), "{body}");
    let item = &serde_json::from_str::<Value>(&body).unwrap()["items"][0];
    assert_eq!(item["outcome"], "injected", "{body}");

    run("pipeline");
    let written = fs::read_to_string(folder.dir.path().join("injected.yaml")).unwrap();
    assert!(written.contains("sleep:\n                seconds: 15\n"));
    assert!(written.contains("# nobody thought of a probe"));
    let kept = run("configmap");
    assert!(kept.starts_with("configmap/silkroll-"), "{kept}");

    a_mistake_is_refused(&plane, &folder, &asked);

    let template = || web(&plane)["spec"]["template"].clone();
    let (before, trusted) = (template(), bundle(&plane));
    // The stand-in for the Service would be in the way of the real one.
    plane.ok(&["delete", "service", "-n", SYSTEM, "silkroll"], "");
    std::thread::scope(|scope| {
        let upgrading = scope.spawn(|| run("upgrade"));
        all_is_applied(&plane);
        webhook.route(&plane);
        let said = upgrading.join().unwrap();
        assert!(said.contains("Silkroll answers"), "{said}");
    });
    assert_eq!(bundle(&plane), trusted);
    assert_eq!(template(), before);

    let webhook = a_certificate_of_yours(&plane, &folder, run, webhook);
    kubectl_owns_none_of(&plane, CONFIGURATION, "f:caBundle");
    pods_are_switched_on(&plane, run);
    assert_eq!(template(), before);

    run("opt-out");
    eventually("the namespace out", || (!injected(&plane)).then_some(()));
    run("roll");
    let restarted = "f:kubectl.kubernetes.io/restartedAt";
    kubectl_owns_none_of(&plane, DEPLOYMENT, restarted);
    let pod = template()["spec"].clone();
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    let container = pod["containers"][0].as_object().unwrap();
    for part in ["lifecycle", "readinessProbe", "env"] {
        assert!(!container.contains_key(part), "{part} is still there");
    }

    the_wait_says_what_it_waits_for(&plane, &folder, webhook);

    let ours = "app.kubernetes.io/managed-by=silkroll";
    let scripts = || plane.get(&["configmap", "-A", "-l", ours]);
    assert!(scripts().is_some());
    run("uninstall");
    assert_eq!(scripts(), None);
    for gone in [
        ["namespace", SYSTEM],
        ["clusterrole", "silkroll"],
        ["clusterrolebinding", "silkroll"],
        ["mutatingwebhookconfiguration", "silkroll"],
    ] {
        assert_eq!(plane.get(&gone), None, "{gone:?}");
    }
}

/// The Service has come before the webhook's configuration.
fn all_is_applied(plane: &ControlPlane) {
    eventually("the install file applied", || {
        let port = &client_config(plane)["service"]["port"];
        (*port == 443).then_some(())
    });
}

/// From Silkroll's own to one of the reader's, that one renewed, and back.
fn a_certificate_of_yours(
    plane: &ControlPlane,
    folder: &Folder,
    run: impl Fn(&str) -> String + Sync,
    own: Webhook,
) -> Webhook {
    let certs = |plane: &ControlPlane| {
        let bundle = bundle(plane);
        let bundle = STANDARD.decode(bundle.as_str().unwrap()).unwrap();
        String::from_utf8(bundle).unwrap().matches("BEGIN").count()
    };
    let change = |info: &str, webhook: Webhook| {
        // The stand-in for the Service would be in the way of the real one.
        plane.ok(&["delete", "service", "-n", SYSTEM, "silkroll"], "");
        std::thread::scope(|scope| {
            let changing = scope.spawn(|| run(info));
            let other = eventually("the other arguments", || webhook.changed(plane));
            all_is_applied(plane);
            other.route(plane);
            drop(webhook);
            while !changing.is_finished() {
                say_ready(plane, &pods(plane));
            }
            let said = changing.join().unwrap();
            assert!(said.contains("Silkroll answers"), "{said}");
            other
        })
    };
    let given = change("own-certificate", own);
    assert_eq!(certs(plane), 2, "its own, and the reader's");

    let old = secret(plane, "tls.crt");
    run("renew");
    assert_ne!(secret(plane, "tls.crt"), old);
    certificates_print_as_one_file(folder, &plane.kubeconfig());
    let ca = fs::read(folder.dir.path().join("certs/ca.crt")).unwrap();
    assert_eq!(bundle(plane), STANDARD.encode(ca));

    // As after an upgrade from a version that made none by itself.
    let own = change("upgrade", given);
    eventually("both in the bundle", || (certs(plane) == 2).then_some(()));
    run("forget");
    assert_eq!(certs(plane), 1);
    assert!(injected(plane));
    own
}

/// Which says itself how it is applied.
fn certificates_print_as_one_file(folder: &Folder, admin: &Path) {
    let print = folder.bash("silkroll certs --output manifests | tee certs.yaml", admin);
    let stream = String::from_utf8(print.stdout).unwrap();
    let told: Vec<&str> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let applied = folder.bash(&told.join("\n"), admin);
    assert!(applied.status.success(), "{applied:?}");
}

/// By the dry run that docs/pipeline.md shows, and by the API server.
fn a_mistake_is_refused(plane: &ControlPlane, folder: &Folder, asked: &str) {
    let deployment = folder.dir.path().join("deployment.yaml");
    let right = fs::read_to_string(&deployment).unwrap();
    let name = "  name: web\n";
    let wrong = format!("{name}  annotations: {{silkroll.dev/drain-seconds: 10s}}\n");
    fs::write(&deployment, right.replacen(name, &wrong, 1)).unwrap();
    let refused = folder.bash(asked, &plane.kubeconfig());
    assert_eq!(refused.status.code(), Some(22), "curl --fail-with-body");
    let body = String::from_utf8(refused.stdout).unwrap();
    assert!(body.contains("cannot be used: allowed is a whole number"));
    let denied = plane.kubectl(&["apply", "-f", &deployment.display().to_string()], "");
    assert!(!denied.success && denied.stderr.contains("allowed is a whole number"));
}

/// For pods of before, then for an answer.
fn the_wait_says_what_it_waits_for(plane: &ControlPlane, folder: &Folder, webhook: Webhook) {
    let waits_in_vain = || {
        let waited = folder.bash("silkroll wait --seconds 5", &plane.kubeconfig());
        let said = String::from_utf8(waited.stderr).unwrap();
        assert_eq!(waited.status.code(), Some(2), "{said}");
        assert!(said.contains("did not answer within 5 s"), "{said}");
        said
    };
    plane.ok(&["create", "-f", "-"], &old_pod());
    let old = &["pod", "-n", SYSTEM, "old"];
    plane.ok(&[&["delete", "--wait=false"], &old[..]].concat(), "");
    assert!(waits_in_vain().contains("pods of before are still there"));
    let ended = r#"{"metadata":{"finalizers":null}}"#;
    plane.ok(&[&["patch", "-p", ended], &old[..]].concat(), "");
    drop(webhook);
    assert!(waits_in_vain().contains("without Silkroll's answer"));
}

/// Whether the webhook injects into what is applied in `shop` now.
fn injected(plane: &ControlPlane) -> bool {
    let probe = block("yaml before").replace("name: web\n", "name: probe\n");
    plane
        .ok(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &probe,
        )
        .contains("silkroll.dev/status")
}

fn web(plane: &ControlPlane) -> Value {
    plane.get(DEPLOYMENT).unwrap()
}

fn client_config(plane: &ControlPlane) -> Value {
    plane.get(CONFIGURATION).unwrap()["webhooks"][0]["clientConfig"].clone()
}

fn bundle(plane: &ControlPlane) -> Value {
    let bundle = client_config(plane)["caBundle"].clone();
    assert!(bundle.is_string());
    bundle
}

/// Flux takes away what such a manager owns, in every object that it manages.
fn kubectl_owns_none_of(plane: &ControlPlane, object: &[&str], field: &str) {
    let object = plane.get(&[object, &["--show-managed-fields"]].concat());
    let object = object.unwrap();
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    let owners: Vec<_> = managers
        .iter()
        .filter(|manager| {
            manager["fieldsV1"]
                .to_string()
                .contains(&format!("{field:?}:"))
        })
        .map(|manager| manager["manager"].as_str().unwrap())
        .collect();
    assert!(!owners.is_empty(), "no manager owns {field}: {managers:?}");
    let kubectl = owners.iter().find(|name| name.starts_with("kubectl"));
    assert_eq!(kubectl, None, "owns {field}");
}

fn stateful_set(name: &str) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": name}]},
            },
        },
    })
    .to_string()
}

/// Then both entries call the same and trust the same, and the program takes its arguments.
fn pods_are_switched_on(plane: &ControlPlane, run: impl Fn(&str) -> String + Sync) {
    std::thread::scope(|scope| {
        let switching = scope.spawn(|| run("level-pod"));
        while !switching.is_finished() {
            say_ready(plane, &pods(plane));
        }
        let said = switching.join().unwrap();
        assert!(said.contains("Silkroll answers"), "{said}");
    });
    let configuration = plane.get(CONFIGURATION).unwrap();
    let entries = configuration["webhooks"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["clientConfig"], entries[1]["clientConfig"]);
    let deployment = plane
        .get(&["deployment", "-n", SYSTEM, "silkroll"])
        .unwrap();
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let args = args.as_array().unwrap().iter();
    let args: Vec<_> = args.map(|arg| arg.as_str().unwrap()).collect();
    assert_eq!(args.last(), Some(&"--workloads=deployment,pod"));
    Cli::try_parse_from(["silkroll"].into_iter().chain(args)).unwrap();
}

/// What the controllers made.
fn two_pods(plane: &ControlPlane) -> Vec<String> {
    eventually("two pods", || {
        let names = pods(plane);
        (names.len() == 2).then_some(names)
    })
}

/// Silkroll's pods.
fn pods(plane: &ControlPlane) -> Vec<String> {
    let pods = plane.get(&["pods", "-n", SYSTEM]).unwrap();
    let pods = pods["items"].as_array().unwrap().iter();
    let names = pods.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// Says of them what a kubelet would say. A pod may have gone meanwhile.
fn say_ready(plane: &ControlPlane, names: &[String]) {
    for name in names {
        let ready =
            r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
        let args = [
            "patch",
            "pod",
            "-n",
            SYSTEM,
            name,
            "--subresource=status",
            "-p",
            ready,
        ];
        let said = plane.kubectl(&args, "");
        assert!(said.success || said.stderr.contains("NotFound"), "{said:?}");
    }
}

/// One of Silkroll's pods that takes its time to end; as its namespace wants pods.
fn old_pod() -> String {
    let container = json!({
        "name": "silkroll", "image": "silkroll",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "old", "namespace": SYSTEM,
            "labels": {"app.kubernetes.io/name": "silkroll", "app.kubernetes.io/instance": "silkroll"},
            "finalizers": ["example.com/not-yet"],
        },
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    })
    .to_string()
}

/// `silkroll serve` with the arguments and the account of the install, and with its Secret where that is mounted.
struct Webhook {
    _process: Process,
    /// Its arguments.
    args: Value,
    /// `localhost:PORT`.
    address: String,
    port: u16,
}

/// What the Deployment says of Silkroll's container.
fn container(plane: &ControlPlane) -> Option<Value> {
    let deployment = plane.get(&["deployment", "-n", SYSTEM, "silkroll"]);
    Some(deployment?["spec"]["template"]["spec"]["containers"][0].clone())
}

impl Webhook {
    fn start(plane: &ControlPlane) -> Self {
        let container = eventually("the Deployment", || container(plane));
        let account = eventually("its account", || {
            plane.get(&["serviceaccount", "-n", SYSTEM, "silkroll"])?;
            Some(plane.kubeconfig_for_service_account(SYSTEM, "silkroll"))
        });
        assert_eq!(container["image"], "registry.example/infra/silkroll:0.1.0");
        if !container["volumeMounts"].is_null() {
            installed::mount_secret(plane);
        }
        // Port 0: the kernel picks one, and the log says which, behind what one before it has written.
        let log = plane.dir().join("silkroll.log");
        let written = fs::read(&log).map_or(0, |text| text.len());
        let mut process = installed::serve(plane, &account, [0, 0], &[]);
        let port = eventually("silkroll serve", || {
            assert!(!process.ended(), "{}", process.tail());
            listening(&log, written)
        });
        Self {
            _process: process,
            args: container["args"].clone(),
            address: format!("localhost:{port}"),
            port,
        }
    }

    /// One with other arguments, where the Deployment has others by now.
    fn changed(&self, plane: &ControlPlane) -> Option<Self> {
        let container = container(plane)?;
        (container["args"] != self.args).then(|| Self::start(plane))
    }

    /// Leads the API server's calls here.
    fn route(&self, plane: &ControlPlane) {
        plane.route_service_to_loopback(SYSTEM, "silkroll", self.port);
        plane.point_webhook_at("silkroll", self.port);
    }
}

/// The port in the log line that says where it listens.
fn listening(log: &Path, from: usize) -> Option<u16> {
    let log = fs::read_to_string(log).ok()?;
    let (_, rest) = log.get(from..)?.split_once(r#""listen":"127.0.0.1:"#)?;
    rest.split_once('"')?.0.parse().ok()
}
