//! `cargo xtask reproduce`: is the release the same bytes when it is built again?

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::run::{Result, root, run};

/// Builds the release twice from nothing, in the same place as a container does, and compares the two byte by byte.
pub(crate) fn reproduce() -> Result {
    let place = root().join("target/reproduce");
    let first = build(&place)?;
    let second = build(&place)?;
    remove(&place)?;
    if first == second {
        println!("{} bytes, the same in both builds", first.len());
        return Ok(());
    }
    let (common, at) = (first.len().min(second.len()), first.iter().zip(&second).position(|(a, b)| a != b));
    Err(format!(
        "the builds differ from byte {} on ({} and {} bytes): something in them depends on time, order or chance",
        at.unwrap_or(common),
        first.len(),
        second.len()
    ))
}

fn build(place: &Path) -> Result<Vec<u8>> {
    remove(place)?;
    let folder = place.display().to_string();
    run("cargo", &["build", "--release", "--locked", "--package", "tamis-cli", "--quiet", "--target-dir", &folder])?;
    let binary = place.join("release").join(format!("tamis{}", std::env::consts::EXE_SUFFIX));
    fs::read(&binary).map_err(|e| format!("{}: {e}", binary.display()))
}

fn remove(place: &Path) -> Result {
    match fs::remove_dir_all(place) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("{}: {e}", place.display())),
        _ => Ok(()),
    }
}
