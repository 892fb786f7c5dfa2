"""Detectors in the form of the Hugging Face Hub: a folder with weights, card and drawing."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasface.api.model_card import CardFacts, write_card
from nasface.errors import ConfigError, MissingPackageError, RunError
from nasface.io.files import as_path, draft_folder, write_text
from nasface.models import released_models
from nasface.models.hub import CARD, CARD_DRAWING, WEIGHTS, hub_errors, parse_hub_address
from nasface.optional import need
from nasface.runs.folder import CONFIG

if TYPE_CHECKING:
    from nasface.api.detector import FaceDetector


def save_pretrained(
    detector: "FaceDetector",
    folder: str | Path,
    *,
    runs: Sequence[str | Path] | str | Path = (),
    licence: str = "other",
    repository: str = "",
) -> Path:
    """Write a detector in the Hub's form; see :meth:`FaceDetector.save_pretrained`."""
    folder = as_path(folder, "folder")
    runs = [runs] if isinstance(runs, str | Path) else runs
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: exists and is not empty; expected a new folder")
    with draft_folder(folder) as draft:
        detector.save(draft / WEIGHTS)
        write_text(draft / CARD, _card(detector, draft, runs, licence, repository))
    return folder


def push_to_hub(
    detector: "FaceDetector",
    repository: str,
    *,
    runs: Sequence[str | Path] | str | Path = (),
    licence: str = "other",
    private: bool = False,
    token: str | None = None,
    message: str = "Detector of nasface",
) -> str:
    """Publish a detector; see :meth:`FaceDetector.push_to_hub`."""
    address = parse_hub_address(f"hf://{str(repository).removeprefix('hf://')}")
    if address.revision:
        raise ConfigError(f"{repository}: expected owner/name, without a revision")
    hub = need("huggingface_hub", "nasface[hub]")
    with tempfile.TemporaryDirectory() as place:
        folder = save_pretrained(
            detector,
            Path(place) / "detector",
            runs=runs,
            licence=licence,
            repository=address.repository,
        )
        with hub_errors(str(address)):
            api = hub.HfApi(token=token)
            api.create_repo(address.repository, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=address.repository, folder_path=folder, commit_message=message
            )
    return str(address)


def _card(
    detector: "FaceDetector",
    folder: Path,
    runs: Sequence[str | Path],
    licence: str,
    repository: str,
) -> str:
    """Return the card of a detector; draw its genotype beside it, where the extra ``plots`` is
    there."""
    released = next(
        (each for each in released_models().values() if each.weights == detector.source), None
    )
    name = released.name if released else repository.rpartition("/")[2] or detector.name
    has_drawing = False
    if detector.genotype is not None:
        try:
            detector.genotype.draw(folder / CARD_DRAWING)
            has_drawing = True
        except MissingPackageError:
            pass
    own = detector.source.parent if detector.source else None
    if not runs and own is not None and (own / CONFIG).is_file():
        runs = [own]
    facts = CardFacts(
        name,
        detector.config,
        detector.genotype,
        detector.metrics,
        [Path(each) for each in runs],
        licence,
        has_drawing,
    )
    text = write_card(facts, repository)
    if released is not None:
        text += "\n" + released.card.read_text("utf-8").replace("\n# ", "\n## ")
    return text
