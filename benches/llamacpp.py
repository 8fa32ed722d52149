"""Tokens a second of llama.cpp's prompt processing, to set beside `cargo run --release --example reader_speed`.

    pip install llama-cpp-python
    python benches/llamacpp.py MODEL.gguf [--threads 1] [--passages 40] [--no-extra-buffers]

The same passage and questions as the example reads, one after the other, each from an empty cache; every layer is
computed, and the vocabulary's logits of the last token only. Version 0.3.36 ends with a segmentation fault where the
CPU has AMX: --no-extra-buffers leaves its weights as they are in the file, for AVX-512 with VNNI.
"""

import argparse
import time

import llama_cpp

SENTENCE = "The sieve of the mill was made in the year when the river rose above the bridge for a week. "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--passages", type=int, default=40)
    parser.add_argument("--no-extra-buffers", action="store_true")
    args = parser.parse_args()
    if args.no_extra_buffers:
        leave_weights()
    llama = llama_cpp.Llama(args.model, n_ctx=2048, n_threads=args.threads, n_threads_batch=args.threads, verbose=False)

    def read(n: int) -> int:
        text = f"The mill\n{SENTENCE * 6}\n\nQuestion: in which year was sieve number {n} made?\nAnswer:"
        tokens = llama.tokenize(text.encode(), add_bos=False)
        llama.reset()
        llama.eval(tokens)
        return len(tokens)

    for n in range(4):
        read(n)
    start = time.perf_counter()
    tokens = sum(read(n) for n in range(args.passages))
    seconds = time.perf_counter() - start
    print(f"llama.cpp, {args.threads} threads: {args.passages} passages, {tokens} tokens, {seconds:.2f} s")
    print(f"{tokens / seconds:.0f} tokens/s")


def leave_weights() -> None:
    """The Python class has no argument for it: the default parameters have."""
    default = llama_cpp.llama_model_default_params

    def changed():
        params = default()
        params.use_extra_bufts = False
        return params

    llama_cpp.llama_cpp.llama_model_default_params = changed
    llama_cpp.llama_model_default_params = changed


if __name__ == "__main__":
    main()
