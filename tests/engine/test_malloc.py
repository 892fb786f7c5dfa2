"""Freed memory stays with the process: later steps of a network find their pages there."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from torch import nn
from nasface.engine.malloc import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
layers = nn.Sequential(*(nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU()) for _ in range(4)))
images = torch.randn(8, 16, 96, 96)
for step in range(14):
    if step == 4:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    layers(images).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_steps_of_a_network_ask_for_hardly_any_new_pages() -> None:
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", SCRIPT, how], text=True))
        for how in ("keep", "give back")
    }
    if not any(faults.values()):  # glibc 2.43 in a container; 2.36 asks for tens of thousands
        pytest.skip("this libc asks for no new pages either way")
    assert 5 * faults["keep"] < faults["give back"]
