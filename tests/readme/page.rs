//! A page as the program that shows it takes it apart: headings, tables, code, links.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::root;

/// The words in backticks, in any order: another language has its own.
pub(super) type Cell = BTreeSet<String>;

#[derive(Default)]
pub(super) struct Page {
    pub(super) headings: Vec<HeadingLevel>,
    /// Tables, their rows with the head first, their cells.
    pub(super) tables: Vec<Vec<Vec<Cell>>>,
    /// Blocks of code, with what stands behind their fence as the first line.
    pub(super) code: Vec<String>,
    /// Where links and pictures lead.
    pub(super) links: Vec<String>,
    /// What a link can name: headings as GitHub writes them, and anchors that stand in the text.
    pub(super) anchors: BTreeSet<String>,
}

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let (mut heading, mut cell) = (None::<String>, None::<Cell>);
        let mut in_code = false;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(tag) => {
                    in_code = matches!(tag, Tag::CodeBlock(_));
                    match tag {
                        Tag::Heading { level, .. } => {
                            page.headings.push(level);
                            heading = Some(String::new());
                        }
                        Tag::TableCell => cell = Some(Cell::new()),
                        other => page.start(other),
                    }
                }
                Event::End(TagEnd::CodeBlock) => in_code = false,
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.extend(heading.take().map(|text| slug(&text)));
                }
                Event::End(TagEnd::TableCell) => {
                    let row = page.tables.last_mut().and_then(|table| table.last_mut());
                    row.unwrap().extend(cell.take());
                }
                Event::Text(text) if in_code => page.code.last_mut().unwrap().push_str(&text),
                Event::Text(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Code(word) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&word);
                    }
                    if let Some(cell) = &mut cell {
                        cell.insert(word.to_string());
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    let written = html.split("<a id=\"").skip(1);
                    let names = written.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
                    page.anchors.extend(names);
                }
                _ => {}
            }
        }
        page
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Table(_) => self.tables.push(Vec::new()),
            Tag::TableHead | Tag::TableRow => self.tables.last_mut().unwrap().push(Vec::new()),
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => self.code.push(format!("{info}\n")),
            Tag::CodeBlock(CodeBlockKind::Indented) => self.code.push("\n".to_owned()),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push(dest_url.into_string());
            }
            _ => {}
        }
    }
}

/// As GitHub makes an anchor of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// All pages of the repository: of its top folder, and of docs/ with what is below.
pub(super) fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            } else if path.is_dir() && path.starts_with(root().join("docs")) {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}
