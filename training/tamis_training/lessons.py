"""Lessons as `tamis calibrate lessons` writes them, in tokens.

A sequence is `[CLS] question [SEP] title. passage [SEP]`, types 0 up to the first `[SEP]` and 1 behind it. The same
sequence is built in `src/read/mini/sequence.rs`.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from tokenizers import Tokenizer

WINDOW = 384
"""Longest sequence in training; longer passages lose the blocks furthest from what is wanted."""


@dataclass
class Passage:
    title: np.ndarray
    """Token ids of `title.`"""
    text: np.ndarray
    """Token ids of the passage."""
    block: np.ndarray
    """For every token of the passage, the block that it belongs to; -1 for none."""
    answer: np.ndarray
    """Whether a token is part of an answer, or of evidence without one."""
    fast: np.ndarray
    """Fast score by block."""
    tokens: np.ndarray
    """Size by block, as budgets count."""
    wanted: np.ndarray
    """Whether a block holds an answer or evidence."""
    among_best: bool
    document: str


@dataclass
class Question:
    set: str
    id: str
    ids: np.ndarray
    unanswerable: bool
    passages: list
    answers: list
    texts: list
    """Blocks by passage, as text: to look for answers in."""


class Tokens:
    def __init__(self, base_folder):
        self.tokenizer = Tokenizer.from_file(f"{base_folder}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.start, self.end = (self.tokenizer.token_to_id(t) for t in ("[CLS]", "[SEP]"))

    @lru_cache(maxsize=200_000)
    def of(self, text):
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return np.array(encoding.ids, np.int32), np.array(encoding.offsets, np.int32).reshape(-1, 2)

    @lru_cache(maxsize=None)
    def words(self, words):
        """Ids of words that are one token each."""
        return np.array([self.tokenizer.token_to_id(word) for word in words.split()], np.int32)

    def passage(self, passage, answers):
        text = passage["text"]
        ids, places = self.of(text)
        # Blocks come in bytes, tokens in characters.
        starts = np.cumsum([0] + [len(c.encode()) for c in text])
        spans = np.searchsorted(starts, np.array([b["span"] for b in passage["blocks"]]).reshape(-1, 2))
        block = np.full(len(ids), -1, np.int16)
        answer = np.zeros(len(ids), bool)
        for n, (start, end) in enumerate(spans):
            inside = (places[:, 0] < end) & (places[:, 1] > start)
            block[inside] = n
            if not passage["blocks"][n]["wanted"]:
                continue
            found = [m for a in answers for m in re.finditer(re.escape(a), text[start:end], re.IGNORECASE)] if answers else []
            for match in found:
                answer |= (places[:, 0] < start + match.end()) & (places[:, 1] > start + match.start())
            if not found:
                answer |= inside
        title = self.of(f"{passage['title']}.")[0] if passage["title"] else np.zeros(0, np.int32)
        blocks = passage["blocks"]
        column = lambda key, kind: np.array([b[key] for b in blocks], kind)
        return Passage(
            title, ids, block, answer, column("fast", np.float32), column("tokens", np.int32),
            column("wanted", bool), passage["among_best"], passage["document"],
        ), [text[s:e] for s, e in spans]

    def question(self, lesson):
        answers = [a for a in lesson["answers"] if a.strip().lower() not in ("yes", "no") and a.strip()]
        pairs = [self.passage(p, answers) for p in lesson["passages"]]
        return Question(
            lesson["set"], lesson["id"], self.of(lesson["question"])[0], lesson["unanswerable"],
            [p for p, _ in pairs], answers, [t for _, t in pairs],
        )

    def sequence(self, question, passage, window=WINDOW, centre=True):
        """Ids, length of the question's part, block and answer of every token."""
        asked = question.ids[: window // 2]
        head = np.concatenate([[self.start], asked, [self.end], passage.title[:32]])
        room = window - len(head) - 1
        first = 0
        if len(passage.text) > room and centre:
            wanted = np.flatnonzero(passage.answer)
            middle = int(wanted[0]) if len(wanted) else 0
            first = max(0, min(middle - room // 2, len(passage.text) - room))
        part = slice(first, first + room)
        none = np.full(len(head), -1, np.int16)
        ids = np.concatenate([head, passage.text[part], [self.end]]).astype(np.int64)
        block = np.concatenate([none, passage.block[part], [-1]])
        answer = np.concatenate([none > 0, passage.answer[part], [False]])
        return ids, 2 + len(asked), block, answer


def load(path, tokens, sets=None):
    """Questions with passages, by set."""
    out = {}
    with open(path) as file:
        for line in file:
            lesson = json.loads(line)
            if sets is None or lesson["set"] in sets:
                out.setdefault(lesson["set"], []).append(tokens.question(lesson))
    return out
