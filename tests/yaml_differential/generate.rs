//! Manifests that nobody wrote: well-formed ones in every style, and then a few mistakes.

/// A generator of numbers that is the same everywhere (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Near seeds would begin alike.
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    /// One time in so many.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }
}

#[rustfmt::skip]
const KEYS: &[&str] = &[
    "apiVersion", "kind", "metadata", "name", "labels", "spec", "template", "containers", "image", "args", "env", "value",
    "a", "b", "c", "a", "b", "yes", "1", "0x10", "1.5", "null", "~", "on", "'q'", "\"d q\"", "a b", "a.b/c", "<<", "é", "\"\\u00e9\"",
    "!!str k", "&k k", "k#", "- k", "? k", "'a': x", "2001-01-01", ".inf", "[a]", "{a: b}", "*x", "k:", "",
    "\"a\n b\"", "'a\n\n b'", "a\n  b", "\"a\\\n b\"", "*a ", "&x a", "! a", "!!int 1", "!!merge <<", "日本", "a\tb", "[]", "{}", "|", "a\u{a0}b", "\u{1F600}", "&é k", "%k", "\"\"", "''",
];

#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "web", "nginx:1.25", "8080", "0644", "0o17", "0x1F", "0b101", "1_000", "1e3", "-1.5", ".5", "5.", "+1", "1:30", "yes", "No", "on",
    "OFF", "y", "true", "null", "~", "", "2001-01-01", "2001-01-01T00:00:00Z", "http://x/y?z=1", "a#b", "a # c", "a: b", "-", "- a", "?a", ":a",
    "a:", "a,b", "[", "]", "{", "}", "a]b", "@a", "`a", "%a", "&x", "*x", "&x a", "!t a", "!!int 3", "!!str 3", "!!binary aGk=", "!!null ''", "!!float 1",
    ".inf", ".nan", "é", "日本 語", "a  b", "a\tb", "100m", "512Mi", "$(VAR)", "{{ .x }}", "<<", "=", "<", "18446744073709551615", "9223372036854775808",
    "1e400", "12e03", "-0", "0.0", "08", "---", "...", "--- a", "a ---", "!", "! a", "!<tag:yaml.org,2002:str> 1", "!a,b", "!x!y z", "|", ">", "\\", "#",
];

#[rustfmt::skip]
const QUOTED: &[&str] = &[
    "''", "\"\"", "'it''s'", "\"a\\nb\"", "\"\\u00e9\\x41\\t\"", "\"\\/\"", "\"\\'\"", "'a: b # c'", "\"a\\\"b\"", "'\\n'", "\"\\q\"", "\"\\ud83d\\ude00\"",
    "'a\n b'", "\"a\n  b\"", "\"a\\\n b\"", "\"a\n\n b\"", "'a\nb'", "\"a \n\t b\"", "\"---\n\"", "'x", "\"x", "\"\\N\\_\\L\\P\\0\\e\"", "\"\\U0001F600\"", "'é'",
    "\"\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\U00110000\"", "\"\\x80\"", "\"\\u000\"", "\"\\\t\"", "\"a\\\n\n  b\"", "\"a\t\n\tb\"", "' a\t\n b '", "\"\\\r\n a\"", "\"\u{1F600}\n\u{10FFFF}\"", "\"\\ \\ \n a\"", "\"a\n# b\"", "'a\n...\n'",
];

#[rustfmt::skip]
const SPLICES: &[&str] = &[
    " ", "  ", "\n", "\t", ":", ": ", "-", "- ", "? ", "?", "#", " #", ",", "[", "]", "{", "}", "&a ", "*a", "!", "!!str ", "|", ">", "'", "\"", "%", "@", "`",
    "\\", "---\n", "...\n", "\n\n", "\r\n", "\r", "é", "\u{7f}", "a", "1", "<<: ", "*x", "&x ", "\n ", ":\n", "~", "null", "|-\n", ">2\n", "%YAML 1.1\n",
    "%TAG ! tag:x,2000:\n", "\t\n", "\n\t", "\r\r\n", " \t ", "\t#", "...", "---", "... # c\n", "--- |\n", "&a\n", "!!map\n", "!!seq ", "? \n", "\n: ", "|1\n", ">+1 # c\n", "\u{1F600}", "\u{a0}", "\0", "\u{1b}", "{}", "[]", "!<", "\\u00e9",
];

/// Mostly refused on purpose.
const RARE: &[&str] = &["\u{FEFF}", "\u{85}", "\u{2028}"];

const COMMENTS: &[&str] = &["# c", "#", "# a: b", "#\t- x", "# 'q", "# é"];

/// Behind a value in JSON. After the last of them YAML may follow.
const BEHIND_JSON: &[&str] = &[
    "\n", "\n", "", " ", "\n\n", "\r\n", "\n---\n", "---\n", " ---\n", ",", "#", "# c\n",
    "\n# c\n", "\t", "\r", "...\n", "\na: b\n", ": b\n", "-", "e", ".", "\u{FEFF}",
];

#[rustfmt::skip]
const JSON: &[&str] = &[
    "{}", "[]", "{\"a\": 1}", "{\"a\": [1, 2.50, -0, 1e3, true, false, null]}", "{\"a\": \"\\u00e9\\n\\/\"}", "{\"a\": \"\\ud83d\\ude00\"}", "{ \"a\" : { } }", "{\"a\":1,\"a\":2}", "{\n\t\"a\": [\n\t\t1\n\t]\n}",
    "{\"é\": \"\u{1F600}\"}", "1", "01", "-1", "0", "-", "1.5", "1.", "2e+1", "2e", "true", "truex", "false", "nul", "\"a\"", "\"a", "{a: 1}", "{\"a\": 1", "{\"a\": 1,}", "[1 2]", "{\"a\": 1e400}", "{\"a\": 18446744073709551615}", "{'a': 1}",
];

/// One input.
pub(crate) fn input(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = String::new();
    if random.one_in(40) {
        text.push('\u{FEFF}');
    }
    if random.one_in(25) {
        json(&mut random, &mut text);
    }
    for at in 0..=random.below(6) / 4 {
        if at > 0 || random.one_in(4) {
            text.push_str(random.of(&["---\n", "---\n", "--- # c\n", "---  \n", "...\n---\n"]));
        }
        if at > 0 && random.one_in(6) {
            text.push('\u{FEFF}');
        }
        document(&mut random, &mut text);
    }
    if random.one_in(20) {
        text.truncate(text.trim_end().len());
    }
    if random.one_in(12) {
        text = text.replace('\n', "\r\n");
    }
    // Two in three have mistakes.
    let mistakes = random.below(4).saturating_sub(1);
    for _ in 0..mistakes {
        mistake(&mut random, &mut text);
    }
    let mut bytes = text.into_bytes();
    if random.one_in(50) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes.insert(at, 0xE4);
    }
    bytes
}

/// Values in JSON, before which kubectl has to find out that they are some.
fn json(random: &mut Random, text: &mut String) {
    text.push_str(random.of(&["", "", " ", "\n", "\t"]));
    text.push_str(JSON[random.below(10)]);
    text.push_str(random.of(BEHIND_JSON));
    while random.one_in(2) {
        text.push_str(random.of(JSON));
        text.push_str(random.of(BEHIND_JSON));
    }
}

fn document(random: &mut Random, text: &mut String) {
    if random.one_in(8) {
        // What `<<` and aliases further down may name.
        text.push_str(random.of(&[
            "x: &x {a: 1, b: 2}\n",
            "a: &a\n  a: &x\n    c: 1\n  b: 2\n",
            "x: &x [a]\n",
            "x: &x a\na: &a {<<: {c: 1}}\n",
        ]));
    }
    match random.below(12) {
        0 => flow(random, text, 0),
        1 => sequence(random, text, 0, 0),
        _ => mapping(random, text, 0, 0),
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

fn key(random: &mut Random) -> String {
    // Mostly what a key may be.
    let known = if random.one_in(4) { KEYS.len() } else { 17 };
    let key = KEYS[random.below(known)];
    if random.one_in(200) {
        // About as far as a colon may be away.
        let quote = random.of(&["", "", "'", "\""]);
        let filler = random.of(&["k", "k", "é", "k k", "\u{1F600}"]);
        let times = (1010 + random.below(20)) / filler.chars().count();
        format!("{quote}{}{quote}", filler.repeat(times))
    } else if random.one_in(3) {
        format!("{key}{}", random.below(30))
    } else {
        key.to_owned()
    }
}

fn mapping(random: &mut Random, text: &mut String, indent: usize, depth: usize) {
    for at in 0..=random.below(3) {
        if at > 0 {
            lines_between(random, text, indent);
        }
        if random.one_in(25) {
            // A key that may be anything, and may have no value.
            text.push('?');
            value(random, text, indent, depth + 1, true);
            if random.one_in(5) {
                continue;
            }
            lines_between(random, text, indent);
        } else {
            text.push_str(&key(random));
        }
        text.push_str(random.of(&[":", ":", ":", ":", ":", " :", ":\t"]));
        value(random, text, indent, depth, true);
    }
}

fn sequence(random: &mut Random, text: &mut String, indent: usize, depth: usize) {
    for at in 0..=random.below(3) {
        if at > 0 {
            lines_between(random, text, indent);
        }
        text.push('-');
        value(random, text, indent, depth, false);
    }
}

/// A line's end, lines of comments, and the next line's indentation.
fn lines_between(random: &mut Random, text: &mut String, indent: usize) {
    if !text.ends_with('\n') {
        if random.one_in(10) {
            text.push(' ');
            text.push_str(random.of(COMMENTS));
        }
        text.push('\n');
    }
    while random.one_in(10) {
        let spaces = random.below(6);
        text.extend(std::iter::repeat_n(' ', spaces));
        if random.one_in(2) {
            text.push_str(random.of(COMMENTS));
        }
        text.push('\n');
    }
    text.extend(std::iter::repeat_n(' ', indent));
}

/// What stands behind a colon or a dash.
fn value(random: &mut Random, text: &mut String, indent: usize, depth: usize, in_mapping: bool) {
    if random.one_in(20) {
        text.push(' ');
        text.push_str(random.of(&[
            "&x",
            "&a",
            "!!str",
            "!",
            "!!map",
            "!!seq",
            "!t",
            "&x !!str",
            "&a !!map",
            "!!omap",
            "!!set",
            "&a &x",
            "!<tag:yaml.org,2002:seq>",
            "*x",
            "# c",
            "!!binary",
            "!!float",
            "&a #",
        ]));
    }
    match random.below(if depth > 3 { 6 } else { 12 }) {
        0..=2 => {
            text.push(' ');
            let known = if random.one_in(3) { PLAIN.len() } else { 24 };
            text.push_str(PLAIN[random.below(known)]);
            if random.one_in(15) {
                let indent = (indent + random.below(4)).saturating_sub(1);
                lines_between(random, text, indent);
                text.push_str(random.of(PLAIN));
            }
        }
        3 => {
            text.push(' ');
            text.push_str(random.of(QUOTED));
        }
        4 => block_scalar(random, text, indent),
        5 => {
            text.push(' ');
            flow(random, text, depth);
        }
        6..=8 => {
            let inner = indent + if in_mapping { 1 + random.below(3) } else { 2 };
            if in_mapping || random.one_in(4) {
                lines_between(random, text, inner);
            } else {
                text.push(' ');
            }
            mapping(random, text, inner, depth + 1);
        }
        _ => {
            // As often in the key's own column as not.
            let inner = indent + if in_mapping { random.below(3) } else { 2 };
            if in_mapping || random.one_in(4) {
                lines_between(random, text, inner);
            } else {
                text.push(' ');
            }
            sequence(random, text, inner, depth + 1);
        }
    }
}

fn block_scalar(random: &mut Random, text: &mut String, indent: usize) {
    text.push(' ');
    text.push_str(random.of(&[
        "|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "|-1", "|0", "| # c", "|x", "|2-", ">+1",
        "|3", "|1 # c", ">9", "|\t", ">1", "|4",
    ]));
    let inner = indent + random.below(4);
    for _ in 0..random.below(4) {
        text.push('\n');
        let indent = if random.one_in(5) {
            random.below(6)
        } else {
            inner
        };
        text.extend(std::iter::repeat_n(' ', indent));
        text.push_str(random.of(&[
            "text",
            "a: b",
            "# c",
            "",
            "- x",
            "\tx",
            "  more",
            "'q",
            "---",
            "é",
            " ",
            "\t",
            "...",
            "%x",
            " \tx",
            "a  ",
            "\u{1F600}",
        ]));
    }
}

fn flow(random: &mut Random, text: &mut String, depth: usize) {
    let list = random.one_in(2);
    text.push(if list { '[' } else { '{' });
    for at in 0..random.below(4) {
        if at > 0 {
            text.push(',');
        }
        gap(random, text);
        if !list || random.one_in(8) {
            text.push_str(&key(random));
            text.push_str(random.of(&[": ", ": ", ":", " : ", "", ":\n"]));
        }
        match random.below(if depth > 3 { 3 } else { 4 }) {
            0 => text.push_str(random.of(QUOTED)),
            1 | 2 => text.push_str(random.of(PLAIN)),
            _ if random.one_in(6) => text.push_str(random.of(&[
                "*x",
                "[*x, *a]",
                "*a ",
                "&x {a: 1}",
                "&a [b]",
                "!!map {a: b}",
                "!!seq [a]",
                "? a",
                "? a : b",
                "[*x, {b: 1}]",
            ])),
            _ => flow(random, text, depth + 1),
        }
        gap(random, text);
    }
    if random.one_in(8) {
        text.push(',');
    }
    text.push(if list { ']' } else { '}' });
}

fn gap(random: &mut Random, text: &mut String) {
    match random.below(10) {
        0..=3 => text.push(' '),
        4 => {
            text.push('\n');
            let spaces = random.below(5);
            text.extend(std::iter::repeat_n(' ', spaces));
        }
        5 if random.one_in(3) => {
            text.push_str(random.of(&[" # c\n  ", "# c\n", "\t", "\n\n", "\n\t", " \r\n "]));
        }
        _ => {}
    }
}

fn mistake(random: &mut Random, text: &mut String) {
    let mut at = random.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    match random.below(7) {
        0 if random.one_in(20) => text.insert_str(at, random.of(RARE)),
        0 | 1 => text.insert_str(at, random.of(SPLICES)),
        2 => {
            text[at..].chars().next().map(|_| text.remove(at));
        }
        3 => text.insert_str(
            line,
            random.of(&[" ", "  ", "- ", "\t", "# ", "a: 1\n", "}\n", "]\n"]),
        ),
        4 => {
            // The line ends as on old Macs, or not at all, or begins with a tab.
            if let Some(end) = text[at..].find('\n') {
                let with = random.of(&["\r", "\r\r\n", "", "\n\t", "\t\n"]);
                text.replace_range(at + end..=at + end, with);
            }
        }
        5 => {
            if text[line..].starts_with(' ') {
                text.remove(line);
            }
        }
        _ => {
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
            let copy = text[line..end].to_owned();
            text.insert_str(line, &copy);
        }
    }
}
