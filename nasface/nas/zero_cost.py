"""Zero-cost predictors: what an untrained network is said to tell about the trained one.

They cost one or a few passes. How far they can be trusted is an open question (Abdelfattah et al.,
ICLR 2021, found few that beat the number of parameters), so that comparisons measure their rank
correlation with what cells reach, beside multiply-adds and milliseconds (``rank`` of a plan).
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nasface.registry import Registry


@dataclass(frozen=True)
class Untrained:
    """A network before its first step, and what may be asked of it.

    Args:
        network: with its initial weights; those that a training would not move want no gradient.
        forward: (a network like it, images) -> all of its outputs.
        images: float32 (B, 3, H, W), some of those it would be trained on.
        losses: its training loss on one batch each, to be called.
    """

    network: nn.Module
    forward: Callable[[nn.Module, Tensor], Sequence[Tensor]]
    images: Tensor
    losses: Sequence[Callable[[], Tensor]]


Predictor: TypeAlias = Callable[[Untrained], float]
"""The prediction for a network, higher for better; leaves the network as it is, apart from running
statistics of normalisations."""

PREDICTORS: Registry[Predictor] = Registry("predictor")
"""Name -> zero-cost predictor."""


def register_predictor(name: str, predict: Predictor) -> None:
    """Add a zero-cost predictor; the ``rank`` of a comparison's plan may then name it.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    PREDICTORS.check_callable(name, predict)
    PREDICTORS.add(name, predict)


def synflow(untrained: Untrained) -> float:
    """Return the logarithm of the synaptic flow: the sum of parameter times gradient of the summed
    outputs for an image of ones, with absolute parameters and without normalisations (Tanaka et
    al., NeurIPS 2020; as a predictor Abdelfattah et al., ICLR 2021). In float64, for it grows with
    depth."""
    # On the CPU: not every device has float64.
    network = _without_norms(copy.deepcopy(untrained.network)).cpu().double().eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    ones = torch.ones_like(untrained.images[:1], dtype=torch.float64, device="cpu")
    parameters = [each for each in network.parameters() if each.requires_grad]
    flow = torch.stack([each.sum() for each in untrained.forward(network, ones)]).sum()
    gradients = torch.autograd.grad(flow, parameters, allow_unused=True)
    terms = [
        (parameter.detach() * gradient).sum()
        for parameter, gradient in zip(parameters, gradients, strict=True)
        if gradient is not None
    ]
    return math.log(float(torch.stack(terms).sum()))


@torch.no_grad()
def naswot(untrained: Untrained) -> float:
    """Return the logarithm of the determinant of the kernel that counts, for each pair of images,
    the rectified units that are on or off for both (Mellor et al., ICML 2021, equation 2): higher
    where images are told apart."""
    count = len(untrained.images)
    kernel = torch.zeros(count, count, dtype=torch.float64)

    def add(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        on = (inputs[0].flatten(1) > 0).cpu().double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    hooks = [
        module.register_forward_hook(add)
        for module in untrained.network.modules()
        if isinstance(module, nn.ReLU)
    ]
    try:
        untrained.forward(untrained.network, untrained.images)
    finally:
        for hook in hooks:
            hook.remove()
    return float(torch.linalg.slogdet(kernel).logabsdet)


def zico(untrained: Untrained) -> float:
    """Return the sum over layers of the logarithm of the sum over their weights of the mean over
    the standard deviation of the absolute gradient, over batches (Li et al., ICLR 2023, equation
    15). Weights whose gradient does not vary count nothing, and so do layers without others."""
    weights = [
        module.weight
        for module in untrained.network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.requires_grad
    ]
    sizes: list[list[Tensor]] = [[] for _ in weights]
    for loss in untrained.losses:
        gradients = torch.autograd.grad(loss(), weights, allow_unused=True)
        for weight, gradient, own in zip(weights, gradients, sizes, strict=True):
            found = torch.zeros_like(weight) if gradient is None else gradient
            own.append(found.abs().cpu().double().flatten())
    total = 0.0
    for own in sizes:
        deviation, mean = torch.std_mean(torch.stack(own), dim=0, correction=0)
        ratio = float((mean / deviation)[deviation > 0].sum())
        total += math.log(ratio) if ratio > 0 else 0.0
    return total


def _without_norms(network: nn.Module) -> nn.Module:
    """Replace the normalisations of a network by identities, in place."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    return network


register_predictor("synflow", synflow)
register_predictor("naswot", naswot)
register_predictor("zico", zico)
