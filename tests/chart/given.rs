//! Certificates that are given: `certificates.source` `secret`, which was the default once, and `files`; and what becomes of
//! calls the first is upgraded to Silkroll's own, and rolled back. Processes take the place of the pods.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::process::{Process, run};
use testkit::wait::eventually;

use super::cluster::installed::{self, SYSTEM};
use super::cluster::side::namespace;
use super::cluster::{ControlPlane, Options};
use super::helm::{Helm, RELEASE, chart, documents};

const WEB: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]}}}}"#;

/// `silkroll certs`, in this folder.
pub(super) fn certs(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    command.args(["certs", "--dir"]).arg(dir).args(args);
    let said = run(&mut command, b"").unwrap();
    assert!(said.success, "{said:?}");
    said.stdout
}

/// What the chart renders is applied, but for the Service: calls are led to a process at this port.
pub(super) fn apply(plane: &ControlPlane, helm: &Helm, certificates: &str, port: u16) {
    let values = format!("{{certificates: {certificates}, service: {{port: {port}}}}}");
    let rendered = helm.template(&values);
    assert!(rendered.success, "{rendered:?}");
    let of_release = |object: &Value| {
        object["kind"] != "Service" && object["metadata"]["annotations"]["helm.sh/hook"].is_null()
    };
    let objects = documents(&rendered.stdout).into_iter().filter(of_release);
    let objects: Vec<String> = objects.map(|object| object.to_string()).collect();
    plane.ok(&["apply", "-f", "-"], &objects.join("\n---\n"));
}

pub(super) fn injected(plane: &ControlPlane) -> bool {
    let tried = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    plane.ok(&tried, WEB).contains("silkroll.dev/status")
}

/// A replica with the Deployment's arguments.
pub(super) struct Replica {
    _process: Process,
    pub(super) port: u16,
    admin: u16,
}

impl Replica {
    pub(super) fn start(plane: &ControlPlane, account: &Path) -> Self {
        let [port, admin] = testkit::ports::free().unwrap();
        Self {
            _process: installed::serve(plane, account, [port, admin], &[]),
            port,
            admin,
        }
    }

    pub(super) fn ready(self, plane: &ControlPlane) -> Self {
        let admin = ([127, 0, 0, 1], self.admin).into();
        eventually("a replica that is ready", || {
            let answer = testkit::http::get(admin, "silkroll", "/readyz", Duration::from_secs(5));
            answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(())
        });
        plane.point_webhook_at("silkroll", self.port);
        self
    }
}

/// With the chart's default of before, by the commands of its notes.
fn before(plane: &ControlPlane, helm: &Helm, dir: &Path) -> (PathBuf, Replica) {
    plane.ok(&["create", "namespace", SYSTEM], "");
    namespace(plane, "shop", Some("enabled"));
    let tried = [
        "install",
        RELEASE,
        &chart(),
        "-n",
        SYSTEM,
        "--dry-run=client",
        "-f",
        "-",
    ];
    let notes = helm.ok(&tried, "certificates: {source: secret}");
    assert!(notes.contains("silkroll certs --output patch"), "{notes}");
    apply(plane, helm, "{source: secret}", 443);
    certs(dir, &[]);
    let patch = [
        "patch",
        "mutatingwebhookconfiguration",
        "silkroll",
        "--field-manager=silkroll",
    ];
    let patch = [&patch[..], &["--patch-file", "/dev/stdin"]].concat();
    plane.ok(&patch, &certs(dir, &["--output", "patch"]));
    let secret = ["apply", "--server-side", "-f", "-"];
    plane.ok(&secret, &certs(dir, &["--output", "secret"]));
    installed::mount_secret(plane);
    let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
    let old = Replica::start(plane, &account);
    plane.route_service_to_loopback(SYSTEM, "silkroll", old.port);
    let old = old.ready(plane);
    eventually("an injected Deployment", || injected(plane).then_some(()));
    (account, old)
}

/// Deployments are created over and over while this is done: how many, and when one was not injected. What it gives back lives
/// until the last of them.
pub(super) fn called_meanwhile<T>(
    plane: &ControlPlane,
    work: impl FnOnce() -> T,
) -> (usize, Vec<Duration>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let (mut calls, mut missed) = (0, vec![]);
            let start = Instant::now();
            while !over.load(Ordering::Relaxed) {
                calls += 1;
                if !injected(plane) {
                    missed.push(start.elapsed());
                }
            }
            (calls, missed)
        });
        // However the work ends, the thread does, too.
        let ending = Over(&over);
        let living = work();
        drop(ending);
        let counted = calling.join().unwrap();
        drop(living);
        counted
    })
}

/// Ends the calls.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn an_upgrade_from_a_secret_to_its_own_certificates_and_back_misses_nothing() {
    let plane = ControlPlane::start(Options::default());
    let helm = Helm::on(&plane, 4);
    let folder = tempfile::tempdir().unwrap();
    let (account, old) = before(&plane, &helm, folder.path());
    let (calls, missed) = called_meanwhile(&plane, || {
        apply(&plane, &helm, "{}", old.port);
        let new = Replica::start(&plane, &account);
        let waited = Instant::now();
        let new = new.ready(&plane);
        assert!(
            waited.elapsed() > Duration::from_secs(25),
            "all API servers heard of its CA"
        );
        std::thread::sleep(Duration::from_secs(1));
        drop(old);
        // One more, as in any rolling update, takes calls at once.
        let waited = Instant::now();
        let next = Replica::start(&plane, &account).ready(&plane);
        assert!(
            waited.elapsed() < Duration::from_secs(20),
            "{:?}",
            waited.elapsed()
        );
        std::thread::sleep(Duration::from_secs(1));
        drop(new);

        apply(&plane, &helm, "{source: secret}", next.port);
        let back = Replica::start(&plane, &account).ready(&plane);
        std::thread::sleep(Duration::from_secs(1));
        drop(next);
        std::thread::sleep(Duration::from_secs(2));
        back
    });
    println!("{calls} calls");
    assert!(calls > 20 && missed.is_empty(), "{missed:?} of {calls}");
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn files_at_hand_are_served_and_trusted_from_the_install_on() {
    let plane = ControlPlane::start(Options::default());
    let helm = Helm::on(&plane, 3);
    let folder = tempfile::tempdir().unwrap();
    certs(folder.path(), &[]);
    let file = |value: &str, name: &str| {
        let path = folder.path().join(name);
        format!("--set-file=certificates.{value}={}", path.display())
    };
    let (bundle, cert) = (file("caBundle", "ca.crt"), file("files.cert", "tls.crt"));
    let (chart, key) = (chart(), file("files.key", "tls.key"));
    let install = [
        "install",
        RELEASE,
        &chart,
        "-n",
        SYSTEM,
        "--create-namespace",
    ];
    let files = [
        "--no-hooks",
        "--set=certificates.source=files",
        &bundle,
        &cert,
        &key,
    ];
    helm.ok(&[&install[..], &files].concat(), "");
    namespace(&plane, "shop", Some("enabled"));
    installed::mount_secret(&plane);
    let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
    let replica = Replica::start(&plane, &account);
    plane.route_service_to_loopback(SYSTEM, "silkroll", replica.port);
    let _replica = replica.ready(&plane);
    eventually("an injected Deployment", || injected(&plane).then_some(()));
}
