"""What decides which adapter comes out, and what may be said of it."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """Everything that decides which adapter comes out, beside the data."""

    rank: int = 16
    rank_rest: int = 8
    epochs: float = 1.0
    questions: int = 4
    """Questions of a batch."""
    positives: int = 2
    negatives: int = 4
    """Passages of a question: at most so many with a wanted block, and so many without."""
    growth: float = 0.0
    """Over so much of a run, passages without a wanted block grow from one a question to `negatives`, each as long as its
    logarithm, and a batch has as many more questions as keep its size. Reading is learnt from some 400 questions whatever
    stands beside the answer; with all of `negatives` from the start they cost a third of the run."""
    top: int = 12
    """Negatives come from so many of the best passages of the fast ranking."""
    rate: float = 1e-3
    warm_up: float = 0.05
    decay: float = 0.01
    span_loss: float = 1.0
    """Which of all tokens of the question's passages belong to an answer: one softmax over all of them (shared
    normalisation, arXiv 1710.10723, section 3.2)."""
    block_loss: float = 0.0
    """Which block of the question's passages is wanted: softmax over the fast score plus the reader's."""
    token_loss: float = 0.1
    """Whether a token belongs to an answer, each by itself."""
    passage_loss: float = 0.1
    base_drop: float = 0.3
    """How often a question is learnt without the fast score."""
    base_weight: float = 0.5
    """What a unit of the fast score counts beside the reader's logits."""
    without_answer: float = 0.05
    """How often a question is shown without the passages that answer it."""
    bare: float = 0.0
    """How often a question loses its punctuation, as people type into a search box."""
    terse: float = 0.0
    """How often it loses articles, prepositions and auxiliary verbs as well."""
    average: float = 0.999
    """Weights are averaged over about 1 / (1 - average) steps; 0 takes the last ones."""
    orders: tuple = (0,)
    """Adapters that are trained from the same beginning, one on the questions in each of these orders, and averaged."""
    seed: int = 1
    repeats: dict = field(default_factory=dict)
    """By set, how often its questions are seen in an epoch; 1 where nothing is said."""

    def __post_init__(self):
        wrong = [f"{name} is {getattr(self, name)!r}: expected {rule}"
                 for name, (rule, holds) in RULES.items() if not holds(getattr(self, name))]
        if not wrong and not any((self.span_loss, self.block_loss, self.token_loss, self.passage_loss)):
            wrong = ["all losses are 0: nothing is learnt"]
        if wrong:
            raise SystemExit(f"recipe: {'; '.join(wrong)}")


def number(value):
    return isinstance(value, (int, float)) and math.isfinite(value)


def whole(least):
    return f"a whole number of at least {least}", lambda value: isinstance(value, int) and value >= least


POSITIVE = "a number above 0", lambda value: number(value) and value > 0
NOT_NEGATIVE = "a number of at least 0", lambda value: number(value) and value >= 0
SHARE = "a number of 0 to 1", lambda value: number(value) and 0 <= value <= 1

RULES = {
    **dict.fromkeys(("rank", "rank_rest", "questions", "positives", "top"), whole(1)),
    **dict.fromkeys(("negatives", "seed"), whole(0)),
    **dict.fromkeys(("epochs", "rate"), POSITIVE),
    **dict.fromkeys(("span_loss", "block_loss", "token_loss", "passage_loss", "decay"), NOT_NEGATIVE),
    **dict.fromkeys(("growth", "warm_up", "base_drop", "without_answer", "bare", "terse"), SHARE),
    "base_weight": ("a number", number),
    "average": ("a number of at least 0 and below 1", lambda value: number(value) and 0 <= value < 1),
    "orders": ("a list of whole numbers of at least 0", lambda value: isinstance(value, (list, tuple)) and value
               and all(isinstance(order, int) and order >= 0 for order in value)),
    "repeats": ("numbers of at least 0 by set", lambda value: isinstance(value, dict)
                and all(number(times) and times >= 0 for times in value.values())),
}
