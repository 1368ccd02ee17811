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
use silkroll::manifest::budget::{Budget, Excess, Stop};
use silkroll::manifest::{self, EditError, Edited, Limits, Rewritten};

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
        assert_eq!(edited.rewritten, None, "{before}\n{operation}");
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
fn a_text_of_several_lines_leaves_the_comment_behind_its_header() {
    let text = "x\n# no comment\n";
    check(&[
        (
            "a: 0 # c\nb: 1\n",
            replace("/a", text.into()),
            "a: | # c\n  x\n  # no comment\nb: 1\n",
        ),
        (
            "- 0 # c\n- 1\n",
            replace("/0", text.into()),
            "- | # c\n  x\n  # no comment\n- 1\n",
        ),
        (
            "a: # c\n  b: 1\nc: 2\n",
            replace("/a", text.into()),
            "a: | # c\n  x\n  # no comment\nc: 2\n",
        ),
        (
            "a: # c\n# d\n  b: 1\nc: 2\n",
            replace("/a", text.into()),
            "a: \"x\\n# no comment\\n\" # c\n# d\nc: 2\n",
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
fn lines_that_end_as_on_old_macs_are_written_anew_and_once() {
    for (before, operation, after) in [
        ("# c\ra: 1\rb: 2\n", remove("/a"), "b: 2\n"),
        ("# c\ra: 1\n", remove("/a"), "{}\n"),
        ("# c\n# d\ra: 1\n", add("/b", json!(2)), "a: 1\nb: 2\n"),
        ("# c\r\na: 1\rb: 2\n", remove("/a"), "# c\r\nb: 2\r\n"),
    ] {
        let edited = edit(before, json!([operation]));
        assert_eq!(edited.text, after, "{before:?}");
        assert_eq!(edited.rewritten, Some(Rewritten::Layout), "{before:?}");
    }
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
    assert_eq!(edited.rewritten, None);
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
    let cases: [(&str, Value, &str, Rewritten); 5] = [
        (
            "# head\nb: 1\n? a\n: 1\n",
            json!([add("/c", json!(2))]),
            "# head\nb: 1\na: 1\nc: 2\n",
            Rewritten::ExplicitKey { line: 3 },
        ),
        (
            "a: &x {k: 1, l: 2}\nk: 0\n<<: *x\n",
            json!([remove("/l")]),
            "a:\n  k: 1\n  l: 2\nk: 1\n",
            Rewritten::Aliases,
        ),
        (
            "a: [1, # gone\n  2]\n",
            json!([remove("/a/0")]),
            "a:\n- 2\n",
            Rewritten::Layout,
        ),
        (
            "a: 1\nb: 2\n",
            json!([{"op": "move", "from": "/a", "path": "/c"}]),
            "b: 2\nc: 1\n",
            Rewritten::Patch,
        ),
        (
            "--- # c\r\n- 1\r\n",
            json!([replace("", json!({"a": "x"}))]),
            "--- # c\r\na: x\r\n",
            Rewritten::Layout,
        ),
    ];
    for (before, patch, after, why) in cases {
        let edited = edit(before, patch);
        assert_eq!(
            (edited.text.as_str(), edited.rewritten),
            (after, Some(why)),
            "{before}"
        );
    }
}

#[test]
fn the_reason_names_the_line_of_a_key_behind_a_question_mark_and_blames_no_anchor() {
    let text = "a: 0\n---\n# head\nspec:\n  - ? &x a # gone\n    : 1\n  - *x\n";
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    let patch = serde_json::from_value(json!([add("/b", json!(2))])).unwrap();
    let why = documents[1].as_ref().unwrap().edit(&patch).unwrap();
    assert_eq!(
        why.rewritten.unwrap().to_string(),
        "the key in line 5 stands behind a `?`, which cannot be edited in place"
    );
}

/// Before, operations, after.
type Expanded = (&'static str, Value, &'static str);

#[test]
fn an_anchor_at_the_changed_place_moves_to_its_first_alias_and_all_comments_stay() {
    let cases: [Expanded; 9] = [
        (
            "# head\na: &x {k: 1} # a\nb: *x # b\nc: *x # c\n",
            json!([add("/a/l", json!(2))]),
            "# head\na: {k: 1, l: 2} # a\nb: &x # b\n  k: 1\nc: *x # c\n",
        ),
        (
            "a: &x # a\n  k: 1 # k\nb:\n  - *x # b\n  - c # c\n",
            json!([replace("/a/k", json!(2))]),
            "a: # a\n  k: 2 # k\nb:\n  - &x # b\n    k: 1\n  - c # c\n",
        ),
        (
            "a:\n  - &x\n    k: 1 # k\n  - [*x, 2] # b\n",
            json!([add("/a/0/l", json!([3]))]),
            "a:\n  -\n    k: 1 # k\n    l:\n      - 3\n  - [&x {k: 1}, 2] # b\n",
        ),
        // What goes, goes with its anchor.
        (
            "a: &x text # a\nb: *x # b\nc: *x\n",
            json!([remove("/a")]),
            "b: &x text # b\nc: *x\n",
        ),
        (
            "a:\n  b: &x\n    k: |\n      l1\n      l2\n# c\nc: *x # cc\nd: 1\n",
            json!([replace("/a", json!(null))]),
            "a: null\n# c\nc: &x # cc\n  k: |\n    l1\n    l2\nd: 1\n",
        ),
        // No alias needs it any more.
        (
            "a: &x {k: 1} # a\nb: *x # b\n",
            json!([add("/a/l", json!(2)), add("/b/l", json!(3))]),
            "a: &x {k: 1, l: 2} # a\nb: # b\n  k: 1\n  l: 3\n",
        ),
        // One anchor inside another, both at the changed place; and a third that is not.
        (
            "a: &x\n  b: &y\n    k: 1 # k\n  c: &z [2] # z\nd: *x # d\ne: *y # e\nf: *z\n",
            json!([replace("/a/b/k", json!(3))]),
            "a:\n  b:\n    k: 3 # k\n  c: &z [2] # z\nd: &x # d\n  b:\n    k: 1\n  c:\n  - 2\ne: &y # e\n  k: 1\nf: *z\n",
        ),
        (
            "a: !!map &x {k: 1}\nb:\n  <<: *x # m\n  l: 2 # l\n",
            json!([add("/a/m", json!(3))]),
            "a: !!map {k: 1, m: 3}\nb:\n  <<: &x # m\n    k: 1\n  l: 2 # l\n",
        ),
        (
            "a: &x {k: 1}\r\nb: *x # b\r\n",
            json!([remove("/a/k")]),
            "a: {}\r\nb: &x # b\r\n  k: 1\r\n",
        ),
    ];
    expanded(&cases);
}

#[test]
fn an_alias_at_the_changed_place_is_written_out_and_all_comments_stay() {
    let cases: [Expanded; 6] = [
        (
            "a: &x {k: 1} # a\nb: *x # b\n",
            json!([add("/b/l", json!(2))]),
            "a: &x {k: 1} # a\nb: # b\n  k: 1\n  l: 2\n",
        ),
        (
            "a: &x\n  - 1 # one\nb: *x\nc: *x # c\n",
            json!([add("/b/0", json!(0))]),
            "a: &x\n  - 1 # one\nb:\n  - 0\n  - 1\nc: *x # c\n",
        ),
        // What `<<` brings is overridden behind it.
        (
            "a: &x {k: [1], l: 2} # a\nb:\n  <<: *x # m\n  n: 3 # n\n",
            json!([add("/b/k/0", json!(0))]),
            "a: &x {k: [1], l: 2} # a\nb:\n  <<: *x # m\n  n: 3 # n\n  k:\n  - 0\n  - 1\n",
        ),
        (
            "a: &x {k: 1}\nb:\n  <<: [*x, {k: 2, l: 3}] # m\n  n: 3 # n\n",
            json!([replace("/b/l", json!(4)), add("/b/o", json!(5))]),
            "a: &x {k: 1}\nb:\n  <<: [*x, {k: 2, l: 3}] # m\n  n: 3 # n\n  l: 4\n  o: 5\n",
        ),
        // And only what has to go makes `<<` go.
        (
            "a: &x {k: 1, l: 2} # a\nb:\n  n: 3 # n\n  <<: *x\n",
            json!([remove("/b/k")]),
            "a: &x {k: 1, l: 2} # a\nb:\n  n: 3 # n\n  l: 2\n",
        ),
        (
            "a: &x {k: 1} # a\nb:\n  <<: *x\nc: 1 # c\n",
            json!([remove("/b/k")]),
            "a: &x {k: 1} # a\nb: {}\nc: 1 # c\n",
        ),
    ];
    expanded(&cases);
}

fn expanded(cases: &[Expanded]) {
    for (before, patch, after) in cases {
        let edited = edit(before, patch.clone());
        assert_eq!(edited.text, *after, "{before}\n{patch}");
        assert_eq!(edited.rewritten, None, "{before}\n{patch}");
    }
}

#[test]
fn a_key_that_block_style_cannot_hold_comes_out_as_json() {
    let key = "k".repeat(2_000);
    let edited = edit("? a\n: {b: 1}\n", json!([add("/a", json!({&key: 1}))]));
    assert!(edited.rewritten.is_some() && edited.text.starts_with("{\n"));
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

#[test]
fn an_edit_ends_when_its_time_is_up_and_takes_no_more_than_the_budget() {
    fn read<'t>(text: &'t str, budget: &Budget) -> Option<manifest::Document<'t>> {
        let documents = manifest::documents(text.as_bytes(), &Limits::default(), budget);
        documents.ok()?.next()?.ok()
    }
    let text = "a: &x [1, 2, 3]\nb: *x\n";
    let patch = serde_json::from_value(json!([add("/b/0", json!(0))])).unwrap();
    let stop = Stop::default();
    let budget = Budget::new(1 << 20, stop.clone());
    let document = read(text, &budget).unwrap();
    assert!(document.edit(&patch).is_ok());
    stop.stop();
    let ended = document.edit(&patch).unwrap_err();
    assert!(matches!(ended, EditError::Excess(Excess::Stopped)));

    // With every budget it is read and edited, read and not edited, or not even read: never written anew for lack of
    // memory, and where it has to be written anew for its layout, not without the memory for that.
    for (text, anew) in [(text, false), ("? a\n: 1\nb: [1]\n", true)] {
        let mut seen = [0; 3];
        for bytes in (0..16_384).step_by(64) {
            let budget = Budget::new(bytes, Stop::default());
            let Some(document) = read(text, &budget) else {
                seen[0] += 1;
                continue;
            };
            match document.edit(&patch) {
                Ok(edited) => {
                    assert_eq!(edited.rewritten.is_some(), anew, "{text}");
                    seen[2] += 1;
                }
                Err(EditError::Excess(Excess::Memory { .. })) => seen[1] += 1,
                Err(error) => panic!("{bytes}: {error}"),
            }
        }
        assert!(seen.iter().all(|count| *count > 0), "{text}: {seen:?}");
    }
}
