//! ONNX graphs as protobuf: writing the graphs of encoder and reader from weights, and setting the attention
//! temperature of a graph that somebody else wrote.

mod bert;
mod graph;
mod llama;
mod product;
mod temperature;
mod weights;

pub use bert::{BertOutput, BertShape, write_bert};
pub use llama::{Head, LlamaShape, Signal, state_parts, write_llama};
pub use product::Product;
pub use temperature::set_temperature;
pub use weights::{Safetensors, Weights};

/// Message types generated from `onnx.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}
