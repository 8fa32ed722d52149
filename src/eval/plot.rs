//! Answers kept against tokens, as a picture (SVG).

use super::heads::HeadScore;
use super::results::{Report, at};
use super::system::System;
use crate::read::Rows;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Colours that colour-blind readers can tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 8] = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"];

/// A line per system: the mean over sets of answers (or evidence) kept, against the budget.
#[must_use]
pub fn svg(report: &Report) -> String {
    let budgets: Vec<u32> = report.budgets().collect();
    let (least, most) = (budgets.iter().min().copied().unwrap_or(1), budgets.iter().max().copied().unwrap_or(2));
    let span = (f64::from(most).ln() - f64::from(least).ln()).max(1e-9);
    let x = |budget: u32| LEFT + (f64::from(budget).ln() - f64::from(least).ln()) / span * (WIDTH - LEFT - RIGHT);
    let y = |share: f64| TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">Kept by budget, mean of {} sets</text>\n",
        report.sets.len()
    );
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        let (end, at) = (WIDTH - RIGHT, y(share));
        out.push_str(&format!(
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{end}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>\n",
            LEFT - 6.0,
            at + 4.0,
            100.0 * share
        ));
    }
    for budget in &budgets {
        let (at, below) = (x(*budget), HEIGHT - BOTTOM + 18.0);
        out.push_str(&format!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{budget}</text>\n"));
    }
    out.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">tokens</text>\n",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 12.0
    ));
    for (n, system) in report.systems().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let points: Vec<(f64, f64)> =
            budgets.iter().filter_map(|b| Some((x(*b), y(average(report, system, *b)?)))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let width = if system == System::Fast { 3 } else { 2 };
        out.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n",
            line.join(" ")
        ));
        for (x, y) in &points {
            out.push_str(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"));
        }
        let at = TOP + 18.0 * n as f64 + 10.0;
        let legend = WIDTH - RIGHT + 16.0;
        out.push_str(&format!(
            "<line x1=\"{legend}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{system}</text>\n",
            legend + 20.0,
            legend + 26.0,
            at + 4.0
        ));
    }
    out.push_str("</svg>\n");
    out
}

/// Every head by layer and place, as good as its reciprocal rank: from the last token above, from the question's below.
#[must_use]
pub fn heads(scores: &[HeadScore], per_layer: usize) -> String {
    const CELL: f64 = 20.0;
    let layers = scores.iter().map(|s| s.head.layer + 1).max().unwrap_or(1);
    let (least, most) = scores
        .iter()
        .fold((1.0f64, 0.0f64), |(least, most), s| (least.min(s.reciprocal_rank), most.max(s.reciprocal_rank)));
    let height = CELL * per_layer as f64 + 60.0;
    let width = LEFT + CELL * layers as f64 + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"10\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * height
    );
    for (rows, title, top) in
        [(Rows::Last, "from the last token", 40.0), (Rows::Mean, "from the question's tokens", 40.0 + height)]
    {
        out.push_str(&format!(
            "<text x=\"{LEFT}\" y=\"{}\" font-size=\"13\">Reciprocal rank of the wanted block {title}, {least:.2} (white) to \
             {most:.2}</text>\n",
            top - 12.0
        ));
        for score in scores.iter().filter(|s| s.rows == rows) {
            let share = (score.reciprocal_rank - least) / (most - least).max(1e-9);
            let (x, y) = (LEFT + CELL * score.head.layer as f64, top + CELL * score.head.head as f64);
            out.push_str(&format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"#0072B2\" fill-opacity=\"{share:.3}\" \
                 stroke=\"#eee\"><title>layer {}, head {}: {:.3}</title></rect>\n",
                score.head.layer, score.head.head, score.reciprocal_rank
            ));
        }
        for layer in (0..layers).step_by(2) {
            let (x, y) = (LEFT + CELL * (layer as f64 + 0.5), top + CELL * per_layer as f64 + 13.0);
            out.push_str(&format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{layer}</text>\n"));
        }
        for head in 0..per_layer {
            let y = top + CELL * (head as f64 + 0.7);
            out.push_str(&format!("<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">head {head}</text>\n", LEFT - 6.0));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn average(report: &Report, system: System, budget: u32) -> Option<f64> {
    let kept: Vec<f64> = report
        .sets
        .iter()
        .filter_map(|s| at(s, system, budget))
        .filter_map(|b| [b.answer_kept, b.evidence_kept].into_iter().find(|i| i.n > 0))
        .map(|i| i.mean)
        .collect();
    (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
}
