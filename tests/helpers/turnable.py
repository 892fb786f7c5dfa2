"""A picture that no turn leaves as it is, and pictures as bytes of a file."""

import cv2
import numpy as np
from numpy.typing import NDArray

# Left half red, right half blue, top left pixel block green: no symmetry hides a turn.
PICTURE = np.zeros((24, 40, 3), np.uint8)
PICTURE[:, :20] = (255, 0, 0)
PICTURE[:, 20:] = (0, 0, 255)
PICTURE[:8, :8] = (0, 255, 0)


def encode(suffix: str, image: NDArray[np.integer], *options: int) -> bytes:
    return cv2.imencode(suffix, image, list(options))[1].tobytes()
