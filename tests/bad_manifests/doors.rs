//! The two doors: the endpoint of the real server, and the real command.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use testkit::process::run;

use crate::hostile;
use crate::served::{Answer, Served, Shared};

static SERVER: Shared = Mutex::new(Weak::new());
static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn server() -> Arc<Served> {
    Served::shared(&SERVER, &[], &hostile::namespaces())
}

pub(crate) fn dry_run(query: &str, body: &[u8]) -> Answer {
    // What `curl --data-binary` sends where it is told nothing else.
    let form = "application/x-www-form-urlencoded";
    // The server takes few dry runs at once and sends away who waits long: one at a time.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    server().post(&format!("/dry-run{query}"), form, body)
}

/// What a run of the command gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) report: String,
}

/// Runs `silkroll inject`.
pub(crate) fn inject<S: AsRef<OsStr>>(args: &[S], input: &[u8]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silkroll"));
    let output = run(command.arg("inject").args(args), input).unwrap();
    Ran {
        code: output.code.expect("no signal ended it"),
        out: output.stdout,
        report: output.stderr,
    }
}

/// The values of all documents of a text.
pub(crate) fn values(text: &str) -> Vec<Value> {
    let documents =
        silkroll::manifest::read(text.as_bytes(), &silkroll::manifest::Limits::default());
    documents
        .unwrap()
        .into_iter()
        .map(|document| document.unwrap().value().clone())
        .collect()
}

/// A Deployment that is injected into wherever a namespace has opted in; `shop` unless told.
pub(crate) const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
        - name: web # the only one
          image: web:1
          ports:
            - containerPort: 8080
  selector: {matchLabels: {app: web}}
";

/// The same, with an annotation of ours on it.
pub(crate) fn annotated(key: &str, value: &str) -> String {
    WEB.replace(
        "  namespace: shop\n",
        &format!("  namespace: shop\n  annotations:\n    silkroll.dev/{key}: {value}\n"),
    )
}
