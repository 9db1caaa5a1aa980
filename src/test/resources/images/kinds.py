"""Makes image files of many kinds, and what Pillow, used as CLIPImageProcessor uses it, turns
them into. Run in this folder after make.py, with Pillow and NumPy; the results are committed."""

import struct
import zlib

import numpy as np
from PIL import Image

from make import clip, save

rng = np.random.default_rng(3)
y, x = np.mgrid[0:40, 0:48]
rgb8 = np.stack([x * 5, y * 6, (x * y) % 256], 2) + rng.integers(0, 30, (40, 48, 3))
rgb8 = np.clip(rgb8, 0, 255).astype("uint8")
rgb = Image.fromarray(rgb8)
gray = rgb.convert("L")
alpha = Image.fromarray(np.dstack([rgb8, rgb8[:, :, :1]]))
bilevel = gray.convert("1")
names = []


def keep(image, name, **how):
    image.save("kinds/" + name, **how)
    names.append(name)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, depth, kind, rows):
    """A PNG that Pillow cannot write."""
    header = struct.pack(">IIBBBBB", 48, 40, depth, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    with open("kinds/" + name, "wb") as file:
        file.write(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", pixels)
            + chunk(b"IEND", b"")
        )
    names.append(name)


for sampling in ("4:4:4", "4:2:2", "4:2:0"):
    keep(rgb, f"rgb{sampling.replace(':', '')}.jpg", subsampling=sampling)
keep(rgb, "progressive.jpg", subsampling="4:2:0", progressive=True)
profile = b"not a profile"
keep(rgb, "profile.jpg", icc_profile=profile)
keep(rgb, "orientation.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
keep(rgb.convert("CMYK"), "cmyk.jpg")
keep(gray, "gray.jpg")
for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits"):
    keep(rgb, f"{compression}.tif", compression=compression)
keep(alpha, "alpha.tif")
keep(gray, "gray.tif")
keep(rgb.convert("CMYK"), "cmyk.tif")
keep(bilevel, "group4.tif", compression="group4")
keep(rgb, "rgb.bmp")
keep(rgb.quantize(16), "palette.bmp")
keep(bilevel, "bilevel.bmp")
keep(rgb.quantize(7), "transparent.gif", transparency=2)
keep(rgb.quantize(8), "animated.gif", save_all=True, append_images=[gray.quantize(8)])
keep(rgb, "transparent.png", transparency=(1, 2, 3))
keep(gray.convert("LA"), "gray-alpha.png")
keep(rgb.quantize(4), "palette-2-bits.png", bits=2, transparency=1)
wide = rgb8.astype(">u2") * 257
png("rgb-16-bits.png", 16, 2, [row.astype(">u2").tobytes() for row in wide])
png("gray-16-bits.png", 16, 0, [(row[:, 0] // 200).astype(">u2").tobytes() for row in wide])
for depth in (2, 4):
    per = 8 // depth
    levels = np.asarray(gray).astype(int) >> (8 - depth)
    shifts = np.array([8 - depth * (i + 1) for i in range(per)])
    rows = (levels.reshape(40, -1, per) << shifts).sum(2).astype("uint8")
    png(f"gray-{depth}-bits.png", depth, 0, [row.tobytes() for row in rows])

for name, image, how in (
    ("lossy.webp", rgb, {"quality": 80}),
    ("lossy-strong-filter.webp", rgb, {"quality": 5}),
    ("lossy-odd-size.webp", rgb.crop((0, 0, 47, 39)), {"quality": 70}),
    ("lossy-gray.webp", gray, {"quality": 75}),
    ("lossy-alpha.webp", alpha, {"quality": 70}),
    ("lossless.webp", rgb, {"lossless": True}),
    ("lossless-alpha.webp", alpha, {"lossless": True, "exact": True}),
    ("lossless-palette.webp", rgb.quantize(5).convert("RGB"), {"lossless": True}),
    ("profile.webp", rgb, {"quality": 80, "icc_profile": profile}),
    ("animated.webp", rgb, {"save_all": True, "append_images": [gray.convert("RGB")]}),
):
    keep(image, name, **how)
# A first picture that covers a part of the canvas.
part = bytearray(open("kinds/animated.webp", "rb").read())
part[24:30] = struct.pack("<I", 59)[:3] + struct.pack("<I", 49)[:3]
at = part.index(b"ANMF") + 8
part[at : at + 6] = struct.pack("<I", 2)[:3] + struct.pack("<I", 3)[:3]
open("kinds/part.webp", "wb").write(part)
names.append("part.webp")

# A frame that covers a part of the screen.
whole = open("kinds/transparent.gif", "rb").read()
part = bytearray(whole)
part[6:10] = struct.pack("<HH", 60, 50)
at = part.index(b"\x2c\0\0\0\0" + struct.pack("<HH", 48, 40))
part[at + 1 : at + 5] = struct.pack("<HH", 5, 7)
open("kinds/part.gif", "wb").write(part)
names.append("part.gif")
# Adobe's YCCK: the inverted inks of a JPEG as luma and chroma.
marker = open("kinds/cmyk.jpg", "rb").read()
at = marker.index(b"Adobe") + 11
open("kinds/ycck.jpg", "wb").write(marker[:at] + b"\2" + marker[at + 1 :])
names.append("ycck.jpg")

expected = {}
for name in names:
    with Image.open("kinds/" + name) as image:
        expected[name] = clip(image, 12, Image.BICUBIC)
save("kinds/expected.safetensors", expected)
