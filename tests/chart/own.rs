//! Certificates of its own, the default: one command installs it, and its account may do what that takes. What that is kept
//! from is in tests/fences.rs.

use serde_json::Value;
use testkit::wait::eventually;

use super::cluster::installed::serve;
use super::cluster::side::namespace;
use super::cluster::{ControlPlane, Options};
use super::helm::{Helm, NAMESPACE, RELEASE, chart};

const ACCOUNT: &str = "system:serviceaccount:silkroll-system:silkroll";

const WEB: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]}}}}"#;

fn status(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"]
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn one_command_installs_it_and_its_account_may_keep_certificates() {
    let plane = ControlPlane::start(Options::default());
    let helm = Helm::on(&plane, 4);
    let [port, admin] = testkit::ports::free().unwrap();
    let values =
        |pods: bool| format!("{{service: {{port: {port}}}, webhook: {{levelPod: {pods}}}}}");
    let chart = chart();
    let with = ["-n", NAMESPACE, "--no-hooks", "-f", "-"];
    let install = [
        &["install", RELEASE, &chart, "--create-namespace"],
        &with[..],
    ]
    .concat();
    let notes = helm.ok(&install, &values(false));
    assert!(!notes.contains("silkroll certs"), "{notes}");
    namespace(&plane, "shop", Some("enabled"));
    let account = plane.kubeconfig_for_service_account(NAMESPACE, "silkroll");
    let _silkroll = serve(&plane, &account, [port, admin], &[]);
    let bundle = |entry: usize| {
        let there = plane
            .get(&["mutatingwebhookconfiguration", "silkroll"])
            .unwrap();
        let bundle = there["webhooks"][entry]["clientConfig"]["caBundle"].as_str();
        bundle
            .filter(|bundle| !bundle.is_empty())
            .map(str::to_owned)
    };
    let trusted = eventually("a bundle", || bundle(0));

    // An upgrade finds no conflict and leaves the bundle; an entry that is new gets it.
    let upgrade = [&["upgrade", RELEASE, &chart], &with[..]].concat();
    helm.ok(&upgrade, &values(true));
    assert_eq!(bundle(0).as_ref(), Some(&trusted));
    assert_eq!(
        eventually("the bundle of the second entry", || bundle(1)),
        trusted
    );
    helm.ok(&upgrade, &values(false));
    assert_eq!(bundle(0), Some(trusted));

    // A real API server calls it, by that bundle.
    plane.route_service_to_loopback(NAMESPACE, "silkroll", port);
    eventually("an injected Deployment", || {
        let made = plane.kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            WEB,
        );
        let made: Value = serde_json::from_str(&made.stdout).ok()?;
        status(&made).is_string().then_some(())
    });
    let asked = plane.audit();
    let refused = asked.iter().filter(|event| {
        event["user"]["username"] == ACCOUNT
            && event["annotations"]["authorization.k8s.io/decision"] != "allow"
    });
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<&Value>::new());
}
