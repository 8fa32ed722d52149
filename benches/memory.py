"""What is left of long conversations: `tamis compress --memory` beside the newest turns and random ones.

    python benches/memory.py target/release/tamis DIR/qmsum [CONVERSATIONS]

For every meeting of the set and every budget, once and for all of its questions: the share of the words of the gold
answers (without the commonest 200 of the set) that the context holds. Intervals are 95 %, by bootstrap over meetings; the
systems are compared in pairs.
"""

import collections
import gzip
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

BUDGETS = [512, 1024, 2048]
MEMORIES = {
    "memory": [],
    "memory, decay .995": ["--memory-decay", "0.995"],
    "memory, decay .98": ["--memory-decay", "0.98"],
    "newest turns": ["--memory-opening", "0", "--memory-newest", "100000"],
}


def lines(path):
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def words(text):
    return set(re.findall(r"\w+", text.lower()))


def turns(text):
    """`Grad C: Yeah , we had ...` as role and content."""
    pairs = (line.partition(": ") for line in text.splitlines() if line.strip())
    return [{"role": role, "content": content} for role, _, content in pairs]


def interval(values, rng):
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(1000))
    return f"{100 * sum(values) / len(values):.1f} [{100 * means[25]:.1f}, {100 * means[974]:.1f}]"


class Tamis:
    """A server, so that what was read for one budget is not read for the next."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", folder]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = "http://" + self.server.stdout.readline().split()[-1]

    def memory(self, chat, budget, flags):
        path = pathlib.Path(self.folder, "chat.jsonl")
        path.write_text("".join(json.dumps(turn) + "\n" for turn in chat))
        command = [self.binary, "compress", "--server", self.url, "--memory", str(path), "-b", str(budget), *flags]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    documents = {d["doc_id"]: d for d in lines(folder / "corpus.jsonl.gz")}
    asked = collections.defaultdict(list)
    for query in lines(folder / "queries.jsonl.gz"):
        asked[query["gold_doc_ids"][0]].append(query)
    frequent = collections.Counter(word for d in documents.values() for word in re.findall(r"\w+", d["text"].lower()))
    common = {word for word, _ in frequent.most_common(200)}
    kept = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        tamis = Tamis(binary, scratch)
        try:
            for name in sorted(asked)[:limit]:
                chat = turns(documents[name]["text"])
                wanted = [w for w in (words(q["answers"][0]) - common for q in asked[name]) if w]
                rng = random.Random(name)
                shuffled = rng.sample(range(len(chat)), len(chat))
                for budget in BUDGETS:
                    contexts = {label: tamis.memory(chat, budget, flags) for label, flags in MEMORIES.items()}
                    # The newest of turns in a random order are random turns.
                    contexts["random turns"] = tamis.memory([chat[n] for n in shuffled], budget, MEMORIES["newest turns"])
                    for label, context in contexts.items():
                        held = words(context)
                        kept[label, budget].append(sum(len(w & held) / len(w) for w in wanted) / len(wanted))
        finally:
            tamis.server.terminate()
    rng = random.Random(1)
    print("|  | " + " | ".join(map(str, BUDGETS)) + " |")
    for label in dict.fromkeys(label for label, _ in kept):
        print(f"| {label} | " + " | ".join(interval(kept[label, b], rng) for b in BUDGETS) + " |")
    for other in ["newest turns", "random turns"]:
        pairs = [[a - b for a, b in zip(kept["memory", n], kept[other, n])] for n in BUDGETS]
        print(f"| memory over {other} | " + " | ".join(interval(p, rng) for p in pairs) + " |")


if __name__ == "__main__":
    main()
