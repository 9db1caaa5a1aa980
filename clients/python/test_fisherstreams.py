#!/usr/bin/env python3
"""Tests fisherstreams.py against a running pool: python3 test_fisherstreams.py SERVERS REGISTRY POOL

The expected values come from one backward pass per example and the merge formula, both in float64.
"""

import sys

import numpy
import torch

import fisherstreams
from fisherstreams import FisherStreamsError, Pool, Rejected, SquaredGradients, Tensor

EPSILON = 1e-6


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 6, padding_idx=0)
        self.norm = torch.nn.LayerNorm(6)
        self.body = torch.nn.Linear(6, 5)
        self.head = torch.nn.Linear(5, 3)

    def forward(self, tokens):
        return self.head(torch.tanh(self.body(self.norm(self.embedding(tokens)))).mean(1))


def loss(model, tokens, labels):
    return torch.nn.functional.cross_entropy(model(tokens), labels, reduction="sum")


def per_example(model, tokens, labels):
    """Sums of squared gradients by one backward pass per example."""
    sums = {name: torch.zeros(p.shape, dtype=torch.float64) for name, p in model.named_parameters()}
    for i in range(len(tokens)):
        model.zero_grad()
        loss(model, tokens[i : i + 1], labels[i : i + 1]).backward()
        for name, parameter in model.named_parameters():
            sums[name] += parameter.grad.double() ** 2
    model.zero_grad()
    return sums


def merge(models, fishers, merged):
    """The formula in float64, with the default coefficients."""
    weights = []
    for fisher in fishers:
        norm = sum(float((fisher[name] ** 2).sum()) for name in merged) ** 0.5
        weights.append(1 / len(models) / (norm + EPSILON))
    result = {}
    for name in merged:
        terms = [w * (f[name] + EPSILON) for w, f in zip(weights, fishers)]
        result[name] = sum(t * m[name].double() for t, m in zip(terms, models)) / sum(terms)
    return result


def require_close(found, expected, what):
    assert set(found) == set(expected), (what, sorted(found), sorted(expected))
    for name in expected:
        worst = float((found[name].double() - expected[name]).abs().max())
        assert worst <= 1e-6 * max(1.0, float(expected[name].abs().max())), (what, name, worst)


def require_error(kind, text, call):
    try:
        call()
    except kind as e:
        assert text in str(e), e
    else:
        raise AssertionError(f"expected {kind.__name__} with '{text}'")


def main():
    torch.manual_seed(5)
    pool = Pool(*sys.argv[1:4])
    require_error(FisherStreamsError, "no base model", lambda: pool.publish_checkpoint("early", {}))
    base = Classifier()
    values = {**base.state_dict(), "steps": torch.tensor([5, -6]), "half": torch.tensor([1.5, -2.25]).bfloat16()}
    pool.publish_base("base", values, exclude=["head", "half"])
    merged = [name for name, _ in base.named_parameters() if not name.startswith("head")]

    states, fishers = [], []
    for name, batches in (("alpha", [slice(0, 5), slice(5, 8)]), ("beta", [slice(0, 8)])):
        model = Classifier()
        tokens, labels = torch.randint(0, 11, (8, 4)), torch.randint(0, 3, (8,))
        expected = per_example(model, tokens, labels)
        published = pool.publish_checkpoint(name, model.state_dict(), examples=8)
        assert published == pool.publish_checkpoint(name, model.state_dict(), examples=8), "same content, same version"
        for sequence, batch in enumerate(batches):
            squares = SquaredGradients(model)
            assert squares.uncovered() == []
            squares.backward(loss(model, tokens[batch], labels[batch]))
            squares.close()
            count = squares.examples
            assert count == batch.stop - batch.start
            pool.publish_squared_gradients(published, squares.sums(), count, sequence=sequence)
        states.append(model.state_dict())
        fishers.append({n: v / 8 for n, v in expected.items()})
    release = pool.wait_release(published, timeout=120)
    while len(release["plan"]["models"]) < 2:
        release = next(r for r in reversed(pool.releases()) if r["status"] == "COMPLETE")
    found = {name: tensor.torch() for name, tensor in pool.read_release(release).items()}
    require_close({n: found[n] for n in merged}, merge(states, fishers, merged), "release of both")
    for name in values:
        assert found[name].dtype == values[name].dtype and found[name].shape == values[name].shape, name
        if name not in merged:
            assert torch.equal(found[name], values[name]), name
    print("per-example squares: right")

    # Adam with batches of one example and beta2 -> its moments are the bias-corrected mean of squares.
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.999))
    tokens, labels = torch.randint(0, 11, (4, 4)), torch.randint(0, 3, (4,))
    squares = []
    for i in range(4):
        optimizer.zero_grad()
        loss(model, tokens[i : i + 1], labels[i : i + 1]).backward()
        squares.append({n: p.grad.double() ** 2 for n, p in model.named_parameters()})
        optimizer.step()
    decay = [0.999 ** (3 - i) for i in range(4)]
    adam = {n: sum(d * s[n] for d, s in zip(decay, squares)) / sum(decay) for n in squares[0]}
    gamma = pool.publish_checkpoint("gamma", model.state_dict(), examples=4)
    pool.publish_adam_moments(gamma, optimizer, model)
    pool.withdraw("alpha")
    pool.withdraw("beta")
    pool.publish_checkpoint("beta", states[1], examples=8)
    release = pool.wait_release(gamma, timeout=120)
    while [m["model"] for m in release["plan"]["models"]] != ["gamma"]:
        release = next(r for r in reversed(pool.releases()) if r["status"] == "COMPLETE")
    found = {name: tensor.torch() for name, tensor in pool.read_release(release).items()}
    require_close({n: found[n] for n in merged}, merge([model.state_dict()], [adam], merged), "Adam's moments")
    print("Adam's moments: right")

    # What is wrong is told before it is sent, or when the stages reject it.
    wrong = {**model.state_dict(), "body.weight": torch.zeros(2, 2)}
    require_error(FisherStreamsError, "body.weight has shape [2, 2]", lambda: pool.publish_checkpoint("wrong", wrong))
    require_error(FisherStreamsError, "lacks norm.weight", lambda: pool.publish_checkpoint("wrong", {
        n: v for n, v in model.state_dict().items() if n != "norm.weight"}))  # fmt: skip
    negative = {n: torch.full(p.shape, -1.0) for n, p in model.named_parameters()}
    require_error(FisherStreamsError, "negative", lambda: pool.publish_squared_gradients(gamma, negative, 1))
    delta = pool.publish_checkpoint("delta", Classifier().state_dict(), examples=1)
    pool._send("gradient-batches", f"body.bias[0] delta@{delta.version} x#0", {
        "model": "delta", "version": delta.version, "parameter": "body.bias", "shard": 0, "source": "x", "sequence": 0,
        "examples": 1, "encoding": "SQUARED_SUM", "indices": b"", "data": b"123"}, pool._partition("body.bias", 0))  # fmt: skip
    pool._flush()
    require_error(Rejected, f"delta@{delta.version}", lambda: pool.wait_release(delta, timeout=60))
    require_error(FisherStreamsError, "no broker answers", lambda: Pool("127.0.0.1:9", sys.argv[2], "none"))

    data = numpy.arange(600_000, dtype=numpy.float32)
    assert [index for index, _ in Tensor.of("t", data).shards()] == [0, 1, 2]
    assert fisherstreams.crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    print("all values are right")


if __name__ == "__main__":
    main()
