//! Manifests through the engine: the same decisions as the webhook's, for the dry-run endpoint and
//! the command line.

use std::sync::Arc;

use json_patch::Patch;
use serde_json::Value;

pub use super::known::{NamespaceSource, view_of};
use crate::engine::{
    Ask, Decision, Kind, NamespaceView, Object, Reason, Settings, decide, injects_pods,
};
use crate::manifest::budget::{Account, Excess, element, text};
use crate::manifest::{ObjectAt, Warning, each_object};
use crate::policy::INJECT;
use crate::policy::{PREFIX, STATUS, cut};
use crate::text::shown;

/// The longest title of an object, in characters: kind, namespace and name as the API server takes them fit.
const TITLE: usize = 400;

/// What holds for all documents of a run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The engine's settings.
    pub settings: Arc<Settings>,
    /// What is known of namespaces.
    pub known: NamespaceSource,
    /// The namespace of documents that name none.
    pub namespace: String,
    /// Take the injection out instead of bringing it in.
    pub remove: bool,
}

/// One object of a document, and what came of it.
#[derive(Debug)]
pub struct Item {
    /// `apiVersion`, empty where it has none.
    pub api_version: String,
    /// `kind`, empty where it has none.
    pub kind: String,
    /// Its namespace, or the one that it goes to.
    pub namespace: String,
    /// Its name or `generateName`.
    pub name: String,
    /// Where it stands in the document: empty, or `/items/3` in a List.
    pub path: String,
    /// What came of it.
    pub decision: Decision,
}

impl Item {
    /// `Deployment shop/web`.
    #[must_use]
    pub fn title(&self) -> String {
        let title = format!(
            "{} {}/{}",
            if self.kind.is_empty() {
                "object"
            } else {
                &self.kind
            },
            self.namespace,
            if self.name.is_empty() {
                "(no name)"
            } else {
                &self.name
            }
        );
        shown(&title, TITLE).into_owned()
    }

    /// Whether Silkroll has anything to do with it.
    #[must_use]
    pub fn is_workload(&self) -> bool {
        self.decision.reason != Reason::OtherKind
    }

    /// The patch, with its paths in the document that the object stands in.
    ///
    /// # Errors
    /// Never for a patch of the engine; it is read back from its text.
    pub fn patch_in_document(&self) -> Result<Patch, serde_json::Error> {
        let Some(text) = &self.decision.patch else {
            return Ok(Patch(Vec::new()));
        };
        if self.path.is_empty() {
            return serde_json::from_str(text);
        }
        let mut operations: Value = serde_json::from_str(text)?;
        for operation in operations.as_array_mut().into_iter().flatten() {
            if let Some(path) = operation["path"].as_str() {
                operation["path"] = format!("{}{path}", self.path).into();
            }
        }
        serde_json::from_value(operations)
    }
}

/// What makes manifests of what kustomize keeps in a folder.
const BUILD: &str =
    "build first: kustomize build DIR | silkroll inject -f - (or kubectl kustomize DIR)";

/// Whether a text that is no YAML has the braces of a template. It is looked through whole: once for all of its documents.
#[must_use]
pub fn is_template(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"{{").is_some()
}

/// Why a document is no manifest, whatever is in it; nothing where it may be one.
#[must_use]
pub fn not_a_manifest(document: &Value) -> Option<String> {
    let what = match document {
        Value::Null => return None,
        Value::Object(_) => {
            return kustomization(document).then(|| {
                format!(
                    "this is a kustomization, which says what to build and is no manifest: {BUILD}"
                )
            });
        }
        Value::Array(items) if items.iter().any(|item| item["op"].is_string()) => {
            return Some(format!(
                "this is a JSON patch and no manifest, as kustomize has them: {BUILD}"
            ));
        }
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
    };
    Some(format!(
        "this is {what}, and a manifest is a mapping with apiVersion and kind: is it the right file?"
    ))
}

/// Gives what is to be said about a document to its first workload, so that it is told wherever that is. Says whether
/// there is one.
pub fn tell_with_workload(items: &mut [Item], warnings: &[Warning]) -> bool {
    let Some(item) = items.iter_mut().find(|item| item.is_workload()) else {
        return false;
    };
    let told = warnings.iter().map(ToString::to_string);
    item.decision.warnings.extend(told);
    true
}

/// Whether a document is kustomize's own: it may leave out apiVersion and kind. Flux has a Kustomization of another group,
/// which is an object like any other.
fn kustomization(document: &Value) -> bool {
    /// Lists of a kustomization that no object has at its top. The values of a Helm chart have `resources`, too: a mapping.
    const FIELDS: [&str; 8] = [
        "resources",
        "bases",
        "components",
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "configMapGenerator",
        "secretGenerator",
    ];
    match document["apiVersion"].as_str() {
        Some(version) => version.starts_with("kustomize.config.k8s.io/"),
        None if document["kind"].is_string() => {
            matches!(
                document["kind"].as_str(),
                Some("Kustomization" | "Component")
            )
        }
        None => {
            document["namePrefix"].is_string()
                || FIELDS.iter().any(|field| document[*field].is_array())
        }
    }
}

/// The first key that tells how to merge: it stands in patches only, and the API server refuses it.
fn directive(value: &Value) -> Option<&str> {
    /// From apimachinery's `pkg/util/strategicpatch/patch.go`.
    const DIRECTIVES: [&str; 4] = [
        "$patch",
        "$retainKeys",
        "$setElementOrder/",
        "$deleteFromPrimitiveList/",
    ];
    match value {
        Value::Object(map) => {
            let own = map
                .keys()
                .find(|key| DIRECTIVES.iter().any(|known| key.starts_with(known)));
            own.map(String::as_str)
                .or_else(|| map.values().find_map(directive))
        }
        Value::Array(items) => items.iter().find_map(directive),
        _ => None,
    }
}

impl Run {
    /// Decides on every object of a document; Lists are opened. What the items take is charged.
    ///
    /// # Errors
    /// As [`Account::charge`].
    pub fn decide(&self, document: &Value, account: &mut Account) -> Result<Vec<Item>, Excess> {
        let mut items = Vec::new();
        each_object(document, &mut |found| self.one(found, account, &mut items))?;
        Ok(items)
    }

    fn one(
        &self,
        found: ObjectAt<'_>,
        account: &mut Account,
        items: &mut Vec<Item>,
    ) -> Result<(), Excess> {
        let ObjectAt {
            value,
            path,
            api_version,
            kind,
        } = found;
        if value.is_null() {
            return account.go_on();
        }
        let metadata = &value["metadata"];
        let named = |name: &str| metadata[name].as_str().filter(|text| !text.is_empty());
        let namespace = named("namespace").unwrap_or(&self.namespace);
        let name = named("name").or(named("generateName")).unwrap_or_default();
        let texts = [api_version, kind, namespace, name, &path];
        let texts: usize = texts.map(str::len).into_iter().map(text).sum();
        account.charge(element::<Item>() + texts)?;
        let known = Kind::of(api_version, kind);
        let known = known.filter(|kind| *kind != Kind::Pod || self.injects(namespace, value));
        let decision = match known {
            Some(kind) => self.workload(kind, namespace, value, account)?,
            None if runs_pods(kind, value) && self.is_meant(namespace, value) => {
                Decision::skipped(Reason::KindNotCovered)
            }
            None => Decision::skipped(Reason::OtherKind),
        };
        account.charge(size_of_decision(&decision))?;
        items.push(Item {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            path,
            decision,
        });
        Ok(())
    }

    /// Whether a Pod is to be looked at: most in files have no controller.
    fn injects(&self, namespace: &str, pod: &Value) -> bool {
        match &self.known {
            _ if self.remove => pod["metadata"]["annotations"][STATUS].is_string(),
            NamespaceSource::Assumed(_) => false,
            known => {
                let entry = known.entry(namespace);
                entry.is_some_and(|entry| injects_pods(view_of(&entry)))
            }
        }
    }

    /// Whether its namespace asks for all workloads, and it says nothing else itself.
    fn is_meant(&self, namespace: &str, value: &Value) -> bool {
        let own = value["metadata"]["annotations"][INJECT].as_str();
        let entry = self.known.entry(namespace);
        let covered = match self.known.view(entry.as_deref()) {
            NamespaceView::Assumed => true,
            NamespaceView::Unknown => false,
            NamespaceView::Known { .. } => {
                let said = entry.as_ref().and_then(|entry| entry.annotation(INJECT));
                matches!(said, Some("enabled" | "true"))
            }
        };
        covered && !self.remove && !matches!(own, Some("disabled" | "false"))
    }

    fn workload(
        &self,
        kind: Kind,
        namespace: &str,
        value: &Value,
        account: &mut Account,
    ) -> Result<Decision, Excess> {
        if let Some(why) = not_text(value) {
            return Ok(Decision::rejected(Reason::InvalidAnnotation, &why));
        }
        if let Some(why) = patch(kind, value) {
            return Ok(Decision::rejected(Reason::Malformed, &why));
        }
        let mut beside = account.beside();
        let json = to_json_within(value, &mut beside)?;
        // The engine keeps slices of it: the smallest element takes two bytes here and a slice there.
        beside.charge(json.len() * SLICES)?;
        let object: Object<'_> = match Object::read(kind, &json) {
            Ok(object) => object,
            Err(error) => return Ok(malformed(kind, &error.to_string())),
        };
        let entry = self.known.entry(namespace);
        let mut decision = decide(&Ask {
            settings: &self.settings,
            kind,
            namespace,
            view: self.known.view(entry.as_deref()),
            object: &object,
            old: None,
            manager: None,
            remove: self.remove,
            explain: true,
            // By the time that it is applied.
            helper_stands: true,
        });
        if decision.reason == Reason::Malformed {
            return Ok(malformed(kind, &decision.warnings.join("; ")));
        }
        if !self.remove {
            self.known.tell(namespace, &mut decision);
        }
        Ok(decision)
    }
}

/// Bytes that the engine's view of an object takes for each byte of its JSON, as real objects have it: what is smaller
/// than its own slice is rare in them, and [`crate::engine`] bounds lists of such.
const SLICES: usize = 2;

fn size_of_decision(decision: &Decision) -> usize {
    let words = decision.warnings.iter().chain(&decision.denial);
    let words: usize = words.map(|words| 24 + text(words.len())).sum();
    let steps = decision
        .steps
        .iter()
        .map(|step| size_of_val(step) + text(step.text.len()) + text(step.container.len()));
    let patch = decision.patch.as_ref().map_or(0, |patch| text(patch.len()));
    words + steps.sum::<usize>() + patch
}

/// A value as JSON, charged before it is written.
///
/// # Errors
/// As [`Account::charge`].
pub fn to_json_within(value: &Value, account: &mut Account) -> Result<String, Excess> {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Values have no way to fail.
    let _ = serde_json::to_writer(&mut count, value);
    // A text that grows doubles, and holds old and new while it moves.
    account.charge(2 * count.0)?;
    Ok(value.to_string())
}

/// The webhook leaves such an object alone and the API server refuses it; whoever has the file at
/// hand is told at once.
fn malformed(kind: Kind, why: &str) -> Decision {
    // The line and column are those of a copy in memory.
    let why = why.split(" at line ").next().unwrap_or(why);
    let why = why.strip_prefix("silkroll: ").unwrap_or(why);
    let denial = format!("it cannot be read as a {}: {}", kind.name(), cut(why, 160));
    Decision::rejected(Reason::Malformed, &denial)
}

/// Why a document is only a part of a workload, which would be judged for what it leaves out, or not at all; nothing where it
/// is none.
#[must_use]
pub fn part_of_a_workload(document: &Value) -> Option<String> {
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let kind = Kind::of(text("apiVersion"), text("kind"))?;
    patch(kind, document)
}

/// What tells that a workload is only a patch for one. The API server takes none of `apps/v1` without a selector
/// ("spec.selector: Required value", `ValidateDeploymentSpec` and its like), so what has none is no manifest, whatever else
/// stands in it; of a Rollout only its controller asks for one.
fn patch(kind: Kind, value: &Value) -> Option<String> {
    if kind == Kind::Pod {
        return None;
    }
    if let Some(key) = directive(value) {
        let (key, kind) = (cut(key, 60), kind.name());
        return Some(format!(
            "{key} stands in it, which tells how to merge: this looks like a kustomize patch for a {kind}; {BUILD}"
        ));
    }
    if value.pointer("/spec/workloadRef").is_some() {
        return None;
    }
    let missing = if value.pointer("/spec/template").is_none() {
        "spec.template is missing"
    } else if value.pointer("/spec/selector").is_none_or(Value::is_null) {
        match (lacks_an_image(value), kind) {
            (true, _) => "spec.selector and an image are missing",
            (false, Kind::Rollout) => return None,
            (false, _) => "spec.selector is missing, without which the API server takes none",
        }
    } else {
        return None;
    };
    let kind = kind.name();
    Some(format!(
        "{missing}: this looks like a kustomize patch for a {kind}; {BUILD}"
    ))
}

/// Each container of a workload has an image; a patch names only what it changes.
fn lacks_an_image(value: &Value) -> bool {
    let containers = value.pointer("/spec/template/spec/containers");
    let mut containers = containers.and_then(Value::as_array).into_iter().flatten();
    containers.any(|container| container.is_object() && container.get("image").is_none())
}

/// Whether an object of a kind that Silkroll does not know runs pods that serve: a `CloneSet`, say. Jobs end by
/// themselves, and what has an owner is its owner's.
fn runs_pods(kind: &str, value: &Value) -> bool {
    let containers = value.pointer("/spec/template/spec/containers");
    kind != "Job"
        && containers.is_some_and(Value::is_array)
        && value.pointer("/metadata/ownerReferences").is_none()
}

/// The first annotation of ours whose value is no text: YAML reads 10 and true as something else.
fn not_text(workload: &Value) -> Option<String> {
    let places = [
        ("metadata.annotations", "/metadata/annotations"),
        (
            "spec.template.metadata.annotations",
            "/spec/template/metadata/annotations",
        ),
    ];
    places.into_iter().find_map(|(place, pointer)| {
        let annotations = workload.pointer(pointer)?.as_object()?;
        let ours = |key: &&String| key.starts_with(PREFIX);
        let key = annotations
            .keys()
            .filter(ours)
            .find(|key| !annotations[*key].is_string())?;
        let value = cut(&annotations[key].to_string(), 60);
        Some(format!(
            "{place}: {key}: {value} cannot be used: allowed is text, put the value in quotes"
        ))
    })
}
