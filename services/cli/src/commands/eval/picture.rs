//! A plot as a file: SVG as it is, or drawn as PNG.

use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use resvg::{tiny_skia, usvg};

use crate::failure::{Failure, Result};

/// Dots of the PNG per unit of the SVG.
const SCALE: f32 = 2.0;

/// Before anything is measured: can such a file be written?
pub(crate) fn check(path: &Path) -> Result {
    match extension(path) {
        "svg" | "png" => Ok(()),
        _ => Err(Failure::Usage(format!("--plot {}: the name ends with neither .svg nor .png", path.display()))),
    }
}

pub(crate) fn write(path: &Path, svg: &str) -> Result {
    let failed = |e: &dyn std::fmt::Display| Failure::Other(format!("{}: {e}", path.display()));
    match extension(path) {
        "png" => std::fs::write(path, png(svg).map_err(|e| failed(&e))?),
        _ => std::fs::write(path, svg),
    }
    .map_err(|e| failed(&e))
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|x| x.to_str()).unwrap_or_default()
}

/// With a font of its own: what is installed here does not show.
fn png(svg: &str) -> std::result::Result<Vec<u8>, String> {
    let mut options = usvg::Options { font_family: "Ubuntu".to_owned(), ..usvg::Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(UBUNTU_LIGHT.to_vec());
    fonts.set_sans_serif_family("Ubuntu");
    let tree = usvg::Tree::from_str(svg, &options).map_err(|e| e.to_string())?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or("no size")?;
    let mut picture = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or("no room for a picture")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|e| e.to_string())
}
