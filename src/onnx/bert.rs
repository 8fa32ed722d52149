//! The BERT encoder as an ONNX graph, written from its weights.
//!
//! Inputs `input_ids`, `token_type_ids` and, where sequences may be padded, `attention_mask`, each `[batch, sequence]` of
//! int64; outputs as [`BertOutput`] says.

use serde::Deserialize;

use super::graph::{GraphWriter, float, int, ints};
use super::product::{self, Product};
use super::weights::Weights;
use crate::error::{Error, Result};

/// What `config.json` says about the network.
#[derive(Clone, Debug, Deserialize)]
pub struct BertShape {
    /// `bert` for the graphs written here.
    #[serde(default)]
    pub model_type: String,
    /// Width.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    #[serde(default)]
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads per layer.
    pub num_attention_heads: usize,
    /// Most positions the network knows.
    #[serde(default)]
    pub max_position_embeddings: usize,
    /// Epsilon of the layer norms.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f32,
    /// Activation of the feed-forward layers; `gelu` for the graphs written here.
    #[serde(default)]
    pub hidden_act: String,
}

fn default_epsilon() -> f32 {
    1e-12
}

/// What a graph gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BertOutput {
    /// `last_hidden_state`, `[batch, sequence, hidden]`.
    States,
    /// `token_logits`, `[batch, sequence]`, and `passage_logit`, `[batch]`: the weights then hold a linear `token_head` and
    /// a linear `passage_head`, the latter of the first token. Sequences of a batch have one length: there is no mask, and
    /// the attention's scale is a part of the query's weights, which saves two passes over every layer's attention.
    Logits,
}

impl BertOutput {
    fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::States => &["input_ids", "attention_mask", "token_type_ids"],
            Self::Logits => &["input_ids", "token_type_ids"],
        }
    }
}

/// What masked positions get before the softmax.
const MASKED: f32 = -10_000.0;

/// Writes the graph with the attention temperature built in.
///
/// The temperature is that of TempScale (arXiv 2410.24200, section 4): `softmax(QK^T / (tau sqrt d))`,
/// which equals scaling the query projection and its bias by `1/tau`. It is applied before quantising.
///
/// # Errors
/// [`Error::Model`] where the weights do not have the names and shapes of a BERT encoder.
pub fn write_bert(
    model: &str,
    weights: &dyn Weights,
    shape: &BertShape,
    tau: f32,
    product: Product,
    output: BertOutput,
) -> Result<Vec<u8>> {
    if shape.model_type != "bert" || !(shape.hidden_act.is_empty() || shape.hidden_act == "gelu") {
        return Err(Error::model(
            model,
            format!(
                "weights of type {:?} with activation {:?} can't be written as a graph: bring a model.onnx",
                shape.model_type, shape.hidden_act
            ),
        ));
    }
    let graph = GraphWriter::default();
    let mut writer = Bert { model, weights, shape, product, output, inverse_tau: 1.0 / tau, graph };
    writer.write()?;
    Ok(writer.graph.finish("bert-encoder"))
}

struct Bert<'a> {
    model: &'a str,
    weights: &'a dyn Weights,
    shape: &'a BertShape,
    product: Product,
    output: BertOutput,
    inverse_tau: f32,
    graph: GraphWriter,
}

impl Bert<'_> {
    fn write(&mut self) -> Result<()> {
        for name in self.output.inputs() {
            self.graph.input(name, &["batch", "sequence"]);
        }
        let mut x = self.embeddings()?;
        self.graph.floats("one", &[], &[1.0]);
        if self.output == BertOutput::States {
            self.mask();
        }
        let (heads, hidden) = (self.shape.num_attention_heads as i64, self.shape.hidden_size as i64);
        self.graph.integers("split_heads", &[4], &[0, 0, heads, hidden / heads]);
        self.graph.integers("merge_heads", &[3], &[0, 0, hidden]);
        self.graph.floats("attention_scale", &[], &[self.attention_scale()]);
        self.graph.floats("half", &[], &[0.5]);
        self.graph.floats("sqrt_two", &[], &[std::f32::consts::SQRT_2]);
        for layer in 0..self.shape.num_hidden_layers {
            let last = layer + 1 == self.shape.num_hidden_layers;
            x = self.layer(layer, &x, last)?;
        }
        match self.output {
            BertOutput::States => {
                let width = self.shape.hidden_size.to_string();
                self.graph.output("last_hidden_state", &["batch", "sequence", &width]);
                Ok(())
            }
            BertOutput::Logits => self.logits(&x),
        }
    }

    /// One over the root of a head's width.
    fn attention_scale(&self) -> f32 {
        let width = self.shape.hidden_size / self.shape.num_attention_heads.max(1);
        1.0 / (width as f32).sqrt()
    }

    /// The two heads, in floats whatever the product is: they are as thin as a vector.
    fn logits(&mut self, x: &str) -> Result<()> {
        self.graph.integers("logit_axis", &[1], &[-1]);
        self.graph.integers("token_axis", &[1], &[1]);
        self.graph.node("Slice", &[x, "zero", "first_end", "token_axis"], "first_token", vec![]);
        for (head, states, output) in
            [("token_head", x, "token_logits"), ("passage_head", "first_token", "passage_logits")]
        {
            let (dims, data) = self.weight(&format!("{head}.weight"))?;
            let [1, width] = dims[..] else {
                return Err(Error::model(self.model, format!("{head}.weight is not one row")));
            };
            let (bias_dims, bias) = self.weight(&format!("{head}.bias"))?;
            let weight = self.graph.floats(&format!("{head}.w"), &[width, 1], &data);
            let b = self.graph.floats(&format!("{head}.b"), &bias_dims, &bias);
            let product = self.graph.node("MatMul", &[states, &weight], &format!("{head}.product"), vec![]);
            let sum = self.graph.node("Add", &[&product, &b], &format!("{head}.sum"), vec![]);
            self.graph.node("Squeeze", &[&sum, "logit_axis"], output, vec![]);
        }
        self.graph.node("Squeeze", &["passage_logits", "token_axis"], "passage_logit", vec![]);
        self.graph.output("token_logits", &["batch", "sequence"]);
        self.graph.output("passage_logit", &["batch"]);
        Ok(())
    }

    fn embeddings(&mut self) -> Result<String> {
        for part in ["word", "position", "token_type"] {
            let (dims, data) = self.weight(&format!("embeddings.{part}_embeddings.weight"))?;
            self.graph.floats(&format!("{part}_table"), &dims, &data);
        }
        self.graph.node("Gather", &["word_table", "input_ids"], "word", vec![]);
        self.graph.node("Gather", &["token_type_table", "token_type_ids"], "token_type", vec![]);
        // Not Range over a scalar Gather of Shape: ONNX Runtime's optimizer fuses that into an invalid Slice.
        self.graph.integers("zero", &[1], &[0]);
        self.graph.integers("first_end", &[1], &[1]);
        self.graph.node("Shape", &["input_ids"], "length", vec![int("start", 1), int("end", 2)]);
        self.graph.node("Slice", &["position_table", "zero", "length", "zero"], "position", vec![]);
        self.graph.node("Add", &["word", "token_type"], "word_and_type", vec![]);
        self.graph.node("Add", &["word_and_type", "position"], "embedded", vec![]);
        self.layer_norm("embedded", "embeddings.LayerNorm", "embeddings")
    }

    /// 0 for text, [`MASKED`] for padding, shaped to broadcast over heads and rows.
    fn mask(&mut self) {
        self.graph.node("Cast", &["attention_mask"], "kept", vec![int("to", 1)]);
        self.graph.floats("masked", &[], &[MASKED]);
        self.graph.node("Sub", &["one", "kept"], "padding", vec![]);
        self.graph.node("Mul", &["padding", "masked"], "penalty", vec![]);
        self.graph.integers("mask_axes", &[2], &[1, 2]);
        self.graph.node("Unsqueeze", &["penalty", "mask_axes"], "mask", vec![]);
    }

    fn layer(&mut self, n: usize, x: &str, last: bool) -> Result<String> {
        let (weights, o) = (format!("encoder.layer.{n}"), format!("l{n}"));
        let name = |part: &str| format!("{o}.{part}");
        let mut heads = Vec::with_capacity(3);
        for (part, perm) in [("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])] {
            let scale = match (part, self.output) {
                ("query", BertOutput::States) => self.inverse_tau,
                ("query", BertOutput::Logits) => self.inverse_tau * self.attention_scale(),
                _ => 1.0,
            };
            let y = self.linear(x, &format!("{weights}.attention.self.{part}"), &name(part), scale)?;
            let split = self.graph.node("Reshape", &[&y, "split_heads"], &name(&format!("{part}.split")), vec![]);
            heads.push(self.graph.node(
                "Transpose",
                &[&split],
                &name(&format!("{part}.heads")),
                vec![ints("perm", &perm)],
            ));
        }
        let g = &mut self.graph;
        let scores = g.node("MatMul", &[&heads[0], &heads[1]], &name("scores"), vec![]);
        let masked = match self.output {
            BertOutput::States => {
                let scaled = g.node("Mul", &[&scores, "attention_scale"], &name("scaled"), vec![]);
                g.node("Add", &[&scaled, "mask"], &name("masked"), vec![])
            }
            BertOutput::Logits => scores,
        };
        let attention = g.node("Softmax", &[&masked], &name("attention"), vec![int("axis", -1)]);
        let mixed = g.node("MatMul", &[&attention, &heads[2]], &name("mixed"), vec![]);
        let rows = g.node("Transpose", &[&mixed], &name("rows"), vec![ints("perm", &[0, 2, 1, 3])]);
        let merged = g.node("Reshape", &[&rows, "merge_heads"], &name("merged"), vec![]);

        let y = self.linear(&merged, &format!("{weights}.attention.output.dense"), &name("attended"), 1.0)?;
        let sum = self.graph.node("Add", &[&y, x], &name("attention_residual"), vec![]);
        let x = self.layer_norm(&sum, &format!("{weights}.attention.output.LayerNorm"), &name("attention_norm"))?;

        let y = self.linear(&x, &format!("{weights}.intermediate.dense"), &name("up"), 1.0)?;
        let active = self.gelu(&y, &name("gelu"));
        let y = self.linear(&active, &format!("{weights}.output.dense"), &name("down"), 1.0)?;
        let sum = self.graph.node("Add", &[&y, &x], &name("residual"), vec![]);
        let out = if last { "last_hidden_state".to_owned() } else { name("norm") };
        self.layer_norm(&sum, &format!("{weights}.output.LayerNorm"), &out)
    }

    /// `x/2 (1 + erf(x / sqrt 2))`.
    fn gelu(&mut self, x: &str, o: &str) -> String {
        let part = |p: &str| format!("{o}.{p}");
        let g = &mut self.graph;
        let scaled = g.node("Div", &[x, "sqrt_two"], &part("scaled"), vec![]);
        let erf = g.node("Erf", &[&scaled], &part("erf"), vec![]);
        let shifted = g.node("Add", &[&erf, "one"], &part("shifted"), vec![]);
        let product = g.node("Mul", &[x, &shifted], &part("product"), vec![]);
        g.node("Mul", &[&product, "half"], o, vec![])
    }

    fn layer_norm(&mut self, x: &str, weights: &str, o: &str) -> Result<String> {
        let (scale, bias) = (format!("{o}.scale"), format!("{o}.bias"));
        let (dims, data) = self.weight(&format!("{weights}.weight"))?;
        self.graph.floats(&scale, &dims, &data);
        let (dims, data) = self.weight(&format!("{weights}.bias"))?;
        self.graph.floats(&bias, &dims, &data);
        let attributes = vec![int("axis", -1), float("epsilon", self.shape.layer_norm_eps)];
        Ok(self.graph.node("LayerNormalization", &[x, &scale, &bias], o, attributes))
    }

    /// `x W^T + b`, with weights and bias multiplied by `scale`.
    fn linear(&mut self, x: &str, weights: &str, o: &str, scale: f32) -> Result<String> {
        let (dims, mut data) = self.weight(&format!("{weights}.weight"))?;
        let [outputs, inputs] = dims[..] else {
            return Err(Error::model(self.model, format!("{weights}.weight is not a matrix")));
        };
        data.iter_mut().for_each(|w| *w *= scale);
        let product = format!("{o}.product");
        let product = product::linear(&mut self.graph, x, &data, outputs, inputs, self.product, &product);
        let (dims, mut bias) = self.weight(&format!("{weights}.bias"))?;
        bias.iter_mut().for_each(|b| *b *= scale);
        let b = self.graph.floats(&format!("{o}.b"), &dims, &bias);
        Ok(self.graph.node("Add", &[&product, &b], o, vec![]))
    }

    fn weight(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        self.weights.tensor(name)?.ok_or_else(|| Error::model(self.model, format!("weight {name} is missing")))
    }
}
