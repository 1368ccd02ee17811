//! The two doors: the endpoint of the real server, and the real command.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

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
    let mut child = Command::new(env!("CARGO_BIN_EXE_silkroll"))
        .arg("inject")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that never reads its input closes it: that is no failure here.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).unwrap(),
        report: String::from_utf8(output.stderr).unwrap(),
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
";

/// The same, with an annotation of ours on it.
pub(crate) fn annotated(key: &str, value: &str) -> String {
    WEB.replace(
        "  namespace: shop\n",
        &format!("  namespace: shop\n  annotations:\n    silkroll.dev/{key}: {value}\n"),
    )
}
