"""Where questions come from: sets on disk, mined and split by `tamis`, and what is kept apart to measure on."""

import gzip
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np

from . import adapter, lessons

FILES = ("jsonl.gz", "jsonl")


def read_json(path):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {error}") from None


def value_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def run(args, *command):
    """What `tamis` says on standard output; it mines and measures with the model that is adapted."""
    environment = os.environ | ({"TAMIS_MODEL_DIR": str(Path(args.base).resolve())} if args.base else {})
    try:
        done = subprocess.run([args.tamis, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True,
                              env=environment)
    except FileNotFoundError:
        raise SystemExit(f"--tamis {args.tamis}: no such file; build it with cargo build --release -p tamis-cli") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{args.tamis} {command[0]} ended with {error.returncode}") from None
    return done.stdout


def base_folder(args):
    """The folder of the model that is adapted."""
    if args.base:
        return args.base
    run(args, "models", "pull", "all-minilm-l6-v2")
    for artifact in json.loads(run(args, "--format", "json", "models", "list"))["models"]:
        if artifact["name"] == "all-minilm-l6-v2":
            return artifact["path"]
    raise SystemExit(f"{args.tamis} does not know the default encoder: name its folder with --base")


def part(folder, stem):
    for ending in FILES:
        path = Path(folder) / f"{stem}.{ending}"
        if path.is_file():
            return path
    return None


def folders(args, work):
    """Sets by name."""
    wanted = [name for name in args.sets.split(",") if name]
    out = {}
    for named in map(Path, args.data):
        if not named.is_dir():
            raise SystemExit(f"--data {named}: no such folder")
        inside = [named] if part(named, "queries") else sorted(f for f in named.iterdir() if part(f, "queries"))
        out |= {folder.name: folder for folder in inside if not wanted or folder.name in wanted}
    for pair in args.pair:
        queries, _, corpus = pair.partition(":")
        if not Path(queries).is_file() or not corpus or not part(corpus, "corpus"):
            raise SystemExit(f"--pair {pair}: expected a file of questions, a colon, and a folder with a corpus")
        name = Path(queries).name.split(".")[0]
        out[name] = joined(work / "pairs" / name, part(corpus, "corpus"), queries)
    missing = sorted(set(wanted) - set(out))
    if missing:
        raise SystemExit(f"--sets: {', '.join(missing)}: not in --data")
    return out


def joined(folder, corpus, queries):
    """A set of links."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, path in (("corpus", Path(corpus)), ("queries", Path(queries))):
        link = folder / (f"{stem}.jsonl.gz" if path.suffix == ".gz" else f"{stem}.jsonl")
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    return folder


def load(args, sets, work, base):
    """Questions by set, and how many each had and lost."""
    tokens, questions, counts = lessons.Tokens(base), {}, {}
    model = adapter.fingerprint(base)
    for name, folder in sets.items():
        # Mined once for every state of the files, and by every model.
        state = [f"{p.resolve()}:{p.stat().st_size}:{p.stat().st_mtime_ns}"
                 for p in (part(folder, "queries"), part(folder, "corpus"))]
        path = work / f"{name}-{hashlib.sha256('|'.join([model, *state]).encode()).hexdigest()[:12]}.jsonl"
        if not path.exists():
            run(args, "calibrate", "lessons", "--data", folder, "--out", f"{path}.new")
            os.replace(f"{path}.new", path)
        with open(path) as file:
            said = [json.loads(line) for line in file]
        unsound = [lesson["id"] for lesson in said if not lesson["sound"]]
        counts[name] = {"questions": len(said), "unsound": len(unsound)}
        if len(unsound) > args.max_unsound * len(said):
            raise SystemExit(f"{name}: {len(unsound)} of {len(said)} questions have no answer in their documents, such as "
                             f"{unsound[0]}: more than --max-unsound {args.max_unsound}")
        questions[name] = [tokens.question(lesson) for lesson in said if lesson["sound"]]
    return questions, counts


def components(questions):
    """Questions in groups that share no wanted passage."""
    group = {}

    def root(x):
        while group.setdefault(x, x) != x:
            x = group[x]
        return x

    for n, question in enumerate(questions):
        for passage in question.passages:
            if passage.wanted.any():
                group[root(("p", passage.document))] = root(("q", n))
    out = {}
    for n in range(len(questions)):
        out.setdefault(root(("q", n)), []).append(n)
    return [out[key] for key in sorted(out, key=lambda key: out[key][0])]


def hold_out(args, questions, sets, work, seed):
    """The questions to train on, and folders of those that were held out."""
    held = {}
    for asked in args.hold_out:
        name, _, share = asked.partition("=")
        if name not in questions:
            raise SystemExit(f"--hold-out {asked}: {name} is not trained on")
        of_set = questions[name]
        groups = components(of_set)
        chosen, count = set(), float(share or 0.25) * len(of_set)
        for n in np.random.default_rng(seed).permutation(len(groups)):
            if len(chosen) < count:
                chosen.update(groups[n])
        seen = {p.document for n in chosen for p in of_set[n].passages}
        kept = [q for n, q in enumerate(of_set) if n not in chosen]
        for question in kept:
            keep = [n for n, p in enumerate(question.passages) if p.document not in seen]
            question.passages = [question.passages[n] for n in keep]
            question.texts = [question.texts[n] for n in keep]
        questions[name] = [q for q in kept if q.passages]
        ids = {of_set[n].id for n in chosen}
        held[f"{name}-held-out"] = subset(work / f"{name}-held-out", sets[name], ids)
    return questions, held


def subset(folder, whole, ids):
    """A set of some of the questions."""
    folder.mkdir(parents=True, exist_ok=True)
    source = part(whole, "queries")
    lines = (gzip.open if source.suffix == ".gz" else open)(source, "rt")
    queries = folder / "selected.jsonl"
    with lines as file, open(queries, "w") as out:
        out.writelines(line for line in file if line.strip() and json.loads(line)["query_id"] in ids)
    return joined(folder, part(whole, "corpus"), queries)


def measure(args, name, folder, adapter):
    """What contexts keep with the adapter and without it, as `tamis eval` says."""
    report = json.loads(run(args, "--format", "json", "--mini-adapter", adapter, "eval", "--data", folder,
                            "--system", "mini,fast", "--budgets", "128,256,512"))
    return name, report["sets"][0]
