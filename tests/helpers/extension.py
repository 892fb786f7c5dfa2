"""What someone adds to nasface from outside the package: one of each kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import nasface
from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.detection.backbones.base import Backbone
from nasface.detection.checkpoint import LoadedDetector
from nasface.io.files import write_text
from nasface.nas.candidates import CandidateTable
from nasface.nas.config import BilevelConfig
from nasface.nas.mixture import CellMixture
from nasface.nas.policy import ArgmaxPath, Policy, StepRandom, UniformPath
from nasface.nn.blocks import separable_conv_norm_relu
from nasface.progress import Progress
from nasface.runs.logger import LoggedRun, Status


def conv_norm_relu(channels: int, stride: int) -> nn.Sequential:
    """A name that the toolkit has, too, for something else."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 2, stride, bias=False),
        nn.BatchNorm2d(channels),
        nn.Hardswish(),
    )


class Head(nn.Module):
    """Another such name; a gate: x * sigmoid(depthwise convolution of x)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW * torch.sigmoid(self.conv(x_BCHW))


def gated(channels: int, stride: int, affine: bool, *, kernel: int) -> nn.Module:
    """A gate, a 1x1 convolution, normalisation."""
    return nn.Sequential(
        Head(channels, kernel),
        nn.AvgPool2d(1, stride),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


class Maximum(nn.Module):
    """The greatest value."""

    def __init__(self, channels: int, edges: int) -> None:
        super().__init__()

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        return torch.stack(list(values)).amax(0)


@dataclass(frozen=True)
class Greedy:
    """The best path, and in a share of the steps a random one."""

    share: float

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        explores = draw.generator(draw.step).random() < self.share
        policy: Policy = UniformPath() if explores else ArgmaxPath(probes=1)
        return policy.mix(table, alpha_EO, beta_E, draw)


def greedy(config: BilevelConfig, share: float) -> Policy:
    return Greedy(0.5 * (1 - share))


class Small(Backbone):
    """A convolution and a pooling for each level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = dict.fromkeys(range(2, 6), width)
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.blocks = nn.ModuleList(conv_norm_relu(width, 1) for _ in self.channels)

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        x, features = self.stem(images_B3HW), {}
        for level, block in zip(self.channels, self.blocks, strict=True):
            x = functional.max_pool2d(block(functional.pad(x, (0, 1, 0, 1))), 3, 2, 1)
            features[level] = x
        return features

    def freezable_stages(self) -> list[list[nn.Module]]:
        return [[self.stem], *([block] for block in self.blocks)]


class Smooth(nn.Module):
    """A separable convolution of each level."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {str(level): separable_conv_norm_relu(channels) for level in levels}
        )

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        return {level: x + self.layers[str(level)](x) for level, x in features.items()}


def write_names(
    loaded: LoadedDetector, path: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """The names of the weights, a line each."""
    progress.note("writing names")
    write_text(path, "\n".join(loaded.detector.state_dict()))
    return ParityDifference(0, 0, 0, config.outputs, 0.0)


class Lines:
    """Keeps losses and the end of a run in a file of text."""

    def start(self, run: LoggedRun) -> None:
        assert run.folder is not None
        self.path = run.folder / "lines.txt"

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._add(f"{step} {','.join(values)}")

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        self._add(f"{name} {picture.ndim}")

    def artefact(self, path: Path) -> None:
        self._add(path.name)

    def end(self, status: Status) -> None:
        self._add(status)

    def _add(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line + "\n")


def register() -> None:
    """Add all of it."""
    nasface.register_operation(
        nasface.Operation("gated_3x3", "gated 3x3", partial(gated, kernel=3), needs_norm=False)
    )
    nasface.register_combine(
        nasface.CombineRule("maximum", "greatest of its sources", Maximum, symbol="max")
    )
    nasface.register_policy("greedy", greedy)
    nasface.register_backbone("small", partial(Small, 8))
    nasface.register_neck("smooth", Smooth)
    nasface.register_export_format(nasface.ExportFormat(".names", "names of weights", write_names))
    nasface.register_logger("lines", Lines)
