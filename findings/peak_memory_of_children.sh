#!/usr/bin/env bash
# A small process reports the peak memory of the large one that started it
#
# Python 3.11.7 (subprocess and multiprocessing), Linux 6; no package.
#
# Expected: resource.getrusage(RUSAGE_SELF).ru_maxrss, "maximum resident set size used", is that of
# the process that asks.
# Seen: a Python of 10 MB says 514, if the Python that started it holds 500 MB, or held them once.
# The figure is handed on when a process is started by vfork, as subprocess and the spawn method of
# multiprocessing do it, and outlives exec. VmHWM in /proc/self/status begins anew.
#
# Why it matters: benchmarks of models measure each in "a fresh process", from a test run or a
# notebook that has torch and a data set in memory. All of them then need the same, or by how much
# memory grew is 0. Read VmHWM, or start them by a shell.
# nasface: peaks of searches, trainings and `benchmark` are VmHWM; before, models that a large process
# measured had grown by 0.
set -euo pipefail
python3 - <<'END'
import subprocess
import sys

ASK = """
import resource
from pathlib import Path
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024)
"""


def child(*shell):
    """What ru_maxrss and VmHWM say in a new Python, in MB."""
    done = subprocess.run(
        [*shell, sys.executable, "-c", ASK], capture_output=True, text=True, check=True
    )
    return [int(each) for each in done.stdout.split()]


print("started by a small process:", *child())
large = bytearray(500 << 20)
del large
peak, own = child()
print("by one that held 500 MB:", peak, own)
by_shell, _ = child("sh", "-c", '"$0" "$@"; exit')
print("by that, with a shell between:", by_shell)
assert peak > 500 > 50 > max(own, by_shell)
END
