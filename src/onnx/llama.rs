//! A LLaMA-like language model as an ONNX graph, written from weights by their GGUF names.
//!
//! RMSNorm, rotary positions, grouped-query attention and SwiGLU ("Llama 2: Open Foundation and Fine-Tuned
//! Chat Models", arXiv 2307.09288, section 2.2), for one text without cache. Only what is asked for is
//! written: attention rows end at the last layer that is listened to, which needs its queries and keys alone.
//!
//! Inputs `input_ids`, `[1, sequence]`, and `first_row`, `[1]`, both int64: rows are those of the tokens from
//! there on. Output `attention`, `[1, heads listened to, rows, all]`, or `logits`, `[1, rows, vocabulary]`.
//!
//! Where tokens may have been read before, their keys and values are a third input, `states`, `[parts, kv heads,
//! before, head width]`: of every layer the turned keys and the values, of the last one the keys. Those of the tokens read
//! now are a second output, `new_states`, in the same order; `all` is `before + sequence`, else `sequence`.

use serde::{Deserialize, Serialize};

use super::graph::{GraphWriter, int, ints};
use super::product::{self, Product};
use super::weights::Weights;
use crate::error::{Error, Result};

/// What a GGUF says about the network.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaShape {
    /// Layers.
    pub layers: usize,
    /// Width.
    pub width: usize,
    /// Query heads per layer.
    pub heads: usize,
    /// Key and value heads per layer; divides `heads`.
    pub kv_heads: usize,
    /// Components of a head.
    pub head_width: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f32,
    /// Epsilon of the RMS norms.
    pub rms_epsilon: f32,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Longest text that it was trained for, in tokens.
    pub context: usize,
}

/// One attention head; written as `[layer, head]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 2]", into = "[usize; 2]")]
pub struct Head {
    /// Layer, from 0.
    pub layer: usize,
    /// Query head, from 0.
    pub head: usize,
}

impl From<[usize; 2]> for Head {
    fn from([layer, head]: [usize; 2]) -> Self {
        Self { layer, head }
    }
}

impl From<Head> for [usize; 2] {
    fn from(head: Head) -> Self {
        [head.layer, head.head]
    }
}

/// What the graph gives.
#[derive(Clone, Copy, Debug)]
pub enum Signal<'a> {
    /// Attention probabilities of these heads, in the order of their layers.
    Attention(&'a [Head]),
    /// The same after tokens that were read before, with the states of those that are read now.
    Continued(&'a [Head]),
    /// Logits of the next token.
    Logits,
}

/// Added to the scores of tokens that come later.
const LATER: f32 = -30_000.0;

/// Writes the graph for texts of at most `window` tokens.
///
/// # Errors
/// [`Error::Model`] where a weight is missing, has another shape than stated, or is no finite number.
pub fn write_llama(
    model: &str,
    weights: &dyn Weights,
    shape: &LlamaShape,
    window: usize,
    signal: Signal<'_>,
    product: Product,
) -> Result<Vec<u8>> {
    let mut writer = Llama { model, weights, shape, window, product, states: None, graph: GraphWriter::default() };
    match signal {
        Signal::Attention(heads) => writer.attention(heads)?,
        Signal::Continued(heads) => {
            writer.states = Some(Vec::new());
            writer.attention(heads)?;
        }
        Signal::Logits => writer.logits()?,
    }
    Ok(writer.graph.finish("llama"))
}

struct Llama<'a> {
    model: &'a str,
    weights: &'a dyn Weights,
    shape: &'a LlamaShape,
    window: usize,
    product: Product,
    /// The new states so far, where tokens may have been read before.
    states: Option<Vec<String>>,
    graph: GraphWriter,
}

/// How many parts the states have that are needed to listen to these heads.
#[must_use]
pub fn state_parts(heads: &[Head]) -> usize {
    heads.iter().map(|h| 2 * h.layer + 1).max().unwrap_or_default()
}

/// Names of a layer's rotated queries, `[1, heads, sequence, width]`, and keys, `[1, kv heads, width, sequence]`.
struct Asked {
    queries: String,
    keys: String,
}

impl Llama<'_> {
    fn attention(&mut self, heads: &[Head]) -> Result<()> {
        let Some(last) = heads.iter().map(|h| h.layer).max() else {
            return Err(Error::invalid("reader.heads", "name at least one head"));
        };
        if let Some(wrong) = heads.iter().find(|h| h.layer >= self.shape.layers || h.head >= self.shape.heads) {
            let (layers, heads) = (self.shape.layers, self.shape.heads);
            return Err(Error::invalid(
                "reader.heads",
                format!("({}, {}): the model has {layers} layers of {heads} heads", wrong.layer, wrong.head),
            ));
        }
        let mut x = self.begin(state_parts(heads))?;
        let mut rows = Vec::new();
        for n in 0..=last {
            let normed = self.norm(&x, &format!("blk.{n}.attn_norm"), &format!("l{n}.attention_norm"))?;
            let asked = self.asked(n, &normed)?;
            let listened: Vec<usize> = heads.iter().filter(|h| h.layer == n).map(|h| h.head).collect();
            if !listened.is_empty() {
                rows.push(self.rows(n, &asked, &listened));
            }
            if n < last {
                x = self.rest_of_layer(n, &x, &normed, &asked)?;
            }
        }
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        self.graph.node("Concat", &rows, "attention", vec![int("axis", 1)]);
        self.graph.output("attention", &["1", "heads", "rows", "all"]);
        if let Some(states) = &self.states {
            let states: Vec<&str> = states.iter().map(String::as_str).collect();
            self.graph.node("Concat", &states, "new_states", vec![int("axis", 0)]);
            self.graph.output("new_states", &["parts", "kv_heads", "sequence", "width"]);
        }
        Ok(())
    }

    fn logits(&mut self) -> Result<()> {
        let mut x = self.begin(0)?;
        for n in 0..self.shape.layers {
            let normed = self.norm(&x, &format!("blk.{n}.attn_norm"), &format!("l{n}.attention_norm"))?;
            let asked = self.asked(n, &normed)?;
            x = self.rest_of_layer(n, &x, &normed, &asked)?;
        }
        let x = self.graph.node("Slice", &[&x, "first_row", "end", "one"], "last", vec![]);
        let x = self.norm(&x, "output_norm", "output_norm")?;
        // Where a model has no matrix of its own for it, that of the embeddings is used again.
        let own = self.weights.tensor("output.weight")?.is_some();
        self.linear(&x, if own { "output" } else { "token_embd" }, "logits")?;
        let vocabulary = self.shape.vocabulary.to_string();
        self.graph.output("logits", &["1", "rows", &vocabulary]);
        Ok(())
    }

    /// Inputs, constants, and the embedded tokens. `parts` are those of the states.
    fn begin(&mut self, parts: usize) -> Result<String> {
        let s = self.shape;
        let (heads, kv, width) = (s.heads as i64, s.kv_heads as i64, s.head_width as i64);
        let g = &mut self.graph;
        g.input("input_ids", &["1", "sequence"]);
        g.input("first_row", &["1"]);
        for (name, dims) in [
            ("split_queries", vec![0, 0, heads, width]),
            ("split_keys", vec![0, 0, kv, width]),
            // Heads that share their keys stand below each other.
            ("by_keys", vec![1, kv, -1, width]),
            ("apart", vec![1, heads, -1, width]),
            ("merged", vec![0, 0, heads * width]),
            ("end", vec![i64::MAX]),
            ("one", vec![1]),
            ("zero", vec![0]),
            ("row_axis", vec![2]),
            ("halves", vec![width / 2, width / 2]),
            ("last_axis", vec![-1]),
        ] {
            g.integers(name, &[dims.len()], &dims);
        }
        g.floats("epsilon", &[], &[s.rms_epsilon]);
        g.node("Shape", &["input_ids"], "length", vec![int("start", 1), int("end", 2)]);
        if self.states.is_some() {
            g.float_input("states", &[&parts.to_string(), &kv.to_string(), "before", &width.to_string()]);
            g.node("Shape", &["states"], "before", vec![int("start", 2), int("end", 3)]);
            g.node("Add", &["before", "length"], "all", vec![]);
            g.integers("each", &[parts], &vec![1; parts]);
            let names: Vec<String> = (0..parts).map(|n| format!("state{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            g.nodes("Split", &["states", "each"], &names, vec![int("axis", 0)]);
        }
        self.positions();
        let (dims, data) = self.weight("token_embd.weight")?;
        self.graph.floats("embeddings", &dims, &data);
        Ok(self.graph.node("Gather", &["embeddings", "input_ids"], "embedded", vec![]))
    }

    /// Tables of the rotations, cut to the text, and the mask of what comes later.
    fn positions(&mut self) {
        let (window, width) = (self.window, self.shape.head_width);
        let angle = |position: usize, n: usize| {
            let exponent = -((n % (width / 2)) as f64) * 2.0 / width as f64;
            position as f64 * f64::from(self.shape.rope_base).powf(exponent)
        };
        let table = |turn: fn(f64) -> f64| -> Vec<f32> {
            (0..window).flat_map(|p| (0..width).map(move |n| (p, n))).map(|(p, n)| turn(angle(p, n)) as f32).collect()
        };
        let (cosines, sines) = (table(f64::cos), table(f64::sin));
        let places: Vec<f32> = (0..window).map(|p| p as f32).collect();
        let g = &mut self.graph;
        g.floats("cosine_table", &[window, width], &cosines);
        g.floats("sine_table", &[window, width], &sines);
        g.floats("places", &[window], &places);
        let (first, end) = if self.states.is_some() { ("before", "all") } else { ("zero", "length") };
        for (table, cut) in [("cosine_table", "cosines"), ("sine_table", "sines"), ("places", "here")] {
            g.node("Slice", &[table, first, end, "zero"], cut, vec![]);
        }
        g.node("Slice", &["places", "zero", end, "zero"], "everywhere", vec![]);
        g.integers("second_axis", &[1], &[1]);
        g.floats("later", &[], &[LATER]);
        g.floats("nothing", &[], &[0.0]);
        g.node("Unsqueeze", &["here", "second_axis"], "rows_here", vec![]);
        g.node("Greater", &["everywhere", "rows_here"], "is_later", vec![]);
        g.node("Where", &["is_later", "later", "nothing"], "mask", vec![]);
        let group = vec!["mask"; self.shape.heads / self.shape.kv_heads];
        g.node("Concat", &group, "group_mask", vec![int("axis", 0)]);
        // The rows that are asked for.
        g.node("Slice", &["mask", "first_row", "end", "zero"], "row_mask", vec![]);
    }

    /// Queries and keys, turned to their positions. The scale of the scores is part of the queries.
    fn asked(&mut self, n: usize, normed: &str) -> Result<Asked> {
        let queries = self.linear(normed, &format!("blk.{n}.attn_q"), &format!("l{n}.query"))?;
        let keys = self.linear(normed, &format!("blk.{n}.attn_k"), &format!("l{n}.key"))?;
        let g = &mut self.graph;
        let split = |g: &mut GraphWriter, x: &str, into: &str| {
            let split = g.node("Reshape", &[x, into], &format!("{x}.split"), vec![]);
            let heads = g.node("Transpose", &[&split], &format!("{x}.heads"), vec![ints("perm", &[0, 2, 1, 3])]);
            rotated(g, &heads)
        };
        let queries = split(g, &queries, "split_queries");
        let keys = split(g, &keys, "split_keys");
        let keys = self.continued(&keys, 2 * n);
        let g = &mut self.graph;
        let keys = g.node("Transpose", &[&keys], &format!("{keys}.across"), vec![ints("perm", &[0, 1, 3, 2])]);
        Ok(Asked { queries, keys })
    }

    /// Keys or values, `[1, kv heads, sequence, width]`, behind those that were read before.
    fn continued(&mut self, new: &str, part: usize) -> String {
        let Some(states) = &mut self.states else {
            return new.to_owned();
        };
        states.push(new.to_owned());
        let before = format!("state{part}");
        self.graph.node("Concat", &[&before, new], &format!("{new}.all"), vec![int("axis", 2)])
    }

    /// Attention probabilities of some heads, for the rows asked for.
    fn rows(&mut self, n: usize, asked: &Asked, heads: &[usize]) -> String {
        let group = self.shape.heads / self.shape.kv_heads;
        let name = |part: &str| format!("l{n}.listened.{part}");
        let of_queries: Vec<i64> = heads.iter().map(|h| *h as i64).collect();
        let of_keys: Vec<i64> = heads.iter().map(|h| (h / group) as i64).collect();
        let g = &mut self.graph;
        g.integers(&name("heads"), &[heads.len()], &of_queries);
        g.integers(&name("key_heads"), &[heads.len()], &of_keys);
        let rows = g.node("Slice", &[&asked.queries, "first_row", "end", "row_axis"], &name("rows"), vec![]);
        let queries = g.node("Gather", &[&rows, &name("heads")], &name("queries"), vec![int("axis", 1)]);
        let keys = g.node("Gather", &[&asked.keys, &name("key_heads")], &name("keys"), vec![int("axis", 1)]);
        let scores = g.node("MatMul", &[&queries, &keys], &name("scores"), vec![]);
        let masked = g.node("Add", &[&scores, "row_mask"], &name("masked"), vec![]);
        g.node("Softmax", &[&masked], &name("attention"), vec![int("axis", -1)])
    }

    /// Attention's values and the feed-forward part.
    fn rest_of_layer(&mut self, n: usize, x: &str, normed: &str, asked: &Asked) -> Result<String> {
        let name = |part: &str| format!("l{n}.{part}");
        let values = self.linear(normed, &format!("blk.{n}.attn_v"), &name("value"))?;
        let g = &mut self.graph;
        let split = g.node("Reshape", &[&values, "split_keys"], &name("value.split"), vec![]);
        let values = g.node("Transpose", &[&split], &name("value.heads"), vec![ints("perm", &[0, 2, 1, 3])]);
        let values = self.continued(&values, 2 * n + 1);
        let g = &mut self.graph;
        let queries = g.node("Reshape", &[&asked.queries, "by_keys"], &name("query.by_keys"), vec![]);
        let scores = g.node("MatMul", &[&queries, &asked.keys], &name("scores"), vec![]);
        let masked = g.node("Add", &[&scores, "group_mask"], &name("masked"), vec![]);
        let attention = g.node("Softmax", &[&masked], &name("attention"), vec![int("axis", -1)]);
        let mixed = g.node("MatMul", &[&attention, &values], &name("mixed"), vec![]);
        let apart = g.node("Reshape", &[&mixed, "apart"], &name("mixed.apart"), vec![]);
        let rows = g.node("Transpose", &[&apart], &name("mixed.rows"), vec![ints("perm", &[0, 2, 1, 3])]);
        let merged = g.node("Reshape", &[&rows, "merged"], &name("mixed.merged"), vec![]);
        let y = self.linear(&merged, &format!("blk.{n}.attn_output"), &name("attended"))?;
        let x = self.graph.node("Add", &[x, &y], &name("attention_residual"), vec![]);

        let normed = self.norm(&x, &format!("blk.{n}.ffn_norm"), &name("feed_norm"))?;
        let gate = self.linear(&normed, &format!("blk.{n}.ffn_gate"), &name("gate"))?;
        let up = self.linear(&normed, &format!("blk.{n}.ffn_up"), &name("up"))?;
        let g = &mut self.graph;
        let open = g.node("Sigmoid", &[&gate], &name("open"), vec![]);
        let silu = g.node("Mul", &[&gate, &open], &name("silu"), vec![]);
        let fed = g.node("Mul", &[&silu, &up], &name("fed"), vec![]);
        let y = self.linear(&fed, &format!("blk.{n}.ffn_down"), &name("down"))?;
        Ok(self.graph.node("Add", &[&x, &y], &name("residual"), vec![]))
    }

    /// `x / sqrt(mean(x^2) + epsilon) * weight`.
    fn norm(&mut self, x: &str, weights: &str, o: &str) -> Result<String> {
        let (dims, data) = self.weight(&format!("{weights}.weight"))?;
        let part = |p: &str| format!("{o}.{p}");
        let g = &mut self.graph;
        g.floats(&part("weight"), &dims, &data);
        let square = g.node("Mul", &[x, x], &part("square"), vec![]);
        let mean = g.node("ReduceMean", &[&square], &part("mean"), vec![ints("axes", &[-1]), int("keepdims", 1)]);
        let shifted = g.node("Add", &[&mean, "epsilon"], &part("shifted"), vec![]);
        let root = g.node("Sqrt", &[&shifted], &part("root"), vec![]);
        let scaled = g.node("Div", &[x, &root], &part("scaled"), vec![]);
        Ok(g.node("Mul", &[&scaled, &part("weight")], o, vec![]))
    }

    /// `x W^T`.
    fn linear(&mut self, x: &str, weights: &str, o: &str) -> Result<String> {
        let name = format!("{weights}.weight");
        let (dims, mut data) = self.weight(&name)?;
        let [outputs, inputs] = dims[..] else {
            return Err(Error::model(self.model, format!("{name} is not a matrix")));
        };
        let width = self.shape.head_width;
        if weights.ends_with("attn_q") || weights.ends_with("attn_k") {
            data = halves_apart(&data, inputs, width);
        }
        if weights.ends_with("attn_q") {
            let scale = 1.0 / (width as f32).sqrt();
            data.iter_mut().for_each(|w| *w *= scale);
        }
        Ok(product::linear(&mut self.graph, x, &data, outputs, inputs, self.product, o))
    }

    fn weight(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let refuse = |reason: &str| Error::model(self.model, format!("weight {name} {reason}"));
        let (dims, data) = self.weights.tensor(name)?.ok_or_else(|| refuse("is missing"))?;
        if data.iter().any(|w| !w.is_finite()) {
            return Err(refuse("holds values that are no numbers"));
        }
        Ok((dims, data))
    }
}

/// Every pair of components turned by its position's angle: `x cos + (-second half, first half) sin`.
fn rotated(g: &mut GraphWriter, x: &str) -> String {
    let part = |p: &str| format!("{x}.{p}");
    g.nodes("Split", &[x, "halves"], &[&part("first"), &part("second")], vec![int("axis", -1)]);
    let minus = g.node("Neg", &[&part("second")], &part("minus"), vec![]);
    let across = g.node("Concat", &[&minus, &part("first")], &part("across"), vec![int("axis", -1)]);
    let along = g.node("Mul", &[x, "cosines"], &part("along"), vec![]);
    let turned = g.node("Mul", &[&across, "sines"], &part("turned"), vec![]);
    g.node("Add", &[&along, &turned], &part("rotated"), vec![])
}

/// A GGUF stores the rows of queries and keys with the two components of a pair side by side; here the first
/// components of all pairs of a head stand before the second ones.
fn halves_apart(data: &[f32], inputs: usize, width: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = data.chunks_exact(inputs).collect();
    rows.chunks_exact(width)
        .flat_map(|head| (0..width).map(|n| head[2 * (n % (width / 2)) + n / (width / 2)]))
        .flatten()
        .copied()
        .collect()
}
