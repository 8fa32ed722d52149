//! Commands as a person types them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{fail, json, run, succeed, tamis};

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(
        "docs/soup.md",
        "# Soup\n\nSift the flour through a tamis. Melt 250 g of butter.\n\n## Serving\n\nServe it hot with bread.\n"
            .as_bytes(),
    );
    write(
        "docs/history.txt",
        "The drum sieve is old. Cooks in Lyon have used horse hair since 1650. Today the mesh is steel.".as_bytes(),
    );
    write(
        "src/press.rs",
        b"/// Presses food through the mesh.\npub fn press(food: &str) -> String {\n    food.to_lowercase()\n}\n",
    );
    write("ignored/secret.txt", b"The password is swordfish.");
    write(".gitignore", b"ignored/\n");
    write("docs/picture.txt", &[0u8, 1, 2, 3, 255, 254, 0, 0, 7, 0]);
    write("docs/empty.txt", b"");
    write("docs/latin1.txt", b"caf\xe9 au lait");
    write("docs/secret.pdf", include_bytes!("../data/split/documents/encrypted.pdf"));
    directory
}

/// Every excerpt is the slice of its file that it says it is.
fn check_excerpts(directory: &Path, response: &Value) {
    let is_file = |e: &&Value| e["document_id"] != "docs/latin1.txt"; // whose text was decoded
    for excerpt in response["excerpts"].as_array().unwrap().iter().filter(is_file) {
        let file = fs::read(directory.join(excerpt["document_id"].as_str().unwrap())).unwrap();
        let (start, end) = (excerpt["start"].as_u64().unwrap() as usize, excerpt["end"].as_u64().unwrap() as usize);
        assert_eq!(std::str::from_utf8(&file[start..end]).unwrap(), excerpt["text"].as_str().unwrap());
    }
}

#[test]
fn a_folder_is_ingested_and_answers_with_citations() {
    let directory = folder();
    let d = directory.path();
    let summary = json(d, &["ingest", "docs", "src", "ignored", "--format", "json"]);
    assert_eq!((summary["new"].as_u64(), summary["failed"].as_array().map(Vec::len)), (Some(5), Some(0)), "{summary}");
    let mut skipped: Vec<&str> =
        summary["skipped"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    skipped.sort_unstable();
    assert_eq!(skipped, ["docs/empty.txt", "docs/picture.txt", "docs/secret.pdf"], "{summary}");

    let again = json(d, &["ingest", "docs", "src", "--format", "json"]);
    assert_eq!(again["unchanged"], 4, "{again}");
    fs::write(d.join("src/press.rs"), "pub fn press() {}\n").unwrap();
    let changed = json(d, &["ingest", "src", "--format", "json"]);
    assert_eq!(changed["changed"], 1, "{changed}");

    let answer =
        json(d, &["compress", "--query", "What has been used since 1650?", "--budget", "40", "--format", "json"]);
    assert!(answer["text"].as_str().unwrap().contains("horse hair since 1650"), "{answer}");
    assert!(answer["token_count"].as_u64().unwrap() <= 40);
    assert_eq!(answer["budget"]["tokenizer"], "o200k_base");
    for stage in ["queue", "encode", "retrieve", "rank", "fit"] {
        assert!(answer["stats"]["stages_ms"][stage].is_number(), "{answer}");
    }
    check_excerpts(d, &answer);

    let found = json(d, &["retrieve", "--query", "serve hot bread", "-n", "2", "--format", "json"]);
    let best = &found["segments"][0];
    assert_eq!((best["document_id"].as_str(), best["dense_rank"].as_u64()), (Some("docs/soup.md"), Some(1)), "{found}");
    assert_eq!(best["heading"], "Soup > Serving");

    let excerpt = &answer["excerpts"][0];
    let (start, end) = (excerpt["start"].to_string(), excerpt["end"].to_string());
    let wider = succeed(d, &["expand", "docs/history.txt", &start, &end, "--blocks", "5"]);
    assert_eq!(wider.trim(), fs::read_to_string(d.join("docs/history.txt")).unwrap());

    assert_eq!(json(d, &["documents", "list", "--format", "json"])["documents"].as_array().unwrap().len(), 5);
    assert_eq!(succeed(d, &["documents", "delete", "--prefix", "docs/"]).trim(), "3 deleted");
    let left = json(d, &["documents", "list", "--format", "json"]);
    assert_eq!(left["documents"].as_array().unwrap().len(), 2, "{left}");
}

#[test]
fn inline_paths_need_no_store() {
    let directory = folder();
    let d = directory.path();
    let answer = json(d, &["compress", "-q", "how is food pressed?", "-b", "60", "docs", "src", "--format", "json"]);
    assert!(answer["token_count"].as_u64().unwrap() <= 60);
    check_excerpts(d, &answer);
    let rendered = succeed(d, &["compress", "-q", "butter", "-b", "200", "--render", "xml", "docs/soup.md"]);
    assert!(rendered.starts_with("<document index=\"1\" source=\"docs/soup.md\" title=\"Soup\">"), "{rendered}");
    assert!(!d.join(".data").exists(), "nothing was stored");
}

#[test]
fn batches_answer_every_query_on_its_candidates() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    fs::write(
        d.join("corpus.jsonl"),
        "{\"doc_id\":\"a\",\"title\":\"Lyon\",\"text\":\"Lyon is in France. It has two rivers.\"}\n\
         {\"doc_id\":\"b\",\"title\":\"Köln\",\"text\":\"Köln liegt am Rhein. Der Dom ist 157 m hoch.\"}\n",
    )
    .unwrap();
    fs::write(
        d.join("queries.jsonl"),
        "{\"query_id\":1,\"question\":\"Where is Lyon?\"}\n{\"query_id\":\"two\",\"question\":\"Where is Lyon?\",\"candidates\":[\"b\"]}\n",
    )
    .unwrap();
    let files = ["--input-jsonl", "corpus.jsonl", "--queries-jsonl", "queries.jsonl"];
    let out = succeed(d, &[&["compress", "--budget", "30"], &files[..]].concat());
    let lines: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["query_id"], &lines[1]["query_id"]), (2, &Value::from(1), &Value::from("two")));
    assert_eq!(lines[0]["excerpts"][0]["document_id"], "a");
    assert!(lines[1]["excerpts"].as_array().unwrap().iter().all(|e| e["document_id"] == "b"), "{}", lines[1]);
    let dom = "Köln liegt am Rhein. Der Dom ist 157 m hoch.";
    let e = &lines[1]["excerpts"][0];
    assert_eq!(dom.get(e["start"].as_u64().unwrap() as usize..e["end"].as_u64().unwrap() as usize), e["text"].as_str());

    fs::write(d.join("bad.jsonl"), "{\"doc_id\":\"a\",\"text\":\"x\"}\n{\"doc_id\":").unwrap();
    let (code, said) =
        fail(d, &["compress", "-b", "30", "--input-jsonl", "bad.jsonl", "--queries-jsonl", "queries.jsonl"]);
    assert!(code == 1 && said.starts_with("tamis: bad.jsonl:2: "), "{said}");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let directory = folder();
    let d = directory.path();
    succeed(d, &["ingest", "docs/soup.md"]);
    let ask = |extra: &[&str]| fail(d, &[&["compress", "--query", "butter"], extra].concat());
    for (arguments, code, expected) in [
        (&["--budget", "0"][..], 1, "budget.max_tokens: must be at least 1"),
        (&["--budget", "3"], 1, "the smallest budget that would hold an excerpt is"),
        (&["--budget", "9", "--tokenizer", "gpt-17"], 1, "budget.tokenizer: \"gpt-17\" is unknown"),
        (&["--budget", "9", "--collection", "nowhere"], 1, "collection \"nowhere\" does not exist"),
        (&["--budget", "9", "--collection", "a/b"], 1, "collection: \"a/b\": names are made of"),
        (&["--budget", "9", "--filter", "{\"is\":1}"], 2, "\"is\" is no condition"),
        (&["--budget", "9", "missing.txt"], 2, "missing.txt: No such file"),
        (&["--budget", "9", "docs/picture.txt"], 1, "binary data, not text"),
        (&["--budget", "9", "docs/secret.pdf"], 1, "encrypted: save it without a password"),
        (&["--budget", "9", "docs/empty.txt"], 1, "empty: there is no text"),
        (&["--budget", "9", "--temperature", "3"], 2, "encoder.temperature: 3 is outside 0.5 to 1.0"),
        (&["--budget", "9", "--precision", "fp8"], 2, "use auto, fp32, int8 or bf16"),
        (&["--budget", "9", "--precision", "fp32"], 1, "was encoded with fingerprint"),
        (&["--budget", "9", "--server", "http://127.0.0.1:1"], 1, "can't be reached"),
    ] {
        let (found, said) = ask(arguments);
        assert!(found == code && said.contains(expected) && said.lines().count() == 1, "{arguments:?}: {found} {said}");
    }
    let (code, said) = fail(d, &["compress", "--query", " ", "--budget", "9"]);
    assert!(code == 1 && said.contains("query: is empty"), "{said}");
    assert_eq!(fail(d, &["compress", "--qeury", "x"]).0, 2);
    assert_eq!(fail(d, &["compres"]).0, 2);
    assert_eq!(fail(d, &["documents", "get", "nothing"]).0, 1);
    assert_eq!(fail(d, &["ingest", "docs/*.xyz"]).0, 2);
    // A minimum that is stated is enough.
    let said = ask(&["--budget", "3"]).1;
    let minimum = said.rsplit(' ').next().unwrap();
    succeed(d, &["compress", "--query", "butter", "--budget", minimum]);
}

#[test]
fn standard_input_dry_runs_and_small_commands() {
    let directory = folder();
    let d = directory.path();
    let dry = json(d, &["ingest", "--dry-run", "./docs/*.md", "docs/soup.md", "./docs/soup.md", "--format", "json"]);
    assert_eq!(dry["files"].as_array().unwrap().len(), 1, "one file, however it is named: {dry}");
    assert_eq!(dry["files"][0]["id"], "docs/soup.md", "{dry}");
    assert!(!d.join(".data").exists());
    let mut command = tamis(d, &["ingest", "-", "--id", "note", "--meta", "kind=note", "--meta", "year=2024"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"A note from a pipe.").unwrap();
    assert!(child.wait().unwrap().success());
    let note = json(d, &["documents", "get", "note", "--format", "json"]);
    assert_eq!((&note["metadata"]["kind"], &note["metadata"]["year"]), (&Value::from("note"), &Value::from(2024.0)));
    let none = json(d, &["compress", "-q", "pipe", "-b", "50", "--where", "kind=letter", "--format", "json"]);
    assert_eq!((none["text"].as_str(), none["token_count"].as_u64()), (Some(""), Some(0)), "an honest empty context");
    let one = json(d, &["compress", "-q", "pipe", "-b", "50", "--where", "kind=note", "--format", "json"]);
    assert_eq!(one["excerpts"][0]["text"], "A note from a pipe.");

    let counted = json(d, &["tokens", "docs/soup.md", "docs/history.txt", "--format", "json"]);
    assert_eq!(
        counted["tokens"].as_u64().unwrap(),
        counted["files"].as_array().unwrap().iter().map(|f| f["tokens"].as_u64().unwrap()).sum::<u64>()
    );
    let collections = json(d, &["collections", "list", "--format", "json"]);
    assert_eq!(collections["collections"][0]["documents"], 1, "{collections}");
    let doctor = json(d, &["doctor", "--format", "json"]);
    assert!(doctor["findings"].as_array().unwrap().iter().any(|f| f["check"] == "precision"), "{doctor}");
    let models = json(d, &["models", "list", "--format", "json"]);
    assert!(
        models["models"].as_array().unwrap().iter().any(|m| m["name"] == "all-minilm-l6-v2" && m["cached"] == true)
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(succeed(d, &["completions", shell]).contains("tamis"));
    }
    assert!(succeed(d, &["serve", "--print-config"]).contains("query_queue = 256"));
    let error = fail(d, &["serve", "--print-config", "--config", "docs/soup.md"]);
    assert_eq!(error.0, 2, "{error:?}");
}

#[test]
fn a_file_that_can_not_be_read_fails_alone() {
    let directory = folder();
    let d = directory.path();
    // A link to nowhere is found by name and gone when it is opened.
    std::os::unix::fs::symlink(d.join("gone"), d.join("docs/link.txt")).unwrap();
    let output = run(d, &["ingest", "docs", "--format", "json"]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["new"], 3, "{summary}");
}

#[test]
fn overlap_and_semantic_boundaries_are_settings_of_the_collection() {
    let directory = folder();
    let d = directory.path();
    // Each fits a segment with room for some of the other: one cut is enough, and only the subject says where.
    let cooking = "Cooks press food through a sieve. The sieve is fine. Food falls into the bowl. ".repeat(6);
    let ships = "Ships sail over the sea. The wind fills their sails. A captain steers to the harbour. ".repeat(7);
    fs::write(d.join("both.txt"), format!("{cooking}{ships}")).unwrap();
    let shown = json(d, &["collections", "create", "semantic", "--semantic", "--format", "json"]);
    assert_eq!((shown["boundaries"].as_str(), shown["overlap"].as_u64()), (Some("semantic"), Some(0)));
    let shown = json(d, &["collections", "create", "shared", "--overlap", "2", "--format", "json"]);
    assert_eq!((shown["boundaries"].as_str(), shown["overlap"].as_u64()), (Some("structure"), Some(2)));
    for collection in ["semantic", "shared"] {
        succeed(d, &["ingest", "both.txt", "--collection", collection]);
        let found =
            json(d, &["retrieve", "--query", "captain", "--collection", collection, "-n", "9", "--format", "json"]);
        let mut ends: Vec<(u64, u64)> = found["segments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| (s["start"].as_u64().unwrap(), s["end"].as_u64().unwrap()))
            .collect();
        ends.sort_unstable();
        assert!(ends.len() > 1 && ends.windows(2).all(|w| w[0].1 < w[1].0), "segments do not overlap: {ends:?}");
        if collection == "semantic" {
            let change = cooking.trim_end().len() as u64;
            assert!(ends.iter().any(|e| e.1 == change), "a segment ends where the subject changes: {ends:?}, {change}");
        }
    }
    assert!(
        fail(d, &["collections", "create", "x", "--overlap", "17"]).1.contains("overlap: 17 is over the limit of 16")
    );
    assert_eq!(fail(d, &["collections", "create", "x", "--overlap", "1", "--semantic"]).0, 2);
}

#[test]
fn late_pooling_is_a_setting_of_the_collection() {
    let directory = folder();
    let d = directory.path();
    succeed(d, &["collections", "create", "cheap", "--pooled"]);
    succeed(d, &["ingest", "docs", "--collection", "cheap"]);
    let answer = json(
        d,
        &["compress", "-q", "since when is horse hair used?", "-b", "40", "--collection", "cheap", "--format", "json"],
    );
    assert!(answer["text"].as_str().unwrap().contains("1650"), "{answer}");
    let shown = json(d, &["collections", "get", "cheap", "--format", "json"]);
    assert_eq!(shown["block_vectors"], "pooled");
}

/// Everything in a folder.
fn files_in(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = ignore::WalkBuilder::new(directory).standard_filters(false).build();
    entries.map(|e| e.unwrap().into_path()).filter(|path| path.is_file()).collect()
}

#[test]
fn a_run_leaves_nothing_outside_of_its_data_and_tells_nobody() {
    let (directory, home) = (folder(), tempfile::tempdir().unwrap());
    let models = tamis::models::Cache::from_environment().unwrap();
    let at_home = |arguments: &[&str]| {
        let mut command = tamis(directory.path(), arguments);
        // What keeps some libraries from reporting their use is not there for the people who run this.
        for name in ["CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", home.path()).env("TAMIS_CACHE_DIR", models.root());
        command
    };
    // Where `auto` is bf16, the library for plain sessions is tested as well.
    let of = |precision: &'static str| ["--collection", precision, "--precision", precision];
    let asked = ["compress", "-q", "soup", "-b", "50"];
    for precision in ["auto", "int8"] {
        for arguments in [&["ingest", "docs"][..], &asked] {
            let output = at_home(&[arguments, &of(precision)].concat()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert_eq!(files_in(home.path()), Vec::<std::path::PathBuf>::new());

    let library = directory.path().join("libreports.so");
    fs::write(&library, b"\x7fELF and later ORT_DISABLE_TELEMETRY, as such builds have it").unwrap();
    let with_library = |silenced: &str| {
        let mut command = at_home(&[&asked[..], &of("int8")].concat());
        let output =
            command.env("TAMIS_ONNXRUNTIME", &library).env("ORT_DISABLE_TELEMETRY", silenced).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for silenced in ["", "0"] {
        let said = with_library(silenced);
        assert!(said.contains("reports its use to its maker: set ORT_DISABLE_TELEMETRY=1"), "{said}");
    }
    let said = with_library("1");
    assert!(said.contains("libreports.so") && !said.contains("reports its use"), "{said}");
}
