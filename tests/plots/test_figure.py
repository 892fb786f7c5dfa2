from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from nasface.errors import ConfigError
from nasface.plots.figure import Plot


def figure() -> Plot:
    made = Plot(figsize=(2, 1))
    made.subplots().plot([0, 1])
    return made


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_suffix_is_the_type_of_the_file(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = figure().save(tmp_path / f"f.{suffix}")
    assert path.read_bytes().startswith(start)
    assert figure().render(suffix) == path.read_bytes()  # no date and no random number in it


def test_unknown_file_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected \.png, \.svg, \.pdf"):
        figure().save(tmp_path / "f")


def test_a_notebook_shows_it() -> None:
    made = figure()
    with Image.open(BytesIO(made._repr_png_())) as picture:
        assert picture.size == (200, 100)
    assert made.get_dpi() == Plot().get_dpi()
