"""Makes the files of this folder: a small network, two fine-tuned ones, and examples of their tasks.

python3 examples/make.py    # needs numpy; the same seed gives the same bytes
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
INPUTS, HIDDEN, CLASSES, EXAMPLES = 16, 12, 3, 64


def save(path, tensors):
    """Writes a safetensors file."""
    header, data = {}, b""
    for name, array in tensors.items():
        raw = array.tobytes()
        kind = {"float32": "F32", "int64": "I64"}[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def forward(w, x):
    hidden = np.maximum(x @ w["layers.0.weight"].T + w["layers.0.bias"], 0)
    logits = hidden @ w["layers.1.weight"].T + w["layers.1.bias"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    return hidden, p / p.sum(1, keepdims=True)


def train(weights, x, labels, steps):
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    for _ in range(steps):
        hidden, p = forward(w, x)
        d = (p - np.eye(CLASSES)[labels]) / len(x)
        dh = (d @ w["layers.1.weight"]) * (hidden > 0)
        for name, gradient in (("layers.1.weight", d.T @ hidden), ("layers.1.bias", d.sum(0)), ("layers.0.weight", dh.T @ x), ("layers.0.bias", dh.sum(0))):
            w[name] -= 0.5 * gradient
    return {name: array.astype(np.float32) for name, array in w.items()}


def task(random, used):
    """Examples whose class is the position of the largest of three sums over the inputs in use."""
    x = np.zeros((EXAMPLES, INPUTS), np.float32)
    x[:, used] = random.normal(size=(EXAMPLES, len(used)))
    rule = random.normal(size=(INPUTS, CLASSES))
    return x, (x @ rule).argmax(1)


def folder(name, weights):
    save(HERE / name / "model.safetensors", weights)
    config = {"model_type": "mlp", "input_size": INPUTS, "hidden_sizes": [HIDDEN], "num_labels": CLASSES, "activation": "relu"}
    (HERE / name / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    random = np.random.default_rng(0)
    start = {
        "layers.0.weight": random.normal(size=(HIDDEN, INPUTS)) / 4,
        "layers.0.bias": np.zeros(HIDDEN),
        "layers.1.weight": random.normal(size=(CLASSES, HIDDEN)) / 4,
        "layers.1.bias": np.zeros(CLASSES),
    }
    x, labels = task(random, np.arange(INPUTS))
    base = train(start, x, labels, 20)
    folder("base", base)
    for name, used in (("cars", np.arange(0, INPUTS // 2)), ("svhn", np.arange(INPUTS // 2, INPUTS))):
        x, labels = task(random, used)
        folder(name, train(base, x, labels, 400))
        save(HERE / f"{name}.examples.safetensors", {"pixel_values": x, "labels": labels.astype(np.int64)})


main()
