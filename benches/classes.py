"""Whether a digest of everything tells of every class, and whether clusters are classes.

    python benches/classes.py TAMIS_BINARY SET FIELD BUDGET...

SET is a folder with `corpus.jsonl.gz`, whose documents have a metadata FIELD with their class; no digest sees it. Beside
the digest stand as many documents at random (the mean of 1,000 draws, and what one draw in 20 exceeds) and the first ones.
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path


def main() -> None:
    binary, data, field, *budgets = sys.argv[1:]
    lines = gzip.open(Path(data) / "corpus.jsonl.gz").read()
    classes = {document["doc_id"]: document[field] for document in map(json.loads, lines.splitlines())}
    everything, of = list(classes), Counter(classes.values())
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        corpus, queries = Path(folder) / "corpus.jsonl", Path(folder) / "queries.jsonl"
        corpus.write_bytes(lines)
        question = {"query_id": "all", "question": "What do they say?", "candidates": everything}
        queries.write_text(json.dumps(question) + "\n")
        files = ["--input-jsonl", str(corpus), "--queries-jsonl", str(queries)]
        for budget in budgets:
            command = [binary, "compress", "--digest", "--fact", field, "--budget", budget, *files]
            digest = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            documents = [excerpt["document_id"] for excerpt in digest["excerpts"]]
            told = len({classes[document] for document in documents})
            draws = sorted(len({classes[d] for d in draw.sample(everything, len(documents))}) for _ in range(1000))
            first = len({classes[document] for document in everything[: len(documents)]})
            most = sum(max(cluster["facts"][field]["values"].values()) for cluster in digest["clusters"])
            print(
                f"budget {budget}: {len(documents)} sentences in {len(digest['clusters'])} clusters tell of {told} of {len(of)} classes; "
                f"random {sum(draws) / 1000:.1f} (one in 20: {draws[950]}), first {first}; "
                f"{most / len(everything):.2f} of a cluster are of its commonest class, {max(of.values()) / len(everything):.2f} of all"
            )


if __name__ == "__main__":
    main()
