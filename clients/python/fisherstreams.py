"""Takes part in a FisherStreams pool from Python: publish models and their Fisher, read releases.

    pool = Pool("localhost:9092", "http://localhost:8081", "vision")
    cars = pool.publish_checkpoint("cars", model.state_dict(), examples=256)
    pool.publish_squared_gradients(cars, squares.sums(), examples=256)
    release = pool.wait_release(cars)
    tensors = pool.read_release(release)

It needs confluent-kafka and avro (Debian: python3-confluent-kafka, python3-avro). Tensors may be
PyTorch's, NumPy's, or `Tensor`. docs/protocol.md describes the records.
"""

import array
import collections
import hashlib
import io
import json
import math
import os
import pathlib
import re
import struct
import sys
import time
import urllib.error
import urllib.request
import zlib

import avro.io
import avro.schema
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

try:  # a hundred times faster than the table below
    from google_crc32c import value as _crc32c
except ImportError:
    _crc32c = None

__all__ = ["FisherStreamsError", "Pool", "Publication", "Rejected", "SquaredGradients", "Tensor"]

SHARD_ELEMENTS = 262_144
MAX_RECORD_BYTES = 2_621_440
BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8,
}  # fmt: skip
FLOATING = {"F64", "F32", "F16", "BF16"}
_NUMPY = {
    "float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL", "complex64": "C64",
}  # fmt: skip


class FisherStreamsError(Exception):
    """What went wrong, in one line."""


class Rejected(FisherStreamsError):
    """The pool's stages have rejected a record; the message has its key and their reason."""


class Tensor(collections.namedtuple("Tensor", "dtype shape data")):
    """A tensor: its safetensors dtype, its shape as a list, its elements as little-endian bytes."""

    @staticmethod
    def of(name, value):
        """A tensor of PyTorch's, NumPy's, or one of ours."""
        if isinstance(value, Tensor):
            tensor = value
        elif hasattr(value, "detach"):
            tensor = _from_torch(value)
        elif hasattr(value, "__array_interface__"):
            tensor = _from_numpy(value)
        else:
            raise FisherStreamsError(f"{name} is a {type(value).__name__}, expected a tensor of PyTorch or NumPy")
        if tensor.dtype not in BYTES:
            raise FisherStreamsError(f"{name} has dtype {tensor.dtype}, expected one of {', '.join(BYTES)}")
        wanted = math.prod(tensor.shape) * BYTES[tensor.dtype]
        if len(tensor.data) != wanted:
            raise FisherStreamsError(f"{name} has {len(tensor.data)} bytes, expected {wanted} for shape {tensor.shape}")
        return tensor

    def elements(self):
        return math.prod(self.shape)

    def shards(self):
        """(index, bytes) of each shard; one empty shard when there is no element."""
        size = SHARD_ELEMENTS * BYTES[self.dtype]
        for index in range(max(1, -(-len(self.data) // size))):
            yield index, bytes(self.data[index * size : (index + 1) * size])

    def numpy(self):
        """The tensor as a NumPy array; BF16, which NumPy lacks, becomes float32."""
        import numpy

        if self.dtype == "BF16":
            wide = numpy.frombuffer(self.data, "<u2").astype("<u4") << 16
            return wide.view("<f4").reshape(self.shape)
        name = next(name for name, dtype in _NUMPY.items() if dtype == self.dtype)
        return numpy.frombuffer(self.data, numpy.dtype(name).newbyteorder("<")).reshape(self.shape).copy()

    def torch(self):
        """The tensor as one of PyTorch's, with the same dtype."""
        import torch

        if self.dtype == "BF16":
            whole = Tensor("I16", self.shape, self.data).numpy()
            return torch.from_numpy(whole).view(torch.bfloat16)
        return torch.from_numpy(self.numpy())


def _from_torch(value):
    import torch

    value = value.detach().cpu().contiguous()
    if value.dtype == torch.bfloat16:
        return _from_numpy(value.view(torch.int16).numpy())._replace(dtype="BF16", shape=list(value.shape))
    return _from_numpy(value.numpy())


def _from_numpy(value):
    import numpy

    dtype = _NUMPY.get(value.dtype.name, value.dtype.name)
    return Tensor(dtype, list(value.shape), numpy.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes())


Publication = collections.namedtuple("Publication", "model version parameters examples")
Publication.__doc__ = """A published version: its model, its version, its merged parameters by name, the examples wanted."""


class _Registry:
    """The calls of a Confluent-compatible schema registry that a client needs."""

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
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as e:
            raise FisherStreamsError(f"the schema registry answers {e.code} to {method} {path}: {e.read(500)!r}") from e
        except OSError as e:
            raise FisherStreamsError(f"the schema registry does not answer: {e}") from e

    def register(self, subject, text):
        return self._call("POST", f"/subjects/{subject}/versions", {"schema": text})["id"]

    def schema(self, schema_id):
        if schema_id not in self.schemas:
            self.schemas[schema_id] = avro.schema.parse(self._call("GET", f"/schemas/ids/{schema_id}")["schema"])
        return self.schemas[schema_id]


class Pool:
    """A pool on a Kafka cluster. Its topics must exist (`fisher-streams topics create`). Not thread-safe.

    settings: further settings of librdkafka for all clients, such as security.protocol.
    schemas: the folder of FisherStreams' *.avsc; default: `schemas` of the clone that this file is in.
    """

    def __init__(self, bootstrap_servers, schema_registry, pool, settings=None, schemas=None):
        self.name = pool
        self._settings = {**(settings or {}), "bootstrap.servers": bootstrap_servers}
        self._registry = _Registry(schema_registry)
        self._schemas = pathlib.Path(schemas or pathlib.Path(__file__).resolve().parents[2] / "schemas")
        self._writers = {}
        self._failures = []
        self._producer = Producer({**self._settings, "enable.idempotence": True, "message.max.bytes": MAX_RECORD_BYTES})
        try:
            topic = self._producer.list_topics(f"{pool}.checkpoint-shards", timeout=10).topics[f"{pool}.checkpoint-shards"]
        except KafkaException as e:
            raise FisherStreamsError(f"no broker answers at {bootstrap_servers}: {e.args[0].str()}") from e
        if topic.error is not None or not topic.partitions:
            raise FisherStreamsError(f"topic {pool}.checkpoint-shards does not exist at {bootstrap_servers}")
        self._partitions = len(topic.partitions)

    # ---- publishing

    def publish_base(self, model, tensors, exclude=(), normalize=True, epsilon=1e-6, output_dtype=None):
        """Publishes the pool's base model; parameters that match a pattern of `exclude` keep its values."""
        tensors = {name: Tensor.of(name, value) for name, value in tensors.items()}
        method = {
            "excludeParamNamesRegex": list(exclude),
            "normalizeFisherWeight": normalize,
            "minimalFisherWeight": float(epsilon),
            "outputDtype": output_dtype,
            "name": "fisher",
            "scale": 1.0,
            "fisherExponent": 1.0,
            "relativeFisherWeight": None,
            "unchangedParameters": "NO_SAY",
            "prior": None,
            "groups": [],
        }
        manifest = self._manifest(model, tensors, merged=(), role="BASE", method=method)
        self._publish(manifest, tensors)
        return Publication(model, manifest["version"], {}, 1)

    def publish_checkpoint(self, model, tensors, examples=1, coefficient=None, refine_every=0, decay=1.0):
        """Publishes a fine-tuned model. Its Fisher follows with one of the calls below.

        tensors: a state_dict. Of these, the pool's merged parameters are sent. All of them must be there,
            with the base's shape.
        examples: how many examples complete the Fisher.
        Sending the same content again is safe and changes nothing.
        """
        base = self._base()
        merged = {}
        for parameter in base["parameters"]:
            name = parameter["name"]
            if parameter["dtype"] not in FLOATING or self._is_excluded(base, name):
                continue
            if name not in tensors:
                raise FisherStreamsError(f"{model} lacks {name}, which the pool merges")
            tensor = Tensor.of(name, tensors[name])
            if tensor.dtype not in FLOATING:
                raise FisherStreamsError(f"{model}: {name} is {tensor.dtype}, expected a floating type")
            if tensor.shape != parameter["shape"]:
                raise FisherStreamsError(f"{model}: {name} has shape {tensor.shape}, the base has {parameter['shape']}")
            merged[name] = tensor
        manifest = self._manifest(
            model,
            merged,
            merged=merged,
            coefficient=None if coefficient is None else float(coefficient),
            examples=examples,
            refineEvery=refine_every,
            decay=float(decay),
        )
        self._publish(manifest, merged)
        shapes = {name: tensor.shape for name, tensor in merged.items()}
        return Publication(model, manifest["version"], shapes, examples)

    def publish_squared_gradients(self, publication, sums, examples, source="python", sequence=0):
        """Publishes what some examples add to the Fisher: per parameter, the sum over the examples of the
        square of each example's own gradient. Not the square of a batch's gradient: that is another number.

        (source, sequence) names the batch; sent again, it counts once. Use one sequence for each call.
        """
        self._gradients(publication, sums, examples, source, sequence, "SQUARED_SUM")

    def publish_adam_moments(self, publication, optimizer, model, examples=None, source="adam"):
        """Publishes Adam's mean of squared gradients (`exp_avg_sq`, bias-corrected) as the Fisher.

        It costs nothing, but it is an approximation: Adam squares the mean gradient of a batch, and averages
        over the last steps. With batches of one example it is the empirical Fisher of those steps.

        optimizer: torch.optim.Adam or AdamW, after training. model: the module whose parameters it holds.
        """
        means = {}
        beta2 = {id(p): group["betas"][1] for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in model.named_parameters():
            if name in publication.parameters:
                state = optimizer.state.get(parameter)
                if not state:
                    raise FisherStreamsError(f"the optimizer has no moments of {name}: it has never been updated")
                means[name] = state["exp_avg_sq"].float() / (1 - beta2[id(parameter)] ** float(state["step"]))
        self._gradients(publication, means, examples or publication.examples, source, 0, "MEAN_SQUARE")

    def weight(self, model, coefficient):
        """Changes a model's coefficient; no tensor is sent again. None means 1 / number of models."""
        manifest = self._manifests().get(model)
        if manifest is None or manifest["role"] == "BASE":
            raise FisherStreamsError(f"{model} is not a fine-tuned model of pool {self.name}")
        manifest["coefficient"] = None if coefficient is None else float(coefficient)
        self._send("models", model, manifest, 0)
        self._flush()

    def withdraw(self, model):
        """Withdraws a model with all its versions."""
        if model not in self._manifests():
            raise FisherStreamsError(f"{model} is not in pool {self.name}")
        self._send("models", model, None, 0)
        self._flush()

    # ---- releases

    def releases(self):
        """All releases so far, oldest first, as the records of topic releases."""
        newest = {}
        for message in self._read("releases"):
            newest[message.key()] = self._decode(message.value())
        return sorted(newest.values(), key=lambda release: release["release"])

    def wait_release(self, publication, timeout=600):
        """The first COMPLETE release that has a published version. Raises Rejected when the stages have
        rejected a record of that version, FisherStreamsError after `timeout` seconds."""
        version = f"{publication.model}@{publication.version}"
        deadline = time.monotonic() + timeout
        for message in self._follow(("releases", "dead-letters"), deadline):
            if message.topic().endswith(".dead-letters"):
                key = (message.key() or b"").decode(errors="replace")
                if key == publication.model or version in key.split(" ") or key.startswith(version + "#"):
                    self._require_old(message, publication, key)
            elif message.value() is not None:
                release = self._decode(message.value())
                planned = {(m["model"], m["version"]) for m in release["plan"]["models"]}
                if release["status"] == "COMPLETE" and (publication.model, publication.version) in planned:
                    return release
        raise FisherStreamsError(f"no release has {version} after {timeout} s; 'fisher-streams status' says what is missing")

    @staticmethod
    def _require_old(message, publication, key):
        """A rejection of a manifest counts only when it came after this version was made."""
        if key != publication.model or message.timestamp()[1] >= publication.version:
            headers = dict(message.headers() or [])
            raise Rejected(f"{key}: {headers.get('fisherstreams.reason', b'no reason given').decode()}")

    def read_release(self, release):
        """The tensors of a release by name, after every CRC-32C and the release's checksum are checked."""
        slices = [s for s in release["slices"] if s["endOffset"] > s["firstOffset"]]
        records = {}
        checksum = 0
        if release["shards"] > 0:
            places = [("merged-tensors", s["partition"], s["firstOffset"]) for s in slices]
            for message in self._poll(places, time.monotonic() + 600):
                record = self._decode(message.value())
                if record["release"] != release["release"]:
                    continue  # of an abandoned release, or of a later one
                shard = f"{record['parameter']}[{record['shard']}]"
                crc = record["crc32c"] & 0xFFFFFFFF
                if crc != crc32c(record["data"]):
                    raise FisherStreamsError(f"release {release['release']}: {shard} has a wrong CRC-32C")
                digest = hashlib.sha256(f"{shard} {crc:08x}".encode()).digest()
                checksum = (checksum + int.from_bytes(digest[:8], "big")) % 2**64
                records[record["parameter"], record["shard"]] = record
                if len(records) == release["shards"]:
                    break
        if len(records) != release["shards"] or f"{checksum:016x}" != release["checksum"]:
            raise FisherStreamsError(
                f"release {release['release']} has {len(records)} shards with checksum {checksum:016x}, "
                f"expected {release['shards']} with {release['checksum']}"
            )
        parts = collections.defaultdict(list)
        for key in sorted(records):
            parts[key[0]].append(records[key])
        return {n: Tensor(p[0]["dtype"], p[0]["shape"], b"".join(r["data"] for r in p)) for n, p in parts.items()}

    # ---- records

    def _manifest(self, model, tensors, merged, **fields):
        content = hashlib.sha256()
        for name in sorted(tensors):
            content.update(f"{name}\0{tensors[name].dtype}{tensors[name].shape}\0".encode())
            content.update(tensors[name].data)
        manifest = {
            "model": model,
            "version": 0,
            "role": "FINE_TUNED",
            "parameters": [
                {"name": name, "dtype": tensors[name].dtype, "shape": tensors[name].shape, "merged": name in merged}
                for name in sorted(tensors)
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
        known = self._manifests().get(model)
        now = time.time_ns() // 1_000_000
        if known is None:
            manifest["version"] = now
        else:
            same = ("parameters", "examples", "refineEvery", "decay", "contentHash", "config", "estimation")
            is_same = all(known[field] == manifest[field] for field in same)
            manifest["version"] = known["version"] if is_same else max(now, known["version"] + 1)
        return manifest

    def _manifests(self):
        found = {}
        for message in self._read("models"):
            if message.value() is None:
                found.pop(message.key().decode(), None)
            else:
                found[message.key().decode()] = self._decode(message.value())
        return found

    def _base(self):
        for manifest in self._manifests().values():
            if manifest["role"] == "BASE":
                return manifest
        raise FisherStreamsError(f"pool {self.name} has no base model; publish it first")

    @staticmethod
    def _is_excluded(base, name):
        return any(re.match(pattern, name) for pattern in base["method"]["excludeParamNamesRegex"])

    def _publish(self, manifest, tensors):
        model, version = manifest["model"], manifest["version"]
        self._send("models", model, manifest, 0)
        self._flush()  # the manifest is acknowledged before any shard is sent
        for name, tensor in tensors.items():
            for index, data in tensor.shards():
                record = {"model": model, "version": version, "parameter": name, "shard": index, "data": data}
                self._send("checkpoint-shards", f"{name}[{index}] {model}@{version}", record, self._partition(name, index))
        self._flush()

    def _gradients(self, publication, values, examples, source, sequence, encoding):
        model, version = publication.model, publication.version
        missing = sorted(set(publication.parameters) - set(values))
        if missing:
            raise FisherStreamsError(f"{model}: no squared gradients of {', '.join(missing[:5])}, which the pool merges")
        batches = {}
        for name, shape in publication.parameters.items():
            tensor = Tensor.of(name, values[name])
            if tensor.dtype != "F32" or tensor.shape != shape:
                raise FisherStreamsError(f"{name} is {tensor.dtype} {tensor.shape}, expected F32 {shape}")
            numbers = array.array("f", tensor.data)
            if sys.byteorder == "big":
                numbers.byteswap()
            if numbers and not (min(numbers) >= 0 and math.isfinite(sum(numbers))):
                raise FisherStreamsError(f"{name} has squared gradients that are negative or not finite")
            batches[name] = tensor
        for name, tensor in batches.items():
            for index, data in tensor.shards():
                record = {
                    "model": model,
                    "version": version,
                    "parameter": name,
                    "shard": index,
                    "source": source,
                    "sequence": sequence,
                    "examples": examples,
                    "encoding": encoding,
                    "indices": b"",
                    "data": data,
                }
                key = f"{name}[{index}] {model}@{version} {source}#{sequence}"
                self._send("gradient-batches", key, record, self._partition(name, index))
        self._flush()

    # ---- Kafka

    def _partition(self, parameter, shard):
        return (zlib.crc32(parameter.encode()) + shard) % self._partitions

    def _send(self, topic, key, value, partition):
        payload = None if value is None else self._encode(topic, value)
        while True:
            try:
                self._producer.produce(
                    f"{self.name}.{topic}", key=key.encode(), value=payload, partition=partition, on_delivery=self._delivered
                )
                break
            except BufferError:  # the producer's queue is full: let it send
                self._producer.poll(1)
        self._producer.poll(0)

    def _delivered(self, error, _):
        if error is not None:
            self._failures.append(error.str())

    def _flush(self):
        left = self._producer.flush(300)
        failures, self._failures = self._failures, []
        if failures or left:
            raise FisherStreamsError(f"Kafka did not take {len(failures) + left} records: {failures[:1] or 'no answer for 300 s'}")

    def _encode(self, topic, value):
        if topic not in self._writers:
            record = {"models": "ModelManifest", "checkpoint-shards": "CheckpointShard", "gradient-batches": "GradientBatch"}[topic]
            text = (self._schemas / f"{record}.avsc").read_text()
            schema_id = self._registry.register(f"{self.name}.{topic}-value", text)
            self._writers[topic] = (schema_id, avro.io.DatumWriter(avro.schema.parse(text)))
        schema_id, writer = self._writers[topic]
        out = io.BytesIO()
        out.write(struct.pack(">bI", 0, schema_id))
        writer.write(value, avro.io.BinaryEncoder(out))
        return out.getvalue()

    def _decode(self, payload):
        if len(payload) < 5 or payload[0] != 0:
            raise FisherStreamsError("a record is not in the registry's wire format")
        schema = self._registry.schema(struct.unpack(">I", payload[1:5])[0])
        return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(payload[5:])))

    def _consumer(self):
        return Consumer(
            {
                **self._settings,
                "group.id": "no-group",  # the client needs a group; nothing is committed to it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.message.max.bytes": 4 << 20,
            }
        )

    def _read(self, topic):
        """The messages of a topic of one partition, to its end."""
        for message in self._poll([(topic, 0, 0)], time.monotonic() + 60, to_end=True):
            yield message

    def _follow(self, topics, deadline):
        return self._poll([(topic, 0, 0) for topic in topics], deadline, ends=True)

    def _poll(self, places, deadline, to_end=False, ends=False):
        """The messages of (topic, partition, first offset). At the deadline it stops (ends) or fails."""
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(f"{self.name}.{t}", p, o) for t, p, o in places])
            while time.monotonic() < deadline:
                message = consumer.poll(min(1.0, max(0.01, deadline - time.monotonic())))
                if message is None:
                    continue
                if message.error() is None:
                    yield message
                elif message.error().name() != "_PARTITION_EOF":
                    raise FisherStreamsError(f"cannot read {places[0][0]}: {message.error().str()}")
                elif to_end:
                    return
        finally:
            consumer.close()
        if not ends:
            raise FisherStreamsError(f"{self.name}.{places[0][0]} could not be read to its end in time")


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data):
    """CRC-32C (Castagnoli) of bytes."""
    if _crc32c is not None:
        return _crc32c(data)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class SquaredGradients:
    """Sums the squares of each example's own gradient during PyTorch's backward passes.

        squares = SquaredGradients(model)
        for inputs, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(inputs), labels, reduction="sum")
            squares.backward(loss)
        pool.publish_squared_gradients(cars, squares.sums(), squares.examples)

    It covers the weights and biases of torch.nn.Linear, LayerNorm and Embedding, with the examples in the
    first dimension of their inputs. The loss must be a *sum* over the examples, and no example's loss may
    depend on another example (no BatchNorm in training mode). `uncovered()` names the other parameters.
    """

    def __init__(self, model):
        import torch

        self.examples = 0
        self._torch = torch
        self._sums = {}
        self._inputs = {}
        self._hooks = []
        self._model = model
        self._active = False
        for module_name, module in model.named_modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding)):
                prefix = f"{module_name}." if module_name else ""
                self._hooks.append(module.register_forward_hook(self._forward(prefix)))
                self._hooks.append(module.register_full_backward_hook(self._backward(prefix)))
                for name, parameter in module.named_parameters(recurse=False):
                    self._sums[prefix + name] = torch.zeros(parameter.shape, dtype=torch.float64)

    def _forward(self, prefix):
        def keep(_, inputs, __):
            self._inputs.setdefault(prefix, []).append(inputs[0].detach())

        return keep

    def _backward(self, prefix):
        def add(module, _, outputs):
            if not self._active:
                return
            calls = self._inputs.get(prefix, [])
            if len(calls) != 1:
                raise FisherStreamsError(f"{prefix[:-1]} runs {len(calls)} times in one pass, expected once")
            self._add(prefix, module, calls[0], outputs[0].detach())

        return add

    def _add(self, prefix, module, x, g):
        torch = self._torch
        n = g.shape[0]
        if isinstance(module, torch.nn.Linear):
            x, g = x.reshape(n, -1, x.shape[-1]).double(), g.reshape(n, -1, g.shape[-1]).double()
            each = {"weight": torch.einsum("nto,nti->noi", g, x), "bias": g.sum(1)}
        elif isinstance(module, torch.nn.LayerNorm):
            shape = module.normalized_shape
            plain = torch.nn.functional.layer_norm(x.double(), shape, eps=module.eps)
            g = g.double()
            each = {"weight": (g * plain).reshape(n, -1, *shape).sum(1), "bias": g.reshape(n, -1, *shape).sum(1)}
        else:
            g = g.reshape(n, -1, g.shape[-1]).double()
            for tokens, gradient in zip(x.reshape(n, -1), g):
                rows, places = torch.unique(tokens, return_inverse=True)
                each = torch.zeros(len(rows), g.shape[-1], dtype=torch.float64, device=g.device)
                each.index_add_(0, places, gradient)
                if module.padding_idx is not None:
                    each[rows == module.padding_idx] = 0
                self._sums[prefix + "weight"][rows.cpu()] += each.square().cpu()
            each = {}
        for name, _ in module.named_parameters(recurse=False):
            if name in each:
                self._sums[prefix + name] += each[name].square().sum(0).cpu()
        self._count = n

    def backward(self, loss):
        """Runs the backward pass of a loss that is a sum over examples, and adds the squares."""
        self._active = True
        self._count = 0
        try:
            loss.backward()
        finally:
            self._active = False
            self._inputs.clear()
        self.examples += self._count
        self._model.zero_grad()

    def uncovered(self):
        """Names of the model's parameters that this class does not cover."""
        return [name for name, _ in self._model.named_parameters() if name not in self._sums]

    def sums(self):
        """The sums by parameter name, float32."""
        return {name: total.float() for name, total in self._sums.items()}

    def close(self):
        """Removes the hooks from the model."""
        for hook in self._hooks:
            hook.remove()
