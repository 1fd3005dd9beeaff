"""check_images.py FOLDER: decodes each image that FOLDER/list names with PIL and compares it with
what this program makes of the camera's bytes by itself: with numpy, from the formats' definitions,
sharing no code with the mapper. A line of list: number format width height padding file."""

import io
import pathlib
import sys
import warnings

import numpy
from PIL import Image

warnings.simplefilter("error")
folder = pathlib.Path(sys.argv[1])


def bits_of(data, bits, count, start):
    """count little-endian numbers of bits bits each, the lowest bit first, from bit start on."""
    all_bits = numpy.unpackbits(numpy.frombuffer(data, numpy.uint8), bitorder="little")
    values = all_bits[start : start + bits * count].reshape(count, bits).astype(numpy.uint32)
    return (values << numpy.arange(bits, dtype=numpy.uint32)).sum(axis=1)


def packed_pixel(data, index, bits):
    first, middle, last = (int(data[i]) if i < len(data) else 0 for i in range(index // 2 * 3, index // 2 * 3 + 3))
    low = bits - 8
    if index % 2 == 0:
        return first << low | middle & (1 << low) - 1
    return last << low | middle >> 4 & (1 << low) - 1


def samples(name, data, width, height, padding):
    """height x width of one channel, and its significant bits."""
    dense, packed = name.endswith("p"), name.endswith("Packed")
    bits = int("".join(c for c in name.removeprefix("Coord3D_") if c.isdigit()))
    memory = bits if dense else 12 if packed else 8 if bits == 8 else 16
    row = (width * memory + 7) // 8 + padding
    shared = padding == 0 and width * memory % 8 != 0
    out = numpy.zeros((height, width), numpy.uint32)
    for y in range(height):
        line, first = (data, y * width) if shared else (data[y * row :], 0)
        if packed:
            out[y] = [packed_pixel(line, first + x, bits) for x in range(width)]
        elif dense:
            out[y] = bits_of(line, bits, width, first * bits)
        elif memory == 8:
            out[y] = numpy.frombuffer(line[:width], numpy.uint8)
        else:
            out[y] = numpy.frombuffer(line[: 2 * width], "<u2") & (1 << bits) - 1
    return out, bits


def full_range(values, bits):
    return values if bits == 8 else (values << 16 - bits) | (values >> 2 * bits - 16)


def colour_of(tile, y, x):
    other = {"GR": "BG", "RG": "GB", "GB": "RG", "BG": "GR"}[tile]
    return (tile, other)[y % 2][x % 2]


def bayer(values, tile):
    """Each colour of a pixel: its own, or the rounded mean of those of its nearest neighbours, the
    image being mirrored at its edges."""
    height, width = values.shape

    def mirror(at, size):
        return 0 if size == 1 else abs(at) if at < size else 2 * size - 2 - at

    out = numpy.zeros((height, width, 3), numpy.uint32)
    cross = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    corners = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    for y in range(height):
        for x in range(width):
            own = colour_of(tile, y, x)
            for channel, colour in enumerate("RGB"):
                if colour == own:
                    out[y, x, channel] = values[y, x]
                    continue
                near = [(dy, dx) for dy, dx in cross if colour_of(tile, y + dy, x + dx) == colour]
                near = near or corners
                total = sum(int(values[mirror(y + dy, height), mirror(x + dx, width)]) for dy, dx in near)
                out[y, x, channel] = (total + len(near) // 2) // len(near)
    return out


def yuv(name, data, width, height, padding):
    order = {
        "YUV411_8_UYYVYY": "UYYVYY", "YCbCr411_8_CbYYCrYY": "UYYVYY", "YCbCr411_8": "YYUYYV",
        "YUV422_8_UYVY": "UYVY", "YCbCr422_8_CbYCrY": "UYVY", "YUV422_8": "YUYV", "YCbCr422_8": "YUYV",
    }[name]
    group = order.count("Y")
    row = width // group * len(order)
    lines = [numpy.frombuffer(data[y * (row + padding) :][:row], numpy.uint8) for y in range(height)]
    cells = numpy.array(lines, float).reshape(height, width // group, len(order))
    luma = cells[:, :, [i for i, c in enumerate(order) if c == "Y"]].reshape(height, width)
    u = cells[:, :, order.index("U")].repeat(group, axis=1) - 128
    v = cells[:, :, order.index("V")].repeat(group, axis=1) - 128
    rgb = [luma + 1.402 * v, luma - 0.344136 * u - 0.714136 * v, luma + 1.772 * u]
    return numpy.clip(numpy.stack(rgb, axis=2), 0, 255)


def expected(name, data, width, height, padding):
    """The picture and its bits, 8 or 16; YUV is not rounded."""
    if name in ("RGB8", "BGR8"):
        row = width * 3 + padding
        lines = [numpy.frombuffer(data[y * row :][: width * 3], numpy.uint8) for y in range(height)]
        picture = numpy.array(lines).reshape(height, width, 3)
        return (picture if name == "RGB8" else picture[:, :, ::-1]), 8
    if name.startswith("Y"):
        return yuv(name, data, width, height, padding), 8
    values, bits = samples(name, data, width, height, padding)
    depth = 8 if bits == 8 else 16
    values = full_range(values, bits)
    return (bayer(values, name[5:7]) if name.startswith("Bayer") else values), depth


def pnm(data):
    """PIL reduces P6 of 16 bits to 8, so this reads it by the letter of Netpbm's definition."""
    kind, size, most, rest = data.split(b"\n", 3)
    width, height = map(int, size.split())
    shape = (height, width) if kind == b"P5" else (height, width, 3)
    return numpy.frombuffer(rest, ">u2" if most == b"65535" else numpy.uint8).reshape(shape)


def deep_png(data):
    """16-bit RGB, which PIL reduces to 8: zlib and the filters of the PNG specification."""
    import struct, zlib
    at, stream = 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length :][:4])[0], "crc"
        if kind == b"IHDR":
            width, height, bits, colour = struct.unpack(">IIBB", body[:10])
        if kind == b"IDAT":
            stream += body
        at += 12 + length
    step = (3 if colour == 2 else 1) * bits // 8
    stride, raw, previous, lines = width * step, zlib.decompress(stream), bytes(width * step), []
    for y in range(height):
        how, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        assert how in (0, 1, 2), f"filter {how}"
        for i in range(stride if how else 0):
            line[i] = line[i] + ((line[i - step] if i >= step else 0) if how == 1 else previous[i]) & 255
        lines.append(numpy.frombuffer(bytes(line), ">u2"))
        previous = bytes(line)
    return numpy.array(lines).reshape(height, width, 3)


def deep_tiff(data):
    """16-bit RGB, which PIL does not open: the tags of TIFF 6.0, uncompressed strips."""
    import struct
    assert data[:4] == b"II*\0"
    (at,) = struct.unpack("<I", data[4:8])
    tags = {}
    for i in range(struct.unpack("<H", data[at : at + 2])[0]):
        tag, kind, count, value = struct.unpack("<HHII", data[at + 2 + 12 * i :][:12])
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}[kind] * count
        body = data[value : value + size] if size > 4 else data[at + 10 + 12 * i :][:size]
        tags[tag] = numpy.frombuffer(body, {3: "<u2", 4: "<u4"}.get(kind, numpy.uint8))
    assert list(tags[258]) == [16, 16, 16] and tags[259][0] == 1 and tags[262][0] == 2
    strips = [data[o : o + n] for o, n in zip(map(int, tags[273]), map(int, tags[279]))]
    return numpy.frombuffer(b"".join(strips), "<u2").reshape(int(tags[257][0]), int(tags[256][0]), 3)


def decoded(path, depth, colour):
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        image.load()  # all of it: a truncated file raises
        if depth == 8:
            assert image.mode == ("RGB" if colour else "L"), image.mode
            return numpy.asarray(image)
        if not colour:
            assert image.mode.startswith("I"), image.mode
            return numpy.asarray(image).astype(numpy.uint32)
    return pnm(data) if path.suffix == ".pnm" else deep_png(data)


bad = 0
count = 0
for line in (folder / "list").read_text().splitlines():
    number, name, width, height, padding, file = line.split()
    width, height, padding, path = int(width), int(height), int(padding), folder / file
    raw = (folder / f"{number}.raw").read_bytes()
    try:
        want, depth = expected(name, raw, width, height, padding)
        colour = want.ndim == 3
        if path.suffix == ".jpg":
            assert path.read_bytes()[-2:] == b"\xff\xd9", "no EOI"
            got, want, depth = decoded(path, 8, colour), want / (257 if depth == 16 else 1), 8
            bound = 14
        elif path.suffix == ".tif" and depth == 16 and colour:
            got, bound = deep_tiff(path.read_bytes()), 0
        else:
            got, bound = decoded(path, depth, colour), 0
        if name.startswith("Y"):
            bound = max(bound, 1)  # the expected one is not rounded
        assert got.shape == want.shape, f"{got.shape} is not {want.shape}"
        error = numpy.abs(got.astype(float) - want.astype(float)).max()
        assert error <= bound, f"off by {error}, at most {bound}"
    except Exception as failure:
        bad += 1
        print(f"{line}: {type(failure).__name__}: {failure}")
    count += 1
print(f"{count} images, {bad} bad")
sys.exit(bad > 0 or count == 0)
