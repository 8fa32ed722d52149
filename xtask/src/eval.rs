//! `cargo xtask eval`: the labelled sets, and `docs/evaluation.md` from them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run::{Result, root, run};

/// Where labelled sets lie, if neither the command nor this variable says otherwise.
const DATA: &str = "TAMIS_EVAL_DATA";
const DEFAULT_DATA: &str = "../shared/eval";
/// The sets whose average is reported, then the others. `needle_books` is large: encoding it takes an hour.
const SETS: &str = "nq_multidoc,hotpotqa,musique,2wikimultihop,squad_longdoc,covidqa";
const OTHERS: &str = "qmsum,nq_retrieval,squad,xquad,cmrc2018_zh,cosqa,kv_retrieval";
const BUDGETS: &str = "128,256,512,1024,2048";
/// Questions of every set in a quick run.
const QUICK: &str = "40";
/// Stands between what people write and what this command writes.
const MARK: &str = "<!-- Everything below is written by `cargo xtask eval`. -->\n";

pub(crate) fn eval() -> Result {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let quick = arguments.iter().any(|a| a == "--quick");
    let named = arguments.iter().find(|a| !a.starts_with("--")).map(PathBuf::from);
    let data = named.or_else(|| std::env::var_os(DATA).map(PathBuf::from)).unwrap_or_else(|| root().join(DEFAULT_DATA));
    if !data.is_dir() {
        eprintln!("xtask: SKIPPED: no labelled sets in {}: name a folder, or set {DATA}", data.display());
        return Ok(());
    }
    run("cargo", &["build", "--release", "--package", "tamis-cli"])?;
    let mut written = String::new();
    for (title, sets) in [("Answers kept", SETS), ("Other sets", OTHERS)] {
        let mut flags = vec!["--sets", sets, "--budgets", BUDGETS];
        if quick {
            flags.extend(["--questions", QUICK]);
        }
        let command = format!("tamis eval --data DIR {} --format markdown", flags.join(" "));
        written.push_str(&format!("\n## {title}\n\n    {command}\n\n"));
        written.push_str(&tamis(&data, &flags)?);
    }
    if quick {
        print!("{written}");
        return Ok(());
    }
    let path = root().join("docs/evaluation.md");
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let page = std::fs::read_to_string(&path).map_err(failed)?;
    let (kept, _) = page.split_once(MARK).ok_or_else(|| format!("{} has lost its mark", path.display()))?;
    std::fs::write(&path, format!("{kept}{MARK}\n{}\n{written}", machine())).map_err(failed)
}

fn tamis(data: &std::path::Path, flags: &[&str]) -> Result<String> {
    let output = Command::new(root().join("target/release/tamis"))
        .args(["eval", "--format", "markdown", "--data"])
        .arg(data)
        .args(flags)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("tamis does not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("tamis eval ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The processor, for the reader.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|l| l.strip_prefix("model name")).map_or("", |l| l.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("Measured on {cores} cores of {model}.")
}
