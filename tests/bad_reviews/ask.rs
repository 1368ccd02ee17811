//! What is asked of the server, and what its answer is held to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use serde_json::Value;

use crate::hostile;
use crate::served::{Answer, Served, Shared};
use crate::support::{self, deployment, review};

static DENYING: Shared = Mutex::new(Weak::new());
static WARNING: Shared = Mutex::new(Weak::new());
static TURN: Mutex<()> = Mutex::new(());

/// Where a review is large to the server: more than this it decides on in turns.
const LARGE: usize = 64 * 1024;

pub(crate) fn server() -> Arc<Served> {
    Served::shared(&DENYING, &[], &hostile::namespaces())
}

pub(crate) fn server_that_warns() -> Arc<Served> {
    Served::shared(&WARNING, &["--invalid=warn"], &hostile::namespaces())
}

/// The answer to a review. The server sends away a large one that waits for others for two seconds, and it takes a slow machine
/// that long to decide on one: one at a time.
pub(crate) fn mutate(server: &Served, body: &[u8]) -> Answer {
    let turn = || TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _turn = (body.len() > LARGE).then(turn);
    server.mutate(body)
}

/// What is to come of a review.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) allowed: bool,
    pub(crate) patch: bool,
    pub(crate) outcome: &'static str,
    pub(crate) reason: &'static str,
    /// A part of the only warning, or of the denial; empty: there is neither.
    pub(crate) says: &'static str,
}

/// Allowed as it came, and only the log says why.
pub(crate) fn untouched(reason: &'static str) -> Expected {
    Expected {
        allowed: true,
        patch: false,
        outcome: "skipped",
        reason,
        says: "",
    }
}

/// Allowed as it came, and kubectl shows why.
pub(crate) fn left_alone(reason: &'static str, says: &'static str) -> Expected {
    Expected {
        says,
        ..untouched(reason)
    }
}

/// Allowed with a patch; `says` is a warning beside it.
pub(crate) fn injected(says: &'static str) -> Expected {
    Expected {
        patch: true,
        outcome: "injected",
        ..left_alone("covered", says)
    }
}

pub(crate) fn denied(says: &'static str) -> Expected {
    Expected {
        allowed: false,
        outcome: "rejected",
        ..left_alone("invalid-annotation", says)
    }
}

/// A review of a CREATE, with a uid of its own that its log line is found by.
pub(crate) fn create(object: &Value) -> Value {
    again(&serde_json::from_slice(&review("CREATE", object, &Value::Null)).unwrap())
}

/// The same review under another uid.
pub(crate) fn again(review: &Value) -> Value {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut review = review.clone();
    review["request"]["uid"] = format!("uid-{}", NEXT.fetch_add(1, Ordering::Relaxed)).into();
    review
}

/// The usual review with something changed in its object.
pub(crate) fn object(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = deployment();
    change(&mut object);
    create(&object)
}

/// The usual review with something changed in the pod's spec.
pub(crate) fn pod(change: impl FnOnce(&mut Value)) -> Value {
    object(|object| change(&mut object["spec"]["template"]["spec"]))
}

/// The usual review with something changed in the only container.
pub(crate) fn container(change: impl FnOnce(&mut Value)) -> Value {
    pod(|pod| change(&mut pod["containers"][0]))
}

pub(crate) fn annotated(key: &str, value: &str) -> Value {
    object(|object| support::annotate(object, key, value))
}

/// The usual review with something changed in the request.
pub(crate) fn request(change: impl FnOnce(&mut Value)) -> Value {
    let mut review = object(|_| {});
    change(&mut review["request"]);
    review
}

/// Where a text, given in JSON, stands in a review in place of this, without being built as a value.
pub(crate) const SPLICE: &str = "splice-here";

pub(crate) fn spliced(review: &Value, text: &str) -> Vec<u8> {
    review
        .to_string()
        .replacen(&format!("\"{SPLICE}\""), text, 1)
        .into_bytes()
}

pub(crate) fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

/// Asks, checks everything that holds for every answer, and gives back what differs from what was
/// expected.
pub(crate) fn check(
    server: &Served,
    what: &str,
    body: &[u8],
    expected: Expected,
) -> Option<String> {
    let got = mutate(server, body);
    assert_eq!(got.status, 200, "{what}: {}", got.text());
    let review: Value = serde_json::from_slice(body).unwrap_or_default();
    let patched = well_formed(what, &got, &review);
    let response = &got.json()["response"];
    let uid = response["uid"].as_str().unwrap();
    let audit = &response["auditAnnotations"];
    let line = server.logged(what, |line| line["uid"] == uid);
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&audit["outcome"], &audit["reason"]),
        "{what}"
    );
    let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
    let said = match response["status"]["message"].as_str() {
        Some(message) => message.to_owned(),
        None => warnings.iter().filter_map(Value::as_str).collect(),
    };
    let says = if expected.says.is_empty() {
        said.is_empty()
    } else {
        said.contains(expected.says) && warnings.len() <= 1
    };
    let as_expected = response["allowed"] == expected.allowed
        && patched == expected.patch
        && audit["outcome"] == expected.outcome
        && audit["reason"] == expected.reason
        && says;
    (!as_expected).then(|| {
        format!(
            "{what}: allowed {}, patch {patched}, {} ({}): {said}",
            response["allowed"], audit["outcome"], audit["reason"]
        )
    })
}

/// What holds for every answer to every review. Whether it has a patch.
pub(crate) fn well_formed(what: &str, got: &Answer, review: &Value) -> bool {
    let json = got.json();
    assert_eq!(json["kind"], "AdmissionReview", "{what}");
    assert_eq!(json["apiVersion"], "admission.k8s.io/v1", "{what}");
    let response = &json["response"];
    if !review.is_null() {
        assert_eq!(response["uid"], review["request"]["uid"], "{what}");
    }
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().unwrap();
        assert!(warning.starts_with("silkroll: "), "{what}: {warning}");
        assert!(warning.chars().count() < 250, "{what}: {warning}");
        assert!(!deceives(warning), "{what}: {warning:?}");
    }
    if let Some(message) = response["status"]["message"].as_str() {
        assert!(!deceives(message), "{what}: {message:?}");
        assert!(message.len() < 2048, "{what}: {message}");
    }
    assert_eq!(
        response["patchType"].is_null(),
        response["patch"].is_null(),
        "{what}"
    );
    let Some(patch) = response["patch"].as_str() else {
        return false;
    };
    assert_eq!(response["patchType"], "JSONPatch", "{what}");
    let patch = base64::engine::general_purpose::STANDARD
        .decode(patch)
        .unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    if !review.is_null() {
        let mut object = review["request"]["object"].clone();
        json_patch::patch(&mut object, &patch)
            .unwrap_or_else(|error| panic!("{what}: {error}: {patch}"));
    }
    true
}

/// Text that reads otherwise than it is, or breaks a line.
pub(crate) fn deceives(text: &str) -> bool {
    text.chars()
        .any(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'))
}

pub(crate) fn check_all(server: &Served, cases: Vec<(&str, Value, Expected)>) {
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(what, review, expected)| {
            check(server, what, review.to_string().as_bytes(), expected)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
