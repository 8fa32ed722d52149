//! Tags and text to blocks.

use super::Tag;
use super::table::Table;
use crate::extract::{Language, PartKind};

/// Elements whose text is never shown.
const HIDDEN: &[&str] = &[
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "select", "datalist", "canvas",
    "audio", "video", "button", "dialog",
];
/// Elements beside the main text.
const ASIDE: &[&str] = &["nav", "footer", "aside", "form", "menu"];
/// The same by their role.
const ASIDE_ROLES: &[&str] = &["navigation", "banner", "contentinfo", "search", "complementary"];
/// Elements that flow with the text around them.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "input", "ins", "kbd", "label", "mark", "meter", "output", "progress", "q", "rp", "rt", "ruby", "s", "samp",
    "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];
/// Elements that hold nothing and are never closed.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements that end where the next of their name begins.
const UNCLOSED: &[&str] = &["p", "li", "td", "th", "tr", "dt", "dd", "option"];
/// Deepest level of lists.
const MAX_DEPTH: u8 = 16;

/// A block of text with its role.
pub(super) struct Block {
    pub(super) kind: PartKind,
    pub(super) text: String,
    /// First byte of the source that it is made from.
    pub(super) source: usize,
    /// Inside the page's main element.
    pub(super) is_main: bool,
    /// Navigation, footer and the like.
    pub(super) is_aside: bool,
}

/// An element that switches something until it ends; elements of its name inside it are counted.
#[derive(Default)]
struct Switch {
    name: String,
    open: usize,
}

impl Switch {
    fn is_on(&self) -> bool {
        self.open > 0
    }

    /// Opens with an element, or counts it; `false` where it is not for this switch.
    fn opens(&mut self, name: &str, begins: bool) {
        let ends_paragraph = self.name == "p" && !INLINE.contains(&name) && !HIDDEN.contains(&name);
        if self.is_on() && (ends_paragraph || (self.name == name && UNCLOSED.contains(&name))) {
            self.open = 0;
        }
        if self.is_on() {
            self.open += usize::from(self.name == name);
        } else if begins {
            name.clone_into(&mut self.name);
            self.open = 1;
        }
    }

    fn closes(&mut self, name: &str) {
        if self.is_on() && self.name == name {
            self.open -= 1;
        }
    }
}

/// A page while it is read.
#[derive(Default)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
    in_title: bool,
    hidden: Switch,
    aside: Switch,
    main: Switch,
    /// Text of the block being read, and where it begins in the source.
    text: String,
    source: Option<usize>,
    heading: Option<u8>,
    lists: u8,
    item_begins: bool,
    pre: usize,
    language: Option<Language>,
    /// The outermost table, and how many tables are open.
    table: Table,
    tables: usize,
}

impl Page {
    pub(super) fn open(&mut self, tag: &Tag, at: usize) {
        let name = tag.name.as_str();
        let is_hidden = HIDDEN.contains(&name) || tag.get("hidden").is_some() || tag.get("aria-hidden") == Some("true");
        if VOID.contains(&name) && self.hidden.is_on() {
            return;
        }
        self.hidden.opens(name, is_hidden && !matches!(name, "html" | "body") && !VOID.contains(&name));
        if self.hidden.is_on() {
            return;
        }
        if name == "title" && self.blocks.is_empty() {
            self.in_title = self.title.is_empty();
            return;
        }
        if INLINE.contains(&name) {
            if name == "code" && self.pre > 0 {
                self.language = self.language.or(language(tag));
            }
            return;
        }
        if name == "br" {
            return self.text.push('\n');
        }
        self.block_ends();
        let role = tag.get("role").unwrap_or_default();
        self.main.opens(name, matches!(name, "main" | "article") || role == "main");
        let heads_page = name == "header" && !self.main.is_on();
        self.aside.opens(name, ASIDE.contains(&name) || ASIDE_ROLES.contains(&role) || heads_page);
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = name[1..].parse().ok(),
            "ul" | "ol" | "dl" => self.lists = (self.lists + 1).min(MAX_DEPTH),
            "li" | "dd" => self.item_begins = true,
            "dt" => self.item_begins = false,
            "pre" => {
                self.pre += 1;
                self.language = language(tag);
            }
            "table" => {
                self.tables += 1;
                if self.tables == 1 {
                    self.table = Table::new(at);
                }
            }
            "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" if self.tables == 1 => {
                self.table.open(name, tag.number("rowspan"), tag.number("colspan"));
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self, name: &str) {
        if self.hidden.is_on() {
            return self.hidden.closes(name);
        }
        if name == "title" {
            self.in_title = false;
        }
        if INLINE.contains(&name) || matches!(name, "title" | "br") {
            return;
        }
        self.block_ends();
        self.main.closes(name);
        self.aside.closes(name);
        match name {
            "ul" | "ol" | "dl" => self.lists = self.lists.saturating_sub(1),
            "li" | "dd" => self.item_begins = false,
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                self.language = None;
            }
            "thead" | "tr" if self.tables == 1 => self.table.close(name),
            "table" => {
                if self.tables == 1 {
                    self.table_ends();
                }
                self.tables = self.tables.saturating_sub(1);
            }
            _ => {}
        }
    }

    pub(super) fn text(&mut self, text: &str, at: usize) {
        if self.hidden.is_on() {
            return;
        }
        if self.in_title {
            return self.title.push_str(text);
        }
        if self.source.is_none() && !text.trim().is_empty() {
            self.source = Some(at + (text.len() - text.trim_start().len()));
        }
        if self.pre > 0 {
            return self.text.push_str(text);
        }
        // Blanks collapse; a line break is only where the page says so.
        for c in text.chars() {
            if !c.is_whitespace() || c == '\u{a0}' {
                self.text.push(c);
            } else if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
        }
    }

    pub(super) fn finish(&mut self) {
        self.block_ends();
        if self.tables > 0 {
            self.table_ends();
        }
        self.title = super::super::writer::one_line(&self.title);
    }

    fn block_ends(&mut self) {
        let heading = self.heading.take();
        let source = self.source.take().unwrap_or_default();
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            self.heading = heading.filter(|_| text.is_empty()); // `<h1><div>`: the heading is still to come
            return;
        }
        if self.tables > 0 {
            let kind = if self.pre > 0 { PartKind::Code(self.language) } else { PartKind::Paragraph };
            let text = if self.pre > 0 { text } else { tidy(&text) };
            return self.table.take(kind, text);
        }
        let kind = match heading {
            Some(level) => PartKind::Heading(level),
            None if self.pre > 0 => PartKind::Code(self.language),
            None if self.lists > 0 && std::mem::take(&mut self.item_begins) => PartKind::Item(self.lists),
            None => PartKind::Paragraph,
        };
        let text = if self.pre > 0 { text } else { tidy(&text) };
        self.push(kind, text, source);
    }

    fn table_ends(&mut self) {
        let source = self.table.source;
        for (kind, text) in std::mem::take(&mut self.table).finish() {
            self.push(kind, text, source);
        }
    }

    fn push(&mut self, kind: PartKind, text: String, source: usize) {
        let is_main = self.main.is_on();
        // The title of a page may stand in its banner.
        let is_title = kind == PartKind::Heading(1) && self.aside.name == "header";
        let is_aside = self.aside.is_on() && !is_title;
        self.blocks.push(Block { kind, text, source, is_main, is_aside });
    }
}

/// Text without blanks at the ends of its lines.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    lines.join("\n")
}

/// The language that a class names: `language-rust`, `lang-js`, `highlight-source-python`.
fn language(tag: &Tag) -> Option<Language> {
    let classes = tag.get("class")?.split_whitespace();
    let named = |class: &str| {
        let name = ["language-", "lang-", "highlight-source-", "brush:"].iter().find_map(|p| class.strip_prefix(p));
        Language::named(name.unwrap_or(class))
    };
    classes.filter_map(named).next()
}
