//! The hook after an install: Helm waits for a Job, and the Job's command for the webhook's first answer. Here the command
//! runs as a process, with the Job's arguments and the token of its account.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::process::{Output, run};
use testkit::wait::eventually;

use super::cluster::installed::{self, SYSTEM};
use super::cluster::{ControlPlane, Options};
use super::helm::{Helm, documents, file, find};

const SILKROLL: &str = env!("CARGO_BIN_EXE_silkroll");
const JOB: &[&str] = &["job", "-n", SYSTEM, "silkroll-wait"];

/// The Job's command, for so long at most.
fn wait(plane: &ControlPlane, job: &Value, seconds: &str) -> Output {
    let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll-wait");
    let args = job["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .unwrap();
    let args = args.iter().map(|arg| arg.as_str().unwrap());
    let args: Vec<&str> = args.filter(|arg| !arg.starts_with("--seconds=")).collect();
    let mut command = Command::new(SILKROLL);
    let command = command
        .args(args)
        .arg(format!("--seconds={seconds}"))
        .env("KUBECONFIG", account);
    run(command, b"").unwrap()
}

/// What a kubelet and the controllers would say.
fn rolled_out(plane: &ControlPlane, available: u64) {
    let status = json!({"status": {"observedGeneration": 9, "replicas": 2, "updatedReplicas": 2,
        "readyReplicas": available, "availableReplicas": available}});
    let target = [
        "patch",
        "deployment",
        "-n",
        SYSTEM,
        "silkroll",
        "--subresource=status",
        "-p",
    ];
    plane.ok(&[&target[..], &[&status.to_string()]].concat(), "");
}

fn complete(plane: &ControlPlane) {
    let now = "2026-01-01T00:00:00Z";
    let condition = |name: &str| json!({"type": name, "status": "True", "lastTransitionTime": now, "lastProbeTime": now});
    let status = json!({"status": {
        "startTime": now, "completionTime": now, "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
    }});
    plane.ok(
        &[
            &["patch", "--subresource=status", "-p", &status.to_string()],
            JOB,
        ]
        .concat(),
        "",
    );
}

/// Runs a block of README or docs, as its reader does.
fn told(helm: &Helm, folder: &Path, plane: &ControlPlane, info: &str) -> Output {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let block = testkit::pages::block(repository, &format!("sh {info}")).unwrap();
    let bin = folder.join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        for (program, name) in [
            (helm.program(), "bin/helm"),
            (SILKROLL.into(), "bin/silkroll"),
            (file("manifests"), "manifests"),
        ] {
            std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
        }
    }
    let path = std::env::var("PATH").unwrap();
    let mut bash = Command::new("timeout");
    bash.args(["180", "bash", "-euo", "pipefail", "-c", &block])
        .current_dir(folder)
        .env("HOME", folder)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("PATH", format!("{}:{path}", bin.display()));
    run(&mut bash, b"").unwrap()
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn an_install_is_over_when_the_webhook_has_answered_and_leaves_nothing_of_the_hook() {
    for major in [3, 4] {
        let plane = ControlPlane::start(Options::default());
        let helm = Helm::on(&plane, major);
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let installing = scope.spawn(|| told(&helm, folder.path(), &plane, "helm"));
            let job = eventually("the hook's Job", || {
                assert!(!installing.is_finished(), "{:?}", helm.major);
                plane.get(JOB)
            });
            rolled_out(&plane, 1);
            let early = wait(&plane, &job, "2");
            assert!(
                !early.success && early.stderr.contains("1 available"),
                "{early:?}"
            );
            rolled_out(&plane, 2);
            let early = wait(&plane, &job, "2");
            assert!(
                !early.success && early.stderr.contains("without Silkroll's answer"),
                "{early:?}"
            );

            let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
            let ports = testkit::ports::free().unwrap();
            let served = installed::serve(&plane, &account, ports, &[]);
            plane.route_service_to_loopback(SYSTEM, "silkroll", ports[0]);
            plane.point_webhook_at("silkroll", ports[0]);
            let answered = wait(&plane, &job, "60");
            assert!(answered.success, "{answered:?}");
            assert_eq!(answered.stdout, "Silkroll answers\n");
            drop(served);

            // Its account may try, and not do.
            let kubeconfig = plane.kubeconfig_for_service_account(SYSTEM, "silkroll-wait");
            let made = plane.kubectl_as(
                &kubeconfig,
                &["create", "deployment", "evil", "--image=evil"],
                "",
            );
            assert!(
                !made.success && made.stderr.contains("'silkroll-wait'"),
                "{made:?}"
            );
            let tried = [
                "create",
                "deployment",
                "fine",
                "--image=fine",
                "--dry-run=server",
            ];
            let tried = plane.kubectl_as(&kubeconfig, &tried, "");
            assert!(tried.success, "{tried:?}");
            for forbidden in [
                "get secrets -n silkroll-system",
                "get pods",
                "get deployment -n default",
                "delete deployment -n silkroll-system silkroll",
            ] {
                let args: Vec<&str> = forbidden.split(' ').collect();
                let denied = plane.kubectl_as(&kubeconfig, &args, "");
                assert!(
                    !denied.success && denied.stderr.contains("Forbidden"),
                    "{forbidden}: {denied:?}"
                );
            }

            complete(&plane);
            let output = installing.join().unwrap();
            assert!(output.success, "helm{major}: {output:?}");
            assert!(
                !output.stdout.contains("silkroll certs"),
                "{}",
                output.stdout
            );
            gone(&plane);

            // The stand-ins for what leads to a pod make way.
            plane.point_webhook_at("silkroll", 443);
            plane.ok(&["delete", "service", "-n", SYSTEM, "silkroll"], "");
            let upgrading = scope.spawn(|| told(&helm, folder.path(), &plane, "helm-upgrade"));
            eventually("the hook's Job", || plane.get(JOB));
            complete(&plane);
            let output = upgrading.join().unwrap();
            assert!(output.success, "helm{major}: {output:?}");
            gone(&plane);
        });
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn it_tries_what_the_values_have_the_webhook_asked_about() {
    for kind in ["statefulset", "daemonset"] {
        let plane = ControlPlane::start(Options::default());
        let helm = Helm::on(&plane, 4);
        let [port, admin] = testkit::ports::free().unwrap();
        let values = json!({
            "service": {"port": port},
            "webhook": {"workloads": [kind], "objectSelector": {
                "matchLabels": {"lossless": "true"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}],
            }},
        });
        let values = values.to_string();
        let rendered = documents(&helm.template(&values).stdout);
        plane.ok(&["create", "namespace", SYSTEM], "");
        for object in &rendered {
            // Where calls are led is a matter of the test.
            if object["kind"] != "Job" && object["kind"] != "Service" {
                plane.ok(&["apply", "-f", "-"], &object.to_string());
            }
        }
        rolled_out(&plane, 2);
        let job = find(&rendered, "Job", "silkroll-wait");
        let early = wait(&plane, job, "2");
        let said = "not asked about that namespace, kind or labels";
        assert!(!early.success && early.stderr.contains(said), "{early:?}");
        let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
        let _silkroll = installed::serve(&plane, &account, [port, admin], &[]);
        plane.route_service_to_loopback(SYSTEM, "silkroll", port);
        let answered = wait(&plane, job, "60");
        assert!(answered.success, "{kind}: {answered:?}");
    }
}

/// All of the hook.
fn gone(plane: &ControlPlane) {
    for kind in ["serviceaccount", "role", "rolebinding", "job"] {
        assert_eq!(
            plane.get(&["-n", SYSTEM, kind, "silkroll-wait"]),
            None,
            "{kind}"
        );
    }
    for kind in ["role", "rolebinding"] {
        assert_eq!(
            plane.get(&["-n", "default", kind, "silkroll-wait-try"]),
            None,
            "{kind}"
        );
    }
}
