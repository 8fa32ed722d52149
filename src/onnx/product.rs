//! Matrix products, in floats or in 8-bit integers with one scale for every row on either side.

use super::graph::{GraphWriter, int, ints};

/// How products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// 32-bit floats; the OpenVINO provider makes bf16 of them.
    Float,
    /// Signed 8-bit integers. Every token has a scale of its own: the first token of a language model is a
    /// thousand times larger than the others, and with one scale for all it leaves nothing of them.
    Int8PerToken,
}

/// Largest magnitude of a quantised weight: with 8 bits, the product saturates on CPUs without VNNI.
const WEIGHT_LIMIT: f32 = 63.0;
/// Largest magnitude of a quantised activation.
const ACTIVATION_LIMIT: f32 = 127.0;
/// Activations are stored unsigned around this: signed ones have no fast product in ONNX Runtime.
const ACTIVATION_ZERO: u8 = 128;

/// `x W^T` for `weights` of `[outputs, inputs]`.
pub(super) fn linear(
    g: &mut GraphWriter,
    x: &str,
    weights: &[f32],
    outputs: usize,
    inputs: usize,
    product: Product,
    o: &str,
) -> String {
    let part = |p: &str| format!("{o}.{p}");
    let transposed = |of: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
        let mut out = vec![0.0f32; outputs * inputs];
        for (r, row) in weights.chunks_exact(inputs).enumerate() {
            for (c, value) in row.iter().enumerate() {
                out[c * outputs + r] = of(r, *value);
            }
        }
        out
    };
    match product {
        Product::Float => {
            let w = g.floats(&part("w"), &[inputs, outputs], &transposed(&|_, w| w));
            g.node("MatMul", &[x, &w], o, vec![])
        }
        Product::Int8PerToken => {
            let largest = |row: &[f32]| row.iter().fold(f32::MIN_POSITIVE, |most, w| most.max(w.abs()));
            let scales: Vec<f32> = weights.chunks_exact(inputs).map(|row| largest(row) / WEIGHT_LIMIT).collect();
            let quantised: Vec<i8> = transposed(&|r, w| (w / scales[r]).round()).into_iter().map(|w| w as i8).collect();
            g.bytes(&part("w"), &[inputs, outputs], &quantised);
            g.floats(&part("w_scale"), &[outputs], &scales);
            g.floats(&part("limit"), &[], &[ACTIVATION_LIMIT]);
            g.floats(&part("least"), &[], &[f32::MIN_POSITIVE]);
            g.floats(&part("middle"), &[], &[ACTIVATION_ZERO.into()]);
            g.unsigned_byte(&part("x_zero"), ACTIVATION_ZERO);
            let size = g.node("Abs", &[x], &part("size"), vec![]);
            let most = g.node("ReduceMax", &[&size], &part("most"), vec![ints("axes", &[-1]), int("keepdims", 1)]);
            let most = g.node("Max", &[&most, &part("least")], &part("most_or_least"), vec![]);
            let scale = g.node("Div", &[&most, &part("limit")], &part("x_scale"), vec![]);
            let steps = g.node("Div", &[x, &scale], &part("steps"), vec![]);
            let whole = g.node("Round", &[&steps], &part("whole"), vec![]);
            let raised = g.node("Add", &[&whole, &part("middle")], &part("raised"), vec![]);
            let q = g.node("Cast", &[&raised], &part("x"), vec![int("to", 2)]);
            let sums = g.node("MatMulInteger", &[&q, &part("w"), &part("x_zero")], &part("sums"), vec![]);
            let floats = g.node("Cast", &[&sums], &part("floats"), vec![int("to", 1)]);
            let rows = g.node("Mul", &[&floats, &scale], &part("rows"), vec![]);
            g.node("Mul", &[&rows, &part("w_scale")], o, vec![])
        }
    }
}
