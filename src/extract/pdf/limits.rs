//! What a PDF would take to read, found out before it is read: the parser itself unpacks without a limit and
//! follows forms inside forms however often.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::ZlibDecoder;
use hayro_interpret::hayro_syntax;
use hayro_syntax::Filter;
use hayro_syntax::Pdf;
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::dict::Dict;
use hayro_syntax::object::stream::Stream;
use hayro_syntax::object::{Name, Object, ObjectIdentifier};
use hayro_syntax::page::{Page, Resources};

use crate::extract::Unusable;

/// Most bytes that streams which are not images unpack to, each and in all.
const MAX_STREAM_BYTES: u64 = 64 * 1024 * 1024;
const MAX_UNPACKED_BYTES: u64 = 512 * 1024 * 1024;
/// Most forms drawn by a page, those inside others counted every time.
const MAX_FORMS: u64 = 50_000;
/// Deepest nesting of forms.
const MAX_DEPTH: usize = 24;

/// Refuses a document whose streams unpack to too much.
pub(super) fn check_streams(pdf: &Pdf) -> Result<(), Unusable> {
    let mut total = 0;
    for object in pdf.objects() {
        let Object::Stream(stream) = object else { continue };
        if is(stream.dict(), "Image") || !stream.filters().contains(&Filter::FlateDecode) {
            continue;
        }
        let packed = stream.raw_data();
        let mut sink = ZlibDecoder::new(&*packed).take(MAX_STREAM_BYTES + 1);
        let mut buffer = [0; 16 * 1024];
        let mut bytes = 0;
        // Damaged streams are the parser's business.
        while let Ok(read @ 1..) = sink.read(&mut buffer) {
            bytes += read as u64;
        }
        total += bytes;
        if bytes > MAX_STREAM_BYTES || total > MAX_UNPACKED_BYTES {
            let limit = if bytes > MAX_STREAM_BYTES { MAX_STREAM_BYTES } else { MAX_UNPACKED_BYTES };
            return Err(format!("its streams unpack to more than {limit} bytes"));
        }
    }
    Ok(())
}

fn is(dict: &Dict<'_>, subtype: &str) -> bool {
    dict.get::<Name<'_>>("Subtype").is_some_and(|name| AsRef::<[u8]>::as_ref(&name) == subtype.as_bytes())
}

/// Forms drawn by forms, each counted once and remembered.
#[derive(Default)]
pub(super) struct Forms(HashMap<ObjectIdentifier, u64>);

impl Forms {
    /// Refuses a page that draws forms inside forms too often.
    pub(super) fn check(&mut self, page: &Page<'_>) -> Result<(), Unusable> {
        let Some(content) = page.page_stream() else { return Ok(()) };
        if self.drawn(content, page.resources(), 0) > MAX_FORMS {
            return Err(format!("a page draws more than {MAX_FORMS} forms inside each other"));
        }
        Ok(())
    }

    fn drawn(&mut self, content: &[u8], resources: &Resources<'_>, depth: usize) -> u64 {
        let mut count: u64 = 0;
        let mut operations = TypedIter::new(content);
        while let Some(operation) = operations.next() {
            let TypedInstruction::XObject(object) = operation else { continue };
            let Some(form) = resources.get_x_object(object.0).filter(|s| is(s.dict(), "Form")) else { continue };
            count = count.saturating_add(1).saturating_add(self.inside(&form, resources, depth));
            if count > MAX_FORMS {
                break;
            }
        }
        count
    }

    fn inside(&mut self, form: &Stream<'_>, outer: &Resources<'_>, depth: usize) -> u64 {
        if depth >= MAX_DEPTH {
            return MAX_FORMS + 1;
        }
        let id = form.obj_id();
        if let Some(known) = self.0.get(&id) {
            return *known;
        }
        let Ok(content) = form.decoded_data() else { return 0 };
        let own = form.dict().get::<Dict<'_>>("Resources").map(Resources::new);
        let drawn = self.drawn(&content, own.as_ref().unwrap_or(outer), depth + 1);
        self.0.insert(id, drawn);
        drawn
    }
}
