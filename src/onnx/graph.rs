//! A small writer of ONNX graphs: initializers, nodes, inputs and outputs by name.

use prost::Message;

use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};

/// Operator set of the graphs written here: the first with LayerNormalization is 17.
const OPSET: i64 = 17;
/// Intermediate representation that goes with it.
const IR_VERSION: i64 = 8;

/// Collects nodes and initializers; names are given by the caller and must be unique.
#[derive(Default)]
pub(super) struct GraphWriter {
    graph: GraphProto,
}

impl GraphWriter {
    /// A tensor of floats, row-major.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], data: &[f32]) -> String {
        let raw = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, dims, DataType::Float, raw)
    }

    /// A tensor of 64-bit integers.
    pub(super) fn integers(&mut self, name: &str, dims: &[usize], data: &[i64]) -> String {
        let raw = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, dims, DataType::Int64, raw)
    }

    /// A tensor of signed bytes.
    pub(super) fn bytes(&mut self, name: &str, dims: &[usize], data: &[i8]) -> String {
        let raw = data.iter().map(|v| v.to_le_bytes()[0]).collect();
        self.tensor(name, dims, DataType::Int8, raw)
    }

    /// An unsigned byte.
    pub(super) fn unsigned_byte(&mut self, name: &str, value: u8) -> String {
        self.tensor(name, &[], DataType::Uint8, vec![value])
    }

    fn tensor(&mut self, name: &str, dims: &[usize], kind: DataType, raw: Vec<u8>) -> String {
        self.graph.initializer.push(TensorProto {
            name: Some(name.to_owned()),
            dims: dims.iter().map(|d| *d as i64).collect(),
            data_type: Some(kind as i32),
            raw_data: Some(raw),
            ..TensorProto::default()
        });
        name.to_owned()
    }

    /// A node with one output, whose name it returns.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> String {
        self.nodes(op, inputs, &[output], attributes);
        output.to_owned()
    }

    /// A node with several outputs.
    pub(super) fn nodes(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        self.graph.node.push(NodeProto {
            name: outputs.first().map(|n| (*n).to_owned()),
            op_type: Some(op.to_owned()),
            input: owned(inputs),
            output: owned(outputs),
            attribute,
            ..NodeProto::default()
        });
    }

    /// A graph input of 64-bit integers with named free dimensions.
    pub(super) fn input(&mut self, name: &str, dims: &[&str]) {
        self.graph.input.push(value_info(name, DataType::Int64, dims));
    }

    /// A graph input of floats; a dimension that is a number is fixed, any other free.
    pub(super) fn float_input(&mut self, name: &str, dims: &[&str]) {
        self.graph.input.push(value_info(name, DataType::Float, dims));
    }

    /// A graph output of floats; a dimension that is a number is fixed, any other free.
    pub(super) fn output(&mut self, name: &str, dims: &[&str]) {
        self.graph.output.push(value_info(name, DataType::Float, dims));
    }

    /// The model, encoded.
    pub(super) fn finish(mut self, name: &str) -> Vec<u8> {
        self.graph.name = Some(name.to_owned());
        let opset = OperatorSetIdProto { version: Some(OPSET), ..OperatorSetIdProto::default() };
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("tamis".to_owned()),
            opset_import: vec![opset],
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }
}

fn value_info(name: &str, kind: DataType, dims: &[&str]) -> ValueInfoProto {
    use tensor_shape_proto::dimension::Value;
    let dim = dims
        .iter()
        .map(|d| d.parse().map_or_else(|_| Value::DimParam((*d).to_owned()), Value::DimValue))
        .map(|v| tensor_shape_proto::Dimension { value: Some(v), ..tensor_shape_proto::Dimension::default() })
        .collect();
    let tensor = type_proto::Tensor { elem_type: Some(kind as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

/// An integer attribute.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..AttributeProto::default()
    }
}

/// A list of integers as attribute.
pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

/// A float attribute.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Float as i32),
        f: Some(value),
        ..AttributeProto::default()
    }
}
