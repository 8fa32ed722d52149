//! Bytes of many encodings to text.

use tamis::document::BlockKind;
use tamis::extract::{self, Extracted, MediaType};
use tamis::split::Limits;

use crate::check::{blocks, check};

fn read(bytes: &[u8]) -> Extracted {
    extract::from_bytes("x", MediaType::Plain, bytes.to_vec()).unwrap()
}

fn encoded(text: &str, encoding: &str) -> Vec<u8> {
    encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap().encode(text).0.into_owned()
}

#[test]
fn legacy_encodings_are_detected() {
    for (text, encoding) in [
        ("Das Müsli schmeckt dem Bären schön süß. Er aß täglich zwölf Äpfel für größere Kräfte.", "windows-1252"),
        ("Съешь ещё этих мягких французских булок, да выпей чаю. Всё хорошо.", "windows-1251"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", "shift_jis"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", "euc-jp"),
        ("学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？", "gb18030"),
        ("學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？人不知而不慍，不亦君子乎？", "big5"),
        ("모든 국민은 법 앞에 평등하다. 누구든지 차별을 받지 아니한다.", "euc-kr"),
    ] {
        let source = read(&encoded(text, encoding));
        assert_eq!(source.text, text, "{encoding}");
        assert!(source.decoded && source.is_extracted());
    }
}

#[test]
fn utf16_with_and_without_a_mark() {
    let text = "Sift the flour. Melt it — slowly.";
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|u| u.to_be_bytes()).collect();
    for bytes in [[&[0xff, 0xfe][..], &little].concat(), [&[0xfe, 0xff][..], &big].concat(), little, big] {
        assert_eq!(read(&bytes).text, text);
    }
}

/// UTF-8 stays as it is, byte for byte, its mark and its line breaks included.
#[test]
fn utf8_is_untouched() {
    let text = "\u{feff}One.\r\nTwo\0 and\u{b} three.\r\n\r\nÀ\u{300} e\u{301}.\r\n";
    let source = read(text.as_bytes());
    assert_eq!(source.text, text);
    assert!(!source.is_extracted());
    check(&source);
    let limits = Limits { block: 60, segment: 200, overlap: 0 };
    assert_eq!(
        blocks(&source, limits, &[BlockKind::Sentence]),
        ["One.", "Two\0 and\u{b} three.", "À\u{300} e\u{301}."]
    );
}

/// Mostly UTF-8 with a broken byte is UTF-8 all the same.
#[test]
fn a_broken_byte_does_not_change_the_encoding() {
    let mut bytes = "Größe, Süße, Bären, Äpfel, Öl, Übung — für alle. Größe, Süße, Bären.".repeat(3).into_bytes();
    bytes.push(0xff);
    let source = read(&bytes);
    assert!(source.text.starts_with("Größe, Süße") && source.text.ends_with('\u{fffd}'));
}
