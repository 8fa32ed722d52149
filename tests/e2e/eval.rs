//! `tamis eval` on a set of a few documents: measures, gate, comparison, and data that is wrong.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support;

const CORPUS: &str = r#"{"doc_id":"soup","title":"Soup","text":"Soup is cooked slowly. Its salt comes from the sea. It is eaten hot."}
{"doc_id":"sieve","title":"Sieve","text":"A sieve has a drum. The drum was invented in 1650. Cooks press food through it."}
{"doc_id":"ship","title":"Ship","text":"A ship sails. Its sails were made in Ghent. The captain steers it."}
"#;
const QUERIES: &str = r#"{"query_id":"a","question":"when was the drum of the sieve invented","answers":["1650"],"gold_doc_ids":["sieve"]}
{"query_id":"b","question":"where were the sails of the ship made","answers":["Ghent"],"gold_doc_ids":["ship"],"candidates":["ship","soup"]}
"#;

/// Vectors are remembered beside the set: tests run side by side.
fn succeed(directory: &Path, arguments: &[&str]) -> String {
    support::succeed(directory, &[arguments, &["--vectors", "memory"]].concat())
}

fn fail(directory: &Path, arguments: &[&str]) -> (i32, String) {
    support::fail(directory, &[arguments, &["--vectors", "memory"]].concat())
}

fn set() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("kitchen")).unwrap();
    fs::write(directory.path().join("kitchen/corpus.jsonl"), CORPUS).unwrap();
    fs::write(directory.path().join("kitchen/queries.jsonl"), QUERIES).unwrap();
    directory
}

#[test]
fn answers_are_found_and_the_gate_holds() {
    let directory = set();
    let d = directory.path();
    let arguments = ["eval", "--data", "kitchen", "--budgets", "20,200", "--format", "json", "--plot", "kept.svg"];
    let shown = succeed(d, &arguments);
    let report: Value = serde_json::from_str(&shown).unwrap();
    let systems = report["sets"][0]["systems"].as_array().unwrap();
    assert_eq!(systems.len(), 10);
    for system in systems {
        let budgets = system["budgets"].as_array().unwrap();
        assert!(budgets.iter().all(|b| b["over"] == 0), "{system}");
        assert_eq!(budgets[1]["answer_kept"]["mean"], 1.0, "everything fits: {system}");
    }
    assert_eq!(systems[0]["budgets"][0]["answer_kept"]["mean"], 1.0, "twenty tokens are enough: {shown}");
    assert!(fs::read_to_string(d.join("kept.svg")).unwrap().contains("title-sentence"));
    fs::write(d.join("a.json"), &shown).unwrap();
    assert!(support::succeed(d, &["eval", "--compare", "a.json", "a.json"]).contains("+0.0 [+0.0, +0.0]"));
    succeed(d, &["eval", "--data", "kitchen", "--budgets", "200", "--system", "fast", "--min", "kitchen@200>=0.9"]);
    let lead = ["eval", "--data", ".", "--budgets", "5", "--system", "lead", "--min", "kitchen@5>=0.9"];
    assert!(fail(d, &lead).1.contains("below 0.9"));
    let markdown = succeed(d, &["eval", "--data", "kitchen", "--budgets", "200", "--format", "markdown"]);
    assert!(markdown.contains("### Where fast loses"), "{markdown}");
}

#[test]
fn what_is_wrong_with_a_set_is_said() {
    let directory = set();
    let d = directory.path();
    let queries = d.join("kitchen/queries.jsonl");
    for (written, reason) in [
        (format!("{QUERIES}{{\"query_id\": 3}}\n"), "line 3"),
        (format!("{QUERIES}{QUERIES}"), "stands there twice"),
        (String::new(), "there is none"),
    ] {
        fs::write(&queries, written).unwrap();
        let error = fail(d, &["eval", "--data", "kitchen", "--budgets", "50"]);
        assert!(error.1.contains(reason), "{error:?}");
    }
    fs::write(&queries, QUERIES.replace("\"sieve\"", "\"gone\"").replace("Ghent", "Bruges")).unwrap();
    let shown = succeed(d, &["eval", "--data", "kitchen", "--budgets", "50", "--system", "fast"]);
    assert!(shown.contains("\"gone\"") && shown.contains("no answer in their gold documents"), "{shown}");
    assert_eq!(fail(d, &["eval", "--data", "kitchen", "--system", "slow"]).0, 2);
    assert_eq!(fail(d, &["eval", "--data", "kitchen", "--budgets", "0"]).0, 2);
    assert!(fail(d, &["eval", "--data", "nowhere"]).1.contains("nowhere"));
    assert_eq!(support::fail(d, &["collections", "list", "--format", "markdown"]).0, 2);
}

#[test]
fn a_question_may_bring_a_document_with_a_needle_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    fs::create_dir(d.join("books")).unwrap();
    let book = "The captain looked at the sea. The sea was calm. ".repeat(40);
    fs::write(d.join("books/corpus.jsonl"), format!("{{\"doc_id\":\"book\",\"text\":\"{book}\"}}\n")).unwrap();
    let needle = r#"{"title":"Sieves","text":"The finest sieve is woven in Ghent."}"#;
    let haystack = r#"{"doc_id":"book","start_byte":49,"end_byte":980}"#;
    let line = format!(
        r#"{{"query_id":"a","question":"where is the finest sieve woven","answers":["Ghent"],"gold_doc_ids":["book"],"needle":{needle},"haystack":{haystack},"insert_at_byte":490}}"#
    );
    fs::write(d.join("books/queries.jsonl"), format!("{line}\n")).unwrap();
    let arguments = ["eval", "--data", "books", "--budgets", "40", "--system", "fast"];
    succeed(d, &[&arguments[..], &["--min", "books@40>=1"]].concat());
    fs::write(d.join("books/queries.jsonl"), line.replace("980", "9800")).unwrap();
    assert!(fail(d, &arguments).1.contains("slice is no text"));
}

#[test]
fn suites_are_made_of_documents_without_labels() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    fs::create_dir(d.join("notes")).unwrap();
    for n in 0..20 {
        let lines =
            (0..24).map(|m| format!("Crate {n} holds {} jars of plum jam from orchard {m}.\n", 100 + n * 24 + m));
        fs::write(d.join(format!("notes/{n}.txt")), lines.collect::<String>()).unwrap();
    }
    fs::write(d.join("notes/blob.bin"), [0u8, 159, 146, 150]).unwrap();
    let made = ["eval", "--data", "notes", "--suite", "time-order,budget-precision", "--budgets", "60"];
    let arguments = [&made[..], &["--system", "fast,lead", "--format", "json", "--plot", "kept.png"]].concat();
    let report: Value = serde_json::from_str(&succeed(d, &arguments)).unwrap();
    assert_eq!(report["sets"][0]["set"], "time-order");
    for set in report["sets"].as_array().unwrap() {
        let fast = &set["systems"][0];
        assert_eq!(fast["budgets"][0]["over"], 0);
        assert!(fast["model_tokens"].as_f64().unwrap() > 0.0 && set["systems"][1]["model_tokens"] == 0.0);
    }
    assert!(fs::read(d.join("kept.png")).unwrap().starts_with(b"\x89PNG"));
    let shown = succeed(d, &[&made[..], &["--system", "fast"]].concat());
    assert!(shown.contains("4 parts (15): ") && shown.contains("nine tenths used"), "{shown}");
    let suite = |name| fail(d, &["eval", "--data", "notes", "--suite", name]);
    assert!(suite("needles").1.contains("too little text"), "a few notes are no haystack");
    let all = ["eval", "--data", "notes", "--suite", "all", "--budgets", "60", "--system", "fast", "--questions", "3"];
    let all = succeed(d, &all);
    assert!(all.contains("knots: 3") && !all.contains("\nneedles: "), "what can be made is: {all}");
    assert!(suite("noodles").1.contains("several-needles"));
    let plot = ["eval", "--data", "notes", "--suite", "knots", "--plot", "kept.gif"];
    assert!(fail(d, &plot).1.contains(".png"));
}

#[test]
fn a_temperature_is_calibrated_with_its_evidence() {
    let directory = set();
    let d = directory.path();
    let arguments =
        ["calibrate", "temperature", "--data", "kitchen", "--temperatures", "0.8", "--out", "calibration.json"];
    let shown = support::succeed(d, &arguments);
    assert!(shown.contains("keep encoder.temperature at 1"), "two questions prove nothing: {shown}");
    let found: Value = serde_json::from_str(&fs::read_to_string(d.join("calibration.json")).unwrap()).unwrap();
    assert_eq!(found["temperature"], 1.0);
    assert_eq!(found["gains"][0]["ndcg_10"]["n"], 2);
    let wrong = ["calibrate", "temperature", "--data", "kitchen", "--temperatures", "0.2"];
    assert!(support::fail(d, &wrong).1.contains("0.5 to 1.0"));
    fs::write(d.join("kitchen/queries.jsonl"), r#"{"query_id":"a","question":"what"}"#).unwrap();
    assert!(support::fail(d, &["calibrate", "temperature", "--data", "kitchen"]).1.contains("names gold documents"));
}

/// A set whose questions have a wanted block among others.
fn mill() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path().join("mill");
    fs::create_dir(&d).unwrap();
    let lines = |of: &dyn Fn(usize) -> Value| (0..6).map(|n| format!("{}\n", of(n))).collect::<String>();
    let corpus = lines(&|n| {
        let text =
            format!("Machine {n} stands in the mill. It was made in 190{n}. It is repaired by smith number {n}5.");
        serde_json::json!({"doc_id": format!("d{n}"), "title": format!("Machine {n}"), "text": text})
    });
    let queries = lines(&|n| {
        let question = format!("when was machine {n} made");
        serde_json::json!({"query_id": format!("q{n}"), "question": question, "answers": [format!("190{n}")],
            "gold_doc_ids": [format!("d{n}")]})
    });
    fs::write(d.join("corpus.jsonl"), corpus).unwrap();
    fs::write(d.join("queries.jsonl"), queries).unwrap();
    directory
}

#[test]
fn heads_are_chosen_and_a_reader_listens_to_them() {
    let directory = mill();
    let d = directory.path();
    let arguments = ["calibrate", "heads", "--data", "mill", "--layers", "3", "--vectors", "memory"];
    let found = support::json(d, &[&arguments[..], &["--format", "json", "--plot", "heads.svg"]].concat());
    // Of three layers with nine heads each, from two kinds of rows.
    assert_eq!(found["scores"].as_array().unwrap().len(), 54, "{found}");
    assert_eq!(found["table"]["evidence"]["questions"], 6);
    assert!(fs::read_to_string(d.join("heads.svg")).unwrap().contains("<svg"));
    fs::write(d.join("note.txt"), "Machine 3 stands in the mill. It was made in 1903.").unwrap();
    let read = ["--reader-heads", "heads.toml", "read", "-q", "when was machine 3 made", "note.txt", "--heads"];
    let heard = support::json(d, &[&read[..], &["--format", "json"]].concat());
    let chosen = found["table"]["heads"].as_array().unwrap().len();
    assert_eq!(heard["heads"].as_array().unwrap().len(), chosen, "{heard}");
    fs::write(d.join("other.toml"), fs::read_to_string(d.join("heads.toml")).unwrap().replace("SmolLM2", "Another"))
        .unwrap();
    let wrong = ["--reader-heads", "other.toml", "read", "-q", "x", "note.txt"];
    assert!(support::fail(d, &wrong).1.contains("tamis calibrate heads"));
}

#[test]
fn how_much_to_read_is_learnt() {
    let directory = mill();
    let d = directory.path();
    let arguments =
        ["calibrate", "cascade", "--data", "mill", "--budgets", "40", "--vectors", "memory", "--share", "1"];
    let stage = ["--stage", "language_after_mini", "--reading", "mini.toml"];
    support::json(d, &[&arguments[..], &["--stage", "mini", "--out", "mini.toml", "--format", "json"]].concat());
    let found = support::json(d, &[&arguments[..], &stage, &["--format", "json"]].concat());
    assert_eq!(found["curve"].as_array().unwrap().len(), 9, "five weights, five numbers of passages: {found}");
    assert!(found["curve"].as_array().unwrap().iter().all(|point| point["tokens"].as_f64().unwrap() > 0.0));
    let tried = ["eval", "--data", "mill", "--budgets", "40", "--system", "precise,auto", "--reading", "reading.toml"];
    let report = succeed(d, &[&tried[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let read = |n: usize| report["sets"][0]["systems"][n]["budgets"][0]["read"][0].as_u64().unwrap();
    assert!(read(0) > 0 && read(1) <= read(0), "{report}");
    let wrong = ["calibrate", "cascade", "--data", "mill", "--share", "0", "--stage", "mini", "--vectors", "memory"];
    assert!(support::fail(d, &wrong).1.contains("share"));
    let wrong = ["calibrate", "cascade", "--data", "mill", "--stage", "maxi"];
    assert!(support::fail(d, &wrong).1.contains("language_after_mini"));
}

#[test]
fn lessons_are_the_best_passages_with_what_is_wanted() {
    let directory = mill();
    let d = directory.path();
    let arguments = ["calibrate", "lessons", "--data", "mill", "--read-passages", "3"];
    succeed(d, &arguments);
    let lessons = fs::read_to_string(d.join("lessons.jsonl")).unwrap();
    let lessons: Vec<Value> = lessons.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lessons.len(), 6);
    for lesson in &lessons {
        assert!(lesson["sound"].as_bool().unwrap() && lesson["passages"].as_array().unwrap().len() >= 3, "{lesson}");
        let mut wanted = 0;
        for passage in lesson["passages"].as_array().unwrap() {
            let text = passage["text"].as_str().unwrap();
            for block in passage["blocks"].as_array().unwrap() {
                let [start, end] = [0, 1].map(|n| block["span"][n].as_u64().unwrap() as usize);
                let holds = text[start..end].contains(lesson["answers"][0].as_str().unwrap());
                assert_eq!(block["wanted"].as_bool().unwrap(), holds, "{passage}");
                wanted += usize::from(holds);
            }
        }
        assert_eq!(wanted, 1, "{lesson}");
    }
}
