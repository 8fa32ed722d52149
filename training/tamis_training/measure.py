"""What an adapter adds to the fast ranking, estimated without the server: blocks by score until the budget is full.

`tamis eval` measures the real thing; this is for choosing between recipes while training.
"""

import numpy as np
import torch

from .learn import block_scores, run

CITATION = 14
"""Tokens of a citation, about."""


@torch.no_grad()
def signals(model, tokens, questions, passages=20, batch=48):
    """By question a list of passages' block scores, and the passages' logits."""
    jobs = [(q, p) for q, question in enumerate(questions)
            for p, passage in enumerate(question.passages[:passages]) if passage.among_best]
    out = [dict() for _ in questions]
    jobs.sort(key=lambda job: len(questions[job[0]].passages[job[1]].text))
    for start in range(0, len(jobs), batch):
        part = jobs[start : start + batch]
        built = [tokens.sequence(questions[q], questions[q].passages[p], window=512, centre=False) for q, p in part]
        logits, passage_logits = run(model, built)
        for (q, p), by_token, by_passage, sequence in zip(part, logits, passage_logits, built):
            passage = questions[q].passages[p]
            scores = block_scores(by_token, sequence[2], len(passage.fast)).numpy()
            out[q][p] = (scores, float(by_passage))
    return out


def standardised(values):
    spread = values.std()
    return (values - values.mean()) / spread if spread > 1e-9 else values * 0


def kept(question, heard, weight, budget, raw=False, floor=None):
    """Whether an answer, or the share of evidence, is kept."""
    scored = []
    read = [(p, b) for p in heard for b in range(len(question.passages[p].fast))]
    values = np.array([heard[p][0][b] for p, b in read])
    if floor is not None:
        values = np.logaddexp(values, floor)
    lift = dict(zip(read, values if raw else standardised(values))) if len(read) else {}
    for p, passage in enumerate(question.passages):
        if not passage.among_best:
            continue
        for b, fast in enumerate(passage.fast):
            scored.append((-(fast + weight * lift.get((p, b), 0.0)), p, b))
    scored.sort()
    left, cited, texts = budget, set(), []
    for _, p, b in scored:
        cost = int(question.passages[p].tokens[b]) + (0 if p in cited else CITATION)
        if cost > left:
            if left < 20:
                break
            continue
        left -= cost
        cited.add(p)
        texts.append(question.texts[p][b])
    context = " ".join(" ".join(texts).lower().split())
    if question.answers:
        return float(any(" ".join(a.lower().split()) in context for a in question.answers))
    return None


def gain(questions, heard, weight, budgets=(128, 256, 512), **how):
    """Answers kept by budget: of the fast ranking, and with the reader."""
    rows = []
    for question, of_question in zip(questions, heard):
        if not question.answers:
            continue
        rows.append([[kept(question, {}, 0.0, b), kept(question, of_question, weight, b, **how)] for b in budgets])
    return np.array(rows)


def interval(differences, seed=1, draws=2000):
    """95% bootstrap interval of the mean."""
    rng = np.random.default_rng(seed)
    means = differences[rng.integers(0, len(differences), (draws, len(differences)))].mean(1)
    return np.quantile(means, [0.025, 0.975])


def report(name, questions, heard, weights=(0.5, 1.0, 2.0, 4.0), **how):
    lines = []
    for weight in weights:
        rows = gain(questions, heard, weight, **how)
        mean = rows.mean(0) * 100
        differences = (rows[:, :, 1] - rows[:, :, 0]).mean(1) * 100
        low, high = interval(differences)
        lines.append(f"{name:>14} w={weight:<4} fast {'/'.join(f'{v:.1f}' for v in mean[:, 0])} "
                     f"mini {'/'.join(f'{v:.1f}' for v in mean[:, 1])}  {differences.mean():+.1f} [{low:+.1f}, {high:+.1f}]")
    return lines


def passages_first(questions, heard):
    """How often the passage with the best logit is one that answers."""
    hits = [q.passages[max(h, key=lambda p: h[p][1])].wanted.any() for q, h in zip(questions, heard) if h and q.answers]
    return float(np.mean(hits))
