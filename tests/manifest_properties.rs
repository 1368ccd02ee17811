//! Random manifests in random styles, random patches: the text always follows the value, and keeps its comments.

#![allow(
    clippy::struct_excessive_bools,
    reason = "a generator's choices are independent"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails a test"
)]

mod manifests;

use manifests::{Node, Op, Style, document, ops, value, written};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::{Value, json};
use silkroll::manifest::{self, Document, Limits};
use std::cell::Cell;

/// Every path of a value but the root's.
fn paths(value: &Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => return,
    };
    for (name, child) in children {
        at.push(name);
        found.push(at.clone());
        paths(child, at, found);
        at.pop();
    }
}

fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|name| "/".to_owned() + &name.replace('~', "~0").replace('/', "~1"))
        .collect()
}

/// Turns the choices into a patch that applies; comments whose owners go are taken off the list.
fn patch(
    value: &Value,
    ops: &[Op],
    comments: &mut Vec<(Vec<String>, String)>,
) -> (json_patch::Patch, Value) {
    let mut value = value.clone();
    let mut patch = Vec::new();
    for op in ops {
        let mut found = Vec::new();
        paths(&value, &mut Vec::new(), &mut found);
        let Some(target) = found.get(op.place as usize % found.len().max(1)) else {
            break;
        };
        let (parent, name) = target.split_at(target.len() - 1);
        let list = value.pointer(&pointer(parent)).unwrap().is_array();
        let shift = |comments: &mut Vec<(Vec<String>, String)>, by: isize| {
            let from: usize = name[0].parse().unwrap();
            for (owner, _) in comments
                .iter_mut()
                .filter(|(owner, _)| owner.starts_with(parent) && owner.len() > parent.len())
            {
                let index: usize = owner[parent.len()].parse().unwrap();
                if index >= from {
                    owner[parent.len()] = index.checked_add_signed(by).unwrap().to_string();
                }
            }
        };
        let step = match op.what {
            0 if target.len() > 1 || found.len() > 1 => {
                comments.retain(|(owner, _)| !owner.starts_with(target));
                if list {
                    shift(comments, -1);
                }
                json!({"op": "remove", "path": pointer(target)})
            }
            1 | 2 if list => {
                shift(comments, 1);
                json!({"op": "add", "path": pointer(target), "value": op.value})
            }
            1 | 2 => {
                let new = [parent, &[format!("{}New", name[0])]].concat();
                comments.retain(|(owner, _)| !owner.starts_with(&new));
                json!({"op": "add", "path": pointer(&new), "value": op.value})
            }
            3 if list => {
                json!({"op": "add", "path": format!("{}/-", pointer(parent)), "value": op.value})
            }
            _ => {
                comments.retain(|(owner, _)| !owner.starts_with(target));
                json!({"op": "replace", "path": pointer(target), "value": op.value})
            }
        };
        let step: json_patch::PatchOperation = serde_json::from_value(step).unwrap();
        json_patch::patch(&mut value, std::slice::from_ref(&step)).unwrap();
        patch.push(step);
    }
    (json_patch::Patch(patch), value)
}

fn read(text: &str) -> Result<Document<'_>, TestCaseError> {
    let mut documents = manifest::read(text.as_bytes(), &Limits::default())
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(documents.len(), 1, "{}", text);
    documents
        .remove(0)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))
}

/// A document full of anchors, aliases and `<<`, with the comments that no change elsewhere may cost.
fn repeated(parts: &[(u8, u8)]) -> (String, Vec<(Vec<String>, String)>) {
    let (mut text, mut anchors) = (String::new(), Vec::new());
    let mut comments = Vec::new();
    for (at, (part, which)) in parts.iter().enumerate() {
        let near: Option<usize> = anchors.get(*which as usize % anchors.len().max(1)).copied();
        let key = vec![format!("k{at}")];
        comments.push((key.clone(), format!("# c{at}.")));
        let lines = match (part % 6, near) {
            (0, Some(near)) => format!(" *a{near} # c{at}.\n"),
            (1, Some(near)) => format!(" # c{at}.\n  <<: *a{near}\n  own: {at}\n"),
            (2, Some(near)) => {
                anchors.push(at);
                format!(" &a{at} # c{at}.\n  in: &b{at} [*a{near}, {at}]\n  again: *b{at}\n")
            }
            (3, Some(near)) => format!(" # c{at}.\n- *a{near}\n- m: *a{near}\n- {{p: *a{near}}}\n"),
            (4, _) => {
                anchors.push(at);
                format!(" &a{at} {{m: {at}, p: [1, {{o: 2}}]}} # c{at}.\n")
            }
            _ => {
                anchors.push(at);
                let member = [key, vec!["m".to_owned()]].concat();
                comments.push((member, format!("# d{at}.")));
                format!(" &a{at} # c{at}.\n  m: {at} # d{at}.\n  p:\n  - 1\n")
            }
        };
        text.extend(["k", &at.to_string(), ":", &lines]);
    }
    (text, comments)
}

/// Edits one generated document and checks what must hold. Returns whether it was written anew.
fn follows(root: &Node, style: &Style, ops: &[Op]) -> Result<bool, TestCaseError> {
    let (text, mut comments) = written(root, style);
    let document = read(&text)?;
    prop_assert_eq!(document.text(), &text);
    prop_assert_eq!(document.value(), &root.value(), "{}", text);
    prop_assert_eq!(
        &document.edit(&json_patch::Patch(vec![])).unwrap().text,
        &text
    );

    let (patch, wanted) = patch(document.value(), ops, &mut comments);
    let edited = document.edit(&patch).unwrap();
    let shown = format!(
        "--- before\n{text}\n--- patch\n{patch}\n--- after\n{}",
        edited.text
    );
    prop_assert_eq!(&edited.value, &wanted, "{}", shown);
    let again = read(&edited.text)?;
    prop_assert_eq!(again.value(), &wanted, "{}", shown);
    if edited.rewritten.is_none() {
        for (_, comment) in &comments {
            prop_assert!(
                edited.text.contains(comment.as_str()),
                "{} is gone\n{}",
                comment,
                shown
            );
        }
        prop_assert!(
            !text.contains('\n')
                || !edited
                    .text
                    .replace("\r\n", "")
                    .contains(if style.crlf { '\n' } else { '\r' }),
            "{}",
            shown
        );
    }
    Ok(edited.rewritten.is_some())
}

proptest! {
    #![proptest_config(Config { cases: 1_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn what_is_repeated_changes_in_one_place_and_no_comment_elsewhere_goes(
        parts in prop::collection::vec((any::<u8>(), any::<u8>()), 1..8),
        ops in ops(),
    ) {
        let (text, mut comments) = repeated(&parts);
        let document = read(&text)?;
        let (patch, wanted) = patch(document.value(), &ops, &mut comments);
        let edited = document.edit(&patch).unwrap();
        let shown = format!("--- before\n{text}\n--- patch\n{patch}\n--- after\n{}", edited.text);
        prop_assert_eq!(&edited.value, &wanted, "{}", &shown);
        let again = read(&edited.text)?;
        prop_assert_eq!(again.value(), &wanted, "{}", &shown);
        prop_assert_eq!(edited.rewritten, None, "{}", &shown);
        for (_, comment) in &comments {
            prop_assert!(edited.text.contains(comment.as_str()), "{} is gone\n{}", comment, &shown);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 600, failure_persistence: None, ..Config::default() })]

    #[test]
    fn edited_text_means_what_the_patch_says_and_keeps_its_comments((root, style) in document(), ops in ops()) {
        follows(&root, &style, &ops)?;
    }

    #[test]
    fn written_yaml_reads_back_as_the_value(value in value()) {
        let text = manifest::to_yaml(&value);
        let document = read(&text)?;
        prop_assert_eq!(document.value(), &value, "{}", text);
    }

    #[test]
    fn json_stays_json(value in value(), ops in ops(), spaces in 0..4_usize) {
        let value = json!({"first": value, "second": 2});
        let text = match spaces {
            0 => value.to_string(),
            1 => format!("{value:#}\n"),
            2 => format!("{value:#}").replace("  ", "\t"),
            _ => format!("{value:#}\n").replace('\n', "\r\n"),
        };
        // Text is no indentation.
        let text = if serde_json::from_str::<Value>(&text).is_ok_and(|same| same == value) { text } else { value.to_string() };
        let document = read(&text)?;
        let (patch, wanted) = patch(&value, &ops, &mut Vec::new());
        let edited = document.edit(&patch).unwrap();
        prop_assert!(edited.rewritten.is_none(), "{} {} {}", text, patch, edited.text);
        prop_assert_eq!(serde_json::from_str::<Value>(&edited.text).unwrap(), wanted);
        let lines = text.contains('\n') && edited.text.trim() != "{}";
        prop_assert_eq!(edited.text.trim().contains('\n'), lines, "{}\n{}", text, edited.text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), soup in "[-:,{}\\[\\] \n#&*!|>'\"%@`a1~?.\t\r<]{0,60}") {
        let _ = manifest::read(&bytes, &Limits::default());
        for document in manifest::read(soup.as_bytes(), &Limits::default()).unwrap().into_iter().flatten() {
            let patch = json_patch::Patch(vec![serde_json::from_value(json!({"op": "add", "path": "/a", "value": {"b": [1]}})).unwrap()]);
            let mut wanted = document.value().clone();
            let fits = json_patch::patch(&mut wanted, &patch).is_ok();
            prop_assert_eq!(document.edit(&patch).ok().map(|edited| edited.value), fits.then_some(wanted), "{:?}", soup);
        }
    }
}

#[test]
fn few_documents_are_written_anew() {
    const CASES: u32 = 2_000;
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let anew = Cell::new(0);
    let result = runner.run(&(document(), ops()), |((root, style), ops)| {
        anew.set(anew.get() + u32::from(follows(&root, &style, &ops)?));
        Ok(())
    });
    if let Err(TestError::Fail(reason, _)) = result {
        panic!("{reason}");
    }
    // One in 200, at most.
    assert!(
        anew.get() * 200 <= CASES,
        "{} of {CASES} documents were written anew",
        anew.get()
    );
}
