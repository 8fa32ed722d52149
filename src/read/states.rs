//! What was computed of passages: keys and values, so that another question costs no more than its own tokens.
//!
//! A passage comes before its question, so its states depend on nothing but itself ("prefix caching"; the states that
//! are kept are those of vLLM's PagedAttention, arXiv 2309.06180, section 4.3, without sharing among requests). They
//! are large, some thousand times what the passage's vector takes: this is for collections that are small or
//! asked often.

mod disk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use self::disk::Disk;
use crate::error::Result;
use crate::hash::Beginning;
use crate::hits::Hits;

/// Largest magnitude of a component.
const LIMIT: f32 = 127.0;
/// About how much a passage takes: to size the cache's tables with.
const TYPICAL_BYTES: usize = 1024 * 1024;

/// Where states are kept, and how much of it may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateSettings {
    /// Bytes of memory; with 0 nothing is kept there.
    pub memory: usize,
    /// A folder, and so many bytes in it, for what must outlive the process or does not fit into memory.
    pub disk: Option<(PathBuf, u64)>,
}

/// Of the network and the tokens.
pub(super) type Key = Beginning;

/// Keys and values of some tokens, `[parts, kv heads, tokens, head width]`: 8-bit integers, every head of every
/// token with a scale of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    values: Vec<i8>,
    scales: Vec<f32>,
}

impl State {
    /// Of floats, whose heads are `width` components wide.
    pub(super) fn of(values: &[f32], width: usize) -> Self {
        let mut state = Self { values: Vec::with_capacity(values.len()), scales: Vec::new() };
        for row in values.chunks_exact(width) {
            let scale = row.iter().fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs())) / LIMIT;
            state.scales.push(scale);
            // Rounded half away from zero: `round` is a call without SSE 4.1.
            state.values.extend(row.iter().map(|v| (v / scale + 0.5f32.copysign(*v)) as i8));
        }
        state
    }

    /// As floats again.
    pub(super) fn floats(&self) -> Vec<f32> {
        let width = self.values.len() / self.scales.len().max(1);
        let mut out = vec![0.0; self.values.len()];
        let rows = out.chunks_exact_mut(width.max(1)).zip(self.values.chunks_exact(width.max(1)));
        for ((to, row), scale) in rows.zip(&self.scales) {
            to.iter_mut().zip(row).for_each(|(to, v)| *to = f32::from(*v) * scale);
        }
        out
    }

    fn bytes(&self) -> usize {
        self.values.len() + 4 * self.scales.len()
    }

    /// The number of scales, the scales, the values; little-endian.
    fn packed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes() + 4);
        out.extend((self.scales.len() as u32).to_le_bytes());
        out.extend(self.scales.iter().flat_map(|scale| scale.to_le_bytes()));
        out.extend(self.values.iter().map(|v| v.to_le_bytes()[0]));
        out
    }

    /// `None` for bytes that [`Self::packed`] did not make.
    fn unpacked(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let (scales, values) = rest.split_at_checked(4 * u32::from_le_bytes(*count) as usize)?;
        let scales = scales.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Some(Self { values: values.iter().map(|b| i8::from_le_bytes([*b])).collect(), scales })
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<State>> for Bytes {
    fn weight(&self, _: &Key, state: &Arc<State>) -> u64 {
        state.bytes() as u64 + 64
    }
}

/// States by what was read.
pub(super) struct States {
    memory: Cache<Key, Arc<State>, Bytes>,
    disk: Option<Disk>,
    hits: Hits,
}

impl States {
    /// Opens what the settings name; `None` where they keep nothing.
    pub(super) fn open(settings: &StateSettings) -> Result<Option<Self>> {
        if settings.memory == 0 && settings.disk.is_none() {
            return Ok(None);
        }
        let items = settings.memory.div_ceil(TYPICAL_BYTES).max(1);
        let memory = Cache::with_weighter(items, settings.memory as u64, Bytes);
        let open = |(path, limit): &(PathBuf, u64)| Disk::open(Path::new(path), *limit);
        Ok(Some(Self { memory, disk: settings.disk.as_ref().map(open).transpose()?, hits: Hits::default() }))
    }

    pub(super) fn counted(self, hits: Hits) -> Self {
        Self { hits, ..self }
    }

    /// What is kept; what can't be read is told in the log and computed anew.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<State>> {
        self.hits.counted(self.find(key))
    }

    fn find(&self, key: &Key) -> Option<Arc<State>> {
        if let Some(state) = self.memory.get(key) {
            return Some(state);
        }
        let state = self.disk.as_ref()?.get(key).unwrap_or_else(|e| {
            tracing::warn!("states: {e}");
            None
        });
        let state = Arc::new(state?);
        self.memory.insert(*key, state.clone());
        Some(state)
    }

    /// Whether these would be found.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.memory.peek(key).is_some() || self.disk.as_ref().is_some_and(|disk| disk.has(key))
    }

    /// # Errors
    /// [`crate::error::Error::Io`] where it can't be written; memory has it all the same.
    pub(super) fn put(&self, key: Key, state: Arc<State>) -> Result<()> {
        self.memory.insert(key, state.clone());
        self.disk.as_ref().map_or(Ok(()), |disk| disk.put(&key, &state))
    }
}
