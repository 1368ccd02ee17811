//! What comes in: documents cut and read, and one stated answer to each kind of bad input.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails a test"
)]

use serde_json::{Value, json};
use silkroll::manifest::budget::Excess;
use silkroll::manifest::{self, Document, Error, Fault, Format, Limits, Warning};

fn read(text: &str) -> Vec<Document<'_>> {
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    documents
        .into_iter()
        .map(|document| document.unwrap_or_else(|error| panic!("{error}: {text:?}")))
        .collect()
}

fn fault(text: &str) -> (usize, usize, Fault) {
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    let error = documents
        .into_iter()
        .find_map(Result::err)
        .unwrap_or_else(|| panic!("no error: {text:?}"));
    (error.document, error.line, error.fault)
}

fn lines(range: std::ops::Range<u32>, line: impl Fn(u32) -> String) -> String {
    range.map(|at| line(at) + "\n").collect()
}

#[test]
fn documents_together_are_the_input() {
    let inputs = [
        "",
        "\n",
        "a: 1",
        "a: 1\n---\nb: 2\n",
        "---\na: 1\n---\n---\n# only a comment\n--- # x\nb: 2",
        "\u{FEFF}---\r\na: 1\r\n---\r\nb: 2\r\n",
        "{\"a\": 1}\n\n{\"b\": 2} {}\n",
        "  {\"a\": 1}\n---\nb: 2\n",
        "{a: 1}\n---\n{\"b\": 2}\n",
        "a: |\n  x\n...\n# after\n---\nb: 2\n...\n",
    ];
    for input in inputs {
        let text: String = read(input).iter().map(Document::text).collect();
        assert_eq!(text, input);
    }
}

#[test]
fn a_document_knows_its_place_its_format_and_its_value() {
    let documents = read("# head\n---\na: yes\n---\n{\"b\": 2}\n---\n# nothing\n");
    let facts: Vec<(usize, usize, Format, &Value)> = documents
        .iter()
        .map(|document| {
            (
                document.number(),
                document.line(),
                document.format(),
                document.value(),
            )
        })
        .collect();
    let expected = [
        (1, 1, Format::Yaml, &Value::Null),
        (2, 2, Format::Yaml, &json!({"a": true})),
        (3, 4, Format::Json, &json!({"b": 2})),
        (4, 6, Format::Yaml, &Value::Null),
    ];
    assert_eq!(facts, expected);
}

#[test]
fn a_broken_document_names_its_place_and_leaves_the_others_readable() {
    let text = "a: 1\n---\nb: 2\n---\n# third\nc: [1\nd: 2\n---\ne: 5\n";
    let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
    let values: Vec<_> = documents
        .iter()
        .map(|document| {
            document
                .as_ref()
                .ok()
                .map(|document| document.value().clone())
        })
        .collect();
    assert_eq!(
        values,
        [
            Some(json!({"a": 1})),
            Some(json!({"b": 2})),
            None,
            Some(json!({"e": 5}))
        ]
    );
    let error = documents[2].as_ref().unwrap_err();
    assert_eq!((error.document, error.line), (3, 7));
    assert!(
        error
            .to_string()
            .starts_with("document 3, line 7: this is not YAML: "),
        "{error}"
    );
}

#[test]
fn input_that_is_no_text_says_so() {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let utf32: Vec<u8> = "kind: X"
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    let cases: [(Vec<u8>, Error); 9] = [
        (utf16("\u{FEFF}kind: X", false), Error::Encoding("UTF-16")),
        (utf16("\u{FEFF}kind: X", true), Error::Encoding("UTF-16")),
        (utf16("kind: X", false), Error::Encoding("UTF-16")),
        (utf16("kind: X", true), Error::Encoding("UTF-16")),
        (
            [&[0xFF, 0xFE, 0, 0], utf32.as_slice()].concat(),
            Error::Encoding("UTF-32"),
        ),
        (utf32, Error::Encoding("UTF-32")),
        (
            b"a: 1\nb: \xFF\n".to_vec(),
            Error::Utf8 { offset: 8, line: 2 },
        ),
        (
            b"a: 1\nb: \xC3".to_vec(),
            Error::Utf8 { offset: 8, line: 2 },
        ),
        (
            b"a: 1\nb: x\0\n".to_vec(),
            Error::Nul { offset: 9, line: 2 },
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            manifest::read(&bytes, &Limits::default()).unwrap_err(),
            expected
        );
    }
}

#[test]
fn bad_documents_have_one_answer_each() {
    let cases = [
        ("a: &a [*a]", 1, Fault::SelfReference),
        ("a: &a\n  b: {c: *a}", 2, Fault::SelfReference),
        (
            "a: 1\n1: a\n'1': b",
            3,
            Fault::DuplicateKey {
                key: "1".to_owned(),
                first: 2,
            },
        ),
        ("a:\n\tb: 1\n", 2, Fault::Tab),
        ("a:\n  b: 1\n\tc: 1\n", 3, Fault::Tab),
        ("? [a]\n: b", 1, Fault::Key("a mapping or a list")),
        ("{a: b}: c", 1, Fault::Key("a mapping or a list")),
        ("[]: c", 1, Fault::AfterEnd),
        ("{~: 1}", 1, Fault::Key("null (or nothing)")),
        (
            "a: [!x,y]\nb: !x",
            2,
            Fault::Syntax("`,` or `]` is missing, for the bracket in line 1".to_owned()),
        ),
        ("x: &k [a]\n*k : c", 2, Fault::Key("a mapping or a list")),
        ("null: c", 1, Fault::Key("null (or nothing)")),
        ("a: .inf", 1, Fault::NoJson(".inf".to_owned())),
        (
            "a: !!int x",
            1,
            Fault::Tag {
                value: "x".to_owned(),
                tag: "!!int".to_owned(),
            },
        ),
        ("a: 1\n<<: 2", 2, Fault::Merge),
        (
            "%YAML 1.2\n---\na: 1\n",
            1,
            Fault::Directive("%YAML 1.2".to_owned()),
        ),
        ("a: 1\n...\nb: 2\n", 3, Fault::AfterEnd),
        ("--- {a: 1}\n", 1, Fault::Separator("{a: 1}".to_owned())),
        ("a: 1\n----\nb: 1\n", 2, Fault::Separator("-".to_owned())),
        ("a: 1\nb: \u{7}", 2, Fault::Character(7)),
        ("a: 1\nb: x\u{2028}y", 2, Fault::Character(0x2028)),
        ("---\n\u{FEFF}b: 1", 2, Fault::Character(0xFEFF)),
        ("a: 1\n---\nb: \u{FEFF}1", 3, Fault::Character(0xFEFF)),
        ("---#x\na: 1", 1, Fault::Separator("#x".to_owned())),
    ];
    for (text, line, expected) in cases {
        let (_, found, fault) = fault(text);
        assert_eq!((found, fault), (line, expected), "{text:?}");
    }
}

#[test]
fn what_an_error_quotes_is_cut_and_to_be_seen() {
    let long = "x".repeat(10_000);
    for (quoting, shows) in [
        (
            "a: 1\n---\u{1b}[31mb: 2\n".to_owned(),
            "move `\\u{1b}[31mb: 2`",
        ),
        (format!("a: 1\n---{long}\n"), "move `xxx"),
        (format!("%{long}\n"), "such as `%xxx"),
        (format!("a: !!int {long}\n"), "`xxx"),
        (format!("a: *{long}\n"), "`*xxx"),
    ] {
        let documents = manifest::read(quoting.as_bytes(), &Limits::default()).unwrap();
        let told = documents.last().unwrap().as_ref().unwrap_err().to_string();
        assert!(told.contains(shows), "{told}");
        assert!(told.chars().count() < 450, "{told}");
        assert!(!told.contains(char::is_control), "{told:?}");
    }
}

#[test]
fn of_a_key_that_stands_there_twice_the_last_counts_with_a_warning() {
    let repeated = |key: &str, first, last| Warning::RepeatedKey {
        key: key.to_owned(),
        first,
        last,
    };
    let cases = [
        (
            "---\na: 1\nb: 2\na: 3\n",
            json!({"a": 3, "b": 2}),
            vec![repeated("a", 2, 4)],
        ),
        (
            "a:\n- b: 1\n  c: 2\n  'b': 3\n",
            json!({"a": [{"b": 3, "c": 2}]}),
            vec![repeated("b", 2, 4)],
        ),
        (
            "on: 1\ntrue: 2\nyes: 3",
            json!({"true": 3}),
            vec![repeated("true", 1, 2), repeated("true", 2, 3)],
        ),
        (
            "{\"a\": {\"b\": 1,\n\"b\": 2}}",
            json!({"a": {"b": 2}}),
            vec![repeated("b", 1, 2)],
        ),
        // The whole value is replaced, not merged; what was in it is looked at all the same.
        (
            "a: {b: 1, b: 2}\na: {c: 3}",
            json!({"a": {"c": 3}}),
            vec![repeated("b", 1, 1), repeated("a", 1, 2)],
        ),
        // What has no form in JSON does not matter where it does not count.
        ("a: .inf\na: 1", json!({"a": 1}), vec![repeated("a", 1, 2)]),
        // `<<` and the same key are not the same key twice.
        ("a: 1\n<<: {a: 2}", json!({"a": 2}), vec![]),
        ("<<: {a: 1}\n<<: {a: 2}", json!({"a": 2}), vec![]),
    ];
    for (text, value, warnings) in cases {
        let documents = read(text);
        assert_eq!(documents[0].value(), &value, "{text:?}");
        assert_eq!(documents[0].warnings(), warnings, "{text:?}");
    }
    let documents = read("x: 1\n---\n\na: 1\na: 2\n");
    assert_eq!(documents[1].warnings(), [repeated("a", 4, 5)]);
    assert_eq!(
        documents[1].warnings()[0].to_string(),
        "the key \"a\" stands in line 4 and again in line 5: kubectl takes the last one without a word; remove one"
    );
}

#[test]
fn warnings_have_an_end() {
    let text = "a: 1\n".repeat(10_000);
    let documents = read(&text);
    let warnings = documents[0].warnings();
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[20], Warning::More(9_979));
}

#[test]
fn only_comments_may_hold_bytes_that_are_no_text() {
    let read = |bytes: &[u8]| {
        let text = manifest::as_text(bytes).into_owned();
        let documents = manifest::read(&text, &Limits::default()).unwrap();
        let mut written = Vec::new();
        let mut values = Vec::new();
        for document in documents {
            let document = document.map_err(|error| (error.line, error.fault))?;
            written.extend_from_slice(&manifest::restored(document.text()));
            values.push(document.value().clone());
        }
        assert_eq!(written, bytes);
        Ok(values)
    };
    let latin: &[u8] = b"# f\xFCr\na: 1 # \xE4\n---\nb: | # \xDF\n  x\n";
    assert_eq!(read(latin), Ok(vec![json!({"a": 1}), json!({"b": "x\n"})]));
    let cases: [(&[u8], usize, u8); 7] = [
        (b"a: 1\nb: \xFC\n", 2, 0xFC),
        (b"a: '\xFC'\n", 1, 0xFC),
        (b"a: |\n  # \xFC\n", 2, 0xFC),
        (b"\xC3: 1\n", 1, 0xC3),
        (b"{\"a\":\n\"\xE9\"}", 2, 0xE9),
        (b"a: 1 #\xFC\nb: 2\xFC#", 2, 0xFC),
        (b"a: 1\n...\n\xFC", 3, 0xFC),
    ];
    for (bytes, line, byte) in cases {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(read(bytes), Err((line, Fault::Stray(byte))), "{shown:?}");
    }
}

#[test]
fn a_byte_order_mark_may_begin_any_document() {
    let text = "\u{FEFF}a: 1\n---\n\u{FEFF}b: 2\n---\r\n\u{FEFF}# nothing\r\n";
    let documents = read(text);
    let values: Vec<_> = documents
        .iter()
        .map(|document| document.value().clone())
        .collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": 2}), Value::Null]);
    assert_eq!(
        documents.iter().map(Document::text).collect::<String>(),
        text
    );
    assert_eq!(read("\u{FEFF}{\"a\": 1}{\"b\": 2}").len(), 2);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        [
            format!("a: {}1{}", "[".repeat(depth), "]".repeat(depth)),
            format!("{{\"a\": {}1{}}}", "[".repeat(depth), "]".repeat(depth)),
        ]
    };
    for text in nested(90) {
        assert_eq!(read(&text).len(), 1);
    }
    for text in nested(101).into_iter().chain([
        format!("a: {}", "[".repeat(100_000)),
        format!("a:\n{}", "- ".repeat(100_000)),
    ]) {
        assert_eq!(fault(&text).2, Fault::TooDeep(100));
    }
    // Aliases that nest deeper than anything that is written.
    let aliases = lines(1..120, |at| format!("a{at}: &x{at} [*x{}]", at - 1));
    assert_eq!(
        fault(&format!("a0: &x0 1\n{aliases}")).2,
        Fault::TooDeep(100)
    );
    // Far more JSON than the stack would bear.
    let json = format!("{{\"a\": {}", "[".repeat(200_000));
    assert!(manifest::read(json.as_bytes(), &Limits::default()).unwrap()[0].is_err());
}

#[test]
fn a_megabyte_of_beginnings_is_refused_soon() {
    for part in [
        "[", "{", "- ", "? ", "&a ", "!a ", "*a ", "{a: ", "[a: ", "[? ", "[&a ", "- [", "'\"",
        "\"\\\n", "&a [", "%", "@", "[a\n",
    ] {
        let text = format!("a:\n  {}", part.repeat((1 << 20) / part.len()));
        let documents = manifest::read(text.as_bytes(), &Limits::default()).unwrap();
        assert!(documents[0].is_err(), "{part:?}");
    }
    // What is long and no mistake is read in time as well.
    for (part, around) in [
        ("a, ", ["[", "]"]),
        ("a: b, ", ["{x: y, ", "}"]),
        ("\n  - [a, {b: c}]", ["", ""]),
        ("\n  # c", [" d", ""]),
        ("\n\n", ["d", "  e"]),
        ("\n  d", ["|", ""]),
        (" # \n  ", ["", "d"]),
        ("\\\n  ", ["\"", "\""]),
    ] {
        let [before, after] = around;
        let text = format!(
            "a: {before}{}{after}\n",
            part.repeat((1 << 20) / part.len())
        );
        assert_eq!(read(&text).len(), 1, "{part:?}");
    }
}

#[test]
fn alias_bombs_are_refused() {
    let tenfold = lines(1..10, |at| {
        format!("a{at}: &x{at} [{}]", format!("*x{},", at - 1).repeat(10))
    });
    assert_eq!(
        fault(&format!("a0: &x0 [lol]\n{tenfold}")).2,
        Fault::Aliases
    );
    let merged = lines(1..40, |at| {
        format!("a{at}: &x{at} {{<<: [*x{0}, *x{0}]}}", at - 1)
    });
    assert!(matches!(
        fault(&format!("a0: &x0 {{a: 1}}\n{merged}")).2,
        Fault::Aliases | Fault::Excess(_) | Fault::TooDeep(_)
    ));
}

#[test]
fn what_aliases_repeat_is_counted_in_bytes() {
    let text = format!(
        "x: &a {}\ny: [{}]\n",
        "a".repeat(100_000),
        "*a, ".repeat(1_500)
    );
    let limits = Limits {
        memory: 16 << 20,
        ..Limits::default()
    };
    let documents = manifest::read(text.as_bytes(), &limits).unwrap();
    assert_eq!(
        documents[0].as_ref().unwrap_err().fault,
        Fault::Excess(Excess::Memory { limit: 16 << 20 })
    );
}

#[test]
fn limits_are_kept() {
    let limits = |documents, document_bytes, memory| Limits {
        documents,
        document_bytes,
        memory,
        ..Limits::default()
    };
    let read = |text: &str, limits: &Limits| {
        manifest::read(text.as_bytes(), limits).map(|documents| {
            documents
                .into_iter()
                .find_map(Result::err)
                .map(|error| error.fault)
        })
    };
    assert_eq!(read("a: 1\n---\nb: 1\n", &limits(2, 100, 10_000)), Ok(None));
    assert_eq!(
        read("a: 1\n---\nb: 1\n---\nc: 1\n", &limits(2, 100, 10_000)),
        Err(Error::TooManyDocuments { limit: 2 })
    );
    assert_eq!(
        read("{}{}{}", &limits(2, 100, 10_000)),
        Err(Error::TooManyDocuments { limit: 2 })
    );
    assert_eq!(
        read("a: 12345678\n", &limits(2, 10, 10_000)),
        Ok(Some(Fault::TooLarge {
            bytes: 12,
            limit: 10
        }))
    );
    assert_eq!(
        read("a: [1, 2, 3, 4]\n", &limits(2, 100, 500)),
        Ok(Some(Fault::Excess(Excess::Memory { limit: 500 })))
    );
    assert_eq!(
        read("{\"a\": [1, 2, 3, 4]}\n", &limits(2, 100, 500)),
        Ok(Some(Fault::Excess(Excess::Memory { limit: 500 })))
    );
}

#[test]
fn a_hundred_thousand_documents_are_read() {
    let text = "---\na: 1\n".repeat(100_000);
    let documents = read(&text);
    assert_eq!(documents.len(), 100_000);
    assert_eq!(
        (documents[99_999].number(), documents[99_999].line()),
        (100_000, 199_999)
    );
    assert_eq!(read(&"{\"a\":1}".repeat(100_000)).len(), 100_000);
}

#[test]
fn several_json_values_end_where_one_is_broken() {
    let documents = manifest::read(
        b"{\"a\": 1}\n{\"b\": 2}\n{\"c\": }\n{\"d\": 4}\n",
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(documents.len(), 3);
    let error = documents[2].as_ref().unwrap_err();
    assert_eq!((error.document, error.line), (3, 3));
    assert!(matches!(error.fault, Fault::Json(_)), "{error}");
}

#[test]
fn line_ends_and_the_missing_last_one_do_not_change_values() {
    for (text, value) in [
        (
            "a: |\r\n  x\r\n  y\r\nb: 'p\r\n  q'\r\n",
            json!({"a": "x\ny\n", "b": "p q"}),
        ),
        ("a: |\n  x", json!({"a": "x\n"})),
        ("a: |\r\n  x", json!({"a": "x\n"})),
        ("a: >+\n  x\n\n", json!({"a": "x\n\n"})),
        ("a:", json!({"a": null})),
        ("a: b # c", json!({"a": "b"})),
    ] {
        assert_eq!(read(text)[0].value(), &value, "{text:?}");
    }
}
