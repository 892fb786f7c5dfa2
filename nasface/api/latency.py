"""Latency tables: measured times of the parts of detectors."""

from dataclasses import dataclass, field

from nasface.arch.io import load_search_space
from nasface.arch.space import ParameterValue
from nasface.deploy.latency import LatencyCheck, check_latency, measure_latency
from nasface.detection.config import DetectorConfig
from nasface.detection.latency import LatencyTable
from nasface.device import torch_threads
from nasface.errors import ConfigError
from nasface.kinds import Settings
from nasface.nas.sampling import random_genotype
from nasface.progress import Progress, Silent

_CALIBRATION, _CHECK = 1, 2
"""Seeds of the random detectors, which are others for the factor and for the check."""


@dataclass(frozen=True, kw_only=True)
class LatencyConfig(Settings):
    """Settings of a latency measurement."""

    space: str = "autofem2"
    """Search space: a packaged name or a YAML file."""
    parameters: dict[str, ParameterValue] = field(default_factory=dict)
    """Parameters of the space, such as levels 3-5."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    """The detector in which the cells stand."""
    size: tuple[int, int] = (640, 480)
    """Width and height of the image; on the command line 640 480 or 640x480."""
    engine: str = "onnxruntime"
    """What runs the detectors: onnxruntime or torch."""
    threads: int = 1
    """Threads that it may use."""
    rounds: int = 30
    """Runs of each part, of which the median is taken."""
    calibrate: int = 6
    """Random detectors that are measured as wholes for the factor between a part by itself and
    within a network; 0 for a factor of 1."""
    check: int = 0
    """Further random detectors that are measured and compared with their prediction."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.rounds, self.threads) < 1 or min(self.calibrate, self.check) < 0:
            raise ConfigError(
                f"rounds {self.rounds}, threads {self.threads}, calibrate {self.calibrate}, check "
                f"{self.check}: expected at least 1, 1, 0 and 0"
            )
        if min(self.size) < 2 ** max(self.detector.levels):
            raise ConfigError(
                f"size: {self.size}, expected at least {2 ** max(self.detector.levels)}"
            )


def measure_table(
    config: LatencyConfig, progress: Progress | None = None
) -> tuple[LatencyTable, LatencyCheck | None]:
    """Measure a latency table on this machine, and compare predictions with random detectors.

    Raises:
        NasfaceError: for settings that do not fit together, or an engine that is missing.
    """
    space = load_search_space(config.space, config.parameters)
    shown = progress or Silent()
    with torch_threads(config.threads):
        table = measure_latency(
            config.detector,
            space,
            size=config.size,
            engine=config.engine,
            rounds=config.rounds,
            examples=[random_genotype(space, _CALIBRATION, at) for at in range(config.calibrate)],
            progress=shown,
        )
        if not config.check:
            return table, None
        genotypes = [random_genotype(space, _CHECK, at) for at in range(config.check)]
        return table, check_latency(table, genotypes, rounds=config.rounds, progress=shown)
