//! AdmissionReview `admission.k8s.io/v1` in and out. What is read borrows from the body; the answer
//! is written by hand, with the patch as base64 (a list of numbers, as serde would write bytes, is
//! twice as long).

pub mod fail_on;
pub mod findings;
pub mod known;
pub mod manifests;
pub mod places;
pub mod report;
pub mod stop;
pub mod values;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::engine::{
    Ask, Decision, Kind, NamespaceView, Object, Outcome, Reason, Settings, Strict, Text, decide,
    flag, optional,
};
use crate::text::{displayed, quoted};

/// The longest body that is read, in bytes: the API server's own limit for a request is 3 MiB, and a
/// review has two objects and their envelope.
pub const MAX_BODY: usize = 7 * 1024 * 1024;

/// The longest uid, in bytes. The API server's have 36; the answer and the log repeat it.
const MAX_UID: usize = 256;
/// What is told of why a body is no review, in characters: parsers quote what they found.
const WHY: usize = 300;

/// A body that is no review: the HTTP status and what to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// 400.
    pub status: u16,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
        }
    }
}

/// What the request wants to do, where Silkroll cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// CREATE
    Create,
    /// UPDATE
    Update,
    /// DELETE, CONNECT and whatever comes.
    Other,
}

impl Operation {
    /// The word in logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Other => "other",
        }
    }
}

/// A review that can be answered.
#[derive(Debug)]
pub struct Review<'a> {
    /// Echoed in the answer.
    pub uid: Text<'a>,
    /// The workload's kind; none where it is none of ours.
    pub kind: Option<Kind>,
    /// What the request does.
    pub operation: Operation,
    /// Whether nothing will be stored; the answer is the same.
    pub dry_run: bool,
    /// Whether the helper's ConfigMap stands in the namespace; false unless it is said.
    pub helper_stands: bool,
    subresource: bool,
    namespace: Text<'a>,
    name: Text<'a>,
    malformed: Option<String>,
    object: Option<Object<'a>>,
    old: Option<Object<'a>>,
    /// The field manager, where the request names one.
    manager: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReview<'a, O> {
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        bound(deserialize = "O: Deserialize<'de>")
    )]
    request: Option<RawRequest<'a, O>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRequest<'a, O> {
    #[serde(borrow, default)]
    uid: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    kind: Option<RawKind<'a>>,
    #[serde(borrow, default)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    namespace: Option<Text<'a>>,
    #[serde(borrow, default)]
    operation: Option<Text<'a>>,
    #[serde(default, deserialize_with = "flag")]
    dry_run: Option<bool>,
    #[serde(
        default,
        deserialize_with = "optional",
        bound(deserialize = "O: Deserialize<'de>")
    )]
    object: Option<O>,
    #[serde(
        default,
        deserialize_with = "optional",
        bound(deserialize = "O: Deserialize<'de>")
    )]
    old_object: Option<O>,
    #[serde(borrow, default)]
    options: Option<&'a RawValue>,
}

/// `UpdateOptions` for a patch, too (`patchToUpdateOptions` of the API server).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOptions<'a> {
    #[serde(borrow, default)]
    field_manager: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
struct RawKind<'a> {
    #[serde(borrow, default)]
    group: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
}

/// `apps/v1`, or `v1` of the group without a name, as manifests have it.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        return version.to_owned();
    }
    format!("{group}/{version}")
}

fn manager(options: &RawValue) -> Option<Text<'_>> {
    let options = serde_json::from_str::<Strict<RawOptions<'_>>>(options.get());
    options.ok()?.0.field_manager
}

impl<'a> Review<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// A [`Refusal`] where it is not JSON, not a review of version v1, or lacks request or uid.
    pub fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Err(Refusal::bad(
                "the body is empty; expected is an AdmissionReview (admission.k8s.io/v1) as JSON",
            ));
        }
        let text = std::str::from_utf8(body).map_err(|error| {
            Refusal::bad(format!(
                "the body is not UTF-8: invalid byte at offset {}",
                error.valid_up_to()
            ))
        })?;
        match serde_json::from_str::<Strict<RawReview<'a, Object<'a>>>>(text) {
            Ok(Strict(raw)) => {
                let mut review = Self::of(raw, None, |object| object)?;
                if review.kind == Some(Kind::Pod) {
                    review.read_whole(text);
                }
                Ok(review)
            }
            // Objects of other kinds may have any shape; what has no shape at all is refused.
            Err(error) => match serde_json::from_str::<Strict<RawReview<'a, IgnoredAny>>>(text) {
                Ok(Strict(raw)) => Self::of(raw, Some(displayed(error, WHY)), |_| None),
                Err(error) => Err(Refusal::bad(format!(
                    "the body is not an AdmissionReview: {}",
                    displayed(error, WHY)
                ))),
            },
        }
    }

    fn of<O>(
        raw: RawReview<'a, O>,
        malformed: Option<String>,
        object: impl Fn(Option<O>) -> Option<Object<'a>>,
    ) -> Result<Self, Refusal> {
        let version = raw.api_version.unwrap_or_default();
        let kind = raw.kind.unwrap_or_default();
        if kind.0 != "AdmissionReview" || version.0 != "admission.k8s.io/v1" {
            return Err(Refusal::bad(format!(
                "the body is {} of {}; expected is AdmissionReview of admission.k8s.io/v1",
                quoted(&kind.0, 60),
                quoted(&version.0, 60)
            )));
        }
        let Some(request) = raw.request else {
            return Err(Refusal::bad("the AdmissionReview has no request"));
        };
        let uid = request.uid.unwrap_or_default();
        if uid.0.is_empty() {
            return Err(Refusal::bad(
                "request.uid is missing or empty; an answer must echo it",
            ));
        }
        if uid.0.len() > MAX_UID {
            return Err(Refusal::bad(format!(
                "request.uid has {} bytes; allowed are {MAX_UID}, and an API server's has 36",
                uid.0.len()
            )));
        }
        let named = request.kind.unwrap_or_default();
        let api_version = api_version(&named.group.0, &named.version.0);
        Ok(Self {
            uid,
            kind: Kind::of(&api_version, &named.kind.0),
            operation: match request.operation.unwrap_or_default().0.as_ref() {
                "CREATE" => Operation::Create,
                "UPDATE" => Operation::Update,
                _ => Operation::Other,
            },
            dry_run: request.dry_run.unwrap_or(false),
            helper_stands: false,
            subresource: request.sub_resource.is_some_and(|text| !text.0.is_empty()),
            namespace: request.namespace.unwrap_or_default(),
            name: request.name.unwrap_or_default(),
            malformed,
            object: object(request.object),
            old: object(request.old_object),
            manager: request.options.and_then(manager),
        })
    }

    /// A Pod is its own template, so the object is needed as a whole.
    fn read_whole(&mut self, text: &'a str) {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            request: Request<'a>,
        }
        #[derive(Deserialize)]
        struct Request<'a> {
            #[serde(borrow)]
            object: &'a RawValue,
        }
        if let Some(object) = &mut self.object
            && let Ok(body) = serde_json::from_str::<Body<'a>>(text)
        {
            object.is_template(body.request.object);
        }
    }

    /// The namespace that the answer depends on; none where no answer of ours does.
    #[must_use]
    pub fn namespace_needed(&self) -> Option<&str> {
        let ours = self.kind.is_some()
            && self.operation != Operation::Other
            && !self.subresource
            && self.object.is_some();
        ours.then(|| self.namespace())
    }

    /// The request's namespace, else the object's, else `default`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        if !self.namespace.0.is_empty() {
            return &self.namespace.0;
        }
        self.object
            .as_ref()
            .and_then(Object::namespace)
            .unwrap_or("default")
    }

    /// The request's name, else the object's name or `generateName`.
    #[must_use]
    pub fn name(&self) -> &str {
        if !self.name.0.is_empty() {
            return &self.name.0;
        }
        self.object.as_ref().map_or("", Object::name)
    }

    /// The object, where the request has one that can be read.
    #[must_use]
    pub fn object(&self) -> Option<&Object<'a>> {
        self.object.as_ref()
    }

    /// Asks the engine, or says why there is nothing to ask. With `explain` the decisions are told one
    /// by one.
    #[must_use]
    pub fn decide(&self, settings: &Settings, view: NamespaceView<'_>, explain: bool) -> Decision {
        let Some(kind) = self.kind else {
            return Decision::skipped(Reason::OtherKind);
        };
        if self.subresource {
            return Decision::skipped(Reason::Subresource);
        }
        // Of a stored Pod nothing can be changed that is injected.
        let pod = kind == Kind::Pod;
        if self.operation == Operation::Other || pod && self.operation != Operation::Create {
            return Decision::skipped(Reason::OtherOperation);
        }
        if let Some(why) = &self.malformed {
            return Decision::skipped(Reason::Malformed).warn(&format!(
                "the object was left alone, it cannot be read as a {}: {}",
                kind.name(),
                crate::policy::cut(why, 120)
            ));
        }
        let Some(object) = &self.object else {
            return Decision::skipped(Reason::NoObject);
        };
        decide(&Ask {
            settings,
            kind,
            namespace: self.namespace(),
            view,
            object,
            old: self
                .old
                .as_ref()
                .filter(|_| self.operation == Operation::Update),
            manager: self.manager.as_ref().map(|manager| &*manager.0),
            remove: false,
            explain,
            helper_stands: self.helper_stands,
        })
    }
}

/// Writes the answer: an AdmissionReview with the decision in it.
#[must_use]
pub fn answer(uid: &str, decision: &Decision) -> Vec<u8> {
    let denied = decision.outcome == Outcome::Rejected;
    let patch = decision.patch.as_deref().filter(|_| !denied);
    // The envelope, and base64's four bytes for three.
    let size = 512 + patch.map_or(0, |patch| patch.len() / 3 * 4 + 4);
    let mut out = String::with_capacity(size);
    out.push_str(
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"#,
    );
    push_string(&mut out, uid);
    out.push_str(if denied {
        r#","allowed":false,"status":{"code":400,"reason":"BadRequest","message":"#
    } else {
        r#","allowed":true"#
    });
    if denied {
        let message = decision.denial.as_deref();
        push_string(&mut out, message.unwrap_or("an annotation cannot be used"));
        out.push('}');
    }
    if let Some(patch) = patch {
        out.push_str(r#","patchType":"JSONPatch","patch":""#);
        Simd::standard(PAD).encode_string(patch, &mut out);
        out.push('"');
    }
    for (at, warning) in decision.warnings.iter().enumerate() {
        out.push_str(if at == 0 { r#","warnings":["# } else { "," });
        push_string(&mut out, warning);
    }
    if !decision.warnings.is_empty() {
        out.push(']');
    }
    out.push_str(r#","auditAnnotations":{"outcome":""#);
    out.push_str(decision.outcome.code());
    out.push_str(r#"","reason":""#);
    out.push_str(decision.reason.code());
    out.push_str("\"}}}");
    out.into_bytes()
}

fn push_string(out: &mut String, text: &str) {
    // Text has no way to fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}
