#!/usr/bin/env bash
# A transposed convolution counts four times, a normalised one not at all
#
# thop 0.1.1.post2209072238, torchinfo 1.8.0, ptflops 0.7.5, fvcore 0.1.5, torch 2.13.0.
#
# Expected: counters of multiplications agree on layers with weights, plain, grouped or transposed,
# under any wrapper that leaves their arithmetic as it is; of torchinfo alone the factor below was guessed.
# Seen: thop and torchinfo multiply the weights by the size of the output, which holds for a
# convolution; a transposed one multiplies its weights by the size of the input. With stride 2 they
# count it four times, with stride 3 nine times, and right with stride 1. A convolution under
# weight_norm is 0 for thop, torchinfo and ptflops: its class has another name then. A Linear over
# tokens is right but in torchinfo, which counts one token of each image. fvcore and torch's own
# counter are right each time.
#
# Why it matters: necks enlarge their maps by interpolation or by a transposed convolution, and a
# search that pays for the second four times avoids it; weight normalisation makes a network free.
# Check a counter on every kind of layer by itself, at the stride it is used with.
# nasface: counts with torch's own counter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 thop==0.1.1.post2209072238 \
    torchinfo==1.8.0 ptflops==0.7.5 fvcore==0.1.5.post20221221 setuptools==80.9.0
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import contextlib
import copy
import io
import logging

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

logging.disable(logging.WARNING)


def by_thop(layer, batch):
    import thop

    return thop.profile(layer, (batch,), verbose=False)[0]


def by_torchinfo(layer, batch):
    from torchinfo import summary

    return summary(layer, input_data=batch, verbose=0).total_mult_adds


def by_ptflops(layer, batch):
    from ptflops import get_model_complexity_info

    return get_model_complexity_info(
        layer,
        (1,),
        input_constructor=lambda _: {"input": batch},
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
    )[0]


def by_fvcore(layer, batch):
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(layer, batch).unsupported_ops_warnings(False).total()


def by_torch(layer, batch):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        layer(batch)
    return counter.get_total_flops() / 2


maps = torch.randn(1, 8, 16, 16)
tokens = torch.randn(1, 128, 16)
counters = {
    "thop": by_thop,
    "torchinfo": by_torchinfo,
    "ptflops": by_ptflops,
    "fvcore": by_fvcore,
    "torch": by_torch,
}
plain = nn.Conv2d(8, 16, 3, padding=1, bias=False)
grouped = nn.Conv2d(8, 16, 3, padding=1, groups=4, bias=False)
same_size, twice, three_times = (
    nn.ConvTranspose2d(8, 16, kernel, stride, padding, bias=False)
    for kernel, stride, padding in ((3, 1, 1), (4, 2, 1), (3, 3, 0))
)
pixels = 8 * 16 * 16 * 16  # pixels of the input times channels of both sides
for name, layer, batch, right, seen in (
    ("convolution", plain, maps, 9 * pixels, [1, 1, 1, 1, 1]),
    ("with 4 groups", grouped, maps, 9 * pixels / 4, [1, 1, 1, 1, 1]),
    ("transposed, stride 1", same_size, maps, 9 * pixels, [1, 1, 1, 1, 1]),
    ("transposed, stride 2", twice, maps, 16 * pixels, [4, 4, 1, 1, 1]),
    ("transposed, stride 3", three_times, maps, 9 * pixels, [9, 9, 1, 1, 1]),
    ("weight_norm", weight_norm(copy.deepcopy(plain)), maps, 9 * pixels, [0, 0, 0, 1, 1]),
    ("128 tokens", nn.Linear(16, 32, bias=False), tokens, 128 * 16 * 32, [1, 1 / 128, 1, 1, 1]),
):
    # some counters leave hooks on the layer: each gets a copy, inside a network
    found = []
    for count in counters.values():
        with contextlib.redirect_stdout(io.StringIO()):
            found.append(count(nn.Sequential(copy.deepcopy(layer)).eval(), batch) / right)
    print(f"{name}:", ", ".join(f"{key} {share:.3g}" for key, share in zip(counters, found)))
    assert all(abs(share - each) < 1e-6 for share, each in zip(found, seen, strict=True)), name
END
