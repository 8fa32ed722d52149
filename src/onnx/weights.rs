//! Where the weights of a graph come from.

use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};

/// Weights by name: row-major, `[outputs, inputs]` for matrices.
pub trait Weights {
    /// Shape and values of a tensor; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Model`] where it can't be read.
    fn tensor(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<f32>)>>;
}

/// The weights of a safetensors file, in 16 or 32 bits. Those of an encoder may carry the prefix `bert.`.
pub struct Safetensors<'a> {
    model: &'a str,
    tensors: SafeTensors<'a>,
}

impl<'a> Safetensors<'a> {
    /// Reads the file's header; `model` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Model`] where the bytes are no safetensors, or cut off.
    pub fn of(model: &'a str, bytes: &'a [u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| Error::model(model, format!("weights: {e}")))?;
        Ok(Self { model, tensors })
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.names().into_iter()
    }
}

impl Weights for Safetensors<'_> {
    fn tensor(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<f32>)>> {
        let named = self.tensors.tensor(name).or_else(|_| self.tensors.tensor(&format!("bert.{name}")));
        let Ok(view) = named else { return Ok(None) };
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => {
                view.data().as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
            }
            other => {
                let reason = format!("weight {name}: {other:?}, expected floats of 16 or 32 bits");
                return Err(Error::model(self.model, reason));
            }
        };
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(Some((view.shape().to_vec(), values))),
            false => Err(Error::model(self.model, format!("weight {name} holds values that are no numbers"))),
        }
    }
}
