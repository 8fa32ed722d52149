//! Real files as they were published: snapshots to read, and to notice what a change of rules does to them.

use tamis::extract;
use tamis::split::Limits;

use crate::check::{check, outline};

const LIMITS: Limits = Limits { block: 60, segment: 200, overlap: 0 };

fn snapshot(path: &str) {
    let bytes = std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let source = extract::read_file(path, bytes).unwrap();
    check(&source);
    let name = path.rsplit('/').next().unwrap();
    insta::assert_snapshot!(name, outline(&source, LIMITS));
}

#[test]
fn documentation() {
    for name in ["csv.md", "cmdline-tool.rst", "bugs.html"] {
        snapshot(&format!("tests/data/split/real/{name}"));
    }
}

#[test]
fn data() {
    for name in ["rust.yml", "smallpop.csv", "strange.csv"] {
        snapshot(&format!("tests/data/split/real/{name}"));
    }
}

#[test]
fn this_repository() {
    for path in ["proto/tamis/v1/collection.proto", "src/span.rs", "SECURITY.md", "Cargo.toml"] {
        let bytes = std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        check(&extract::read_file(path, bytes).unwrap());
    }
    snapshot("LICENSE");
    // A copy: the source itself changes for its own reasons.
    snapshot("tests/data/split/real/deadline.rs");
}
