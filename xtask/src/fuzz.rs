//! `cargo xtask fuzz`: libFuzzer over one format, on the stable toolchain.

use std::io::Write;
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
    let usage = || format!("cargo xtask fuzz FORMAT|all [MINUTES|keep], with FORMAT one of {}", names.join(", "));
    let wanted = arguments.next().ok_or_else(usage)?;
    let then = arguments.next().unwrap_or_else(|| DEFAULT_MINUTES.to_string());
    let minutes: Option<NonZeroU32> = if then == "keep" { None } else { Some(then.parse().map_err(|_| usage())?) };
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
        match minutes {
            Some(minutes) => one(&program, format, seeds, minutes)?,
            None => keep(&program, format)?,
        }
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
    if let Ok(archive) = std::fs::File::open(kept(format)) {
        let unpacked = zip::ZipArchive::new(archive).and_then(|mut zip| zip.extract(&corpus));
        unpacked.map_err(|e| format!("{}: {e}", kept(format).display()))?;
    }
    let time = format!("-max_total_time={}", minutes.get() * 60);
    let prefix = format!("-artifact_prefix={}/{format}-", found.display());
    let mut arguments = vec![corpus.as_str()];
    arguments.extend([&time, &prefix, "-max_len=65536", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1"]);
    run_with(program, &arguments, &[("TAMIS_FUZZ", format)])
}

/// Keeps the fewest small inputs that reach every place that was reached, in one archive, for the tests to replay.
fn keep(program: &str, format: &str) -> Result {
    let (from, to) = (root().join("target/fuzz/corpus").join(format), root().join("target/fuzz/kept").join(format));
    let failed = |e: &dyn std::fmt::Display| format!("{format}: {e}");
    let _ = std::fs::remove_dir_all(&to); // of an earlier run, if there is one
    std::fs::create_dir_all(&to).map_err(|e| failed(&e))?;
    let folders = (to.display().to_string(), from.display().to_string());
    let arguments = ["-set_cover_merge=1", "-use_counters=0", "-max_len=1000", &folders.0, &folders.1];
    run_with(program, &arguments, &[("TAMIS_FUZZ", format)])?;
    let inside = std::fs::read_dir(&to).map_err(|e| failed(&e))?;
    let mut inputs: Vec<_> = inside.flatten().map(|entry| entry.path()).collect();
    inputs.sort();
    let archive = kept(format);
    std::fs::create_dir_all(root().join("fuzz/corpus")).map_err(|e| failed(&e))?;
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&archive).map_err(|e| failed(&e))?);
    for (n, input) in inputs.iter().enumerate() {
        let bytes = std::fs::read(input).map_err(|e| failed(&e))?;
        // No times, so that the same inputs make the same archive.
        let options = zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
        zip.start_file(format!("{n:04}"), options).map_err(|e| failed(&e))?;
        zip.write_all(&bytes).map_err(|e| failed(&e))?;
    }
    zip.finish().map_err(|e| failed(&e)).map(drop)
}

/// Where a format's inputs are kept.
fn kept(format: &str) -> std::path::PathBuf {
    root().join("fuzz/corpus").join(format!("{format}.zip"))
}
