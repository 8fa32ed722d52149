"""Writes texts.json and vectors.f32: reference vectors of all-MiniLM-L6-v2 from sentence-transformers.

    pip install sentence-transformers==6.2.0
    python make.py DIRECTORY_OF_THE_MODEL

vectors.f32 holds 384 little-endian floats per text, in the order of texts.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

HERE = Path(__file__).parent
WORDS = (
    "a tamis is a fine drum sieve through which cooks press food until only what matters is left while "
    "budgets are counted in tokens of the target model and every excerpt keeps the bytes of its source"
).split()
SHORT = [
    "a", "?", "42", "Paris", "HTTP 404", "e-mail", "O'Brien", "naïve café", "snake_case_name", "3.14159",
    "What is a tamis?", "Who wrote the report?", "fn main() {}", "SELECT id FROM users;", "{\"key\": [1, 2, 3]}",
    "Ümlaute und ß im Deutschen.", "今天下雨。", "東京都に住んでいます。", "यह एक वाक्य है।", "هذه جملة.",
    "Это предложение.", "Αυτή είναι μια πρόταση.", "นี่คือประโยค", "이것은 문장입니다.", "Đây là một câu.",
    "🙂 emoji 🚀 and text", "tabs\tand\nnew lines", "  spaces around  ", "ALL CAPS SENTENCE", "antidisestablishmentarianism",
]
LONG = [" ".join(WORDS[(i * 7 + j * (i % 5 + 1)) % len(WORDS)] for j in range(10 + i * 12)) + "." for i in range(24)]
MIXED = [
    "The store was damaged on 2024-05-01 at 13:45 UTC; revision 17 of order #A-2231 was lost and restored.",
    "def add(a: int, b: int) -> int:\n    \"\"\"Adds two numbers.\"\"\"\n    return a + b",
    "| name | price |\n|---|---|\n| flour | 1.20 |\n| butter | 3.45 |",
    "See https://example.org/a/b?c=d#e and mail to cook@example.org, or read §3.2 (p. 17).",
    "x" * 300,
    "Dr. Smith paid $3.50 to J. R. Jones. He left at 5 p.m. with Ms. Wu. Nobody saw him again.",
    "token " * 400,
    "Wörter, слова, 単語, λέξεις, كلمات: one sentence with many scripts.",
]


def main() -> None:
    model = SentenceTransformer(sys.argv[1], device="cpu")
    texts = SHORT + LONG + MIXED
    vectors = np.stack([model.encode([t], normalize_embeddings=True)[0] for t in texts]).astype("<f4")
    (HERE / "texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=0) + "\n")
    (HERE / "vectors.f32").write_bytes(vectors.tobytes())


if __name__ == "__main__":
    main()
