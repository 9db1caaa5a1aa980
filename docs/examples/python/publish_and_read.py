#!/usr/bin/env python3
"""Takes part in a FisherStreams pool; it follows docs/protocol.md and uses no code of FisherStreams.

It publishes a base model, two models and their gradient batches, reads the releases that follow,
and checks every merged value with the formula in float64. Then it re-weights one model, withdraws
it, and checks those releases too. The pool must be empty and its stages must be running.

Debian: apt-get install python3-confluent-kafka python3-avro
"""

import argparse
import array
import hashlib
import io
import json
import math
import pathlib
import random
import struct
import sys
import time
import urllib.request
import zlib

import avro.io
import avro.schema
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

SHARD_ELEMENTS = 262_144
MAX_RECORD_BYTES = 2_621_440
PATIENCE_SECONDS = 120
EPSILON = 1e-6
EXCLUDED = "head"


class Registry:
    """The two calls of a Confluent-compatible schema registry that a client needs."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.schemas = {}

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def register(self, subject, schema_text):
        body = {"schema": schema_text}
        return self._call("POST", f"/subjects/{subject}/versions", body)["id"]

    def schema(self, schema_id):
        if schema_id not in self.schemas:
            text = self._call("GET", f"/schemas/ids/{schema_id}")["schema"]
            self.schemas[schema_id] = avro.schema.parse(text)
        return self.schemas[schema_id]


class Pool:
    """Topics, partitions, keys and the wire format of one pool."""

    def __init__(self, servers, registry, name, schemas):
        self.servers, self.registry, self.name = servers, registry, name
        self.producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "message.max.bytes": MAX_RECORD_BYTES,
            }
        )
        self.failures = []
        self.writers = {}
        for topic, record in (
            ("models", "ModelManifest"),
            ("checkpoint-shards", "CheckpointShard"),
            ("gradient-batches", "GradientBatch"),
        ):
            text = (schemas / f"{record}.avsc").read_text()
            schema_id = registry.register(f"{name}.{topic}-value", text)
            self.writers[topic] = (schema_id, avro.io.DatumWriter(avro.schema.parse(text)))
        shards = f"{name}.checkpoint-shards"
        metadata = self.producer.list_topics(shards, timeout=30)
        self.partitions = len(metadata.topics[shards].partitions)

    def partition(self, parameter, shard):
        return (zlib.crc32(parameter.encode()) + shard) % self.partitions

    def send(self, topic, key, value, partition=0):
        """Sends a record, or a tombstone when the value is None; flush() waits for it."""
        payload = None
        if value is not None:
            schema_id, writer = self.writers[topic]
            out = io.BytesIO(struct.pack(">bI", 0, schema_id))
            out.seek(0, io.SEEK_END)
            writer.write(value, avro.io.BinaryEncoder(out))
            payload = out.getvalue()
        self.producer.produce(
            f"{self.name}.{topic}",
            key=key.encode(),
            value=payload,
            partition=partition,
            on_delivery=lambda error, _: error and self.failures.append(error),
        )

    def flush(self):
        self.producer.flush(PATIENCE_SECONDS)
        if self.failures or len(self.producer):
            raise SystemExit(f"not acknowledged: {self.failures}")

    def read(self, payload):
        if payload[0] != 0:
            raise SystemExit("a record is not in the registry's wire format")
        (schema_id,) = struct.unpack(">I", payload[1:5])
        decoder = avro.io.BinaryDecoder(io.BytesIO(payload[5:]))
        return avro.io.DatumReader(self.registry.schema(schema_id)).read(decoder)

    def consume(self, slices):
        """Yields the messages of (topic, partition, first offset) until the caller stops."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "no-group",  # the client needs a group; nothing is committed to it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": 4 << 20,
            }
        )
        try:
            consumer.assign([TopicPartition(f"{self.name}.{t}", p, o) for t, p, o in slices])
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                message = consumer.poll(1.0)
                if message is not None:
                    if message.error():
                        raise KafkaException(message.error())
                    yield message
        finally:
            consumer.close()
        raise SystemExit(f"{slices} brought nothing more within {PATIENCE_SECONDS} s")


class Tensor:
    """A tensor of F32 ('f') or I64 ('q') elements, and its shards."""

    def __init__(self, dtype, shape, values):
        self.dtype, self.shape = dtype, shape
        self.values = array.array({"F32": "f", "I64": "q"}[dtype], values)
        if len(self.values) != math.prod(shape):
            raise ValueError(f"{len(self.values)} values for shape {shape}")

    def shards(self):
        return shards(self.values)


def shards(values):
    """(index, elements) of each shard; one empty shard when there is no element."""
    for index in range(max(1, -(-len(values) // SHARD_ELEMENTS))):
        yield index, values[index * SHARD_ELEMENTS : (index + 1) * SHARD_ELEMENTS]


def little_endian(values):
    copy = array.array(values.typecode, values)
    if sys.byteorder == "big":
        copy.byteswap()
    return copy.tobytes()


def manifest(model, tensors, **fields):
    """A manifest of version 1 with every field: Avro applies schema defaults to readers only."""
    merged = fields.pop("merged")
    content = hashlib.sha256()
    for name in sorted(tensors):
        content.update(f"{name}\0{tensors[name].dtype}{tensors[name].shape}\0".encode())
        content.update(little_endian(tensors[name].values))
    return {
        "model": model,
        "version": 1,
        "role": "FINE_TUNED",
        "parameters": [
            {"name": n, "dtype": tensors[n].dtype, "shape": tensors[n].shape, "merged": n in merged}
            for n in sorted(tensors)
        ],
        "coefficient": None,
        "groupCoefficients": {},
        "examples": 1,
        "refineEvery": 0,
        "decay": 1.0,
        "contentHash": content.hexdigest(),
        "checkpointSha256": None,
        "config": None,
        "estimation": None,
        "method": None,
        "companions": [],
        **fields,
    }


def publish(pool, announced, tensors):
    pool.send("models", announced["model"], announced)
    pool.flush()  # the manifest is acknowledged before any shard is sent
    model, version = announced["model"], announced["version"]
    for name, tensor in tensors.items():
        for index, part in tensor.shards():
            record = {
                "model": model,
                "version": version,
                "parameter": name,
                "shard": index,
                "data": little_endian(part),
            }
            key = f"{name}[{index}] {model}@{version}"
            pool.send("checkpoint-shards", key, record, pool.partition(name, index))
    pool.flush()


def gradient_batch(pool, model, name, index, sequence, examples, encoding, data, source="trainer"):
    record = {
        "model": model,
        "version": 1,
        "parameter": name,
        "shard": index,
        "source": source,
        "sequence": sequence,
        "examples": examples,
        "encoding": encoding,
        "indices": b"",
        "data": data,
    }
    key = f"{name}[{index}] {model}@1 {source}#{sequence}"
    pool.send("gradient-batches", key, record, pool.partition(name, index))


def publish_gradients(pool, model, gradients, batches, encoding):
    """Sends gradients[name][example] in batches, which are ranges of examples."""
    for sequence, batch in enumerate(batches):
        for name, examples in gradients.items():
            parts = [list(shards(examples[i])) for i in batch]
            for index in range(len(parts[0])):
                rows = [part[index][1] for part in parts]
                if encoding == "PER_EXAMPLE":
                    data = b"".join(little_endian(row) for row in rows)
                else:
                    sums = (math.fsum(g * g for g in column) for column in zip(*rows))
                    data = little_endian(array.array("f", sums))
                gradient_batch(pool, model, name, index, sequence, len(batch), encoding, data)
    pool.flush()


def await_release(pool, models):
    """The first COMPLETE release of exactly these models, as (name, coefficient)."""
    for message in pool.consume([("releases", 0, 0)]):
        if message.value() is not None:
            release = pool.read(message.value())
            planned = [(m["model"], m["coefficient"]) for m in release["plan"]["models"]]
            print(f"release {release['release']} {release['status']}: {planned}")
            if release["status"] == "COMPLETE" and planned == models:
                return release
    raise AssertionError("consume() ends with an error")


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def read_release(pool, release):
    """Tensors of a release by name, after checking every CRC-32C and the release's checksum."""
    slices = [s for s in release["slices"] if s["endOffset"] > s["firstOffset"]]
    places = [("merged-tensors", s["partition"], s["firstOffset"]) for s in slices]
    records = {}
    checksum = 0
    if release["shards"] > 0:
        for message in pool.consume(places):
            record = pool.read(message.value())
            if record["release"] != release["release"]:
                continue  # of an abandoned release, or of a later one
            crc = record["crc32c"] & 0xFFFFFFFF
            if crc != crc32c(record["data"]):
                raise SystemExit(f"{record['parameter']}[{record['shard']}]: wrong CRC-32C")
            name = f"{record['parameter']}[{record['shard']}]"
            digest = hashlib.sha256(f"{name} {crc:08x}".encode()).digest()
            checksum = (checksum + int.from_bytes(digest[:8], "big")) % 2**64
            records[record["parameter"], record["shard"]] = record
            if len(records) == release["shards"]:
                break
    if f"{checksum:016x}" != release["checksum"]:
        raise SystemExit(f"checksum is {checksum:016x}, release says {release['checksum']}")
    tensors = {}
    for name, index in sorted(records):
        record = records[name, index]
        values = tensors.setdefault(name, Tensor(record["dtype"], [0], [])).values
        part = array.array(values.typecode, record["data"])
        if sys.byteorder == "big":
            part.byteswap()
        values.extend(part)
        tensors[name].shape = record["shape"]
    return tensors


def diagonal_fisher(gradients):
    return {
        name: [math.fsum(g * g for g in column) / len(examples) for column in zip(*examples)]
        for name, examples in gradients.items()
    }


def merge(thetas, fishers, coefficients):
    """The formula, in float64."""
    weights = {}
    for model, coefficient in coefficients.items():
        norm = math.sqrt(math.fsum(f * f for fisher in fishers[model].values() for f in fisher))
        weights[model] = coefficient / (norm + EPSILON)
    merged = {}
    for name in next(iter(fishers.values())):
        upper = [0.0] * len(thetas[next(iter(weights))][name].values)
        lower = list(upper)
        for model, weight in weights.items():
            theta = thetas[model][name].values
            for j, f in enumerate(fishers[model][name]):
                w = weight * (f + EPSILON)
                upper[j] += w * theta[j]
                lower[j] += w
        merged[name] = [u / v for u, v in zip(upper, lower)]
    return merged


def check_release(pool, base, thetas, fishers, coefficients):
    release = await_release(pool, list(coefficients.items()))
    found = read_release(pool, release)
    if set(found) != set(base):
        raise SystemExit(f"release has {sorted(found)}, the base model has {sorted(base)}")
    expected = merge(thetas, fishers, coefficients)
    for name, tensor in found.items():
        if tensor.dtype != base[name].dtype or tensor.shape != base[name].shape:
            raise SystemExit(f"{name} is {tensor.dtype} {tensor.shape}")
        if len(tensor.values) != len(base[name].values):
            raise SystemExit(f"{name} has {len(tensor.values)} elements")
        if name in expected:
            pairs = zip(tensor.values, expected[name])
            worst = max((abs(f - e) for f, e in pairs), default=0.0)
            print(f"  {name}: largest difference {worst:.1e}")
            if not worst <= 1e-6:
                raise SystemExit(f"{name} differs by {worst} from the formula")
        elif tensor.values != base[name].values:
            raise SystemExit(f"{name} should have kept the base model's value")
    print(f"  checksum {release['checksum']} over {release['shards']} shards is right")


def check_dead_letter(pool, key):
    for message in pool.consume([("dead-letters", 0, 0)]):
        if message.key() == key.encode():
            headers = {name: text.decode() for name, text in message.headers()}
            print(f"dead letter {key}: {headers['fisherstreams.reason']}")
            if headers["fisherstreams.topic"] != f"{pool.name}.gradient-batches":
                raise SystemExit(f"wrong origin: {headers}")
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--schema-registry", required=True)
    parser.add_argument("--pool", required=True)
    schemas = pathlib.Path(__file__).resolve().parents[3] / "schemas"
    parser.add_argument("--schemas", type=pathlib.Path, default=schemas)
    options = parser.parse_args()
    registry = Registry(options.schema_registry)
    pool = Pool(options.bootstrap_servers, registry, options.pool, options.schemas)

    shapes = {"body.bias": [], "body.weight": [2, 131_074], "body.unused": [0, 4], "head.bias": [3]}
    draw = random.Random(7)

    def model():
        return {
            name: Tensor("F32", shape, (draw.uniform(-1, 1) for _ in range(math.prod(shape))))
            for name, shape in shapes.items()
        }

    base = {**model(), "steps": Tensor("I64", [2], [5, -6])}
    merged = [name for name in shapes if not name.startswith(EXCLUDED)]
    method = {
        "excludeParamNamesRegex": [EXCLUDED],
        "normalizeFisherWeight": True,
        "minimalFisherWeight": EPSILON,
        "outputDtype": None,
        "name": "fisher",
        "scale": 1.0,
        "fisherExponent": 1.0,
        "relativeFisherWeight": None,
        "unchangedParameters": "NO_SAY",
        "prior": None,
        "groups": [],
    }
    publish(pool, manifest("base", base, merged=[], role="BASE", method=method), base)

    thetas, gradients, manifests = {}, {}, {}
    for name, scale, coefficient in (("alpha", 1.0, 0.7), ("beta", 0.1, None)):
        thetas[name] = {n: t for n, t in model().items() if n in merged}
        gradients[name] = {
            n: [
                array.array("f", (draw.gauss(0, scale) for _ in range(math.prod(shapes[n]))))
                for _ in range(3)
            ]
            for n in merged
        }
        manifests[name] = manifest(
            name, thetas[name], merged=merged, coefficient=coefficient, examples=3
        )
        publish(pool, manifests[name], thetas[name])
    fishers = {name: diagonal_fisher(g) for name, g in gradients.items()}

    # The stage rejects this batch: a scalar has one element, not two.
    gradient_batch(pool, "alpha", "body.bias", 0, 0, 1, "SQUARED_SUM", bytes(8), source="broken")
    batches = [range(0, 2), range(2, 3)]
    publish_gradients(pool, "alpha", gradients["alpha"], batches[:1], "SQUARED_SUM")
    # Sending again is safe: the same (source, sequence) is applied once.
    publish_gradients(pool, "alpha", gradients["alpha"], batches, "SQUARED_SUM")
    publish_gradients(pool, "beta", gradients["beta"], batches, "PER_EXAMPLE")
    check_release(pool, base, thetas, fishers, {"alpha": 0.7, "beta": 0.5})
    check_dead_letter(pool, "body.bias[0] alpha@1 broken#0")

    # The same version with another coefficient re-weights; no tensor is sent again.
    pool.send("models", "alpha", {**manifests["alpha"], "coefficient": 0.05})
    pool.flush()
    check_release(pool, base, thetas, fishers, {"alpha": 0.05, "beta": 0.5})

    # A tombstone withdraws; beta's default coefficient is 1 / number of models.
    pool.send("models", "alpha", None)
    pool.flush()
    check_release(pool, base, thetas, fishers, {"beta": 1.0})
    print("all values and checksums are right")


if __name__ == "__main__":
    main()
