"""Detection on files: drawn pictures and lists of faces in a folder."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from nasface.annotations.names import LEAVE_OUT
from nasface.annotations.records import ImageRecord
from nasface.api.detector import FaceDetector
from nasface.api.engines import ONNX_FROM
from nasface.api.loading import load_detector
from nasface.data.inputs import list_inputs
from nasface.data.reading import check_images
from nasface.data.video import check_video, is_stream
from nasface.engine.detect import DetectConfig, Finder, Found
from nasface.errors import ConfigError, DataError
from nasface.inference.onnx_runtime import OnnxDetector
from nasface.inference.predict import check_network
from nasface.progress import Progress, Silent, stop_on_interrupt
from nasface.runs.folder import RunFolder, is_run_folder


def detect_files(
    detector: FaceDetector | None,
    inputs: Sequence[str | Path],
    out: str | Path,
    config: DetectConfig | None = None,
    *,
    progress: Progress | None = None,
) -> Found:
    """Find faces in images, videos, cameras and streams, and write them into a new folder.

    ``inputs`` are files, folders, patterns such as ``holiday/*.jpg``, ``camera:0`` or addresses of
    streams. The folder holds the pictures and videos with boxes drawn, a sheet of the first ones
    (overview.jpg), detections.json and the same in COCO's form (coco.json). What cannot be read is
    left out and listed in left_out.txt, or, with ``config.bad_images`` stop, refused before it
    begins. Ctrl-C ends it, and keeps what was found. Without a ``detector``, that of
    ``config.weights`` is loaded: a released one unless set.

    Raises:
        ConfigError: without a detector and weights, or for an engine that cannot run it.
        MissingPackageError: for engine onnxruntime, without it.
        DataError: for an input that does not exist.
        RunError: for a folder that is not empty, or weights that cannot be used.
        OutputError: for lists that cannot be written, as on a full disk; the folder is removed.
    """
    config, progress = config or DetectConfig(), progress or Silent()
    if detector is None and not config.weights:
        raise ConfigError("weights: is missing; expected a file of nasface train or an .onnx file")
    found = list_inputs([str(each) for each in inputs], is_run_folder)
    if config.bad_images == "stop":
        records = [ImageRecord(str(path), path, []) for path in found.images]
        check_images(records, "stop", "given", progress, has_boxes=False)
        _check_videos(found.videos)
    if detector is None:
        detector = load_detector(config.weights, config.device, precision=config.precision)
    elif detector.source is not None:
        config = replace(config, weights=str(detector.source))
    frames = (config.frames or ONNX_FROM) * len(found.videos)
    network, engine = detector.network_by(config.engine, len(found.images) + frames)
    check_network(network, config.inference)
    if isinstance(network, OnnxDetector) and len(found.images) + frames > 1:
        network = network.for_threads()
    folder = RunFolder(Path(out))
    folder.create(config, "detection")
    finder = Finder(network, config, folder)
    finder.found.engine = engine
    with folder.discarded_on_failure(lambda: finder.has_results), stop_on_interrupt() as stop:
        for result in found.results:
            progress.note(f"not looked at: {result}, which holds results")
        try:
            finder.images(list(found.images), progress, stop)
            for video in found.videos:
                finder.video(video, progress, stop)
        finally:
            finder.finish(progress)
        finder.found.stopped = stop.asked
    return finder.found


def _check_videos(names: Iterable[str]) -> None:
    """Raise DataError for a video file that cannot be read; cameras and streams begin when read."""
    for name in names:
        if not is_stream(name):
            try:
                check_video(name)
            except DataError as problem:
                raise DataError(f"{problem}; repair such videos, or {LEAVE_OUT}") from None
