//! Sections under one budget: every section is told of once before one is told more of, and then each has its share.

use std::ops::Range;

use super::render::{Layout, escaped, one_line};
use super::{Budget, Context, Excerpt, Format, Order, Piece, Source};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::tokenize::TokenCount;

/// Pieces in a row that may be too long for what is left before filling ends.
const MAX_FAILED_FILLS: usize = 24;
/// Up to so many tokens the whole text is counted after every piece; beyond that, estimates choose first.
const COUNTED_EXACTLY: u32 = 2000;
/// A section begins with one of so many of its best pieces.
const FIRST_CHOICES: usize = 16;

/// A part of a text with a title and facts of its own.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What stands above it, on one line.
    pub title: String,
    /// More lines above it.
    pub facts: Vec<String>,
    /// What is said of it in other words than its pieces', on one line above them.
    pub summary: Option<String>,
    /// Its part of the budget, in relation to the other sections.
    pub share: f64,
    /// In the order of documents and spans.
    pub pieces: Vec<Piece>,
    /// Places in `pieces`, in the order in which they are to be kept; others are not.
    pub best: Vec<usize>,
}

/// A text in sections.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The text, and what it quotes.
    pub context: Context,
    /// By section its excerpts, places in the context's; nothing where it had no room.
    pub excerpts: Vec<Range<usize>>,
}

/// Keeps at least one piece of every section, the first sections first, and then as many of each as its share allows.
///
/// `above` stands before all sections. The text never has more tokens than the budget.
///
/// # Errors
/// [`Error::BudgetInfeasible`] where not one piece fits below its title; the deadline's.
pub fn fit_sections(
    above: &[String],
    sources: &[Source],
    sections: &[Section],
    budget: &Budget,
    format: Format,
    deadline: &Deadline,
) -> Result<Fitted> {
    let layouts: Vec<Layout<'_>> =
        sections.iter().map(|s| Layout { sources, pieces: &s.pieces, format, order: Order::Relevance }).collect();
    let mut fill = Fill {
        above,
        sections,
        layouts,
        budget,
        format,
        kept: sections.iter().map(|s| vec![false; s.pieces.len()]).collect(),
        next: vec![0; sections.len()],
        used: vec![0.0; sections.len()],
        taken: Vec::new(),
        tokens: 0,
    };
    fill.one_of_each(deadline)?;
    fill.by_share(deadline)?;
    fill.drop_excess(deadline)?;
    if fill.taken.is_empty() && sections.iter().any(|s| !s.best.is_empty()) {
        fill.take_any_one(deadline)?;
    }
    let text = fill.text();
    let token_count = budget.tokenizer.count(&text);
    let mut excerpts: Vec<Excerpt> = Vec::new();
    let mut ranges = Vec::with_capacity(sections.len());
    for (layout, kept) in fill.layouts.iter().zip(&fill.kept) {
        let first = excerpts.len();
        excerpts.extend(layout.excerpts(kept, budget.tokenizer.as_ref()));
        ranges.push(first..excerpts.len());
    }
    Ok(Fitted { context: Context { text, token_count, excerpts }, excerpts: ranges })
}

struct Fill<'a> {
    above: &'a [String],
    sections: &'a [Section],
    layouts: Vec<Layout<'a>>,
    budget: &'a Budget,
    format: Format,
    kept: Vec<Vec<bool>>,
    /// Of every section, how many of its best pieces were tried.
    next: Vec<usize>,
    /// Tokens of every section.
    used: Vec<f64>,
    /// Section and piece, in the order in which they were kept.
    taken: Vec<(usize, usize)>,
    /// Tokens of the text; an estimate where it is long.
    tokens: u32,
}

impl Fill<'_> {
    /// Of every section the best piece that leaves the sections after it their shares, or else its shortest one.
    fn one_of_each(&mut self, deadline: &Deadline) -> Result<()> {
        let mut shares: f64 = self.sections.iter().map(|s| s.share).sum();
        let above: u32 = self.above.iter().map(|line| self.budget.tokenizer.count(&self.line(line)).0).sum();
        for section in 0..self.sections.len() {
            let used = self.tokens.max(above);
            let left = f64::from(self.budget.max_tokens.0.saturating_sub(used));
            let allowed = left * self.sections[section].share / shares.max(f64::MIN_POSITIVE);
            shares -= self.sections[section].share;
            let best = self.sections[section].best.iter().take(FIRST_CHOICES).enumerate();
            let costs: Vec<(u32, usize)> = best.map(|(n, piece)| (self.estimate(section, *piece), n)).collect();
            let fair = costs.iter().find(|(cost, _)| f64::from(*cost) <= allowed);
            let Some((_, first)) = fair.or_else(|| costs.iter().min()) else { continue };
            self.next[section] = *first;
            self.try_next(section, deadline)?;
            // What was passed over may have room when all sections are told of.
            self.next[section] = 0;
        }
        Ok(())
    }

    /// The section that is furthest below its share goes on, until nothing fits any more.
    fn by_share(&mut self, deadline: &Deadline) -> Result<()> {
        let mut failed = 0;
        while failed < MAX_FAILED_FILLS {
            let open = (0..self.sections.len())
                .filter(|s| self.next[*s] < self.sections[*s].best.len() && self.kept[*s].contains(&true));
            let of_share = |s: &usize| self.used[*s] / self.sections[*s].share.max(f64::MIN_POSITIVE);
            let Some(section) = open.min_by(|a, b| of_share(a).total_cmp(&of_share(b)).then(a.cmp(b))) else { break };
            failed = if self.try_next(section, deadline)? { 0 } else { failed + 1 };
        }
        Ok(())
    }

    /// Keeps the section's next piece if it fits.
    fn try_next(&mut self, section: usize, deadline: &Deadline) -> Result<bool> {
        deadline.check("fit")?;
        let piece = self.sections[section].best[self.next[section]];
        self.next[section] += 1;
        if self.kept[section][piece] {
            return Ok(true);
        }
        let before = self.tokens;
        let after = if before < COUNTED_EXACTLY {
            self.kept[section][piece] = true;
            let counted = self.count();
            self.kept[section][piece] = false;
            counted
        } else {
            before.saturating_add(self.estimate(section, piece))
        };
        if after > self.budget.max_tokens.0 {
            return Ok(false);
        }
        self.kept[section][piece] = true;
        self.taken.push((section, piece));
        self.used[section] += f64::from(after.saturating_sub(before));
        self.tokens = after;
        Ok(true)
    }

    /// About how many tokens a piece adds.
    fn estimate(&self, section: usize, piece: usize) -> u32 {
        let (layout, tokenizer) = (&self.layouts[section], self.budget.tokenizer.as_ref());
        let piece = &self.sections[section].pieces[piece];
        let of = |text: &str| tokenizer.count(text).0;
        let title = if self.kept[section].contains(&true) { 0 } else { of(&self.head(section)) };
        let context: u32 = piece.context.iter().map(|q| of(&q.text) + 1).sum();
        of(&piece.text) + layout.overhead(piece, true, tokenizer).0 + context + title
    }

    /// Takes out what was kept last until the text fits.
    fn drop_excess(&mut self, deadline: &Deadline) -> Result<()> {
        while self.count() > self.budget.max_tokens.0 {
            deadline.check("fit")?;
            let Some((section, piece)) = self.taken.pop() else { break };
            self.kept[section][piece] = false;
        }
        Ok(())
    }

    /// Nothing fits by estimate: finds a single piece that does, exactly.
    fn take_any_one(&mut self, deadline: &Deadline) -> Result<()> {
        let mut smallest = u32::MAX;
        for section in 0..self.sections.len() {
            for piece in self.sections[section].best.iter().copied() {
                deadline.check("fit")?;
                self.kept[section][piece] = true;
                let tokens = self.count();
                if tokens <= self.budget.max_tokens.0 {
                    self.taken.push((section, piece));
                    return Ok(());
                }
                self.kept[section][piece] = false;
                smallest = smallest.min(tokens);
            }
        }
        Err(Error::BudgetInfeasible { max_tokens: self.budget.max_tokens.0, minimum: smallest })
    }

    fn count(&self) -> u32 {
        let TokenCount(tokens) = self.budget.tokenizer.count(&self.text());
        tokens
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.kept.iter().flatten().any(|kept| *kept) {
            return out;
        }
        for line in self.above {
            out.push_str(&self.line(line));
        }
        let mut number = 0;
        for (section, kept) in self.kept.iter().enumerate() {
            if !kept.contains(&true) {
                continue;
            }
            if !out.is_empty() && self.format != Format::Xml {
                out.push('\n');
            }
            out.push_str(&self.head(section));
            self.layouts[section].write(&mut out, kept, &mut number);
            if self.format == Format::Xml {
                out.push_str("</cluster>\n");
            }
        }
        out
    }

    /// A section's title and facts.
    fn head(&self, section: usize) -> String {
        let section = &self.sections[section];
        let title = one_line(&section.title);
        let mut out = match self.format {
            Format::Plain => format!("# {title}\n"),
            Format::Markdown => format!("## {title}\n"),
            Format::Xml => format!("<cluster title=\"{}\">\n", escaped(&title)),
        };
        section.facts.iter().for_each(|fact| out.push_str(&self.line(fact)));
        if let Some(summary) = section.summary.as_deref().map(one_line) {
            match self.format {
                Format::Plain | Format::Markdown => out.push_str(&format!("{summary}\n")),
                Format::Xml => out.push_str(&format!("<summary>{}</summary>\n", escaped(&summary))),
            }
        }
        out
    }

    fn line(&self, fact: &str) -> String {
        match self.format {
            Format::Plain | Format::Markdown => format!("{}\n", one_line(fact)),
            Format::Xml => format!("<fact>{}</fact>\n", escaped(&one_line(fact))),
        }
    }
}
