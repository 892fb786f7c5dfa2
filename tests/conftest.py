"""Settings for all tests."""

import torch
from hypothesis import settings

# How long an example takes says something of the machine and nothing of the code.
settings.register_profile("nasface", deadline=None)
settings.load_profile("nasface")
# The tensors of tests are small: more threads only wait for each other, above all under xdist.
torch.set_num_threads(1)
