//! The reader against transformers (`tests/data/reader/make.py`), and files that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod mini;
mod states;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tamis::deadline::Deadline;
use tamis::error::Error;
use tamis::models::{Cache, Silent};
use tamis::onnx::Head;
use tamis::read::{
    CachedReader, Gguf, InfiniRetri, InfiniRetriSettings, LanguageReader, LazyReader, Listen, Of, Reader,
    ReaderSettings, Reading, Rows, parts,
};
use tamis::runtime::Precision;

#[derive(Deserialize)]
struct Reference {
    heads: Vec<[usize; 2]>,
    readings: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    title: String,
    text: String,
    question: String,
    tokens: Vec<i64>,
    passage: [usize; 2],
    attention: Vec<Vec<f32>>,
    unlikely: Vec<f32>,
    entropy: f32,
}

impl Known {
    fn reading(&self) -> Reading<'_> {
        Reading { title: &self.title, text: &self.text, question: &self.question }
    }
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../data/reader/reference.json")).unwrap()
}

fn heads() -> Vec<Head> {
    reference().heads.iter().map(|[layer, head]| Head { layer: *layer, head: *head }).collect()
}

fn open(settings: ReaderSettings) -> Result<LanguageReader, Error> {
    LanguageReader::open(settings, &Cache::from_environment().unwrap(), &Silent)
}

fn reader(precision: Precision) -> LanguageReader {
    open(ReaderSettings {
        precision,
        listen: Listen::Heads(heads(), Rows::Last),
        sessions: 1,
        window: 256,
        ..ReaderSettings::default()
    })
    .unwrap()
}

/// The largest differences to the reference, in attention and in certainty.
fn differences(reader: &LanguageReader) -> (f32, f32) {
    let (mut attention, mut certainty) = (0.0f32, 0.0f32);
    for known in reference().readings {
        let [first, end] = known.passage;
        let heard = reader.attention(&known.reading(), Rows::Last, &Deadline::none()).unwrap();
        assert_eq!((heard.read, heard.tokens.len()), (known.tokens.len(), end - first), "{:?}", known.text);
        for (n, row) in known.attention.iter().enumerate() {
            let pairs = heard.of(n, 0).iter().zip(&row[first..end]);
            attention = pairs.map(|(a, b)| (a - b).abs()).fold(attention, f32::max);
        }
        let sure = reader.certainty(&known.reading(), Of::Passage, &Deadline::none()).unwrap();
        certainty = certainty.max((sure.entropy - known.entropy).abs());
        let before = first.saturating_sub(1);
        // The first token of all was not foretold by anything.
        let foretold = &known.unlikely[before..end - 1];
        let said = &sure.tokens[sure.tokens.len() - foretold.len()..];
        certainty = said.iter().zip(foretold).map(|((_, a), b)| (a - b).abs()).fold(certainty, f32::max);
    }
    println!("attention {attention}, certainty {certainty}");
    (attention, certainty)
}

#[test]
fn fp32_equals_the_reference() {
    let (attention, certainty) = differences(&reader(Precision::Fp32));
    assert!(attention < 1e-5 && certainty < 1e-3, "{attention} {certainty}");
}

#[test]
fn int8_is_near_the_reference() {
    let (attention, certainty) = differences(&reader(Precision::Int8));
    assert!(attention < 0.2 && certainty < 3.0, "{attention} {certainty}");
}

#[test]
fn spans_are_bytes_of_the_passage() {
    let reader = reader(Precision::Int8);
    let text = "  Für 3,5 mm: 東京 👍🏽 <|im_end|>\n";
    let heard =
        reader.attention(&Reading { title: "A", text, question: "Was?" }, Rows::Question, &Deadline::none()).unwrap();
    assert!(heard.tokens.iter().all(|bytes| text.get(bytes.clone()).is_some()), "{:?}", heard.tokens);
    let mut covered = vec![false; text.len()];
    heard.tokens.iter().for_each(|bytes| covered[bytes.clone()].fill(true));
    assert!(covered.into_iter().all(|c| c));
    assert!(heard.rows > 3, "a row for every token of the question and what follows: {}", heard.rows);
    for head in 0..heard.heads.len() {
        for row in 0..heard.rows {
            let given: f32 = heard.of(head, row).iter().sum();
            assert!((0.0..=1.01).contains(&given), "{given}");
        }
    }
}

#[test]
fn what_is_too_long_or_too_late_is_refused() {
    let reader = reader(Precision::Int8);
    let long = "sieve ".repeat(300);
    let reading = Reading { title: "", text: &long, question: "what?" };
    let error = reader.attention(&reading, Rows::Last, &Deadline::none()).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { field: "reader.window", limit: 256, .. }), "{error}");
    assert!(reader.count_tokens(&reading).unwrap() > 256);
    let error = reader
        .certainty(&Reading { text: "short", ..reading }, Of::Answer, &Deadline::after(Duration::ZERO))
        .unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded { .. }), "{error}");
    // Nothing to read is nothing to hear, and no error.
    let empty = Reading { title: "", text: "", question: "" };
    let heard = reader.attention(&empty, Rows::Last, &Deadline::none()).unwrap();
    assert!(heard.tokens.is_empty() && heard.shares.is_empty());
    assert!(reader.certainty(&empty, Of::Passage, &Deadline::none()).unwrap().tokens.is_empty());
}

#[test]
fn heads_and_windows_are_checked() {
    let wrong = |settings: ReaderSettings| match open(settings) {
        Err(e) => e.to_string(),
        Ok(reader) => {
            let reading = Reading { title: "", text: "a", question: "b" };
            reader.attention(&reading, Rows::Last, &Deadline::none()).unwrap_err().to_string()
        }
    };
    let fast = ReaderSettings { precision: Precision::Int8, sessions: 1, ..ReaderSettings::default() };
    let head = |layer, head| vec![Head { layer, head }];
    assert!(
        wrong(ReaderSettings { listen: Listen::Heads(head(30, 0), Rows::Last), ..fast.clone() })
            .contains("30 layers of 9 heads")
    );
    assert!(
        wrong(ReaderSettings { listen: Listen::Heads(vec![], Rows::Last), ..fast.clone() })
            .contains("at least one head")
    );
    assert!(wrong(ReaderSettings { window: 9000, ..fast.clone() }).contains("8192"));
    assert!(wrong(ReaderSettings { sessions: 0, ..fast }).contains("reader.sessions"));
}

/// A GGUF of a tiny network, written by hand.
struct Tiny {
    architecture: &'static str,
    tokens: usize,
    weight: f32,
}

impl Tiny {
    const SOUND: Tiny = Tiny { architecture: "llama", tokens: 5, weight: 0.25 };

    fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        let text = |out: &mut Vec<u8>, s: &str| {
            out.extend((s.len() as u64).to_le_bytes());
            out.extend(s.as_bytes());
        };
        let tensors: Vec<(&str, Vec<u64>)> = vec![
            ("token_embd.weight", vec![4, 5]),
            ("blk.0.attn_norm.weight", vec![4]),
            ("blk.0.attn_q.weight", vec![4, 4]),
            ("blk.0.attn_k.weight", vec![4, 2]),
        ];
        let wholes = [
            ("llama.block_count", 1u32),
            ("llama.embedding_length", 4),
            ("llama.attention.head_count", 2),
            ("llama.attention.head_count_kv", 1),
            ("llama.context_length", 64),
        ];
        out.extend(3u32.to_le_bytes());
        out.extend((tensors.len() as u64).to_le_bytes());
        out.extend((wholes.len() as u64 + 4).to_le_bytes());
        for (key, value) in [("general.architecture", self.architecture), ("tokenizer.ggml.model", "gpt2")] {
            text(&mut out, key);
            out.extend(8u32.to_le_bytes());
            text(&mut out, value);
        }
        let tokens: Vec<String> =
            ["a", "b", "ab", "Ġ", "Ċ", "c"][..self.tokens].iter().map(|s| (*s).to_owned()).collect();
        for (key, texts) in [("tokenizer.ggml.tokens", tokens), ("tokenizer.ggml.merges", vec!["a b".to_owned()])] {
            text(&mut out, key);
            out.extend(9u32.to_le_bytes());
            out.extend(8u32.to_le_bytes());
            out.extend((texts.len() as u64).to_le_bytes());
            texts.iter().for_each(|t| text(&mut out, t));
        }
        for (key, value) in wholes {
            text(&mut out, key);
            out.extend(4u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        let mut at = 0u64;
        for (name, dims) in &tensors {
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(0u32.to_le_bytes());
            out.extend(at.to_le_bytes());
            at += dims.iter().product::<u64>() * 4;
        }
        out.resize(out.len().next_multiple_of(32), 0);
        for n in 0..at / 4 {
            out.extend((if n == 7 { self.weight } else { 0.5 }).to_le_bytes());
        }
        out
    }

    fn written(&self, folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("tiny.gguf");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }

    /// What reading with it says.
    fn refusal(&self) -> Result<(), Error> {
        let folder = tempfile::tempdir().unwrap();
        let settings = ReaderSettings {
            model: Some(self.written(&folder)),
            precision: Precision::Fp32,
            listen: Listen::Heads(vec![Head { layer: 0, head: 1 }], Rows::Last),
            window: 64,
            sessions: 1,
            ..ReaderSettings::default()
        };
        open(settings)?.attention(&Reading { title: "", text: "ab", question: "a" }, Rows::Last, &Deadline::none())?;
        Ok(())
    }
}

#[test]
fn any_llama_is_read_and_nothing_else() {
    Tiny::SOUND.refusal().unwrap();
    let refused = |tiny: Tiny| tiny.refusal().unwrap_err().to_string();
    let other = refused(Tiny { architecture: "mamba", ..Tiny::SOUND });
    assert!(other.contains("mamba") && other.contains("llama"), "{other}");
    let more = refused(Tiny { tokens: 6, ..Tiny::SOUND });
    assert!(more.contains("do not belong together"), "{more}");
    let no_number = refused(Tiny { weight: f32::NAN, ..Tiny::SOUND });
    assert!(no_number.contains("token_embd.weight holds values that are no numbers"), "{no_number}");
}

#[test]
fn a_file_that_is_cut_off_or_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sound = Tiny::SOUND.bytes();
    let path = folder.path().join("cut.gguf");
    for length in 0..sound.len() {
        std::fs::write(&path, &sound[..length]).unwrap();
        let error = Gguf::open(&path).err().unwrap_or_else(|| panic!("{length} of {} bytes", sound.len()));
        assert!(matches!(error, Error::Model { .. }), "{error}");
    }
    // Lengths that can't be, anywhere in the header: an error or another sound file, never a panic.
    for at in (4..sound.len() - 8).step_by(3) {
        let mut damaged = sound.clone();
        damaged[at..at + 8].fill(0xff);
        std::fs::write(&path, damaged).unwrap();
        let _ = Gguf::open(&path).and_then(|g| g.shape());
    }
    std::fs::write(&path, "not a model").unwrap();
    assert!(Gguf::open(&path).err().unwrap().to_string().contains("no GGUF"));
    assert!(matches!(Gguf::open(&folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn what_is_longer_than_the_window_is_read_in_parts() {
    let reader = reader(Precision::Int8);
    let text = "A sieve has a drum. ".repeat(40) + &"sieve".repeat(300);
    let blocks: Vec<_> = (0..40).map(|n| n * 20..n * 20 + 19).chain(std::iter::once(800..text.len())).collect();
    let whole = Reading { title: "Sieves", text: &text, question: "what has a drum?" };
    let found = parts(&reader, &whole, &blocks).unwrap();
    assert!(found.len() > 2, "{found:?}");
    assert_eq!((found[0].start, found[found.len() - 1].end), (0, text.len()));
    assert!(found.windows(2).all(|p| p[0].end <= p[1].start && p[1].start - p[0].end <= 1), "nothing is left out");
    for part in found {
        let reading = Reading { text: &text[part], ..whole };
        assert!(reader.attention(&reading, Rows::Last, &Deadline::none()).is_ok());
    }
    let long = "why ".repeat(300);
    let error = parts(&reader, &Reading { question: &long, ..whole }, &blocks).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { field: "query", limit: 256, .. }), "{error}");
}

#[test]
fn long_text_is_read_with_a_bounded_memory() {
    let precision = Precision::Int8;
    let reader = open(ReaderSettings { precision, sessions: 1, window: 512, ..ReaderSettings::default() }).unwrap();
    let settings = InfiniRetriSettings { chunk: 200, cap: 100, top: 60, ..InfiniRetriSettings::default() };
    let mut infini = InfiniRetri::new(&reader, "", "What is the secret code of the bakery?", settings).unwrap();
    for n in 0..120 {
        let filler = format!("The train number {n} arrives at noon and leaves when everybody is on board. ");
        let text = if n == 37 { "The secret code of the bakery is 74-Lima. " } else { filler.as_str() };
        infini.push(text, n, &Deadline::none()).unwrap();
        assert!(infini.kept().iter().map(|k| k.tokens).sum::<usize>() <= 100);
    }
    infini.finish(&Deadline::none()).unwrap();
    let kept: Vec<usize> = infini.kept().iter().map(|k| k.what).collect();
    assert!(kept.contains(&37) && kept.is_sorted(), "{kept:?}");
    assert!(infini.tokens_read() > 1500);
    let best = infini.kept().iter().max_by(|a, b| a.score.total_cmp(&b.score)).unwrap();
    assert_eq!(best.what, 37);
    let long = "why ".repeat(600);
    assert!(matches!(
        InfiniRetri::<usize>::new(&reader, "", &long, settings),
        Err(Error::LimitExceeded { field: "query", .. })
    ));
    let nothing = InfiniRetriSettings { cap: 0, ..settings };
    assert!(InfiniRetri::<usize>::new(&reader, "", "why", nothing).is_err());
}

#[test]
fn what_was_heard_is_remembered() {
    let cached = CachedReader::new(Arc::new(reader(Precision::Int8)), 1024 * 1024);
    let reading = Reading { title: "A", text: "A sieve has a drum.", question: "what has a drum?" };
    let first = cached.attention(&reading, Rows::Last, &Deadline::none()).unwrap();
    let again = cached.attention(&reading, Rows::Last, &Deadline::after(Duration::ZERO)).unwrap();
    assert_eq!((again.read, &again.shares), (0, &first.shares), "remembered: no time is needed");
    let mean = cached.attention(&reading, Rows::Mean, &Deadline::none()).unwrap();
    assert!(mean.read > 0 && mean.rows == 1 && mean.shares != first.shares, "other rows are another thing");
    let asked = Reading { question: "what is a drum?", ..reading };
    assert!(cached.certainty(&asked, Of::Answer, &Deadline::none()).unwrap().read > 0);
    assert_eq!(cached.certainty(&asked, Of::Answer, &Deadline::none()).unwrap().read, 0);
}

#[test]
fn a_reader_opens_when_it_is_needed() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let lazy = LazyReader::new(move || match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::Reader("not today".into())),
        1 => panic!("not tomorrow"),
        _ => {
            std::thread::sleep(Duration::from_millis(300));
            Ok(Arc::new(reader(Precision::Int8)) as Arc<dyn Reader>)
        }
    });
    let get = |limit: &Deadline| lazy.get(limit).map(|_| ());
    assert!(get(&Deadline::none()).unwrap_err().to_string().contains("not today"));
    assert!(get(&Deadline::none()).is_err(), "a panic is an error");
    let hurried = get(&Deadline::after(Duration::from_millis(50)));
    assert!(matches!(hurried, Err(Error::DeadlineExceeded { .. })));
    assert!(get(&Deadline::none()).is_ok());
    assert_eq!(tries.load(Ordering::SeqCst), 3, "the one that was begun is waited for");
}
