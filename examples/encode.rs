//! Encodes the texts of a JSON list and says how long it took, without loading:
//!
//!     cargo run --release --example encode -- TEXTS.json [fp32|int8|bf16] [SESSIONS]

#![allow(clippy::print_stdout)] // an example

use std::time::Instant;

use tamis::deadline::Deadline;
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder, Priority};
use tamis::models::{Cache, Silent};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a JSON file with a list of texts")?;
    let precision = arguments.next().unwrap_or_else(|| "auto".into()).parse()?;
    let sessions = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(path)?)?;
    let settings = EncoderSettings { precision, sessions, ..EncoderSettings::default() };
    let encoder = OnnxEncoder::load(&settings, &Cache::from_environment()?, &Silent)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let warm_up = &texts[..texts.len().min(16)];
    encoder.encode_passages(warm_up, Priority::Ingest, &Deadline::none())?;
    let start = Instant::now();
    encoder.encode_passages(&texts, Priority::Ingest, &Deadline::none())?;
    let seconds = start.elapsed().as_secs_f64();
    let tokens: usize = texts.iter().map(|t| encoder.count_tokens(t).min(encoder.max_tokens())).sum();
    println!("{{\"precision\":\"{}\",\"seconds\":{seconds:.4},\"tokens\":{tokens}}}", encoder.precision());
    Ok(())
}
