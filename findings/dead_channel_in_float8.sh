#!/usr/bin/env bash
# One dead channel makes the whole network NaN in 8-bit floats
#
# torchao 0.18.0, torch 2.13.0, CPU.
#
# Expected: a channel whose weights are all 0 stays 0 when the weights are quantised, since 0 is exact in
# every format. It does with 8-bit integers, weights alone or with activations.
# Seen: with Float8WeightOnlyConfig the channel is NaN for every input. The scale of a row is its largest
# weight over 448, so 0 here, and 0 / 0 is what is stored; the integer formats keep their scales above a
# small number. The next layer mixes the channel in, and then every output is NaN. Rows of 1e-30 are right.
# quantize_ gives no warning. (Reported in August 2026, issue 4713 of torchao.)
#
# Why it matters: pruning by channels and dropping operations in a search set rows to exactly 0, the last
# layer of a residual block often begins with 0, and weight decay leaves such rows in networks with ReLU. A
# detector with one of them has NaN for all its scores, and finds nothing. Look for rows of 0 first.
# nasface: has no 8-bit floats, and writes no file whose outputs are not all finite in onnxruntime.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torchao==0.18.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - 2> errors <<'END' || { cat errors; exit 1; }
import torch
from torch import nn
from torchao import quantization

torch.manual_seed(0)
images = torch.randn(5, 64)


def outputs(row, config):
    """Of two layers, the first with one row of a given value: what each gives, and what it gave."""
    network = nn.Sequential(nn.Linear(64, 32), nn.Linear(32, 16)).eval()
    network[0].weight.data[3] = row
    with torch.no_grad():
        before = network(images)
        quantization.quantize_(network, config)
        return network[0](images), network(images), before


for name in (
    "Float8WeightOnlyConfig",
    "Int8WeightOnlyConfig",
    "Int8DynamicActivationInt8WeightConfig",
):
    for row in (0.0, 1e-30):
        first, last, before = outputs(row, getattr(quantization, name)())
        dead = first.isnan().all(0).nonzero().flatten().tolist()
        count = int(last.isnan().sum())
        print(f"{name}, a row of {row}: NaN in channels {dead}, in {count} of 80 outputs")
        if name.startswith("Float8") and row == 0:
            assert dead == [3] and last.isnan().all()
        else:
            assert not first.isnan().any() and torch.allclose(last, before, atol=0.1)
END
