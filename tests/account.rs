//! The service account of the install file: enough for Silkroll, and hardly more.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of #[test]")]

mod cluster;

use std::collections::BTreeMap;
use std::path::Path;

use cluster::ControlPlane;
use cluster::side::{Side, namespace, script};
use serde_json::Value;
use testkit::wait::eventually;

/// What the account may and may not do, NAME being the script's ConfigMap.
const MAY: &[(bool, &str)] = &[
    (true, "get configmap -n least NAME"),
    (true, "get configmap -A --field-selector=metadata.name=NAME"),
    (true, "get namespace least"),
    (true, "get node"),
    (false, "get configmap -A"),
    (false, "get configmap -n least"),
    (false, "get configmap -n least foreign"),
    (
        false,
        "get configmap -A --field-selector=metadata.name=foreign",
    ),
    (
        false,
        "get configmap -A -l app.kubernetes.io/managed-by=silkroll",
    ),
    (false, "delete configmap -n least NAME"),
    (false, "label configmap -n least NAME a=b"),
    (false, "get secret -A"),
    // Its own CA's alone, and its own webhook configuration.
    (false, "get secret -n silkroll-system"),
    (false, "get secret -n silkroll-system silkroll-tls"),
    (false, "get secret -n least silkroll-own-ca"),
    (true, "get secret -n silkroll-system silkroll-own-ca"),
    (false, "delete secret -n silkroll-system silkroll-own-ca"),
    (true, "get mutatingwebhookconfiguration silkroll"),
    (false, "get mutatingwebhookconfiguration"),
    (false, "delete mutatingwebhookconfiguration silkroll"),
    (false, "get pod -A"),
    // The audit's.
    (true, "get deployment -A"),
    (false, "get deployment -n least web"),
    (false, "get statefulset -A"),
    (false, "get event -n least"),
    (false, "get lease -n silkroll-system other"),
    (false, "get lease -n silkroll-system"),
    (false, "delete lease -n silkroll-system silkroll-audit"),
    (false, "scale deployment -n least web --replicas=0"),
    (false, "annotate namespace least a=b"),
];

/// The ConfigMap's name that the install file's `ClusterRole` allows.
fn allowed_name(plane: &ControlPlane) -> String {
    let role = plane.get(&["clusterrole", "silkroll"]).unwrap();
    let mut names = role["rules"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["resourceNames"].as_array().into_iter().flatten());
    names.next().unwrap().as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_of_the_install_file_is_enough_and_reads_no_other_config_map() {
    let plane = ControlPlane::shared();
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    plane.ok(&["apply", "-f", &install.display().to_string()], "");
    let mut script = script(&allowed_name(plane));
    // Under its own key, as the policy on the account wants it.
    script.data = BTreeMap::from([("hook.sh".to_owned(), "#!/bin/sh\n".to_owned())]);
    let account = plane.kubeconfig_for_service_account("silkroll-system", "silkroll");
    namespace(plane, "least", Some("enabled"));
    plane.ok(&["create", "configmap", "-n", "least", "foreign"], "");
    let secret = ["create", "secret", "generic", "-n", "silkroll-system"];
    plane.ok(&[&secret[..], &["silkroll-own-ca"]].concat(), "");
    let made = || plane.get(&["configmap", "-n", "least", &script.name]);

    let side = Side::start(&account, &script).await;
    eventually("the ConfigMap", made);
    plane.ok(&["delete", "configmap", "-n", "least", &script.name], "");
    eventually("the ConfigMap after its deletion", made);
    eventually("the version", || *side.seen.version.lock().unwrap());
    side.stop().await;

    let user = "system:serviceaccount:silkroll-system:silkroll";
    let mut asked = plane.audit();
    asked.retain(|event| event["user"]["username"] == user);
    let agent = concat!("silkroll/", env!("CARGO_PKG_VERSION"));
    assert!(asked.iter().all(|event| event["userAgent"] == agent));
    let creations = asked.iter().filter(|event| event["verb"] == "create");
    assert_eq!(creations.count(), 2);
    asked.retain(|event| event["annotations"]["authorization.k8s.io/decision"] != "allow");
    let none: Vec<Value> = Vec::new();
    assert_eq!(
        asked, none,
        "Silkroll asked for something that it may not have"
    );

    for (allowed, command) in MAY {
        let command = command.replace("NAME", &script.name);
        let args: Vec<&str> = command.split(' ').collect();
        let output = plane.kubectl_as(&account, &args, "");
        assert_eq!(output.success, *allowed, "kubectl {command}: {output:?}");
        assert_eq!(
            output.stderr.contains("Forbidden"),
            !allowed,
            "kubectl {command}: {output:?}"
        );
    }
}
