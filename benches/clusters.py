"""Our k-means of very many rows beside scikit-learn's MiniBatchKMeans: time to learn and to label, and inertia.

    pip install numpy scikit-learn
    cargo build --release --example cluster_speed
    python benches/clusters.py target/release/examples/cluster_speed [ROWS]

The rows are 384 numbers long and of unit length: 60 topics of different sizes, each with sub-topics, around a mean that all
have in common, as passages' vectors have. Inertia is that of the partition, over the rows without their mean: the squared
distances to the means of the clusters, whoever found them. Both use all cores; seeds 1 to 3, the median.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.cluster import MiniBatchKMeans

DIMENSION = 384


def data(rows, seed):
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(60, DIMENSION))
    parts = topics[:, None] + 0.6 * rng.normal(size=(60, 5, DIMENSION))
    sizes = rng.dirichlet(np.full(60, 0.7))
    topic = rng.choice(60, size=rows, p=sizes)
    x = parts[topic, rng.integers(5, size=rows)] + 1.2 * rng.normal(size=(rows, DIMENSION))
    x += 1.5 * rng.normal(size=DIMENSION)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def inertia(x, labels):
    total = 0.0
    for cluster in np.unique(labels):
        rows = x[labels == cluster].astype(np.float64)
        total += ((rows - rows.mean(axis=0)) ** 2).sum()
    return total


def main():
    binary = sys.argv[1]
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    for clusters in [12, 64]:
        times, quality = [], []
        for seed in [1, 2, 3]:
            x = data(rows, seed)
            with tempfile.TemporaryDirectory() as scratch:
                source, labels = pathlib.Path(scratch, "rows.f32"), pathlib.Path(scratch, "labels.u32")
                x.tofile(source)
                command = [binary, str(source), str(DIMENSION), str(clusters), str(labels)]
                ours = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                found = np.fromfile(labels, dtype=np.uint32)
            start = time.perf_counter()
            other = MiniBatchKMeans(clusters, random_state=seed, n_init=4).fit(x - x.mean(axis=0)).labels_
            theirs = time.perf_counter() - start
            times.append((ours, theirs))
            quality.append(inertia(x, found) / inertia(x, other))
        ours, theirs = (statistics.median(t) for t in zip(*times))
        print(f"{rows} x {DIMENSION}, {clusters} clusters: {ours:.2f} s and {theirs:.2f} s, "
              f"{ours / theirs:.2f} times the time, {statistics.median(quality):.3f} times the inertia")


if __name__ == "__main__":
    main()
