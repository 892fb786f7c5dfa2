"""The detector in which a search space is searched."""

from collections.abc import Iterator, Mapping
from typing import cast

from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.arch.space import SearchSpace
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import DetectorTrunk, TwoShotDetector
from nasface.detection.necks.registry import GENOTYPE
from nasface.errors import ConfigError, SpecError
from nasface.nas.mixture import Mixture
from nasface.nas.supernet import Supernet
from nasface.nn.blocks import soften_rectifiers
from nasface.nn.cell import FixedModule, build_module
from nasface.structures import Predictions, ShotPair


class SearchableDetector(TwoShotDetector[Supernet]):
    """A detector whose neck is a supernet, optionally behind a fixed module.

    The paper searches AutoFEM-FPN first and AutoFEM-CPM behind it; ``before`` is then the module of
    the first one's genotype, the prefix. Checkpoints of searches have its weights under this name.
    """

    def __init__(
        self, trunk: DetectorTrunk, neck: Supernet, before: FixedModule | None = None
    ) -> None:
        super().__init__(trunk, neck)
        self.before = before

    def forward(self, images_B3HW: Tensor, mixture: Mixture) -> Predictions:
        """Return the second shot of the network that the mixture describes."""
        return self.detect(*self.features(images_B3HW), mixture)

    def features(self, images_B3HW: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Return the pyramid and the inputs of the searched cells: level -> (B, C, H, W) each.

        Neither depends on the architecture parameters.
        """
        original = self.trunk.pyramid(images_B3HW)
        return original, original if self.before is None else self.before(original)

    def detect(
        self, original: Mapping[int, Tensor], entering: Mapping[int, Tensor], mixture: Mixture
    ) -> Predictions:
        """Return the second shot for the result of :meth:`features`."""
        return self.trunk.detect(original, self.neck(entering, mixture))

    def after_features(self) -> Iterator[nn.Module]:
        """Yield the parts that come after :meth:`features`."""
        yield self.neck
        for name, part in self.trunk.named_children():
            if name not in ("backbone", "extra", "laterals"):
                yield part

    def forward_train(
        self, images_B3HW: Tensor, mixture: Mixture, *, first_shot: bool = True
    ) -> ShotPair:
        """Return both shots, for training; without ``first_shot`` the second alone, in less
        time."""
        original = self.trunk.pyramid(images_B3HW)
        return self.trunk.predict_shots(original, self._neck(original, mixture), first_shot)

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters but the architecture parameters."""
        arch_parameters = {id(parameter) for parameter in self.neck.arch_parameters.parameters()}
        return [
            parameter for parameter in self.parameters() if id(parameter) not in arch_parameters
        ]

    def _neck(self, features: Mapping[int, Tensor], mixture: Mixture) -> dict[int, Tensor]:
        if self.before is not None:
            features = self.before(features)
        return cast(dict[int, Tensor], self.neck(features, mixture))


def build_searchable(
    config: DetectorConfig, space: SearchSpace, prefix_genotype: Genotype | None = None
) -> SearchableDetector:
    """Return the detector in which a space is searched.

    Raises:
        ConfigError: if the width is not divisible by the space's ``partial_channels`` or the space
            has levels that the pyramid lacks.
        SpecError: if ``prefix_genotype`` does not fit.
    """
    _check_detector(config)
    _check_space(space, config)
    before = None
    if prefix_genotype is not None:
        _check_prefix(prefix_genotype, space)
        before = build_module(prefix_genotype, config.channels, config.levels)
    supernet = Supernet(space, config.channels)
    detector = SearchableDetector(DetectorTrunk(config), supernet, before)
    if config.negative_slope:
        soften_rectifiers(detector, config.negative_slope)
    return detector


def _check_detector(config: DetectorConfig) -> None:
    if (config.repeats, config.context, config.neck) != (1, "separable", GENOTYPE):
        raise ConfigError(
            f"repeats {config.repeats}, context {config.context}, neck {config.neck}: a search "
            f"has 1, separable and {GENOTYPE}"
        )
    if config.laterals != "projected":
        raise ConfigError(f"laterals: {config.laterals}, a search has projected")


def _check_space(space: SearchSpace, config: DetectorConfig) -> None:
    if config.channels % space.partial_channels:
        raise ConfigError(
            f"channels: {config.channels} is not divisible by partial_channels "
            f"{space.partial_channels} of space {space.name}"
        )
    for name, cell in space.cells.items():
        used = {each.level for each in cell.inputs} | set(cell.output_levels)
        if not used <= set(config.levels):
            known = space.name if "levels" in space.parameters else "autofem2"
            levels = f"{config.levels[0]}-{config.levels[-1]}"
            raise ConfigError(
                f"space {space.name}: cell {name!r} has levels {sorted(used)}, the detector offers "
                f"{list(config.levels)}; expected a space of those, such as load_search_space("
                f"{known!r}, levels={levels!r}), or --space {known} --parameters levels {levels}"
            )
        widest = max(map(len, cell.sources_of_outputs().values()))
        if cell.output.projection == "none" and widest > 1:
            raise ConfigError(
                f"space {space.name}: cell {name!r} puts out {widest} concatenated nodes; "
                "a pyramid needs projection conv or conv_norm_relu, or one node at each level"
            )


def _check_prefix(prefix: Genotype, space: SearchSpace) -> None:
    shared = prefix.cells.keys() & space.cells.keys()
    if shared:
        raise SpecError(
            f"genotype {prefix.name!r} cannot stand before space {space.name}: both have "
            f"a cell named {sorted(shared)[0]!r}"
        )
