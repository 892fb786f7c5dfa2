"""The detectors that have names, as data: ASFD D0 to D6 (ASFD, Table 4) and published ones.

The paper publishes the size of each model, not its widths and depths. These rows match the sizes:
with the reference genotype ``asfd-ref``, parameters and multiply-adds at 640 x 480 come within 3 %
of the table. Other widths and depths would do so, too. The separable form has the operations of the
authors' published code; the dense form is simpler to export.
"""

from collections.abc import Mapping
from types import MappingProxyType

from nasface.detection.config import DetectorConfig
from nasface.detection.pyramid import Form
from nasface.detection.zoo_peers import PEERS, ModelSpec
from nasface.errors import ConfigError, one_of

REFERENCE_GENOTYPE = "asfd-ref"
TABLE_SIZE = (480, 640)
"""Height and width at which the paper's table counts."""


def _row(
    backbone: str,
    channels: int,
    repeats: int,
    layers: int,
    extra: tuple[int, int] | None = None,
    form: Form = "separable",
) -> DetectorConfig:
    """Return a row; without ``extra``, C6 and C7 are dense and as wide as the pyramid."""
    light = extra == (512, 256)
    return DetectorConfig(
        backbone=backbone,
        channels=channels,
        repeats=repeats,
        context=form,
        head=form if backbone.startswith("resnet") else "separable",
        head_layers=layers,
        extra="separable" if light else "dense",
        extra_channels=extra or (channels, channels),
    )


FAMILY: Mapping[str, ModelSpec] = MappingProxyType(
    {
        "d0": ModelSpec(_row("mobilenet_v1_0.25", 24, 1, 5, (512, 256)), 0.62, 0.73),
        "d1": ModelSpec(_row("mobilenet_v1", 32, 1, 3, (64, 64)), 3.90, 4.27),
        "d2": ModelSpec(_row("resnet18", 128, 1, 4), 13.56, 20.48),
        "d3": ModelSpec(_row("resnet34", 160, 2, 5), 26.56, 46.32),
        "d4": ModelSpec(_row("resnet50", 224, 2, 4), 36.76, 70.45),
        "d5": ModelSpec(_row("resnet101", 288, 3, 4), 67.73, 147.40),
        "d6": ModelSpec(_row("resnet152", 304, 3, 4), 86.10, 183.11),
        "d0-dense": ModelSpec(
            _row("mobilenet_v1_0.25", 32, 1, 3, (512, 256), form="dense"), 0.62, 0.73
        ),
        "d1-dense": ModelSpec(_row("mobilenet_v1", 40, 1, 2, (80, 80), form="dense"), 3.90, 4.27),
        "d2-dense": ModelSpec(_row("resnet18", 64, 2, 4, form="dense"), 13.56, 20.48),
        "d3-dense": ModelSpec(_row("resnet34", 96, 3, 4, form="dense"), 26.56, 46.32),
        "d4-dense": ModelSpec(_row("resnet50", 128, 4, 4, form="dense"), 36.76, 70.45),
        "d5-dense": ModelSpec(_row("resnet101", 192, 4, 4, form="dense"), 67.73, 147.40),
        "d6-dense": ModelSpec(_row("resnet152", 192, 6, 4, form="dense"), 86.10, 183.11),
    }
)
"""ASFD D0 to D6; ``parameters`` and ``macs`` are the paper's."""

MODELS: Mapping[str, ModelSpec] = MappingProxyType({**FAMILY, **PEERS})
"""All detectors that have names."""


def get_model_spec(name: str) -> ModelSpec:
    """Return the row of a name.

    Raises:
        ConfigError: for an unknown name.
    """
    if not isinstance(name, str) or name not in MODELS:
        raise ConfigError(f"model: unknown {name!r}; expected {one_of(str(name), MODELS)}")
    return MODELS[name]
