"""Training of face detectors on annotated images."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasface.annotations.records import ImageRecord
from nasface.api.arguments import (
    READING,
    annotated_images,
    output_folder,
    refuse,
    source_of_settings,
)
from nasface.api.detector import FaceDetector
from nasface.api.loading import as_detector
from nasface.api.progress import shown_progress
from nasface.api.table import Table
from nasface.detection.zoo import MODELS
from nasface.engine.evaluate import Evaluation
from nasface.engine.train import (
    TrainConfig,
    TrainInputs,
    TrainOutcome,
    run_training,
    train_config_of,
)
from nasface.io.settings import checked_settings, load_config, with_settings
from nasface.presets import presets
from nasface.progress import Progress

if TYPE_CHECKING:
    from nasface.plots.figure import Plot


@dataclass(frozen=True, repr=False)
class TrainResult:
    """Result of a training.

    ``detector`` is the one that was trained, with the weights after the last step; with
    ``ema_decay``, their average. ``history`` is what was logged: a row for each step (learning
    rate, loss and its parts, norm of the gradient) and one for each evaluation (``ap``).
    ``metrics`` are those of the last evaluation. ``finished`` is false if the training was stopped;
    with a ``folder`` it can be resumed. Of several processes, only the one that ``is_first`` wrote
    the folder.
    """

    detector: FaceDetector
    history: Table
    metrics: dict[str, Any]
    finished: bool
    folder: Path | None = None
    is_first: bool = True
    evaluation: Evaluation | None = field(default=None)

    def plot(self, path: str | Path | None = None) -> "Plot":
        """Draw the curves of ``history``, and with ``path`` save it as .svg, .png or .pdf.

        Raises:
            ConfigError: for another suffix. MissingPackageError: without the extra ``plots``.
        """
        from nasface.plots.curves import plot_training_curves

        figure = plot_training_curves(self.history)
        if path is not None:
            figure.save(path)
        return figure

    def __repr__(self) -> str:
        steps = self.history[-1]["step"] if self.history else 0
        state = "finished" if self.finished else "stopped"
        lines = [f"TrainResult: {self.detector.name}, {state} after {steps} steps"]
        losses = [row["loss"] for row in self.history if row.get("loss") is not None]
        if losses:
            lines.append(f"loss {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last")
        if self.metrics.get("ap") is not None:
            lines.append(f"AP {self.metrics['ap']:.3f} ({self.metrics['protocol']})")
        if self.folder is not None:
            lines.append(f"folder {self.folder}")
        return "\n  ".join(lines)


def train(
    detector: FaceDetector | str | Path,
    train: Sequence[ImageRecord] | str | Path,
    val: Sequence[ImageRecord] | str | Path | None = None,
    *,
    out: str | Path | None = None,
    epochs: int | None = None,
    resume: bool = False,
    progress: bool | Progress | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a detector in place, from the weights that it has.

    Args:
        detector: of :func:`nasface.create_detector` or :func:`nasface.load_detector`, or what the
            latter loads: a name or file, which stays as it is.
        train: annotated images, such as :func:`nasface.read_dataset` gives, or the folder of a data
            set, whose training part is taken.
        val: images to evaluate on every ``evaluate_every`` epochs and at the end, or a folder whose
            validation part is taken; None evaluates nothing.
        out: new folder for settings, metrics, checkpoint and weights, as ``nasface train`` writes
            it, the best weights on ``val`` in ``best.safetensors``; None writes nothing.
        epochs: passes over the training images.
        resume: go on with the stopped training in ``out``, given the same arguments; the result is
            that of a training which was not stopped.
        progress: False shows nothing, True a bar or lines; by default a bar on a terminal or in a
            notebook. An object with the methods of :class:`nasface.progress.Progress` is told.
        settings: fields of :class:`~nasface.engine.train.TrainConfig`, such as ``batch_size=8`` or
            ``optimizer={"lr": 0.002}``. Assignment and loss are by default those of the model in
            the zoo; a released detector has all settings of the preset that fine-tunes it.

    Ctrl-C ends the training after the step, with what there is.

    Raises:
        NasfaceError: for arguments that do not fit, data or a folder that cannot be used.
    """
    refuse(settings, (*READING, "detector", "genotype", "model"))
    detector = as_detector(detector)
    if epochs is not None:
        settings = {**settings, "epochs": epochs}
    module, genotype = detector.trainable, detector.genotype
    model = str(detector.metrics.get("model", ""))
    config = replace(
        with_settings(_settings_of(model), settings, "train"),
        data=source_of_settings(train),
        detector=detector.config,
        genotype="" if genotype is None else genotype.name,
        model=model,
    )
    inputs = TrainInputs(
        module,
        genotype,
        annotated_images(train, "train"),
        None if val is None else annotated_images(val, "val"),
    )
    folder = output_folder(out)
    with shown_progress(progress) as shown:
        found = run_training(config, folder, shown, resume=resume, inputs=inputs)
    detector.eval()
    detector.metrics = found.metrics
    return _result(found, detector)


def _settings_of(model: str) -> TrainConfig:
    """Return the settings from which the training of a detector starts, by the name of its
    model."""
    if model in MODELS:
        return train_config_of(model)
    preset = presets().get(f"{model}-finetune")
    if preset is None:
        return TrainConfig()
    return replace(load_config(TrainConfig, preset.path), start_weights="")


def train_from_config(
    config: TrainConfig,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool | Progress | None = None,
) -> TrainResult:
    """Build the detector that settings describe and train it on the data that they name; the other
    arguments are those of :func:`train`.

    Raises:
        NasfaceError: for settings, data or a folder that cannot be used.
    """
    config = checked_settings(TrainConfig, config, "train")
    folder = output_folder(out)
    with shown_progress(progress) as shown:
        found = run_training(config, folder, shown, resume=resume)
    detector = FaceDetector(found.detector, config.detector, found.genotype, found.metrics)
    return _result(found, detector)


def _result(found: TrainOutcome, detector: FaceDetector) -> TrainResult:
    return TrainResult(
        detector=detector,
        history=Table(found.rows),
        metrics=found.metrics,
        finished=found.finished,
        folder=found.folder,
        is_first=found.is_first,
        evaluation=found.evaluation,
    )
