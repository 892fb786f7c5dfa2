"""Ground truth of WIDER FACE, made up, in the official form."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from nasface.annotations.widerface import ATTRIBUTES

SETS = ("easy", "medium", "hard")

Content = Mapping[str, Mapping[str, tuple[Sequence[Sequence[int]], Mapping[str, Sequence[int]]]]]
"""Event -> image -> (rows ``x y w h`` + attributes, set -> indices from 0)."""


def write_ground_truth(folder: Path, content: Content) -> None:
    """The four ``.mat`` files."""
    folder.mkdir(parents=True, exist_ok=True)
    every = {"event_list": _cells([np.array([event]) for event in content])}
    every["file_list"] = _nested([[np.array([name]) for name in e] for e in content.values()])
    rows = [
        [np.array(each[0], float).reshape(-1, 10) for each in e.values()] for e in content.values()
    ]
    every["face_bbx_list"] = _nested([[image[:, :4] for image in event] for event in rows])
    for at, key in enumerate(ATTRIBUTES, 4):
        every[f"{key}_label_list"] = _nested([[im[:, at : at + 1] for im in ev] for ev in rows])
    savemat(folder / "wider_face_val.mat", every)
    for name in SETS:
        listed = [
            [np.array(each[1].get(name, []), float).reshape(-1, 1) + 1 for each in event.values()]
            for event in content.values()
        ]
        savemat(folder / f"wider_{name}_val.mat", {**every, "gt_list": _nested(listed)})


def _nested(events: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    return _cells([_cells(images) for images in events])


def _cells(values: Sequence[np.ndarray]) -> np.ndarray:
    cells = np.empty((len(values), 1), object)
    for at, value in enumerate(values):
        cells[at, 0] = value
    return cells
