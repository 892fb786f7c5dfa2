"""Images and videos that the inputs of a command name."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nasface.annotations.names import IMAGE_SUFFIXES
from nasface.data.video import VIDEO_SUFFIXES, is_stream, is_video_file
from nasface.errors import DataError
from nasface.io.files import files_below


@dataclass(frozen=True)
class Inputs:
    """Image files, and video files, cameras and streams, each once, in the order of the inputs.

    ``results`` are folders that were not looked into because they hold results.
    """

    images: dict[Path, None] = field(default_factory=dict)
    videos: dict[str, None] = field(default_factory=dict)
    results: dict[Path, None] = field(default_factory=dict)


def list_inputs(names: Sequence[str], is_result: Callable[[Path], bool]) -> Inputs:
    """Return the images and videos that ``names`` stand for.

    A file is taken as it is, as a video if its suffix is one of ``VIDEO_SUFFIXES``, or it begins as
    one and has no suffix of a picture, and as an image otherwise; so are cameras (``camera:0``) and
    streams (``rtsp://...``). A folder stands for every file below it, sorted, that ends like a
    picture or in one of ``VIDEO_SUFFIXES`` and is neither hidden nor in a hidden folder; a pattern
    with ``*``, ``?`` or ``[...]`` (``**`` for folders of any depth) for such files and folders that
    match. Folders for which ``is_result`` says so, and what is in them, are left out.

    Raises:
        DataError: if a path does not exist or nothing is found.
    """
    found = Inputs()
    for name in names:
        path = Path(name)
        if not name.strip():
            raise DataError(f"{name!r}: is no path, expected an image, a video or a folder")
        if is_stream(name):
            found.videos[name] = None
        elif os.path.isdir(name):
            _add(_below(path, is_result, found), found)
        elif os.path.isfile(name):
            _add([path], found, any_suffix=True)
        elif glob.has_magic(name):
            for match in map(Path, sorted(glob.glob(name, recursive=True))):
                inside = _below(match, is_result, found) if match.is_dir() else [match]
                if not _is_inside_result(match, is_result, found):
                    _add(inside, found)
        else:
            camera = f"; camera:{name} is a camera" if name.isdecimal() else ""
            raise DataError(
                f"{name}: does not exist, expected an image, a video or a folder{camera}"
            )
    if not found.images and not found.videos:
        where = ", ".join(names) or "an empty list of paths"
        left = f"; left out: results in {', '.join(map(str, found.results))}"
        raise DataError(
            f"no image or video in {where}, expected files "
            f"{' '.join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}{left if found.results else ''}"
        )
    return found


def _add(paths: Sequence[Path] | Iterator[Path], found: Inputs, any_suffix: bool = False) -> None:
    for path in paths:
        # Archives made on macOS leave "._name.jpg" files that are no images.
        suffix = path.suffix.lower()
        if path.name.startswith(".") and not any_suffix:
            continue
        is_odd = any_suffix and suffix not in IMAGE_SUFFIXES
        if suffix in VIDEO_SUFFIXES or (is_odd and is_video_file(path)):
            found.videos[str(path)] = None
        elif suffix in IMAGE_SUFFIXES or any_suffix:
            found.images[path] = None


def _below(folder: Path, is_result: Callable[[Path], bool], found: Inputs) -> Iterator[Path]:
    """Yield the files below a folder, sorted, but not those of results."""
    if is_result(folder):
        found.results[folder] = None
        return

    def enters(place: Path) -> bool:
        if is_result(place):
            found.results[place] = None
            return False
        return not place.name.startswith(".")

    yield from sorted(files_below(folder, enters))


def _is_inside_result(path: Path, is_result: Callable[[Path], bool], found: Inputs) -> bool:
    for folder in path.parents:
        if is_result(folder):
            found.results[folder] = None
            return True
    return False
