//! Beside us: another webhook that changes what was injected, and parts that users write which equal ours.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::manifests;
use super::space::{Space, State};
use super::world::{World, silkroll};
use testkit::wait::eventually;

/// A webhook that sets one value in every Deployment of one namespace, asked after ours. It ends with the test process.
fn another_webhook(world: &World, namespace: &str, at: &str, value: &Value) {
    let patch = json!([{"op": "add", "path": at, "value": value}]).to_string();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Of its own authority, for the same Service's name.
    let tls = world
        .plane
        .dir()
        .join(format!("another-webhook-{namespace}"));
    let made = silkroll(&["certs", "--dir", &tls.display().to_string()], "");
    assert!(made.success, "{}", made.stderr);
    let chain = CertificateDer::pem_file_iter(tls.join("tls.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls.join("tls.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, patch) = (Arc::clone(&config), patch.clone());
            std::thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                // A connection that ends is the end of its thread.
                let _ = serve(StreamOwned::new(connection, stream), &patch);
            });
        }
    });
    let ours = world
        .plane
        .get(&["mutatingwebhookconfiguration", "silkroll"])
        .unwrap();
    let mut client = ours["webhooks"][0]["clientConfig"].clone();
    client["service"]["port"] = port.into();
    client["caBundle"] = STANDARD
        .encode(std::fs::read(tls.join("ca.crt")).unwrap())
        .into();
    // Sorted after ours, as configurations are asked in the order of their names.
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": format!("zz-{namespace}")},
        "webhooks": [{
            "name": "another.example.com", "clientConfig": client, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
            "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                       "resources": ["deployments"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        }],
    });
    world
        .plane
        .ok(&["create", "-f", "-"], &configuration.to_string());
}

/// Answers reviews, one after the other.
fn serve(stream: StreamOwned<ServerConnection, TcpStream>, patch: &str) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let review: Value = serde_json::from_slice(&body)?;
        let answer = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": {
                "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch",
                "patch": STANDARD.encode(patch),
            },
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
}

#[test]
fn another_webhook_after_ours_rolls_nothing_out() {
    let world = World::own();
    let space = Space::new(&world, "another", &[("inject", "enabled")]);
    let grace = "/spec/template/spec/terminationGracePeriodSeconds";
    another_webhook(&world, "another", grace, &json!(60));
    let manifest = manifests::plain("web");
    let sixty =
        |object: &Value| object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 60;
    eventually("the other webhook in force", || {
        let mut off = manifest.clone();
        off["metadata"]["annotations"] = json!({"silkroll.dev/inject": "disabled"});
        sixty(&space.dry_run(&off)).then_some(())
    });
    space.apply(&manifest);
    let before = space.settled("deployment/web");
    let place = || before.object.to_string();
    assert!(before.injected() && !sixty(&before.object), "{}", place());
    for args in [
        &["label", "deployment/web", "a=b"][..],
        &["annotate", "deployment/web", "c=d"],
        &["scale", "deployment/web", "--replicas=3"],
        &["apply", "-f", "-"],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &["replace", "-f", "-"],
        &["label", "deployment/web", "a=c", "--overwrite"],
    ] {
        let output = space.kubectl(args, &manifest.to_string());
        assert!(output.success, "{output:?}");
        let now = space.settled("deployment/web");
        assert_eq!(now.template(), before.template(), "{args:?}");
        assert_eq!(now.revisions, before.revisions, "{args:?}");
    }
}

#[test]
fn what_one_apply_sends_is_added_to_once_though_another_webhook_follows() {
    let world = World::own();
    let space = Space::new(&world, "once", &[("inject", "enabled")]);
    let label = "/spec/template/metadata/labels/another";
    another_webhook(&world, "once", label, &json!("webhook"));
    let mut manifest = manifests::plain("web");
    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 50.into();
    manifests::container(&mut manifest)["lifecycle"] =
        json!({"preStop": {"sleep": {"seconds": 7}}});
    eventually("the other webhook in force", || {
        let labels = &space.dry_run(&manifest)["spec"]["template"]["metadata"]["labels"];
        (labels["another"] == "webhook").then_some(())
    });
    let apply = |manifest: &Value| {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let output = space.kubectl(&args, &manifest.to_string());
        assert!(output.success, "{output:?}");
        space.settled("deployment/web")
    };
    for image in ["web:1", "web:2"] {
        manifests::container(&mut manifest)["image"] = image.into();
        let first = apply(&manifest);
        assert_eq!(
            first.web()["lifecycle"]["preStop"]["sleep"]["seconds"],
            22,
            "{image}"
        );
        assert_eq!(first.pod()["terminationGracePeriodSeconds"], 77, "{image}");
        let again = apply(&manifest);
        assert_eq!(again.template(), first.template(), "{image}");
        assert_eq!(again.revisions, first.revisions, "{image}");
    }
    space.quiet(
        &["annotate", "deployment/web", "silkroll.dev/inject=disabled"],
        "",
    );
    let out = space.settled("deployment/web");
    assert!(!out.injected());
    assert_eq!(
        out.web()["lifecycle"]["preStop"],
        json!({"sleep": {"seconds": 7}})
    );
    assert_eq!(out.pod()["terminationGracePeriodSeconds"], 50);
}

/// The manifest with parts of the user's that equal what was injected.
fn equal(name: &str) -> Value {
    let mut manifest = manifests::plain(name);
    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 50.into();
    let web = manifests::container(&mut manifest);
    web["readinessProbe"] = json!({"tcpSocket": {"port": 8080}});
    web["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 15}}});
    manifest
}

#[test]
fn what_users_write_stays_theirs_though_it_equals_what_was_injected() {
    let space = Space::new(World::shared(), "equal", &[("inject", "enabled")]);
    for (name, args) in [
        ("client-side", &["apply", "-f", "-"][..]),
        (
            "server-side",
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        ),
        ("replaced", &["replace", "-f", "-"]),
    ] {
        let first = if name == "server-side" {
            args
        } else {
            &["apply", "-f", "-"]
        };
        space.kubectl(first, &manifests::plain(name).to_string());
        let workload = format!("deployment/{name}");
        assert!(space.settled(&workload).injected(), "{name}");
        let sent = space.kubectl(args, &equal(name).to_string());
        assert!(sent.success, "{sent:?}");
        let patch = json!({
            "metadata": {"annotations": {"silkroll.dev/inject": "disabled"}},
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}},
        });
        space.quiet(&["patch", &workload, "-p", &patch.to_string()], "");
        let out: State = space.settled(&workload);
        let own = equal(name);
        let pod = &own["spec"]["template"]["spec"];
        assert!(!out.injected(), "{name}");
        // Of a field that the API server fills in, an apply's entry does not tell who sent which value.
        let grace = if name == "server-side" { 30 } else { 50 };
        assert_eq!(out.pod()["terminationGracePeriodSeconds"], grace, "{name}");
        assert_eq!(
            out.web()["lifecycle"],
            pod["containers"][0]["lifecycle"],
            "{name}"
        );
        assert_eq!(
            out.web()["readinessProbe"]["tcpSocket"],
            json!({"port": 8080}),
            "{name}"
        );
        assert_eq!(out.web().get("env"), None, "{name}: {}", out.web());
    }
}
