"""Detectors as files that compute with 8-bit integers, beside the same in float32."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.api.arguments import annotated_images, refuse
from nasface.api.detector import FaceDetector
from nasface.api.evaluation import evaluate
from nasface.api.loading import as_detector, load_detector
from nasface.api.progress import shown_progress
from nasface.data.images import read_image
from nasface.data.inputs import list_inputs
from nasface.data.reading import ReadConfig, check_images
from nasface.data.tensors import to_tensor
from nasface.deploy.benchmark import BenchmarkConfig, LatencyRow, benchmark
from nasface.deploy.config import ExportConfig
from nasface.deploy.outputs import check_output, named_refusals
from nasface.deploy.quantization.config import QuantizationConfig, uses_reduced_range
from nasface.deploy.quantization.registry import QUANTIZED_FORMS, QuantizedForm
from nasface.engine.evaluate import Evaluation
from nasface.errors import ConfigError, DataError, ExportError, RunError, check_kind
from nasface.inference.predict import InferenceConfig, SuppressionConfig, resize_by
from nasface.inference.tta import views_of
from nasface.io.files import as_path, draft
from nasface.io.settings import checked_settings, with_settings
from nasface.io.strict_json import to_json
from nasface.models import DEFAULT_MODEL, weights_path
from nasface.optional import require
from nasface.progress import Progress, Silent

FORMS = ("float32", "int8")
"""What is compared, in this order."""


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(QuantizationConfig, ReadConfig):
    """Settings of a quantisation: weights, calibration images, measurements."""

    weights: str = DEFAULT_MODEL
    """A released detector by name, or weights that `nasface train` wrote."""
    data: str = ""
    """Folder of annotated images, or its .json, .yaml, .csv or label.txt file: training images
    calibrate, on validation images AP is measured before and after."""
    images: tuple[str, ...] = ()
    """Photographs, folders or patterns to calibrate with, instead of training images."""
    samples: int = 32
    """Images to calibrate with at most, spread over all."""
    longer_side: int | None = None
    """Images are seen with a longer side of so many pixels; null: at their size."""
    outputs: Literal["boxes", "detections"] = "boxes"
    """What an .onnx file gives, as of `nasface export`; an .xml file gives heads."""
    suppression: SuppressionConfig = field(default_factory=SuppressionConfig)
    """The suppression of outputs detections."""
    timing: BenchmarkConfig = field(default_factory=BenchmarkConfig)
    """How the time of both files is measured."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise ConfigError(f"samples: {self.samples}, expected 1 or more")
        InferenceConfig(longer_side=self.longer_side)

    @property
    def inference(self) -> InferenceConfig:
        """How images are seen where AP is measured."""
        return InferenceConfig(longer_side=self.longer_side)


@dataclass(frozen=True, eq=False)
class Quantized:
    """An 8-bit file beside the same detector in float32, both run by the same runtime.

    ``before`` and ``after`` are the evaluations of the two, None without annotated validation
    images. ``times`` has two rows for each number of threads, float32 first, whose files are named
    float32 and int8. ``samples`` images calibrated; ``reduced_range`` says whether weights have 7
    bits.
    """

    path: Path
    samples: int
    reduced_range: bool
    before: Evaluation | None
    after: Evaluation | None
    times: Sequence[LatencyRow]

    @property
    def slower_with(self) -> list[int]:
        """Numbers of threads with which 8 bits are slower than float32 here."""
        return [row.threads for row in self.times[1::2] if row.relative > 1]

    @property
    def average_precisions(self) -> list[dict[str, Any]]:
        """AP ``before`` and ``after`` of all faces and by height, with ``name`` and ``faces``."""
        if self.before is None or self.after is None:
            return []
        pairs = zip(self.before.rows, self.after.rows, strict=True)
        return [
            {"name": old.name, "faces": old.faces, "before": old.value, "after": new.value}
            for old, new in pairs
        ]

    def figures(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "file": str(self.path),
            "samples": self.samples,
            "reduced_range": self.reduced_range,
            "ap": self.average_precisions,
            "times": [asdict(row) for row in self.times],
            "slower_with_threads": self.slower_with,
        }


def quantize(
    detector: FaceDetector | str | Path,
    path: str | Path,
    data: Sequence[ImageRecord] | str | Path = "",
    *,
    val: Sequence[ImageRecord] | str | Path | None = None,
    images: Sequence[str | Path] | str | Path = (),
    config: QuantizeConfig | None = None,
    overwrite: bool = False,
    progress: bool | Progress | None = None,
    **options: Any,
) -> Quantized:
    """Write a detector as a file whose convolutions compute with 8-bit integers.

    ``detector`` is one, the file of one, or the name of a released one. The suffix of ``path`` says
    what runs it: ``.onnx`` ONNX Runtime; ``.xml`` OpenVINO, with the weights in a ``.bin`` file
    beside it. Weights are int8, one scale per output channel, activations have 8 bits; see
    :mod:`nasface.deploy.quantization`. The annotated images ``data``, where it is a folder its
    training images, or else ``images`` (files, folders or patterns) say in which ranges activations
    lie. On the annotated images ``val``, by default the validation images of the folder ``data``,
    AP is measured before and after; without either it is not. ``options`` are settings of
    :class:`QuantizeConfig`, such as ``calibration="entropy"``, and override those of ``config``.

    Raises:
        RunError: if no detector can be loaded of the file.
        ConfigError: for an unknown option or suffix, no images, or a detector of an exported file.
        DataError: naming images or annotations that cannot be read.
        MissingPackageError: if a package is missing.
        ExportError: if the file is there already, or it cannot be quantised or run;
            OutputError: if it cannot be written. No file is written then.
    """
    refuse(options, ("weights", "data", "images"))
    detector = as_detector(detector)
    settings = checked_settings(QuantizeConfig, config, "quantize")
    settings = with_settings(settings, options, "quantize")
    given = None if isinstance(data, str | Path) else annotated_images(data, "data")
    if isinstance(images, str | Path):
        images = [images]
    check_kind("images", images, Iterable, "a list of paths")
    settings = replace(
        settings,
        weights=str(detector.source or ""),
        data=str(data) if given is None else "",
        images=tuple(map(str, images)),
    )
    path = as_path(path, "path")
    form = _form(path, settings, overwrite)
    require(form.install, *form.needs)
    loaded, outputs = detector.loaded(), form.outputs[0]
    if settings.outputs in form.outputs:
        outputs = settings.outputs
    with ExitStack() as stack:
        shown = stack.enter_context(shown_progress(progress))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        samples = _samples(settings, given, shown)
        validation = _validation(settings) if val is None else annotated_images(val, "val")
        exported = ExportConfig(outputs=outputs, suppression=settings.suppression)
        whole = folder / f"float32{path.suffix.lower()}"
        form.save(loaded, whole, exported)
        before = _evaluate(whole, validation, settings, shown)
        about = _about(settings, len(samples))
        temporary, *_ = [stack.enter_context(draft(each)) for each in form.files(path)]
        with named_refusals(path):
            form.quantize(whole, temporary, samples, settings, about, shown)
            _check_runs(temporary, samples[0]())
        after = _evaluate(temporary, validation, settings, shown)
        times = [
            replace(row, file=FORMS[at % 2])
            for at, row in enumerate(benchmark([whole, temporary], settings.timing, shown))
        ]
    reduced = uses_reduced_range(settings.reduce_range)
    return Quantized(path, len(samples), reduced, before, after, times)


def _form(path: Path, settings: QuantizeConfig, overwrite: bool) -> QuantizedForm:
    """Return the form that a file asks for, if it can be made there."""
    form = QUANTIZED_FORMS.find(path.suffix.lower(), str(path))
    form.check(settings)
    if settings.outputs == "detections" and "detections" not in form.outputs:
        raise ConfigError(
            f"outputs: detections are not available for {path.suffix} files; expected boxes, for a "
            "file that gives heads"
        )
    weights = weights_path(settings.weights) if settings.weights else None
    for file in form.files(path):
        check_output(file, weights, overwrite=overwrite)
    return form


def _samples(
    settings: QuantizeConfig, records: Sequence[ImageRecord] | None, progress: Progress
) -> list[Callable[[], Tensor]]:
    """Return functions that read each calibration image: of ``records``, if they are given."""
    if records is not None:
        if settings.images:
            raise ConfigError("data, images: expected one of them, to calibrate with")
    elif settings.images:
        files = list_inputs(settings.images, lambda path: False).images
        records = [ImageRecord(str(path), path, [], exif="apply") for path in files]
    elif settings.data:
        if "train" not in settings.splits(Path(settings.data)):
            raise DataError(
                f"{settings.data}: has no training images to calibrate with; expected images too"
            )
        records = _annotated(settings, "train")
    else:
        raise ConfigError("data, images: expected one of them, to calibrate with")
    if not records:
        raise DataError(f"{settings.data or ' '.join(settings.images) or 'data'}: has no image")
    count = min(settings.samples, len(records))
    chosen = [records[at * len(records) // count] for at in range(count)]
    check = check_images(chosen, settings.bad_images, "calibration", progress, has_boxes=False)
    return [
        partial(_read, each.path, each.exif == "apply", settings.longer_side)
        for each in check.readable
    ]


def _annotated(settings: QuantizeConfig, split: str) -> AnnotatedDataset:
    return settings.read(settings.data, split, need_images=settings.bad_images == "stop")


def _read(path: Path, exif: bool, longer_side: int | None) -> Tensor:
    """Return an image as the detector sees it, float32 (1, 3, H, W)."""
    image = read_image(path, exif=exif)
    height, width = image.shape[:2]
    view = views_of("original", height, width, longer_side)[0]
    return to_tensor(resize_by(image, view.scale))[None]


def _validation(settings: QuantizeConfig) -> AnnotatedDataset | None:
    """Return the images to measure AP on, if there are any with a face."""
    if not settings.data or "val" not in settings.splits(Path(settings.data)):
        return None
    validation = _annotated(settings, "val")
    return validation if validation.faces else None


def _evaluate(
    file: Path,
    validation: Sequence[ImageRecord] | None,
    settings: QuantizeConfig,
    progress: Progress,
) -> Evaluation | None:
    if validation is None:
        return None
    return evaluate(
        load_detector(file, "cpu"),
        validation,
        inference=settings.inference,
        bad_images=settings.bad_images,
        progress=progress,
    )


def _check_runs(file: Path, image: Tensor) -> None:
    """Raise unless a file loads and gives finite numbers."""
    height, width = image.shape[2:]
    threads = (torch.get_num_threads(),)
    once = BenchmarkConfig(size=f"{width}x{height}", repeats=1, threads=threads)
    try:
        # First in a process of its own: OpenVINO 2026.4.1 can end the one that it is in.
        benchmark([file], once, Silent())
        found = load_detector(file, "cpu")(image)
    except (ExportError, RunError) as problem:
        raise ExportError(
            f"it does not run here: {str(problem).removeprefix(f'{file}: ')}"
        ) from None
    if not all(torch.isfinite(each).all() for each in found[:2]):
        raise ExportError("it gives values that are not finite")


def _about(settings: QuantizeConfig, samples: int) -> dict[str, str]:
    """Return what the file's metadata say of how it was made."""
    reduced = uses_reduced_range(settings.reduce_range)
    made = {
        "calibration": settings.calibration,
        "images": samples,
        "weights": "int8 per channel" + ", 7 bits" * reduced,
        "activations": "8 bits",
        "kept_float": settings.keep_float,
    }
    return {"precision": "int8", "quantization": to_json(made, indent=None)}
