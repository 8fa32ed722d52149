//! What content looks like, where its name does not say.

use super::shape::{has_time, speaker};
use super::{Language, MediaType};

/// So many bytes at the beginning are looked at.
const HEAD_BYTES: usize = 4096;
/// Share of lines that must look like a log's or a chat's.
const SHARE: f64 = 0.6;
/// With fewer lines nothing is concluded from their look.
const MIN_LINES: usize = 3;

/// Content that is what its first bytes say.
pub(super) fn by_magic(content: &[u8]) -> Option<MediaType> {
    let begins = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    // Some writers put other bytes before it; text that only speaks of PDF is not taken for one.
    let head = &content[..content.len().min(1024)];
    if begins.starts_with(b"%PDF-") || (find(head, b"%PDF-").is_some() && super::is_binary(content)) {
        return Some(MediaType::Pdf);
    }
    if !content.starts_with(b"PK\x03\x04") {
        return None;
    }
    // OpenDocument and EPUB store their type first, uncompressed; Office names its folders.
    let head = &content[..content.len().min(HEAD_BYTES)];
    let has = |needle: &[u8], inside: &[u8]| find(inside, needle).is_some();
    if has(b"application/epub+zip", head) {
        return Some(MediaType::Epub);
    }
    if has(b"application/vnd.oasis.opendocument.text", head) {
        return Some(MediaType::Odt);
    }
    // The table of contents stands at the end.
    let tail = &content[content.len().saturating_sub(256 * 1024)..];
    let folders: [(&[u8], MediaType); 3] = [
        (b"word/document", MediaType::Docx),
        (b"ppt/presentation", MediaType::Pptx),
        (b"xl/workbook", MediaType::Xlsx),
    ];
    folders.into_iter().find(|(folder, _)| has(folder, tail) || has(folder, head)).map(|(_, media)| media)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// What a text looks like; `None` for prose.
pub(super) fn by_text(content: &[u8]) -> Option<MediaType> {
    let head = String::from_utf8_lossy(&content[..content.len().min(HEAD_BYTES)]);
    let head = head.trim_start_matches('\u{feff}').trim_start();
    if let Some(language) = Language::of_script(head) {
        return Some(MediaType::Code(language));
    }
    let lower = head[..floor(head, 256)].to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.contains("<html ") {
        return Some(MediaType::Html);
    }
    if head.starts_with("WEBVTT") || (head.starts_with("1\n") || head.starts_with("1\r\n")) && head.contains("-->") {
        return Some(MediaType::Subtitles);
    }
    if is_json(head) {
        let notebook = head.contains("\"cells\"") && head.contains("\"cell_type\"");
        let by_line = head.lines().take(2).filter(|l| l.starts_with('{') && l.ends_with('}')).count() == 2;
        return Some(match (notebook, by_line) {
            (true, _) => MediaType::Notebook,
            (_, true) => MediaType::JsonLines,
            _ => MediaType::Json,
        });
    }
    if is_mail(head) {
        return Some(MediaType::Mail);
    }
    let lines: Vec<&str> = head.lines().filter(|l| !l.trim().is_empty()).collect();
    let most = |is: &dyn Fn(&str) -> bool| {
        lines.len() >= MIN_LINES && lines.iter().filter(|l| is(l)).count() as f64 >= SHARE * lines.len() as f64
    };
    if most(&|l| speaker(l).is_some()) {
        return Some(MediaType::Chat);
    }
    if most(&has_time) {
        return Some(MediaType::Log);
    }
    None
}

/// The largest character boundary at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn is_json(head: &str) -> bool {
    let mut rest = head.chars().filter(|c| !c.is_whitespace());
    matches!((rest.next(), rest.next()), (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '[' | '"' | ']')))
}

/// Headers of a mail, or the first line of an mbox file.
fn is_mail(head: &str) -> bool {
    let headers: Vec<&str> = head.lines().take_while(|l| !l.trim().is_empty()).collect();
    let has = |name: &str| headers.iter().any(|l| l.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name)));
    has("from:")
        && (has("subject:") || has("to:") || has("date:"))
        && (has("message-id:") || has("received:") || has("mime-version:") || has("date:"))
}
