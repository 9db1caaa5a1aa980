"""Makes small images and what Pillow and NumPy, used as CLIPImageProcessor uses them, turn them
into. Run with Pillow and NumPy; the results are committed."""

import json
import struct

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])


def save(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array, "<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


def clip(image, size, resample):
    image = image.convert("RGB")
    short, long = min(image.size), max(image.size)
    longer = int(size * long / short)
    wide = image.width > image.height
    image = image.resize((longer, size) if wide else (size, longer), resample)
    pixels = np.asarray(image)
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    pixels = pixels[top : top + size, left : left + size] * (1 / 255)
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


rng = np.random.default_rng(1)
y, x = np.mgrid[0:53, 0:37]
smooth = np.stack([x * 6, y * 4, (x * y) % 256], 2) + rng.integers(0, 30, (53, 37, 3))
smooth = np.clip(smooth, 0, 255).astype("uint8")
images = {
    "tall": Image.fromarray(smooth),
    "wide": Image.fromarray(smooth.transpose(1, 0, 2)),
    "small": Image.fromarray(rng.integers(0, 256, (5, 7, 3)).astype("uint8")),
    "gray": Image.fromarray(smooth[:, :, 2]),
    "alpha": Image.fromarray(np.dstack([smooth, smooth[:, :, :1]])),
    "palette": Image.fromarray(smooth).quantize(16),
    "bilevel": Image.fromarray(smooth[:, :, 0]).convert("1"),
    "exact": Image.fromarray(smooth[:12, :12]),
}
expected = {}
for name, image in images.items():
    image.save(name + ".png")
    expected[name + ".bicubic"] = clip(image, 12, Image.BICUBIC)
    expected[name + ".bilinear"] = clip(image, 12, Image.BILINEAR)
    expected[name + ".luma"] = np.asarray(image.convert("L"))[None]
save("expected.safetensors", expected)
