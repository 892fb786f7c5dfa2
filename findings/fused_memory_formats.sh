#!/usr/bin/env bash
# A fused optimiser on the CPU updates other weights than it should
#
# torch 2.13.0, CPU.
#
# Expected: fused=True gives what fused=False gives, or fails where it cannot.
# Seen: SGD, Adam, AdamW and Adagrad with fused=True walk over the memory of weights, gradients and
# moments side by side. Where one of them is channels last and another is not, each weight takes the
# gradient or the moments of another weight, and nothing is said. It takes no odd tensors: a network
# in the usual format that is fed channels-last images, with gradients of torch.autograd.grad (they
# come back channels last) put in place by hand; or a run whose moments were saved in one format and
# that goes on in the other, after model.to(memory_format=...) or load_state_dict. After six steps the
# loss is 0.0496 and 0.0062, where fused=False has 0.0033. backward() alone is safe. On CUDA such
# strides raise an error, as reports to the project show (issue 106951 of pytorch).
#
# Why it matters: fused and channels last are the two usual advices for speed. The loss still falls, a
# little worse, so that the one that was right is not missed. Bring gradients and moments to the
# strides of their weights, or leave `fused` away.
# nasface: trains with a fused AdamW in channels last, and brings moments that it loads to the format
# of their weights.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import torch
from torch import nn

images = torch.randn(4, 8, 12, 12, generator=torch.Generator().manual_seed(1))
last = torch.channels_last


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1))


def adamw(model, fused):
    return torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)


def loss_of(model, batch):
    return model(batch).square().mean()


def usual(model, optimizer, steps=6, batch=images):
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        optimizer.step()


def by_hand(model, optimizer):
    weights = list(model.parameters())
    for _ in range(6):
        gradients = torch.autograd.grad(loss_of(model, images.to(memory_format=last)), weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        optimizer.step()


def turned(model, optimizer):
    usual(model, optimizer, 3)
    model.to(memory_format=last)
    usual(model, optimizer, 3)


def resumed(model, optimizer):
    usual(model, optimizer, 3)
    state, moments = model.state_dict(), optimizer.state_dict()
    again = network().to(memory_format=last)
    again.load_state_dict(state)
    other = adamw(again, optimizer.defaults["fused"])
    other.load_state_dict(moments)
    usual(again, other, 3)
    return again


losses = {}
for way in (usual, by_hand, turned, resumed):
    for fused in (False, True):
        model = network()
        trained = way(model, adamw(model, fused)) or model
        with torch.no_grad():
            losses[way, fused] = float(loss_of(trained, images))
    print(f"{way.__name__}: loss {losses[way, False]:.4f}, fused {losses[way, True]:.4f}")
assert abs(losses[usual, True] - losses[usual, False]) < 1e-6
for way in (by_hand, turned, resumed):
    assert abs(losses[way, False] - losses[usual, False]) < 1e-6
    assert losses[way, True] > 1.5 * losses[way, False]

start = torch.randn(4, 6, 3, 3, generator=torch.Generator().manual_seed(2))
slope = torch.randn(4, 6, 3, 3, generator=torch.Generator().manual_seed(3))
for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad):
    results = []
    for fused in (False, True):
        weight = nn.Parameter(start.clone())
        weight.grad = slope.contiguous(memory_format=last)
        kind([weight], lr=0.1, fused=fused).step()
        results.append(weight.detach())
    moved = float((results[0] - results[1]).abs().max())
    print(f"{kind.__name__}: one step, weights differ by up to {moved:.2f}")
    assert moved > 0.1
END
