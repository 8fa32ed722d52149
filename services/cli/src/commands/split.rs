//! `tamis split`: the splitter as a tool of its own, without model, store or server.

use std::io::Read;

use serde_json::{Value, json};
use tamis::document::Segment;
use tamis::extract::{self, Extracted, MediaType};
use tamis::split::{self, Limits};
use tamis::tokenize::{self, TokenCounter};

use super::line;
use crate::args::{Global, OutputFormat, SplitArgs};
use crate::failure::{Failure, Result};

/// Longest part of a block that is shown to people, in characters.
const SHOWN_CHARS: usize = 100;

pub(crate) fn run(global: &Global, args: &SplitArgs) -> Result {
    let tokenizer = tokenize::named(&args.tokenizer)?;
    let kind = args.kind.as_deref().map(media_type).transpose()?;
    let limits =
        Limits { block: args.max_block_tokens as usize, segment: args.max_tokens as usize, overlap: args.overlap };
    let mut failed = 0;
    for path in &args.paths {
        // The other files are split all the same.
        match read(path, kind) {
            Ok(source) => {
                let segments = split::split(&source, limits, &|text| tokenizer.count(text).0 as usize);
                match global.format {
                    OutputFormat::Json => line(&as_json(path, &source, &segments, tokenizer.as_ref()).to_string())?,
                    OutputFormat::Text | OutputFormat::Markdown => print(path, &source, &segments, tokenizer.as_ref())?,
                }
            }
            Err(e) => {
                failed += 1;
                crate::say!("{path}: {e}");
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Other(format!("{failed} of {} files could not be split", args.paths.len()))),
    }
}

/// A media type by its name, by a file name extension or by the name of a language.
fn media_type(kind: &str) -> Result<MediaType> {
    let by_extension = MediaType::of_name(&format!("a.{kind}"));
    let by_language = || extract::Language::named(kind).map(MediaType::Code);
    let by_name = || MediaType::all().find(|m| m.name() == kind);
    match by_extension.or_else(by_language).or_else(by_name) {
        Some(media) => Ok(media),
        None => MediaType::parse(kind).map_err(|_| {
            let known: Vec<&str> = MediaType::all().map(MediaType::name).collect();
            Failure::Usage(format!(
                "--kind {kind:?}: use an extension (md, csv), a language (rust) or one of {}",
                known.join(", ")
            ))
        }),
    }
}

fn read(path: &str, kind: Option<MediaType>) -> Result<Extracted> {
    let failed = |e: std::io::Error| Failure::Other(e.to_string());
    let mut content = Vec::new();
    if path == "-" {
        std::io::stdin().read_to_end(&mut content).map_err(failed)?;
    } else {
        content = std::fs::read(path).map_err(failed)?;
    }
    let media = kind.unwrap_or_else(|| MediaType::guess(path, &content));
    Ok(extract::from_bytes(path, media, content)?)
}

fn as_json(path: &str, source: &Extracted, segments: &[Segment], tokenizer: &dyn TokenCounter) -> Value {
    let count = |span: tamis::span::Span| span.slice(&source.text).map_or(0, |text| tokenizer.count(text).0);
    let (mut blocks, mut all) = (Vec::new(), Vec::new());
    for segment in segments {
        let first = blocks.len();
        let scope = segment.heading(&source.text);
        for block in &segment.blocks {
            let (start, end) = (block.span.start, block.span.end);
            let tokens = count(block.span);
            let mut shown =
                json!({"start": start, "end": end, "kind": block.kind.name(), "scope": scope, "tokens": tokens});
            if let Some(origin) = source.source_of(start) {
                shown["source"] = origin.into();
            }
            blocks.push(shown);
        }
        let context: Vec<[u64; 2]> = segment.context.iter().map(|c| [c.span.start, c.span.end]).collect();
        let tokens: u32 = segment.blocks.iter().map(|b| count(b.span)).sum();
        let span = segment.span();
        let mut shown = json!({
            "start": span.start, "end": span.end, "blocks": [first, blocks.len() - 1], "context": context,
            "tokens": tokens,
        });
        if let Some(lead) = segment.lead {
            shown["lead"] = json!([lead.start, lead.end]);
        }
        let place = segment.place(span);
        if !place.is_empty() {
            shown["place"] = place.into();
        }
        all.push(shown);
    }
    let mut out = json!({
        "file": path, "media_type": source.media.name(), "bytes": source.text.len(), "blocks": blocks, "segments": all,
    });
    if source.is_extracted() {
        // Spans count the bytes of this text, which is not the file's.
        out["text"] = source.text.as_str().into();
    }
    out
}

fn print(path: &str, source: &Extracted, segments: &[Segment], tokenizer: &dyn TokenCounter) -> Result {
    let text = source.text.as_str();
    let blocks: usize = segments.iter().map(|s| s.blocks.len()).sum();
    let extracted = if source.is_extracted() { ", extracted text" } else { "" };
    line(&format!("{path}: {}{extracted}, {blocks} blocks in {} segments", source.media.name(), segments.len()))?;
    for (n, segment) in segments.iter().enumerate() {
        let tokens: u32 = segment.blocks.iter().map(|b| tokenizer.count(&text[b.span.range()]).0).sum();
        let heading = segment.heading(text);
        let place = segment.place(segment.span());
        line(format!("\nsegment {} [{}] {tokens} tokens  {heading}  {place}", n + 1, segment.span()).trim_end())?;
        for context in segment.context.iter().filter(|c| c.kind.is_shown()) {
            let (first, last) = (context.first + 1, context.end);
            let shown = shortened(context.span.slice(text).unwrap_or_default());
            line(&format!("  before blocks {first} to {last}: {shown}"))?;
        }
        for block in &segment.blocks {
            let shown = shortened(&text[block.span.range()]);
            line(&format!("  {:<10} [{}] {shown}", block.kind.name(), block.span))?;
        }
    }
    line("")
}

/// Text as one line of limited length.
fn shortened(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == SHOWN_CHARS {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push('⏎'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
