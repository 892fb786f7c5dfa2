"""Data sets from one form to another."""

from pathlib import Path
from typing import Any

from nasface.api.arguments import refuse
from nasface.api.progress import shown_progress
from nasface.data.convert import Conversion, ImageTransfer, convert_dataset
from nasface.data.reading import ReadConfig
from nasface.io.files import as_path
from nasface.io.settings import with_settings
from nasface.progress import Progress


def convert(
    source: str | Path,
    to: str,
    out: str | Path,
    *,
    images: ImageTransfer = "copy",
    progress: bool | Progress | None = None,
    **settings: Any,
) -> Conversion:
    """Write a data set in another form.

    Args:
        source: the data set, as of :func:`read_dataset`; all its parts are taken. Images of a data
            set without parts are all for training, unless ``val_fraction`` or ``split_file`` say
            otherwise.
        to: name of a form of :data:`DATASET_FORMATS` that can be written: ``widerface`` (or
            ``wider``), ``coco``, ``yolo``, ``retinaface``, ``voc``, ``csv``, ``shards``.
        out: new folder; it is made beside and moved there when whole.
        images: ``copy`` them, or ``link`` to them where they are.
        progress: False shows nothing, True a bar or lines; by default a bar on a terminal or in a
            notebook. An object with the methods of :class:`nasface.progress.Progress` is told.
        settings: fields of :class:`ReadConfig`, which say how ``source`` is read, and what about
            images that cannot be read: with ``bad_images`` skip they are left out.

    Returns:
        What was written, and what the new form has no place for. A box in an image that EXIF turns
        is moved to where the new form has it.

    Raises:
        ConfigError: for a form that is unknown or cannot be written. DataError: for a source that
            cannot be read, an image that cannot, with ``bad_images`` stop, images whose names the
            form cannot tell apart, or a folder that exists. OutputError: for what cannot be
            written.
    """
    refuse(settings, ("data",))
    config = with_settings(ReadConfig(data=str(as_path(source, "source"))), settings, "convert")
    folder = as_path(out, "out")
    with shown_progress(progress) as shown:
        return convert_dataset(Path(source), to, folder, images, shown, config)
