//! A real control plane for tests: etcd, kube-apiserver, kubectl, and kube-controller-manager where
//! asked for. All of it listens on 127.0.0.1 at ports of its own, lives in a temporary folder, and
//! ends with the test process, however that ends.
//!
//! ```ignore
//! mod cluster;
//! let plane = cluster::ControlPlane::shared();
//! plane.ok(&["apply", "-f", "-"], MANIFEST);
//! ```
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

pub(crate) mod certs;
pub(crate) mod process;
mod programs;
pub(crate) mod recorder;
pub(crate) mod side;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use process::Process;
use programs::{api_server, controllers, etcd, write_files};
use serde_json::{Value, json};

/// What starts with the API server.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Rolls Deployments, deletes namespaces, makes default service accounts.
    pub(crate) controllers: bool,
}

/// A running control plane. Dropping it stops it; the one in a `static` stops with the process.
pub(crate) struct ControlPlane {
    // Dropped in this order: everything before what it depends on.
    controllers: Option<Process>,
    apiserver: Mutex<Option<Process>>,
    etcd: Process,
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    etcd_port: u16,
    // Last: etcd's supervisor has removed the folder already, unless etcd ended by itself.
    _folder: Folder,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Bounds every wait. Reached only where something hangs or a machine is hopelessly overloaded.
const PATIENCE: Duration = Duration::from_secs(120);

impl ControlPlane {
    /// The one that the tests of a binary share, without controllers.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Options::default()))
    }

    /// Starts one and returns when it is ready.
    pub(crate) fn start(options: Options) -> Self {
        // Between choosing a free port and listening on it another process can take it: then again,
        // with other ports.
        let mut failures = String::new();
        for _ in 0..3 {
            match Self::try_start(options) {
                Ok(plane) => return plane,
                Err(failure) => failures.push_str(&failure),
            }
        }
        panic!("the control plane did not start, three times:\n{failures}");
    }

    fn try_start(options: Options) -> Result<Self, String> {
        let bin = binaries();
        let dir = tempfile::Builder::new()
            .prefix("silkroll-cluster-")
            .tempdir()
            .unwrap()
            .keep();
        write_files(&dir);
        let [port, etcd_port, peer_port] = free_ports();
        let etcd = Process::start(&dir, &etcd(&bin, etcd_port, peer_port));
        let mut plane = Self {
            controllers: None,
            apiserver: Mutex::new(None),
            etcd,
            bin,
            _folder: Folder(dir.clone()),
            dir,
            port,
            etcd_port,
        };
        plane.write_kubeconfig("admin", &plane.admin());
        plane.try_start_api_server()?;
        if options.controllers {
            let spec = controllers(&plane.bin, &plane.kubeconfig());
            plane.controllers = Some(Process::start(&plane.dir, &spec));
            let begun = Instant::now();
            while !plane
                .kubectl(&["get", "serviceaccount", "default", "-n", "default"], "")
                .success
            {
                let controllers = plane.controllers.as_mut().unwrap();
                if begun.elapsed() > PATIENCE || controllers.ended() {
                    return Err(controllers.log());
                }
                pause();
            }
        }
        Ok(plane)
    }

    fn try_start_api_server(&self) -> Result<(), String> {
        let spec = api_server(&self.bin, &self.dir, self.port, self.etcd_port);
        let mut process = Process::start(&self.dir, &spec);
        let begun = Instant::now();
        while self.kubectl(&["get", "--raw", "/readyz"], "").stdout != "ok" {
            if begun.elapsed() > PATIENCE || process.ended() {
                return Err(format!("{}\n{}", process.log(), self.etcd.log()));
            }
            pause();
        }
        *self.apiserver.lock().unwrap() = Some(process);
        Ok(())
    }

    /// Stops the API server; everything it stored stays. For planes of one's own, not the shared one.
    pub(crate) fn stop_api_server(&self) {
        drop(self.apiserver.lock().unwrap().take());
    }

    /// Starts it again, at the same address.
    pub(crate) fn start_api_server(&self) {
        if let Err(failure) = self.try_start_api_server() {
            panic!("the API server did not start again: {failure}");
        }
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// The folder of this control plane, for files of tests; removed at the end.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs kubectl as the administrator, with `stdin`.
    pub(crate) fn kubectl(&self, args: &[&str], stdin: &str) -> Output {
        self.kubectl_as(&self.kubeconfig(), args, stdin)
    }

    /// Runs kubectl with another kubeconfig.
    pub(crate) fn kubectl_as(&self, kubeconfig: &Path, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new("timeout")
            .arg(PATIENCE.as_secs().to_string())
            .arg(self.bin.join("kubectl"))
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.join("home"))
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`timeout` (coreutils) starts");
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_owned();
        // kubectl may end before it has read everything: not our failure.
        let feeder = std::thread::spawn(move || pipe.write_all(stdin.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let _ = feeder.join().unwrap();
        Output {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs kubectl and returns its stdout; panics with its stderr where it fails.
    pub(crate) fn ok(&self, args: &[&str], stdin: &str) -> String {
        let output = self.kubectl(args, stdin);
        assert!(
            output.success,
            "kubectl {args:?} failed: {}{}",
            output.stdout, output.stderr
        );
        output.stdout
    }

    /// An object as JSON, or `None` where there is none. `args` as for `kubectl get`.
    pub(crate) fn get(&self, args: &[&str]) -> Option<Value> {
        let mut all = vec!["get", "-o", "json", "--ignore-not-found"];
        all.extend_from_slice(args);
        let stdout = self.ok(&all, "");
        (!stdout.is_empty()).then(|| serde_json::from_str(&stdout).unwrap())
    }

    /// A kubeconfig with a token of this service account and nothing else.
    pub(crate) fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let token = self.ok(
            &["create", "token", "-n", namespace, name, "--duration=2h"],
            "",
        );
        let user = json!({"token": token.trim()});
        self.write_kubeconfig(&format!("{namespace}-{name}"), &user)
    }

    /// Makes calls to `SERVICE.NAMESPACE.svc:PORT` arrive at 127.0.0.1:PORT.
    ///
    /// The API server resolves an `ExternalName` itself when it calls a webhook. The Service's port
    /// cannot differ from the webhook's: there is no target port in this type.
    pub(crate) fn route_service_to_loopback(&self, namespace: &str, service: &str, port: u16) {
        self.ok(
            &[
                "delete",
                "service",
                "-n",
                namespace,
                service,
                "--ignore-not-found",
            ],
            "",
        );
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": namespace, "name": service},
            "spec": {
                "type": "ExternalName", "externalName": "localhost",
                "ports": [{"port": port}],
            },
        });
        self.ok(&["create", "-f", "-"], &service.to_string());
    }

    /// Points the installed webhook configuration at `port` of its Service.
    pub(crate) fn point_webhook_at(&self, configuration: &str, port: u16) {
        self.patch_client_config(configuration, "service/port", &port.into());
    }

    /// Makes the API server trust this CA when it calls the webhook.
    pub(crate) fn trust_webhook_ca(&self, configuration: &str, ca_pem: &str) {
        use base64::Engine as _;
        let bundle = base64::engine::general_purpose::STANDARD.encode(ca_pem);
        self.patch_client_config(configuration, "caBundle", &bundle.into());
    }

    fn patch_client_config(&self, configuration: &str, field: &str, value: &Value) {
        let field = format!("/webhooks/0/clientConfig/{field}");
        let patch = json!([{"op": "add", "path": field, "value": value}]).to_string();
        let kind = "mutatingwebhookconfiguration";
        self.ok(
            &["patch", kind, configuration, "--type=json", "-p", &patch],
            "",
        );
    }

    /// The audit log so far: every request's metadata, written before its answer was sent.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.dir.join("audit.log")).unwrap_or_default();
        // The last line may be half written.
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn admin(&self) -> Value {
        let path = |name: &str| self.dir.join(name).display().to_string();
        json!({"client-certificate": path("admin.crt"), "client-key": path("admin.key")})
    }

    fn write_kubeconfig(&self, name: &str, user: &Value) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.dir.join("ca.crt").display().to_string(),
            }}],
            "users": [{"name": "test", "user": user}],
        });
        let path = self.dir.join(format!("{name}.kubeconfig"));
        fs::write(&path, config.to_string()).unwrap();
        path
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // All at once: each waits for those that must end before it.
        if let Some(controllers) = &mut self.controllers {
            controllers.ask_to_end();
        }
        if let Ok(Some(apiserver)) = self.apiserver.get_mut().map(Option::as_mut) {
            apiserver.ask_to_end();
        }
        self.etcd.ask_to_end();
    }
}

/// Polls until `look` gives something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain: {what}"
        );
        pause();
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

fn binaries() -> PathBuf {
    match std::env::var_os("SILKROLL_CLUSTER_BIN") {
        Some(path) if !path.is_empty() => path.into(),
        _ => panic!(
            "these tests need a control plane: run `make test`, or: export SILKROLL_CLUSTER_BIN=$(tests/cluster/build.sh)"
        ),
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are chosen, so they differ.
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
