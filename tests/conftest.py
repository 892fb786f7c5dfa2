"""Settings for all tests."""

import gc
import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# How long an example takes says something of the machine and nothing of the code.
settings.register_profile("nasface", deadline=None)
settings.load_profile("nasface")
# The tensors of tests are small: more threads only wait for each other, above all under xdist, in
# the processes that tests start as well.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and never what the imports made, some million objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def nasface_data() -> Path:
    """The folder with the real images and annotations; without it, the test is skipped."""
    folder = os.environ.get("NASFACE_DATA")
    if not folder:
        pytest.skip("NASFACE_DATA is not set")
    return Path(folder)
