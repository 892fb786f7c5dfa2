import pytest

from nasface.errors import ConfigError
from nasface.io.sizes import parse_size


def test_the_height_comes_first() -> None:
    assert parse_size("640x480") == (480, 640)
    assert parse_size("1x99999") == (99999, 1)


@pytest.mark.parametrize(
    "text", ["", "640", "640x", "0x480", "0640x480", "640X480", "1x100000", "٣x4"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected WIDTHxHEIGHT such as 640x480"):
        parse_size(text)
