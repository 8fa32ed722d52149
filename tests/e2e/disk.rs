//! A disk that is full, and one that can't be written: a small file system of its own, where mounting one is allowed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{fail, json, run, succeed};

/// A mounted file system, as long as this lives.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn at(path: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(path).status();
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

    let full = fs::write(disk.join("filler"), vec![0; 32 << 20]).unwrap_err();
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
