"""The learning itself: batches of questions, two losses, weight averaging, checkpoints."""

import math
import os
import time
from dataclasses import asdict, replace

import numpy as np
import torch
import torch.nn.functional as F

from .lessons import Tokens
from .model import AdaptedLinear, AdapterShape, ReaderMini, fastest_kind


def pick(rng, question, recipe):
    """The passages of one question, and whether its answer is among them."""
    wanted = [p for p in question.passages if p.wanted.any()]
    others = [p for p in question.passages[: recipe.top + len(wanted)] if not p.wanted.any()]
    with_answer = bool(wanted) and not question.unanswerable and rng.random() >= recipe.without_answer
    chosen = list(rng.permutation(len(wanted))[: recipe.positives]) if with_answer else []
    chosen = [wanted[n] for n in chosen]
    # Better passages are better negatives: drawn with falling weight.
    room = recipe.positives + recipe.negatives - len(chosen)
    weights = 1.0 / (1.0 + np.arange(len(others)))
    count = min(room, len(others), recipe.negatives if with_answer else room)
    if count:
        chosen += [others[n] for n in rng.choice(len(others), count, replace=False, p=weights / weights.sum())]
    return chosen, with_answer


def asked_otherwise(rng, tokens, question, recipe):
    """The question as somebody else would type it."""
    drawn = rng.random(2)
    drop = tokens.words("? . , ; : ! ' \"") if drawn[0] < recipe.bare else []
    if drawn[1] < recipe.terse:
        drop = np.concatenate([drop, tokens.words("the a an of in on at to for is are was were did do does has have had")])
    ids = question.ids[~np.isin(question.ids, drop)]
    return replace(question, ids=ids) if 0 < len(ids) < len(question.ids) else question


def batches(count, recipe):
    """For every step of a run over so many questions: the first, how many, and at most how many negatives each has."""
    out, first = [], 0
    size = recipe.questions * (recipe.positives + recipe.negatives)
    while first < count:
        grown = min(1.0, first / (recipe.growth * count)) if recipe.growth else 1.0
        negatives = round(recipe.negatives**grown) if recipe.negatives else 0
        questions = size // (recipe.positives + negatives)
        out.append((first, questions, negatives))
        first += questions
    if len(out) > 1 and out[-1][0] + out[-1][1] > count:
        out.pop()
    return out


def sequences(rng, tokens, questions, recipe):
    """One batch: a list of sequences with their question's number, passages by question."""
    items, with_answer = [], []
    for n, question in enumerate(questions):
        chosen, answered = pick(rng, question, recipe)
        question = asked_otherwise(rng, tokens, question, recipe)
        with_answer.append(answered)
        for passage in chosen:
            items.append((n, passage, tokens.sequence(question, passage)))
    return items, with_answer


def run(model, batch, device="cpu"):
    """Logits of sequences, shortest first so that little is padded; a list in the order they came."""
    model.merge()
    order = sorted(range(len(batch)), key=lambda n: len(batch[n][0]))
    token_logits, passage_logits = [None] * len(batch), [None] * len(batch)
    groups = np.array_split(np.array(order), max(1, len(order) // 6))
    for group in groups:
        longest = max(len(batch[n][0]) for n in group)
        longest = (longest + 7) // 8 * 8
        ids = torch.zeros(len(group), longest, dtype=torch.long)
        types = torch.ones(len(group), longest, dtype=torch.long)
        lengths = torch.tensor([len(batch[n][0]) for n in group])
        for row, n in enumerate(group):
            ids[row, : len(batch[n][0])] = torch.from_numpy(batch[n][0])
            types[row, : batch[n][1]] = 0
        by_token, by_passage = model(ids.to(device), types.to(device), lengths.to(device))
        for row, n in enumerate(group):
            token_logits[n] = by_token[row, : len(batch[n][0])]
            passage_logits[n] = by_passage[row]
    return token_logits, passage_logits


def block_scores(logits, block, count):
    """Log-sum-exp of every block's tokens."""
    index = torch.from_numpy(block.astype(np.int64)).to(logits.device)
    inside = index >= 0
    # Shifted by the largest of all: it is the same for every block, and none underflows that matters.
    most = logits.detach().max()
    sums = torch.zeros(count, device=logits.device).index_add(0, index[inside], (logits[inside] - most).exp())
    return (sums + 1e-9).log() + most


def losses(items, with_answer, logits, passage_logits, recipe, rng, base_weight):
    span_terms, token_terms, block_terms, passage_terms = [], [], [], []
    for n, answered in enumerate(with_answer):
        mine = [k for k, item in enumerate(items) if item[0] == n]
        base = 0.0 if rng.random() < recipe.base_drop else 1.0
        scores, wanted, right, every = [], [], [], []
        for k in mine:
            _, passage, (_, _, block, answer) = items[k]
            inside = torch.from_numpy(block >= 0).to(logits[k].device)
            target = torch.from_numpy(answer.astype(np.float32)).to(logits[k].device)
            if inside.any():
                every.append(logits[k][inside])
                right.append(logits[k][inside & (target > 0)])
                token_terms.append(F.binary_cross_entropy_with_logits(logits[k][inside], target[inside]))
            read = np.unique(block[block >= 0])
            score = block_scores(logits[k], block, len(passage.fast))[torch.from_numpy(read.astype(np.int64))]
            fast = torch.from_numpy(passage.fast[read]).to(score.device)
            scores.append(score + base * base_weight * fast)
            wanted.append(torch.from_numpy(passage.wanted[read]).to(score.device))
            hit = torch.tensor(float(passage.wanted[read].any()), device=passage_logits[k].device)
            passage_terms.append(F.binary_cross_entropy_with_logits(passage_logits[k], hit))
        if not answered or not scores:
            continue
        right = torch.cat(right)
        if len(right):
            span_terms.append(torch.logsumexp(torch.cat(every), 0) - torch.logsumexp(right, 0))
        scores, wanted = torch.cat(scores), torch.cat(wanted)
        if not wanted.any() or wanted.all():
            continue
        # Every wanted block against all that are not.
        rest = torch.logsumexp(scores.masked_fill(wanted, -1e9), 0)
        block_terms.append((torch.logaddexp(scores[wanted], rest) - scores[wanted]).mean())
    mean = lambda terms: torch.stack(terms).mean().cpu() if terms else torch.zeros(())
    return torch.stack([mean(terms) for terms in (span_terms, token_terms, block_terms, passage_terms)])


def order_of(questions, recipe, rng):
    """Questions of one epoch: each set as often as the recipe says, shuffled."""
    out = []
    for name, of_set in sorted(questions.items()):
        times = recipe.repeats.get(name, 1.0)
        whole, part = divmod(times, 1)
        for _ in range(int(whole)):
            out.extend(of_set)
        out.extend(of_set[n] for n in rng.permutation(len(of_set))[: round(part * len(of_set))])
    return [out[n] for n in rng.permutation(len(out))]


def train_all(questions, base_folder, recipe, checkpoint=None, said=print, device="cpu"):
    """The average of the adapters of all orders. Each leaves its checkpoint until all are done."""
    models = []
    for n, order in enumerate(recipe.orders):
        if len(recipe.orders) > 1:
            said(f"run {n + 1} of {len(recipe.orders)}")
        path = f"{checkpoint}.{order}" if checkpoint else None
        models.append(train(questions, base_folder, recipe, path, said=said, device=device, order_seed=order))
    return average(models)


@torch.no_grad()
def average(models):
    """One adapter whose changes are the mean of several, as near as its rank allows (singular values)."""
    first, parts = models[0], [dict(model.named_modules()) for model in models]
    for name, module in first.named_modules():
        if len(models) == 1:
            break
        if isinstance(module, AdaptedLinear):
            change = sum(part[name].up @ part[name].down for part in parts) / len(parts)
            left, values, right = torch.linalg.svd(change, full_matrices=False)
            rank = len(module.down)
            roots = values[:rank].sqrt()
            module.up.copy_(left[:, :rank] * roots)
            module.down.copy_(roots[:, None] * right[:rank])
        for own, p in module.named_parameters(recurse=False):
            if own not in ("up", "down"):
                p.copy_(sum(getattr(part[name], own) for part in parts) / len(parts))
    return first


def train(questions, base_folder, recipe, checkpoint=None, every=200, said=print, device="cpu", order_seed=0):
    """Trains one adapter; returns the model with averaged weights. Resumes from `checkpoint` where that exists."""
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    tokens = Tokens(base_folder)
    shape = AdapterShape(recipe.rank, recipe.rank_rest)
    model = ReaderMini(base_folder, shape, fastest_kind(device)).to(device)
    parameters = list(model.parameters())
    plain = [p for p in parameters if p.dim() < 2]
    matrices = [p for p in parameters if p.dim() >= 2]
    groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98))
    averaged = [p.detach().clone() for p in parameters]
    rng = np.random.default_rng([recipe.seed, order_seed])
    order = []
    for _ in range(math.ceil(recipe.epochs)):
        order += order_of(questions, recipe, rng)
    order = order[: round(len(order) * recipe.epochs / math.ceil(recipe.epochs))]
    plan = batches(len(order), recipe)
    steps, first = len(plan), 0
    if checkpoint and os.path.exists(checkpoint):
        state = torch.load(checkpoint, weights_only=False)
        if state["recipe"] != asdict(recipe) or state["steps"] != steps:
            raise SystemExit(f"{checkpoint} is of another recipe or other data: remove it, or train with the same")
        for p, value in zip(parameters, state["parameters"]):
            p.data.copy_(value)
        averaged, first = state["averaged"], state["step"]
        optimizer.load_state_dict(state["optimizer"])
        said(f"resumed at step {first} of {steps}")
    shares = torch.tensor([recipe.span_loss, recipe.token_loss, recipe.block_loss, recipe.passage_loss])
    began, seen, sums = time.time(), 0, np.zeros(4)
    for step in range(first, steps):
        # Drawn by the step, so that a run that was interrupted goes on as it would have.
        rng = np.random.default_rng([recipe.seed, order_seed, step])
        start, count, negatives = plan[step]
        batch = order[start : start + count]
        items, with_answer = sequences(rng, tokens, batch, replace(recipe, negatives=negatives))
        if not items:
            continue  # nothing is left of these questions, or they are shown without the only passages they have
        done = step / steps
        scale = min(1.0, (step + 1) / max(1, recipe.warm_up * steps))
        scale *= 0.5 * (1 + math.cos(math.pi * done)) * 0.95 + 0.05
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * scale
        logits, passage_logits = run(model, [item[2] for item in items], device)
        terms = losses(items, with_answer, logits, passage_logits, recipe, rng, recipe.base_weight)
        loss = (terms * shares).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        share = min(recipe.average, (step + 1) / (step + 10)) if recipe.average else 0.0
        for mean, p in zip(averaged, parameters):
            mean.mul_(share).add_(p.detach(), alpha=1 - share)
        seen += sum(len(item[2][0]) for item in items)
        sums = sums * 0.98 + 0.02 * terms.detach().numpy()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            spent = time.time() - began
            left = spent / (step + 1 - first) * (steps - step - 1)
            means = sums / (1 - 0.98 ** (step + 1 - first))
            named = zip(("span", "token", "block", "passage"), means)
            said(f"step {step + 1}/{steps}  {'  '.join(f'{name} {value:.3f}' for name, value in named)}"
                 f"  {seen / spent:.0f} tokens/s  {left / 60:.1f} min left")
        if checkpoint and ((step + 1) % every == 0 or step + 1 == steps):
            state = {"recipe": asdict(recipe), "steps": steps, "step": step + 1, "averaged": averaged,
                     "parameters": [p.detach() for p in parameters], "optimizer": optimizer.state_dict()}
            torch.save(state, f"{checkpoint}.new")
            os.replace(f"{checkpoint}.new", checkpoint)
    for p, value in zip(parameters, averaged):
        p.data.copy_(value)
    return model
