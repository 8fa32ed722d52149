//! Which blocks are kept: the best first, and never more than the budget holds.
//!
//! Token counts do not add up: joining two texts can need fewer tokens than both, or more. So blocks are
//! chosen by estimate, then the rendered text is counted; what is too much is taken out again, and what
//! is left over is filled with the best blocks that still fit.

use std::collections::HashMap;

use super::render::Layout;
use super::{Budget, Context, Format, Order, Piece, Source};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::span::Span;
use crate::tokenize::TokenCount;

/// Filling ends when this share of the budget is used...
const FULL: f64 = 0.99;
/// ... or after so many counts of the whole text that did not help.
const MAX_FAILED_FILLS: usize = 24;

/// Keeps the best pieces under the budget and renders them.
///
/// `pieces` stand in the order of their documents and spans. The returned context never has more tokens
/// than the budget, counted on its final text. Without pieces it is empty.
///
/// # Errors
/// [`Error::BudgetInfeasible`] with the smallest budget under which one piece could be rendered, where
/// not even that fits; the deadline's.
pub fn fit(
    sources: &[Source],
    pieces: &[Piece],
    budget: &Budget,
    format: Format,
    order: Order,
    deadline: &Deadline,
) -> Result<Context> {
    if pieces.is_empty() {
        // Nothing was found: an honest empty context.
        return Ok(Context { text: String::new(), token_count: TokenCount(0), excerpts: Vec::new() });
    }
    let layout = Layout { sources, pieces, format, order };
    let mut selection = Selection::new(&layout, budget);
    selection.take_by_estimate();
    selection.drop_excess(deadline)?;
    selection.fill(deadline)?;
    if selection.is_empty() {
        selection.take_any_one(deadline)?;
    }
    let text = selection.text;
    let excerpts = layout.excerpts(&selection.kept, budget.tokenizer.as_ref());
    Ok(Context { token_count: selection.tokens, text, excerpts })
}

struct Selection<'a> {
    layout: &'a Layout<'a>,
    budget: &'a Budget,
    /// Pieces by score, best first.
    by_score: Vec<usize>,
    /// Tokens of every piece's own text.
    own: Vec<u32>,
    /// Estimates of what surrounds a piece, by source, heading, and whether it is the source's first.
    overheads: HashMap<(usize, &'a str, bool), u32>,
    /// Tokens of what is shown before pieces, and how many of the kept pieces need it.
    shown: HashMap<(usize, Span), (u32, usize)>,
    kept: Vec<bool>,
    /// Kept pieces of every source.
    per_source: Vec<usize>,
    /// The rendered text of what is kept, and its tokens.
    text: String,
    tokens: TokenCount,
}

impl<'a> Selection<'a> {
    fn new(layout: &'a Layout<'a>, budget: &'a Budget) -> Self {
        let mut by_score: Vec<usize> = (0..layout.pieces.len()).collect();
        // Stable: equal scores stay in the order of documents and spans.
        by_score.sort_by(|a, b| layout.pieces[*b].by_score(&layout.pieces[*a]));
        Self {
            layout,
            budget,
            by_score,
            own: layout.pieces.iter().map(|p| budget.tokenizer.count(&p.text).0).collect(),
            overheads: HashMap::new(),
            shown: HashMap::new(),
            kept: vec![false; layout.pieces.len()],
            per_source: vec![0; layout.sources.len()],
            text: String::new(),
            tokens: TokenCount(0),
        }
    }

    fn is_empty(&self) -> bool {
        self.per_source.iter().all(|n| *n == 0)
    }

    fn limit(&self) -> u32 {
        self.budget.max_tokens.0
    }

    /// What keeping a piece would add, about.
    fn cost(&mut self, n: usize) -> u32 {
        let piece = &self.layout.pieces[n];
        let first = self.per_source[piece.source] == 0;
        if self.own[n] > self.limit() {
            return u32::MAX;
        }
        let follows = n > 0 && self.kept[n - 1] && self.layout.follows(n);
        let overhead = if follows {
            1
        } else {
            let (layout, tokenizer) = (self.layout, self.budget.tokenizer.as_ref());
            let place = (piece.source, piece.heading.as_str(), first);
            *self.overheads.entry(place).or_insert_with(|| layout.overhead(piece, first, tokenizer).0)
        };
        self.own[n].saturating_add(overhead).saturating_add(self.context_cost(n))
    }

    /// Tokens of what has to be shown before a piece and is not shown for another one already.
    fn context_cost(&mut self, n: usize) -> u32 {
        let (piece, tokenizer) = (&self.layout.pieces[n], self.budget.tokenizer.as_ref());
        let mut cost: u32 = 0;
        for quote in &piece.context {
            let shown = self.shown.entry((piece.source, quote.span));
            let (tokens, users) = shown.or_insert_with(|| (tokenizer.count(&quote.text).0 + 1, 0));
            cost = cost.saturating_add(if *users == 0 { *tokens } else { 0 });
        }
        cost
    }

    fn set(&mut self, n: usize, keep: bool) {
        let source = self.layout.pieces[n].source;
        self.kept[n] = keep;
        if keep {
            self.per_source[source] += 1
        } else {
            self.per_source[source] -= 1
        }
        for quote in &self.layout.pieces[n].context {
            if let Some((_, users)) = self.shown.get_mut(&(source, quote.span)) {
                *users = if keep { *users + 1 } else { users.saturating_sub(1) };
            }
        }
    }

    fn recount(&mut self) {
        self.text = self.layout.text(&self.kept);
        self.tokens = self.budget.tokenizer.count(&self.text);
    }

    fn take_by_estimate(&mut self) {
        let mut total: u32 = 0;
        for i in 0..self.by_score.len() {
            let n = self.by_score[i];
            let cost = self.cost(n);
            if total.saturating_add(cost) <= self.limit() {
                total += cost;
                self.set(n, true);
            }
        }
        self.recount();
    }

    /// Takes out the worst pieces until the text fits.
    fn drop_excess(&mut self, deadline: &Deadline) -> Result<()> {
        let mut place = self.by_score.len();
        while self.tokens > self.budget.max_tokens && place > 0 {
            deadline.check("fit")?;
            // As many of the worst as the excess asks for, by their own tokens; then count again.
            let mut excess = i64::from(self.tokens.0) - i64::from(self.limit());
            while excess > 0 && place > 0 {
                place -= 1;
                let n = self.by_score[place];
                if self.kept[n] {
                    self.set(n, false);
                    excess -= i64::from(self.own[n]);
                }
            }
            self.recount();
        }
        Ok(())
    }

    /// Adds the best pieces that still fit, one by one, each counted on the whole text.
    fn fill(&mut self, deadline: &Deadline) -> Result<()> {
        let enough = (f64::from(self.limit()) * FULL) as u32;
        let mut failed = 0;
        for i in 0..self.by_score.len() {
            if self.tokens.0 >= enough || failed >= MAX_FAILED_FILLS {
                break;
            }
            let n = self.by_score[i];
            let slack = self.limit() - self.tokens.0;
            // The estimate of what surrounds a piece is generous, its own text is exact.
            if self.kept[n] || self.own[n] > slack || self.cost(n) > slack.saturating_add(2) {
                continue;
            }
            deadline.check("fit")?;
            let (text, tokens) = (std::mem::take(&mut self.text), self.tokens);
            self.set(n, true);
            self.recount();
            if self.tokens > self.budget.max_tokens {
                self.set(n, false);
                (self.text, self.tokens) = (text, tokens);
                failed += 1;
            }
        }
        Ok(())
    }

    /// Nothing fits by estimate: finds the best single piece that does, exactly.
    fn take_any_one(&mut self, deadline: &Deadline) -> Result<()> {
        let mut smallest = u32::MAX;
        for i in 0..self.by_score.len() {
            let n = self.by_score[i];
            if self.own[n] >= smallest {
                continue;
            }
            deadline.check("fit")?;
            self.set(n, true);
            self.recount();
            if self.tokens <= self.budget.max_tokens {
                return Ok(());
            }
            self.set(n, false);
            smallest = smallest.min(self.tokens.0);
        }
        Err(Error::BudgetInfeasible { max_tokens: self.limit(), minimum: smallest })
    }
}
