//! A control plane with Silkroll installed in it: the install file, certificates by `silkroll
//! certs`, and `silkroll serve` as a child process where the pod would be.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::cluster::process::{Process, Spec};
use super::cluster::{ControlPlane, Options, Output, eventually};
use super::manifests;

const SILKROLL: &str = env!("CARGO_BIN_EXE_silkroll");
const SYSTEM: &str = "silkroll-system";
/// The user that the API server's audit log has for the account of the install file.
const ACCOUNT: &str = "system:serviceaccount:silkroll-system:silkroll";

pub(crate) struct World {
    // Before the plane: it must end while the plane's folder is still there.
    server: Mutex<Option<Process>>,
    pub(crate) plane: ControlPlane,
    account: PathBuf,
    ports: Mutex<[u16; 2]>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// What the one webhook that all share runs with, besides what the install file says.
const SHARED_FLAGS: &[&str] = &["--workloads=deployment,statefulset,daemonset"];

impl World {
    /// The one for tests that leave Silkroll alone. It covers all kinds of workload.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<World> = OnceLock::new();
        SHARED.get_or_init(|| {
            let world = Self::start(SHARED_FLAGS);
            let patch = file("manifests/all-workloads.patch.yaml");
            let patch = patch.display().to_string();
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
            for kind in ["StatefulSet", "DaemonSet"] {
                world.webhook_in_force(&manifests::workload(kind, "probe"));
            }
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
        let tls = plane.dir().join("certs");
        let ca = certificates(&plane, &tls);
        let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
        let world = Self {
            server: Mutex::new(None),
            plane,
            account,
            ports: Mutex::new([0, 0]),
            client: client(&ca),
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
        let deployment = self
            .plane
            .get(&["deployment", "-n", SYSTEM, "silkroll"])
            .unwrap();
        let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
        let args: Vec<String> = serde_json::from_value(args).unwrap();
        let tls = self.plane.dir().join("tls").display().to_string();
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.replace("=/tls", &format!("={tls}")))
            .collect();
        // Between choosing a free port and listening on it another process can take it.
        for _ in 0..3 {
            if self.ports() == [0, 0] {
                *self.ports.lock().unwrap() = free_ports();
            }
            let [port, admin] = self.ports();
            let mut all = vec![
                format!("KUBECONFIG={}", self.account.display()),
                SILKROLL.to_owned(),
            ];
            all.extend(args.iter().cloned());
            all.extend([
                format!("--listen=127.0.0.1:{port}"),
                format!("--admin-listen=127.0.0.1:{admin}"),
                "--drain-seconds=0".to_owned(),
            ]);
            all.extend(flags.iter().map(|&flag| flag.to_owned()));
            let mut process = Process::start(
                self.plane.dir(),
                &Spec {
                    name: "silkroll",
                    program: "env".into(),
                    args: all,
                    ..Spec::default()
                },
            );
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
            let log = process.log();
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
        self.kill_process("silkroll");
        let mut server = self.server.lock().unwrap();
        eventually("the end of silkroll serve", || {
            server.as_mut().unwrap().ended().then_some(())
        });
        drop(server.take());
    }

    /// Ends the API server at once: asked to stop, it waits for its controllers.
    pub(crate) fn kill_api_server(&self) {
        self.kill_process("kube-apiserver");
        self.plane.stop_api_server();
    }

    fn kill_process(&self, name: &str) {
        let pid = self.plane.dir().join(format!("{name}.pid"));
        let pid = fs::read_to_string(pid).unwrap();
        let killed = Command::new("kill").args(["-KILL", pid.trim()]).status();
        assert!(killed.unwrap().success());
    }

    fn ports(&self) -> [u16; 2] {
        *self.ports.lock().unwrap()
    }

    fn ready(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports()[1]);
        self.runtime.block_on(async {
            let answer = self.client.get(url).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
    }

    /// Posts JSON to the webhook's own port, past the API server: status and body.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        let url = format!("https://127.0.0.1:{}{path}", self.ports()[0]);
        self.runtime.block_on(async {
            let request = self
                .client
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
            let args = [
                "create",
                "-n",
                "warmup",
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
        let bin = PathBuf::from(std::env::var_os("SILKROLL_CLUSTER_BIN").unwrap());
        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(script.path(), sed).unwrap();
        let output = Command::new(bin.join("kubectl"))
            .arg("edit")
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.plane.dir().join("home"))
            .env("KUBECONFIG", self.plane.kubeconfig())
            .env(
                "KUBE_EDITOR",
                format!("sed -i -f {}", script.path().display()),
            )
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Output {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A file of this repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs the real command line with this standard input.
pub(crate) fn silkroll(args: &[&str], stdin: &str) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(SILKROLL)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_owned();
    let feeder = std::thread::spawn(move || pipe.write_all(stdin.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // It may end before it has read everything: not our failure.
    let _ = feeder.join().unwrap();
    Output {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
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

/// The commands of `silkroll certs --help`, and the Secret's files where the pod would have them.
/// Returns the authority.
fn certificates(plane: &ControlPlane, dir: &Path) -> String {
    let certs = |output: &[&str]| {
        let dir = dir.display().to_string();
        let mut args = vec!["certs", "--dir", &dir];
        args.extend_from_slice(output);
        let made = silkroll(&args, "");
        assert!(made.success, "{}", made.stderr);
        made.stdout
    };
    certs(&[]);
    plane.ok(
        &[
            "patch",
            "mutatingwebhookconfiguration",
            "silkroll",
            "--patch-file",
            "/dev/stdin",
        ],
        &certs(&["--output", "patch"]),
    );
    plane.ok(
        &["apply", "--server-side", "-f", "-"],
        &certs(&["--output", "secret"]),
    );
    let secret = plane
        .get(&["secret", "-n", SYSTEM, "silkroll-tls"])
        .unwrap();
    let mounted = plane.dir().join("tls");
    fs::create_dir(&mounted).unwrap();
    for name in ["tls.crt", "tls.key"] {
        let content = STANDARD.decode(secret["data"][name].as_str().unwrap());
        fs::write(mounted.join(name), content.unwrap()).unwrap();
    }
    fs::read_to_string(dir.join("ca.crt")).unwrap()
}

fn client(ca: &str) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .build()
        .unwrap()
}

fn free_ports() -> [u16; 2] {
    // Both are held until both are chosen, so they differ.
    let held: [TcpListener; 2] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
