//! Matrix products, in floats or in 8-bit integers with one scale for every row on either side.

use super::graph::{GraphWriter, int, ints};

/// How products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// 32-bit floats; the OpenVINO provider makes bf16 of them.
    Float,
    /// 8-bit integers, activations with one scale for the whole text: ONNX Runtime fuses it into one operation.
    Int8PerText,
    /// The same with a scale for every token: the first token of a language model is a thousand times larger than the
    /// others, and one scale for all leaves nothing of them.
    Int8PerToken,
}

/// Largest magnitude of a quantised weight: seven bits, because on CPUs without VNNI the 8-bit product of ONNX
/// Runtime saturates (minimum cosine of the encoder to fp32: 0.981 with eight bits, 0.989 with seven).
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
    if product == Product::Float {
        let w = g.floats(&part("w"), &[inputs, outputs], &transposed(&|_, w| w));
        return g.node("MatMul", &[x, &w], o, vec![]);
    }
    let largest = |row: &[f32]| row.iter().fold(f32::MIN_POSITIVE, |most, w| most.max(w.abs() / WEIGHT_LIMIT));
    let scales: Vec<f32> = weights.chunks_exact(inputs).map(largest).collect();
    let quantised = transposed(&|r, w| (w / scales[r]).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT));
    let quantised: Vec<i8> = quantised.into_iter().map(|w| w as i8).collect();
    g.bytes(&part("w"), &[inputs, outputs], &quantised);
    g.bytes(&part("w_zero"), &[outputs], &vec![0; outputs]);
    g.floats(&part("w_scale"), &[outputs], &scales);
    if product == Product::Int8PerText {
        let outputs = [part("x"), part("x_scale"), part("x_zero")];
        g.nodes("DynamicQuantizeLinear", &[x], &outputs.each_ref().map(String::as_str), vec![]);
    } else {
        quantise_tokens(g, x, o);
    }
    let inputs = [part("x"), part("w"), part("x_zero"), part("w_zero")];
    let sums = g.node("MatMulInteger", &inputs.each_ref().map(String::as_str), &part("sums"), vec![]);
    let floats = g.node("Cast", &[&sums], &part("floats"), vec![int("to", 1)]);
    let scale = g.node("Mul", &[&part("x_scale"), &part("w_scale")], &part("scale"), vec![]);
    g.node("Mul", &[&floats, &scale], o, vec![])
}

/// Gives `o.x`, `o.x_scale` and `o.x_zero`: every row of `x` as bytes around [`ACTIVATION_ZERO`].
fn quantise_tokens(g: &mut GraphWriter, x: &str, o: &str) {
    let part = |p: &str| format!("{o}.{p}");
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
    g.node("Cast", &[&raised], &part("x"), vec![int("to", 2)]);
}
