#!/usr/bin/env bash
# torch's FLOP counter charges a depthwise convolution's backward pass as a dense one
#
# torch 2.13.0.
#
# Expected: the backward pass of a convolution costs twice its forward pass (gradients of input and
# of weights), depthwise or not.
# Seen: torch.utils.flop_counter counts the gradient of the weights without regard to groups. A
# depthwise 3x3 on 32 channels: forward 147 456, right; backward 4 866 048, 33 times as much, where
# 294 912 is right. Dense: twice, right. With 4 groups: 5 times; with g groups 1 + g times. The same
# for transposed convolutions.
#
# Why it matters: the cost of a search step, or of training a candidate, is often counted this way.
# Separable convolutions, which a search should find cheap, then look as dear as dense ones.
# nasface: counts forward passes only, where the counter is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def flops(layer):
    x = torch.randn(1, 32, 16, 16, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        y = layer(x)
        forward = counter.get_total_flops()
        y.sum().backward()
    return forward, counter.get_total_flops() - forward


for groups in (1, 4, 32):
    convolution = nn.Conv2d(32, 32, 3, padding=1, groups=groups, bias=False)
    transposed = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1, groups=groups, bias=False)
    for layer, kernel in ((convolution, 9), (transposed, 16)):
        forward, backward = flops(layer)
        print(f"{type(layer).__name__}, {groups} groups: {forward}, backward {backward}")
        assert forward == 2 * 32 * 32 * kernel * 256 // groups
        assert backward == (1 + groups) * forward
END
