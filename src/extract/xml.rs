//! XML as a sequence of tags and text, without prefixes.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Unusable;

/// What a document is made of.
pub(super) enum Xml<'a> {
    /// The beginning of an element, by its local name.
    Open(&'a str, Attributes<'a>),
    /// Its end.
    Close(&'a str),
    /// Text with its references resolved.
    Text(&'a str),
}

/// Attributes of an element.
pub(super) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// The value of an attribute by its local name.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// The values of all attributes of a local name, whatever their prefixes.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.attributes().flatten().filter(|a| a.key.local_name().as_ref() == name);
        named.map(|a| value(&a.value)).collect()
    }
}

/// Reads a document to its end.
pub(super) fn read(name: &str, xml: &str, mut on: impl FnMut(Xml<'_>)) -> Result<(), Unusable> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = false;
    loop {
        let event =
            reader.read_event().map_err(|e| format!("{name}: damaged XML at byte {}: {e}", reader.error_position()))?;
        match event {
            Event::Start(e) => on(Xml::Open(e.local_name().as_ref(), Attributes(&e))),
            Event::Empty(e) => {
                on(Xml::Open(e.local_name().as_ref(), Attributes(&e)));
                on(Xml::Close(e.local_name().as_ref()));
            }
            Event::End(e) => on(Xml::Close(e.local_name().as_ref())),
            Event::Text(e) => on(Xml::Text(&e)),
            Event::CData(e) => on(Xml::Text(&e)),
            Event::GeneralRef(e) => {
                let character = e.resolve_char_ref().ok().flatten().map(String::from);
                let named = || quick_xml::escape::resolve_predefined_entity(&e).map(str::to_owned);
                if let Some(text) = character.or_else(named) {
                    on(Xml::Text(&text));
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn value(raw: &str) -> String {
    quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), |v| v.into_owned())
}
