"""The allocator of this process. Imports no torch, so that commands can call it first."""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Names of the settings in glibc's malloc.h."""

_LARGEST = 32 * 2**20
"""Bytes up to which glibc lets blocks come from its heap."""


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks for reuse; whether it is one that can be told (glibc).

    By default glibc gives large blocks back to the system at once, and the next tensor of that size
    gets them page by page, filled with zeros: a fifth of the time of a step on a CPU
    (docs/results, "Where D0's time goes"). Peak memory stays what it was, but is kept to the end.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2 * _LARGEST, _MMAP_THRESHOLD: _LARGEST}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])
