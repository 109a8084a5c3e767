"""How a process that lives for months keeps memory: what the allocator holds back, and what garbage is looked for in.

Here: settings of the C library and of Python that no other code knows about. Each can be left out; nothing is wrong
then but that it takes more.
"""

from __future__ import annotations

import ctypes
import gc
import os

YOUNG = 50_000  # new objects after which Python looks for garbage
LARGE = 256 * 1024  # bytes of a block that is given back to the system as soon as it is free
ARENAS = 2  # parts of the heap that threads share

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3)


def keep_small() -> None:
    """Let freed memory go back to the system. To be called before there are threads.

    Answers of megabytes come and go by many threads. The C library of most Linux systems (glibc) would keep them: in a
    heap for each thread, and in a limit for what is large that grows with each large block. At 10,000 series that was a
    third of the peak. Where the environment says how memory is to be kept (MALLOC_ARENA_MAX and others), it is obeyed.
    """
    mallopt = None if os.name == "nt" else getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        for option, value in ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, LARGE), (_M_TRIM_THRESHOLD, LARGE)):
            mallopt(option, value)


def look_seldom() -> None:
    """Let garbage be looked for less often.

    With 700 new objects, the default, that was a tenth of the CPU of a cycle of 18,000 series, for next to nothing:
    hardly anything of ours refers to itself. So many, and nothing of what the start has made, take less than a
    hundredth.
    """
    gc.set_threshold(YOUNG)


def settle() -> None:
    """Let garbage be looked for no more in what is there to stay: code, the SDK's descriptions, the inventory."""
    gc.collect()
    gc.freeze()
