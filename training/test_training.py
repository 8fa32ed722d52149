"""Tests of the training; they need torch, a built `tamis` and the default encoder, and take a minute.

    python training/test_training.py target/release/tamis
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch

from tamis_training import adapter, data, learn, lessons, model
from tamis_training.recipe import Recipe

TAMIS = str(Path(sys.argv.pop(1)).resolve()) if len(sys.argv) > 1 else "tamis"
TRAIN = Path(__file__).parent / "train.py"


def mill(folder, questions=24, answer="190{n}"):
    """A set about machines, of which each has a year."""
    folder.mkdir()
    document = lambda n: {"doc_id": f"d{n}", "title": f"Machine {n}",
                          "text": f"Machine {n} stands in the mill. It was made in 190{n}. A smith repairs it often."}
    question = lambda n: {"query_id": f"q{n}", "question": f"when was machine {n} made",
                          "answers": [answer.format(n=n)], "gold_doc_ids": [f"d{n}"]}
    for name, make in (("corpus", document), ("queries", question)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(make(n)) + "\n" for n in range(questions)))
    return folder


def train(work, *more):
    command = [sys.executable, TRAIN, "--tamis", TAMIS, "--data", work / "mill", "--out", work / "out",
               "--set", "repeats={}", "epochs=1", *more]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


class Training(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.work = Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def test_one_command_trains_measures_and_writes(self):
        mill(self.work / "mill")
        done = train(self.work, "--hold-out", "mill=0.25")
        self.assertEqual(done.returncode, 0, done.stderr)
        written = self.work / "out" / "adapter.safetensors"
        digest = hashlib.sha256(written.read_bytes()).hexdigest()
        card = (self.work / "out" / "card.md").read_text()
        self.assertIn(digest, card)
        self.assertIn("mill-held-out", card)
        self.assertLess(written.stat().st_size, 1_000_000)

    def test_the_same_seed_makes_the_same_adapter_interrupted_or_not(self):
        mill(self.work / "mill")
        base = data.base_folder(type("Args", (), {"base": None, "tamis": TAMIS}))
        args = type("Args", (), {"base": None, "tamis": TAMIS, "max_unsound": 0.2})
        questions, _ = data.load(args, {"mill": self.work / "mill"}, self.work, base)
        recipe = Recipe(epochs=1.0, repeats={})
        said = lambda line: None

        def digest(model):
            path = self.work / "some.safetensors"
            adapter.save(model, path, base)
            return hashlib.sha256(path.read_bytes()).hexdigest()

        whole = digest(learn.train(questions, base, recipe, said=said))
        self.assertEqual(whole, digest(learn.train(questions, base, recipe, said=said)))

        class Interrupted(Exception):
            pass

        checkpoint = str(self.work / "checkpoint.pt")
        steps = []

        def stop(line):
            steps.append(line)
            raise Interrupted

        # It says something for the first time after the last of six steps; a checkpoint is written every second one.
        with self.assertRaises(Interrupted):
            learn.train(questions, base, recipe, checkpoint=checkpoint, every=2, said=stop)
        resumed = digest(learn.train(questions, base, recipe, checkpoint=checkpoint, every=2, said=said))
        self.assertEqual(whole, resumed)
        other = learn.train(questions, base, Recipe(epochs=1.0, repeats={}, seed=2), said=said)
        self.assertNotEqual(whole, digest(other))
        with self.assertRaises(SystemExit):
            learn.train(questions, base, Recipe(epochs=1.0, repeats={}, seed=2), checkpoint=checkpoint, said=said)

    def test_every_question_comes_once_beside_ever_more_that_do_not_answer(self):
        for count in (1, 7, 200, 2274):
            for growth in (0.0, 0.3, 1.0):
                recipe = Recipe(questions=2, negatives=8, growth=growth)
                plan = learn.batches(count, recipe)
                places = [n for first, questions, _ in plan for n in range(first, first + questions)]
                self.assertEqual(places, list(range(len(places))))
                self.assertTrue(count - 6 <= len(places) <= count or len(plan) == 1)
                negatives = [step[2] for step in plan]
                self.assertEqual(negatives, sorted(negatives))
                self.assertEqual(negatives[0], 1 if growth else 8)
                self.assertTrue(all(q >= 2 and q * (2 + n) <= 20 for _, q, n in plan))
        self.assertEqual(plan[-1][2], 8)
        self.assertEqual(learn.batches(3, Recipe(questions=1, negatives=0, growth=0.5))[0], (0, 1, 0))

    def test_gradients_are_those_of_the_merged_matrix(self):
        torch.manual_seed(3)
        layer = model.AdaptedLinear(torch.randn(7, 5), torch.randn(7), 2)
        torch.nn.init.normal_(layer.up)
        x = torch.randn(2, 3, 5, requires_grad=True)
        learnt = [x, layer.bias, layer.up, layer.down]
        layer.merge(torch.float32)
        thin = torch.autograd.grad(layer(x).sin().sum(), learnt)
        whole = torch.autograd.grad((x @ (layer.weight + layer.up @ layer.down).mT + layer.bias).sin().sum(), learnt)
        for ours, theirs in zip(thin, whole):
            torch.testing.assert_close(ours, theirs)

    def test_labels_that_lead_nowhere_are_refused(self):
        mill(self.work / "mill", answer="18{n}7 or so")
        done = train(self.work)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("have no answer in their documents, such as q0", done.stderr)

    def test_what_is_wrong_is_named(self):
        mill(self.work / "mill")
        for more, said in ((["--set", "ranks=3"], "ranks: unknown"),
                           (["--set", "growth=-1"], "growth is -1: expected a number of 0 to 1"),
                           (["--set", "rate=fast"], "rate is 'fast': expected a number above 0"), (["--pair", "x"], "--pair x"),
                           (["--hold-out", "kitchen=0.5"], "kitchen is not trained on"),
                           (["--tamis", "/no/such/tamis"], "no such file")):
            done = train(self.work, *more)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr)

    def test_long_passages_keep_what_is_wanted(self):
        base = data.base_folder(type("Args", (), {"base": None, "tamis": TAMIS}))
        tokens = lessons.Tokens(base)
        filler = "The mill stands at the river and has many machines. "
        text = filler * 60 + "Aurelia repairs them."
        at = len(filler * 60)
        blocks = [{"span": [0, at], "fast": 0.0, "tokens": 1, "wanted": False},
                  {"span": [at, len(text)], "fast": 0.0, "tokens": 1, "wanted": True}]
        lesson = {"set": "s", "id": "q", "question": "who repairs them?", "answers": ["Aurelia"], "unanswerable": False,
                  "passages": [{"document": "d", "title": "Mill", "text": text, "among_best": True, "blocks": blocks}]}
        question = tokens.question(lesson)
        ids, asked, block, answer = tokens.sequence(question, question.passages[0])
        self.assertLessEqual(len(ids), lessons.WINDOW)
        self.assertTrue(answer.any() and (block[answer] == 1).all() and asked < len(ids))


if __name__ == "__main__":
    unittest.main()
