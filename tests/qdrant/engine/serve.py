"""Qdrant's own engine behind Qdrant's own protocol, in one process: what our index calls of it, and nothing else.

    python serve.py [--port N] [--shards N]

Qdrant Edge is the server's storage, filters and search as a library. Points are spread over shards by their ids, as a cluster
spreads them, and answers are put together from those of all shards. What a call asks for and this does not pass on is refused,
so that no test passes because something was overlooked. It prints the address it listens on, and ends with its input.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import uuid
import zlib
from concurrent import futures
from pathlib import Path

import grpc
import qdrant_edge as edge
from qdrant_client import grpc as wire

# The oldest release with this protocol that Tamis takes: the engine tells no version of a server.
VERSION = "1.18.0"
SIZES = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def unknown(what):
    return Refused(grpc.StatusCode.UNIMPLEMENTED, f"this server does not know {what}")


def only(message, *fields):
    """Refuses a message that says more than these fields."""
    more = [field.name for field, _ in message.ListFields() if field.name not in fields]
    if more:
        raise unknown(f"{', '.join(more)} of {type(message).__name__}")
    return message


def value_of(value):
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return [value_of(item) for item in value.list_value.values]
    if kind in ("string_value", "integer_value", "double_value", "bool_value"):
        return getattr(value, kind)
    raise unknown(f"the value {kind}")


def shown(value):
    if isinstance(value, bool):
        return wire.Value(bool_value=value)
    if isinstance(value, int):
        return wire.Value(integer_value=value)
    if isinstance(value, float):
        return wire.Value(double_value=value)
    if isinstance(value, str):
        return wire.Value(string_value=value)
    if isinstance(value, list):
        return wire.Value(list_value=wire.ListValue(values=[shown(item) for item in value]))
    raise unknown(f"a payload with {value!r}")


def payload_of(fields):
    return {name: value_of(value) for name, value in fields.items()}


def payload_shown(payload):
    return {name: shown(value) for name, value in (payload or {}).items()}


def id_of(point_id):
    if point_id.WhichOneof("point_id_options") != "uuid":
        raise unknown("ids but UUIDs")
    try:
        return str(uuid.UUID(point_id.uuid))
    except ValueError:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Unable to parse UUID: {point_id.uuid}") from None


def id_shown(point_id):
    return wire.PointId(uuid=str(point_id))


def vector_of(vector):
    kind = vector.WhichOneof("vector") if isinstance(vector, wire.Vector) else vector.WhichOneof("variant")
    if kind == "dense":
        return list(vector.dense.data)
    if kind == "sparse":
        return edge.SparseVector(list(vector.sparse.indices), list(vector.sparse.values))
    raise unknown(f"the vector {kind}")


def match_of(match):
    kind = match.WhichOneof("match_value")
    if kind in ("keyword", "integer", "boolean"):
        return edge.MatchValue(getattr(match, kind))
    if kind == "keywords":
        return edge.MatchAny(list(match.keywords.strings))
    if kind == "integers":
        return edge.MatchAny(list(match.integers.integers))
    raise unknown(f"the match {kind}")


def range_of(bounds):
    named = {field.name: value for field, value in bounds.ListFields()}
    return edge.RangeFloat(**named)


def condition_of(condition):
    kind = condition.WhichOneof("condition_one_of")
    if kind == "filter":
        return filter_of(condition.filter)
    if kind == "has_id":
        return edge.HasIdCondition({id_of(point_id) for point_id in condition.has_id.has_id})
    if kind == "field":
        field = only(condition.field, "key", "match", "range")
        how = {}
        if field.HasField("match"):
            how["match"] = match_of(field.match)
        if field.HasField("range"):
            how["range"] = range_of(field.range)
        return edge.FieldCondition(field.key, **how)
    raise unknown(f"the condition {kind}")


def filter_of(conditions):
    only(conditions, "must", "should", "must_not")
    part = lambda name: [condition_of(condition) for condition in getattr(conditions, name)] or None
    return edge.Filter(must=part("must"), should=part("should"), must_not=part("must_not"))


def filter_or_none(request):
    return filter_of(request.filter) if request.HasField("filter") else None


def wanted_payload(request):
    if not request.HasField("with_payload"):
        return False
    selector = request.with_payload
    kind = selector.WhichOneof("selector_options")
    return list(selector.include.fields) if kind == "include" else selector.enable


class Collection:
    """Shards, and what was said when they were made."""

    def __init__(self, made, folder, shards):
        self.made, self.lock = made, threading.RLock()
        vectors = {}
        for name, params in made.vectors_config.params_map.map.items():
            only(params, "size", "distance", "quantization_config", "on_disk")
            if params.distance != wire.Distance.Dot:
                raise unknown("distances but the inner product")
            int8 = None
            if params.HasField("quantization_config"):
                only(params.quantization_config.scalar, "type", "always_ram")
                int8 = edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, always_ram=True)
            vectors[name] = edge.EdgeVectorParams(params.size, edge.Distance.Dot, quantization_config=int8)
        for params in made.sparse_vectors_config.map.values():
            only(params)
        # The library wants a vector where the server needs none: one that no point has.
        names = list(made.sparse_vectors_config.map) or ([] if vectors else ["none"])
        sparse = {name: edge.EdgeSparseVectorParams() for name in names}
        config = edge.EdgeConfig(vectors=vectors, sparse_vectors=sparse)
        self.shards = []
        for n in range(shards):
            (folder / str(n)).mkdir(parents=True)
            self.shards.append(edge.EdgeShard.create(str(folder / str(n)), config))

    def shard_of(self, point_id):
        return self.shards[zlib.crc32(point_id.encode()) % len(self.shards)]

    def spread(self, ids):
        """Ids by the shard that has them."""
        by_shard = {}
        for point_id in ids:
            by_shard.setdefault(id(self.shard_of(point_id)), (self.shard_of(point_id), []))[1].append(point_id)
        return by_shard.values()

    def on_all(self, operation):
        for shard in self.shards:
            shard.update(operation)

    def info(self):
        params = wire.CollectionParams(
            vectors_config=self.made.vectors_config, sparse_vectors_config=self.made.sparse_vectors_config)
        indexed = self.shards[0].info().payload_schema
        schema = {name: wire.PayloadSchemaInfo(points=index.points) for name, index in indexed.items()}
        return wire.CollectionInfo(config=wire.CollectionConfig(params=params), payload_schema=schema)


class State:
    def __init__(self, folder, shards):
        self.folder, self.default_shards = folder, shards
        self.collections, self.lock = {}, threading.Lock()

    def of(self, name):
        with self.lock:
            if name not in self.collections:
                raise Refused(grpc.StatusCode.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")
            return self.collections[name]

    def create(self, made):
        with self.lock:
            if made.collection_name in self.collections:
                what = f"Wrong input: Collection `{made.collection_name}` already exists!"
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, what)
            folder = self.folder / str(len(self.collections))
            shards = made.shard_number if made.HasField("shard_number") else self.default_shards
            self.collections[made.collection_name] = Collection(made, folder, shards)


def done():
    return wire.PointsOperationResponse(result=wire.UpdateResult(operation_id=0, status=wire.UpdateStatus.Completed))


def retrieved(record):
    return wire.RetrievedPoint(id=id_shown(record.id), payload=payload_shown(record.payload))


def create(state, request):
    only(request, "collection_name", "vectors_config", "sparse_vectors_config", "shard_number", "replication_factor")
    state.create(request)
    return wire.CollectionOperationResponse(result=True)


def collection_info(state, request):
    return wire.GetCollectionInfoResponse(result=state.of(request.collection_name).info())


def collection_exists(state, request):
    exists = request.collection_name in state.collections
    return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))


def point_of(point, collection):
    dense = {name: params.size for name, params in collection.made.vectors_config.params_map.map.items()}
    vectors = {name: vector_of(vector) for name, vector in point.vectors.vectors.vectors.items()}
    for name, size in dense.items():
        if len(vectors.get(name, [])) != size:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: Vector dimension error: expected dim: {size}")
    return edge.Point(id_of(point.id), vectors, payload_of(point.payload))


def upsert(state, request):
    only(request, "collection_name", "wait", "points", "ordering", "update_mode")
    collection = state.of(request.collection_name)
    modes = {wire.UpdateMode.Upsert: edge.UpdateMode.Upsert, wire.UpdateMode.InsertOnly: edge.UpdateMode.InsertOnly}
    points = {id_of(point.id): point_of(point, collection) for point in request.points}
    with collection.lock:
        for shard, ids in collection.spread(points):
            mode = modes[request.update_mode]
            shard.update(edge.UpdateOperation.upsert_points([points[i] for i in ids], update_mode=mode))
    return done()


def delete(state, request):
    only(request, "collection_name", "wait", "points", "ordering")
    selected = filter_of(only(request.points, "filter").filter)
    collection = state.of(request.collection_name)
    with collection.lock:
        collection.on_all(edge.UpdateOperation.delete_points_by_filter(selected))
    return done()


def get(state, request):
    only(request, "collection_name", "ids", "with_payload", "with_vectors")
    collection = state.of(request.collection_name)
    with collection.lock:
        found = [record for shard, ids in collection.spread(map(id_of, request.ids))
                 for record in shard.retrieve(ids, with_payload=wanted_payload(request), with_vector=False)]
    return wire.GetResponse(result=map(retrieved, found))


def set_payload(state, request):
    only(request, "collection_name", "wait", "payload", "points_selector", "ordering")
    selected = filter_of(only(request.points_selector, "filter").filter)
    collection = state.of(request.collection_name)
    with collection.lock:
        collection.on_all(edge.UpdateOperation.set_payload_by_filter(selected, payload_of(request.payload)))
    return done()


def create_field_index(state, request):
    only(request, "collection_name", "wait", "field_name", "field_type", "field_index_params", "ordering")
    params = request.field_index_params
    if request.field_type == wire.FieldType.FieldTypeInteger:
        own = only(params.integer_index_params, "lookup", "range")
        schema = edge.IntegerIndexParams(lookup=own.lookup, range=own.range)
    elif request.field_type == wire.FieldType.FieldTypeKeyword:
        own = only(params.keyword_index_params, "is_tenant")
        schema = edge.KeywordIndexParams(is_tenant=own.is_tenant)
    else:
        raise unknown("this type of index")
    collection = state.of(request.collection_name)
    with collection.lock:
        collection.on_all(edge.UpdateOperation.create_field_index(request.field_name, schema))
    return done()


def scroll(state, request):
    only(request, "collection_name", "filter", "offset", "limit", "with_payload", "with_vectors", "order_by")
    limit = request.limit if request.HasField("limit") else 10
    order = None
    if request.HasField("order_by"):
        if only(request.order_by, "key", "direction").direction != wire.Direction.Asc:
            raise unknown("this order")
        order = edge.OrderBy(request.order_by.key, edge.Direction.Asc)
    asked = edge.ScrollRequest(
        offset=id_of(request.offset) if request.HasField("offset") else None,
        limit=limit + 1,
        filter=filter_or_none(request),
        with_payload=wanted_payload(request),
        with_vector=False,
        order_by=order,
    )
    collection = state.of(request.collection_name)
    with collection.lock:
        found = [record for shard in collection.shards for record in shard.scroll(asked)[0]]
    found.sort(key=(lambda record: (record.order_value, str(record.id))) if order else (lambda record: str(record.id)))
    following = id_shown(found[limit].id) if len(found) > limit and not order else None
    return wire.ScrollResponse(result=map(retrieved, found[:limit]), next_page_offset=following)


def count(state, request):
    only(request, "collection_name", "filter", "exact")
    collection = state.of(request.collection_name)
    asked = edge.CountRequest(exact=request.exact, filter=filter_or_none(request))
    with collection.lock:
        return wire.CountResponse(result=wire.CountResult(count=sum(shard.count(asked) for shard in collection.shards)))


def query(state, request):
    only(request, "collection_name", "query", "using", "filter", "params", "limit", "with_payload", "with_vectors")
    own = only(request.params, "exact", "quantization")
    quantization = edge.QuantizationSearchParams(
        rescore=own.quantization.rescore, oversampling=own.quantization.oversampling or None)
    limit = request.limit if request.HasField("limit") else 10
    asked = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(vector_of(only(request.query, "nearest").nearest), request.using),
        filter=filter_or_none(request),
        params=edge.SearchParams(exact=own.exact, quantization=quantization),
        with_payload=wanted_payload(request),
        with_vector=False,
    )
    collection = state.of(request.collection_name)
    with collection.lock:
        found = [point for shard in collection.shards for point in shard.query(asked)]
    found.sort(key=lambda point: -point.score)
    best = [wire.ScoredPoint(id=id_shown(point.id), payload=payload_shown(point.payload), score=point.score)
            for point in found[:limit]]
    return wire.QueryResponse(result=best)


def answered(state, call):
    """A call as gRPC wants it: errors are statuses, and the engine's are those of bad requests."""

    def handle(_, request, context):
        try:
            return call(state, request)
        except Refused as refused:
            context.abort(refused.code, str(refused))
        except Exception as error:  # the binding raises many kinds
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{type(error).__name__}: {error}")

    return handle


def server(state, port):
    collections = dict(Create=create, Get=collection_info, CollectionExists=collection_exists)
    points = dict(Upsert=upsert, Delete=delete, Get=get, SetPayload=set_payload, CreateFieldIndex=create_field_index,
                  Scroll=scroll, Count=count, Query=query)
    health = dict(HealthCheck=lambda *_: wire.HealthCheckReply(title="Qdrant Edge", version=VERSION))
    calls = lambda of: {name: answered(state, call) for name, call in of.items()}
    serving = grpc.server(futures.ThreadPoolExecutor(8), options=SIZES)
    wire.add_CollectionsServicer_to_server(type("Collections", (wire.CollectionsServicer,), calls(collections))(), serving)
    wire.add_PointsServicer_to_server(type("Points", (wire.PointsServicer,), calls(points))(), serving)
    wire.add_QdrantServicer_to_server(type("Qdrant", (wire.QdrantServicer,), calls(health))(), serving)
    return serving, serving.add_insecure_port(f"127.0.0.1:{port}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument("--shards", type=int, default=2, help="of a collection that asks for no number")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="qdrant-edge-"))
    try:
        serving, port = server(State(folder, args.shards), args.port)
        serving.start()
        print(f"qdrant://127.0.0.1:{port}", flush=True)
        sys.stdin.read()
        serving.stop(0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
