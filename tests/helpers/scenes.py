"""Random images with a face, for tests of training crops."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

seeds = st.integers(0, 2**32)
sides = st.integers(8, 400)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[int, int, NDArray[np.float32]]:
    """Height, width and one whole-pixel box inside."""
    height, width = draw(sides), draw(sides)
    x1, y1 = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    x2, y2 = draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))
    return height, width, np.array([[x1, y1, x2, y2]], np.float32)
