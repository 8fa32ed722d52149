//! What the encoder reads before a block: its title and heading.

use crate::document::below_title;
use crate::extract::{Extracted, MediaType};

/// Longest prefix in bytes: about 50 tokens, what a segment leaves of the encoder's length.
const MAX_PREFIX_BYTES: usize = 160;
/// A first heading is looked for in this many bytes.
const TITLE_SEARCH_BYTES: usize = 4096;

/// `title: ` or `title, heading: `.
pub(super) struct Prefix(String);

impl Prefix {
    pub(super) fn new(title: &str, heading: &str) -> Self {
        let below = below_title(title, heading);
        let mut prefix = match (title.is_empty(), below.is_empty()) {
            (true, true) => return Self(String::new()),
            (false, true) => title.to_owned(),
            (true, false) => below.to_owned(),
            (false, false) => format!("{title}, {below}"),
        };
        if prefix.len() > MAX_PREFIX_BYTES {
            // The innermost heading says most about the block; of the title, the beginning.
            let title_part = cut_front(title, MAX_PREFIX_BYTES / 2);
            let rest = MAX_PREFIX_BYTES - title_part.len();
            prefix = format!("{title_part} {}", cut_back(below, rest));
        }
        prefix.truncate(prefix.trim_end().len());
        prefix.push_str(": ");
        Self(prefix)
    }

    pub(super) fn before(&self, text: &str) -> String {
        format!("{}{text}", self.0)
    }
}

/// At most `bytes` from the beginning.
fn cut_front(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// At most `bytes` from the end.
fn cut_back(text: &str, bytes: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The title of a document that came without: what it calls itself, its first Markdown heading, else its
/// file name.
pub(crate) fn title_of(uri: &str, source: &Extracted) -> String {
    if let Some(title) = source.title.as_deref().filter(|t| !t.trim().is_empty()) {
        return title.trim().to_owned();
    }
    if source.media == MediaType::Markdown {
        let head = cut_front(&source.text, TITLE_SEARCH_BYTES);
        let heading = head.lines().find_map(|l| l.strip_prefix("# ").map(|t| t.trim().trim_end_matches('#').trim()));
        if let Some(heading) = heading.filter(|h| !h.is_empty()) {
            return heading.to_owned();
        }
    }
    if let MediaType::Code(_) = source.media {
        return uri.trim_start_matches("file://").trim_start_matches("./").to_owned();
    }
    uri.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}
