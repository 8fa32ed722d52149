//! What is kept of passages: the same results, and only the question's tokens read.

use std::path::Path;

use tamis::deadline::Deadline;
use tamis::read::{LanguageReader, Listen, Reader, ReaderSettings, Reading, Rows, StateSettings};
use tamis::runtime::Precision;

use crate::{heads, open, reference};

fn reader(precision: Precision, states: StateSettings) -> LanguageReader {
    let listen = Listen::Heads(heads(), Rows::Last);
    open(ReaderSettings { precision, listen, sessions: 1, window: 256, states, ..ReaderSettings::default() }).unwrap()
}

fn memory() -> StateSettings {
    StateSettings { memory: 64 << 20, disk: None }
}

fn disk(path: &Path, limit: u64) -> StateSettings {
    StateSettings { memory: 0, disk: Some((path.to_owned(), limit)) }
}

fn size_of(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// Every reference, and the largest difference to it.
fn difference(reader: &LanguageReader) -> f32 {
    let mut most = 0.0f32;
    for known in reference().readings {
        let heard = reader.attention(&known.reading(), Rows::Last, &Deadline::none()).unwrap();
        let [first, end] = known.passage;
        for (n, row) in known.attention.iter().enumerate() {
            most = heard.of(n, 0).iter().zip(&row[first..end]).map(|(a, b)| (a - b).abs()).fold(most, f32::max);
        }
    }
    most
}

#[test]
fn states_are_near_the_reference() {
    let difference = difference(&reader(Precision::Fp32, memory()));
    assert!(difference < 0.01, "{difference}");
}

#[test]
fn what_is_known_is_not_read_again_and_changes_nothing() {
    for precision in [Precision::Fp32, Precision::Int8] {
        let (first, second) = (reader(precision, memory()), reader(precision, memory()));
        let text = "The mill stands at the river. Its sieve was made in 1912 by a smith from the village.";
        for rows in [Rows::Last, Rows::Question, Rows::Mean] {
            let ask = |question: &str, reader: &LanguageReader| {
                reader.attention(&Reading { title: "The mill", text, question }, rows, &Deadline::none()).unwrap()
            };
            let (whole, other) = (ask("When was the sieve made?", &first), ask("Who made it?", &first));
            assert!(other.read < 15 && whole.read >= other.read, "{} {}", whole.read, other.read);
            // Another reader that has not seen the passage says the same, to the bit.
            let fresh = ask("Who made it?", &second);
            assert_eq!((&fresh.shares, &fresh.to_question), (&other.shares, &other.to_question));
            assert_eq!(fresh.tokens, other.tokens);
        }
    }
}

#[test]
fn states_on_disk_outlive_the_reader_and_stay_within_their_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("states");
    let texts: Vec<String> =
        (0..6).map(|n| format!("Sieve number {n} was made of horsehair in the year 190{n}.")).collect();
    let passage = |n: usize| Reading { title: "", text: &texts[n], question: "" };
    let ask = |reader: &LanguageReader, n: usize| {
        let reading = Reading { question: "when was it made?", ..passage(n) };
        reader.attention(&reading, Rows::Last, &Deadline::none()).unwrap()
    };
    let plenty = 64 << 20;
    let expected: Vec<Vec<f32>> = {
        let reader = reader(Precision::Fp32, disk(&path, plenty));
        assert!((0..6).all(|n| reader.prepare(&passage(n), &Deadline::none()).unwrap()));
        (0..6).map(|n| ask(&reader, n).shares).collect()
    };
    let size = size_of(&path);
    assert!(size > 6 * 100 * 1024, "{size}");
    {
        let reader = reader(Precision::Fp32, disk(&path, plenty));
        for (n, expected) in expected.iter().enumerate() {
            let heard = ask(&reader, n);
            assert!(heard.read < 16, "{} tokens were read again", heard.read);
            assert_eq!(&heard.shares, expected);
        }
    }
    // What is damaged is read again, and then whole.
    for file in std::fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    std::fs::write(path.join("0.part"), "half").unwrap();
    std::fs::write(path.join("note.txt"), "mine").unwrap();
    {
        let reader = reader(Precision::Fp32, disk(&path, plenty));
        for n in [0, 1, 2, 3, 4, 5, 0] {
            assert_eq!(ask(&reader, n).shares, expected[n]);
        }
        assert!(ask(&reader, 0).read < 16 && !path.join("0.part").exists() && path.join("note.txt").exists());
        std::fs::remove_file(path.join("note.txt")).unwrap();
    }
    assert_eq!(size_of(&path), size);
    // Room for a few: the oldest go, and are read again when they are needed.
    let reader = reader(Precision::Fp32, disk(&path, size / 3));
    assert!(size_of(&path) <= size / 3);
    let read: Vec<usize> = (0..6).map(|n| ask(&reader, n).read).collect();
    assert!(read[0] > 16, "{read:?}");
    assert!(size_of(&path) <= size / 3);
    assert_eq!(ask(&reader, 0).shares, expected[0]);
}

#[test]
fn what_is_no_passage_is_not_kept() {
    let reader = reader(Precision::Int8, memory());
    let prepare = |text: &str| reader.prepare(&Reading { title: "", text, question: "" }, &Deadline::none()).unwrap();
    assert!(!prepare(""));
    assert!(!prepare(&"far too long ".repeat(200)));
    let nothing = Reading { title: "", text: "", question: "what stands here?" };
    assert!(reader.attention(&nothing, Rows::Last, &Deadline::none()).unwrap().tokens.is_empty());
    let damaged = tempfile::tempdir().unwrap();
    let path = damaged.path().join("states");
    std::fs::write(&path, b"this is no folder of states").unwrap();
    let listen = Listen::Heads(heads(), Rows::Last);
    let (precision, states) = (Precision::Int8, disk(&path, 1 << 20));
    let refused = open(ReaderSettings { precision, states, listen, ..ReaderSettings::default() });
    let told = refused.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(told.contains("states"), "{told:?}");
}
