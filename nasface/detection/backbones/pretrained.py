"""Weights that a backbone starts from, and parts of it that training leaves alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from nasface.detection.backbones.base import Backbone
from nasface.detection.backbones.inverted_residual import InvertedResiduals
from nasface.detection.backbones.narrowing import has_more_channels, narrowed
from nasface.detection.backbones.packages import PACKAGED_WEIGHTS
from nasface.errors import ConfigError, RunError
from nasface.io.safetensors_file import load_safetensors_file
from nasface.io.torch_file import load_torch_file
from nasface.optional import PACKAGE, packaged_file

CLASSIFIER = ("fc.", "classifier.", "head.", "features.18.")
"""What names begin with that files of whole networks have and a backbone may have not."""

_PREFIX = "trunk.backbone."
"""What the names of a backbone's weights begin with in those of a detector."""

_NAMED = 5


def load_backbone_weights(backbone: nn.Module, source: str | Path) -> None:
    """Load a state dict into a backbone: ``.safetensors``, a torch file of tensors alone, or
    ``package:NAME`` for one of :data:`PACKAGED_WEIGHTS`, whose code is not run.

    Of the weights of a whole detector, as ``nasface train`` writes them, the backbone's are taken;
    a classifier is left out. Everything else must be there, in its shape, and nothing more; only
    layers that a backbone adds to the network of its name may be missing, and stay as they are.
    Weights of a wider MobileNetV2 or EfficientNet-Lite0 are narrowed, see :func:`narrowed`.

    Raises:
        RunError: naming the file and what is missing, surplus or of another shape.
        ConfigError: for an unknown package. MissingPackageError: for one that is not installed.
    """
    name = str(source)
    if name.startswith(PACKAGE):
        packaged = PACKAGED_WEIGHTS.get(name.removeprefix(PACKAGE))
        if packaged is None:
            known = ", ".join(PACKAGE + each for each in PACKAGED_WEIGHTS)
            raise ConfigError(f"backbone_weights: unknown {name!r}; expected a file, or {known}")
        path = packaged_file(packaged.install, packaged.package, packaged.path)
        found: Mapping[str, Tensor] = packaged.convert(_read(path))
    else:
        path = Path(source)
        found = _read(path)
    state = {key[len(_PREFIX) :]: found[key] for key in found if key.startswith(_PREFIX)}
    target = backbone
    if not state:
        target = backbone.named_by_files() if isinstance(backbone, Backbone) else backbone
        own = target.state_dict()
        state = {k: each for k, each in found.items() if k in own or not k.startswith(CLASSIFIER)}
    if isinstance(backbone, InvertedResiduals) and has_more_channels(state, backbone):
        state = narrowed(state, backbone)
    own = target.state_dict()
    # Counters of batches are absent from old files and mean nothing here.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    added: tuple[str, ...] = getattr(backbone, "added", ())
    if all(key.startswith(added) for key in missing):
        missing = []
    surplus = [ascii(key)[1:-1] for key in state if key not in own]
    other = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    problems = [
        f"{what} {len(keys)}: {', '.join(keys[:_NAMED])}{', ...' * (len(keys) > _NAMED)}"
        for what, keys in (("missing", missing), ("surplus", surplus), ("misshapen", other))
        if keys
    ]
    if problems:
        raise RunError(f"{path}: does not fit the backbone; {'; '.join(problems)}")
    target.load_state_dict(state, strict=False)


def freeze(backbone: Backbone, stages: int, norms: bool) -> list[nn.Module]:
    """Take the first ``stages`` of a backbone (the stem, then C2, C3, C4, C5) out of training.

    ``norms`` fixes the statistics of all its normalisations as well. Return the modules that must
    stay in evaluation mode: the frozen stages, and the normalisations.

    Raises:
        ConfigError: for more stages than there are.
    """
    parts = backbone.freezable_stages()
    if not 0 <= stages <= len(parts):
        raise ConfigError(f"freeze_stages: {stages} is not between 0 and {len(parts)}")
    fixed = [module for part in parts[:stages] for module in part]
    for module in fixed:
        module.requires_grad_(False)
    if norms:
        fixed += [each for each in backbone.modules() if isinstance(each, nn.BatchNorm2d)]
    return fixed


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix.lower() == ".safetensors":
        return load_safetensors_file(path)[0]
    state = load_torch_file(path)
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not named or not all(isinstance(each, Tensor) for each in state.values()):
        raise RunError(f"{path}: expected a state dict: names and tensors")
    return cast("dict[str, Tensor]", state)
