"""What a word stands for: a detector of the zoo, weights, a hand-made neck or a genotype."""

from dataclasses import dataclass, replace
from pathlib import Path

from nasface.api.detector import FaceDetector
from nasface.arch.genotype import Genotype
from nasface.arch.io import as_genotype, load_genotype, names_genotype, packaged_names
from nasface.detection.config import DetectorConfig
from nasface.detection.necks.registry import is_hand_made, uses_genotype
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.errors import ConfigError, one_of
from nasface.inference.loading import WEIGHTS_SUFFIXES, read_detector
from nasface.models import released_models, weights_path
from nasface.models.hub import WEIGHTS, is_hub_address


@dataclass(frozen=True)
class NamedDetector:
    """A detector as it can be built: its settings, and its cells unless its neck is hand-made."""

    title: str
    config: DetectorConfig
    genotype: Genotype | None


def as_named_detector(
    source: object, genotype: Genotype | str | Path | None = None
) -> NamedDetector:
    """Return a detector as it can be built; ``genotype`` is that of one of the zoo, the reference
    genotype by default.

    Raises:
        ConfigError: for a name that is none, anything else, and a genotype for what has its own or
            takes none. RunError: for a file of no detector.
    """
    if genotype is not None and str(source) not in MODELS:
        raise ConfigError(f"genotype: is for a model of the zoo, which {source} is not")
    if isinstance(source, FaceDetector):
        return NamedDetector(source.name, source.config, source.genotype)
    if not isinstance(source, str | Path):
        raise ConfigError(
            f"source: is of type {type(source).__name__}; expected a genotype, a detector, or the "
            "name or file of one"
        )
    if str(source) in MODELS:
        return _of_zoo(str(source), MODELS[str(source)].detector, genotype)
    if _is_weights(source) or Path(source).is_dir():
        return _of_weights(source)
    raise _unknown(str(source), "weights, a genotype's YAML file")


def named_detector(
    name: str, config: DetectorConfig, genotype: str | Path = REFERENCE_GENOTYPE
) -> NamedDetector:
    """Return the detector that a word stands for.

    ``config`` holds the settings of one that has none of its own: of the zoo, of a hand-made neck,
    or of a genotype; ``genotype`` is that of one of the zoo that takes one.

    Raises:
        ConfigError: for an unknown word, or a genotype that the neck has no place for. SpecError,
            RunError: for a file that does not hold what it should.
    """
    if name in MODELS:
        asked = genotype if uses_genotype(config.neck) else None
        if asked is None and genotype != REFERENCE_GENOTYPE:
            raise ConfigError(
                f"genotype: {genotype} has no place in {name}, whose neck is {config.neck}"
            )
        found = _of_zoo(name, config, asked)
        part = found.genotype.name if found.genotype else f"neck {config.neck}"
        return replace(found, title=f"{name}, {part}")
    if _is_weights(name):
        return _of_weights(name)
    if is_hand_made(name):
        return NamedDetector(f"neck {name}", replace(config, neck=name), None)
    if Path(name).is_dir():
        return _of_weights(name)
    if not names_genotype(name):
        raise _unknown(name, "weights, a genotype's YAML file, a neck, family, peers, necks")
    if not uses_genotype(config.neck):
        raise ConfigError(f"neck: {config.neck} has no place for genotype {name}")
    cells = load_genotype(name)
    return NamedDetector(cells.name, config, cells)


def _of_zoo(
    name: str, config: DetectorConfig, genotype: Genotype | str | Path | None
) -> NamedDetector:
    if not uses_genotype(config.neck):
        if genotype is not None:
            raise ConfigError(f"genotype: {name} has none, its neck is {config.neck}")
        return NamedDetector(name, config, None)
    return NamedDetector(name, config, as_genotype(genotype or REFERENCE_GENOTYPE))


def _is_weights(name: str | Path) -> bool:
    is_file = Path(name).suffix.lower() in WEIGHTS_SUFFIXES or (Path(name) / WEIGHTS).is_file()
    return is_file or is_hub_address(name) or str(name) in released_models()


def _of_weights(name: str | Path) -> NamedDetector:
    loaded = read_detector(weights_path(name))
    is_released = str(name) in released_models()
    title = name if is_released else loaded.metrics.get("model") or loaded.name
    return NamedDetector(str(title), loaded.config, loaded.genotype)


def _unknown(name: str, accepted: str) -> ConfigError:
    known = [*MODELS, *packaged_names("nasface.genotypes"), *released_models()]
    return ConfigError(f"model: unknown {name!r}; expected {accepted}, or {one_of(name, known)}")
