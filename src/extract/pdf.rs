//! PDF: the text layer, page by page, in reading order.
//!
//! A PDF says where glyphs stand, not what they form. `layout` finds lines and columns on a page,
//! `flow` makes paragraphs and headings of the lines of all pages and leaves out what repeats on them.

mod flow;
mod layout;
mod limits;
mod script;

use hayro_interpret::font::GlyphRun;
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, hayro_syntax, interpret_page,
};
use hayro_syntax::page::Page;
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::writer::Writer;
use super::{Extracted, MAX_DOCUMENT_BYTES, Unusable};
use layout::Glyph;

/// Most pages of a document.
const MAX_PAGES: usize = 50_000;
/// Most glyphs of a page; a page of a newspaper has about 30,000.
const MAX_GLYPHS: usize = 500_000;
/// Share of glyphs without a character above which the text is useless.
const MAX_UNKNOWN_SHARE: f64 = 0.3;

pub(super) fn extract(content: Vec<u8>) -> Result<Extracted, Unusable> {
    // Damaged files are this parser's daily bread; should one still get through to a panic, it is the
    // document's fault and not the server's end.
    std::panic::catch_unwind(|| pages(content)).unwrap_or_else(|_| Err("damaged PDF".into()))
}

fn pages(content: Vec<u8>) -> Result<Extracted, Unusable> {
    let pdf = Pdf::new(content).map_err(|e| match e {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => {
            "encrypted: save it without a password".to_owned()
        }
        LoadPdfError::Decryption(e) => format!("encrypted in a way that can't be read: {e:?}"),
        LoadPdfError::Invalid => "not a PDF, or damaged beyond repair".to_owned(),
    })?;
    let pages = pdf.pages();
    if pages.len() > MAX_PAGES {
        return Err(format!("{} pages; the limit is {MAX_PAGES}", pages.len()));
    }
    limits::check_streams(&pdf)?;
    let mut forms = limits::Forms::default();
    let cache = InterpreterCache::new();
    let (mut found, mut bytes, mut unknown, mut glyphs) = (Vec::with_capacity(pages.len()), 0, 0, 0);
    for page in pages.iter() {
        forms.check(page)?;
        let collected = collect(page, &pdf, &cache);
        unknown += collected.unknown;
        glyphs += collected.glyphs.len();
        let lines = layout::lines(collected.glyphs);
        bytes += lines.iter().map(|l| l.text.len()).sum::<usize>();
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(format!("holds more than {MAX_DOCUMENT_BYTES} bytes of text"));
        }
        found.push(flow::PageLines { lines, height: page.render_dimensions().1 });
    }
    if unknown as f64 > MAX_UNKNOWN_SHARE * (unknown + glyphs) as f64 {
        return Err("its fonts do not say which characters they show: run it through OCR first".into());
    }
    if glyphs == 0 {
        return Err("no text layer: these are images of pages; run it through OCR first".into());
    }
    let mut writer = Writer::default();
    if let Some(title) = pdf.metadata().title.as_deref() {
        writer.title(&String::from_utf8_lossy(title));
    }
    flow::write(&found, &mut writer);
    Ok(writer.finish())
}

fn collect<'a>(page: &Page<'a>, pdf: &'a Pdf, cache: &InterpreterCache<'a>) -> Collected {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, width.into(), height.into());
    let place = Affine::new(page.initial_transform(true).as_coeffs());
    let mut context = Context::new(place, bounds, cache, pdf.xref(), InterpreterSettings::default());
    let mut collected = Collected { bounds, ..Collected::default() };
    interpret_page(page, &mut context, &mut collected);
    collected
}

/// A device that draws nothing and remembers where characters stand, with y growing downwards.
#[derive(Default)]
struct Collected {
    glyphs: Vec<Glyph>,
    bounds: Rect,
    /// Glyphs without a character.
    unknown: usize,
}

impl Device<'_> for Collected {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        for glyph in run.glyphs() {
            let transform = props.transform * glyph.transform();
            let origin = transform * Point::ZERO;
            let up = transform * Point::new(0.0, layout::UNITS_PER_EM) - origin;
            let width = match &**glyph {
                hayro_interpret::font::Glyph::Outline(g) => g.advance_width(),
                hayro_interpret::font::Glyph::Type3(g) => g.advance_width(),
            };
            let across = transform * Point::new(width.unwrap_or(500.0).into(), 0.0) - origin;
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(s)) => s,
                None => {
                    self.unknown += 1;
                    continue;
                }
            };
            if self.glyphs.len() < MAX_GLYPHS && self.bounds.inflate(1.0, 1.0).contains(origin) {
                self.glyphs.push(Glyph::new(text, origin, up, across));
            }
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {}
}
