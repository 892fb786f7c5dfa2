"""Processor, cores and memory of the machine: those that a container or a scheduled job may use."""

import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_OWN_STATUS = Path("/proc/self/status")
_OWN_GROUP = Path("/proc/self/cgroup")
_CPU_INFO = Path("/proc/cpuinfo")
_NO_LIMIT = 1 << 60
"""What version 1 of control groups has, or more, where there is no limit."""


def cores() -> int:
    """Return the cores that this process may use, at least 1.

    Where it is tied to some of them, or its control group has a quota, that is less than all.
    """
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        count = min(count, len(os.sched_getaffinity(0)))
    for group in _groups("cpu"):
        quota, period = _quota(group)
        if quota > 0 and period > 0:
            count = min(count, max(1, round(quota / period)))
    return max(1, count)


def processor() -> str:
    """Return the processor's name, or its architecture where the system does not tell it."""
    try:
        # Linux tells it in this file only.
        for line in _CPU_INFO.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def free_memory_mb() -> float:
    """Return the memory that a program can still take, in millions of bytes.

    The cache of files counts as free, as the system gives it back; the limits of control groups
    count where they leave less.
    """
    free = psutil.virtual_memory().available
    for group in _groups("memory"):
        limit = _number(group, "memory.max", "memory.limit_in_bytes")
        used = _number(group, "memory.current", "memory.usage_in_bytes")
        if limit is not None and used is not None and limit < _NO_LIMIT:
            free = min(free, max(0, limit - used + _cache(group)))
    return free / 1e6


def peak_process_mb() -> float:
    """Return the most memory that this process has held so far, in millions of bytes."""
    try:
        import resource
    except ImportError:  # Windows, which knows the peak; a system without either the present
        info: Any = psutil.Process().memory_info()
        return float(getattr(info, "peak_wset", info.rss)) / 1e6
    try:
        # The system's other figure begins with the peak of the process that started this one.
        status = _OWN_STATUS.read_text("ascii", "replace")
    except OSError:  # other systems than Linux
        status = ""
    if own := re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE):
        return int(own[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and those above it, of either version."""
    try:
        lines = _OWN_GROUP.read_text("utf-8").splitlines()
    except OSError:  # other systems than Linux
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = _GROUPS / controllers if controllers else _GROUPS
        if controllers and not top.is_dir():
            top = _GROUPS / controller
        path = top / place.strip("/")
        # Inside of a container the path is that of the machine, and the top is the container's.
        while True:
            if path.is_dir():
                yield path
            if path == top:
                break
            path = path.parent


def _number(group: Path, *names: str) -> int | None:
    for name in names:
        try:
            return int((group / name).read_text("utf-8"))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def _quota(group: Path) -> tuple[int, int]:
    """Return the microseconds of processor time in a period, and the period; 0 without a limit."""
    try:
        words = (group / "cpu.max").read_text("utf-8").split()
        return (0, 0) if words[0] == "max" else (int(words[0]), int(words[1]))
    except (OSError, ValueError, IndexError):
        quota = _number(group, "cpu.cfs_quota_us") or 0
        return quota, _number(group, "cpu.cfs_period_us") or 0


def _cache(group: Path) -> int:
    """Return the bytes of a group's cache of files that the system gives back first."""
    try:
        lines = (group / "memory.stat").read_text("utf-8").splitlines()
    except OSError:
        return 0
    pairs = dict(line.rsplit(" ", 1) for line in lines if " " in line)
    return int(pairs.get("total_inactive_file", pairs.get("inactive_file", 0)))
