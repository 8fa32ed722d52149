"""Latency of Compress over loopback gRPC: a stored collection of 10,000 segments, the same read, and 20 inline passages.

    python benches/latency.py TAMIS_BINARY PROTO_DIRECTORY [SEGMENTS]

Starts a server on a scratch directory, ingests generated passages (one segment each), asks questions one after
the other, and prints percentiles with the stages. With TAMIS_READER_STATES_MIB=200 in the environment the reader
keeps what it has computed of passages, which shows where the same twenty are asked again and again. Needs grpcio and
grpcio-tools.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import resources

import grpc
from grpc_tools import protoc

WORDS = [a + b + c for a in ("ka", "le", "mi", "no", "ru", "sta") for b in ("bor", "den", "fil", "gas", "") for c in ("", "ing", "er", "ion")]


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(8, 20))).capitalize() + "."


def percentiles(values: list[float]) -> str:
    ordered = sorted(values)
    pick = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return f"p50 {pick(0.5):6.2f} ms  p95 {pick(0.95):6.2f} ms"


def report(title: str, total: list[float], stages: list[dict[str, float]]) -> None:
    print(f"{title}: {percentiles(total)}")
    for stage in ("queue", "encode", "retrieve", "rank", "read_mini", "read", "fit"):
        if any(stage in s for s in stages):
            print(f"    {stage:<9} {percentiles([s.get(stage, 0.0) for s in stages])}")


def main() -> None:
    binary, proto = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    stubs = tempfile.mkdtemp()
    well_known = str(resources.files("grpc_tools") / "_proto")
    files = [f"tamis/v1/{name}.proto" for name in ("common", "context", "ingest", "collection")]
    protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *files])
    sys.path.insert(0, stubs)
    from tamis.v1 import collection_pb2, collection_pb2_grpc, common_pb2, context_pb2, context_pb2_grpc
    from tamis.v1 import ingest_pb2, ingest_pb2_grpc

    with tempfile.TemporaryDirectory() as data:
        server = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", data], stdout=subprocess.PIPE, text=True
        )
        try:
            address = server.stdout.readline().strip().removeprefix("listening on ")
            channel = grpc.insecure_channel(address)
            rng = random.Random(3)
            # Pooled block vectors: the collection is there sooner, and a question costs the same.
            collections = collection_pb2_grpc.CollectionServiceStub(channel)
            vectors = collection_pb2.BLOCK_VECTORS_POOLED
            collections.CreateCollection(collection_pb2.CreateCollectionRequest(name="bench", block_vectors=vectors))

            def requests(collection: str, count: int):
                yield ingest_pb2.IngestRequest(options=ingest_pb2.IngestOptions(collection=collection))
                for n in range(count):
                    text = " ".join(sentence(rng) for _ in range(5))
                    document = common_pb2.Document(id=f"d{n}", title=rng.choice(WORDS).title(), text=text)
                    yield ingest_pb2.IngestRequest(document=document)

            start = time.perf_counter()
            acks = list(ingest_pb2_grpc.IngestServiceStub(channel).Ingest(requests("bench", count)))
            seconds = time.perf_counter() - start
            print(f"{len(acks)} documents, {sum(a.segments for a in acks)} segments in {seconds:.0f} s")

            contexts = context_pb2_grpc.ContextServiceStub(channel)

            def ask(n: int, **corpus):
                for budget in (1024,):
                    request = context_pb2.CompressRequest(
                        query=sentence(rng)[:80], budget=context_pb2.Budget(max_tokens=budget), **corpus
                    )
                    begin = time.perf_counter()
                    response = contexts.Compress(request)
                    yield (time.perf_counter() - begin) * 1e3, dict(response.stats.stages_ms), response.stats.read

            def measure(title: str, rounds: int, corpus) -> None:
                measured = [m for n in range(rounds + 5) for m in ask(n, **corpus())][5:]
                report(title, [m[0] for m in measured], [m[1] for m in measured])
                for reader in range(max(len(m[2]) for m in measured)):
                    read = [m[2][reader] for m in measured]
                    tokens, passages = (statistics.mean(getattr(r, of) for r in read) for of in ("tokens", "passages"))
                    name = context_pb2.ReaderName.Name(read[0].reader).removeprefix("READER_NAME_").lower()
                    print(f"    {name:<9} {tokens:.0f} tokens in {passages:.1f} passages")

            measure("stored collection, budget 1,024", 200, lambda: {"collection": "bench"})
            precise = {"collection": "bench", "mode": context_pb2.MODE_PRECISE}
            measure("the same, mini", 40, lambda: {"collection": "bench", "mode": context_pb2.MODE_MINI})
            measure("the same, precise", 40, lambda: precise)
            language = {**precise, "read_with": context_pb2.READER_NAME_LANGUAGE, "read_passages": 20}
            measure("the same, the language model alone, 20 passages", 40, lambda: language)
            measure("the same, auto", 40, lambda: {"collection": "bench", "mode": context_pb2.MODE_AUTO})
            list(ingest_pb2_grpc.IngestServiceStub(channel).Ingest(requests("hot", 20)))
            hot = {**language, "collection": "hot"}
            measure("20 stored passages, asked again and again, the language model alone", 40, lambda: hot)
            passages = lambda: {
                "documents": [common_pb2.Document(text=" ".join(sentence(rng) for _ in range(6))) for _ in range(20)]
            }
            measure("20 inline passages, budget 1,024", 20, passages)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
