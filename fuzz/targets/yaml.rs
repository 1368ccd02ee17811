//! Manifests as text, through everything that reads and writes them.

#![no_main]

#[path = "told.rs"]
mod told;

use std::sync::{Arc, LazyLock};

use json_patch::Patch;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use silkroll::admission::manifests::{NamespaceSource, Run, not_a_manifest};
use silkroll::engine::{Kind, Settings};
use silkroll::manifest::{self, Document, Limits, to_yaml, unified_diff};

/// Nanoseconds of one processor, for each byte and for any input at all, with the checks of a fuzzing build. What is
/// linear takes a twentieth of it; libFuzzer's inputs have a few thousand bytes, where quadratic work shows.
const MOST: u64 = 40_000;
const LEAST: u64 = 100_000_000;

/// What this thread has had of a processor so far, in nanoseconds: other load on the machine does not count.
fn worked() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|first| first.parse().ok());
    first.unwrap_or_default()
}

/// Names of ConfigMaps are hashes of what is in them: made once.
static SETTINGS: LazyLock<Arc<Settings>> = LazyLock::new(|| {
    Arc::new(Settings {
        kinds: Kind::ALL.to_vec(),
        ..Settings::default()
    })
});

fuzz_target!(|bytes: &[u8]| {
    let before = worked();
    read(bytes);
    let took = worked() - before;
    let most = LEAST + MOST * bytes.len() as u64;
    assert!(
        took < most,
        "{} bytes took {} ms",
        bytes.len(),
        took / 1_000_000
    );
});

fn read(given: &[u8]) {
    let bytes = &manifest::as_text(given)[..];
    let limits = Limits {
        memory: 64 << 20,
        ..Limits::default()
    };
    let documents = match manifest::read(bytes, &limits) {
        Ok(documents) => documents,
        Err(error) => return told::fits(&error.to_string(), 600),
    };
    let whole = documents.iter().all(Result::is_ok);
    let mut text = String::new();
    for document in &documents {
        match document {
            Ok(document) => {
                text.push_str(document.text());
                for warning in document.warnings() {
                    told::fits(&warning.to_string(), 600);
                }
                edits(document);
            }
            Err(error) => told::fits(&error.to_string(), 600),
        }
    }
    if whole {
        assert_eq!(manifest::restored(&text), given, "bytes are lost");
    }
}

fn edits(document: &Document<'_>) {
    let same = document.edit(&Patch(Vec::new())).expect("an empty patch");
    assert_eq!(same.text, document.text(), "nothing is to be changed");
    let value = document.value();
    let _ = not_a_manifest(value);
    follows(document, &any(value));
    for remove in [false, true] {
        let run = Run {
            settings: SETTINGS.clone(),
            known: NamespaceSource::All,
            namespace: "default".to_owned(),
            remove,
        };
        let Ok(items) = run.decide(value, &mut document.account()) else {
            continue;
        };
        let mut patch = Vec::new();
        for item in items {
            told::check(&item.decision);
            patch.extend(item.patch_in_document().expect("a patch").0);
        }
        follows(document, &Patch(patch));
    }
}

/// A patched document reads as the patched value.
fn follows(document: &Document<'_>, patch: &Patch) {
    let mut wanted = document.value().clone();
    let fits = json_patch::patch(&mut wanted, patch).is_ok();
    let Ok(edited) = document.edit(patch) else {
        assert!(!fits, "a patch that applies was refused: {patch}");
        return;
    };
    assert!(fits, "a patch that does not apply was taken: {patch}");
    assert_eq!(edited.value, wanted);
    // After a separator another document stands before this one: `---# comment` is a separator there, and text at the
    // start of an input.
    let before = if document.number() > 1 && edited.text.starts_with("---") {
        "a: 1\n"
    } else {
        ""
    };
    let text = [before, &edited.text].concat();
    let again = manifest::read(text.as_bytes(), &Limits::default()).expect("text");
    let again = match &again[..] {
        [Ok(again)] if before.is_empty() => again,
        [Ok(_), Ok(again)] if !before.is_empty() => again,
        _ => panic!("{again:?}\n{patch}\n{text}"),
    };
    assert_eq!(again.value(), &wanted, "{patch}\n{}", edited.text);
    let _ = unified_diff("a", document.text(), &edited.text);
    let yaml = to_yaml(&wanted);
    let yaml = manifest::read(yaml.as_bytes(), &Limits::default()).expect("text");
    let [Ok(yaml)] = &yaml[..] else {
        panic!("{yaml:?}\n{wanted}");
    };
    assert_eq!(yaml.value(), &wanted);
}

/// Some change of this value, which follows from the value.
fn any(value: &Value) -> Patch {
    let mut paths = Vec::new();
    places(value, String::new(), &mut paths);
    let size = value.to_string().len();
    let Some(path) = paths.get(size % paths.len().max(1)) else {
        return Patch(Vec::new());
    };
    let new = [
        json!({"a": [1, {"b": "c: d"}]}),
        json!("x\ny"),
        Value::Null,
        json!([]),
    ][size % 4]
        .clone();
    let operation = match size % 3 {
        0 => json!({"op": "remove", "path": path}),
        1 => json!({"op": "replace", "path": path, "value": new}),
        _ => json!({"op": "add", "path": path, "value": new}),
    };
    serde_json::from_value(json!([operation])).expect("a patch")
}

fn places(value: &Value, at: String, found: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                let path = format!("{at}/{}", escaped(name));
                found.push(path.clone());
                places(child, path, found);
            }
        }
        Value::Array(items) => {
            for (number, child) in items.iter().enumerate() {
                let path = format!("{at}/{number}");
                found.push(path.clone());
                places(child, path, found);
            }
        }
        _ => {}
    }
}
