#!/usr/bin/env python3
"""Reads a camera's frames from shared memory. Python 3.11, standard library only; copy it anywhere.

    from gige_frames import Reader, Status
    reader = Reader("gige-default-camera1")
    while running:
        frame = reader.wait(1.0)
        if frame is None:
            print(reader.problem)
            continue
        if frame.status != Status.COMPLETE:
            continue
        image = numpy.frombuffer(frame.pixels, numpy.uint8).reshape(frame.height, frame.width)
        result = inspect(image)              # in place: no copy
        if not frame.still_valid():
            result = None                    # overwritten meanwhile

The mapper never waits for readers: what was computed from pixels counts only if still_valid() says
so afterwards. Who needs a frame for long calls frame.copy(), which gives None if it came too late.
Rings come and go (the camera is unplugged, the mapper restarts): wait() follows by itself, and
frames of the former ring stay usable as long as they are kept. One thread per Reader.

On the command line: gige_frames.py NAME --count 10 prints sequence, camera's id, size and age.
"""

import argparse
import ctypes
import enum
import errno
import fcntl
import mmap
import os
import platform
import stat
import struct
import sys
import threading
import time

# The layout of a ring, version 1: docs/gige.md. Little endian, offsets from the start of the file.
MAGIC = b"GIGERING"
VERSION = 1
HEADER_BYTES = 256
HEADER = struct.Struct("<8s2I3Q2IQq")  # … up to created_ns
AT_STATE, AT_WAKE, AT_NEWEST = 64, 68, 72
WRITER = slice(80, 112)  # what the writer's process alone has; zeros of older writers
LIVE = 1
SLOT_HEADER_BYTES = 128
INFO = struct.Struct("<2Q3q6IQIB3x")
MAX_SLOTS = 64

RETRY_S = 0.02  # how often a ring that is not there is looked for
SLICE_S = 0.5  # how late it is noticed that the file was removed by hand and made anew

_FUTEX_WAIT = 0
# Linux, include/uapi/asm-generic/unistd.h and arch/*/entry/syscalls
_SYS_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "armv7l": 240, "i686": 240}
_libc = ctypes.CDLL(None, use_errno=True)
_lock = threading.Lock()


class Status(enum.IntEnum):
    COMPLETE = 0
    MISSING_PACKETS = 1  # gaps, which hold old bytes
    ABORTED = 2
    OVERSIZED = 3
    MALFORMED = 4


class NoRing(Exception):
    """There is no ring of that name, or what has the name is none. The text says which."""


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Buffer(ctypes.Structure):
    """Py_buffer, C API: the only way to the address of a read-only mmap."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


def _address(memory):
    """Valid as long as the mapping is: mmap does not move without resize()."""
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(memory), ctypes.byref(buffer), 0)
    address = buffer.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address


def _fence():
    """Reads before stay before reads after. Python has no fence: a lock given back and taken again
    is one on processors that reorder (ARM); on x86 reads are in order anyway."""
    with _lock:
        pass
    with _lock:
        pass


class _Ring:
    """A mapped ring. Sizes are read once and checked against the file's real size."""

    def __init__(self, path):
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise NoRing(f"{path}: {error.strerror}") from None
        try:
            file = os.fstat(self._fd)
            if not stat.S_ISREG(file.st_mode) or file.st_size < HEADER_BYTES:
                raise NoRing(f"{path}: {file.st_size} bytes are no frame ring")
            self.inode = (file.st_dev, file.st_ino)
            self._map(file.st_size)
        except BaseException:
            os.close(self._fd)
            self._fd = -1
            raise

    def _map(self, size):
        # access=ACCESS_READ is a shared mapping that cannot be written.
        self.memory = mmap.mmap(self._fd, size, access=mmap.ACCESS_READ)
        magic, version, slots, slot_bytes, stride, headers_at, header_stride, pid, pixels_at, _ = (
            HEADER.unpack_from(self.memory, 0)
        )
        if magic != MAGIC:
            raise NoRing(f"{self.path}: no frame ring")
        if version != VERSION:
            raise NoRing(f"{self.path}: its layout is version {version}, this reader knows {VERSION}")
        if not (
            1 <= slots <= MAX_SLOTS
            and header_stride % 8 == 0
            and header_stride >= SLOT_HEADER_BYTES
            and headers_at % 8 == 0
            and headers_at >= HEADER_BYTES
            and headers_at + slots * header_stride <= size
            and 1 <= slot_bytes <= stride
            and pixels_at + slots * stride <= size
        ):
            raise NoRing(f"{self.path}: {slots} slots of {slot_bytes} bytes do not fit its {size} bytes")
        self.slots, self.slot_bytes = slots, slot_bytes
        # Equal: the same process. Its pid alone may be another's, of another container or time.
        self.writer = pid, bytes(self.memory[WRITER])
        self._headers_at, self._header_stride = headers_at, header_stride
        self._pixels_at, self._stride = pixels_at, stride
        # Items of these views are read with one load; struct's "<Q" would take eight.
        view = memoryview(self.memory)
        self._words = view[: size // 8 * 8].cast("Q")
        self._halves = view[:HEADER_BYTES].cast("I")
        self._wake_address = _address(self.memory) + AT_WAKE
        if self.state() != LIVE:
            raise NoRing(f"{self.path}: its stream has ended")

    def __del__(self):
        # The mapping goes when the last view of it does.
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)

    def state(self):
        return self._halves[AT_STATE // 4]

    def wake(self):
        return self._halves[AT_WAKE // 4]

    def newest(self):
        return self._words[AT_NEWEST // 8]

    def turn(self, slot):
        return self._words[(self._headers_at + slot * self._header_stride) // 8]

    def unchanged(self, slot, sequence):
        _fence()
        return self.turn(slot) == sequence

    def info(self, slot):
        return INFO.unpack_from(self.memory, self._headers_at + slot * self._header_stride + 8)

    def pixels(self, slot, size):
        first = self._pixels_at + slot * self._stride
        return memoryview(self.memory)[first : first + size]

    def sleep(self, seen, seconds):
        """Until the wake word is not `seen` any more. False: time is up."""
        number = _SYS_FUTEX.get(platform.machine())
        if number is None:  # an unknown processor: look a hundred times a second
            time.sleep(min(seconds, 0.01))
            return True
        span = _Timespec(int(seconds), int(seconds % 1 * 1e9))
        result = _libc.syscall(
            ctypes.c_long(number),
            ctypes.c_void_p(self._wake_address),
            ctypes.c_int(_FUTEX_WAIT),
            ctypes.c_uint(seen),
            ctypes.byref(span),
            None,
            ctypes.c_int(0),
        )
        return result == 0 or ctypes.get_errno() != errno.ETIMEDOUT

    def written(self):
        """Whether its mapper lives: it holds a lock that the kernel takes back when it dies."""
        lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, lock)
        return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK

    def superseded(self):
        try:
            named = os.stat(self.path)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) != self.inode


class Frame:
    """One frame, in the ring's own memory. Times are nanoseconds; exposed_ns and arrived_ns are of
    CLOCK_REALTIME (exposed_ns 0: not known), camera_ns of the camera's own clock. pixels: a
    read-only memoryview of size bytes. format: PFNC code, 0x01080001 is Mono8."""

    # fmt: off
    __slots__ = ("sequence", "id", "camera_ns", "arrived_ns", "exposed_ns", "width", "height", "x",
                 "y", "format", "padding", "size", "missing", "status", "pixels", "_ring", "_slot")
    # fmt: on

    def __init__(self, info, ring, slot):
        (self.sequence, self.id, self.camera_ns, self.arrived_ns, self.exposed_ns) = info[:5]
        (self.width, self.height, self.x, self.y, self.format, self.padding) = info[5:11]
        (self.size, self.missing, status) = info[11:]
        self.status = Status(status) if status <= Status.MALFORMED else Status.MALFORMED
        self.pixels = ring.pixels(slot, self.size)
        self._ring, self._slot = ring, slot

    def still_valid(self):
        """Whether all that was read of pixels until now was this frame and nothing else."""
        return self._ring.unchanged(self._slot, self.sequence)

    def copy(self):
        """The pixels as bytes of one's own; None: overwritten while they were copied."""
        copied = bytes(self.pixels)
        return copied if self.still_valid() else None

    def age_s(self):
        """Seconds since it was exposed, or since it arrived where that is not known."""
        return (time.time_ns() - (self.exposed_ns or self.arrived_ns)) / 1e9


class Reader:
    """order "newest": always the newest frame; "next": the one after the last as long as the ring
    still has it, first the oldest it has.

    skipped: frames this reader never got, from its first on, over rings too as long as it is the
    same mapper. problem: why there is no ring, or the last frame was refused; "" if nothing is
    wrong."""

    def __init__(self, name, order="newest"):
        if order not in ("newest", "next"):
            raise ValueError(f'order: "{order}" is neither "newest" nor "next"')
        self._path = "/dev/shm/" + name
        self._newest = order == "newest"
        self._ring = None
        self._last = 0  # looked at, in this ring
        self._taken = 0  # given, in any ring
        self._taken_from = 0
        self.skipped = 0
        self.problem = ""

    def open(self):
        """wait() does it by itself; call it to know at once. False: problem says why."""
        self._last = 0
        try:
            self._ring, self.problem = _Ring(self._path), ""
        except NoRing as error:
            self._ring, self.problem = None, str(error)
        return self._ring is not None

    def live(self):
        """Whether a mapper writes the ring now: False when there is none, or it was killed."""
        return self._ring is not None and self._ring.state() == LIVE and self._ring.written()

    def wait(self, timeout_s):
        """A Frame that was not given before; None: none within timeout_s, problem says what is
        amiss, if anything. Frames that are not whole are given too: look at status."""
        end = time.monotonic() + timeout_s
        while True:
            if self._ring is None and not self.open():
                left = end - time.monotonic()
                if left <= 0:
                    return None
                time.sleep(min(left, RETRY_S))
                continue
            ring = self._ring
            # Both before looking: a frame that comes after the look changes the wake word, and one
            # that came before the end is not missed.
            seen, live = ring.wake(), ring.state() == LIVE
            frame = self._look(ring)
            if frame is not None:
                return frame
            left = end - time.monotonic()
            if not live:
                self._ring, self.problem = None, f"{self._path}: its stream has ended"
            elif left <= 0:
                return None
            elif not ring.sleep(seen, min(left, SLICE_S)) and ring.superseded():
                self._ring = None

    def _look(self, ring):
        for _ in range(8):  # a writer that overtakes us that often is waited for
            newest = ring.newest()
            turns = [(ring.turn(slot), slot) for slot in range(ring.slots)]
            turns = [turn for turn in turns if self._last < turn[0] <= newest]
            if not turns:
                return None
            sequence, slot = max(turns) if self._newest else min(turns)
            info = ring.info(slot)
            if not ring.unchanged(slot, sequence):
                continue
            self._last = sequence
            if info[0] != sequence or info[11] > ring.slot_bytes:
                self.problem = f"{self._path}: frame {sequence} of {info[11]} bytes is not one of this ring"
                continue
            if self._taken and self._taken_from == ring.writer and sequence > self._taken:
                self.skipped += sequence - self._taken - 1
            self._taken, self._taken_from, self.problem = sequence, ring.writer, ""
            return Frame(info, ring, slot)
        return None


def main():
    parser = argparse.ArgumentParser(description="Prints a camera's frames as they come.")
    parser.add_argument("name", help="of the ring, as in /dev/shm: gige-NAMESPACE-DEVICE")
    parser.add_argument("--count", type=int, default=0, help="end after so many frames; 0: never")
    parser.add_argument("--timeout", type=float, default=5, help="seconds without a frame; default 5")
    parser.add_argument("--newest", action="store_true", help="leave out frames when they come fast")
    arguments = parser.parse_args()
    reader = Reader(arguments.name, "newest" if arguments.newest else "next")
    print("SEQUENCE         ID       SIZE   AGE ms  STATUS", flush=True)
    printed = 0
    while not arguments.count or printed < arguments.count:
        frame = reader.wait(arguments.timeout)
        if frame is None:
            why = reader.problem or f"{arguments.name}: no frame within {arguments.timeout:g} s"
            print(f"gige_frames.py: {why}", file=sys.stderr)
            return 1
        status = frame.status.name.lower()
        size = f"{frame.width}x{frame.height}"
        print(
            f"{frame.sequence:8} {frame.id:10} {size:>10} {frame.age_s() * 1e3:8.1f}  {status}",
            flush=True,
        )
        printed += 1
    if reader.skipped:
        print(f"{reader.skipped} skipped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
