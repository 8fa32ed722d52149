//! Tokens a second of a reader, of the language model attention only, one session on one thread.
//!
//!     cargo run --release --example reader_speed -- [PRECISION] [PASSAGES] [STATES_MIB | mini]
//!
//! Prints passages, tokens, seconds and tokens a second, after one round to warm up. The passage is the same every
//! time: with memory for states, only the questions are read.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use tamis::deadline::Deadline;
use tamis::encode::ModelChoice;
use tamis::models::{Cache, Silent};
use tamis::read::{LanguageReader, MiniSettings, Reader, ReaderMini, ReaderSettings, Reading, StateSettings};

const SENTENCE: &str = "The sieve of the mill was made in the year when the river rose above the bridge for a week. ";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let precision = arguments.next().unwrap_or_else(|| "auto".into()).parse()?;
    let passages: usize = arguments.next().map_or(Ok(40), |n| n.parse())?;
    let cache = Cache::from_environment()?;
    let reader: Box<dyn Reader> = match arguments.next().as_deref() {
        Some("mini") => {
            let settings = MiniSettings { adapter: None, base: ModelChoice::Default, precision, sessions: 1 };
            Box::new(ReaderMini::open(&settings, &cache, &Silent)?)
        }
        memory => {
            let memory = memory.map_or(Ok(0), str::parse::<usize>)? << 20;
            let states = StateSettings { memory, disk: None };
            let settings = ReaderSettings { precision, sessions: 1, states, ..ReaderSettings::default() };
            let reader = LanguageReader::open(settings, &cache, &Silent)?;
            reader.warm_up()?;
            Box::new(reader)
        }
    };
    let text = SENTENCE.repeat(6);
    let read = |n: usize| {
        let question = format!("in which year was sieve number {n} made?");
        let reading = Reading { title: "The mill", text: &text, question: &question };
        reader.attention(&reading, reader.rows(), &Deadline::none()).map(|a| a.read)
    };
    (0..4).try_for_each(|n| read(n).map(|_| ()))?;
    let start = Instant::now();
    let tokens = (0..passages).map(read).sum::<Result<usize, _>>()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: {passages} passages, {tokens} tokens, {seconds:.2} s", reader.fingerprint());
    println!("{:.0} tokens/s", tokens as f64 / seconds);
    Ok(())
}
