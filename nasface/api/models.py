"""Detectors and necks by name, with random weights."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasface.api.arguments import matching
from nasface.api.detector import FaceDetector
from nasface.arch.genotype import Genotype
from nasface.arch.io import as_genotype, packaged_names
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.necks.adapter import Neck
from nasface.detection.necks.registry import is_hand_made, uses_genotype
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE, get_model_spec
from nasface.device import choose_device
from nasface.errors import ConfigError, SpecError, check_kind
from nasface.io.settings import with_settings
from nasface.models import released_models
from nasface.nn.blocks import channels_last
from nasface.random_streams import Purpose, torch_seed


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Return the names of detectors that match a pattern such as ``"*-dense"``, smallest first.

    They are those of :func:`create_detector`, which have random weights, or, with ``pretrained``,
    the released ones, which :func:`nasface.load_detector` loads with theirs.
    """
    return matching(released_models() if pretrained else MODELS, pattern)


def create_detector(
    model: str | DetectorConfig = "d0",
    genotype: Genotype | str | Path | None = None,
    *,
    device: str | torch.device = "auto",
    seed: int | None = None,
    **overrides: Any,
) -> FaceDetector:
    """Build a detector with random weights.

    Args:
        model: a name of :func:`list_models`, or settings of a detector.
        genotype: the cells of the neck: a genotype, a packaged name or a YAML file; by default
            ``asfd-ref``. A hand-made neck, such as ``neck="bifpn"``, has none.
        device: cpu, cuda, mps, or auto: a CUDA GPU where there is one.
        seed: seed of the weights; ``nasface train`` with the same seed starts from the same
            weights, and torch's random state stays as it is. None draws from that state.
        overrides: settings of :class:`~nasface.detection.config.DetectorConfig`, such as
            ``channels=32``.

    Raises:
        ConfigError: for an unknown model, setting or device, and settings that do not fit together.
        SpecError: for a genotype that is not there or does not fit.
    """
    check_kind("model", model, str | DetectorConfig, "a name of list_models, or settings")
    if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
        raise ConfigError(f"seed: {seed!r:.60}, expected a whole number from 0")
    if model in released_models():
        raise ConfigError(
            f"model: {model} is a released detector; expected load_detector({model!r}), or its "
            "config, for random weights"
        )
    config = model if isinstance(model, DetectorConfig) else get_model_spec(model).detector
    config = with_settings(config, overrides, "detector")
    if genotype is None and uses_genotype(config.neck):
        genotype = REFERENCE_GENOTYPE
    found = None if genotype is None else as_genotype(genotype)
    with nullcontext() if seed is None else torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(torch_seed(seed, Purpose.INITIAL_WEIGHTS))
        # Not on torch's default device: seeds mean the same weights everywhere.
        with torch.device("cpu"):
            module = build_detector(config, found)
    named = isinstance(model, str) and not overrides
    metrics = {"model": model} if named else {}
    module = channels_last(module.eval().to(choose_device(device)))
    return FaceDetector(module, config, found, metrics)


def create_neck(
    genotype: Genotype | str | Path,
    in_channels: Sequence[int],
    out_channels: int,
    num_outs: int | None = None,
    **options: Any,
) -> Neck:
    """Build the cells of a genotype as the neck of any detector, with random weights.

    Takes what :class:`~nasface.detection.necks.adapter.Neck` takes: ``in_channels`` are the widths
    of the backbone's maps, finest first, ``out_channels`` that of every map of the neck.

    Raises:
        SpecError: if the genotype is not there, is a hand-made neck's name, or does not fit so many
            maps.
    """
    if isinstance(genotype, str) and is_hand_made(genotype):
        known = ", ".join(packaged_names("nasface.genotypes"))
        raise SpecError(
            f"genotype: {genotype} is a hand-made neck; expected a genotype, its YAML file or one "
            f"of {known}. create_detector(neck={genotype!r}) builds a detector with that neck"
        )
    return Neck(genotype, in_channels, out_channels, num_outs, **options)
