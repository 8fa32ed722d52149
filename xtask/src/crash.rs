//! `cargo xtask crash`: the crash test, for as many deaths as one likes.

use crate::run::{Result, run_with};

/// Deaths where nothing else is said.
const DEATHS: u32 = 1000;

pub(crate) fn crash() -> Result {
    let deaths = match std::env::args().nth(2) {
        None => DEATHS,
        Some(text) => text.parse().map_err(|_| format!("{text:?}: expected a number of deaths"))?,
    };
    let arguments = ["test", "--package", "tamis", "--test", "store", "crash", "--", "--nocapture"];
    run_with("cargo", &arguments, &[("TAMIS_TEST_CRASH_ROUNDS", &deaths.to_string())])
}
