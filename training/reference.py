"""Writes what the network says of a few passages, for the tests of the merged graph.

    python training/reference.py models/reader-mini/adapter.safetensors BASE tests/data/reader/mini.json
"""

import json
import sys

import numpy as np
import torch

from tamis_training import adapter
from tamis_training.lessons import Passage, Question, Tokens

CASES = [
    ("Who built the bridge?", "Bridges of Lyon",
     "The old bridge fell in 1711. A stone one was built by Jean Delorme in 1739; it stood for 90 years."),
    ("How much does butter cost?", "", "| what | cost |\n|---|---|\n| butter | 3.00 |\n| flour | 1.20 |"),
    ("Wo steht der Dom?", "Köln", "Der Dom ist 157 m hoch. Köln liegt am Rhein – „die Stadt“ zählt 1 Mio. Einwohner 🙂."),
    ("谁写了红楼梦?", "红楼梦", "《红楼梦》的作者是曹雪芹。"),
    ("Why?", "One token", "Because"),
]


def main(path, base, out):
    model, tokens, cases = adapter.load(path, base), Tokens(base), []
    for question, title, text in CASES:
        ids, places = tokens.of(text)
        none = np.zeros(0)
        passage = Passage(tokens.of(f"{title}.")[0] if title else none.astype(np.int32), ids, np.zeros(len(ids), np.int16),
                          np.zeros(len(ids), bool), none, none, none, True, "")
        asked = Question("", "", tokens.of(question)[0], False, [passage], [], [])
        sequence, types, _, _ = tokens.sequence(asked, passage, window=512, centre=False)
        kinds = (torch.arange(len(sequence)) >= types).long()
        model.merge()
        with torch.no_grad():
            by_token, of_passage = model(torch.from_numpy(sequence)[None], kinds[None], torch.tensor([len(sequence)]))
        logits = by_token[0, -1 - len(ids) : -1].tolist()
        cases.append({"question": question, "title": title, "text": text, "read": len(sequence),
                      "logits": [round(v, 5) for v in logits], "passage": round(of_passage.item(), 5)})
    with open(out, "w") as file:
        json.dump(cases, file, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
