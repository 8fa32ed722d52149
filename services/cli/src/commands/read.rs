//! `tamis read`: what the reader makes of one passage and one question.

use std::io::Read;
use std::path::Path;

use serde_json::json;
use tamis::deadline::Deadline;
use tamis::models::Cache;
use tamis::read::{Attention, LanguageReader, Of, Reader, ReaderMini, Reading, Shaded, html, parts, shaded, svg};

use super::eval::picture;
use super::line;
use crate::args::{Global, OutputFormat, ReadArgs, ReadWith};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

/// Tokens that are named.
const NAMED: usize = 12;

pub(crate) fn run(global: &Global, args: &ReadArgs) -> Result {
    if let Some(path) = args.plot.as_deref().filter(|p| !is_page(p)) {
        picture::check(path).map_err(|_| Failure::Usage("--plot: the name ends with .html, .svg or .png".into()))?;
    }
    let text = text_of(&args.path)?;
    let reader = open(global, args.read_with)?;
    let reader = reader.as_ref();
    let whole = Reading { title: &args.title, text: &text, question: &args.query };
    // What is longer than the window is read in parts.
    let found = parts(reader, &whole, std::slice::from_ref(&(0..text.len())))?;
    let (mut tokens, mut heads, mut read, mut entropies) = (Vec::new(), Vec::new(), 0, Vec::new());
    let mut answers = 0.0f32;
    for part in &found {
        let reading = Reading { text: &text[part.clone()], ..whole };
        let attention = reader.attention(&reading, reader.rows(), &Deadline::none())?;
        read += attention.read;
        match args.read_with {
            ReadWith::Language => add_heads(&mut heads, &attention),
            // Odds that the part answers.
            ReadWith::Mini => {
                answers = attention.to_question.iter().map(|odds| odds / (1.0 + odds)).fold(answers, f32::max);
            }
        }
        tokens.extend(shaded(&attention, reading.text));
        if args.certainty {
            entropies.push(reader.certainty(&reading, Of::Question, &Deadline::none())?);
        }
    }
    if let Some(path) = &args.plot {
        if is_page(path) {
            let failed = |e| Failure::Other(format!("{}: {e}", path.display()));
            std::fs::write(path, html(&args.query, &tokens)).map_err(failed)?;
        } else {
            picture::write(path, &svg(&args.query, &tokens))?;
        }
    }
    if global.format == OutputFormat::Json {
        let tokens: Vec<_> = tokens.iter().map(|t| json!({"text": t.text, "share": t.share})).collect();
        let heads: Vec<_> = heads.iter().map(|(l, h, s)| json!({"layer": l, "head": h, "share": s})).collect();
        let sure: Vec<_> =
            entropies.iter().map(|c| json!({"entropy": c.entropy, "question_nll": c.question})).collect();
        let out = json!({
            "reader": reader.fingerprint().to_string(), "tokens_read": read, "parts": found.len(), "heads": heads,
            "certainty": sure, "tokens": tokens,
            "answers": (args.read_with == ReadWith::Mini).then_some(answers),
        });
        return line(&out.to_string());
    }
    line(&format!("{}: {read} tokens read in {} parts", reader.fingerprint(), found.len()))?;
    if args.read_with == ReadWith::Mini {
        line(&format!("  likely to answer: {answers:.3}"))?;
    }
    if args.heads {
        for (layer, head, share) in &heads {
            line(&format!(
                "  layer {layer:>3}, head {head:>3}: {:>6.2} % of its attention to the passage",
                100.0 * share
            ))?;
        }
    }
    for sure in &entropies {
        line(&format!(
            "  certainty: entropy of the answer's first token {:.3}, of the question's tokens a mean of {:.3} nats",
            sure.entropy, sure.question
        ))?;
    }
    line("looked at most:")?;
    let mut best: Vec<&Shaded> = tokens.iter().filter(|t| t.text.contains(char::is_alphanumeric)).collect();
    best.sort_by(|a, b| b.share.total_cmp(&a.share));
    best.iter().take(NAMED).try_for_each(|t| line(&format!("  {:>5.3}  {}", t.share, t.text.trim())))
}

fn open(global: &Global, who: ReadWith) -> Result<Box<dyn Reader>> {
    let usage = |e: tamis::error::Error| Failure::Usage(e.to_string());
    let (config, cache) = (configuration(global)?, Cache::from_environment()?);
    Ok(match who {
        ReadWith::Mini => Box::new(ReaderMini::open(&config.mini().map_err(usage)?, &cache, &Bar::default())?),
        ReadWith::Language => Box::new(LanguageReader::open(config.reader().map_err(usage)?, &cache, &Bar::default())?),
    })
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|x| x == "html")
}

fn text_of(path: &str) -> Result<String> {
    let failed = |e: std::io::Error| Failure::Other(format!("{path}: {e}"));
    if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok(tamis::extract::read_file(path, bytes)?.text)
}

/// Adds each head's share, the mean of its rows.
fn add_heads(heads: &mut Vec<(usize, usize, f32)>, attention: &Attention) {
    let share = |head: usize| -> f32 {
        let rows = (0..attention.rows).map(|row| attention.of(head, row).iter().sum::<f32>());
        rows.sum::<f32>() / attention.rows as f32
    };
    for (n, head) in attention.heads.iter().enumerate() {
        match heads.get_mut(n) {
            Some(known) => known.2 = known.2.max(share(n)),
            None => heads.push((head.layer, head.head, share(n))),
        }
    }
}
