//! The passages of a digest, and their clusters.

use std::cmp::Ordering;
use std::collections::HashSet;

use ndarray::Array2;

use crate::cluster::{Centroids, MAX_WHOLE_ROWS, Number, SAMPLE_ROWS, unlike_others};
use crate::deadline::Deadline;
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::{Error, Result};
use crate::index::{Alike, EachRow, Filter, Row, SegmentId, View};
use crate::rank::Candidate;

/// Vectors that stand for all when sentences are chosen, of all clusters together.
const TARGETS: usize = 8192;
/// So many of the outliers are loaded where none of them stands for others.
const FEW: usize = 64;
/// With so many passages, one that is alone in its cluster is unlike the others.
const MANY: usize = 10;
/// For vectors that are no segment's.
const NO_SEGMENT: SegmentId = SegmentId { revision: Revision(0), ordinal: 0 };
/// Rows between two looks at the deadline.
const LOOK: usize = 4096;

/// Where the passages come from.
pub(crate) enum Origin<'a> {
    /// A retrieval.
    Found(Vec<Candidate>),
    /// All that the filter lets through.
    All { view: &'a dyn View, filter: &'a Filter },
}

impl Origin<'_> {
    fn each(&self, each: &mut EachRow<'_>) -> Result<()> {
        match self {
            Self::Found(candidates) => candidates.iter().try_for_each(|c| each(Row::of(c.id, &c.stored.vector))),
            Self::All { view, filter } => view.scan(filter, each),
        }
    }
}

/// A passage of a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) id: SegmentId,
    /// To the cluster's centroid.
    pub(super) cosine: f32,
}

/// Passages that are alike; or, of one cluster at most, unlike all others.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// The nearest to the centroid first: the medoid, which has the highest mean cosine to all.
    pub(super) members: Vec<Member>,
    pub(super) outliers: bool,
    /// Members that stand for all of them, with their vectors.
    pub(super) targets: Vec<(SegmentId, PackedVector)>,
}

impl Group {
    pub(super) fn cohesion(&self) -> f32 {
        self.members.iter().map(|m| m.cosine).sum::<f32>() / self.members.len().max(1) as f32
    }
}

/// The passages in their clusters, the largest first and those unlike all others last.
pub(super) struct Clustered {
    pub(super) clusters: Vec<Group>,
    documents: HashSet<Revision>,
}

impl Clustered {
    /// Finds the clusters. Up to [`MAX_WHOLE_ROWS`] passages are looked at as often as k-means likes and in the order of
    /// their documents' ids, so that the order in which they were stored does not count. Of more, the centroids that the
    /// index keeps are clustered; of a part of a collection, for which it keeps none, a sample gives the first centroids
    /// and all passages, in batches, the last ones. What is held of each is its id and its cosine.
    pub(super) fn of(origin: &Origin<'_>, view: &dyn View, number: Number, deadline: &Deadline) -> Result<Self> {
        let mut count = 0_usize;
        origin.each(&mut |_| {
            count += 1;
            if count.is_multiple_of(LOOK) { deadline.check("cluster") } else { Ok(()) }
        })?;
        if count == 0 {
            return Ok(Self { clusters: Vec::new(), documents: HashSet::new() });
        }
        let centroids = centroids(origin, view, number, count, deadline)?;
        let mut clustered = Self::assigned(origin, &centroids, count, deadline)?;
        clustered.apart(count, view)?;
        clustered.clusters.retain(|c| !c.members.is_empty());
        let order = |a: &SegmentId, b: &SegmentId| by_place(view, a, b);
        for cluster in &mut clustered.clusters {
            let order = |a: &Member, b: &Member| b.cosine.total_cmp(&a.cosine).then_with(|| order(&a.id, &b.id));
            cluster.members.sort_by(order);
        }
        clustered.clusters.sort_by(|a, b| {
            let by_size = a.outliers.cmp(&b.outliers).then(b.members.len().cmp(&a.members.len()));
            by_size.then_with(|| order(&a.members[0].id, &b.members[0].id))
        });
        Ok(clustered)
    }

    /// Every passage in the cluster of its nearest centroid.
    fn assigned(origin: &Origin<'_>, centroids: &Centroids, count: usize, deadline: &Deadline) -> Result<Self> {
        let mut clusters = vec![Group::default(); centroids.len()];
        let mut documents = HashSet::new();
        let (mut n, step) = (0_usize, count.div_ceil(TARGETS));
        origin.each(&mut |row| {
            if n.is_multiple_of(LOOK) {
                deadline.check("cluster")?;
            }
            let (cluster, cosine) = centroids.nearest(&row.unpacked()).unwrap_or_default();
            documents.insert(row.segment.revision);
            let cluster = &mut clusters[cluster];
            cluster.members.push(Member { id: row.segment, cosine });
            if n.is_multiple_of(step) || cluster.targets.is_empty() {
                cluster.targets.push((row.segment, row.packed()));
            }
            n += 1;
            Ok(())
        })?;
        Ok(Self { clusters, documents })
    }

    /// Keeps apart what is unlike all others, so that a minority is told and not averaged away.
    fn apart(&mut self, count: usize, view: &dyn View) -> Result<()> {
        let fence = unlike_others(self.clusters.iter().flat_map(|c| c.members.iter().map(|m| m.cosine)).collect());
        let several = self.clusters.len() > 1 && count >= MANY;
        let mut outliers = Group { outliers: true, ..Group::default() };
        for cluster in &mut self.clusters {
            let alone = several && cluster.members.len() == 1;
            let (apart, stay): (Vec<_>, Vec<_>) = cluster.members.iter().partition(|m| alone || m.cosine < fence);
            let moved: HashSet<SegmentId> = apart.iter().map(|m: &Member| m.id).collect();
            outliers.targets.extend(cluster.targets.extract_if(.., |(id, _)| moved.contains(id)));
            outliers.members.extend(apart);
            cluster.members = stay;
        }
        // Few of many passages: none of those that stand for all may be among them.
        if outliers.targets.is_empty() {
            let ids: Vec<SegmentId> = outliers.members.iter().take(FEW).map(|m| m.id).collect();
            let vectors = view.segments(&ids)?.into_iter().map(|stored| stored.vector.clone());
            outliers.targets = ids.into_iter().zip(vectors).collect();
        }
        self.clusters.push(outliers);
        Ok(())
    }

    pub(super) fn passages(&self) -> usize {
        self.clusters.iter().map(|c| c.members.len()).sum()
    }

    pub(super) fn documents(&self) -> usize {
        self.documents.len()
    }
}

fn centroids(
    origin: &Origin<'_>,
    view: &dyn View,
    number: Number,
    count: usize,
    deadline: &Deadline,
) -> Result<Centroids> {
    if count > MAX_WHOLE_ROWS
        && let Origin::All { view, filter: Filter::All } = origin
        && let Some(mut alike) = view.alike()
    {
        // A vector of zeros has no direction to learn from.
        alike.retain(|alike| alike.centroid.scale > 0.0);
        if !alike.is_empty() {
            return number.learn(&standing_for_all(&alike, count)?, count, deadline);
        }
    }
    let step = if count <= MAX_WHOLE_ROWS { 1 } else { count.div_ceil(SAMPLE_ROWS) };
    let (mut rows, mut n) = (Vec::with_capacity(count.min(MAX_WHOLE_ROWS)), 0_usize);
    let dimension = view.settings().dimension;
    origin.each(&mut |row| {
        if n.is_multiple_of(step) && row.scale > 0.0 && row.values.len() == dimension {
            rows.push((row.segment, row.unpacked()));
        }
        n += 1;
        Ok(())
    })?;
    if rows.is_empty() {
        rows.push((NO_SEGMENT, vec![0.0; dimension]));
    }
    rows.sort_by(|a, b| by_place(view, &a.0, &b.0));
    let flat: Vec<f32> = rows.into_iter().flat_map(|(_, row)| row).collect();
    let rows = Array2::from_shape_vec((flat.len() / dimension, dimension), flat)
        .map_err(|e| Error::invalid("clusters", e.to_string()))?;
    let centroids = number.learn(&rows, count, deadline)?;
    if step == 1 {
        return Ok(centroids);
    }
    let moving = |take: &mut dyn FnMut(&[f32]) -> Result<()>| {
        origin.each(&mut |row| if row.scale > 0.0 { take(&row.unpacked()) } else { Ok(()) })
    };
    centroids.moved_by(deadline, moving)
}

/// The centroids that the index keeps, each as often as its segments have a share in a sample: what a whole collection is
/// like is known from ingest on, and no vector has to be looked at.
fn standing_for_all(alike: &[Alike], count: usize) -> Result<Array2<f32>> {
    let (mut flat, mut rows) = (Vec::new(), 0);
    for alike in alike {
        let centroid = alike.centroid.unpacked();
        for _ in 0..(alike.segments * SAMPLE_ROWS).div_ceil(count) {
            flat.extend_from_slice(&centroid);
            rows += 1;
        }
    }
    Array2::from_shape_vec((rows, flat.len() / rows.max(1)), flat)
        .map_err(|e| Error::invalid("clusters", e.to_string()))
}

/// The order of documents' ids and of the places in them.
fn by_place(view: &dyn View, a: &SegmentId, b: &SegmentId) -> Ordering {
    if a.revision == b.revision {
        return a.ordinal.cmp(&b.ordinal);
    }
    let id = |segment: &SegmentId| view.document_of(segment.revision);
    let by_id = id(a).as_ref().map(|head| &head.id).cmp(&id(b).as_ref().map(|head| &head.id));
    by_id.then(a.cmp(b))
}
