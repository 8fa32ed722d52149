"""Trains an adapter for reader-mini on labelled questions, measures it, and writes it with its card.

    python training/train.py --tamis target/release/tamis --data SETS --out FOLDER

A set is a folder with `corpus.jsonl` and `queries.jsonl`, gzipped or not, as `tamis eval` reads it (docs/adapt.md).
Nothing of this is needed to run Tamis.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

try:
    import numpy as np
    import torch

    from tamis_training import adapter, card, data, learn, model
    from tamis_training.recipe import Recipe
except ImportError as missing:
    requirements = Path(__file__).parent / "requirements.txt"
    sys.exit(f"training needs {missing.name}: python -m pip install -r {requirements}\n(running Tamis never needs it)")

HERE = Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--tamis", default="tamis", help="the command line that splits, mines negatives and measures")
    add("--base", help="the encoder's folder with model.safetensors; the default encoder where nothing is said")
    add("--data", nargs="*", action="extend", default=[], metavar="FOLDER", help="a set, or a folder of sets")
    add("--sets", default="", help="only these sets of a folder of sets, by comma")
    add("--pair", nargs="*", action="extend", default=[], metavar="QUERIES:CORPUS",
        help="questions of one file to the corpus of a folder: a set whose parts lie apart")
    add("--out", required=True, help="where adapter.safetensors and card.md are written")
    add("--name", default="reader-mini", help="what the adapter is called")
    add("--languages", default="eng", help="languages of the questions and documents, ISO 639-3 codes by comma")
    add("--notes", help="what the card says of licences and limits, a file in Markdown")
    add("--recipe", default=str(HERE / "recipe.json"), help="the recipe's file")
    add("--set", nargs="*", action="extend", default=[], metavar="KEY=VALUE", help="what of the recipe is different")
    add("--seed", type=int, help="in place of the recipe's")
    add("--share", type=float, default=1.0, help="train on so much of every set: for learning curves")
    add("--hold-out", nargs="*", action="extend", default=[], metavar="SET=SHARE",
        help="measure on so much of a set instead of training on it; passages that held-out questions see are not seen")
    add("--measure", default="", help="also measure on these sets of --data, by comma; they are not trained on")
    add("--max-unsound", type=float, default=0.2,
        help="most questions, as a share, whose answers stand in none of their documents")
    add("--work", help="folder for lessons and checkpoints; OUT/work where nothing is said")
    add("--threads", type=int, default=0, help="0: one per core")
    return parser.parse_args()


def recipe_of(args):
    recipe = data.read_json(args.recipe)
    known = {field.name for field in fields(Recipe)}
    for pair in args.set:
        key, _, value = pair.partition("=")
        value, before = data.value_of(value), recipe.get(key)
        recipe[key] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    unknown = sorted(set(recipe) - known)
    if unknown:
        raise SystemExit(f"recipe: {', '.join(unknown)}: unknown; there are {', '.join(sorted(known))}")
    if args.seed is not None:
        recipe["seed"] = args.seed
    return Recipe(**recipe)


def main():
    args = arguments()
    recipe = recipe_of(args)
    out = Path(args.out)
    work = Path(args.work) if args.work else out / "work"
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    base = data.base_folder(args)
    measured = [name for name in args.measure.split(",") if name]
    folders = data.folders(args, work)
    training = {name: folder for name, folder in folders.items() if name not in measured}
    if not training:
        raise SystemExit("--data, --pair: no set is left to train on")
    questions, counts = data.load(args, training, work, base)
    questions, held = data.hold_out(args, questions, folders, work, recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    for name, of_set in questions.items():
        keep = rng.permutation(len(of_set))[: max(1, round(args.share * len(of_set)))]
        questions[name] = [of_set[n] for n in sorted(keep)]
    total = sum(map(len, questions.values()))
    kind = str(model.fastest_kind(device)).removeprefix("torch.")
    print(f"{total} questions of {len(questions)} sets, on {device} in {kind}", flush=True)
    reader = learn.train_all(questions, base, recipe, checkpoint=str(work / "checkpoint.pt"),
                             said=lambda line: print(line, flush=True), device=device)
    path = out / "adapter.safetensors"
    digest = adapter.save(reader.cpu(), path, base, args.name, tuple(args.languages.split(",")))
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {digest}", flush=True)
    to_measure = {name: folders[name] for name in measured} | held
    figures = [data.measure(args, name, folder, path) for name, folder in to_measure.items()]
    card.write(out / "card.md", args, recipe, counts, {n: len(q) for n, q in questions.items()}, digest, figures,
               sum(p.numel() for p in reader.parameters()))
    print(f"{out / 'card.md'}", flush=True)
    for checkpoint in work.glob("checkpoint.pt.*"):
        checkpoint.unlink()


if __name__ == "__main__":
    main()
