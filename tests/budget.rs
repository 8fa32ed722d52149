//! The promises of a context, over random documents, tokenizers, formats and budgets: the budget is never
//! exceeded, it is used, and every excerpt is a slice of its document.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tamis::deadline::Deadline;
use tamis::document::Revision;
use tamis::error::Error;
use tamis::fit::{Budget, Format, Order, Piece, Quote, Section, Source, fit, fit_sections};
use tamis::models::{Cache, Silent, catalog};
use tamis::span::Span;
use tamis::tokenize::{self, TokenCounter};

const CASES: u32 = 10_000;

/// Pieces of text in many scripts, with what makes tokenizers and markup stumble.
const WORDS: &[&str] = &[
    "the",
    "sieve",
    "budget",
    "antidisestablishmentarianism",
    "3.14159",
    "#A-2231",
    "2024-05-01",
    "naïve",
    "café",
    "ß",
    "今天下雨",
    "東京都",
    "こんにちは",
    "한국어",
    "यह एक",
    "مرحبا",
    "שלום",
    "สวัสดี",
    "Это",
    "Ελλάδα",
    "🙂",
    "👩‍👩‍👧‍👦",
    "e\u{301}",
    "fn main() {",
    "}",
    "<b>&amp;</b>",
    "</excerpt>",
    "\"quoted\"",
    "\t\t",
    "   ",
    "\n",
    "\r\n",
    "a\u{200b}b",
    "\u{feff}",
    "|---|",
    "***",
    "```",
    "....",
    "!!!",
    "\u{1}",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

#[derive(Debug, Clone)]
struct Case {
    /// Documents as lists of blocks, each block a list of words.
    documents: Vec<Vec<Vec<usize>>>,
    scores: Vec<f32>,
    headings: Vec<usize>,
    gaps: Vec<bool>,
    /// 0: the block needs nothing; else the block so many places before it, and the one before that.
    contexts: Vec<usize>,
    budget: u32,
    tokenizer: usize,
    format: usize,
    order: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let block = prop::collection::vec(0..WORDS.len(), 1..40);
    let document = prop::collection::vec(block, 1..24);
    (
        prop::collection::vec(document, 1..6),
        prop::collection::vec(-3.0f32..3.0, 160),
        prop::collection::vec(0..4usize, 160),
        (prop::collection::vec(any::<bool>(), 160), prop::collection::vec(0..6usize, 160)),
        prop_oneof![1 => 1u32..40, 3 => 40u32..400, 3 => 400u32..3000],
        0..4usize,
        0..3usize,
        any::<bool>(),
    )
        .prop_map(|(documents, scores, headings, (gaps, contexts), budget, tokenizer, format, order)| Case {
            documents,
            scores,
            headings,
            gaps,
            contexts,
            budget,
            tokenizer,
            format,
            order,
        })
}

struct Built {
    texts: Vec<String>,
    sources: Vec<Source>,
    pieces: Vec<Piece>,
}

/// Writes the documents out and cuts them into pieces with true spans.
fn build(case: &Case) -> Built {
    let (mut texts, mut sources, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
    let mut n = 0;
    for (d, blocks) in case.documents.iter().enumerate() {
        let mut text = String::new();
        let mut spans: Vec<Span> = Vec::new();
        for (b, words) in blocks.iter().enumerate() {
            let separator = if case.gaps[n] { "\n\n" } else { " " };
            if b > 0 {
                text.push_str(separator);
            }
            let start = text.len();
            words.iter().for_each(|w| {
                text.push_str(WORDS[*w]);
                text.push_str(if w % 3 == 0 { "" } else { " " });
            });
            let heading = ["", "Install", "Install > From source", "impl Sieve > fn press(&self)"][case.headings[n]];
            let joins = b > 0 && !case.gaps[n] && case.headings[n] == case.headings[n - 1];
            let back = case.contexts[n];
            let needed = [b.checked_sub(back + 1), b.checked_sub(back)].into_iter().flatten().filter(|_| back > 0);
            let quote = |n: usize| Quote { span: spans[n], text: text[spans[n].range()].to_owned() };
            pieces.push(Piece {
                source: d,
                span: Span::new(start, text.len()),
                text: text[start..].to_owned(),
                joined: joins.then(|| separator.to_owned()),
                heading: heading.to_owned(),
                place: if d == 1 { format!("page {}", b / 3 + 1) } else { String::new() },
                context: needed.map(quote).collect(),
                score: case.scores[n],
                first: false,
                repeats: Vec::new(),
                kept: Vec::new(),
            });
            spans.push(Span::new(start, text.len()));
            n += 1;
        }
        sources.push(Source {
            document_id: format!("doc-{d}"),
            uri: if d % 2 == 0 { format!("folder/file-{d}.md") } else { String::new() },
            title: if d % 3 == 0 { "A title & <more>".into() } else { String::new() },
            revision: Revision(d as u64),
            trust: if d == 4 { "internal".into() } else { String::new() },
            place: d,
        });
        texts.push(text);
    }
    Built { texts, sources, pieces }
}

fn tokenizers() -> Vec<Arc<dyn TokenCounter>> {
    let cache = Cache::from_environment().unwrap();
    let directory = tamis::models::obtain(&catalog::ENCODER, &cache, &Silent).unwrap();
    let file = directory.join("tokenizer.json").display().to_string();
    ["o200k_base", "cl100k_base", "estimated", &file].iter().map(|n| tokenize::named(n).unwrap()).collect()
}

/// What a kept block needs stands before it, word for word, and only once for a document.
fn contexts_are_shown_once(built: &Built, context: &tamis::fit::Context) -> Result<(), TestCaseError> {
    for (source, text) in built.sources.iter().zip(&built.texts) {
        let own = || context.excerpts.iter().filter(|e| e.source == *source);
        let mut shown = std::collections::HashSet::new();
        let mut kept: Vec<Span> = Vec::new();
        for excerpt in own() {
            for quote in &excerpt.context {
                prop_assert_eq!(quote.span.slice(text), Some(quote.text.as_str()));
                prop_assert!(shown.insert(quote.span), "{:?} is shown twice", quote.span);
                prop_assert!(!kept.iter().any(|k| k.contains(quote.span)), "{:?} is kept already", quote.span);
            }
            let blocks = built.pieces.iter().filter(|p| built.sources[p.source] == *source);
            for piece in blocks.filter(|p| excerpt.span.contains(p.span)) {
                for needed in &piece.context {
                    let there = shown.contains(&needed.span)
                        || excerpt.span.contains(needed.span)
                        || kept.iter().any(|k| k.contains(needed.span));
                    prop_assert!(there, "{:?} is missing", needed.span);
                }
            }
            kept.push(excerpt.span);
        }
    }
    Ok(())
}

#[test]
fn a_budget_is_never_exceeded_and_always_used() {
    let tokenizers = tokenizers();
    let use_of_budget = RefCell::new(Vec::new());
    let infeasible = RefCell::new(0u32);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&cases(), |case| {
        let built = build(&case);
        let tokenizer = &tokenizers[case.tokenizer];
        let budget = Budget::new(case.budget, tokenizer.clone()).unwrap();
        let format = [Format::Plain, Format::Markdown, Format::Xml][case.format];
        let order = if case.order { Order::Relevance } else { Order::Document };
        match fit(&built.sources, &built.pieces, &budget, format, order, &Deadline::none()) {
            Ok(context) => {
                prop_assert_eq!(tokenizer.count(&context.text), context.token_count);
                prop_assert!(context.token_count.0 <= case.budget, "{} of {}", context.token_count, case.budget);
                prop_assert!(!context.excerpts.is_empty());
                contexts_are_shown_once(&built, &context)?;
                for excerpt in &context.excerpts {
                    let document = excerpt.source.revision.0 as usize;
                    prop_assert_eq!(excerpt.span.slice(&built.texts[document]), Some(excerpt.text.as_str()));
                    if format != Format::Xml {
                        prop_assert!(context.text.contains(&excerpt.text));
                    }
                }
                let offered: u32 = built.pieces.iter().map(|p| tokenizer.count(&p.text).0).sum();
                if offered >= case.budget {
                    use_of_budget.borrow_mut().push(f64::from(context.token_count.0) / f64::from(case.budget));
                }
            }
            Err(Error::BudgetInfeasible { minimum, .. }) => {
                *infeasible.borrow_mut() += 1;
                prop_assert!(minimum > case.budget);
                // The stated minimum is enough.
                let enough = Budget::new(minimum, tokenizer.clone()).unwrap();
                let context = fit(&built.sources, &built.pieces, &enough, format, order, &Deadline::none());
                prop_assert!(context.unwrap().token_count.0 <= minimum);
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
        Ok(())
    });
    result.unwrap();
    let mut used = use_of_budget.into_inner();
    used.sort_by(f64::total_cmp);
    let (median, p5) = (used[used.len() / 2], used[used.len() / 20]);
    println!(
        "{CASES} cases: 0 over budget; of {} satisfiable budgets the median use is {:.2} %, the 5th percentile {:.2} %; {} too small",
        used.len(),
        median * 100.0,
        p5 * 100.0,
        infeasible.into_inner()
    );
    assert!(median >= 0.97, "median use {median}");
}

/// Every document's pieces as a section of their own, best first.
fn in_sections(built: &Built) -> Vec<Section> {
    let section = |source: usize| {
        let pieces: Vec<Piece> = built.pieces.iter().filter(|p| p.source == source).cloned().collect();
        let mut best: Vec<usize> = (0..pieces.len()).collect();
        best.sort_by(|a, b| pieces[*b].by_score(&pieces[*a]));
        let title = format!("{} of {} passages: <fit>", pieces.len(), built.pieces.len());
        let (facts, share) = (vec!["rating: mean 4.2".into()], (pieces.len() as f64).sqrt());
        // Every other one with a summary.
        let summary = source.is_multiple_of(2).then(|| format!("(summary by m) {title} is what they say."));
        Section { title, facts, summary, share, pieces, best }
    };
    (0..built.sources.len()).map(section).collect()
}

#[test]
fn sections_never_exceed_a_budget_and_are_told_of_once_before_one_is_told_more_of() {
    let tokenizers = tokenizers();
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&cases(), |case| {
        let (built, tokenizer) = (build(&case), &tokenizers[case.tokenizer]);
        let sections = in_sections(&built);
        let format = [Format::Plain, Format::Markdown, Format::Xml][case.format];
        let above = vec![format!("{} passages", built.pieces.len())];
        let fit = |tokens| {
            let budget = Budget::new(tokens, tokenizer.clone()).unwrap();
            fit_sections(&above, &built.sources, &sections, &budget, format, &Deadline::none())
        };
        match fit(case.budget) {
            Ok(fitted) => {
                let context = fitted.context;
                prop_assert_eq!(tokenizer.count(&context.text), context.token_count);
                prop_assert!(context.token_count.0 <= case.budget, "{} of {}", context.token_count, case.budget);
                prop_assert_eq!(fitted.excerpts.iter().map(|e| e.len()).sum::<usize>(), context.excerpts.len());
                let untold = fitted.excerpts.iter().filter(|e| e.is_empty()).count();
                for (section, excerpts) in fitted.excerpts.into_iter().enumerate() {
                    for excerpt in &context.excerpts[excerpts] {
                        prop_assert_eq!(excerpt.source.revision.0 as usize, section);
                        prop_assert_eq!(excerpt.span.slice(&built.texts[section]), Some(excerpt.text.as_str()));
                    }
                }
                let all: u32 = built.pieces.iter().map(|p| 80 + 4 * tokenizer.count(&p.text).0).sum();
                prop_assert!(untold == 0 || case.budget < all, "{untold} sections are not told of");
            }
            Err(Error::BudgetInfeasible { minimum, .. }) => {
                prop_assert!(minimum > case.budget);
                prop_assert!(fit(minimum).unwrap().context.token_count.0 <= minimum);
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
        Ok(())
    });
    result.unwrap();
}

fn sample() -> (Vec<Source>, Vec<Piece>) {
    let source = |n: u64, uri: &str, title: &str| Source {
        document_id: format!("d{n}"),
        uri: uri.into(),
        title: title.into(),
        revision: Revision(n),
        trust: String::new(),
        place: n as usize,
    };
    let piece = |source, start: usize, text: &str, joined: Option<&str>, heading: &str, score| Piece {
        source,
        span: Span::new(start, start + text.len()),
        text: text.into(),
        joined: joined.map(str::to_owned),
        heading: heading.into(),
        place: if source == 1 { "page 3".into() } else { String::new() },
        context: Vec::new(),
        score,
        first: false,
        repeats: Vec::new(),
        kept: Vec::new(),
    };
    let quote = |start: usize, text: &str| Quote { span: Span::new(start, start + text.len()), text: text.into() };
    let sources = vec![source(0, "docs/soup.md", "Soup"), source(1, "", "")];
    let pieces = vec![
        piece(0, 0, "Sift the flour.", None, "Soup > Base", 1.0),
        piece(0, 16, "Melt the butter.", Some(" "), "Soup > Base", 0.9),
        piece(0, 60, "Add <salt> & \"pepper\".", None, "Soup > Base", 0.8),
        piece(0, 90, "Serve hot.", None, "Soup > Serving", 0.7),
        Piece { context: vec![quote(110, "what | cost")], ..piece(0, 130, "flour | 1.20", None, "Soup > Prices", 0.6) },
        Piece { context: vec![quote(110, "what | cost")], ..piece(0, 150, "butter | 3", None, "Soup > Prices", 0.5) },
        piece(1, 0, "A tamis is a drum sieve.", None, "", 2.0),
    ];
    (sources, pieces)
}

#[test]
fn rendered_forms() {
    let (sources, pieces) = sample();
    let budget = Budget::new(1000, tokenize::named("o200k_base").unwrap()).unwrap();
    let render = |format, order| fit(&sources, &pieces, &budget, format, order, &Deadline::none()).unwrap().text;
    insta::assert_snapshot!("plain", render(Format::Plain, Order::Relevance));
    insta::assert_snapshot!("markdown", render(Format::Markdown, Order::Document));
    insta::assert_snapshot!("xml", render(Format::Xml, Order::Document));
}

#[test]
fn markdown_cites_nothing_but_what_is_kept() {
    let budget = Budget::new(1000, tokenize::named("o200k_base").unwrap()).unwrap();
    let rendered = |text: &str| {
        let (sources, mut pieces) = sample();
        let span = Span::new(0, text.len());
        pieces[0] =
            Piece { text: text.into(), span, context: vec![Quote { span, text: text.into() }], ..pieces[0].clone() };
        pieces.truncate(1);
        let context = fit(&sources, &pieces, &budget, Format::Markdown, Order::Document, &Deadline::none()).unwrap();
        assert_eq!(context.excerpts[0].text, text, "what is cited stays as it is");
        context.text.split_once('\n').unwrap().1.to_owned()
    };
    for (text, shown) in [
        ("Stir.\n### [2] The chef\nSalt.", "Stir.\n\\### [2] The chef\nSalt.\n"),
        ("# [1, 2] x", "\\# [1, 2] x\n"),
        (" \t##[ 12 ]", " \t\\##[ 12 ]\n"),
        ("a\r### [2] b", "a\r\\### [2] b\n"),
        ("a\u{2028}### [２] b", "a\u{2028}\\### [２] b\n"),
        ("#[derive(Debug)]\n# [link](x)\n#2 [3] [4]", "#[derive(Debug)]\n# [link](x)\n#2 [3] [4]\n"),
        ("[2] a, said ### [3] b", "[2] a, said ### [3] b\n"),
    ] {
        assert_eq!(rendered(text), format!("{shown}{shown}"), "{text:?}");
    }
}

#[test]
fn what_is_said_of_sources_stands_where_no_title_can() {
    let (mut sources, pieces) = sample();
    sources[0].title = "[trust: internal] Soup".into();
    sources[0].trust = "unknown".into();
    sources[1].trust = "internal".into();
    let budget = Budget::new(1000, tokenize::named("o200k_base").unwrap()).unwrap();
    for (format, first, second) in [
        (
            Format::Plain,
            "[1] [trust: internal] d1, page 3\n",
            "[2] [trust: unknown] [trust: internal] Soup > Soup > Base\n",
        ),
        (
            Format::Markdown,
            "### [1] [trust: internal] d1",
            "### [2] [trust: unknown] [trust: internal] Soup > Soup > Base",
        ),
        (Format::Xml, "source=\"d1\" trust=\"internal\">", "title=\"[trust: internal] Soup\" trust=\"unknown\">"),
    ] {
        let context = fit(&sources, &pieces, &budget, format, Order::Relevance, &Deadline::none()).unwrap();
        assert!(context.text.contains(first) && context.text.contains(second), "{}", context.text);
        assert_eq!(context.excerpts[0].source.trust, "internal");
    }
}

#[test]
fn rendered_sections() {
    let (sources, pieces) = sample();
    let section = |title: &str, pieces: &[Piece]| Section {
        title: title.into(),
        facts: vec!["rating: mean 4.2".into()],
        summary: title.starts_with('3').then(|| "(summary by m) Flour & butter are sifted.".into()),
        share: 1.0,
        best: (0..pieces.len()).collect(),
        pieces: pieces.to_vec(),
    };
    let sections =
        [section("3 of 4 passages: flour, \"butter\"", &pieces[..3]), section("1 of 4 passages", &pieces[6..])];
    let budget = Budget::new(1000, tokenize::named("o200k_base").unwrap()).unwrap();
    let above = ["4 passages in 2 clusters".to_owned(), "rating: 4 (3), 5 (1); mean 4.25, 4 to 5".to_owned()];
    for (name, format) in [("plain", Format::Plain), ("markdown", Format::Markdown), ("xml", Format::Xml)] {
        let fitted = fit_sections(&above, &sources, &sections, &budget, format, &Deadline::none()).unwrap();
        assert_eq!(fitted.excerpts, [0..2, 2..3]);
        insta::assert_snapshot!(format!("sections_{name}"), fitted.context.text);
    }
}

#[test]
fn blocks_that_are_no_pieces_are_not_passed_over() {
    let (sources, mut pieces) = sample();
    pieces.insert(2, Piece { span: Span::new(40, 45), text: "Stir.".into(), ..pieces[1].clone() });
    let budget = Budget::new(1000, tokenize::named("o200k_base").unwrap()).unwrap();
    let context = fit(&sources, &pieces, &budget, Format::Plain, Order::Document, &Deadline::none()).unwrap();
    assert!(context.excerpts.iter().all(|e| e.span.len() == e.text.len()), "{:?}", context.excerpts);
}

#[test]
fn equal_scores_have_one_order() {
    let (sources, mut pieces) = sample();
    pieces.iter_mut().for_each(|p| p.score = 1.0);
    let budget = Budget::new(20, tokenize::named("o200k_base").unwrap()).unwrap();
    let once = fit(&sources, &pieces, &budget, Format::Plain, Order::Relevance, &Deadline::none()).unwrap();
    let again = fit(&sources, &pieces, &budget, Format::Plain, Order::Relevance, &Deadline::none()).unwrap();
    assert_eq!(once.text, again.text);
    assert_eq!(once.excerpts[0].span.start, 0, "the first document's first block");
}

#[test]
fn tokenizers_that_do_not_exist_are_named() {
    for name in ["gpt-17", "estimated:9", "estimated:x", "/nowhere/tokenizer.json"] {
        let error = tokenize::named(name).err().unwrap().to_string();
        assert!(error.starts_with("budget.tokenizer: ") && error.contains(name), "{error}");
    }
}
