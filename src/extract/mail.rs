//! Mail messages and mbox files: who, when and what about, then the body; quoted text as turns.

use mail_parser::mailbox::mbox::MessageIterator;
use mail_parser::{Message, MessageParser};

use super::writer::Writer;
use super::{Extracted, MediaType, PartKind, Unusable, html};
use crate::document::MetadataValue;

pub(super) fn extract(content: &[u8]) -> Result<Extracted, Unusable> {
    let mut writer = Writer::default();
    if !content.starts_with(b"From ") {
        let message = MessageParser::default().parse(content).ok_or("not a mail message: it has no headers")?;
        add(&message, &mut writer, true);
        return Ok(writer.finish());
    }
    for (n, raw) in MessageIterator::new(content).enumerate() {
        let raw = raw.map_err(|e| format!("damaged mailbox at message {}: {e:?}", n + 1))?;
        if let Some(message) = MessageParser::default().parse(raw.contents()) {
            writer.place(format!("message {}", n + 1));
            add(&message, &mut writer, false);
        }
    }
    Ok(writer.finish())
}

/// Adds a message; `alone` where it is the whole document, which then has its metadata.
fn add(message: &Message<'_>, writer: &mut Writer, alone: bool) {
    let subject = message.subject().unwrap_or_default();
    let people = |address: Option<&mail_parser::Address<'_>>| -> String {
        let shown = |a: &mail_parser::Addr<'_>| match (a.name(), a.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (name, address) => name.or(address).unwrap_or_default().to_owned(),
        };
        address.map(|a| a.iter().map(shown).collect::<Vec<_>>().join(", ")).unwrap_or_default()
    };
    let date = message.date().map(|d| d.to_rfc3339()).unwrap_or_default();
    let fields = [("From", people(message.from())), ("To", people(message.to())), ("Date", date)];
    if !subject.trim().is_empty() {
        writer.part(PartKind::Heading(1), subject);
    }
    let lines: Vec<String> = fields.iter().filter(|f| !f.1.is_empty()).map(|(k, v)| format!("{k}: {v}")).collect();
    writer.part(PartKind::Entry, &lines.join("\n"));
    if alone {
        writer.title(subject);
        for (key, value) in fields.into_iter().filter(|f| !f.1.is_empty()) {
            writer.metadata(&key.to_lowercase(), MetadataValue::Text(value));
        }
    }
    for n in 0..message.text_body_count().max(message.html_body_count()) {
        // A body that is only HTML is a page; the library's conversion to text would lose its structure.
        let plain = message.text_part(n as u32).filter(|p| !p.is_text_html()).and_then(|p| p.text_contents());
        match (plain, message.body_html(n)) {
            (Some(text), _) => body(text, writer),
            (None, Some(page)) => writer.append(&html::extract(&page)),
            (None, None) => {}
        }
    }
}

/// Prose, and between it what is quoted with the line that says from whom.
fn body(text: &str, writer: &mut Writer) {
    let lines: Vec<&str> = text.lines().collect();
    let is_quoted = |n: usize| lines.get(n).is_some_and(|l| l.starts_with('>'));
    // `On Monday, Ann wrote:` before a quotation, perhaps with a blank line between.
    let attributes = |n: usize| {
        let next = if lines.get(n + 1).is_some_and(|l| l.trim().is_empty()) { n + 2 } else { n + 1 };
        lines[n].trim_end().ends_with(':') && is_quoted(next)
    };
    let mut at = 0;
    while at < lines.len() {
        let start = at;
        at += 1;
        if is_quoted(start) || attributes(start) {
            let head = if is_quoted(start) { 0 } else { lines[start].len() };
            while is_quoted(at) || (at < lines.len() && lines[at].trim().is_empty() && is_quoted(at + 1)) {
                at += 1;
            }
            writer.part(PartKind::Turn(head as u32), &lines[start..at].join("\n"));
        } else {
            while at < lines.len() && !is_quoted(at) && !attributes(at) {
                at += 1;
            }
            writer.part(PartKind::Nested(MediaType::Plain), &lines[start..at].join("\n"));
        }
    }
}
