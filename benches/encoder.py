"""The encoder against sentence-transformers: the same texts, the same number of threads, turn by turn.

    python benches/encoder.py ENCODE_BINARY MODEL_DIRECTORY [THREADS] [ROUNDS]

ENCODE_BINARY is target/release/examples/encode, MODEL_DIRECTORY what `tamis models list` shows for the
encoder. Prints seconds (median of the rounds) and ratios; needs sentence-transformers and Linux.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = (
    "the sieve presses food until only what matters is left and a budget of tokens counts every citation while "
    "readers ask questions about documents that were split into sentences rows and statements with their headings"
).split()


def make_texts(count: int) -> list[str]:
    """Texts of 5 to 150 words, as blocks and segments are."""
    rng = random.Random(7)
    return [" ".join(rng.choices(WORDS, k=rng.choice([5, 10, 20, 30, 60, 100, 150]))) for _ in range(count)]


def main() -> None:
    binary, model = sys.argv[1:3]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    reference = SentenceTransformer(model, device="cpu")
    texts = make_texts(400)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()

        def tamis(precision: str) -> float:
            command = [binary, file.name, precision, str(threads)]
            return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["seconds"]

        def torch_seconds() -> float:
            reference.encode(texts[:16])
            start = time.perf_counter()
            reference.encode(texts, batch_size=32, normalize_embeddings=True)
            return time.perf_counter() - start

        seconds: dict[str, list[float]] = {"sentence-transformers": [], "fp32": [], "int8": []}
        for _ in range(rounds):
            seconds["sentence-transformers"].append(torch_seconds())
            for precision in ("fp32", "int8"):
                seconds[precision].append(tamis(precision))
    base = statistics.median(seconds["sentence-transformers"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:<24} {median:7.2f} s  ({min(values):.2f}-{max(values):.2f})  {base / median:.2f}x")


if __name__ == "__main__":
    main()
