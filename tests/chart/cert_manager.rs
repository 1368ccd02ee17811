//! From Silkroll's own certificates to cert-manager's and back, by the steps of docs/operations.md, with cert-manager's own
//! injector. What its other controllers do, keep a Secret, `silkroll certs` does here.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::process::Spec;
use testkit::wait::eventually;

use super::cluster::installed::{self, SYSTEM};
use super::cluster::side::namespace;
use super::cluster::{ControlPlane, Options};
use super::given::{Replica, apply, called_meanwhile, certs, injected};
use super::helm::Helm;

/// The authority that a company has.
const ISSUER: &str =
    "{source: cert-manager, certManager: {issuerRef: {kind: ClusterIssuer, name: company}}}";

fn folder() -> std::path::PathBuf {
    let folder = std::env::var_os("SILKROLL_CAINJECTOR").unwrap_or_else(|| {
        panic!(
            "this test needs cert-manager's CA injector: run `make test-helm`, or: \
             export SILKROLL_CAINJECTOR=$(tests/helm/cainjector/build.sh)"
        )
    });
    folder.into()
}

fn bundle(plane: &ControlPlane) -> Vec<u8> {
    let there = plane.get(&["mutatingwebhookconfiguration", "silkroll"]);
    let bundle = &there.unwrap()["webhooks"][0]["clientConfig"]["caBundle"];
    STANDARD
        .decode(bundle.as_str().unwrap_or_default())
        .unwrap()
}

/// The Secret, as cert-manager keeps it for the Certificate of this name.
fn keep(plane: &ControlPlane, dir: &Path, certificate: &str) {
    let printed = certs(dir, &["--output", "secret"]);
    let made = ["create", "--dry-run=client", "-o", "json", "-f", "-"];
    let mut secret: Value = serde_json::from_str(&plane.ok(&made, &printed)).unwrap();
    let authority = fs::read(dir.join("ca.crt")).unwrap();
    secret["data"]["ca.crt"] = STANDARD.encode(authority).into();
    secret["metadata"]["annotations"] = json!({"cert-manager.io/certificate-name": certificate});
    plane.ok(&["apply", "--server-side", "-f", "-"], &secret.to_string());
}

#[test]
#[ignore = "needs Helm and cert-manager's CA injector: make test-helm"]
fn a_change_to_cert_manager_in_two_steps_and_back_in_one_misses_nothing() {
    let plane = ControlPlane::start(Options::default());
    let helm = Helm::on(&plane, 4);
    let folder_of_certs = tempfile::tempdir().unwrap();
    let dir = folder_of_certs.path();
    for crds in ["certificates", "issuers"] {
        let crd = folder().join(format!("crds/cert-manager.io_{crds}.yaml"));
        plane.ok(&["create", "-f", &crd.display().to_string()], "");
        let name = format!("crd/{crds}.cert-manager.io");
        // Right after its creation, kubectl wait stumbles over conditions that are null.
        eventually("an established CRD", || {
            let waited = plane.kubectl(&["wait", "--for=condition=Established", &name], "");
            waited.success.then_some(())
        });
    }
    let injector = Spec {
        name: "cainjector".to_owned(),
        program: folder().join("cainjector"),
        // As before cert-manager 1.17, whose injector replaced what stood there: the harder case.
        args: vec!["--feature-gates=CAInjectorMerging=false".to_owned()],
        env: vec![(
            "KUBECONFIG".to_owned(),
            plane.kubeconfig().display().to_string(),
        )],
    };
    let _injector = plane.run(&injector).unwrap();

    plane.ok(&["create", "namespace", SYSTEM], "");
    namespace(&plane, "shop", Some("enabled"));
    apply(&plane, &helm, "{}", 443);
    let account = plane.kubeconfig_for_service_account(SYSTEM, "silkroll");
    let old = Replica::start(&plane, &account);
    plane.route_service_to_loopback(SYSTEM, "silkroll", old.port);
    let old = old.ready(&plane);
    eventually("an injected Deployment", || injected(&plane).then_some(()));

    let settle = || std::thread::sleep(Duration::from_secs(2));
    let (calls, missed) = called_meanwhile(&plane, || {
        // The first step.
        certs(dir, &[]);
        let own = dir.join("own-ca.crt");
        fs::write(&own, bundle(&plane)).unwrap();
        let own = own.display().to_string();
        let patch = certs(dir, &["--output", "patch", "--trust", &own]);
        let configuration = "mutatingwebhookconfiguration";
        let of = [
            "patch",
            configuration,
            "silkroll",
            "--field-manager=silkroll",
        ];
        plane.ok(&[&of[..], &["--patch-file", "/dev/stdin"]].concat(), &patch);
        keep(&plane, dir, "mine");
        installed::mount_secret(&plane);
        apply(&plane, &helm, "{source: secret}", old.port);
        let given = Replica::start(&plane, &account).ready(&plane);
        settle();
        drop(old);
        settle();

        // The second.
        apply(&plane, &helm, ISSUER, given.port);
        keep(&plane, dir, "silkroll");
        let authority = fs::read(dir.join("ca.crt")).unwrap();
        eventually("the injector's bundle", || {
            (bundle(&plane) == authority).then_some(())
        });
        let kept = Replica::start(&plane, &account).ready(&plane);
        settle();
        drop(given);
        settle();

        // And back.
        apply(&plane, &helm, "{}", kept.port);
        let back = Replica::start(&plane, &account).ready(&plane);
        settle();
        drop(kept);
        settle();
        back
    });
    println!("{calls} calls");
    assert!(calls > 20 && missed.is_empty(), "{missed:?} of {calls}");
}
