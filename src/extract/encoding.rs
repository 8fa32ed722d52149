//! Bytes to UTF-8: byte order marks, then UTF-8, then detection.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// So many bytes are looked at to detect an encoding.
const DETECTED_BYTES: usize = 256 * 1024;
/// Share of characters that could not be decoded above which bytes are not text of the detected encoding.
const MAX_BROKEN_SHARE: f64 = 0.01;

/// With so many more characters that are valid UTF-8 beyond ASCII than are broken, a text is UTF-8.
const MIN_WIDE_PER_BROKEN: usize = 4;

/// Decodes text, and says whether that changed its bytes.
///
/// UTF-8 is taken as it is, with its byte order mark, so that spans count the bytes of the source. Other
/// encodings are found by their byte order mark (UTF-16) or detected (Windows code pages, Shift-JIS, EUC,
/// GB18030, Big5), and spans count the bytes of the decoded text.
///
/// # Errors
/// A reason, where the bytes fit no encoding.
pub(super) fn decode(bytes: Vec<u8>) -> Result<(String, bool), String> {
    if let Some((encoding, _)) = Encoding::for_bom(&bytes).filter(|(e, _)| *e != UTF_8) {
        return decode_with(encoding, &bytes).map(|text| (text, true));
    }
    if let Some(encoding) = utf16_without_mark(&bytes) {
        return decode_with(encoding, &bytes).map(|text| (text, true));
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok((text, false)),
        Err(e) => e.into_bytes(),
    };
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let head = &bytes[..bytes.len().min(DETECTED_BYTES)];
    detector.feed(head, head.len() == bytes.len());
    // UTF-8 with a few broken bytes is still UTF-8, if there is enough of it to tell.
    let utf8 = String::from_utf8_lossy(&bytes);
    let (broken, wide) = utf8.chars().fold((0usize, 0usize), |(broken, wide), c| {
        (broken + usize::from(c == '\u{fffd}'), wide + usize::from(!c.is_ascii() && c != '\u{fffd}'))
    });
    if wide > MIN_WIDE_PER_BROKEN * broken {
        return Ok((utf8.into_owned(), true));
    }
    drop(utf8);
    decode_with(detector.guess(None, Utf8Detection::Deny), &bytes).map(|text| (text, true))
}

fn decode_with(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, String> {
    let (text, _) = encoding.decode_with_bom_removal(bytes);
    let broken = text.chars().filter(|c| *c == '\u{fffd}').count();
    if broken as f64 > MAX_BROKEN_SHARE * text.chars().count() as f64 {
        return Err(format!(
            "neither UTF-8 nor {}, which it looks most like; convert the file to UTF-8",
            encoding.name()
        ));
    }
    Ok(text.into_owned())
}

/// Whether bytes are UTF-16, which looks like binary data at first.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    let marked = Encoding::for_bom(bytes).is_some_and(|(e, _)| e == UTF_16LE || e == UTF_16BE);
    marked || utf16_without_mark(bytes).is_some()
}

/// UTF-16 without a byte order mark shows by the zeros of its ASCII characters.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(4096) & !1];
    let units = head.len() / 2;
    let zeros = |at: usize| head.iter().skip(at).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match units {
        0..4 => None,
        _ if odd * 10 >= units * 4 && even * 50 <= units => Some(UTF_16LE),
        _ if even * 10 >= units * 4 && odd * 50 <= units => Some(UTF_16BE),
        _ => None,
    }
}
