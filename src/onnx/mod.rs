//! ONNX graphs as protobuf: writing the encoder's graph from weights, and setting the attention
//! temperature of a graph that somebody else wrote.

mod bert;
mod graph;
mod temperature;

pub use bert::{BertShape, WeightPrecision, write_bert};
pub use temperature::set_temperature;

/// Message types generated from `onnx.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}
