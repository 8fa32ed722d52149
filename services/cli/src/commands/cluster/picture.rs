//! The map as SVG: a dot for a passage, a colour for a cluster, a ring around what is told, keywords where a cluster lies.

use tamis_proto::v1::Digest;

const WIDTH: f32 = 900.0;
const HEIGHT: f32 = 640.0;
const MARGIN: f32 = 50.0;
/// Colours that colour-blind readers can tell apart (Okabe and Ito, 2008); more clusters than colours begin again.
const COLOURS: [&str; 7] = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B0A000"];
const OF_OUTLIERS: &str = "#888888";

/// Draws a digest that has places.
pub(super) fn svg(digest: &Digest) -> String {
    let range = |of: fn(&tamis_proto::v1::MapPlace) -> f32| {
        let values = || digest.places.iter().map(of);
        let (least, most) = (values().fold(f32::MAX, f32::min), values().fold(f32::MIN, f32::max));
        (least, (most - least).max(f32::EPSILON))
    };
    let ((left, width), (low, height)) = (range(|p| p.x), range(|p| p.y));
    let x = |at: f32| MARGIN + (at - left) / width * (WIDTH - 2.0 * MARGIN);
    let y = |at: f32| HEIGHT - MARGIN - (at - low) / height * (HEIGHT - 2.0 * MARGIN);
    let colour = |cluster: usize| match digest.clusters.get(cluster) {
        Some(c) if c.outliers => OF_OUTLIERS,
        _ => COLOURS[cluster % COLOURS.len()],
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for place in &digest.places {
        let (x, y, colour) = (x(place.x), y(place.y), colour(place.cluster as usize));
        out.push_str(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" fill-opacity=\"0.6\"/>\n"
        ));
        if place.told {
            out.push_str(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"none\" stroke=\"black\"/>\n"));
        }
    }
    for (n, cluster) in digest.clusters.iter().enumerate() {
        let own: Vec<_> = digest.places.iter().filter(|p| p.cluster as usize == n).collect();
        if own.is_empty() {
            continue;
        }
        let middle =
            |of: fn(&tamis_proto::v1::MapPlace) -> f32| own.iter().map(|p| of(p)).sum::<f32>() / own.len() as f32;
        let (x, y) = (x(middle(|p| p.x)), y(middle(|p| p.y)));
        let label = format!("{}: {}", cluster.passages, cluster.keywords.join(", "));
        out.push_str(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" stroke=\"white\" stroke-width=\"3\" \
             paint-order=\"stroke\" fill=\"{}\" font-weight=\"bold\">{}</text>\n",
            colour(n),
            escaped(&label)
        ));
    }
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
