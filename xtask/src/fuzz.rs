//! `cargo xtask fuzz`: libFuzzer over one format, on the stable toolchain.

use std::num::NonZeroU32;

use crate::run::{Result, root, run_with};

/// What every format gets where nothing else is said.
const DEFAULT_MINUTES: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Coverage counters as libFuzzer wants them; what `cargo fuzz` would set, without a sanitizer, which needs a
/// nightly compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Every format, and an example to begin with.
const FORMATS: &[(&str, &[&str])] = &[
    ("txt", &["sentences.txt"]),
    ("md", &["structure.md"]),
    ("html", &["structure.html"]),
    ("rst", &["structure.rst"]),
    ("adoc", &["structure.adoc"]),
    ("json", &["structure.json", "structure.ipynb"]),
    ("csv", &["functions.txt"]),
    ("log", &["functions.txt"]),
    ("chat", &["sentences.txt"]),
    ("srt", &["sentences.txt"]),
    ("eml", &["structure.md"]),
    ("ipynb", &["structure.ipynb"]),
    ("pdf", &["documents/paper.pdf", "documents/two-different-pages.pdf", "documents/images-only.pdf"]),
    ("docx", &["documents/soup.docx"]),
    ("docx.xml", &["structure.html"]),
    ("odt", &["documents/soup.odt"]),
    ("odt.xml", &["structure.html"]),
    ("pptx.xml", &["structure.html"]),
    ("xlsx", &["documents/soup.xlsx"]),
    ("xlsx.xml", &["structure.html"]),
    ("epub", &["documents/soup.epub"]),
    ("epub.xml", &["structure.html"]),
    ("code", &["structure.rs.txt", "structure.py.txt", "structure.ts.txt", "structure.yaml", "structure.toml"]),
];

pub(crate) fn fuzz() -> Result {
    let mut arguments = std::env::args().skip(2);
    let names: Vec<&str> = FORMATS.iter().map(|f| f.0).collect();
    let usage = || format!("cargo xtask fuzz FORMAT|all [MINUTES], with FORMAT one of {}", names.join(", "));
    let wanted = arguments.next().ok_or_else(usage)?;
    let minutes: NonZeroU32 = arguments.next().map_or(Ok(DEFAULT_MINUTES), |m| m.parse()).map_err(|_| usage())?;
    let chosen: Vec<_> = FORMATS.iter().filter(|f| wanted == "all" || wanted == f.0).collect();
    if chosen.is_empty() {
        return Err(usage());
    }
    // A target of its own keeps the counters out of build scripts.
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let build = ["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &target];
    run_with("cargo", &[&build[..], &["--target-dir", "target/fuzz"]].concat(), &[("RUSTFLAGS", FLAGS)])?;
    let program = root().join("target/fuzz").join(target).join("release/split").display().to_string();
    for (format, seeds) in chosen {
        one(&program, format, seeds, minutes)?;
    }
    Ok(())
}

/// Fuzzes one format; what it finds lies in `target/fuzz/found`.
fn one(program: &str, format: &str, seeds: &[&str], minutes: NonZeroU32) -> Result {
    let corpus = root().join("target/fuzz/corpus").join(format);
    let found = root().join("target/fuzz/found");
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    for seed in seeds {
        let from = root().join("tests/data/split").join(seed);
        let to = corpus.join(seed.replace('/', "-"));
        std::fs::copy(&from, to).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    let corpus = corpus.display().to_string();
    let kept = root().join("fuzz/corpus").join(format);
    let (time, kept_path) = (format!("-max_total_time={}", minutes.get() * 60), kept.display().to_string());
    let prefix = format!("-artifact_prefix={}/{format}-", found.display());
    let mut arguments = vec![corpus.as_str()];
    if kept.is_dir() {
        arguments.push(&kept_path);
    }
    arguments.extend([&time, &prefix, "-max_len=65536", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1"]);
    run_with(program, &arguments, &[("TAMIS_FUZZ", format)])
}
