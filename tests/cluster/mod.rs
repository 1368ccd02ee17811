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

pub(crate) mod installed;
mod programs;
pub(crate) mod replica;
pub(crate) mod side;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use programs::{API_SERVER, CONTROLLERS, api_server, controllers, etcd, scheduler, write_files};
use serde_json::{Value, json};
use testkit::kubectl::Kubectl;
use testkit::layout::Layout;
use testkit::ports;
use testkit::process::{Order, Output, Process, Spec};
use testkit::wait::{PATIENCE, within};

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
    layout: Layout,
    // Last: etcd's supervisor has removed the folder already, unless etcd ended by itself.
    _folder: Folder,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

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
                Err(failure) => writeln!(failures, "{failure:#}").unwrap(),
            }
        }
        panic!("the control plane did not start, three times:\n{failures}");
    }

    fn try_start(options: Options) -> Result<Self> {
        let home = tempfile::Builder::new()
            .prefix("silkroll-cluster-")
            .tempdir()?
            .keep();
        let folder = Folder(home.clone());
        let [port, etcd_port, peer_port] = ports::free()?;
        let layout = Layout {
            bin: binaries(),
            home,
            server: format!("https://127.0.0.1:{port}"),
            etcd: format!("http://127.0.0.1:{etcd_port}"),
        };
        write_files(&layout);
        let order = Order {
            after: Some(API_SERVER),
            clean: true,
        };
        let etcd = Process::supervised(&etcd(&layout, peer_port), &layout.home, order)?;
        let mut plane = Self {
            controllers: None,
            apiserver: Mutex::new(None),
            etcd,
            layout,
            _folder: folder,
        };
        plane.try_start_api_server()?;
        if options.controllers {
            let mut controllers = plane.run(&controllers(&plane.layout))?;
            plane.answers(
                &mut controllers,
                &["get", "serviceaccount", "default", "-n", "default"],
            )?;
            plane.controllers = Some(controllers);
        }
        Ok(plane)
    }

    fn try_start_api_server(&self) -> Result<()> {
        let order = Order {
            after: Some(CONTROLLERS),
            ..Order::default()
        };
        let spec = api_server(&self.layout);
        let mut process = Process::supervised(&spec, &self.layout.home, order)?;
        self.answers(&mut process, &["get", "--raw", "/readyz"])
            .with_context(|| self.etcd.tail())?;
        *self.apiserver.lock().unwrap() = Some(process);
        Ok(())
    }

    /// Waits until kubectl gets this; `process` is what has to come up for that.
    fn answers(&self, process: &mut Process, args: &[&str]) -> Result<()> {
        within(PATIENCE, &args.join(" "), || {
            process.check()?;
            Ok(self.kubectl(args, "").success.then_some(()))
        })
    }

    /// Runs one more program in the folder of this control plane.
    pub(crate) fn run(&self, spec: &Spec) -> Result<Process> {
        Process::supervised(spec, &self.layout.home, Order::default())
    }

    /// Starts a scheduler, which `tests/cluster/build.sh` builds where it is named.
    pub(crate) fn schedule(&self) -> Process {
        self.run(&scheduler(&self.layout)).unwrap()
    }

    /// Stops the API server; everything it stored stays. For planes of one's own, not the shared one.
    pub(crate) fn stop_api_server(&self) {
        drop(self.apiserver.lock().unwrap().take());
    }

    /// Ends the API server at once: asked to stop, it waits for its controllers.
    pub(crate) fn kill_api_server(&self) {
        let apiserver = self.apiserver.lock().unwrap().take();
        apiserver.unwrap().kill().unwrap();
    }

    /// Starts it again, at the same address.
    pub(crate) fn start_api_server(&self) {
        if let Err(failure) = self.try_start_api_server() {
            panic!("the API server did not start again: {failure}");
        }
    }

    /// Makes etcd forget all that is older than now, as another API server of the same etcd would: tokens of lists that have
    /// begun expire (k8s.io/apiserver, pkg/storage/etcd3/compact.go).
    pub(crate) fn compact(&self) {
        let put = |value: &str| {
            let [key, value] = ["compact_rev_key", value].map(|text| BASE64_STANDARD.encode(text));
            let put = self.etcd("put", &json!({"key": key, "value": value}));
            put["header"]["revision"].as_str().unwrap().to_owned()
        };
        let revision = put("0");
        self.etcd("compaction", &json!({"revision": revision}));
        // API servers keep lists of their own, and let go those that are older than this says.
        put(&revision);
    }

    /// A call of etcd's JSON gateway (etcd.io/docs/v3.6/dev-guide/api_grpc_gateway).
    fn etcd(&self, call: &str, body: &Value) -> Value {
        let address = self.layout.etcd.trim_start_matches("http://");
        let body = body.to_string();
        let length = body.len();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /v3/kv/{call} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let answer = testkit::http::answer(&mut stream).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig("admin")
    }

    /// How the client library finds it, as the administrator.
    pub(crate) async fn config(&self) -> kube::Config {
        config(&self.kubeconfig()).await
    }

    /// The folder of this control plane, for files of tests; removed at the end.
    pub(crate) fn dir(&self) -> &Path {
        &self.layout.home
    }

    /// Runs kubectl as the administrator, with `stdin`.
    pub(crate) fn kubectl(&self, args: &[&str], stdin: &str) -> Output {
        self.kubectl_as(&self.kubeconfig(), args, stdin)
    }

    /// Runs kubectl with another kubeconfig.
    pub(crate) fn kubectl_as(&self, kubeconfig: &Path, args: &[&str], stdin: &str) -> Output {
        let kubectl = self.kubectl_with(kubeconfig);
        kubectl.output(args, stdin).unwrap()
    }

    /// kubectl with a kubeconfig.
    pub(crate) fn kubectl_with(&self, kubeconfig: &Path) -> Kubectl {
        Kubectl::new(self.layout.bin.join("kubectl"), kubeconfig.to_owned()).bounded(PATIENCE)
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
        let name = format!("{namespace}-{name}");
        self.layout.write_kubeconfig(&name, &user).unwrap()
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
        let log = fs::read_to_string(self.dir().join("audit.log")).unwrap_or_default();
        // The last line may be half written.
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
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

/// What the client library makes of a kubeconfig.
pub(crate) async fn config(kubeconfig: &Path) -> kube::Config {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
    config.await.unwrap()
}

fn binaries() -> PathBuf {
    match std::env::var_os("SILKROLL_CLUSTER_BIN") {
        Some(path) if !path.is_empty() => path.into(),
        _ => panic!(
            "these tests need a control plane: run `make test`, or: export SILKROLL_CLUSTER_BIN=$(tests/cluster/build.sh)"
        ),
    }
}
