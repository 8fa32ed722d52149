//! Peak memory of splitting one large file: `memory markdown 100` or `memory json 50` (megabytes).

use std::io::Write;

use tamis::extract;
use tamis_splitters::{Counter, ours};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or("memory markdown|json MEGABYTES")?;
    let megabytes: usize = arguments.next().ok_or("memory markdown|json MEGABYTES")?.parse()?;
    let (name, text) = (format!("large.{}", if kind == "json" { "json" } else { "md" }), large(&kind, megabytes));
    let counter = Counter::new();
    // Before splitting: the text, and the tokenizer after it was used.
    let warm = counter.count(&text[..text.len().min(10_000)]);
    let before = peak()?;
    let start = std::time::Instant::now();
    let source = extract::read_file(&name, text.into_bytes())?;
    let segments = ours(&source, &counter).len();
    let seconds = start.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{kind}: {:.1} MB in {segments} segments, {:.1} MB/s, peak {} MB (before splitting {before} MB; {warm} tokens to warm up)",
        source.text.len() as f64 / 1e6,
        source.text.len() as f64 / 1e6 / seconds,
        peak()?,
    )?;
    Ok(())
}

fn large(kind: &str, megabytes: usize) -> String {
    let mut out = String::with_capacity(megabytes * 1_000_000 + 4096);
    let mut n = 0;
    if kind == "json" {
        out.push('[');
        while out.len() < megabytes * 1_000_000 {
            n += 1;
            out.push_str(&format!("{{\"id\": {n}, \"name\": \"item {n}\", \"tags\": [\"a\", \"b\"], \"nested\": {{\"x\": {n}.5, \"note\": \"some text about item {n}\"}}}},\n"));
        }
        out.push_str("null]");
    } else {
        while out.len() < megabytes * 1_000_000 {
            n += 1;
            out.push_str(&format!("## Section {n}\n\nThis is paragraph {n}. It has *three* sentences. The last one has [a link](https://example.org/{n}).\n\n- an item\n- another item\n\n| a | b |\n|---|---|\n| {n} | {n} |\n\n```rust\nfn f{n}() {{ g({n}) }}\n```\n\n"));
        }
    }
    out
}

/// Peak resident memory so far, in megabytes.
fn peak() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kilobytes / 1024)
}
