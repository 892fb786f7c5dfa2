"""Plans of comparisons of models: which detectors, beside which, and what is reported of them."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasface.detection.zoo import MODELS
from nasface.errors import ConfigError, did_you_mean, one_of
from nasface.io.settings import load_config, read_config
from nasface.io.sizes import parse_size
from nasface.kinds import Settings
from nasface.models import released_models
from nasface.models.hub import is_hub_address
from nasface.studies.side_by_side.engines import MODEL_ENGINES, engines_here

_FORM = (
    "a plan of models has name and models [{name, model, and, where there is one, beside, "
    "genotype, detector, reported, series, timed}], and may have size, rounds, threads, engines, "
    "source; `nasface compare --help` shows one"
)
_WEIGHTS = (".safetensors", ".pth")


@dataclass(frozen=True, kw_only=True)
class ReportedFigures(Settings):
    """What a paper says of a model: millions of parameters, 10^9 multiply-adds, milliseconds of an
    image, and AP (0 to 1); None for what it does not say."""

    parameters_m: float | None = None
    macs_g: float | None = None
    milliseconds: float | None = None
    ap: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("parameters_m", "macs_g", "milliseconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"reported: {name} {value}, expected more than 0")
        if self.ap is not None and not 0 <= self.ap <= 1:
            raise ConfigError(f"reported: ap {self.ap}, expected 0 to 1")


@dataclass(frozen=True, kw_only=True)
class ComparedModel(Settings):
    """A row of the comparison.

    ``model`` is a detector of the zoo (random weights), a released one, or weights; ``genotype``
    and ``detector`` change the settings of one of the zoo. Its times are divided by those of the
    row ``beside``, with which it takes turns. The figure joins the rows of a ``series`` by a line.
    A row that is not ``timed`` is only counted.
    """

    name: str
    model: str
    beside: str = ""
    genotype: str = ""
    detector: dict[str, Any] = field(default_factory=dict)
    reported: ReportedFigures = field(default_factory=ReportedFigures)
    series: str = ""
    timed: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        place = f"models: {self.name}"
        if not re.fullmatch(r"[\w.+-][\w.+ -]*", self.name):
            raise ConfigError(
                f"models: name {self.name!r}, expected letters, digits, space and . + - _"
            )
        if self.model in MODELS:
            return
        is_weights = is_hub_address(self.model) or Path(self.model).suffix.lower() in _WEIGHTS
        if self.model not in released_models() and not is_weights:
            known = (*MODELS, *released_models())
            raise ConfigError(
                f"{place}: model {self.model!r}, expected weights or {one_of(self.model, known)}"
            )
        if self.genotype or self.detector:
            raise ConfigError(
                f"{place}: genotype and detector change a detector of the zoo; {self.model} has "
                "settings of its own"
            )


@dataclass(frozen=True, kw_only=True)
class ModelsPlan(Settings):
    """A comparison of models, as its file holds it.

    Each timed model sees one random image of ``size``, width x height in pixels, in ``rounds``
    rounds that count, on the CPU in ``threads`` threads, by each of ``engines``
    (:data:`~nasface.studies.side_by_side.engines.MODEL_ENGINES`); without any, by those that this
    machine has. ``source`` says where the reported figures stand.
    """

    name: str
    models: tuple[ComparedModel, ...]
    size: str = "640x480"
    rounds: int = 5
    threads: int = 1
    engines: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [each.name.replace(" ", "-") for each in self.models]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"models: names {names}, expected one or more, all different")
        parse_size(self.size)
        if min(self.rounds, self.threads) < 1:
            raise ConfigError(
                f"rounds {self.rounds}, threads {self.threads}: expected 1 or more of each"
            )
        for name in self.engines:
            MODEL_ENGINES.find(name, "engines")
        timed = {each.name for each in self.models if each.timed}
        for each in self.models:
            if not each.beside:
                continue
            if each.beside not in timed - {each.name} or not each.timed:
                raise ConfigError(
                    f"models: {each.name}: beside {each.beside!r}, expected the name of another "
                    f"model; both are timed{did_you_mean(each.beside, timed - {each.name})}"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return parse_size(self.size)

    @property
    def used_engines(self) -> tuple[str, ...]:
        """Those of the plan, or of this machine."""
        return self.engines or engines_here()

    def groups(self) -> list[tuple[ComparedModel, ...]]:
        """Return the timed models that take turns: those that ``beside`` joins, directly or by
        others."""
        group = {each.name: [each.name] for each in self.models if each.timed}
        for each in self.models:
            if each.beside and group[each.name] is not group[each.beside]:
                joined = group[each.beside] + group[each.name]
                group.update(dict.fromkeys(joined, joined))
        found = {id(names): names for names in group.values()}
        return [
            tuple(each for each in self.models if each.name in names) for names in found.values()
        ]


def is_models_plan(path: Path) -> bool:
    """Return whether the plan of a file is one of models, and not of methods.

    Raises:
        ConfigError: for a file that cannot be read.
    """
    values = read_config(path)
    return isinstance(values, dict) and "models" in values


def load_models_plan(path: Path) -> ModelsPlan:
    """Return the plan of a file.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    try:
        return load_config(ModelsPlan, path)
    except ConfigError as error:
        raise ConfigError(f"{error}; {_FORM}") from None
