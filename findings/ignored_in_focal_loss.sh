#!/usr/bin/env bash
# Pixels that are ignored make a focal loss small, and so do more classes
#
# kornia 0.9.0, torch 2.13.0, CPU.
#
# Expected: with gamma = 0 a focal loss is the cross-entropy, reduction="mean" is the mean over the pixels, and
# ignore_index leaves pixels out of it, as torch's cross_entropy does with the same arguments.
# Seen: focal_loss has one value per class, all but that of the true class 0, and divides by all of them: with C
# classes it is the cross-entropy / C. Ignored pixels are added as 0 and count: with three quarters ignored the
# loss is a quarter, in focal_loss as in binary_focal_loss_with_logits. reduction="none" shows the zeros. The
# dice and Tversky losses go the other way: a picture that is ignored whole counts as a loss of 1.
#
# Why it matters: annotations of faces ignore much (small, blurred, in crowds), differently in each batch. The
# fewer pixels are known, the smaller is the step; against a box loss over positives the balance moves with
# the data. Take reduction="sum" and divide by the pixels that count.
# nasface: has focal losses of its own, divided by the number of positives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet kornia==0.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import torch
from kornia.losses import binary_focal_loss_with_logits, dice_loss, focal_loss, tversky_loss
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

torch.manual_seed(0)
MEAN = {"alpha": None, "gamma": 0.0, "reduction": "mean"}
for classes in (2, 3, 10):
    logits = torch.randn(4, classes, 8, 8)
    labels = torch.randint(classes, (4, 8, 8))
    for ignored in (0, 2, 3):
        labels[:ignored] = -100
        right = cross_entropy(logits, labels, ignore_index=-100)
        seen = focal_loss(logits, labels, ignore_index=-100, **MEAN)
        by_sum = focal_loss(logits, labels, ignore_index=-100, **MEAN | {"reduction": "sum"})
        print(f"{classes} classes, {ignored} of 4 ignored: cross-entropy {right:.4f}, focal {seen:.4f}")
        assert torch.isclose(seen, right / classes * (4 - ignored) / 4)
        assert torch.isclose(by_sum / (labels >= 0).sum(), right)

logits = torch.randn(4, 1, 8, 8)
labels = torch.randint(2, (4, 1, 8, 8)).float()
for ignored in (0, 2, 3):
    labels[:ignored] = -100
    right = binary_cross_entropy_with_logits(logits[ignored:], labels[ignored:])
    seen = binary_focal_loss_with_logits(logits, labels, ignore_index=-100, **MEAN)
    print(f"binary, {ignored} of 4 ignored: cross-entropy {right:.4f}, focal {seen:.4f}")
    assert torch.isclose(seen, right * (4 - ignored) / 4)

logits = torch.randn(4, 3, 8, 8)
labels = torch.randint(3, (4, 8, 8))
labels[:3] = -100
for name, loss, weights in (("dice", dice_loss, ()), ("Tversky", tversky_loss, (0.5, 0.5))):
    right = loss(logits[3:], labels[3:], *weights)
    seen = loss(logits, labels, *weights, ignore_index=-100)
    print(f"{name}: {right:.4f} of the picture that counts, {seen:.4f} with three that are ignored")
    assert torch.isclose(seen, (right + 3) / 4, atol=1e-4)
END
