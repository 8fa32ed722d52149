"""How digests grow with what they are of, and whether their facts are exact.

    python benches/digest.py TAMIS_BINARY SET [BUDGET]

SET is a folder with `corpus.jsonl.gz` and `queries.jsonl.gz`; each question names its `candidates` and, as `stats`, how
often they have which `rating` and which share of them is `recommended`. Every question is told as a digest, and, for
comparison, with all passages that its candidates have.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BANDS = [(20, 40), (40, 80), (80, 160), (160, 401)]


def answers(binary: str, folder: str, budget: int, *flags: str) -> list[dict]:
    files = ["--input-jsonl", f"{folder}/corpus.jsonl", "--queries-jsonl", f"{folder}/queries.jsonl"]
    command = [binary, "compress", "--budget", str(budget), *flags, *files]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def main() -> None:
    binary, data = sys.argv[1], Path(sys.argv[2])
    budget = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    with tempfile.TemporaryDirectory() as folder:
        for name in ("corpus", "queries"):
            (Path(folder) / f"{name}.jsonl").write_bytes(gzip.open(data / f"{name}.jsonl.gz").read())
        questions = [json.loads(line) for line in open(f"{folder}/queries.jsonl")]
        digests = answers(binary, folder, budget, "--digest", "--fact", "rating", "--fact", "recommended")
        everything = answers(binary, folder, 4_000_000)
    exact = 0
    for question, digest in zip(questions, digests):
        facts, stats = digest["digest"]["facts"], question["stats"]
        counted = {value: n for value, n in stats["rating_counts"].items() if n}
        share = facts["recommended"]["mean"]
        exact += facts["rating"]["values"] == counted and abs(share - stats["recommended_share"]) < 5e-4
    print(f"{exact} of {len(questions)} digests have the exact ratings and the exact recommended share")
    for low, high in BANDS:
        rows = [n for n, q in enumerate(questions) if low <= len(q["candidates"]) < high]
        if not rows:
            continue
        mean = lambda value: sum(map(value, rows)) / len(rows)
        print(
            f"{low:>4} to {high - 1:<4} {len(rows):>3} products  {mean(lambda n: len(questions[n]['candidates'])):6.0f} reviews  "
            f"digest {mean(lambda n: digests[n]['token_count']):6.0f} tokens, {mean(lambda n: len(digests[n]['clusters'])):4.1f} clusters, "
            f"{mean(lambda n: digests[n]['digest']['untold']):3.1f} untold; all passages {mean(lambda n: everything[n]['token_count']):8.0f} tokens; "
            f"{mean(lambda n: sum(digests[n]['stats']['stages_ms'].values())):5.0f} ms"
        )


if __name__ == "__main__":
    main()
