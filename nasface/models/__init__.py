"""Released detectors: files of weights, each with a model card beside it.

A card says what a detector was trained on, by which recipe, and what it reaches. Knows nothing of
what is in the files.
"""

from dataclasses import dataclass
from pathlib import Path

from nasface.errors import ConfigError

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class ReleasedModel:
    """A detector that comes with the package: its weights, and the card that describes it."""

    name: str
    weights: Path
    card: Path


def released_models() -> dict[str, ReleasedModel]:
    """Return all released detectors by name, sorted."""
    return {
        path.stem: ReleasedModel(path.stem, path, path.with_suffix(".md"))
        for path in sorted(_FOLDER.glob("*.safetensors"))
    }


def released_model(name: str) -> ReleasedModel:
    """Return the released detector of a name.

    Raises:
        ConfigError: for a name that none of them has.
    """
    models = released_models()
    if name not in models:
        raise ConfigError(f"model: unknown {name!r}; expected one of {', '.join(models)}")
    return models[name]
