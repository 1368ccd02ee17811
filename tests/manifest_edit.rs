//! What goes out: a patch in the text leaves the rest of the text alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails a test"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "cases read better without borrows"
)]

use serde_json::{Value, json};
use silkroll::manifest::{self, EditError, Edited, Limits};

fn edit(text: &str, patch: Value) -> Edited {
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    let document = documents[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    document
        .edit(&serde_json::from_value(patch).unwrap())
        .unwrap()
}

/// Before, one operation, after.
type Case = (&'static str, Value, &'static str);

fn check(cases: &[Case]) {
    for (before, operation, after) in cases {
        let edited = edit(before, json!([operation]));
        assert_eq!(edited.text, *after, "{before}\n{operation}");
        assert!(!edited.rewritten, "{before}\n{operation}");
    }
}

fn add(path: &str, value: Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

fn replace(path: &str, value: Value) -> Value {
    json!({"op": "replace", "path": path, "value": value})
}

fn remove(path: &str) -> Value {
    json!({"op": "remove", "path": path})
}

#[test]
fn members_are_added_behind_the_last_one_in_its_column() {
    check(&[
        (
            "a:\n    b: 1 # one\n    # tail\nc: 2\n",
            add("/a/d", json!({"e": [1]})),
            "a:\n    b: 1 # one\n    d:\n        e:\n        - 1\n    # tail\nc: 2\n",
        ),
        ("a: 1", add("/b", json!("x")), "a: 1\nb: x"),
        (
            "a: 1\r\nb:\r\n- c\r\n",
            add("/d", json!({"e": 1})),
            "a: 1\r\nb:\r\n- c\r\nd:\r\n  e: 1\r\n",
        ),
        (
            "a:\n  s: |\n    text\n\nb: 1\n",
            add("/a/t", json!(1)),
            "a:\n  s: |\n    text\n  t: 1\n\nb: 1\n",
        ),
        (
            "a:\n  s: >+\n    text\n\n\nb: 1\n",
            add("/a/t", json!(1)),
            "a:\n  s: >+\n    text\n\n\n  t: 1\nb: 1\n",
        ),
        ("s: |\n  text", add("/t", json!(1)), "s: |\n  text\nt: 1"),
        (
            "- a: 1\n  b: 2 # two\n# end\n",
            add("/0/c", json!("no")),
            "- a: 1\n  b: 2 # two\n  c: \"no\"\n# end\n",
        ),
        (
            "a: 1\n...\n# after\n",
            add("/b", json!(2)),
            "a: 1\nb: 2\n...\n# after\n",
        ),
        (
            "--- # x\na: 1\n",
            add("/b", json!("l1\nl2\n")),
            "--- # x\na: 1\nb: |\n  l1\n  l2\n",
        ),
        (
            "\u{FEFF}a: 1\n",
            add("/b", json!(null)),
            "\u{FEFF}a: 1\nb: null\n",
        ),
        (
            "a: é # ü\n'b': {c: ñ} # ö\n",
            add("/b/d", json!("ß")),
            "a: é # ü\n'b': {c: ñ, d: ß} # ö\n",
        ),
    ]);
}

#[test]
fn items_are_inserted_in_the_style_of_their_sequence() {
    check(&[
        (
            "a:\n- x # one\n# of y\n- y\n",
            add("/a/1", json!("z")),
            "a:\n- x # one\n- z\n# of y\n- y\n",
        ),
        (
            "a:\n  # of x\n  - x\n",
            add("/a/0", json!({"n": 1, "m": {"k": 2}})),
            "a:\n  - \"n\": 1\n    m:\n      k: 2\n  # of x\n  - x\n",
        ),
        (
            "a:\n  - b: 1\n    c: 2 # c\n\nd: 1\n",
            add("/a/-", json!([1, [2]])),
            "a:\n  - b: 1\n    c: 2 # c\n  - - 1\n    - - 2\n\nd: 1\n",
        ),
        (
            "- - a\n  - b\n",
            add("/0/0", json!("c")),
            "- - c\n  - a\n  - b\n",
        ),
        (
            "a: [x, y] # c\n",
            add("/a/1", json!("z, z")),
            "a: [x, \"z, z\", y] # c\n",
        ),
        (
            "a: [x, y,]\n",
            add("/a/-", json!({"b": true})),
            "a: [x, y, {b: true},]\n",
        ),
        (
            "a: [\n  x, # one\n  y # two\n]\n",
            add("/a/-", json!("z")),
            "a: [\n  x, # one\n  y, # two\n  z\n]\n",
        ),
        (
            "a:\n- x\n-\n- z\n",
            add("/a/2", json!("w")),
            "a:\n- x\n-\n- w\n- z\n",
        ),
    ]);
}

#[test]
fn values_are_replaced_in_their_place() {
    check(&[
        (
            "a: 1 # one\nb: 2\n",
            replace("/a", json!("true")),
            "a: \"true\" # one\nb: 2\n",
        ),
        (
            "a:   'x'   # one\n",
            replace("/a", json!(2)),
            "a:   2   # one\n",
        ),
        (
            "a: # none\nb: 2\n",
            replace("/a", json!(1)),
            "a: 1 # none\nb: 2\n",
        ),
        (
            "a: # none\nb: 2\n",
            replace("/a", json!({"c": {"d": 1}})),
            "a: # none\n  c:\n    d: 1\nb: 2\n",
        ),
        ("a:\nb: 2\n", replace("/a", json!([1])), "a:\n- 1\nb: 2\n"),
        (
            "a: {} # none\n",
            add("/a/b", json!(1)),
            "a: # none\n  b: 1\n",
        ),
        (
            "a:\n- {}\n- []\n",
            add("/a/0/b", json!(1)),
            "a:\n- b: 1\n- []\n",
        ),
        (
            "a: # map\n  # of b\n  b: 1\nc: 2\n",
            replace("/a", json!("x")),
            "a: x # map\n  # of b\nc: 2\n",
        ),
        (
            "a: |\n  l1\n  l2\nb: 1\n",
            replace("/a", json!("l3\nl4")),
            "a: |-\n  l3\n  l4\nb: 1\n",
        ),
        (
            "a: pl\n  ain # one\nb: 1\n",
            replace("/a", json!("x")),
            "a: x # one\nb: 1\n",
        ),
        (
            "a: {b: 1, \"c\" : 2}\n",
            replace("/a/c", json!([1, "x"])),
            "a: {b: 1, \"c\" : [1, x]}\n",
        ),
        (
            "a: &x 1 # one\nb: 2\n",
            replace("/a", json!(3)),
            "a: 3 # one\nb: 2\n",
        ),
        (
            "a: &x {k: 1}\nb: *x # alias\n",
            replace("/b", json!(3)),
            "a: &x {k: 1}\nb: 3 # alias\n",
        ),
        (
            "- x # one\n- y\n",
            replace("/0", json!({"a": 1, "b": 2})),
            "- # one\n  a: 1\n  b: 2\n- y\n",
        ),
    ]);
}

#[test]
fn a_replaced_collection_keeps_what_did_not_change() {
    let before = "a:\n  # why b\n  b: 0644 # octal\n  c: [x]\n  d: # list\n  - p # first\n  - q\n";
    let new = json!({"b": 420, "d": ["p", "r", "s"], "e": 1});
    let after =
        "a:\n  # why b\n  b: 0644 # octal\n  d: # list\n  - p # first\n  - r\n  - s\n  e: 1\n";
    check(&[(before, replace("/a", new), after)]);
}

#[test]
fn what_is_removed_goes_with_its_line_and_nothing_else() {
    check(&[
        (
            "# top\na: 1 # one\n# of b\nb: 2 # two\nc: 3\n",
            remove("/b"),
            "# top\na: 1 # one\n# of b\nc: 3\n",
        ),
        (
            "a:\n  b:\n    c: 1\n    d: 2\n  # tail\ne: 1\n",
            remove("/a/b"),
            "a: {}\n  # tail\ne: 1\n",
        ),
        ("a: # x\n- b\nc: 1\n", remove("/a/0"), "a: [] # x\nc: 1\n"),
        ("- a: 1 # one\n  b: 2\n", remove("/0/a"), "- b: 2\n"),
        (
            "- a: 1\n  # of b\n  b: 2\n",
            remove("/0/a"),
            "- # of b\n  b: 2\n",
        ),
        ("- a: 1\n- b\n", remove("/0/a"), "- {}\n- b\n"),
        (
            "a: {b: 1, c: 2, d: 3}\n",
            remove("/a/d"),
            "a: {b: 1, c: 2}\n",
        ),
        (
            "a: {b: 1, c: 2, d: 3}\n",
            remove("/a/b"),
            "a: {c: 2, d: 3}\n",
        ),
        ("a: [b]\n", remove("/a/0"), "a: []\n"),
        (
            "a: 1\nb: |\n  x\n\n  y\nc: 2\n",
            remove("/b"),
            "a: 1\nc: 2\n",
        ),
        ("a: 1\n", remove("/a"), "{}\n"),
    ]);
}

#[test]
fn several_operations_see_what_those_before_them_did() {
    let before = "spec:\n  containers:\n  - name: app # ours\n    image: \"x:1\"\n  volumes: []\n";
    let patch = json!([
        add("/spec/containers/0/env", json!([])),
        add("/spec/containers/0/env/0", json!({"name": "podip"})),
        add(
            "/spec/containers/0/env/0/valueFrom",
            json!({"fieldRef": {"fieldPath": "status.podIP"}})
        ),
        add(
            "/spec/volumes/-",
            json!({"name": "silkroll", "configMap": {"name": "silkroll-1", "defaultMode": 365}})
        ),
        add("/spec/containers/0/image", json!("x:2")),
        add("/spec/terminationGracePeriodSeconds", json!(65)),
    ]);
    let after = "spec:\n  containers:\n  - name: app # ours\n    image: \"x:2\"\n    env:\n    - name: podip\n      valueFrom:\n        fieldRef:\n          fieldPath: status.podIP\n  volumes:\n  - name: silkroll\n    configMap:\n      name: silkroll-1\n      defaultMode: 365\n  terminationGracePeriodSeconds: 65\n";
    let edited = edit(before, patch);
    // `image` was quoted; a new plain value needs no quotes.
    assert_eq!(edited.text.replace("image: x:2", "image: \"x:2\""), after);
    assert!(!edited.rewritten);
}

#[test]
fn json_keeps_its_own_look() {
    check(&[
        (
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}\n",
            add("/b/c", json!({"d": [1]})),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {\n    \"c\": {\n      \"d\": [\n        1\n      ]\n    }\n  }\n}\n",
        ),
        (
            "{\n\t\"a\": 1\n}",
            add("/b", json!([true])),
            "{\n\t\"a\": 1,\n\t\"b\": [\n\t\ttrue\n\t]\n}",
        ),
        (
            "{\"a\":1}\n",
            add("/b", json!({"c": [1, 2]})),
            "{\"a\":1,\"b\":{\"c\":[1,2]}}\n",
        ),
        ("{\"a\": 1, \"b\": 2}\n", remove("/a"), "{\"b\": 2}\n"),
        (
            "{\r\n  \"a\": 1,\r\n  \"b\": 2\r\n}\r\n",
            remove("/b"),
            "{\r\n  \"a\": 1\r\n}\r\n",
        ),
        (
            "{\"a\": \"\\u00e9\\/\"}\n",
            add("/b", json!("yes")),
            "{\"a\": \"\\u00e9\\/\", \"b\": \"yes\"}\n",
        ),
    ]);
}

#[test]
fn no_change_leaves_every_byte() {
    for text in [
        "a:   yes#no\t\n\n\n# x",
        "\u{FEFF}{\"a\" :1 ,\"b\":[ ]}",
        "a: &x [1]\nb: *x\n",
        "? a\n: b\n",
        "# only\n",
    ] {
        assert_eq!(edit(text, json!([])).text, text);
        assert_eq!(
            edit(
                text,
                json!([{"op": "test", "path": "", "value": edit(text, json!([])).value}])
            )
            .text,
            text
        );
    }
    assert_eq!(
        edit("a: 0644\n", json!([replace("/a", json!(420))])).text,
        "a: 0644\n"
    );
}

#[test]
fn where_the_text_cannot_follow_the_document_is_written_anew() {
    let cases: [(&str, Value, &str); 6] = [
        (
            "# head\na: &x {k: 1}\nb: *x\n",
            json!([add("/a/l", json!(2))]),
            "# head\na:\n  k: 1\n  l: 2\nb:\n  k: 1\n",
        ),
        (
            "a: &x {k: 1}\nb: *x\n",
            json!([add("/b/l", json!(2))]),
            "a:\n  k: 1\nb:\n  k: 1\n  l: 2\n",
        ),
        (
            "a: &x {k: 1}\nb:\n  <<: *x\n",
            json!([remove("/b/k")]),
            "a:\n  k: 1\nb: {}\n",
        ),
        ("? a\n: 1\n", json!([add("/b", json!(2))]), "a: 1\nb: 2\n"),
        (
            "a: 1\nb: 2\n",
            json!([{"op": "move", "from": "/a", "path": "/c"}]),
            "b: 2\nc: 1\n",
        ),
        (
            "--- # c\r\n- 1\r\n",
            json!([replace("", json!({"a": "x"}))]),
            "--- # c\r\na: x\r\n",
        ),
    ];
    for (before, patch, after) in cases {
        let edited = edit(before, patch);
        assert_eq!(
            (edited.text.as_str(), edited.rewritten),
            (after, true),
            "{before}"
        );
    }
}

#[test]
fn a_key_that_block_style_cannot_hold_comes_out_as_json() {
    let key = "k".repeat(2_000);
    let edited = edit(
        "a: &x {b: 1}\nc: *x\n",
        json!([add("/a", json!({&key: 1}))]),
    );
    assert!(edited.rewritten && edited.text.starts_with("{\n"));
    assert_eq!(
        serde_json::from_str::<Value>(&edited.text).unwrap(),
        edited.value
    );
}

#[test]
fn a_patch_that_does_not_fit_is_an_error() {
    let documents = manifest::read(b"a: 1\n", &Limits::default()).unwrap();
    let document = documents[0].as_ref().unwrap();
    for operation in [
        remove("/b"),
        add("/b/c", json!(1)),
        json!({"op": "test", "path": "/a", "value": 2}),
    ] {
        let patch = serde_json::from_value(json!([operation])).unwrap();
        assert!(
            matches!(document.edit(&patch), Err(EditError::Patch(_))),
            "{operation}"
        );
    }
}
