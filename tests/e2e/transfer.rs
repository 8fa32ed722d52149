//! Collections as files: out, in, cut off, damaged, and into another index.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::double::Double;
use crate::support::{Server, fail, json, succeed, tamis};

/// An arithmetic that `auto` is on no CPU, so that it makes another encoder everywhere.
const OTHER: [&str; 2] = ["--precision", "fp32"];

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..70 {
        let text = format!("# Sieve {n}\n\nThe mesh of sieve {n} has {} holes.\n\n- horse hair\n- 絹 {n}\n", n * 7);
        fs::write(directory.path().join(format!("{n:02}.md")), text).unwrap();
    }
    let long: String = (0..600).map(|n| format!("Line {n} of the long report says {}. ", n * 13)).collect();
    fs::write(directory.path().join("long.txt"), long).unwrap();
    fs::write(directory.path().join("table.csv"), "name,holes\ndrum,400\nfine,900\n").unwrap();
    directory
}

fn context(directory: &Path, more: &[&str]) -> String {
    let question = ["compress", "-q", "How many holes has the mesh of sieve 61?", "-b", "150", "--format", "json"];
    json(directory, &[&question[..], more].concat())["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_collection_goes_through_a_file() {
    let directory = folder();
    let (d, double) = (directory.path(), Double::start());
    succeed(d, &["ingest", ".", "--meta", "year=2024"]);
    let wanted = context(d, &[]);
    assert!(wanted.contains("427 holes"), "{wanted}");
    succeed(d, &["export", "--vectors", "-o", "with.tamis"]);
    succeed(d, &["export", "-o", "without.tamis"]);
    let size = |name: &str| fs::metadata(d.join(name)).unwrap().len();
    assert!(size("without.tamis") * 2 < size("with.tamis"));
    let import = |more: &[&str]| {
        let told = json(d, &[&["import", "--format", "json"], more].concat());
        (told["written"].as_u64().unwrap(), told["unchanged"].as_u64().unwrap())
    };
    let url = double.url();
    for (file, name, index) in
        [("with.tamis", "a", "embedded"), ("without.tamis", "b", "embedded"), ("with.tamis", "c", url.as_str())]
    {
        let to = ["--collection", name, "--index", index];
        assert_eq!(import(&[&[file], &to[..]].concat()), (72, 0), "{file}");
        assert_eq!(import(&[&[file], &to[..]].concat()), (0, 72), "{file}");
        assert_eq!(context(d, &to), wanted, "{file} {index}");
        assert_eq!(context(d, &[&to[..], &["--where", "year=2024"]].concat()), wanted, "{file} {index}");
    }
    assert!(succeed(d, &["doctor"]).contains("all parts of the index say the same"));

    // Cut off in the middle: what was whole is there, and the rest comes with the next try.
    let whole = fs::read(d.join("with.tamis")).unwrap();
    fs::write(d.join("cut.tamis"), &whole[..whole.len() / 2]).unwrap();
    let (_, said) = fail(d, &["import", "cut.tamis", "--collection", "cut"]);
    assert!(said.contains("ends in the middle"), "{said}");
    let (written, unchanged) = import(&["with.tamis", "--collection", "cut"]);
    assert_eq!(written + unchanged, 72);
    assert_eq!(context(d, &["--collection", "cut"]), wanted);
    assert!(succeed(d, &["doctor"]).contains("all parts of the index say the same"));

    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 4;
    fs::write(d.join("flipped.tamis"), flipped).unwrap();
    fs::write(d.join("empty.tamis"), "").unwrap();
    for (arguments, reason) in [
        (vec!["import", "flipped.tamis", "--collection", "f"], "damaged"),
        (vec!["import", "long.txt", "--collection", "f"], "no export"),
        (vec!["import", "empty.tamis", "--collection", "f"], "empty"),
        (vec!["import", "none.tamis", "--collection", "f"], "none.tamis"),
        ([&["import", "with.tamis", "--collection", "f"], &OTHER[..]].concat(), "fingerprint"),
        (vec!["export", "--collection", "nowhere", "-o", "x.tamis"], "nowhere"),
    ] {
        let (_, said) = fail(d, &arguments);
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    assert!(!d.join("x.tamis").exists());
    // Without vectors, another encoder takes it.
    assert_eq!(import(&[&["without.tamis", "--collection", "other"], &OTHER[..]].concat()), (72, 0));
}

#[test]
fn a_collection_is_encoded_anew_and_put_in_its_place() {
    let directory = folder();
    let (d, double) = (directory.path(), Double::start());
    for index in ["embedded", double.url().as_str()] {
        let to = ["--index", index];
        succeed(d, &[&["ingest", "61.md", "62.md", "table.csv"], &to[..]].concat());
        let wanted = context(d, &to);
        let other = [&to[..], &OTHER].concat();
        let told = json(d, &[&["reindex", "--keep-old", "--format", "json"], &other[..]].concat());
        assert_eq!((told["encoded"].as_u64(), told["documents"].as_u64()), (Some(3), Some(3)), "{told}");
        assert!(context(d, &other).contains("427 holes"));
        let (_, said) = fail(d, &[&["compress", "-q", "holes", "-b", "100"], &to[..]].concat());
        assert!(said.contains("fingerprint"), "{said}");
        assert_eq!(context(d, &[&to[..], &["--collection", "default-reindexed"]].concat()), wanted);
        assert!(fail(d, &[&["reindex"], &other[..]].concat()).1.contains("already"));
        succeed(d, &[&["collections", "switch", "default", "default-reindexed"], &to[..]].concat());
        assert_eq!(context(d, &to), wanted);
        let overlap = [&["reindex", "--overlap", "1"], &to[..]].concat();
        let (_, said) = fail(d, &overlap);
        assert!(said.contains("another encoder or splitting") && said.contains("name another"), "{said}");
        let overlapping = json(d, &[&overlap[..], &["--beside", "other", "--format", "json"]].concat());
        assert_eq!(overlapping["encoded"].as_u64(), Some(3), "{overlapping}");
        let got = json(d, &[&["collections", "get", "default", "--format", "json"], &to[..]].concat());
        assert_eq!((got["overlap"].as_u64(), got["boundaries"].as_str()), (Some(1), Some("structure")), "{got}");
        assert!(context(d, &to).contains("427 holes"));
        let (_, said) = fail(d, &[&["reindex", "--overlap", "999"], &to[..]].concat());
        assert!(said.contains("overlap: 999 is over the limit of 16"), "{said}");
        assert!(fail(d, &[&["collections", "switch", "default", "nowhere"], &to[..]].concat()).1.contains("nowhere"));
        assert!(succeed(d, &[&["doctor"], &to[..]].concat()).contains("all parts of the index say the same"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_over_a_whole_collection_may_take_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let long: String = (0..1500).map(|n| format!("Line {n} of the long report says {}. ", n * 13)).collect();
    fs::write(d.join("long.txt"), long).unwrap();
    succeed(d, &["ingest", "long.txt"]);
    succeed(d, &["export", "-o", "without.tamis"]);
    let server = Server::start_with(&[("TAMIS_DEFAULT_TIMEOUT_S", "1")]);
    let begun = Instant::now();
    tokio::task::block_in_place(|| {
        succeed(d, &["import", "without.tamis", "--server", &server.url]);
        assert!(begun.elapsed() > Duration::from_secs(1), "too quick to show anything");
        succeed(d, &["export", "--vectors", "-o", "with.tamis", "--server", &server.url]);
        succeed(d, &["collections", "stats", "default", "--server", &server.url]);
    });
}

/// Ends a command with SIGKILL after so many milliseconds, unless it ends before. Whether it was killed.
fn killed(directory: &Path, arguments: &[&str], after_ms: u64) -> bool {
    let mut child = tamis(directory, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(after_ms));
    let _ = child.kill();
    !child.wait().unwrap().success()
}

#[test]
fn what_is_killed_in_the_middle_is_done_by_running_it_again() {
    let directory = folder();
    let d = directory.path();
    succeed(d, &["ingest", "."]);
    let mut deaths = 0;
    for round in 0..4 {
        deaths += u64::from(killed(d, &[&["reindex"], &OTHER[..]].concat(), 400 + round * 350));
        // The one or the other, whole.
        let listed = json(d, &["collections", "get", "default", "--format", "json"]);
        assert_eq!(listed["documents"].as_u64(), Some(72), "{listed}");
        if listed["fingerprint"].as_str().unwrap().contains(OTHER[1]) {
            break;
        }
    }
    let finished = json(d, &["collections", "get", "default", "--format", "json"]);
    if !finished["fingerprint"].as_str().unwrap().contains(OTHER[1]) {
        succeed(d, &[&["reindex"], &OTHER[..]].concat());
    }
    assert!(context(d, &OTHER).contains("427 holes"));

    for round in 0..2 {
        deaths += u64::from(killed(d, &["backup", "kept"], 200 + round * 150));
        if d.join("kept/manifest.json").exists() {
            break;
        }
        assert!(fail(d, &["restore", "kept"]).1.contains("manifest.json"), "a backup without it is none");
    }
    if !d.join("kept/manifest.json").exists() {
        succeed(d, &["backup", "kept"]);
    }
    for round in 0..2 {
        let restore = [&["restore", "kept", "--data-dir", "anew"], &OTHER[..]].concat();
        deaths += u64::from(killed(d, &restore, 400 + round * 400));
    }
    let restored = [&OTHER[..], &["--data-dir", "anew"]].concat();
    succeed(d, &[&["restore", "kept"], &restored[..]].concat());
    assert_eq!(context(d, &restored), context(d, &OTHER));
    for store in [&[][..], &["--data-dir", "anew"]] {
        assert!(succeed(d, &[&["doctor"], store].concat()).contains("all parts of the index say the same"));
    }
    assert!(deaths > 1, "{deaths}");
}

#[test]
fn a_backup_brings_everything_back() {
    let directory = folder();
    let (d, double) = (directory.path(), Double::start());
    succeed(d, &["ingest", "61.md", "62.md", "table.csv"]);
    succeed(d, &["ingest", "long.txt", "--collection", "other"]);
    let wanted = context(d, &[]);
    let told = json(d, &["backup", "kept", "--format", "json"]);
    assert_eq!(told["collections"].as_array().unwrap().len(), 2, "{told}");
    assert!(fail(d, &["backup", "kept"]).1.contains("holds a backup already"));
    for index in [["--index", "embedded", "--data-dir", "anew"], ["--index", &double.url(), "--data-dir", "anew"]] {
        succeed(d, &[&["restore", "kept"], &index[..]].concat());
        assert_eq!(context(d, &index), wanted);
        let counts = json(d, &[&["collections", "list", "--format", "json"], &index[..]].concat());
        let documents = |n: usize| counts["collections"][n]["documents"].as_u64();
        assert_eq!((documents(0), documents(1)), (Some(3), Some(1)), "{counts}");
    }
    let file = d.join("kept/other.tamis");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (_, said) = fail(d, &["restore", "kept", "--data-dir", "none"]);
    assert!(said.contains("other.tamis") && said.contains("damaged"), "{said}");
    assert!(fail(d, &["restore", "nowhere"]).1.contains("manifest.json"));
}
