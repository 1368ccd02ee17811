//! `certificates.source: self`: one command installs it, its account may do what that takes, and no more.

use serde_json::Value;
use testkit::wait::eventually;

use super::cluster::installed::serve;
use super::cluster::side::namespace;
use super::cluster::{ControlPlane, Options};
use super::helm::{Helm, NAMESPACE, RELEASE, chart};

const ACCOUNT: &str = "system:serviceaccount:silkroll-system:silkroll";
const BY_POLICY: &str = "ValidatingAdmissionPolicy 'silkroll-account'";

/// What the account is denied by RBAC.
const UNSEEN: &[&str] = &[
    "get secret -A",
    "get secret -n silkroll-system",
    "get secret -n silkroll-system users",
    "get secret -n shop silkroll-own-ca",
    "delete secret -n silkroll-system silkroll-own-ca",
    "get mutatingwebhookconfiguration",
    "get mutatingwebhookconfiguration other",
    "delete mutatingwebhookconfiguration silkroll",
];

/// What it is denied by the policy, though all rights were given to it.
const DENIED: &[&str] = &[
    "create secret generic -n silkroll-system more --from-literal=ca.crt=a",
    "create secret generic -n shop silkroll-own-ca --from-literal=ca.crt=a",
    "delete secret -n silkroll-system silkroll-own-ca",
    "patch secret -n silkroll-system users -p {\"stringData\":{\"ca.crt\":\"a\"}}",
    "patch secret -n silkroll-system silkroll-own-ca -p {\"stringData\":{\"tls.key\":\"a\"}}",
    "patch secret -n silkroll-system silkroll-own-ca -p {\"metadata\":{\"finalizers\":[\"example.com/a\"]}}",
    "label mutatingwebhookconfiguration silkroll a=b",
    "annotate mutatingwebhookconfiguration silkroll a=b",
    "delete mutatingwebhookconfiguration silkroll",
    "patch mutatingwebhookconfiguration other --type=json -p [{\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\"YQ==\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"remove\",\"path\":\"/webhooks\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"remove\",\"path\":\"/webhooks/0\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"remove\",\"path\":\"/webhooks/0/namespaceSelector\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"remove\",\"path\":\"/webhooks/0/matchConditions\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Fail\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"replace\",\"path\":\"/webhooks/0/timeoutSeconds\",\"value\":30}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"replace\",\"path\":\"/webhooks/0/rules/0/resources\",\"value\":[\"*\"]}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"replace\",\"path\":\"/webhooks/0/clientConfig/service/name\",\"value\":\"evil\"}]",
    "patch mutatingwebhookconfiguration silkroll --type=json -p [{\"op\":\"replace\",\"path\":\"/webhooks/0/name\",\"value\":\"evil.silkroll.dev\"}]",
];

const OTHER: &str = r#"{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "other"}, "webhooks": [{"name": "other.example.com", "admissionReviewVersions": ["v1"],
    "sideEffects": "None", "failurePolicy": "Ignore", "rules": [], "clientConfig": {"url": "https://localhost:1/"}}]}"#;

const WEB: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]}}}}"#;

fn status(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["metadata"]["annotations"]["silkroll.dev/status"]
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn one_command_installs_it_and_its_account_may_keep_certificates_and_no_more() {
    let plane = ControlPlane::start(Options::default());
    let helm = Helm::on(&plane, 4);
    let [port, admin] = testkit::ports::free().unwrap();
    let values = |pods: bool| {
        format!(
            "{{certificates: {{source: self}}, service: {{port: {port}}}, webhook: {{levelPod: {pods}}}}}"
        )
    };
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

    plane.ok(&["create", "-f", "-"], OTHER);
    plane.ok(
        &["create", "secret", "generic", "-n", NAMESPACE, "users"],
        "",
    );
    let tried = |command: &str| {
        let args: Vec<&str> = command.split(' ').collect();
        plane.kubectl_as(&account, &args, "")
    };
    for command in UNSEEN.iter().chain(DENIED) {
        let output = tried(command);
        let said = output.stderr.to_lowercase();
        assert!(
            !output.success && said.contains("forbidden"),
            "kubectl {command}: {output:?}"
        );
    }
    let user = format!("--user={ACCOUNT}");
    let all = [
        "create",
        "clusterrolebinding",
        "everything",
        "--clusterrole=cluster-admin",
        &user,
    ];
    plane.ok(&all, "");
    eventually("all rights in force", || {
        tried("get secret -A").success.then_some(())
    });
    for command in DENIED {
        let output = tried(command);
        let denied = !output.success && output.stderr.contains(BY_POLICY);
        assert!(denied, "kubectl {command}: {output:?}");
    }
}
