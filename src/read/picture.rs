//! A passage with its tokens shaded by the attention they got.

use super::Attention;

/// Width of a line of the drawing, in characters.
const LINE: usize = 96;
const CHARACTER: f64 = 7.8;
const ROW: f64 = 22.0;
/// A colour that keeps black text readable (Okabe and Ito, 2008).
const COLOUR: &str = "#E69F00";

/// A token of a passage, and the attention it got.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaded {
    /// Its text.
    pub text: String,
    /// The sum over heads of their mean over rows, as a share of the largest.
    pub share: f64,
}

/// The tokens of a passage; text between two tokens goes with the one before. A sink is drawn as if it got nothing.
#[must_use]
pub fn shaded(attention: &Attention, text: &str) -> Vec<Shaded> {
    let sum = |n: usize| -> f64 {
        let of = |head: usize| (0..attention.rows).map(|row| f64::from(attention.of(head, row)[n])).sum::<f64>();
        (0..attention.heads.len()).map(of).sum::<f64>() / attention.rows.max(1) as f64
    };
    let sink = attention.before == 0;
    let sums: Vec<f64> = (0..attention.tokens.len()).map(|n| if sink && n == 0 { 0.0 } else { sum(n) }).collect();
    let most = sums.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let starts: Vec<usize> = attention.tokens.iter().map(|t| text.floor_char_boundary(t.start)).collect();
    let end = |n: usize| starts.get(n + 1).copied().unwrap_or(text.len());
    let tokens = starts.iter().enumerate().zip(sums);
    let drawn = tokens.map(|((n, start), sum)| Shaded { text: text[*start..end(n)].to_owned(), share: sum / most });
    // Tokens that are parts of one character have no text of their own.
    drawn.filter(|token| !token.text.is_empty()).collect()
}

/// A page that shows it.
#[must_use]
pub fn html(title: &str, tokens: &[Shaded]) -> String {
    let spans: String = tokens
        .iter()
        .map(|token| {
            let text = escaped(&token.text).replace('\n', "<br>\n");
            format!(
                "<span style=\"background:rgba(230,159,0,{:.3})\" title=\"{:.3}\">{text}</span>",
                token.share, token.share
            )
        })
        .collect();
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<h1>{0}</h1>\n<p style=\"line-height:1.6\">{spans}</p>\n",
        escaped(title)
    )
}

/// The same as a picture.
#[must_use]
pub fn svg(title: &str, tokens: &[Shaded]) -> String {
    let (mut column, mut row) = (0usize, 1usize);
    let mut drawn = String::new();
    for token in tokens {
        for (n, line) in token.text.split('\n').enumerate() {
            let length = line.chars().count();
            if n > 0 || column + length > LINE {
                (column, row) = (0, row + 1);
            }
            let (x, y) = (12.0 + CHARACTER * column as f64, 16.0 + ROW * row as f64);
            drawn.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{ROW}\" fill=\"{COLOUR}\" fill-opacity=\"{:.3}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" xml:space=\"preserve\">{}</text>\n",
                y,
                CHARACTER * length as f64,
                token.share,
                y + 15.0,
                escaped(line)
            ));
            column += length;
        }
    }
    let (width, height) = (24.0 + CHARACTER * LINE as f64, 30.0 + ROW * (row + 1) as f64);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"monospace\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"14\">{}</text>\n{drawn}</svg>\n",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Head;

    #[test]
    fn every_byte_is_drawn_once() {
        let text = "A <b> & 東\nend";
        // The third token is the first part of a character.
        let tokens = vec![0..1, 1..8, 8..9, 9..11, 11..15];
        let shares = vec![0.5, 0.1, 0.1, 0.2, 0.0];
        let (heads, rows) = (vec![Head { layer: 0, head: 0 }], 1);
        let attention = Attention { tokens, before: 0, heads, shares, to_question: vec![0.1], rows, read: 9 };
        let drawn = shaded(&attention, text);
        assert_eq!(drawn.iter().map(|t| t.text.as_str()).collect::<String>(), text);
        assert_eq!((drawn[0].share, drawn[2].share), (0.0, 1.0), "the sink is drawn as nothing");
        let (page, picture) = (html("a & b", &drawn), svg("a & b", &drawn));
        assert!(page.contains("&lt;b&gt;") && picture.contains("&lt;b&gt;") && page.contains("a &amp; b"));
    }
}
