#!/usr/bin/env bash
# Coordinates fall into other cells when a function is compiled
#
# torch 2.13.0; CPU, with a C++ compiler.
#
# Expected: torch.compile changes the last digits of sums, not an exact operation: x // 0.1 and x % 0.1 stay what they
# are, and what Python gives.
# Seen: PyTorch takes the remainder first, which is exact, and gives 4 for 0.5 // 0.1, as Python does with the same two
# float32 numbers. The compiled function divides, rounds and takes the floor, which gives 5. Of the 200 coordinates 0,
# 0.1 ... 19.9 more than half come into another cell of 0.1, and the remainder of x by 0.1 or 0.3, near the other end of
# its range in PyTorch, is 0 or differs by a multiple of rounding errors. Nothing warns. Steps that are powers of
# two, quotients of integer types and torch.div(..., rounding_mode="trunc") are the same.
#
# Why it matters: the cell of a grid that a face's centre falls into, bins of a histogram, angles modulo a turn: targets
# made inside the compiled step differ from those made outside, where labels were checked.
# nasface: its strides are whole numbers and powers of two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
TORCHINDUCTOR_CACHE_DIR="$folder/cache" TORCHINDUCTOR_COMPILE_THREADS=1 OMP_NUM_THREADS=1 \
    venv/bin/python -W ignore - <<'END'
import torch


def cells(x):
    """Cells and rests of coordinates."""
    return {
        "cell of 0.1": x // 0.1,
        "rest of 0.1": x % 0.1,
        "cell of 0.1 by torch.div": torch.div(x, 0.1, rounding_mode="floor"),
        "truncated": torch.div(x, 0.1, rounding_mode="trunc"),
        "rest of 0.3": torch.remainder(x, 0.3),
        "cell of 0.25": x // 0.25,
        "rest of 0.25": x % 0.25,
    }


x = torch.arange(200, dtype=torch.float32) / 10
plain, compiled = cells(x), torch.compile(cells)(x)
step = torch.tensor(0.1).item()
by_python = torch.tensor([value // step for value in x.tolist()])
print("cells of 0.1 as by Python, plain and compiled:", end=" ")
print(int((plain["cell of 0.1"] == by_python).sum()), int((compiled["cell of 0.1"] == by_python).sum()), "of 200")
changed = {name: int((plain[name] != compiled[name]).sum()) for name in plain}
print("changed:", changed)
print("0.5 // 0.1:", plain["cell of 0.1"][5].item(), "compiled", compiled["cell of 0.1"][5].item())
assert torch.equal(plain["cell of 0.1"], by_python)
assert plain["cell of 0.1"][5] == 4 and compiled["cell of 0.1"][5] == 5
for name in ("cell of 0.1", "cell of 0.1 by torch.div", "rest of 0.1", "rest of 0.3"):
    assert changed[name] > 90
for name in ("cell of 0.25", "rest of 0.25", "truncated"):
    assert changed[name] == 0
END
