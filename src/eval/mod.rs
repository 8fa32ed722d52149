//! Measuring what contexts keep: labelled questions, systems side by side, intervals.
//!
//! [`data`] reads a set, [`prepare`](PreparedSet) encodes it once, [`system`](System) lists what is compared,
//! [`run`](run()) asks every question of every system at every budget as a [`Plan`] says, [`report`] writes its results
//! down. The measures are in [`measure`], the statistics in [`bootstrap`].
//!
//! The systems under test run the same code as the server: [`crate::compress`] over an index in memory.

mod asked;
mod aspects;
pub mod bootstrap;
pub mod calibrate;
pub mod cascade;
pub mod compare;
pub mod data;
pub mod gate;
pub mod heads;
pub mod lessons;
mod logistic;
pub mod measure;
mod memory;
mod passages;
mod plan;
pub mod plot;
mod prepare;
pub mod report;
mod results;
mod run;
mod sentences;
pub mod suites;
mod system;
mod trust;
pub mod tune;

use crate::error::{Error, Result};
pub use memory::{RememberingEncoder, RememberingReader};
pub use plan::Plan;
pub use prepare::PreparedSet;
pub use results::{Report, SetResult, SystemResult};
pub use run::run;
pub use system::System;

/// The thing of this name; the error names them all.
fn one_of<T: Copy>(field: &'static str, all: &[T], name: fn(T) -> &'static str, asked: &str) -> Result<T> {
    all.iter().copied().find(|thing| name(*thing) == asked).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|thing| name(*thing)).collect();
        Error::invalid(field, format!("{asked:?}: use one of {}", known.join(", ")))
    })
}
