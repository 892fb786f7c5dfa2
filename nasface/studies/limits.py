"""Limits of the time that the detectors of a comparison or a tuning may take."""

import math
from dataclasses import dataclass

from nasface.errors import ConfigError
from nasface.kinds import Settings


@dataclass(frozen=True, kw_only=True)
class LatencyLimit(Settings):
    """Cells whose detector takes longer are left out, and those that take less than ``at_least``.

    ``table`` is a file of ``nasface latency measure`` for the plan's detector, ``milliseconds`` the
    longest time that it may predict. With ``at_least`` close to it, cells are compared at equal
    latency.
    """

    table: str
    milliseconds: float
    at_least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.at_least < self.milliseconds < math.inf:
            raise ConfigError(
                f"limit: {self.milliseconds} milliseconds, at_least {self.at_least}: expected "
                "more than 0, and from 0 to less than that"
            )


@dataclass(frozen=True, kw_only=True)
class EqualLatency(Settings):
    """Cells whose detector takes as long as that of a fixed ``row``, up to the share ``within``.

    The limit is measured when the comparison begins (:mod:`nasface.studies.equal_latency`).
    """

    row: str
    within: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.within < 1:
            raise ConfigError(f"equal_latency: within {self.within}, expected 0 to 1")


@dataclass(frozen=True, kw_only=True)
class EqualTime(Settings):
    """Trials whose detector takes as long as the one of the plan, up to the share ``within``.

    Both take turns on this machine, in ``engine`` (onnxruntime or torch), on one 640 x 480 image,
    in the plan's threads.
    """

    within: float = 0.05
    engine: str = "onnxruntime"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.within < 1:
            raise ConfigError(f"equal_latency: within {self.within}, expected 0 to 1")
