"""Evaluation of detectors, or of detections made elsewhere, by any protocol."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from nasface.annotations.coco_results import is_coco_results, read_coco_results
from nasface.annotations.detections import ScoredBoxes, named_boxes
from nasface.annotations.names import ImageNames
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.api.arguments import annotated_images, output_folder
from nasface.api.detector import FaceDetector
from nasface.api.evaluate_config import EvaluateConfig, evaluate_config
from nasface.api.further_protocols import further_protocols
from nasface.api.loading import load_detector
from nasface.api.progress import shown_progress
from nasface.data.check import BadImages, DataCheck
from nasface.data.reading import PARTS, check_images, describe_data
from nasface.device import choose_device
from nasface.engine.evaluate import (
    DETECTIONS,
    Evaluation,
    evaluate_detector,
    note_missing_weak,
    score,
)
from nasface.errors import (
    ConfigError,
    DataError,
    MissingPackageError,
    check_choice,
)
from nasface.inference.predict import InferenceConfig, check_network
from nasface.io.settings import checked_settings, with_settings
from nasface.metrics.protocol import Protocol, Source, Truth, folder_of
from nasface.metrics.registry import PROTOCOLS
from nasface.models import weights_path
from nasface.progress import Progress
from nasface.runs.folder import RunFolder
from nasface.runs.results import FIGURES, label_of, write_curves
from nasface.structures import Detections


def evaluate(
    detector: FaceDetector | str | Path | Mapping[str, ScoredBoxes | Detections],
    dataset: Sequence[ImageRecord] | str | Path,
    protocol: str = "ap",
    *,
    inference: InferenceConfig | Mapping[str, Any] | None = None,
    also: Sequence[str] = (),
    device: str | torch.device = "auto",
    bad_images: BadImages = "stop",
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool | Progress | None = None,
    **options: Any,
) -> Evaluation:
    """Score a detector, or detections made elsewhere, on annotated images by a protocol.

    Args:
        detector: a detector or the file of one; or detections made elsewhere: their files, in the
            protocol's form or in COCO's (a ``.json`` file), or a map from the name of an image to
            boxes and scores, or to what :meth:`FaceDetector.detect` found in it.
        dataset: annotated images, such as :func:`nasface.read_dataset` gives (of a slice, only its
            images count), or the folder of a data set, whose validation part is taken, or the
            ``split`` that protocol ``ap`` is given.
        protocol: ``ap``, ``widerface``, ``fddb``, ``coco`` or a registered one.
        inference: how the detector is applied, as of :meth:`FaceDetector.detect`, such as
            ``{"longer_side": 640}``, or ``{"preset": "flip"}`` for test-time augmentation. Not for
            detections made elsewhere, which are scored as they are.
        also: further protocols that score the same detections, whose results are in ``also`` of
            this one, and in folders of ``out`` that are called after them.
        device: where a detector that is loaded of a file runs: cpu, cuda, mps or auto.
        bad_images: ``skip`` notes images that cannot be read, whose faces count as not found.
        out: new folder for settings, figures, curves, their plot and the detections; None writes
            nothing.
        resume: go on with the stopped evaluation in ``out``.
        progress: False shows nothing, True a bar or lines; by default a bar on a terminal or in a
            notebook. An object with the methods of :class:`nasface.progress.Progress` is told.
        options: settings of the protocol, such as ``ground_truth="text"``.

    Returns:
        The figures as attributes by their names, such as ``ap`` or ``easy``; its curves, which
        :func:`nasface.plot` draws; its detections.

    Raises:
        ConfigError: for an unknown protocol or option, or what is no detector. DataError: for data
            or detections that cannot be used, or other images of a protocol in ``also``.
        RunError: for a folder that is in use, or of an evaluation with other settings.
    """
    path = output_folder(out)
    known = PROTOCOLS.find(protocol)
    settings = with_settings(known.options(), options, f"protocol {protocol}")
    inference = checked_settings(InferenceConfig, inference, "inference")
    check_choice("bad_images", bad_images, get_args(BadImages))
    source = _annotated(dataset)
    truth = known.read_truth(source, settings)
    others = further_protocols(also, known, truth, settings, source)
    given = _given_detections(detector, known, truth)
    if given is not None:
        _check_unused(inference)
    config = evaluate_config(protocol)(
        **asdict(settings),
        **_source_setting(detector, given is not None),
        data=str(folder_of(source)),
        also=tuple(other.protocol.name for other in others),
        device=str(device),
        inference=inference,
        bad_images=bad_images,
    )
    folder = None if path is None else RunFolder(path)
    if folder is not None and not resume:
        folder.check_free()
    with shown_progress(progress) as shown:
        if given is None:
            check = _checked_images(truth, source, config, folder, shown)
            network = _network(detector, device)
            check_network(network, inference)
        with _opened(folder, config, resume):
            if given is not None:
                result = score(given, truth, known, settings, _source_text(detector))
                note_missing_weak(given, shown)
            else:
                if folder is not None:
                    folder.keep_data(describe_data({getattr(settings, "split", "val"): check}))
                result = evaluate_detector(
                    network,
                    truth,
                    inference,
                    shown,
                    check.left_out,
                    protocol=known,
                    options=settings,
                    folder=path,
                )
            further = {each.protocol.name: each.score(result) for each in others}
            result = replace(result, also=further)
            if folder is not None:
                _write_all(result, folder, given is None, shown)
    return result


def _annotated(dataset: Sequence[ImageRecord] | str | Path) -> Source:
    if isinstance(dataset, str | Path):
        return Path(dataset)
    images = annotated_images(dataset, "dataset")
    if not images:
        raise DataError("dataset: holds no images; expected some to score detections on")
    if isinstance(images, AnnotatedDataset):
        return images
    repeated = [name for name, times in Counter(each.name for each in images).items() if times > 1]
    if repeated:
        raise DataError(
            f"dataset: image {repeated[0]!r} occurs twice, expected each once; detections are kept "
            "by name"
        )
    return AnnotatedDataset(tuple(images), Path(), "val", "records")


def _source_text(detector: object) -> str:
    """Return how given detections came about."""
    return f"detections {Path(detector).name}" if isinstance(detector, str | Path) else "detections"


def _checked_images(
    truth: Truth,
    source: Source,
    config: EvaluateConfig,
    folder: RunFolder | None,
    progress: Progress,
) -> DataCheck:
    """Look at the images before there is a folder, so that bad ones leave none behind."""
    if not truth.images:
        raise DataError(f"{folder_of(source)}: none of its {len(truth.names)} images is there")
    if folder is not None:
        ImageNames(truth.names)  # files of detections have no suffixes
    return check_images(
        truth.images, config.bad_images, PARTS["val"], progress, has_boxes=truth.has_boxes
    )


def _network(detector: object, device: str | torch.device) -> nn.Module:
    """Return the function that maps images to predictions."""
    if isinstance(detector, str | Path):
        detector = load_detector(detector, device)
    if not isinstance(detector, FaceDetector):
        raise ConfigError(
            f"detector: {type(detector).__name__}, expected a detector, the file of one, or "
            "detections: their files, or a map from names of images"
        )
    if device != "auto" and choose_device(device).type != detector.device.type:
        raise ConfigError(
            f"device: {device} is for the file of a detector; this one is on {detector.device}, "
            f"detector.to({str(device)!r}) moves it"
        )
    return detector.network()


@contextmanager
def _opened(folder: RunFolder | None, config: EvaluateConfig, resume: bool) -> Iterator[None]:
    """Make or re-open the folder of the results, if there is one; a new one is removed after a
    failure before the first detections, and kept after Ctrl-C."""
    if folder is None:
        yield
    elif resume:
        folder.check_same(config)
        yield
    else:
        folder.create(config, "evaluation")
        interrupted = False
        with folder.discarded_on_failure(
            lambda: interrupted or (folder.path / DETECTIONS).exists()
        ):
            try:
                yield
            except KeyboardInterrupt:
                interrupted = True
                raise


def _given_detections(
    detector: object, protocol: Protocol, truth: Truth
) -> Mapping[str, ScoredBoxes] | None:
    """Return the detections made elsewhere; None where a detector has to make them."""
    if isinstance(detector, Mapping):
        pairs = {
            name: (each.boxes.numpy(), each.scores.numpy())
            if isinstance(each, Detections)
            else each
            for name, each in detector.items()
        }
        return named_boxes(pairs, truth.names)
    if isinstance(detector, str | Path) and not is_weights(Path(detector)):
        path = Path(detector)
        if protocol.takes_coco and is_coco_results(path):
            keys = {each.name: each.coco for each in truth.images if each.coco is not None}
            return read_coco_results(path, truth.names, keys)
        return protocol.read_detections(path, truth.names)
    return None


def _check_unused(inference: InferenceConfig) -> None:
    """Raise ConfigError for settings of inference beside detections that are there already."""
    usual = InferenceConfig()
    names = [each.name for each in fields(usual)]
    changed = [name for name in names if getattr(inference, name) != getattr(usual, name)]
    if changed:
        raise ConfigError(
            f"inference: {', '.join(changed)}: is for a detector that is applied to the images; "
            "given detections are scored as they are"
        )


def is_weights(path: Path) -> bool:
    """Return whether a path is that of a detector, and not of detections."""
    return weights_path(path).suffix.lower() in (".safetensors", ".onnx", ".xml")


def _source_setting(detector: object, is_given: bool) -> dict[str, str]:
    """Return where detections come from, as settings."""
    if isinstance(detector, FaceDetector):
        detector = detector.source
    path = str(detector) if isinstance(detector, str | Path) else ""
    return {"detections" if is_given else "weights": path}


def _write_all(result: Evaluation, folder: RunFolder, made_here: bool, progress: Progress) -> None:
    """Write an evaluation, and those by further protocols into folders that are called after
    them."""
    _write(result, folder, made_here, progress)
    for name, each in result.also.items():
        (folder.path / name).mkdir(exist_ok=True)
        _write(each, RunFolder(folder.path / name), made_here, progress)


def _write(result: Evaluation, folder: RunFolder, made_here: bool, progress: Progress) -> None:
    """Write figures, curves and their plot and, made here, the protocol's files of detections."""
    folder.write_json(FIGURES, result.figures())
    write_curves(folder.path, result.curves)
    if made_here:
        result.protocol.write_detections(folder.path, result.truth, result.detections)
    try:
        from nasface.plots.evaluation import plot_curves

        plot_curves({label_of(folder.path): result.curves}).save(folder.path / PLOT)
    except MissingPackageError as error:
        progress.note(f"no pictures: {error}")


PLOT = "curves.png"
"""Name of the plot in the folder of an evaluation."""
