//! Counters, gauges and histograms. Labels are of closed sets: methods, codes, reasons, stages, pools; never tenants,
//! collections or anything that a caller makes up.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets, linear_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tamis::hits::Hits;

use crate::status::REASONS;
use crate::{contract, v1};

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Seconds = Family<One, Histogram, fn() -> Histogram>;

/// 1 ms to 65 s, each twice the one before.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

/// Everything that is counted; cheap to clone, as every call does.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Series>);

impl Deref for Metrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0
    }
}

/// What there is to count.
pub(crate) struct Series {
    registry: Registry,
    calls: Family<Two, Counter>,
    call_seconds: Seconds,
    pub(crate) calls_in_flight: Gauge,
    refused: Family<One, Counter>,
    pub(crate) connections: Gauge,
    stage_seconds: Seconds,
    queue_seconds: Seconds,
    queued: Family<One, Gauge>,
    candidate_tokens: Counter,
    context_tokens: Counter,
    budget_used: Histogram,
    contexts_read: Family<One, Counter>,
    passages_read: Family<One, Counter>,
    documents: Family<One, Counter>,
    cache_hits: Family<One, Counter>,
    cache_misses: Family<One, Counter>,
    /// In the order of [`CACHES`].
    caches: [Hits; 3],
    ready: Gauge,
    wants_restart: Gauge,
    index_documents: Gauge,
    index_segments: Gauge,
    index_bytes: Gauge,
    resident: Gauge,
}

/// What a registered name, and its explanation, stand for.
macro_rules! registered {
    ($registry:ident, $($name:literal, $help:literal => $metric:expr;)*) => {
        $($registry.register($name, $help, $metric.clone());)*
    };
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tamis");
        let timed = || Seconds::new_with_constructor(seconds as fn() -> Histogram);
        let mut metrics = Series {
            registry: Registry::default(),
            calls: Family::default(),
            call_seconds: timed(),
            calls_in_flight: Gauge::default(),
            refused: Family::default(),
            connections: Gauge::default(),
            stage_seconds: timed(),
            queue_seconds: timed(),
            queued: Family::default(),
            candidate_tokens: Counter::default(),
            context_tokens: Counter::default(),
            budget_used: Histogram::new(linear_buckets(0.1, 0.1, 10)),
            contexts_read: Family::default(),
            passages_read: Family::default(),
            documents: Family::default(),
            cache_hits: Family::default(),
            cache_misses: Family::default(),
            caches: Default::default(),
            ready: Gauge::default(),
            wants_restart: Gauge::default(),
            index_documents: Gauge::default(),
            index_segments: Gauge::default(),
            index_bytes: Gauge::default(),
            resident: Gauge::default(),
        };
        registry.register("build", "Version of this server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registered! { registry,
            "calls", "Calls that ended, by method and gRPC code" => metrics.calls;
            "call_duration_seconds", "From a call's headers to its last byte, by method" => metrics.call_seconds;
            "calls_in_flight", "Calls under way" => metrics.calls_in_flight;
            "refused", "Calls that failed, by reason" => metrics.refused;
            "connections", "Open connections" => metrics.connections;
            "stage_duration_seconds", "Work on contexts, by stage" => metrics.stage_seconds;
            "queue_wait_seconds", "Waiting for a thread, by pool" => metrics.queue_seconds;
            "queue_depth", "Work that waits or runs, by pool" => metrics.queued;
            "candidate_tokens", "Tokens of the passages that contexts were chosen from" => metrics.candidate_tokens;
            "context_tokens", "Tokens of contexts" => metrics.context_tokens;
            "budget_used_ratio", "Share of its budget that a context fills" => metrics.budget_used;
            "contexts_read", "Contexts for which a reader read, by reader" => metrics.contexts_read;
            "passages_read", "Passages that were read, by reader" => metrics.passages_read;
            "documents", "Documents taken in, by outcome" => metrics.documents;
            "cache_hits", "Questions to a cache that had the answer, by cache" => metrics.cache_hits;
            "cache_misses", "Questions to a cache that had it not, by cache" => metrics.cache_misses;
            "ready", "1 while the index answers and the server takes calls" => metrics.ready;
            "wants_restart", "1 while the store takes no writes and would after a restart" => metrics.wants_restart;
            "index_documents", "Documents of all collections" => metrics.index_documents;
            "index_segments", "Segments of all collections" => metrics.index_segments;
            "index_bytes", "Bytes of text of all collections" => metrics.index_bytes;
            "resident_memory_bytes", "Memory that the process holds" => metrics.resident;
        }
        metrics.registry = registry;
        metrics.begin();
        Self(Arc::new(metrics))
    }
}

impl Series {
    /// Everything begins at 0, so that the first of its kind is an increase, and not a counter that was not there.
    fn begin(&self) {
        for method in contract::methods() {
            made(&self.calls, [("method", &method.name), ("code", "OK")]);
            made(&self.call_seconds, [("method", &method.name)]);
        }
        REASONS.iter().for_each(|reason| made(&self.refused, [("reason", reason)]));
        STAGES.iter().for_each(|stage| made(&self.stage_seconds, [("stage", stage)]));
        for reader in READERS {
            made(&self.contexts_read, [("reader", reader)]);
            made(&self.passages_read, [("reader", reader)]);
        }
        OUTCOMES.iter().for_each(|outcome| made(&self.documents, [("outcome", outcome)]));
    }

    /// Where a cache counts.
    pub(crate) fn cache(&self, which: Kept) -> Hits {
        self.caches[which as usize].clone()
    }

    /// A call ended.
    pub(crate) fn ended(&self, method: &'static str, code: &'static str, reason: Option<&'static str>, took: Duration) {
        self.calls.get_or_create(&[("method", method), ("code", code)]).inc();
        self.call_seconds.get_or_create(&[("method", method)]).observe(took.as_secs_f64());
        if let Some(reason) = reason {
            self.refused.get_or_create(&[("reason", reason)]).inc();
        }
    }

    /// Work was begun after so many milliseconds in a pool's queue.
    pub(crate) fn waited(&self, pool: &'static str, milliseconds: f64) {
        self.queue_seconds.get_or_create(&[("pool", pool)]).observe(milliseconds / 1e3);
    }

    /// The number of what waits or runs in a pool.
    pub(crate) fn queued(&self, pool: &'static str) -> Gauge {
        made(&self.queue_seconds, [("pool", pool)]);
        self.queued.get_or_create(&[("pool", pool)]).clone()
    }

    /// A context was made.
    pub(crate) fn context(&self, made: &v1::CompressResponse) {
        self.context_tokens.inc_by(made.token_count.into());
        let budget = made.budget.as_ref().map_or(0, |b| b.max_tokens);
        if budget > 0 {
            self.budget_used.observe(f64::from(made.token_count) / f64::from(budget));
        }
        let Some(stats) = &made.stats else { return };
        self.candidate_tokens.inc_by(stats.candidate_tokens);
        for (stage, milliseconds) in &stats.stages_ms {
            if let Some(stage) = STAGES.iter().find(|s| *s == stage) {
                self.stage_seconds.get_or_create(&[("stage", stage)]).observe(milliseconds / 1e3);
            }
        }
        for read in stats.read.iter().filter(|r| r.passages > 0) {
            let reader = READERS[usize::from(read.reader() != v1::ReaderName::Mini)];
            self.contexts_read.get_or_create(&[("reader", reader)]).inc();
            self.passages_read.get_or_create(&[("reader", reader)]).inc_by(read.passages.into());
        }
    }

    /// A document was taken in, or not.
    pub(crate) fn document(&self, outcome: v1::IngestOutcome) {
        let outcome = OUTCOMES[match outcome {
            v1::IngestOutcome::Created => 1,
            v1::IngestOutcome::Replaced => 2,
            v1::IngestOutcome::Unchanged => 3,
            v1::IngestOutcome::MetadataUpdated => 4,
            _ => 0,
        }];
        self.documents.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// What the index holds.
    pub(crate) fn index(&self, documents: u64, segments: u64, bytes: u64) {
        for (gauge, n) in
            [(&self.index_documents, documents), (&self.index_segments, segments), (&self.index_bytes, bytes)]
        {
            gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    pub(crate) fn set_wants_restart(&self, wants: bool) {
        self.wants_restart.set(wants.into());
    }

    pub(crate) fn wants_restart(&self) -> bool {
        self.wants_restart.get() == 1
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.get() == 1
    }

    /// All of it, as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        self.resident.set(resident_bytes());
        for (name, hits) in CACHES.iter().zip(&self.caches) {
            let counted = |counts: &Family<One, Counter>, n| {
                counts.get_or_create(&[("cache", name)]).inner().store(n, Ordering::Relaxed);
            };
            counted(&self.cache_hits, hits.hits());
            counted(&self.cache_misses, hits.misses());
        }
        let mut out = String::new();
        // Writing to a text can't fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

/// Has a family know a member.
fn made<S: Clone + std::hash::Hash + Eq, M: Clone, C: MetricConstructor<M>>(family: &Family<S, M, C>, labels: S) {
    let _ = family.get_or_create_owned(&labels);
}

/// What caches keep, in the order of [`CACHES`].
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// What readers heard.
    Readings,
    /// What the language model computed of passages.
    States,
    /// What a summarizer said.
    Summaries,
}

const CACHES: [&str; 3] = ["readings", "states", "summaries"];
const READERS: [&str; 2] = ["mini", "language"];
const OUTCOMES: [&str; 5] = ["refused", "created", "replaced", "unchanged", "metadata_updated"];
/// Stages that are told apart.
const STAGES: [&str; 12] = [
    "queue",
    "encode",
    "retrieve",
    "rank",
    "read_mini",
    "read",
    "fit",
    "split",
    "words",
    "cluster",
    "choose",
    "summarize",
];

/// Memory of this process, from the kernel; 0 where it does not tell.
fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|kib| kib.parse::<i64>().ok()).map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        metrics.ended("Compress", "RESOURCE_EXHAUSTED", Some("QUEUE_FULL"), Duration::from_millis(3));
        metrics.context(&v1::CompressResponse {
            token_count: 75,
            budget: Some(v1::Budget { max_tokens: 100, ..v1::Budget::default() }),
            stats: Some(v1::CompressStats {
                candidate_tokens: 3000,
                stages_ms: [("fit".to_owned(), 1.5), ("made up".to_owned(), 1.0)].into(),
                ..v1::CompressStats::default()
            }),
            ..v1::CompressResponse::default()
        });
        let told = metrics.encode();
        for line in [
            "tamis_calls_total{method=\"Compress\",code=\"RESOURCE_EXHAUSTED\"} 1",
            "tamis_refused_total{reason=\"QUEUE_FULL\"} 1",
            "tamis_context_tokens_total 75",
            "tamis_candidate_tokens_total 3000",
            "tamis_stage_duration_seconds_bucket{le=\"0.002\",stage=\"fit\"} 1",
            "tamis_budget_used_ratio_count 1",
        ] {
            assert!(told.lines().any(|l| l == line), "{line} in {told}");
        }
        assert!(!told.contains("made up") && metrics.resident.get() > 0);
    }
}
