"""Released detectors: files of weights, each with a model card beside it.

A card says what a detector was trained on, by which recipe, and what it reaches. Knows nothing of
what is in the files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nasface.errors import ConfigError, did_you_mean
from nasface.models.hub import WEIGHTS, download_weights, is_hub_address, parse_hub_address

ReleasedPrecision = Literal["float32", "int8"]
"""In which numbers a released detector computes."""

_FOLDER = Path(__file__).parent
DEFAULT_MODEL = "asfd-nano"
"""The released detector that is used where none is named."""


@dataclass(frozen=True)
class ReleasedModel:
    """A detector that comes with the package: its weights, the ONNX file of the same with 8-bit
    convolutions (None where that would be no faster), and the card that describes both."""

    name: str
    weights: Path
    int8: Path | None
    card: Path


def released_models() -> dict[str, ReleasedModel]:
    """Return all released detectors by name, sorted."""
    found = {}
    for path in sorted(_FOLDER.glob("*.safetensors")):
        int8 = path.with_name(f"{path.stem}-int8.onnx")
        found[path.stem] = ReleasedModel(
            path.stem, path, int8 if int8.is_file() else None, path.with_suffix(".md")
        )
    return found


def released_model(name: str) -> ReleasedModel:
    """Return the released detector of a name.

    Raises:
        ConfigError: for a name that none of them has.
    """
    models = released_models()
    if name not in models:
        raise ConfigError(
            f"model: unknown {name!r}; expected one of {', '.join(models)}"
            f"{did_you_mean(name, models)}"
        )
    return models[name]


def weights_path(name: str | Path, precision: ReleasedPrecision = "float32") -> Path:
    """Return the file of weights of a name.

    That is a released detector, an address of the Hugging Face Hub (``hf://owner/name``, whose
    weights are fetched), a folder in the Hub's form (``model.safetensors`` in it), or a path.
    Some released detectors alone have an int8 file.

    Raises:
        ConfigError: for int8 of anything else, a folder that holds weights in other files, and a
            single word that is no file, but nearly the name of a released detector.
        ConfigError, RunError: for an address that leads to no weights.
    """
    models = released_models()
    if not str(name):
        raise ConfigError("weights: the name is empty; expected a released detector or a file")
    if precision == "int8":
        int8 = {each.name: each.int8 for each in models.values() if each.int8}
        if str(name) not in int8:
            raise ConfigError(
                f"precision: int8 is there for {', '.join(int8)}, not for {name}; nasface "
                "quantize makes an .onnx file of other weights"
            )
        return int8[str(name)]
    if is_hub_address(name):
        return download_weights(parse_hub_address(name))
    if (Path(name) / WEIGHTS).is_file():
        return Path(name) / WEIGHTS
    if str(name) in models:
        return models[str(name)].weights
    path = Path(name)
    # Python 3.14 raises for what no path can hold, where it found nothing before.
    inside = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    if inside:
        raise ConfigError(f"{path}: is a folder; expected {' or '.join(map(str, inside))}")
    near = did_you_mean(str(name), models)
    if near and path.name == str(name) and not path.suffix and not path.exists():
        raise ConfigError(f"{name}: is no file and no released detector{near}")
    return path
