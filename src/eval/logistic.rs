//! Logistic regression by Newton's method, drawn towards a prior where there is little to learn from.

/// Steps; it converges in fewer.
const STEPS: usize = 30;

/// What was seen, whether it held, and what it counts.
pub(super) struct Example {
    pub(super) signs: Vec<f64>,
    pub(super) holds: bool,
    pub(super) share: f64,
}

/// Offset and weights, as many as the prior has. `strength` is what a deviation from the prior costs, in shares.
pub(super) fn fit(examples: &[Example], prior: &[f64], strength: f64) -> Vec<f64> {
    let n = prior.len();
    let mut found = prior.to_vec();
    for _ in 0..STEPS {
        let mut gradient: Vec<f64> = found.iter().zip(prior).map(|(f, p)| strength * (f - p)).collect();
        let mut curve = vec![vec![0.0; n]; n];
        (0..n).for_each(|i| curve[i][i] = strength);
        for example in examples {
            let sign = |i: usize| if i == 0 { 1.0 } else { example.signs[i - 1] };
            let odds: f64 = (0..n).map(|i| found[i] * sign(i)).sum();
            let chance = 1.0 / (1.0 + (-odds).exp());
            let error = example.share * (chance - f64::from(u8::from(example.holds)));
            let bend = example.share * chance * (1.0 - chance);
            for i in 0..n {
                gradient[i] += error * sign(i);
                (0..n).for_each(|j| curve[i][j] += bend * sign(i) * sign(j));
            }
        }
        solve(curve, gradient).iter().zip(&mut found).for_each(|(step, value)| *value -= step);
    }
    found
}

/// Gaussian elimination; the matrix is positive definite, so no pivot is 0.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for i in 0..n {
        for row in i + 1..n {
            let above = matrix[i].clone();
            let factor = matrix[row][i] / above[i];
            matrix[row].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| matrix[i][j] * right[j]).sum();
        right[i] = (right[i] - known) / matrix[i][i];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_found_again() {
        let examples: Vec<Example> = (0..4000)
            .map(|n| {
                let signs = vec![f64::from(n % 20) / 5.0 - 2.0, f64::from(n / 20 % 10) / 5.0 - 1.0];
                let chance = 1.0 / (1.0 + (-(0.5 + 2.0 * signs[0] - signs[1])).exp());
                Example { signs, holds: f64::from(n / 200) < 20.0 * chance, share: 1.0 / 4000.0 }
            })
            .collect();
        let found = fit(&examples, &[0.0, 0.0, 0.0], 1e-4);
        assert!(
            (found[0] - 0.5).abs() < 0.3 && (found[1] - 2.0).abs() < 0.3 && (found[2] + 1.0).abs() < 0.3,
            "{found:?}"
        );
        assert_eq!(fit(&[], &[0.0, 1.0], 1e-3), [0.0, 1.0], "nothing seen: the prior");
    }
}
