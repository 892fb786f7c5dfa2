"""What a word stands for: a detector of the zoo, weights, a hand-made neck or a genotype."""

from dataclasses import dataclass, replace
from pathlib import Path

from nasface.api.detector import FaceDetector
from nasface.arch.genotype import Genotype
from nasface.arch.io import as_genotype, load_genotype, names_genotype, packaged_names
from nasface.detection.config import DetectorConfig
from nasface.detection.necks.registry import GENOTYPE, is_hand_made, uses_genotype
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.errors import ConfigError, one_of
from nasface.inference.loading import WEIGHTS_SUFFIXES, read_detector
from nasface.models import released_models, weights_path
from nasface.models.hub import is_hub_address

SEVERAL = ("family", "peers", "necks")
"""Words that stand for several detectors, which ``nasface cost`` lists."""


@dataclass(frozen=True)
class NamedDetector:
    """A detector as it can be built: its settings, and its cells unless its neck is hand-made."""

    title: str
    config: DetectorConfig
    genotype: Genotype | None


def detector_as_it_is(
    source: object, genotype: Genotype | str | Path | None = None, neck: str | None = None
) -> NamedDetector:
    """Return a detector that is given, or the one of the zoo or of weights that a word stands for,
    with its own settings.

    ``neck`` takes the place of a zoo detector's own; ``genotype`` is that of one of the zoo that
    takes one, the reference genotype by default.

    Raises:
        ConfigError: for a word that stands for none, anything else, and a genotype or neck for what
            has its own or takes none. RunError: for a file of no detector.
    """
    for name, value in (("genotype", genotype), ("neck", neck)):
        if value is not None and str(source) not in MODELS:
            raise ConfigError(f"{name}: is for a model of the zoo, which {source} is not")
    if isinstance(source, FaceDetector):
        return NamedDetector(source.name, source.config, source.genotype)
    if not isinstance(source, str | Path):
        raise ConfigError(
            f"source: is of type {type(source).__name__}; expected a genotype, a detector, or the "
            "name or file of one"
        )
    word = str(source)
    if word in MODELS:
        config = MODELS[word].detector
        return _of_zoo(word, replace(config, neck=config.neck if neck is None else neck), genotype)
    if _is_weights(source):
        return _of_weights(source)
    if word in SEVERAL:
        raise ConfigError(f"{word}: stands for several detectors; expected one, such as d0")
    raise _unknown(word, "weights, a genotype's YAML file")


def detector_in_settings(
    word: str, config: DetectorConfig, genotype: str | Path = REFERENCE_GENOTYPE
) -> NamedDetector:
    """Return the detector that a word and settings describe together.

    The word is a name of the zoo, a hand-made neck or a genotype, whose place in the detector
    ``config`` says, or weights, which have their own settings. ``genotype`` is that of one of the
    zoo that takes one.

    Raises:
        ConfigError: for an unknown word, or a genotype that the neck has no place for. SpecError,
            RunError: for a file that does not hold what it should.
    """
    if word in MODELS:
        asked = genotype if uses_genotype(config.neck) else None
        if asked is None and genotype != REFERENCE_GENOTYPE:
            raise ConfigError(
                f"genotype: {genotype} has no place in {word}, whose neck is {config.neck}"
            )
        found = _of_zoo(word, config, asked)
        part = found.genotype.name if found.genotype else f"neck {config.neck}"
        return replace(found, title=f"{word}, {part}")
    if is_hand_made(word):
        return NamedDetector(f"neck {word}", replace(config, neck=word), None)
    if _is_weights(word):
        return _of_weights(word)
    if not names_genotype(word):
        accepted = ", ".join(["weights", "a genotype's YAML file", "a neck", *SEVERAL])
        raise _unknown(word, accepted)
    if not uses_genotype(config.neck):
        raise ConfigError(f"neck: {config.neck} has no place for genotype {word}")
    cells = load_genotype(word)
    return NamedDetector(cells.name, config, cells)


def _of_zoo(
    name: str, config: DetectorConfig, genotype: Genotype | str | Path | None
) -> NamedDetector:
    if not uses_genotype(config.neck):
        if genotype is not None:
            raise ConfigError(
                f"genotype: {name} has none, its neck is {config.neck}; expected neck {GENOTYPE} "
                "with it"
            )
        return NamedDetector(name, config, None)
    cells = REFERENCE_GENOTYPE if genotype is None else genotype
    return NamedDetector(name, config, as_genotype(cells))


def _is_weights(name: str | Path) -> bool:
    """Return whether a path is weights, or a folder, in which some may be."""
    if is_hub_address(name) or str(name) in released_models():
        return True
    path = Path(name)
    return path.suffix.lower() in WEIGHTS_SUFFIXES or (bool(str(name)) and path.is_dir())


def _of_weights(name: str | Path) -> NamedDetector:
    loaded = read_detector(weights_path(name))
    is_released = str(name) in released_models()
    title = name if is_released else loaded.metrics.get("model") or loaded.name
    return NamedDetector(str(title), loaded.config, loaded.genotype)


def _unknown(name: str, accepted: str) -> ConfigError:
    known = [*MODELS, *packaged_names("nasface.genotypes"), *released_models()]
    return ConfigError(f"model: unknown {name!r}; expected {accepted}, or {one_of(name, known)}")
