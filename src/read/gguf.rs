//! A GGUF, the file of a language model: what it says of itself, and its weights.
//!
//! The header is read here, every length checked against the file's own; blocks of quantised weights are
//! unpacked by `candle-core`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::TensorInfo;
use candle_core::{Device, Shape};

use crate::error::{Error, Result};
use crate::onnx::{LlamaShape, Weights};

const MAGIC: &[u8; 4] = b"GGUF";
/// Versions whose lengths have 64 bits.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
/// Where weights begin, unless the file says otherwise: at a multiple of this.
const ALIGNMENT: u64 = 32;
/// More dimensions no tensor has.
const MAX_DIMENSIONS: u32 = 4;

/// An opened file.
pub struct Gguf {
    path: PathBuf,
    values: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
    /// Where the weights begin.
    weights_at: u64,
    bytes: u64,
    file: Mutex<File>,
}

/// A value of the header; those that nothing here needs are `Other`.
#[derive(Debug)]
enum Value {
    Whole(i64),
    Real(f64),
    Text(String),
    Texts(Vec<String>),
    Wholes(Vec<i64>),
    Other,
}

impl Gguf {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Model`] where it is no GGUF, or cut off, or holds weights of an unknown kind.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let bytes = file.metadata().map_err(Error::io(path))?.len();
        let mut header = Header { path, rest: bytes, reader: BufReader::new(&file) };
        let magic = header.bytes(4)?;
        if magic != MAGIC {
            return Err(refuse(path, "is no GGUF file"));
        }
        let version = header.u32()?;
        if !VERSIONS.contains(&version) {
            return Err(refuse(path, format!("is of version {version}; versions 2 and 3 can be read")));
        }
        let (tensors, values) = (header.u64()?, header.u64()?);
        let values = (0..values).map(|_| Ok((header.text()?, header.value()?))).collect::<Result<HashMap<_, _>>>()?;
        let tensors = (0..tensors).map(|_| header.tensor()).collect::<Result<HashMap<_, _>>>()?;
        let alignment = match values.get("general.alignment") {
            Some(Value::Whole(n)) if *n > 0 => n.unsigned_abs(),
            _ => ALIGNMENT,
        };
        let weights_at = (bytes - header.rest).next_multiple_of(alignment);
        let gguf = Self { path: path.to_owned(), values, tensors, weights_at, bytes, file: Mutex::new(file) };
        gguf.check_ends()?;
        Ok(gguf)
    }

    /// All weights must end within the file: one that was cut off is noticed here, not in the middle of loading.
    fn check_ends(&self) -> Result<()> {
        for (name, info) in &self.tensors {
            let end = bytes_of(info).and_then(|n| self.weights_at.checked_add(info.offset)?.checked_add(n));
            if end.is_none_or(|end| end > self.bytes) {
                return Err(self.refuse(format!("is cut off: weight {name} ends behind its {} bytes", self.bytes)));
            }
        }
        Ok(())
    }

    /// Values of all weights together: about what it takes in memory, in fours of bytes.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.tensors.values().map(|t| t.shape.elem_count() as u64).sum()
    }

    /// The network's shape.
    ///
    /// # Errors
    /// [`Error::Model`] where the file is of another architecture than LLaMA's, or does not state its shape.
    pub fn shape(&self) -> Result<LlamaShape> {
        let architecture = self.text("general.architecture").unwrap_or("none");
        if architecture != "llama" {
            return Err(self.refuse(format!("is of the architecture {architecture:?}; only \"llama\" can be read")));
        }
        let whole = |key: &str| {
            let n = self.whole(key).filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok());
            n.ok_or_else(|| self.refuse(format!("does not state {key}")))
        };
        let (width, heads) = (whole("llama.embedding_length")?, whole("llama.attention.head_count")?);
        let head_width = whole("llama.attention.key_length").unwrap_or(width / heads);
        let turned = self.whole("llama.rope.dimension_count").unwrap_or(head_width as i64);
        if self.text("llama.rope.scaling.type").is_some_and(|t| t != "none")
            || self.tensors.contains_key("rope_freqs.weight")
        {
            return Err(self.refuse("scales its rotary positions, which is not supported"));
        }
        let shape = LlamaShape {
            layers: whole("llama.block_count")?,
            width,
            heads,
            kv_heads: whole("llama.attention.head_count_kv").unwrap_or(heads),
            head_width,
            rope_base: self.real("llama.rope.freq_base").unwrap_or(10_000.0) as f32,
            rms_epsilon: self.real("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32,
            vocabulary: self
                .tensors
                .get("token_embd.weight")
                .map_or(0, |t| t.shape.dims().first().copied().unwrap_or(0)),
            context: whole("llama.context_length")?,
        };
        let sound =
            shape.heads.is_multiple_of(shape.kv_heads) && head_width.is_multiple_of(2) && turned == head_width as i64;
        if sound { Ok(shape) } else { Err(self.refuse(format!("states a shape that can't be: {shape:?}"))) }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &str) -> Option<&[String]> {
        match self.values.get(key) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    pub(super) fn wholes(&self, key: &str) -> Option<&[i64]> {
        match self.values.get(key) {
            Some(Value::Wholes(wholes)) => Some(wholes),
            _ => None,
        }
    }

    pub(super) fn whole(&self, key: &str) -> Option<i64> {
        match self.values.get(key) {
            Some(Value::Whole(n)) => Some(*n),
            _ => None,
        }
    }

    fn real(&self, key: &str) -> Option<f64> {
        match self.values.get(key) {
            Some(Value::Real(x)) => Some(*x),
            Some(Value::Whole(n)) => Some(*n as f64),
            _ => None,
        }
    }

    pub(super) fn refuse(&self, reason: impl Into<String>) -> Error {
        refuse(&self.path, reason)
    }
}

impl Weights for Gguf {
    fn tensor(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<f32>)>> {
        let Some(info) = self.tensors.get(name) else { return Ok(None) };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let unpacked = info.read(&mut *file, self.weights_at, &Device::Cpu);
        let values = unpacked.and_then(|t| t.dequantize(&Device::Cpu)).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
        let values = values.map_err(|e| self.refuse(format!("weight {name}: {e}")))?;
        Ok(Some((info.shape.dims().to_vec(), values)))
    }
}

fn refuse(path: &Path, reason: impl Into<String>) -> Error {
    Error::model(path.display().to_string(), reason.into())
}

/// Bytes of a packed tensor; `None` where they can't be.
fn bytes_of(info: &TensorInfo) -> Option<u64> {
    let (block, size) = (info.ggml_dtype.block_size() as u64, info.ggml_dtype.type_size() as u64);
    let values = info.shape.dims().iter().try_fold(1u64, |n, d| n.checked_mul(*d as u64))?;
    values.is_multiple_of(block).then(|| (values / block).checked_mul(size))?
}

/// The beginning of the file, as far as it was read.
struct Header<'a> {
    path: &'a Path,
    reader: BufReader<&'a File>,
    /// Bytes that are left.
    rest: u64,
}

impl Header<'_> {
    fn bytes(&mut self, n: u64) -> Result<Vec<u8>> {
        let cut_off = || refuse(self.path, "is cut off in its header, or damaged");
        self.rest = self.rest.checked_sub(n).ok_or_else(cut_off)?;
        let mut bytes = vec![0; usize::try_from(n).map_err(|_| cut_off())?];
        self.reader.read_exact(&mut bytes).map_err(Error::io(self.path))?;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes(N as u64)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32> {
        self.fixed().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.fixed().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String> {
        let bytes = self.u64()?;
        Ok(String::from_utf8_lossy(&self.bytes(bytes)?).into_owned())
    }

    fn value(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        self.of_kind(kind)
    }

    fn of_kind(&mut self, kind: u32) -> Result<Value> {
        Ok(match kind {
            0 => Value::Whole(u8::from_le_bytes(self.fixed()?).into()),
            1 => Value::Whole(i8::from_le_bytes(self.fixed()?).into()),
            2 => Value::Whole(u16::from_le_bytes(self.fixed()?).into()),
            3 => Value::Whole(i16::from_le_bytes(self.fixed()?).into()),
            4 => Value::Whole(self.u32()?.into()),
            5 => Value::Whole(i32::from_le_bytes(self.fixed()?).into()),
            6 => Value::Real(f32::from_le_bytes(self.fixed()?).into()),
            7 => Value::Whole(u8::from_le_bytes(self.fixed()?).into()),
            8 => Value::Text(self.text()?),
            9 => self.list()?,
            10 => Value::Whole(i64::try_from(self.u64()?).unwrap_or(i64::MAX)),
            11 => Value::Whole(i64::from_le_bytes(self.fixed()?)),
            12 => Value::Real(f64::from_le_bytes(self.fixed()?)),
            _ => return Err(refuse(self.path, format!("is damaged: no value is of kind {kind}"))),
        })
    }

    /// A list; lists of lists are none of ours, and would let a header call itself without end.
    fn list(&mut self) -> Result<Value> {
        let (kind, count) = (self.u32()?, self.u64()?);
        // Every value has a byte at least.
        if count > self.rest || kind == 9 {
            return Err(refuse(self.path, "is cut off in its header, or damaged"));
        }
        let (mut texts, mut wholes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            match self.of_kind(kind)? {
                Value::Text(text) => texts.push(text),
                Value::Whole(n) => wholes.push(n),
                _ => {}
            }
        }
        Ok(match kind {
            8 => Value::Texts(texts),
            6 | 12 => Value::Other,
            _ => Value::Wholes(wholes),
        })
    }

    fn tensor(&mut self) -> Result<(String, TensorInfo)> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(refuse(self.path, format!("is damaged: weight {name} has {dimensions} dimensions")));
        }
        let mut dims = Vec::new();
        for _ in 0..dimensions {
            dims.push(usize::try_from(self.u64()?).unwrap_or(usize::MAX));
        }
        // A GGUF names the fastest dimension first.
        dims.reverse();
        let kind = self.u32()?;
        let dtype = dtype(kind).ok_or_else(|| {
            refuse(self.path, format!("weight {name} is packed in a way that is not known here (kind {kind})"))
        })?;
        Ok((name, TensorInfo { ggml_dtype: dtype, shape: Shape::from(dims), offset: self.u64()? }))
    }
}

/// How weights are packed, by the number that a GGUF gives it.
fn dtype(kind: u32) -> Option<GgmlDType> {
    Some(match kind {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}
