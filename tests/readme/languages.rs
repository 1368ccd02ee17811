//! A page in Chinese, `X.zh-CN.md`, is in step with `X.md`.

use std::fs;
use std::path::Path;

use super::page::{Page, pages};
use super::root;

const CHINESE: &str = ".zh-CN.md";

/// The code of a block without its comments, which are in the page's language, and without what they leave behind.
fn without_comments(code: &str) -> String {
    let mut kept = String::new();
    for line in code.lines() {
        // A '#' after white space begins a comment in YAML and in a shell.
        let comment = line.match_indices('#').find(|(at, _)| {
            let before = line[..*at].chars().next_back();
            before.is_none_or(char::is_whitespace)
        });
        let code = comment.map_or(line, |(at, _)| line[..at].trim_end());
        kept.push_str(code);
        kept.push('\n');
    }
    kept
}

/// A block that is drawn, as the times of a stop are, is words in its place.
fn is_drawn(code: &str) -> bool {
    code.contains('│')
}

/// A link to a page leads to it in whichever language; the one to the page itself is checked apart.
fn links(page: &Page, own: &str) -> Vec<String> {
    let links = page.links.iter();
    let links = links.map(|link| link.replace(CHINESE, ".md"));
    links.filter(|link| link != own).collect()
}

/// The figures of the proof, which `make prove-docs` takes over into the English page.
fn figures(text: &str) -> Vec<&str> {
    let Some((_, rest)) = text.split_once("<!-- proved -->") else {
        return Vec::new();
    };
    let (marked, _) = rest.split_once("<!-- /proved -->").unwrap_or((rest, ""));
    let words = marked.split(|c: char| !c.is_ascii_digit() && c != ',');
    let mut figures: Vec<&str> = words
        .map(|word| word.trim_matches(','))
        .filter(|word| !word.is_empty())
        .collect();
    figures.sort_unstable();
    figures
}

/// What is in one page and not in the other. `name` is that of the English page, without its folder.
fn differences(name: &str, english: &str, chinese: &str) -> Vec<String> {
    let own = name.replace(".md", CHINESE);
    let (en, zh) = (Page::read(english), Page::read(chinese));
    let mut found = Vec::new();
    let mut differ = |what: &str, en: &dyn std::fmt::Debug, zh: &dyn std::fmt::Debug| {
        let (en, zh) = (format!("{en:?}"), format!("{zh:?}"));
        if en != zh {
            found.push(format!("{what}: {en} is {zh}"));
        }
    };

    differ(
        "the link to the other language",
        &Some(&own),
        &en.links.first(),
    );
    differ(
        "the link to the other language",
        &Some(name),
        &zh.links.first().map(String::as_str),
    );
    differ("headings", &en.headings, &zh.headings);

    differ("tables", &en.tables.len(), &zh.tables.len());
    for (at, (en, zh)) in en.tables.iter().zip(&zh.tables).enumerate() {
        differ(&format!("table {}, rows", at + 1), &en.len(), &zh.len());
        for (row, (en, zh)) in en.iter().zip(zh).enumerate() {
            differ(&format!("table {}, row {row}", at + 1), en, zh);
        }
    }

    let code = |page: &Page| -> Vec<String> {
        let blocks = page.code.iter().filter(|code| !is_drawn(code));
        blocks.map(|code| without_comments(code)).collect()
    };
    differ("blocks", &en.code.len(), &zh.code.len());
    for (en, zh) in code(&en).iter().zip(&code(&zh)) {
        differ("a block", en, zh);
    }

    differ("links", &links(&en, name), &links(&zh, name));
    differ("figures of the proof", &figures(english), &figures(chinese));
    found
}

#[test]
fn each_page_in_chinese_is_in_step_with_the_english_one() {
    let pages = pages();
    let chinese = |page: &&std::path::PathBuf| page.to_string_lossy().ends_with(CHINESE);
    let chinese: Vec<_> = pages.iter().filter(chinese).collect();
    for least in ["README.zh-CN.md", "docs/annotations.zh-CN.md"] {
        assert!(
            chinese.contains(&&root().join(least)),
            "there is no {least}"
        );
    }
    let mut faults = Vec::new();
    for page in chinese {
        let english = page.to_string_lossy().replace(CHINESE, ".md");
        let english = Path::new(&english);
        let name = english.file_name().unwrap().to_string_lossy();
        let read = |page: &Path| fs::read_to_string(page).unwrap_or_default();
        let differences = differences(&name, &read(english), &read(page));
        faults.extend(
            differences
                .iter()
                .map(|what| format!("{}: {what}", page.display())),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const ENGLISH: &str = "\
# Page

[中文](page.zh-CN.md)

See [there](other.md#part), and [the source][one].

<!-- proved -->
0 of 1,234 were lost in 2 scenarios.
<!-- /proved -->

## Part

| annotation | meaning |
|---|---|
| `one` | the first, `a` before `b` |
| `two` | |

```sh
silkroll wait   # until it answers
```

    silkroll: drain: 40 s

[one]: https://example.com/one
";

const IN_STEP: &str = "\
# 页面

[English](page.md)

见[那里](other.zh-CN.md#part)和[出处][one]。

<!-- proved -->
2 个场景中，1,234 个请求丢失 0 个。
<!-- /proved -->

## 部分

| 注解 | 含义 |
|---|---|
| `one` | 第一个，`b` 在 `a` 之后 |
| `two` | |

```sh
silkroll wait   # 直到有应答
```

    silkroll: drain: 40 s

[one]: https://example.com/one
";

#[test]
fn what_is_not_in_step_is_found() {
    assert_eq!(differences("page.md", ENGLISH, IN_STEP), [""; 0]);
    for (what, right, wrong) in [
        (
            "the link to the other language",
            "](page.md)",
            "](other.md)",
        ),
        ("headings", "## 部分", "### 部分"),
        ("headings", "## 部分\n", ""),
        (
            "tables",
            "| 注解 | 含义 |\n|---|---|\n| `one` | 第一个，`b` 在 `a` 之后 |\n| `two` | |\n",
            "",
        ),
        ("table 1, rows", "| `two` | |\n", ""),
        (
            "table 1, row 0",
            "| 注解 | 含义 |\n|---|---|",
            "| 注解 | 含义 | 默认值 |\n|---|---|---|",
        ),
        ("table 1, row 2", "| `two` |", "| `three` |"),
        ("table 1, row 2", "| `two` |", "| two |"),
        ("table 1, row 1", "`b` 在", "`c` 在"),
        ("blocks", "    silkroll: drain: 40 s\n", ""),
        ("a block", "silkroll wait  ", "silkroll wait --seconds 5  "),
        ("a block", "```sh\n", "```yaml\n"),
        ("a block", "drain: 40 s", "排空：40 s"),
        ("links", "other.zh-CN.md#part", "other.zh-CN.md"),
        ("links", "[出处][one]", "出处"),
        ("links", "com/one", "com/two"),
        ("figures of the proof", "1,234", "1,243"),
        ("figures of the proof", "丢失 0 个", "没有丢失"),
    ] {
        assert!(IN_STEP.contains(right), "{right}");
        let found = differences("page.md", ENGLISH, &IN_STEP.replacen(right, wrong, 1));
        let found = found.first().map(String::as_str).unwrap_or_default();
        assert!(
            found.starts_with(&format!("{what}: ")),
            "{right} as {wrong}: {found}"
        );
    }
    let unlinked = ENGLISH.replace("[中文](page.zh-CN.md)\n", "");
    assert!(!differences("page.md", &unlinked, IN_STEP).is_empty());
}
