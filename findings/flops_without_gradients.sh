#!/usr/bin/env bash
# A transformer layer costs nothing without gradients, and an LSTM never does
#
# torch 2.13.0, CPU.
#
# Expected: torch.utils.flop_counter counts the matrix products of a layer whatever way they are
# computed; whether gradients are on makes no difference to a forward pass.
# Seen: it knows operators, not products, and counts nothing for one it does not know. Of
# nn.TransformerEncoderLayer in eval mode it counts the linear layers alone with gradients, and 0 under
# torch.no_grad(), where one fused operator does it all. scaled_dot_product_attention is 0 on the CPU
# (known as issue 195460; other devices have other operators) and right with the MATH backend. An LSTM
# is 0, a GRU of the same size is counted in full. On the meta device all of it is right. No warning is
# given.
#
# Why it matters: candidates with and without attention are compared by this number, mostly on a CPU
# and without gradients, where a part of them is free. Count on the meta device.
# nasface: counts there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

COUNT, LENGTH, WIDTH, INNER = 8, 16, 16, 32


def counted(run, *inputs, gradients):
    with torch.set_grad_enabled(gradients), FlopCounterMode(display=False) as counter:
        run(*inputs)
    return counter.get_total_flops()


def by_matrix_backend(run):
    def inner(*inputs):
        with sdpa_kernel(SDPBackend.MATH):
            return run(*inputs)

    return inner


tokens = torch.randn(COUNT, LENGTH, WIDTH)
heads = torch.randn(COUNT, 2, LENGTH, WIDTH // 2)
layer = nn.TransformerEncoderLayer(WIDTH, 2, INNER, batch_first=True).eval()
attention = 2 * 2 * COUNT * LENGTH * LENGTH * WIDTH  # scores, and their products with the values
linear = 2 * COUNT * LENGTH * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)


def attend(heads):
    return scaled_dot_product_attention(heads, heads, heads)


def gates(number):
    return 2 * COUNT * LENGTH * number * WIDTH * 2 * WIDTH


for name, run, inputs, right, with_gradients, without in (
    ("encoder layer", layer, tokens, attention + linear, linear, 0),
    ("attention", attend, heads, attention, 0, 0),
    ("attention, MATH", by_matrix_backend(attend), heads, attention, attention, attention),
    ("LSTM", nn.LSTM(WIDTH, WIDTH).eval(), tokens, gates(4), 0, 0),
    ("GRU", nn.GRU(WIDTH, WIDTH).eval(), tokens, gates(3), gates(3), gates(3)),
):
    found = [counted(run, inputs, gradients=gradients) for gradients in (True, False)]
    print(f"{name}: right {right}, with gradients {found[0]}, without {found[1]}")
    assert found == [with_gradients, without]
found = counted(by_matrix_backend(layer), tokens, gradients=True)
print("encoder layer, MATH, with gradients:", found)
assert found == attention + linear
with torch.device("meta"):
    on_meta = [
        counted(run, torch.empty_like(inputs, device="meta"), gradients=gradients)
        for run, inputs in (
            (nn.TransformerEncoderLayer(WIDTH, 2, INNER, batch_first=True).eval(), tokens),
            (attend, heads),
            (nn.LSTM(WIDTH, WIDTH).eval(), tokens),
            (nn.GRU(WIDTH, WIDTH).eval(), tokens),
        )
        for gradients in (True, False)
    ]
print("meta device, with and without gradients:", on_meta)
right = [attention + linear, attention, gates(4), gates(3)]
assert on_meta == [each for each in right for _ in range(2)]
END
