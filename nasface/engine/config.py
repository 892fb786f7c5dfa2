"""Settings of evaluations and of detection."""

from dataclasses import dataclass, field
from typing import Literal

from nasface.data.check import BadImages
from nasface.data.reading import ReadConfig
from nasface.errors import ConfigError
from nasface.inference.predict import InferenceConfig


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(ReadConfig):
    """Evaluation of trained weights on the annotated images of a data folder."""

    weights: str = ""
    """Weights that `nasface train` wrote, or an ONNX file of `nasface export`."""
    split: Literal["val", "train"] = "val"
    """Which part to evaluate on."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied."""


@dataclass(frozen=True, kw_only=True)
class _BenchmarkConfig(ReadConfig):
    """Evaluation by the protocol of a benchmark: of weights, or of detections made elsewhere."""

    weights: str = ""
    """Weights that `nasface train` wrote, or an ONNX file of `nasface export`; their detections are
    made and scored."""
    detections: str = ""
    """Detections to score, instead of weights."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied; does not concern given detections."""


@dataclass(frozen=True, kw_only=True)
class WiderConfig(_BenchmarkConfig):
    """Evaluation by the official protocol of WIDER FACE, validation part.

    Detections are a folder, or a tar or zip archive, of files event/name.txt.
    """

    data: str = ""
    """Folder that holds ground_truth/*.mat, wider_face_split/ and, for weights, WIDER_val/."""
    images: str = ""
    """Text file that lists the images to evaluate on: an event/name.jpg a line, or an annotation
    file in WIDER FACE's form. Empty: all 3226."""
    ground_truth: Literal["mat", "text"] = "mat"
    """mat: easy, medium and hard from the official files. text: all faces that are not marked
    invalid, from wider_face_split/wider_face_val_bbx_gt.txt."""


@dataclass(frozen=True, kw_only=True)
class FddbConfig(_BenchmarkConfig):
    """Evaluation by the protocol of FDDB, the ten folds pooled, or those of them that are there.

    Detections are a file or a folder of files in FDDB's form, rectangles or ellipses.
    """

    data: str = ""
    """Folder that holds FDDB-folds/ and, for weights, originalPics/; or a file of all ellipses."""
    ellipses: bool = False
    """Turn rectangles into upright ellipses, fitted on the other nine folds."""


@dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """Detection on images without annotations."""

    weights: str = ""
    """Weights that `nasface train` wrote, or an ONNX file of `nasface export`."""
    score_threshold: float = 0.5
    """Score from which a detection is written and drawn."""
    bad_images: BadImages = "skip"
    """skip: an image or video that cannot be read is left out, which is said and counted; stop: it
    ends the command, for an image before it begins."""
    frames: int = 0
    """Frames to take of each video or camera; 0 takes all."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied."""

    def __post_init__(self) -> None:
        if not 0 <= self.score_threshold <= 1 or self.frames < 0:
            raise ConfigError(
                f"score_threshold {self.score_threshold}, frames {self.frames}: "
                "expected 0 to 1 and 0 or more"
            )
