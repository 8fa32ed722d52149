//! bf16 through OpenVINO, in a process of its own: a process loads one ONNX Runtime.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use tamis::deadline::Deadline;
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder, Precision, Priority};
use tamis::models::{Cache, Silent};

/// Where the CPU has no bf16, OpenVINO computes the same graph in fp32: then this holds the provider and
/// the loading, and the bound is met with room to spare.
#[test]
fn bf16_is_as_near_as_promised() {
    let settings = EncoderSettings { precision: Precision::Bf16, sessions: 2, ..EncoderSettings::default() };
    let encoder = OnnxEncoder::load(&settings, &Cache::from_environment().unwrap(), &Silent).unwrap();
    assert_eq!(encoder.precision(), Precision::Bf16);
    let texts: Vec<String> = serde_json::from_str(include_str!("data/encoder/texts.json")).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let bytes = include_bytes!("data/encoder/vectors.f32");
    let floats: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let vectors = encoder.encode_passages(&texts, Priority::Ingest, &Deadline::none()).unwrap();
    let mut least = 1.0f32;
    for ((text, vector), expected) in texts.iter().zip(&vectors).zip(floats.chunks_exact(encoder.dimension())) {
        least = least.min(vector.as_slice().iter().zip(expected).map(|(a, b)| a * b).sum());
        if text.len() < 20 {
            assert_eq!(encoder.encode_query(text, &Deadline::none()).unwrap(), *vector, "independent of the batch");
        }
    }
    println!("bf16: minimum cosine {least:.5}; avx512_bf16: {}", std::arch::is_x86_feature_detected!("avx512bf16"));
    assert!(least >= 0.9995, "minimum cosine {least}");
}
