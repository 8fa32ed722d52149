//! Running other programs from the repository's root.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Runs a program to its end; says what it runs.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result {
    run_with(program, arguments, &[])
}

/// The same with environment variables.
pub(crate) fn run_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result {
    eprintln!("$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|e| format!("{program} does not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} ended with {status}", arguments.join(" "))) }
}

/// A Python environment under `target/`, with these packages; made once per set of packages.
pub(crate) fn python_environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let directory = root().join("target").join(name);
    let stamp = directory.join("packages");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(directory);
    }
    let path = directory.display().to_string();
    run("python3", &["-m", "venv", "--clear", &path])?;
    let pip = directory.join("bin/pip").display().to_string();
    let mut arguments = vec!["install", "--quiet", "--disable-pip-version-check"];
    arguments.extend(packages);
    run(&pip, &arguments)?;
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(directory)
}
