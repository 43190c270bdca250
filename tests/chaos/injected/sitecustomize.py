"""Faults inside a node's process, as its environment asks for: Python imports this before anything else.

CHAOS_CLOCK: a file with one double, seconds by which `time.time` is wrong; the monotonic clock stays right, as in life.
CHAOS_FILE_BYTES: no file may grow beyond this, as on a full disk.
CHAOS_COLLECT: on SIGUSR2 all garbage is collected, and free memory given back, so that what remains is in use.
"""

import os


def _shift_clock(path: str) -> None:
    import mmap
    import struct
    import time

    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    double, right = struct.Struct("d"), time.time

    def wrong() -> float:
        return right() + float(double.unpack_from(shared)[0])

    time.time = wrong


def _fill_disk(size: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _collect_on_signal() -> None:
    import ctypes
    import gc
    import signal

    trim = ctypes.CDLL(None).malloc_trim

    def collect(number: int, frame: object) -> None:
        gc.collect()
        trim(0)

    signal.signal(signal.SIGUSR2, collect)


if path := os.environ.get("CHAOS_CLOCK"):
    _shift_clock(path)
if size := os.environ.get("CHAOS_FILE_BYTES"):
    _fill_disk(int(size))
if os.environ.get("CHAOS_COLLECT"):
    _collect_on_signal()
