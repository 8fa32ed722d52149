"""Generates stubs from the contract, ingests two documents, asks a question, and reads a typed error.

    python client.py PROTO_DIRECTORY STUB_DIRECTORY HOST:PORT
"""

import sys
from importlib import resources
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc


def main() -> None:
    proto, stubs, address = sys.argv[1:4]
    files = sorted(str(p.relative_to(proto)) for p in Path(proto).glob("tamis/v1/*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    arguments = ["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={stubs}", f"--grpc_python_out={stubs}"]
    assert protoc.main(arguments + files) == 0
    sys.path.insert(0, stubs)
    from tamis.v1 import common_pb2, context_pb2, context_pb2_grpc, ingest_pb2, ingest_pb2_grpc

    channel = grpc.insecure_channel(address)
    text = "Der Dom ist 157 m hoch. Köln liegt am Rhein."
    documents = [
        common_pb2.Document(id="köln", title="Köln", text=text),
        common_pb2.Document(id="lyon", title="Lyon", text="Lyon has two rivers. It is in France."),
        common_pb2.Document(id="empty", text="   "),
    ]
    requests = [ingest_pb2.IngestRequest(options=ingest_pb2.IngestOptions(collection="cities"))]
    requests += [ingest_pb2.IngestRequest(document=d) for d in documents]
    acks = list(ingest_pb2_grpc.IngestServiceStub(channel).Ingest(iter(requests)))
    assert [a.document_id for a in acks] == ["köln", "lyon", "empty"], acks
    assert acks[0].outcome == ingest_pb2.INGEST_OUTCOME_CREATED and acks[0].blocks == 2, acks[0]
    assert acks[2].outcome == ingest_pb2.INGEST_OUTCOME_REFUSED, acks[2]
    assert acks[2].error.reason == "UNUSABLE_DOCUMENT", acks[2]

    contexts = context_pb2_grpc.ContextServiceStub(channel)
    request = context_pb2.CompressRequest(
        query="How high is the Dom?", collection="cities", budget=context_pb2.Budget(max_tokens=30)
    )
    answer = contexts.Compress(request, timeout=20)
    assert answer.token_count <= 30 and "157 m" in answer.text, answer
    excerpt = answer.excerpts[0]
    assert text.encode()[excerpt.span.start : excerpt.span.end].decode() == excerpt.text, excerpt

    request.budget.max_tokens = 2
    try:
        contexts.Compress(request)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        info = error_details_pb2.ErrorInfo()
        [detail] = [d for d in rpc_status.from_call(error).details if d.Is(info.DESCRIPTOR)]
        detail.Unpack(info)
        assert info.reason == "BUDGET_INFEASIBLE" and int(info.metadata["minimum"]) > 2, info
    else:
        raise AssertionError("a budget of 2 tokens was accepted")
    print("ok")


if __name__ == "__main__":
    main()
