//! The encoder against reference vectors from sentence-transformers (`tests/data/encoder/make.py`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use tamis::deadline::Deadline;
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder, Precision, Priority};
use tamis::models::{Cache, Silent};

fn encoder(precision: Precision, temperature: f32) -> OnnxEncoder {
    let settings = EncoderSettings { precision, temperature, sessions: 2, ..EncoderSettings::default() };
    OnnxEncoder::load(&settings, &Cache::from_environment().unwrap(), &Silent).unwrap()
}

/// Texts and their reference vectors.
fn reference() -> (Vec<String>, Vec<Vec<f32>>) {
    let texts: Vec<String> = serde_json::from_str(include_str!("data/encoder/texts.json")).unwrap();
    let bytes = include_bytes!("data/encoder/vectors.f32");
    let floats: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let vectors: Vec<Vec<f32>> = floats.chunks_exact(384).map(<[f32]>::to_vec).collect();
    assert_eq!(texts.len(), vectors.len());
    assert!(texts.len() >= 50);
    (texts, vectors)
}

/// Cosines of every text's vector with its reference.
fn cosines(encoder: &OnnxEncoder) -> Vec<f32> {
    let (texts, expected) = reference();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = encoder.encode_passages(&texts, Priority::Ingest, &Deadline::none()).unwrap();
    vectors.iter().zip(&expected).map(|(v, e)| v.as_slice().iter().zip(e).map(|(a, b)| a * b).sum()).collect()
}

fn minimum(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::MAX, f32::min)
}

#[test]
fn fp32_equals_the_reference() {
    let least = minimum(&cosines(&encoder(Precision::Fp32, 1.0)));
    assert!(least >= 0.9999, "minimum cosine {least}");
}

#[test]
fn int8_is_near_the_reference() {
    let all = cosines(&encoder(Precision::Int8, 1.0));
    let mean = all.iter().sum::<f32>() / all.len() as f32;
    println!("int8: minimum cosine {:.4}, mean {mean:.4}", minimum(&all));
    assert!(minimum(&all) >= 0.96 && mean >= 0.985, "minimum {}, mean {mean}", minimum(&all));
}

#[test]
fn a_vector_does_not_depend_on_its_batch() {
    let (texts, _) = reference();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for precision in [Precision::Fp32, Precision::Int8] {
        let encoder = encoder(precision, 1.0);
        let together = encoder.encode_passages(&texts, Priority::Ingest, &Deadline::none()).unwrap();
        for (text, expected) in texts.iter().zip(&together).step_by(7) {
            let alone = encoder.encode_query(text, &Deadline::none()).unwrap();
            assert_eq!(alone, *expected, "{precision}: {text:?}");
        }
    }
}

#[test]
fn temperature_changes_vectors_and_fingerprint() {
    let (plain, tempered) = (encoder(Precision::Fp32, 1.0), encoder(Precision::Fp32, 0.8));
    assert_ne!(plain.fingerprint(), tempered.fingerprint());
    let text = "A tamis is a fine drum sieve through which cooks press food.";
    let cosine = plain
        .encode_query(text, &Deadline::none())
        .unwrap()
        .cosine(&tempered.encode_query(text, &Deadline::none()).unwrap());
    assert!((0.8..0.9999).contains(&cosine), "{cosine}");
}

#[test]
fn late_pooling_of_the_whole_text_is_its_vector() {
    let encoder = encoder(Precision::Fp32, 1.0);
    let text = "Sift the flour. Melt the butter.";
    let ranges = [0..15, 16..32];
    let (whole, parts) = encoder.encode_pooled(text, &ranges, Priority::Ingest, &Deadline::none()).unwrap();
    let alone = encoder.encode_query(text, &Deadline::none()).unwrap();
    assert!(whole.cosine(&alone) > 0.9999);
    let flour = encoder.encode_query("Sift the flour.", &Deadline::none()).unwrap();
    assert!(parts[0].cosine(&flour) > parts[1].cosine(&flour), "each range is nearest to its own text");
}

#[test]
fn a_cancelled_request_stops_encoding() {
    let encoder = encoder(Precision::Int8, 1.0);
    let deadline = Deadline::none();
    deadline.cancel();
    let result = encoder.encode_passages(&["one", "two"], Priority::Ingest, &deadline);
    assert!(matches!(result, Err(tamis::error::Error::Cancelled)));
}

#[test]
fn settings_out_of_range_name_the_field() {
    let settings = EncoderSettings { temperature: 0.1, ..EncoderSettings::default() };
    let error = OnnxEncoder::load(&settings, &Cache::from_environment().unwrap(), &Silent).err().unwrap();
    assert!(error.to_string().starts_with("encoder.temperature: 0.1 is outside"), "{error}");
}
