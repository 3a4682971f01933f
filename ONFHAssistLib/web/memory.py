"""Memory goes back to the system when a study is closed: glibc would keep what it may want again."""

import contextlib
import ctypes
import gc
import sys

ARENAS, OWN_PAGES = -8, -3
"""M_ARENA_MAX and M_MMAP_THRESHOLD of mallopt(3)."""
LARGE_BYTES = 1 << 20
"""Blocks from this size get pages of their own, which go back at once when they are freed."""


def be_frugal() -> None:
    """Let threads share two heaps, and large arrays have their own pages; does nothing where that is not possible."""
    _glibc("mallopt", ARENAS, 2)
    _glibc("mallopt", OWN_PAGES, LARGE_BYTES)


def give_back() -> None:
    """Free what only cycles hold, and give free memory back to the system."""
    gc.collect()
    _glibc("malloc_trim", 0)


def _glibc(name: str, *numbers: int) -> None:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # another C library
            getattr(ctypes.CDLL("libc.so.6"), name)(*numbers)
