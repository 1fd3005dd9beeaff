"""check_avi.py FILE: walks the RIFF, decodes every image with PIL, follows the index, and prints
images, width, height, microseconds per image and the grey of each image's middle."""

import io
import pathlib
import struct
import sys
import warnings

from PIL import Image

warnings.simplefilter("error")
data = pathlib.Path(sys.argv[1]).read_bytes()


def chunks(start, end):
    while start < end:
        kind, size = data[start : start + 4], struct.unpack("<I", data[start + 4 : start + 8])[0]
        assert start + 8 + size <= end, f"{kind} at {start} is longer than its list"
        yield kind, start + 8, size
        start += 8 + (size + 1) // 2 * 2
    assert start == end, f"ends at {start}, not {end}"


(riff, start, size), = chunks(0, len(data))
assert riff == b"RIFF" and data[start : start + 4] == b"AVI "
found, images, index = {}, {}, None
for kind, at, size in chunks(start + 4, start + size):
    if kind == b"LIST" and data[at : at + 4] == b"movi":
        movie = at
        images = {a - 8 - movie: data[a : a + s] for k, a, s in chunks(at + 4, at + size) if k == b"00dc"}
    elif kind == b"LIST":
        for inner, a, s in chunks(at + 4, at + size):
            if inner == b"LIST":
                found.update({k: data[b : b + t] for k, b, t in chunks(a + 4, a + s)})
            else:
                found[inner] = data[a : a + s]
    elif kind == b"idx1":
        index = [struct.unpack("<4sIII", data[i : i + 16]) for i in range(at, at + size, 16)]
microseconds, = struct.unpack("<I", found[b"avih"][:4])
total, = struct.unpack("<I", found[b"avih"][16:20])
width, height = struct.unpack("<II", found[b"avih"][32:40])
scale, rate = struct.unpack("<II", found[b"strh"][20:28])
length, = struct.unpack("<I", found[b"strh"][32:36])
assert found[b"strh"][:8] == b"vidsMJPG" and found[b"strf"][16:20] == b"MJPG"
assert struct.unpack("<II", found[b"strf"][4:12]) == (width, height)
assert total == length == len(images), (total, length, len(images))
assert scale * 1_000_000 == microseconds * rate
greys = []
if index is not None:
    assert [offset for _, _, offset, _ in index] == list(images), "index is not of the images"
    for kind, flags, offset, size in index:
        assert kind == b"00dc" and flags == 0x10 and size == len(images[offset])
        with Image.open(io.BytesIO(images[offset])) as image:
            image.load()
            assert image.size == (width, height)
            greys.append(image.convert("L").getpixel((width // 2, height // 2)))
else:
    assert not images
print(total, width, height, microseconds, *greys)
