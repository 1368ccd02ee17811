//! `make demo`: the real webhook on loopback, asked about the four example manifests and a mistaken
//! one, as an API server and as a pipeline would ask it.

mod server;
mod show;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use silkroll::engine::Kind;
use silkroll::manifest::{self, Limits};

use server::Server;
use show::Show;

const NAMESPACES: &str = "examples/namespaces.yaml";

/// Each manifest, and what it stands for.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "examples/nacos-customer.yaml",
        "a service that registers itself in Nacos, with hooks and a liveness probe of its own",
    ),
    (
        "examples/mainstay-provider.yaml",
        "an RPC provider that an administration service takes out of its registry",
    ),
    (
        "examples/spring-boot.yaml",
        "a Spring Boot service that takes its time to end",
    ),
    (
        "examples/nginx.yaml",
        "nginx with a readiness probe and a grace period of its own",
    ),
];

/// The mistakes: what stands in nginx.yaml, and what a hurried hand writes.
const MISTAKES: &[(&str, &str)] = &[
    ("drain-seconds: \"10\"", "drain-seconds: 10s"),
    ("silkroll.dev/rollout:", "silkroll.dev/rolout:"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let show = Show::on_stdout();
    // `cargo run` starts it wherever the user stands; the examples are named from the root.
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let server = Server::start(NAMESPACES).await?;
    show.line(&format!(
        "silkroll serve --standalone runs as process {} at {}; namespaces are those of {NAMESPACES}.",
        server.pid(),
        server.url("/mutate"),
    ));
    let result = all(&server, show).await;
    server.stop()?;
    result?;
    show.title("The server has been stopped.");
    show.line(
        "Next, your own manifest:  cargo run -- preview      the same as a page in your browser, without a cluster",
    );
    show.line(
        "                          cargo run -- inject -f FILE --diff --explain      In a cluster: README.md",
    );
    Ok(())
}

async fn all(server: &Server, show: Show) -> Result<()> {
    for (n, (path, what)) in EXAMPLES.iter().enumerate() {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?;
        show.title(&format!("{}/{}  {path}: {what}", n + 1, EXAMPLES.len()));
        one(server, show, &text).await?;
    }
    let mut text = std::fs::read_to_string("examples/nginx.yaml")?;
    show.title("And one with mistakes: nginx.yaml, written in a hurry");
    for (right, wrong) in MISTAKES {
        ensure!(
            text.contains(right),
            "examples/nginx.yaml no longer has {right}: change MISTAKES"
        );
        text = text.replace(right, wrong);
        show.line(&format!("  {wrong}"));
    }
    one(server, show, &text).await
}

/// Asks about every workload of a manifest, and shows the answers.
async fn one(server: &Server, show: Show, text: &str) -> Result<()> {
    let namespaces = read(&std::fs::read(Path::new(NAMESPACES))?)?;
    let mut patches = String::new();
    for object in read(text.as_bytes())? {
        let (version, kind) = (word(&object, "apiVersion"), word(&object, "kind"));
        if Kind::of(&version, &kind).is_none() {
            continue;
        }
        let namespace = namespaces
            .iter()
            .find(|known| known["metadata"]["name"] == object["metadata"]["namespace"]);
        show.asked("the namespace asks for", namespace.unwrap_or(&Value::Null));
        show.asked(&format!("the {kind} asks for"), &object);
        let answer = server.post("/mutate", &review(&object).to_string()).await?;
        let response = &serde_json::from_str::<Value>(&answer)?["response"];
        if let Some(patch) = response["patch"].as_str() {
            patches.push_str(std::str::from_utf8(&STANDARD.decode(patch)?)?);
            patches.push('\n');
        }
        show.webhook(response);
    }
    let dry_run = server.post("/dry-run?output=json", text).await?;
    let dry_run: Value = serde_json::from_str(&dry_run)?;
    for item in dry_run["items"].as_array().into_iter().flatten() {
        if item["reason"] != "other-kind" {
            show.item(item);
        }
    }
    if !patches.is_empty() {
        let same = server.post("/dry-run?output=patch", text).await?;
        ensure!(
            same == patches,
            "the dry run and the webhook differ:\n{same}\n{patches}"
        );
        show.heading("diff (the dry run and the webhook gave the same patch, byte for byte)");
        show.diff(&server.post("/dry-run?output=diff", text).await?);
    }
    Ok(())
}

/// What an API server sends at a CREATE.
fn review(object: &Value) -> Value {
    let kind = word(object, "kind");
    let gvk = json!({"group": "apps", "version": "v1", "kind": kind});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": gvk,
            "requestKind": gvk,
            "resource": {"group": "apps", "version": "v1", "resource": format!("{}s", kind.to_lowercase())},
            "namespace": object["metadata"]["namespace"],
            "name": object["metadata"]["name"],
            "operation": "CREATE",
            "userInfo": {"username": "demo"},
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
}

fn read(bytes: &[u8]) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    for document in manifest::read(bytes, &Limits::default())? {
        values.push(document?.value().clone());
    }
    Ok(values)
}

fn word(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}
