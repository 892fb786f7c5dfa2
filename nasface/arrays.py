"""NumPy arrays by what they hold."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Floats: TypeAlias = NDArray[np.floating]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
