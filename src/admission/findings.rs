//! What `silkroll check` finds in the manifests of a run, and what of it the injection mends.

use serde_json::Value;

use super::manifests::{Run, not_a_manifest, part_of_a_workload};
pub use crate::check::output::one;
use crate::check::{
    Baseline, Object, ReadAt, Report, Rule, Scope, Severity, Terms, World, assemble, judge,
};
use crate::manifest::budget::{Account, Budget, Excess, charge_clone, element};
use crate::manifest::{Document, DocumentError, Fault, Limits, documents, each_object};

/// What a rule's page says, by its code.
#[must_use]
pub fn explained(code: &str) -> Option<&'static str> {
    Rule::find(code).map(|rule| rule.page)
}

/// Bytes for each workload together with each Service or budget that may select it: how they belong together, before and
/// after, and what can be found of them.
const PAIR: usize = 512;
/// Bytes of values for each byte of a patch that puts them in, its operations as values among them.
const PATCHED: usize = 8;
/// Bytes of a container while its workload is judged.
const CONTAINER: usize = 1024;

/// One document, and the same with the injection; none where that changes nothing.
struct DocumentPair<'t> {
    document: Document<'t>,
    injected: Option<Value>,
}

/// Judges all documents of a text together; those that cannot be read are left out. All of them are held at once, which
/// is charged.
///
/// # Errors
/// As [`Account::charge`].
pub fn judged(run: &Run, text: &[u8], budget: &Budget) -> Result<Report, Excess> {
    let mut account = budget.account();
    let mut all = Vec::new();
    let Ok(read) = documents(text, &Limits::default(), budget) else {
        return report(run, &[], &mut account);
    };
    for document in read {
        let document = match document {
            Ok(document) => document,
            Err(DocumentError {
                fault: Fault::Excess(excess),
                ..
            }) => return Err(excess),
            Err(_) => continue,
        };
        let value = document.value();
        let no_object = not_a_manifest(value).or_else(|| part_of_a_workload(value));
        if no_object.is_some() || value["kind"] == "AdmissionReview" {
            continue;
        }
        let injected = injected(run, value, &mut account)?;
        all.push(DocumentPair { document, injected });
    }
    report(run, &all, &mut account)
}

/// The document with the patches of its objects.
fn injected(run: &Run, value: &Value, account: &mut Account) -> Result<Option<Value>, Excess> {
    let mut beside = account.beside();
    let mut operations = Vec::new();
    let mut bytes = 0;
    for item in run.decide(value, &mut beside)? {
        bytes += item.decision.patch.as_ref().map_or(0, String::len);
        // What the engine writes can be read back, and fits.
        if let Ok(patch) = item.patch_in_document() {
            operations.extend(patch.0);
        }
    }
    if operations.is_empty() {
        return Ok(None);
    }
    charge_clone(account, value)?;
    account.charge(PATCHED * bytes)?;
    let mut value = value.clone();
    let patched = json_patch::patch(&mut value, &json_patch::Patch(operations));
    Ok(patched.is_ok().then_some(value))
}

fn report(run: &Run, all: &[DocumentPair<'_>], account: &mut Account) -> Result<Report, Excess> {
    let baseline = Baseline::default();
    let wanted = Scope {
        rules: &[],
        fail_on: Severity::Info,
        baseline: &baseline,
    };
    let mut places = Vec::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for one in all {
        let value = one.document.value();
        each_object(value, &mut |found| {
            if found.value.is_null() {
                return account.go_on();
            }
            account.charge(2 * element::<Object<'_>>() + element::<ReadAt<'_, '_>>())?;
            let containers = &found.value["spec"]["template"]["spec"]["containers"];
            account.charge(CONTAINER * containers.as_array().map_or(0, Vec::len))?;
            before.push(Object::new(
                found.value,
                found.api_version,
                found.kind,
                &run.namespace,
            ));
            places.push(ReadAt {
                file: "",
                document: Some(&one.document),
                above: None,
                path: found.path,
            });
            Ok(())
        })?;
        let value = one.injected.as_ref().unwrap_or(value);
        each_object(value, &mut |found| {
            if !found.value.is_null() {
                after.push(Object::new(
                    found.value,
                    found.api_version,
                    found.kind,
                    &run.namespace,
                ));
            }
            account.go_on()
        })?;
    }
    account.charge(PAIR.saturating_mul(World::pairs(&before)))?;
    let (before, after) = (World::new(before), World::new(after));
    let terms = |before| Terms {
        before,
        // That the settings say no may only mean that nobody knows the cluster's version yet.
        native_sleep: true,
    };
    let found = judge(&before, terms(None), account)?;
    let left = judge(&after, terms(Some(&found)), account)?;
    assemble(&before, &found, Some(&left), &places, &wanted, account)
}
