"""A narrow backbone that starts from a wide one: it keeps the channels of greatest norm."""

from collections.abc import Mapping
from itertools import takewhile

import torch
from torch import Tensor

from nasface.detection.backbones.inverted_residual import InvertedResidual, InvertedResiduals

_NORM_FIELDS = ("weight", "bias", "running_mean", "running_var")


def has_more_channels(state: Mapping[str, Tensor], backbone: InvertedResiduals) -> bool:
    """Return whether a state dict is of the same plan as a backbone, and has more channels."""
    own = backbone.state_dict()
    names = {key for key in own if not key.endswith("num_batches_tracked")}
    if not names <= state.keys():
        return False
    pairs = [(state[key].shape, own[key].shape) for key in names]
    fits = all(
        len(one) == len(other) and all(a >= b for a, b in zip(one, other, strict=True))
        for one, other in pairs
    )
    return fits and any(one != other for one, other in pairs)


def narrowed(wide: Mapping[str, Tensor], backbone: InvertedResiduals) -> dict[str, Tensor]:
    """Return the state dict of ``backbone`` made of that of a wider one with the same plan.

    Each layer keeps the outputs whose filters have the greatest L1 norm (Li et al., ICLR 2017,
    arXiv 1608.08710), times the scale of their normalisation. Blocks joined by a shortcut keep the
    same channels, those of the greatest sum of norms.
    """
    own = backbone.state_dict()
    kept: dict[str, Tensor] = {}

    def width(conv: str) -> int:
        return len(own[f"{conv}.weight"])

    inputs = _strongest(_norms(wide, "features.0.0", "features.0.1"), width("features.0.0"))
    _keep(kept, wide, "features.0.0", "features.0.1", inputs, None)
    blocks = [each for each in backbone.features if isinstance(each, InvertedResidual)]
    # Blocks of a row, but for its first, have shortcuts in the wide net.
    is_first = [at == 0 for row in backbone.plan.rows for at in range(row.count)]
    lasts = [(f"features.{at}.conv.", len(each.conv) - 2) for at, each in enumerate(blocks, 1)]
    outputs = inputs
    for at, (prefix, last) in enumerate(lasts):
        hidden = inputs
        if last == 2:
            expand, norm = f"{prefix}0.0", f"{prefix}0.1"
            hidden = _strongest(_norms(wide, expand, norm), width(expand))
            _keep(kept, wide, expand, norm, hidden, inputs)
        depthwise = f"{prefix}{last - 1}."
        _keep(kept, wide, f"{depthwise}0", f"{depthwise}1", hidden, None)
        if is_first[at]:
            others = takewhile(lambda each: not is_first[each], range(at + 1, len(lasts)))
            joined = [lasts[each] for each in (at, *others)]
            norms = [_norms(wide, f"{each}{n}", f"{each}{n + 1}") for each, n in joined]
            outputs = _strongest(torch.stack(norms).sum(0), width(f"{prefix}{last}"))
        _keep(kept, wide, f"{prefix}{last}", f"{prefix}{last + 1}", outputs, hidden)
        inputs = outputs
    return kept


def _norms(state: Mapping[str, Tensor], conv: str, norm: str) -> Tensor:
    """Return the strength of each output channel."""
    return state[f"{conv}.weight"].abs().flatten(1).sum(1) * state[f"{norm}.weight"].abs()


def _strongest(norm_C: Tensor, count: int) -> Tensor:
    """Return the indices of the strongest channels, in their order."""
    return norm_C.topk(count).indices.sort().values


def _keep(
    kept: dict[str, Tensor],
    state: Mapping[str, Tensor],
    conv: str,
    norm: str,
    outputs: Tensor,
    inputs: Tensor | None,
) -> None:
    """Copy some outputs and inputs of a convolution, and its normalisation; a depthwise one, or the
    first, has all its inputs."""
    weight = state[f"{conv}.weight"][outputs]
    kept[f"{conv}.weight"] = weight if inputs is None else weight[:, inputs]
    for name in _NORM_FIELDS:
        kept[f"{norm}.{name}"] = state[f"{norm}.{name}"][outputs]
