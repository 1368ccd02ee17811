//! Install, upgrade, rollback and uninstall on a real API server, with Helm 3, with Helm 4, and from one to the other.

use serde_json::{Value, json};

use super::cluster::ControlPlane;
use super::cluster::side::namespace;
use super::helm::{Helm, NAMESPACE, RELEASE, chart};

const CONFIGURATION: &[&str] = &["mutatingwebhookconfiguration", "silkroll"];
const DEPLOYMENT: &[&str] = &["deployment", "-n", NAMESPACE, "silkroll"];

fn bundle(plane: &ControlPlane) -> Value {
    plane.get(CONFIGURATION).unwrap()["webhooks"][0]["clientConfig"]["caBundle"].clone()
}

fn image(plane: &ControlPlane) -> Value {
    plane.get(DEPLOYMENT).unwrap()["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

/// As Silkroll does, and the patch of `silkroll certs`.
fn give_bundle(plane: &ControlPlane, field_manager: &str, pem: &str) {
    use base64::Engine as _;
    let bundle = base64::engine::general_purpose::STANDARD.encode(pem);
    let patch = json!({"webhooks": [{"name": "inject.silkroll.dev", "clientConfig": {"caBundle": bundle}}]});
    let manager = format!("--field-manager={field_manager}");
    plane.ok(
        &[
            &["patch", &manager, "-p", &patch.to_string()],
            CONFIGURATION,
        ]
        .concat(),
        "",
    );
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMO==\n-----END CERTIFICATE-----\n";

/// Goes through all of it: installed by the first, upgraded by the second, and so on.
fn lives(plane: &ControlPlane, [first, second]: [&Helm; 2]) {
    let chart = chart();
    let at = ["-n", NAMESPACE, "--no-hooks", "--timeout=60s"];
    let tag = |tag: &str| format!("image: {{tag: '{tag}'}}");
    let with = |words: &[&str]| -> Vec<String> {
        words
            .iter()
            .chain(&at)
            .map(|&word| word.to_owned())
            .collect()
    };
    let run = |helm: &Helm, words: &[&str], values: &str| {
        let args = with(words);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        helm.ok(&args, values)
    };

    let notes = run(
        first,
        &["install", RELEASE, &chart, "--create-namespace", "-f", "-"],
        &tag("1"),
    );
    assert!(
        notes.contains("helm test silkroll -n silkroll-system"),
        "{notes}"
    );
    assert_eq!(bundle(plane), Value::Null);
    give_bundle(plane, "silkroll", PEM);
    let trusted = bundle(plane);
    assert!(trusted.is_string());
    // What pods mount is not the release's.
    namespace(plane, "shop", Some("enabled"));
    plane.ok(
        &["create", "configmap", "-n", "shop", "silkroll-0123456789ab"],
        "",
    );

    // A bundle that something else has changed is no conflict either.
    for (round, values) in [
        "{image: {tag: '2'}}",
        "{image: {tag: '3'}, webhook: {levelPod: true, workloads: [deployment, statefulset]}}",
    ]
    .into_iter()
    .enumerate()
    {
        run(second, &["upgrade", RELEASE, &chart, "-f", "-"], values);
        assert_eq!(bundle(plane), trusted, "round {round}");
        let newest = format!("ghcr.io/silkroll/silkroll:{}", round + 2);
        assert_eq!(image(plane), newest);
    }
    let entries = plane.get(CONFIGURATION).unwrap()["webhooks"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(entries, 2);
    let before = versions(plane);
    run(second, &["upgrade", RELEASE, &chart, "--reuse-values"], "");
    assert_eq!(versions(plane), before, "the same values change nothing");

    // Old pods go on until the new ones have the Secret: what they are trusted by stays.
    let notes = run(
        second,
        &["upgrade", RELEASE, &chart, "-f", "-"],
        "certificates: {source: secret}",
    );
    assert!(
        notes.contains("silkroll certs --output patch --trust trusted.crt")
            && !notes.contains("do not trust it yet"),
        "{notes}"
    );

    run(second, &["rollback", RELEASE, "1"], "");
    assert_eq!(image(plane), "ghcr.io/silkroll/silkroll:1");
    assert_eq!(bundle(plane), trusted);
    let configuration = plane.get(CONFIGURATION).unwrap();
    assert_eq!(configuration["webhooks"].as_array().unwrap().len(), 1);

    run(second, &["uninstall", RELEASE], "");
    assert_eq!(plane.get(CONFIGURATION), None);
    assert_eq!(plane.get(DEPLOYMENT), None);
    for kind in [
        "validatingadmissionpolicy",
        "validatingadmissionpolicybinding",
        "clusterrole",
        "clusterrolebinding",
    ] {
        let left = plane.get(&[kind, "-l", "app.kubernetes.io/instance=silkroll"]);
        assert!(
            left.is_none_or(|left| left["items"].as_array().unwrap().is_empty()),
            "{kind}"
        );
    }
    let kept = plane.get(&["configmap", "-n", "shop", "silkroll-0123456789ab"]);
    assert!(kept.is_some(), "what running pods mount is gone");
}

/// The version of every object that the chart has made.
fn versions(plane: &ControlPlane) -> Vec<(String, String)> {
    let kinds = "deployment,service,serviceaccount,role,rolebinding,poddisruptionbudget,clusterrole,clusterrolebinding,\
                 mutatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding";
    let list = plane.get(&[
        kinds,
        "-n",
        NAMESPACE,
        "-l",
        "app.kubernetes.io/instance=silkroll",
    ]);
    let list = list.unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let version = |object: &Value| {
        let name = format!(
            "{} {}",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        );
        (name, text(&object["metadata"]["resourceVersion"]))
    };
    items.map(version).collect()
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn install_upgrade_rollback_and_uninstall_keep_the_bundle_and_the_hooks_files() {
    for [first, second] in [[3, 3], [4, 4], [3, 4]] {
        let plane = ControlPlane::start(super::cluster::Options::default());
        let helms = [Helm::on(&plane, first), Helm::on(&plane, second)];
        lives(&plane, [&helms[0], &helms[1]]);
    }
}

#[test]
#[ignore = "needs Helm: make test-helm"]
fn a_release_takes_over_what_the_install_file_made_and_can_be_upgraded() {
    let plane = ControlPlane::start(super::cluster::Options::default());
    let install = super::helm::file("manifests/install.yaml")
        .display()
        .to_string();
    for major in [3, 4] {
        plane.ok(&["apply", "-f", &install], "");
        give_bundle(&plane, "silkroll", PEM);
        let trusted = bundle(&plane);
        let helm = Helm::on(&plane, major);
        let chart = chart();
        let at = [RELEASE, &chart, "-n", NAMESPACE, "--no-hooks", "-f", "-"];
        if major == 4 {
            // What docs/operations.md has for it.
            let repository = super::helm::file("");
            let block = testkit::pages::block(&repository, "sh hand-over").unwrap();
            let words: Vec<&str> = block.trim().split(' ').skip(1).collect();
            let here = |word: &&str| match *word {
                "manifests/install.yaml" => install.clone(),
                other => other.to_owned(),
            };
            let words: Vec<String> = words.iter().map(here).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            plane.ok(&words, "");
        }
        let install = [&["install", "--take-ownership"], &at[..]].concat();
        helm.ok(&install, "image: {tag: '2'}");
        assert_eq!(bundle(&plane), trusted, "helm{major}");
        assert_eq!(image(&plane), "ghcr.io/silkroll/silkroll:2");
        let upgrade = [&["upgrade"], &at[..]].concat();
        helm.ok(
            &upgrade,
            "{image: {tag: '3'}, replicas: 3, commonLabels: {a: b}}",
        );
        assert_eq!(bundle(&plane), trusted, "helm{major}");
        assert_eq!(image(&plane), "ghcr.io/silkroll/silkroll:3");
        helm.ok(&["uninstall", RELEASE, "-n", NAMESPACE, "--no-hooks"], "");
    }
}
