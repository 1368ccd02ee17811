//! A control plane with Silkroll installed in it: the install file, and `silkroll serve` as a child process where the pod
//! would be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testkit::ports;
use testkit::process::{Output, Process, run};
use testkit::wait::eventually;

use super::cluster::installed::{self, NAME, SYSTEM};
use super::cluster::{ControlPlane, Options};
use super::manifests;

const SILKROLL: &str = env!("CARGO_BIN_EXE_silkroll");
/// The user that the API server's audit log has for the account of the install file.
const ACCOUNT: &str = "system:serviceaccount:silkroll-system:silkroll";

pub(crate) struct World {
    // Before the plane: it must end while the plane's folder is still there.
    server: Mutex<Option<Process>>,
    pub(crate) plane: ControlPlane,
    account: PathBuf,
    ports: Mutex<[u16; 2]>,
    runtime: tokio::runtime::Runtime,
}

/// What the one webhook that all share runs with, besides what the install file says.
const SHARED_FLAGS: &[&str] = &["--workloads=deployment,statefulset,daemonset,rollout,pod"];

impl World {
    /// The one for tests that leave Silkroll alone. It covers all kinds of workload.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<World> = OnceLock::new();
        SHARED.get_or_init(|| {
            let world = Self::start(SHARED_FLAGS);
            for patch in ["all-workloads.patch.yaml", "pods.patch.yaml"] {
                let patch = file("manifests").join(patch).display().to_string();
                let target = ["mutatingwebhookconfiguration", "silkroll", "--type=json"];
                world.plane.ok(
                    &[
                        "patch",
                        target[0],
                        target[1],
                        target[2],
                        "--patch-file",
                        &patch,
                    ],
                    "",
                );
            }
            for kind in ["StatefulSet", "DaemonSet"] {
                world.webhook_in_force(&manifests::workload(kind, "probe"));
            }
            let pods =
                manifests::namespace("warmup-pods", &[("inject", "enabled"), ("level", "pod")]);
            world.plane.ok(&["create", "-f", "-"], &pods.to_string());
            world.webhook_in_force(&manifests::owned_pod("warmup-pods"));
            world
        })
    }

    /// The one for tests that stop, restart or reconfigure Silkroll; they take turns. Each finds it
    /// as the install file has it.
    pub(crate) fn own() -> MutexGuard<'static, Self> {
        static OWN: OnceLock<Mutex<World>> = OnceLock::new();
        let own = OWN.get_or_init(|| Mutex::new(Self::start(&[])));
        // A failed test must not fail those after it.
        let world = own.lock().unwrap_or_else(PoisonError::into_inner);
        world.serve(&[]);
        world.webhook_in_force(&manifests::plain("probe"));
        world
    }

    fn start(flags: &[&str]) -> Self {
        let plane = ControlPlane::start(Options { controllers: true });
        install(&plane);
        let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
        let world = Self {
            server: Mutex::new(None),
            plane,
            account,
            ports: Mutex::new([0, 0]),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        world.serve(flags);
        let [port, _] = world.ports();
        world
            .plane
            .route_service_to_loopback(SYSTEM, "silkroll", port);
        world.plane.point_webhook_at("silkroll", port);
        let warmup = manifests::namespace("warmup", &[("inject", "enabled")]);
        world.plane.ok(&["create", "-f", "-"], &warmup.to_string());
        world.webhook_in_force(&manifests::plain("probe"));
        world
    }

    /// Starts `silkroll serve` as the install file does, with more flags, in place of what runs.
    pub(crate) fn serve(&self, flags: &[&str]) {
        self.end();
        // Between choosing a free port and listening on it another process can take it.
        for _ in 0..3 {
            if self.ports() == [0, 0] {
                *self.ports.lock().unwrap() = ports::free().unwrap();
            }
            let mut process = installed::serve(&self.plane, &self.account, self.ports(), flags);
            let ready = eventually("/readyz, or the end of silkroll serve", || {
                if process.ended() {
                    return Some(false);
                }
                self.ready().then_some(true)
            });
            if ready {
                *self.server.lock().unwrap() = Some(process);
                return;
            }
            let log = process.tail();
            assert!(log.contains("taken"), "silkroll serve ended: {log}");
            *self.ports.lock().unwrap() = [0, 0];
        }
        panic!("silkroll serve found no port that was free");
    }

    /// Ends `silkroll serve` as the kubelet does, and waits for it.
    pub(crate) fn end(&self) {
        drop(self.server.lock().unwrap().take());
    }

    /// Ends it as a node that dies does.
    pub(crate) fn kill(&self) {
        let server = self.server.lock().unwrap().take();
        server.unwrap().kill().unwrap();
    }

    fn ports(&self) -> [u16; 2] {
        *self.ports.lock().unwrap()
    }

    fn ready(&self) -> bool {
        let admin = ([127, 0, 0, 1], self.ports()[1]).into();
        let answer = testkit::http::get(admin, "silkroll", "/readyz", Duration::from_secs(5));
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Whoever calls the webhook's own port, past the API server and by what that trusts now.
    pub(crate) fn caller(&self) -> reqwest::Client {
        let configuration = ["mutatingwebhookconfiguration", "silkroll"];
        let configuration = self.plane.get(&configuration).unwrap();
        let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        let bundle = STANDARD.decode(bundle.unwrap()).unwrap();
        let at = ([127, 0, 0, 1], self.ports()[0]).into();
        installed::caller(&bundle, at).build().unwrap()
    }

    /// Posts JSON there: status and body.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.post_by(&self.caller(), path, body)
    }

    /// The same by a caller that is there already.
    pub(crate) fn post_by(
        &self,
        caller: &reqwest::Client,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        let url = format!("https://{NAME}:{}{path}", self.ports()[0]);
        self.runtime.block_on(async {
            let request = caller
                .post(url)
                .header("content-type", "application/json")
                .body(body.to_owned());
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    /// Waits until the API server calls the webhook about such an object.
    pub(crate) fn webhook_in_force(&self, object: &Value) {
        eventually("the webhook in force", || {
            let namespace = object["metadata"]["namespace"].as_str();
            let args = [
                "create",
                "-n",
                namespace.unwrap_or("warmup"),
                "--dry-run=server",
                "-o",
                "json",
                "-f",
                "-",
            ];
            let answer = self.plane.ok(&args, &object.to_string());
            answer.contains("silkroll.dev/status").then_some(())
        });
    }

    /// What the account of the install file asked the API server for so far, watches aside.
    pub(crate) fn asked(&self) -> Vec<Value> {
        let mut asked = self.plane.audit();
        asked.retain(|event| event["user"]["username"] == ACCOUNT && event["verb"] != "watch");
        asked
    }

    /// kubectl with an editor that runs this sed expression over what it is given.
    pub(crate) fn edit(&self, args: &[&str], sed: &str) -> Output {
        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(script.path(), sed).unwrap();
        let kubectl = self.plane.kubectl_with(&self.plane.kubeconfig());
        let editor = format!("sed -i -f {}", script.path().display());
        let mut command = kubectl.command(&[&["edit"], args].concat());
        run(command.env("KUBE_EDITOR", editor), b"").unwrap()
    }
}

/// A file of this repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs the real command line with this standard input.
pub(crate) fn silkroll(args: &[&str], stdin: &str) -> Output {
    run(Command::new(SILKROLL).args(args), stdin.as_bytes()).unwrap()
}

/// The name of the ConfigMap that this build's controller keeps.
pub(crate) fn script_name() -> String {
    let text = silkroll(&["configmap", "-n", "any"], "").stdout;
    let named = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("name: silkroll-"));
    format!("silkroll-{}", named.unwrap())
}

fn install(plane: &ControlPlane) {
    let install = file("manifests/install.yaml").display().to_string();
    let applied = plane.kubectl(&["apply", "-f", &install], "");
    assert!(applied.success, "{}", applied.stderr);
}
