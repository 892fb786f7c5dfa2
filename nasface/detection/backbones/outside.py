"""Backbones of timm and torchvision, their feature maps taken by stride."""

import copy
from itertools import pairwise
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from nasface.detection.backbones.base import Backbone
from nasface.errors import ConfigError, MissingPackageError, did_you_mean
from nasface.optional import need

LEVELS_OF_BACKBONE = (2, 3, 4, 5)

_HEADS = ("avgpool", "fc", "classifier", "head", "heads", "dropout", "AuxLogits", "aux1", "aux2")
_PROBE = 128
_PROBE_SIZE = (256, 320)
_CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


def import_beside_torch(name: str) -> ModuleType:
    """Import timm or torchvision.

    Raises:
        MissingPackageError: if it is not installed, or if torchvision's build does not fit torch's:
            the one on PyPI is built for CUDA and cannot be imported beside the CPU build of torch.
    """
    try:
        return need(name, "nasface[backbones]")
    except (RuntimeError, OSError) as problem:
        if "torchvision" not in str(problem):
            raise
        raise MissingPackageError(
            f"{name}: torchvision is installed, but not the build for torch {torch.__version__} "
            f"({str(problem).splitlines()[0]}); expected, beside the CPU build of torch: "
            f"pip install --force-reinstall --no-deps torchvision --index-url {_CPU_WHEELS}"
        ) from None


class TimmBackbone(Backbone):
    """A network of timm, ``timm:NAME``, without its classifier; random weights.

    Weights have the names of timm's files. Its levels are those of ``feature_info``; it must take
    images of any size.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        timm = import_beside_torch("timm")
        if not timm.is_model(name):
            near = did_you_mean(name, timm.list_models())
            raise ConfigError(f"backbone: timm has no {name!r}; expected one of its models{near}")
        body: Any = timm.create_model(name, pretrained=False, num_classes=0)
        if not hasattr(body, "forward_intermediates"):
            raise ConfigError(f"backbone: timm:{name} gives no feature maps")
        reductions = {each["reduction"]: at for at, each in enumerate(body.feature_info)}
        self.indices = [
            _of_level(reductions, level, f"timm:{name}") for level in LEVELS_OF_BACKBONE
        ]
        widths = [body.feature_info[at]["num_chs"] for at in self.indices]
        self.channels = dict(zip(LEVELS_OF_BACKBONE, widths, strict=True))
        self.body: nn.Module = body
        self._check_maps(f"timm:{name}")

    def _check_maps(self, name: str) -> None:
        """Refuse networks of one image size, and those whose maps are not as large as stated.

        Inception and NASNet leave out borders, CrossViT resizes images: their strides in
        ``feature_info`` are rounded, and anchors would lie beside the pixels they stand for.
        """
        probe = copy.deepcopy(self.body).to("meta").eval()
        images = torch.zeros(1, 3, *_PROBE_SIZE, device="meta")
        try:
            with torch.no_grad():
                maps = cast(Any, probe).forward_intermediates(
                    images, indices=self.indices, intermediates_only=True
                )
        except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as problem:
            said = (str(problem) or type(problem).__name__).splitlines()[0]
            raise ConfigError(
                f"backbone: {name} does not take images of any size, a detector must; at "
                f"{_PROBE_SIZE[1]}x{_PROBE_SIZE[0]}: {said}"
            ) from None
        for level, each in zip(LEVELS_OF_BACKBONE, maps, strict=True):
            expected = (self.channels[level], *(side >> level for side in _PROBE_SIZE))
            if tuple(each.shape[1:]) != expected:
                raise ConfigError(
                    f"backbone: the map of stride {2**level} of {name} is {tuple(each.shape[1:])} "
                    f"at an image of {_PROBE_SIZE[1]}x{_PROBE_SIZE[0]}, expected {expected}"
                )

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..5 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        body = cast(Any, self.body)
        maps = body.forward_intermediates(
            images_B3HW, indices=self.indices, intermediates_only=True
        )
        return dict(zip(LEVELS_OF_BACKBONE, maps, strict=True))

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the whole network, as it can be frozen: timm's networks name their stages
        differently."""
        return [[self.body]]

    def named_by_files(self) -> nn.Module:
        """Return the network itself."""
        return self.body


class TorchvisionBackbone(Backbone):
    """A network of torchvision, ``torchvision:NAME``, without its classifier; random weights.

    It must be a chain of layers, as ResNets, MobileNets, EfficientNets, RegNets and ConvNeXts are;
    a level is the last map of its stride. Weights have the names of torchvision's files.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        models = import_beside_torch("torchvision").models
        known = models.list_models(module=models)
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(
                f"backbone: torchvision has no {name!r}; expected one of its models{near}"
            )
        self.body: nn.Module = models.get_model(name, weights=None)
        for head in _HEADS:
            if hasattr(self.body, head):
                setattr(self.body, head, nn.Identity())
        self.layers = _chain(self.body)
        ends = self._ends(f"torchvision:{name}")
        self.ends = {level: ends[level][0] for level in LEVELS_OF_BACKBONE}
        self.channels = {level: ends[level][1] for level in LEVELS_OF_BACKBONE}

    def _ends(self, name: str) -> dict[int, tuple[int, int]]:
        """Return level -> number of its last layer, and its channels."""
        found: dict[int, tuple[int, int]] = {}
        mode = self.body.training
        x = torch.zeros(1, 3, _PROBE, _PROBE)
        try:
            with torch.no_grad():
                self.body.eval()
                for at, path in enumerate(self.layers):
                    x = self.body.get_submodule(path)(x)
                    stride = _PROBE // x.shape[-1]
                    found[stride.bit_length() - 1] = (at, x.shape[1])
        except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            raise ConfigError(
                f"backbone: {name} is no chain of layers with maps; expected a network such as "
                "torchvision:resnet18 or torchvision:mobilenet_v3_large"
            ) from None
        finally:
            self.body.train(mode)
        for level in LEVELS_OF_BACKBONE:
            _of_level({2**each: each for each in found}, level, name)
        return found

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..5 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        x, found = images_B3HW, {}
        levels = {end: level for level, end in self.ends.items()}
        for at, path in enumerate(self.layers[: self.ends[5] + 1]):
            x = self.body.get_submodule(path)(x)
            if at in levels:
                found[levels[at]] = x
        return found

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the stem and C2 as one, then each stage, as they can be frozen."""
        bounds = [0, *(end + 1 for end in self.ends.values())]
        return [
            [self.body.get_submodule(path) for path in self.layers[first:end]]
            for first, end in pairwise(bounds)
        ]

    def named_by_files(self) -> nn.Module:
        """Return the network itself."""
        return self.body


def _chain(body: nn.Module) -> list[str]:
    """Return the paths of the layers that follow one another; those in a sequence count one by
    one."""
    paths = []
    for name, child in body.named_children():
        if name in _HEADS:
            continue
        is_sequence = isinstance(child, nn.Sequential) and name in ("features", "trunk_output")
        inner = [f"{name}.{each}" for each, _ in child.named_children()] if is_sequence else [name]
        paths += inner
    return paths


def _of_level(reductions: dict[int, int], level: int, name: str) -> int:
    if 2**level not in reductions:
        raise ConfigError(
            f"backbone: {name} has maps of strides {sorted(reductions)}; expected 4, 8, 16 and 32"
        )
    return reductions[2**level]
