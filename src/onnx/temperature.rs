//! The attention temperature of a graph that was written elsewhere.

use prost::Message;

use super::bert::BertShape;
use super::graph::float;
use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType};
use crate::error::{Error, Result};

/// Divides the logits of every attention softmax by `tau` (TempScale, arXiv 2410.24200).
///
/// A plain `Softmax` gets one `Mul` before it; a fused `Attention` or `MultiHeadAttention` gets its
/// `scale` attribute changed. `tau = 1` returns the model unchanged.
///
/// # Errors
/// [`Error::Model`] where the bytes are no ONNX model, where the number of attention softmaxes is not
/// the number of layers that `config.json` states, or where the graph computes in 16-bit floats.
pub fn set_temperature(name: &str, model: &[u8], shape: &BertShape, tau: f32) -> Result<Vec<u8>> {
    let mut model = ModelProto::decode(model).map_err(|e| Error::model(name, format!("not an ONNX model: {e}")))?;
    let refuse = |reason: String| Error::model(name, format!("the attention temperature can't be set: {reason}"));
    let graph = model.graph.as_mut().ok_or_else(|| Error::model(name, "the ONNX model has no graph"))?;
    if tau == 1.0 {
        return Ok(model.encode_to_vec());
    }
    if graph.initializer.iter().any(|t| t.data_type == Some(DataType::Float16 as i32)) {
        return Err(refuse("the graph has 16-bit weights; bring the fp32 model".into()));
    }
    let attentions: Vec<usize> = (0..graph.node.len()).filter(|n| is_attention(graph, *n)).collect();
    if attentions.len() != shape.num_hidden_layers {
        return Err(refuse(format!(
            "{} attention softmaxes found, config.json states {} layers",
            attentions.len(),
            shape.num_hidden_layers
        )));
    }
    let default_scale = 1.0 / ((shape.hidden_size / shape.num_attention_heads.max(1)) as f32).sqrt();
    let mut added = Vec::new();
    for at in attentions {
        let node = &mut graph.node[at];
        if node.op_type() == "Softmax" {
            added.push((at, scale_input(node)));
        } else {
            scale_attribute(node, default_scale, tau);
        }
    }
    graph.initializer.push(TensorProto {
        name: Some(INVERSE_TAU.into()),
        data_type: Some(DataType::Float as i32),
        float_data: vec![1.0 / tau],
        ..TensorProto::default()
    });
    // From the back, so that earlier positions stay valid; before its softmax, so that the order stays topological.
    for (at, node) in added.into_iter().rev() {
        graph.node.insert(at, node);
    }
    Ok(model.encode_to_vec())
}

const INVERSE_TAU: &str = "tamis.inverse_tau";

/// A fused attention operator, or a softmax whose input comes from a product of matrices.
fn is_attention(graph: &GraphProto, at: usize) -> bool {
    match graph.node[at].op_type() {
        "Attention" | "MultiHeadAttention" => true,
        "Softmax" => reaches_product(graph, at),
        _ => false,
    }
}

/// Follows the first inputs back through scaling, masking and reshaping.
fn reaches_product(graph: &GraphProto, softmax: usize) -> bool {
    const THROUGH: &[&str] = &["Add", "Div", "Mul", "Sub", "Where", "Reshape", "Cast", "Identity", "Clip", "Max"];
    let mut wanted: Vec<&str> = graph.node[softmax].input.iter().map(String::as_str).collect();
    let mut steps = 0;
    while let Some(name) = wanted.pop() {
        steps += 1;
        if steps > 64 {
            return false;
        }
        let Some(node) = graph.node.iter().find(|n| n.output.iter().any(|o| o == name)) else { continue };
        match node.op_type() {
            "MatMul" | "Gemm" | "FusedMatMul" | "Einsum" => return true,
            op if THROUGH.contains(&op) => wanted.extend(node.input.iter().map(String::as_str)),
            _ => {}
        }
    }
    false
}

/// Makes the softmax read a scaled copy of its input, and returns the node that makes the copy.
fn scale_input(softmax: &mut NodeProto) -> NodeProto {
    let source = softmax.input[0].clone();
    let scaled = format!("{source}.tempered");
    softmax.input[0].clone_from(&scaled);
    NodeProto {
        name: Some(scaled.clone()),
        op_type: Some("Mul".into()),
        input: vec![source, INVERSE_TAU.into()],
        output: vec![scaled],
        ..NodeProto::default()
    }
}

fn scale_attribute(node: &mut NodeProto, default_scale: f32, tau: f32) {
    let existing = node.attribute.iter_mut().find(|a: &&mut AttributeProto| a.name() == "scale");
    match existing {
        Some(scale) => scale.f = Some(scale.f.filter(|f| *f != 0.0).unwrap_or(default_scale) / tau),
        None => node.attribute.push(float("scale", default_scale / tau)),
    }
}
