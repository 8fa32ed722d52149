"""The adapter's card: on what it was trained, how, and what it is good for."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .measure import interval


def command():
    """How it was started, without where things lay on this machine."""
    words, left_out = sys.argv[:], ("--work", "--tamis", "--out", "--base")
    for option in left_out:
        if option in words:
            at = words.index(option)
            del words[at : at + 2]
    return shlex.join(["python", *words])


def kept(at):
    """Answers kept, or evidence where there is no answer, question by question."""
    return [e if a is None else a for a, e in zip(at["answers"], at["evidence"])]


def rows(name, result):
    """One row a budget: with the adapter, without it, the difference."""
    mini, fast = (next(s for s in result["systems"] if s["system"] == which) for which in ("mini", "fast"))
    for with_it, without in zip(mini["budgets"], fast["budgets"]):
        pairs = [(a, b) for a, b in zip(kept(with_it), kept(without)) if a is not None and b is not None]
        if not pairs:
            continue
        a, b = np.array(pairs).T * 100
        low, high = interval(a - b)
        yield (f"| {name} ({len(pairs)}) | {with_it['budget']} | {b.mean():.1f} | {a.mean():.1f} "
               f"| {(a - b).mean():+.1f} [{low:+.1f}, {high:+.1f}] |")


def write(path, args, recipe, counts, used, digest, figures, parameters):
    lines = [f"# {args.name}", "", f"SHA-256 `{digest}`; {parameters} parameters in 16 bits.", "",
             "## Trained on", "", "| set | questions | used | without an answer in their documents |", "|---|---|---|---|"]
    for name, count in counts.items():
        lines.append(f"| {name} | {count['questions']} | {used.get(name, 0)} | {count['unsound']} |")
    lines += ["", f"Languages: {args.languages}.", "", "## Recipe", "", f"    {command()}", "", "```json",
              json.dumps(asdict(recipe), indent=1), "```", ""]
    if figures:
        lines += ["## Answers kept", "", "By `tamis eval`, o200k tokens; points, with 95% intervals of paired differences.",
                  "", "| set (questions) | budget | fast | with this reader | difference |", "|---|---|---|---|---|"]
        lines += [row for name, result in figures for row in rows(name, result)]
        lines.append("")
    if args.notes:
        lines += [Path(args.notes).read_text().strip(), ""]
    Path(path).write_text("\n".join(lines))
