"""LongLLMLingua and Tamis on the same questions, with the same reader weights: answers kept, tokens, seconds a question.

    python benches/longllmlingua.py TAMIS_BINARY MODEL.gguf SET [QUESTIONS] [BUDGET]

SET is a folder with corpus.jsonl and queries.jsonl (gzipped or not) whose questions name their candidates. Needs torch,
transformers 4.46 (llmlingua hands caches on as later ones do not take them), gguf, accelerate and llmlingua. Tamis ingests the corpus first, as it does when it serves, and is
then asked one question after the other over its JSON lines; LongLLMLingua gets the candidates' texts with every question,
in a random order. Contexts are counted by `tamis tokens` (o200k_base); one over the budget is told, not cut.
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def lines(folder: Path, name: str) -> list[dict]:
    packed = folder / f"{name}.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else (folder / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def normal(text: str) -> str:
    return " ".join(text.casefold().split())


def counts(binary: str, contexts: list[str]) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{n:05}.txt") for n in range(len(contexts))]
        for path, context in zip(paths, contexts):
            path.write_text(context)
        command = [binary, "tokens", "--format", "json", *map(str, paths)]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    tokens = {f["path"]: f["tokens"] for f in answer["files"]}
    return [tokens[str(path)] for path in paths]


def report(name: str, binary: str, contexts: list[str], questions: list[dict], seconds: list[float], budget: int) -> None:
    kept = [any(normal(a) in normal(c) for a in q["answers"]) for c, q in zip(contexts, questions)]
    tokens = counts(binary, contexts)
    seconds = sorted(seconds)
    print(
        f"{name:<16} kept {100 * sum(kept) / len(kept):5.1f} %  tokens {sum(tokens) / len(tokens):6.1f}  over budget "
        f"{sum(t > budget for t in tokens):3d}  p50 {seconds[len(seconds) // 2]:7.3f} s a question",
        flush=True,
    )


def tamis(binary: str, documents: list[dict], questions: list[dict], budget: int, mode: str) -> tuple[list[str], list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        corpus, asked = Path(folder, "corpus.jsonl"), Path(folder, "queries.jsonl")
        keep = {c for q in questions for c in q["candidates"]}
        corpus.write_text("".join(json.dumps(d) + "\n" for d in documents if d["doc_id"] in keep))
        fields = ("query_id", "question", "candidates")
        asked.write_text("".join(json.dumps({f: q[f] for f in fields}) + "\n" for q in questions))
        command = [binary, "compress", "--budget", str(budget), "--mode", mode, "--format", "json"]
        command += ["--input-jsonl", str(corpus), "--queries-jsonl", str(asked)]
        answers = [json.loads(l) for l in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    seconds = [sum(a["stats"]["stages_ms"].values()) / 1e3 for a in answers]
    return [a["text"] for a in answers], seconds


def main() -> None:
    binary, model, folder = sys.argv[1:4]
    number = int(sys.argv[4]) if len(sys.argv) > 4 else 40
    budget = int(sys.argv[5]) if len(sys.argv) > 5 else 512
    folder = Path(folder)
    documents = lines(folder, "corpus")
    texts = {d["doc_id"]: f"{d.get('title', '')}\n{d['text']}" for d in documents}
    questions = [q for q in lines(folder, "queries") if q.get("answers") and q.get("candidates")]
    random.Random(1).shuffle(questions)
    questions = questions[:number]
    for mode in ("fast", "auto", "precise"):
        contexts, seconds = tamis(binary, documents, questions, budget, mode)
        report(f"tamis {mode}", binary, contexts, questions, seconds, budget)

    # It fetches an encoding that it needs for a number in its report alone.
    import tiktoken

    tiktoken.encoding_for_model = lambda _: type("Words", (), {"encode": staticmethod(str.split)})
    from llmlingua import PromptCompressor
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = Path(model)
    with tempfile.TemporaryDirectory() as unpacked:
        read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
        # What it is made of is unpacked already; only its configuration says otherwise, and can't be saved.
        if hasattr(read.config, "quantization_config"):
            del read.config.quantization_config
        model = AutoModelForCausalLM.from_config(read.config)
        model.load_state_dict(read.state_dict())
        model.save_pretrained(unpacked)
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(unpacked)
        compressor = PromptCompressor(unpacked, device_map="cpu")
    contexts, seconds = [], []
    for question in questions:
        begin = time.perf_counter()
        candidates = [texts[c] for c in question["candidates"]]
        random.Random(question["query_id"]).shuffle(candidates)
        result = compressor.compress_prompt(
            candidates,
            question=question["question"],
            target_token=budget,
            condition_in_question="after_condition",
            reorder_context="sort",
            dynamic_context_compression_ratio=0.3,
            condition_compare=True,
            context_budget="+100",
            rank_method="longllmlingua",
            concate_question=False,
        )
        seconds.append(time.perf_counter() - begin)
        contexts.append(result["compressed_prompt"])
    report("LongLLMLingua", binary, contexts, questions, seconds, budget)


if __name__ == "__main__":
    main()
