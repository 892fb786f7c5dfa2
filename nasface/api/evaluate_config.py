"""Settings of an evaluation, to which every protocol adds its own."""

from dataclasses import dataclass, field, make_dataclass
from functools import cache

from nasface.data.check import BadImages
from nasface.inference.predict import InferenceConfig
from nasface.kinds import Settings
from nasface.metrics.protocol import Protocol
from nasface.metrics.registry import PROTOCOLS


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Settings):
    """Evaluation of weights, or of detections made elsewhere, by a protocol.

    Every protocol adds its own settings; see :func:`evaluate_config`.
    """

    protocol: str = "ap"
    """Protocol: ap, widerface, fddb, coco or a registered one."""
    also: tuple[str, ...] = ()
    """Further protocols that score the same detections, such as coco beside widerface: settings
    that they share are the same, others have their defaults."""
    data: str = ""
    """Folder of the data, or its .json, .yaml, .csv or label.txt file."""
    weights: str = ""
    """A released detector by name, weights that `nasface train` wrote, or an .onnx or .xml file of
    `nasface export`; their detections are made and scored."""
    detections: str = ""
    """Detections to score, instead of weights: in the protocol's form, or a .json file of results
    in COCO's."""
    device: str = "auto"
    """cpu, cuda, mps (Apple), or auto: a CUDA GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied; not for given detections."""
    bad_images: BadImages = "stop"
    """stop: an image that cannot be read ends the command before it begins; skip: such images are
    left out and reported, and their faces count as not found."""


def evaluate_config(protocol: str) -> type[EvaluateConfig]:
    """Return the settings of an evaluation by a protocol: those of all, and the protocol's own.

    Raises:
        ConfigError: for an unknown protocol.
    """
    return _config_of(PROTOCOLS.find(protocol))


@cache
def _config_of(known: Protocol) -> type[EvaluateConfig]:
    # By the protocol, not its name: another may be registered under it.
    kind: type[EvaluateConfig] = make_dataclass(
        f"{known.name.capitalize()}Config",
        [("protocol", str, field(default=known.name))],
        bases=(known.options, EvaluateConfig),
        frozen=True,
        kw_only=True,
    )
    return kind
