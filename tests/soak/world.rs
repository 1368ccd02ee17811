//! A control plane with Silkroll installed: replicas with certificates of their own, behind one address.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};
use testkit::process::{Process, Spec};
use testkit::service::Service;
use testkit::wait::{PATIENCE, eventually, within};

use super::cluster::installed::SYSTEM;
use super::cluster::replica::program;
use super::cluster::side::namespace;
use super::cluster::{ControlPlane, Options};

pub(super) const CA: &str = "silkroll-own-ca";
/// Nothing here is measured beside another of these.
static TURN: Mutex<()> = Mutex::const_new(());

pub(super) struct World {
    pub(super) service: Service,
    pub(super) plane: ControlPlane,
    pub(super) client: Client,
    account: PathBuf,
    started: AtomicUsize,
    _turn: MutexGuard<'static, ()>,
}

/// A replica, as a process where the pod would be.
pub(super) struct Replica {
    pub(super) process: Process,
    pub(super) name: String,
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    log: PathBuf,
}

impl World {
    /// Installs it, and starts no replica.
    pub(super) async fn start(controllers: bool) -> Self {
        let turn = TURN.lock().await;
        let plane = ControlPlane::start(Options { controllers });
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
        plane.ok(&["apply", "-f", &install.display().to_string()], "");
        let service = Service::listen().unwrap();
        let port = service.port();
        plane.route_service_to_loopback(SYSTEM, "silkroll", port);
        plane.point_webhook_at("silkroll", port);
        namespace(&plane, "soak", Some("enabled"));
        let client = Client::try_from(plane.config().await).unwrap();
        // Where the install file's account has no rights on a Secret, it is made for certificates from elsewhere.
        let role = plane.get(&["role", "-n", SYSTEM, "silkroll"]).unwrap();
        let account = if role.to_string().contains(CA) {
            plane.kubeconfig_for_service_account(SYSTEM, "silkroll")
        } else {
            plane.kubeconfig()
        };
        Self {
            service,
            plane,
            client,
            account,
            started: AtomicUsize::new(0),
            _turn: turn,
        }
    }

    /// Two replicas, and waits until the API server asks them.
    pub(super) async fn two(&self, flags: &[&str]) -> [Replica; 2] {
        let replicas = [self.replica(flags), self.replica(flags)];
        for replica in &replicas {
            self.behind_the_service(replica);
        }
        self.in_force().await;
        replicas
    }

    pub(super) fn replica(&self, flags: &[&str]) -> Replica {
        self.replica_of(&program(), flags)
    }

    /// Starts a replica and puts it behind the address, as a pod that has been scheduled.
    pub(super) fn replica_of(&self, program: &Path, flags: &[&str]) -> Replica {
        let name = format!("replica-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let deployment = self.plane.get(&["deployment", "-n", SYSTEM, "silkroll"]);
        let args = &deployment.unwrap()["spec"]["template"]["spec"]["containers"][0]["args"];
        let args = args
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| arg.as_str().unwrap());
        // Its certificates are its own.
        let args = args.filter(|arg| !arg.starts_with("--tls-"));
        let here = ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"];
        let args = args.chain(here).chain(flags.iter().copied());
        let spec = Spec {
            name: name.clone(),
            program: program.to_owned(),
            args: args.map(str::to_owned).collect(),
            env: vec![
                ("KUBECONFIG".to_owned(), self.account.display().to_string()),
                ("HOSTNAME".to_owned(), name.clone()),
            ],
        };
        let mut process = self.plane.run(&spec).unwrap();
        let log = self.plane.dir().join(format!("{name}.log"));
        let serving = within(PATIENCE, "what it serves on", || {
            process.check()?;
            let lines = lines(&log);
            let line = lines.iter().find(|line| line["message"] == "serving");
            let at = |field: &str| line?[field].as_str()?.parse().ok();
            Ok(at("listen").zip(at("admin_listen")))
        });
        let (listen, admin) =
            serving.unwrap_or_else(|error| panic!("{error:#}: {}", process.tail()));
        self.service.add(&name, listen, admin);
        Replica {
            process,
            name,
            listen,
            admin,
            log,
        }
    }

    /// Waits until it is ready and calls are led to it.
    pub(super) fn behind_the_service(&self, replica: &Replica) {
        eventually("that calls are led to it", || {
            self.service.leads_to(&replica.name).then_some(())
        });
    }

    /// Waits until the API server asks the webhook, and gets an answer.
    pub(super) async fn in_force(&self) {
        for _ in 0..600 {
            if self.injects("soak").await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the webhook was not asked for a minute");
    }

    /// Whether a Deployment would come out with our mark now: a real admission that stores nothing.
    pub(super) async fn injects(&self, namespace: &str) -> bool {
        let api = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let params = kube::api::PostParams {
            dry_run: true,
            ..Default::default()
        };
        let made = api.create(&params, &deployment("probe")).await;
        made.is_ok_and(|made| marked(&made))
    }

    /// `caBundle` of the first entry, where every entry has the same.
    pub(super) async fn bundle(&self) -> Option<Vec<u8>> {
        let api = Api::<MutatingWebhookConfiguration>::all(self.client.clone());
        let webhooks = api.get("silkroll").await.ok()?.webhooks?;
        let mut bundles = webhooks
            .into_iter()
            .map(|webhook| webhook.client_config.ca_bundle);
        let first = bundles.next()??.0;
        let same = bundles.all(|bundle| bundle.is_some_and(|bundle| bundle.0 == first));
        (same && !first.is_empty()).then_some(first)
    }

    /// Whether the Secret holds a CA and its key.
    pub(super) async fn has_ca(&self) -> bool {
        let api = Api::<Secret>::namespaced(self.client.clone(), SYSTEM);
        let data = api.get(CA).await.ok().and_then(|secret| secret.data);
        data.is_some_and(|data| data.get("ca.key").is_some_and(|key| !key.0.is_empty()))
    }

    pub(super) fn blank_bundle(&self) {
        let there = self
            .plane
            .get(&["mutatingwebhookconfiguration", "silkroll"]);
        let entries = there.unwrap()["webhooks"].as_array().unwrap().len();
        let one = |entry: usize| json!({"op": "replace", "path": format!("/webhooks/{entry}/clientConfig/caBundle"), "value": ""});
        let patch = Value::Array((0..entries).map(one).collect()).to_string();
        let what = ["mutatingwebhookconfiguration", "silkroll"];
        self.plane.ok(
            &["patch", what[0], what[1], "--type=json", "-p", &patch],
            "",
        );
    }

    /// Why the API server went on without an answer of ours, and how often, by its own log.
    pub(super) fn unanswered(&self) -> String {
        let log = fs::read_to_string(self.plane.dir().join("kube-apiserver.log")).unwrap();
        let mut reasons = BTreeMap::<&str, usize>::new();
        for line in log.lines() {
            if let Some((_, why)) = line.split_once("failing open inject.silkroll.dev: ") {
                let why = why.rsplit_once(": ").map_or(why, |(_, why)| why);
                *reasons.entry(why).or_default() += 1;
            }
        }
        format!("{reasons:?}")
    }

    pub(super) fn delete_ca(&self) {
        self.plane.ok(&["delete", "secret", "-n", SYSTEM, CA], "");
    }
}

impl Replica {
    pub(super) fn ready(&self) -> bool {
        let answer = testkit::http::get(self.admin, "admin", "/readyz", Duration::from_secs(5));
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// How many lines of its log have this message.
    pub(super) fn said(&self, message: &str) -> usize {
        let said = |line: &&Value| line["message"] == message;
        lines(&self.log).iter().filter(said).count()
    }

    /// A figure of `/metrics`; none where it is not there.
    pub(super) fn figure(&self, name: &str) -> Option<u64> {
        let answer = testkit::http::get(self.admin, "admin", "/metrics", Duration::from_secs(60));
        let text = answer.ok()?.text();
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

fn lines(log: &Path) -> Vec<Value> {
    let log = fs::read_to_string(log).unwrap_or_default();
    // The last one may be half written.
    let lines = log.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

pub(super) fn deployment(name: &str) -> Deployment {
    let object = json!({
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
        }},
    });
    serde_json::from_value(object).unwrap()
}

/// Whether it was injected.
pub(super) fn marked(deployment: &Deployment) -> bool {
    let meta = deployment.spec.template.metadata.as_ref();
    let annotations = meta.and_then(|meta| meta.annotations.as_ref());
    annotations.is_some_and(|annotations| annotations.contains_key("silkroll.dev/status"))
}
