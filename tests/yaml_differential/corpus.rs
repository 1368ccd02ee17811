//! Odd texts, by kind: what people write, and what only parsers think of.

/// Stands before what [`SPECS`] holds.
const HEAD: &str = "apiVersion: example.com/v1\nkind: Sample\nmetadata:\n  name: sample\n";

/// Whole manifests, most of them as they stand in public repositories.
#[rustfmt::skip]
const MANIFESTS: &[&str] = &[
    // Brackets closed at or left of their key's column.
    "kind: A\nspec:\n  containers:\n  - name: a\n    args: [\n      \"-a\",\n      \"-b\"\n    ]\n    image: a\n",
    "kind: A\nspec:\n  containers:\n  - name: a\n    args: [\n  \"-a\",\n  ]\n    \n",
    "kind: A\nspec:\n  containers:\n    - args: [\n\"-a\",\n\"-b\"\n]\n      image: b\n",
    "kind: A\nspec: {\n  a: 1,\n  b: [\n1]\n}\nmetadata: {name: a}\n",
    "kind: A\nspec:\n  a: {b: c,\n  d: e}\n  f: g\n",
    "kind: A\nspec:\n  command: [ \"sh\", # why\n\n  # here\n \"-c\" ]\n",
    // Text in quotes that goes on left of its key.
    "kind: A\nspec:\n    a: \"one\n  two\"\n    b: 'one\n\n two\n'\n",
    "kind: A\nspec:\n    a: \"one \\\n two\\\n  three\"\n",
    "kind: A\nspec:\n    a: \"one\ntwo: three\n# four\n- five\"\n",
    // A key twice.
    "kind: A\nspec:\n  a: 1\n  b: 2\n  a: 3\n",
    "kind: A\nkind: B\nmetadata: {name: a, name: b}\n",
    "kind: A\nmetadata:\n  labels: {a: b}\n  labels:\n    c: d\n",
    "{\"kind\": \"A\", \"kind\": \"B\"}",
    "kind: A\n---\n{\"kind\": \"A\", \"kind\": \"B\"}\n",
    // Marks and line ends.
    "\u{FEFF}kind: A\n---\n\u{FEFF}kind: B\n---\n\u{FEFF}# c\nkind: C\n",
    "\u{FEFF}---\nkind: A\n",
    "\u{FEFF}{\"kind\": \"A\"}\n",
    "kind: A\r\nspec:\r\n  a: |\r\n    b\r\n    c\r\n---\r\nkind: B\r\n",
    "kind: A\rspec:\r  a: b\r",
    "kind: A\r\r\nspec: b\n",
    "kind: A",
    "kind: A\nspec: |\n  a\n   b",
    // Lists in the column of their key, comments, blank lines, tabs.
    "kind: A\nspec:\n  containers:\n  # c\n  - name: a\n  # d\n    image: b\n\n  -\n    name: c\n# e\n",
    "# a\n\n# b\n---\n# c\nkind: A # d\n# e\n---\n# f\n--- # g\nkind: B\n# h\n",
    "kind:\tA\nspec:\t# c\n  a:\t1\t\n  b: 'c'\t# d\n",
    "kind: A\nspec: a\tb\nlist:\n-\ta\n- \tb\n",
    "kind: A\nspec:\n  a: b\n  \n \n\t\n",
    "kind: A\nspec:\n  - a\n   # c\n  - b\n #d\n",
    "kind: A\nspec: {a: b}# c\n",
    "kind: A\nspec: \"a\"# c\n",
    "kind: A\nspec: [a,# c\n b]\n",
    // Anchors, aliases, merges.
    "kind: A\nspec: &a\n  b: &c [1, 2]\n  d: *c\nx: *a\n",
    "kind: A\nx: &a {b: 1, c: 2}\nspec:\n  <<: *a\n  b: 3\ny: {<<: [*a, {d: 4}], b: 5}\n",
    "kind: A\nx: &a {b: 1}\nspec: {b: 2, <<: *a}\n",
    "kind: A\nx: &a 1\ny: &a 2\nz: *a\n",
    "kind: A\n&k k: 1\nv: *k\n*k : 2\n",
    "kind: A\nx: &a\nspec: *a\n",
    "kind: A\nx: &a !!str\nspec: [*a, !!str &b 1, *b]\n",
    // Ends and empty documents.
    "kind: A\n...\n---\nkind: B\n...\n",
    "---\n---\nkind: A\n---\n---\n\n---\n# c\n",
    "---\n...\n---\nkind: A\n",
    "kind: A\n--- # c\nkind: B\n---\t\nkind: C\n---   \n",
    // JSON in YAML, YAML after JSON.
    "{\"kind\": \"A\"}{\"kind\": \"B\"}\n{\"kind\": \"C\"}\n",
    "{\"kind\": \"A\"}\n---\nkind: B\n",
    "{\"kind\": \"A\"} ---\nkind: B\n",
    "kind: A\n---\n{\n\t\"kind\": \"B\",\n\t\"a\": [1, 2.0, 1e3, -0, true, null, \"\\u00e9\\n\"]\n}\n",
    "  \n {kind: A, spec: {a: [1, {b: c}]}}\n---\nkind: B\n",
    "{kind: A}\n{kind: B}\n",
    "{\"kind\": \"A\", \"a\": \"\\/ \\ud83d\\ude00\"}\n",
    "kind: A\n---\n{\"kind\": \"A\", \"a\": \"\\/\"}\n",
    "{\"kind\": \"A\",}\n",
    // The same key twice, of which the first has no form in JSON.
    "kind: A\nspec: .inf\nspec: 1\n",
    "kind: A\nspec: {~: 1}\nspec: {18446744073709551615: 2}\nspec: {}\n",
];

/// What may stand behind `spec:`.
#[rustfmt::skip]
const SPECS: &[&str] = &[
    // Plain text and what it means.
    " a", " a b", " a:b", " a#b", " a #b", " -a", " ?a", " :a", " a:", " a: b", " -", " - a", " @a", " `a", " %a", " ,a", " a,b", " ]", " }", " a]b", " a}b", " #", "",
    " a\n  b", " a\n  b: c", " a\n b\n\n\n c # d", " a\n  # c\n  b", " a\n\tb", " a\n  \tb", " a\nb", "\n a\n b", "\n  a\n  - b", " a\n...", " é\u{a0}日本",
    " yes", " Off", " y", " n", " true", " Null", " ~", " 0644", " 0o17", " 08", " 0x1F", " 0b11", " -0b11", " 1_000", " 1e3", " 1E+3", " .5", " 5.", " +1", " -0", " -.5e1",
    " 1:30", " 190:20:30", " 2001-01-01", " 2001-12-14t21:59:43.10-05:00", " 9223372036854775807", " 9223372036854775808", " 18446744073709551616", " 1e400", " .inf", " -.INF", " .nan",
    " +.inf", " 0.1", " 100000000000000000000000", " 0x", " 0xg", " 1.2.3", " 10.0.0.1", " <<", " =",
    // Quotes.
    " ''", " 'it''s'", " 'a\\nb'", " \"a\\nb\\t\\\"\\\\\"", " \"\\'\"", " \"\\/\"", " \"\\q\"", " \"\\x41\\u00e9\\U0001F600\"", " \"\\ud800\"", " \"\\u12\"", " \"\\N\\_\\L\\P\\0\\a\\b\\v\\f\\r\\e\\ \"",
    " 'a\nb'", " 'a\n\n  b '", " \"a\n\n\n  b\"", " \"  a  \n  b  \"", " \"a\\\n\n b\"", " \"a\n---\nb\"", " \"a\n ---\n b\"", " \"a\n...\nb\"", " 'a", " \"a", " 'a' b", " 'a'b", " 'a': b", " \"a\"#b", " \"\\\n\"", " \"\\",
    // Blocks of text.
    " |\n  a\n  b", " |\n  a\n\n\n", " |-\n  a\n\n", " |+\n  a\n\n", " >\n  a\n  b\n\n  c\n   d\n  e", " >-\n  a\n\n  b\n", " >+\n  a\n\n\n", " |2\n   a\n  b", " |1-\n a", " |-1\n  a", " |0\n  a",
    " |10\n a", " | # c\n  a", " |#c\n  a", " |a\n  b", " |\n   a\n  b", " |\n\n\n  a", " |\n    \n  a", " |\n  \n    a", " |\n\ta", " |\n  a\n\tb", " |\n  a\n \tb", " |\na", " |\n", " |", " |+", " >\n", " |+-\n a",
    " |\n  a\n # c\n", " |\n  a\n  # c\n", " >\n\n  a\n\n    b\n  c\n", " |\n  a: b\n  - c", "\n  a: |\n   b\n  c: d", "\n- |\n a\n- >\n b", " |9\n          a", " !!str |\n  a", " &a |\n  b", " |\r\n  a\r\n  b",
    // Brackets.
    " []", " {}", " [a, b]", " [a, b,]", " [,]", " [a,,b]", " {a, b}", " {a: , b: }", " {a:b}", " {a:}", " {a:, b}", " [a:]", " [a: b]", " [a: b, c]", " [? a : b]", " [?]", " {? a}", " {?}", " {: a}", " [: a]", " {\"a\":b}", " {'a':b, \"c\" : d}", " {a : b}",
    " {a\n: b}", " {\"a\"\n: b}", " {a:\n b}", " [a\n b\n, c]", " [a?b]", " [http://a/b?c=d]", " [http://a:80]", " {a: http://b}", " [a b, -1, - a]", " [-]", " [- a]", " [|]", " [>]", " [|\n a]", " [a#b, c #d\n]", " [a]b", " [a] # b", " [a] b", " {a: b}}", " [[a]", " [a}",
    " {a: [b, {c: d}], e: [[]]}", " [{a: b}, {c: d}]", " {[a]: b}", " {{a: b}: c}", " []: a", " {}: a", " [a]: b", " [!!str 1, ! 2]", " [!a,b]", " [&a b, *a]", " [*a]", " [&a , b]", " {&a b: c, d: *a}", " {a: \"b\nc\"}", " [\n]", "\n[\na\n]", "\n [\na\n]", " {\na: b\n}\nx: y", " [\n# c\n]", " [a,\n\tb]", " {\n\ta: b\n\t}",
    // Block collections.
    "\n- a\n- b", "\n  - a\n  - b", "\n - a\n  - b", "\n  - a\n - b", "\n- a\n - b", "\n- - a\n  - b\n- c", "\n-\n  a\n-\n- b", "\n- a: b\n  c: d\n-  e: f\n   g: h", "\n- a: b\n c: d", "\n- a:\n  - b\n  c:\n    - d", "\n  a: b\n  c: d", "\n  a: b\n   c: d", "\n   a: b\n  c: d",
    "\n  a:\n  b:\n  - c\n  d: e", "\n  a: - b", " - a", "\n  a:\n    b: c\n   d: e", "\n  a", "\n  a\n  b: c", "\n  'a': b\n  \"c\": d", "\n  a : b", "\n  a :b", "\n  ? a\n  : b", "\n  ? a\n  ? b", "\n  ? a\n  b: c", "\n  ? - a\n  : b", "\n  ? |\n   a\n  : b", "\n  : a", "\n  ?\n  : a", "\n  a: b: c", "\n  a:\n   b: c: d",
    "\n  1: a\n  true: b\n  ~: c", "\n  1: a\n  '1': b", "\n  1.0: a\n  1: b", "\n  yes: a\n  on: b", "\n  .nan: a", "\n  0x10: a\n  1e3: b\n  2001-01-01: c", "\n  !!str 1: a", "\n  &a b: c", "\n  *a : b", "\n  : b\n  a: c", "\n  a b c: d", "\n  a#b: c", "\n  -a: b", "\n  a:  # c\n    b", "\n  <<: {a: b}", "\n  <<: a", "\n  <<: [a]", "\n  <<: []", "\n  '<<': {a: b}", "\n  ! <<: {a: b}", "\n  ! '<<': {a: b}", "\n  !!merge '<<': {a: b}", "\n  <<: {a: 1}\n  <<: {a: 2}",
    // Tags and anchors.
    " !!str 1", " !!int '1'", " !!int a", " !!float 1", " !!bool yes", " !!bool a", " !!null ''", " !!null a", " !!binary aGk=", " !!binary '#'", " !!binary /w==", " !!timestamp 2001-01-01", " !!timestamp a", " !!seq [a]", " !!map {a: b}", " !!set {a}", " !!omap [a: b]", " !!foo a", " !foo a", " ! a", " ! 1", " !", " !!", " !!str", " !<a> b", " !<tag:yaml.org,2002:int> 1",
    " !<> a", " !< a", " !a!b c", " !a", " !%41 b", " !%4 b", " !%ff b", " !a[b c", " !a,b c", " !a{b", " !!str !!int a", " &a &b c", " &a !!str b", " !!str &a b", " & a", " &", " &a", " &é a", " &a: b", " &a-b_1 c", " *a", " *", " *a b", " &a [*a]", " &a {b: *a}", " [&a a, &a b, *a]", " !!str\n  a: b", " &a\n  b: *a", " &a\n- b", " !!str\n- a",
    // Directives, marks and strange characters.
    "\n%YAML 1.1", " a\n%b", "\n  %a", " \u{7}", " \u{7f}", " a\u{85}b", " a\u{2028}b", " a\u{FEFF}b", " '\u{FEFF}'", " # \u{2029}", " \u{E000}", " \u{10000}", " \u{10FFFF}", " \u{FFFE}", " \"\\u0000\"", " \"\u{1b}\"",
    // After the end.
    " a\n...\n", " a\n...\n# b\n", " a\n... # b\n", " a\n...\nb: c\n", " a\n...\n@\n", " a\n....\n", " ...",
];

/// Inputs that are no text in UTF-8, or no manifests.
const BYTES: &[&[u8]] = &[
    b"# f\xFCr\nkind: A # \xE4\nspec: | # \xDF\n  a\n# \xC3",
    b"kind: A\nspec: \xFC\n",
    b"kind: A\nspec: '\xFC'\n",
    b"{\"kind\": \"\xFC\"}",
    b"kind: A\n---\n# \xE9\nkind: B\n",
    b"",
    b"\n",
    b" ",
    b"{",
    b"[",
    b"{}",
    b"{} ",
    b"{}#",
    b"{}\n#\n",
    b"{a}",
    b"{-}",
    b"[]: a",
    b"[] a",
    b"a",
    b"'a'",
    b"- a",
    b"|\n a",
    b"|\na",
    b"---#\nkind: A",
    b"--- #\nkind: A",
    b"kind: A\n---#\nkind: B",
    b"kind: A\n---a\nkind: B",
    b"kind: A\n----\nkind: B",
    b"--- {kind: A}\n",
    // What follows JSON begins as JSON does: to Go a number ends where it cannot go on.
    b"{}\n1# ",
    b"{}\n1#",
    b"{}\n01",
    b"{}\n-",
    b"{}\n1.\n",
    b"{}\n1.5e: a\n",
    b"{}\ntruex: a\n",
    b"{}\ntrue: a\n",
    b"{}\nnull # a\n",
    b"{}\nnothing: a\n",
    b"{}\n-1\na: b\n",
    b"{}\n- 1\n- b\n",
    b"{}\n\"a\": b\n",
    b"{}{}\n1# ",
    b"{}\n1\n---\na: b\n",
    // The parser reads a first separator as well, and knows fewer blanks than what cuts the input.
    b"---\r\t",
    b"---\r\t\nkind: A\n",
    b"---\x0B\nkind: A\n",
    b"---\xC2\xA0\nkind: A\n",
    b"---\xE2\x80\xA8\nkind: A\n",
    b"--- \t \r\nkind: A\n",
    b"kind: A\n---\xC2\xA0\nkind: B\n",
    b"kind: A\n---\x0B\nkind: B\n",
    b"kind: A\n---\r\t\nkind: B\n",
    b"[]\n---\n\0",
    b"184467440737095511615",
    // Behind a byte order mark kubectl keeps bytes that are no text, and its parser refuses them.
    b"\xEF\xBB\xBFe: #\xE4",
    b"\xEF\xBB\xBF#\xE4",
    b"\xEF\xBB\xBF---\ne # \xE4\n",
    b"\xEF\xBB\xBF--- #\xE4\ne: f\n",
    b"\xEF\xBB\xBFe: f\n--- #\xE4\ne: f\n",
    b"\xEF\xBB\xBFe: f\n---\n#\xE4\ng: h\n",
    b"e: f\n---\n\xEF\xBB\xBF#\xE4\ng: h\n",
    b"%YAML 1.1\n---\nkind: A\n",
    b"%TAG ! a\n---\nkind: A\n",
    b"...",
    b"...\nkind: A\n",
    b"kind: A\0",
    b"\t{kind: A}\n",
    b"\n\t{kind: A}\n",
    b"\tkind: A\n",
    b" kind: A\n",
    b" kind: A\nb: c\n",
    b"? kind\n: A\n",
    b"&a kind: A\n",
    b"!!map {kind: A}\n",
    b"!!map\nkind: A\n",
    b"\"kind\": \"A\"\n\"spec\" : 'B'\n",
];

/// All of them.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    let manifests = MANIFESTS.iter().map(|text| text.as_bytes().to_vec());
    let specs = SPECS.iter();
    let specs = specs.map(|spec| format!("{HEAD}spec:{spec}\n").into_bytes());
    let bytes = BYTES.iter().map(|text| text.to_vec());
    // A key of 1,024 characters is one, and one of more is none.
    let long = [1_000, 1_023, 1_024, 1_025, 1_100]
        .iter()
        .flat_map(|length| {
            let key = "é".repeat(*length);
            [
                format!("kind: A\n{key}: b\n"),
                format!("kind: A\nspec: {{'{key}': b}}\n"),
                format!("kind: A\nspec: {{? {key} : b}}\n"),
                format!("kind: A\n[{key}]: b\n"),
            ]
        })
        .map(String::into_bytes);
    // Little else than repeated, and a little less of that.
    let aliases = [90, 99, 110].iter().map(|times| {
        let list = "*a, ".repeat(*times);
        format!("kind: A\nx: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\ny: [{list}]\nz: {{b: *a}}\n")
            .into_bytes()
    });
    let bomb = (1..6).fold("kind: A\nx0: &x0 [a]\n".to_owned(), |text, at| {
        format!(
            "{text}x{at}: &x{at} [{}]\n",
            format!("*x{}, ", at - 1).repeat(9)
        )
    });
    manifests
        .chain(specs)
        .chain(bytes)
        .chain(long)
        .chain(aliases)
        .chain([bomb.into_bytes()])
        .collect()
}
