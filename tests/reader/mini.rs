//! Reader-mini against what training said (`training/reference.py`), and adapters that are none.

use std::path::PathBuf;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use tamis::deadline::Deadline;
use tamis::encode::ModelChoice;
use tamis::error::Error;
use tamis::models::{Cache, Silent, sha256};
use tamis::read::{Adapter, MiniSettings, Of, Reader, ReaderMini, Reading, Rows, parts};
use tamis::runtime::Precision;

#[derive(Deserialize)]
struct Known {
    question: String,
    title: String,
    text: String,
    read: usize,
    logits: Vec<f32>,
    passage: f32,
}

fn reference() -> Vec<Known> {
    serde_json::from_str(include_str!("../data/reader/mini.json")).unwrap()
}

fn open(adapter: Option<PathBuf>, precision: Precision) -> Result<ReaderMini, Error> {
    let settings = MiniSettings { adapter, base: ModelChoice::Default, precision, sessions: 1 };
    ReaderMini::open(&settings, &Cache::from_environment().unwrap(), &Silent)
}

/// The largest difference to the reference, in logits.
fn difference(reader: &ReaderMini) -> f32 {
    let mut most = 0.0f32;
    for known in reference() {
        let reading = Reading { title: &known.title, text: &known.text, question: &known.question };
        let heard = reader.attention(&reading, Rows::Last, &Deadline::none()).unwrap();
        assert_eq!((heard.read, heard.tokens.len()), (known.read, known.logits.len()), "{:?}", known.text);
        assert!(heard.tokens.iter().all(|token| known.text.get(token.clone()).is_some()), "{:?}", heard.tokens);
        let passage = heard.to_question[0].ln();
        // What a token draws is its own odds times the passage's.
        let pairs = heard.shares.iter().map(|odds| odds.ln() - passage).zip(known.logits);
        most = pairs.chain([(passage, known.passage)]).map(|(said, logit)| (said - logit).abs()).fold(most, f32::max);
    }
    most
}

#[test]
fn merged_it_says_what_it_said_in_training() {
    let difference_in = |precision| difference(&open(None, precision).unwrap());
    let exact = difference_in(Precision::Fp32);
    assert!(exact < 2e-3, "{exact}");
    let rounded = difference_in(Precision::Int8);
    assert!(rounded < 3.0, "{rounded}");
}

#[test]
fn what_ships_is_pinned_by_its_card_and_smaller_than_a_megabyte() {
    let bytes = include_bytes!("../../models/reader-mini/adapter.safetensors");
    let card = include_str!("../../models/reader-mini/card.md");
    assert!(bytes.len() < 1_000_000, "{}", bytes.len());
    let shipped = Adapter::shipped().unwrap();
    assert_eq!(shipped.sha256(), sha256(bytes));
    assert!(card.contains(shipped.sha256()), "the card is of another adapter");
    assert!(shipped.languages().iter().any(|l| l == "eng"));
}

#[test]
fn it_finds_the_words_that_answer() {
    let reader = open(None, Precision::Fp32).unwrap();
    let text = "The old bridge fell in 1711. A stone one was built by Jean Delorme in 1739; it stood for 90 years.";
    for (question, answer) in [("Who built the bridge?", "Jean Delorme"), ("When did the old bridge fall?", "1711")] {
        let reading = Reading { title: "Bridges", text, question };
        let heard = reader.attention(&reading, Rows::Last, &Deadline::none()).unwrap();
        let (best, _) = heard.tokens.iter().zip(&heard.shares).max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        let at = text.find(answer).unwrap();
        assert!((at..at + answer.len()).contains(&best.start), "{question}: {:?}", &text[best.clone()]);
    }
}

#[test]
fn a_passage_longer_than_the_window_is_read_in_parts_that_share_a_block() {
    let reader = open(None, Precision::Fp32).unwrap();
    let sentence = "The harbour master of the northern town kept a careful list of every ship that came in. ";
    let text = sentence.repeat(80);
    let blocks: Vec<_> = (0..80).map(|n| n * sentence.len()..(n + 1) * sentence.len()).collect();
    let reading = Reading { title: "Ships", text: &text, question: "Who kept the list?" };
    assert!(matches!(
        reader.attention(&reading, Rows::Last, &Deadline::none()),
        Err(Error::LimitExceeded { field: "reader.window", limit: 512, .. })
    ));
    let parts = parts(&reader, &reading, &blocks).unwrap();
    assert!(parts.len() > 2);
    assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, text.len()));
    for pair in parts.windows(2) {
        assert_eq!(pair[1].start + sentence.len(), pair[0].end, "they share one block");
    }
    for part in parts {
        reader.attention(&Reading { text: &text[part], ..reading }, Rows::Last, &Deadline::none()).unwrap();
    }
}

#[test]
fn what_it_cannot_do_is_said() {
    let reader = open(None, Precision::Fp32).unwrap();
    let long = "why ".repeat(300);
    let reading = Reading { title: "", text: "Because.", question: &long };
    let error = reader.attention(&reading, Rows::Last, &Deadline::none()).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { field: "query", limit: 256, actual: 300 }), "{error}");
    let error = reader.certainty(&reading, Of::Answer, &Deadline::none()).unwrap_err().to_string();
    assert!(error.contains("needs the language model"), "{error}");
}

/// The shipped adapter with something changed.
fn changed(
    how: impl FnOnce(&mut std::collections::HashMap<String, String>, &mut Vec<(String, Vec<usize>, Vec<u8>)>),
) -> Vec<u8> {
    let bytes = include_bytes!("../../models/reader-mini/adapter.safetensors");
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut said = header.metadata().clone().unwrap();
    let stored = SafeTensors::deserialize(bytes).unwrap();
    let mut tensors: Vec<_> =
        stored.iter().map(|(n, t)| (n.to_owned(), t.shape().to_vec(), t.data().to_vec())).collect();
    how(&mut said, &mut tensors);
    let views = tensors.iter().map(|(n, shape, data)| (n, TensorView::new(Dtype::F16, shape.clone(), data).unwrap()));
    safetensors::serialize(views, Some(said)).unwrap()
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let shipped = include_bytes!("../../models/reader-mini/adapter.safetensors");
    let key = "encoder.layer.0.attention.self.key.weight";
    let not_a_number = half::f16::NAN.to_le_bytes();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (changed(|said, _| _ = said.insert("base".into(), "0".repeat(64))), "use the model that it was trained on"),
        (changed(|said, _| _ = said.remove("base")), "does not state its base"),
        (changed(|said, _| _ = said.insert("format".into(), "x/2".into())), "has the format"),
        (changed(|_, t| t.retain(|(n, ..)| n != "token_head.bias")), "token_head.bias is missing"),
        (changed(|_, t| t.retain(|(n, ..)| *n != format!("{key}.up"))), "has one half of a change"),
        (
            changed(|_, t| t.push(("pooler.dense.extra".into(), vec![1], vec![0, 0]))),
            "has no weight pooler.dense.extra",
        ),
        (changed(|_, t| t[0].2[..2].copy_from_slice(&not_a_number)), "no numbers"),
        (shipped[..shipped.len() / 2].to_vec(), "adapter"),
        (b"not an adapter".to_vec(), "adapter"),
        (Vec::new(), "adapter"),
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    for (bytes, reason) in cases {
        std::fs::write(file.path(), bytes).unwrap();
        let error = open(Some(file.path().to_path_buf()), Precision::Fp32).err().expect(reason);
        assert!(matches!(error, Error::Model { .. }) && error.to_string().contains(reason), "{reason}: {error}");
    }
    assert!(matches!(open(Some("/no/such/adapter".into()), Precision::Fp32), Err(Error::Io { .. })));
}
