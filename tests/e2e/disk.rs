//! A disk that is full, and one that can't be written: a small file system of its own, where mounting one is allowed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tamis_proto::v1::{Budget, CompressRequest, Document, IngestResponse};

use crate::metrics::{free_address, get};
use crate::support::{Server, document, fail, json, run, succeed};

/// A mounted file system, as long as this lives.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn at(path: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m", "tmpfs"]).arg(path).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(path))
    }

    fn remount(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn what_is_stored_is_answered_from_a_full_disk_and_the_rest_comes_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let (d, disk) = (directory.path(), directory.path().join("disk"));
    fs::create_dir(&disk).unwrap();
    let Some(mounted) = Mounted::at(&disk) else {
        println!("not run: mounting a file system is not allowed here");
        return;
    };
    fs::create_dir(d.join("docs")).unwrap();
    for n in 1..=120 {
        let text = format!("# Sieve {n}\n\nThe mesh of sieve {n} has {} holes. It is made in Lyon.\n", n * 7);
        fs::write(d.join(format!("docs/{n}.md")), text).unwrap();
    }
    let store = ["--data-dir", "disk/store"];
    let context = || {
        let question = ["compress", "-q", "How many holes has the mesh of sieve 7?", "-b", "120", "--format", "json"];
        json(d, &[&question[..], &store].concat())["text"].as_str().unwrap().to_owned()
    };
    succeed(d, &[&["ingest", "docs/1.md", "docs/7.md"], &store[..]].concat());
    let wanted = context();
    assert!(wanted.contains("49 holes"), "{wanted}");

    let full = fs::write(disk.join("filler"), vec![0; 192 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let output = run(d, &[&["ingest", "docs"], &store[..]].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("the disk is full; free some space"), "{said}");
    assert_eq!(context(), wanted);
    fs::remove_file(disk.join("filler")).unwrap();
    let again = json(d, &[&["ingest", "docs", "--format", "json"], &store[..]].concat());
    assert_eq!((again["new"].as_u64(), again["unchanged"].as_u64()), (Some(118), Some(2)), "{again}");
    assert!(succeed(d, &[&["doctor"], &store[..]].concat()).contains("all parts of the index say the same"));

    mounted.remount("ro");
    let (_, said) = fail(d, &[&["ingest", "docs"], &store[..]].concat());
    assert!(said.contains("truth.redb") && said.contains("read-only"), "{said}");
    mounted.remount("rw");
    assert!(context().contains("49 holes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_documents_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::at(directory.path()) else {
        println!("not run: mounting a file system is not allowed here");
        return;
    };
    let server = Server::start_on(directory.path(), &[]);
    assert_eq!(taken(&server.ingest("docs", texts(0)).await), 60);
    let filler = directory.path().join("filler");
    fs::write(&filler, vec![0; 192 << 20]).unwrap_err();
    let refused = server.ingest("docs", texts(60)).await;
    assert_eq!(taken(&refused), 0);
    let error = refused[0].error.as_ref().unwrap();
    assert!(error.reason == "STORE" && error.message.contains("the disk is full; free some space"), "{error:?}");
    assert!(context(&server, 7).await.contains("49 holes"));
    fs::remove_file(&filler).unwrap();
    assert_eq!(taken(&server.ingest("docs", texts(60)).await), 60);
    drop((server, mounted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_store_failed_asks_for_a_restart_once_a_write_would_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let (address, data) = (free_address(), directory.path().join("store"));
    fs::create_dir(&data).unwrap();
    let server = Server::of(limited(&data, &address), &data);
    assert_eq!(taken(&server.ingest("docs", texts(0)).await), 60);
    // No file may be longer than the store's is: like a disk that ends in the middle of a write.
    limit(&server, Some(fs::metadata(data.join("truth.redb")).unwrap().len()));
    let mut round = 0;
    while taken(&server.ingest("docs", texts(round * 60)).await) > 0 || round < 2 {
        round += 1;
        assert!(round < 100, "it never fails");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((get(&address, "/livez").0, get(&address, "/readyz").0), (200, 200), "a restart would not help");

    limit(&server, None);
    let begun = Instant::now();
    while get(&address, "/livez").0 == 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never asks for a restart");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(get(&address, "/readyz").0, 200, "it still answers");
    server.kill();
    let server = Server::start_on(&data, &[]);
    assert_eq!(taken(&server.ingest("docs", texts(10_000)).await), 60);
}

/// A server that is told when a file grows too long, where others would be ended.
fn limited(data: &Path, metrics: &str) -> Child {
    let served = Server::command(data);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(served.get_program()).args(served.get_args());
    for (name, value) in served.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(data).env("TAMIS_METRICS_LISTEN", metrics).stdout(Stdio::piped()).spawn().unwrap()
}

/// Limits how long a server's files may get.
fn limit(server: &Server, bytes: Option<u64>) {
    let process = Pid::from_raw(i32::try_from(server.child.id()).unwrap()).unwrap();
    prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_terms_find_no_room_answers_as_before_and_catches_up() {
    let directory = tempfile::tempdir().unwrap();
    let lexical = directory.path().join("lexical");
    fs::create_dir(&lexical).unwrap();
    let Some(mounted) = Mounted::at(&lexical) else {
        println!("not run: mounting a file system is not allowed here");
        return;
    };
    let address = free_address();
    let server = Server::start_on(directory.path(), &[("TAMIS_METRICS_LISTEN", &address)]);
    assert_eq!(taken(&server.ingest("docs", texts(0)).await), 60);
    let wanted = context(&server, 7).await;
    assert!(wanted.contains("49 holes"), "{wanted}");

    let filler = lexical.join("filler");
    fs::write(&filler, vec![0; 192 << 20]).unwrap_err();
    let other = document("7", "# Sieve 7\n\nThe mesh of sieve 7 has 50 holes. It is made in Lyon.\n");
    assert_eq!(taken(&server.ingest("docs", vec![other]).await), 0);
    // The other text is in the truth, so the first is not what is there already.
    let refused = server.ingest("docs", texts(0)).await;
    assert_eq!((refused.len(), taken(&refused)), (60, 0), "one by one, the stream goes on");
    let error = refused[7].error.as_ref().unwrap();
    assert!(error.reason == "STORE" && error.message.contains("the disk is full; free some space"), "{error:?}");
    assert_eq!(context(&server, 7).await, wanted);

    fs::remove_file(&filler).unwrap();
    let begun = Instant::now();
    while !context(&server, 7).await.contains("50 holes") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never catches up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(taken(&server.ingest("docs", texts(0)).await), 60);
    assert_eq!(context(&server, 7).await, wanted);
    assert_eq!(get(&address, "/livez").0, 200, "no restart is needed");
    drop((server, mounted));
}

fn texts(from: usize) -> Vec<Document> {
    let text = |n| format!("# Sieve {n}\n\nThe mesh of sieve {n} has {} holes. It is made in Lyon.\n", n * 7);
    (from..from + 60).map(|n| document(&n.to_string(), &text(n))).collect()
}

async fn context(server: &Server, sieve: usize) -> String {
    let request = CompressRequest {
        query: format!("How many holes has the mesh of sieve {sieve}?"),
        collection: "docs".into(),
        budget: Some(Budget { max_tokens: 120, tokenizer: String::new() }),
        ..CompressRequest::default()
    };
    server.contexts().await.compress(request).await.unwrap().into_inner().text
}

/// How many documents were taken in.
fn taken(results: &[IngestResponse]) -> usize {
    results.iter().filter(|r| r.error.is_none()).count()
}
