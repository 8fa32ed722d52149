//! Collections in a cluster, from the command line and through a server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tamis_proto::v1::RetrieveRequest;
use tonic::Code;
use tonic_types::StatusExt;

use crate::double::{Double, Fault};
use crate::support::{Server, document, fail, json, run, succeed};

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..12 {
        let text = format!("# Sieve {n}\n\nThe mesh of sieve {n} has {} holes. It is made in Lyon.\n", n * 7);
        fs::write(directory.path().join(format!("{n:02}.md")), text).unwrap();
    }
    directory
}

/// What a question gets.
fn context(directory: &Path, index: &str) -> serde_json::Value {
    let question = ["compress", "--query", "How many holes has the mesh of sieve 7?", "--budget", "120"];
    json(directory, &[&question[..], &["--index", index, "--format", "json"]].concat())
}

#[test]
fn commands_answer_as_they_do_from_a_directory() {
    let (directory, double) = (folder(), Double::start());
    let (d, url) = (directory.path(), double.url());
    succeed(d, &["ingest", ".", "--index", "embedded"]);
    // Two jobs share the folder.
    let shard =
        |shard: &str| json(d, &["ingest", ".", "--index", &url, "--shard", shard, "--format", "json"])["new"].as_u64();
    let (first, second) = (shard("0/2").unwrap(), shard("1/2").unwrap());
    assert!(first > 0 && second > 0 && first + second == 12, "{first} and {second}");
    let (ours, theirs) = (context(d, "embedded"), context(d, &url));
    assert!(theirs["text"].as_str().unwrap().contains("49 holes"), "{theirs}");
    assert_eq!((&ours["text"], &ours["confidence"]), (&theirs["text"], &theirs["confidence"]));
    let again = json(d, &["ingest", ".", "--index", &url, "--format", "json"]);
    assert_eq!((again["new"].as_u64(), again["unchanged"].as_u64()), (Some(0), Some(12)));

    // What a process leaves that dies after the new head.
    fs::write(d.join("00.md"), "# Sieve 0\n\nIt has no mesh.\n").unwrap();
    for _ in 0..2 {
        double.next("delete", Fault::Refuse(Code::Internal));
    }
    succeed(d, &["ingest", "00.md", "--index", &url]);
    let stats = |index: &str| json(d, &["collections", "stats", "default", "--index", index, "--format", "json"]);
    assert_eq!((stats(&url)["documents"].as_u64(), stats(&url)["stale_segments"].as_u64()), (Some(12), Some(1)));
    succeed(d, &["ingest", "00.md", "--index", "embedded"]);
    assert_eq!(stats("embedded")["terms"], stats("embedded")["terms"]);
    let output = run(d, &["doctor", "--index", &url, "--format", "json"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stdout).contains("belong to no document"));
    assert!(
        succeed(d, &["collections", "sweep", "default", "--older-than-s", "0", "--index", &url]).contains("1 stale")
    );
    assert_eq!(stats(&url)["stale_segments"].as_u64(), Some(0));
    assert!(succeed(d, &["doctor", "--index", &url]).contains("all parts of the index say the same"));

    for (arguments, said) in [
        (vec!["collections", "list", "--index", "mysql://localhost"], "qdrant://HOST:PORT"),
        (vec!["collections", "list", "--index", "qdrant://127.0.0.1:1?timeout_s=1"], "127.0.0.1:1"),
        (vec!["ingest", ".", "--shard", "2/2"], "I/N"),
    ] {
        let (_, error) = fail(d, &arguments);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn damage_is_found_and_what_can_be_derived_is_repaired() {
    let directory = folder();
    let d = directory.path();
    succeed(d, &["ingest", "."]);
    let lexical = d.join(".data/tamis/lexical");
    // The lexical index of another moment: it says that it has everything, and has nothing.
    let collection = fs::read_dir(&lexical).unwrap().next().unwrap().unwrap().path();
    let before = context(d, "embedded");
    let meta = fs::read_to_string(collection.join("meta.json")).unwrap();
    let mut emptied: serde_json::Value = serde_json::from_str(&meta).unwrap();
    emptied["segments"] = serde_json::json!([]);
    fs::write(collection.join("meta.json"), emptied.to_string()).unwrap();
    let output = run(d, &["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("terms find other segments"), "{said}");
    assert!(succeed(d, &["doctor", "--repair"]).contains("(repaired)"));
    assert!(succeed(d, &["doctor"]).contains("all parts of the index say the same"));
    assert_eq!(before["text"], context(d, "embedded")["text"]);

    // A digit of a text in the truth itself, which nothing else holds: on each page, as one that is no longer in use may
    // have it too.
    let truth = d.join(".data/tamis/truth.redb");
    let mut bytes = fs::read(&truth).unwrap();
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"49 holes")).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 1] = b'8';
    }
    fs::write(&truth, bytes).unwrap();
    let doctor = |more: &[&str]| {
        let output = run(d, &[&["doctor"], more].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (well, said) = doctor(&[]);
    assert!(!well && said.contains("\"07.md\" is not the text that was ingested"), "{said}");
    doctor(&["--repair"]);
    let again = json(d, &["ingest", ".", "--format", "json"]);
    assert_eq!((again["changed"].as_u64(), again["unchanged"].as_u64()), (Some(1), Some(11)), "{again}");
    assert!(doctor(&[]).0);
    assert_eq!(before["text"], context(d, "embedded")["text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_when_its_cluster_is_gone_and_goes_on_when_it_is_back() {
    let mut double = Double::start();
    let index = format!("{}?timeout_s=1", double.url());
    let server = Server::start_with(&[("TAMIS_INDEX", &index)]);
    let responses = server.ingest("c", vec![document("a", "The mesh of a sieve.")]).await;
    assert_eq!(responses.len(), 1);
    let ask =
        || RetrieveRequest { query: "mesh".into(), collection: "c".into(), limit: 3, ..RetrieveRequest::default() };
    let mut contexts = server.contexts().await;
    assert_eq!(contexts.retrieve(ask()).await.unwrap().into_inner().segments.len(), 1);
    let scratch = tempfile::tempdir().unwrap();
    let is_healthy = || run(scratch.path(), &["serve", "--health", "--server", &server.url]).status.success();
    assert!(is_healthy());
    tokio::task::block_in_place(|| double.down());
    let refused = contexts.retrieve(ask()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let until = |wanted: bool| {
        let mut tries = 0;
        while is_healthy() != wanted {
            tries += 1;
            assert!(tries < 60, "the server's health is not {wanted}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    tokio::task::block_in_place(|| until(false));
    tokio::task::block_in_place(|| double.up());
    tokio::task::block_in_place(|| until(true));
    assert_eq!(contexts.retrieve(ask()).await.unwrap().into_inner().segments.len(), 1);
}
