"""Settings for all tests."""

import torch

# The tensors of tests are small: more threads only wait for each other, above all under xdist.
torch.set_num_threads(1)
