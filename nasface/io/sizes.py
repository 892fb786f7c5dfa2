"""Image sizes as settings have them: width x height, such as 640x480."""

import re

from nasface.errors import ConfigError


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width in pixels, 1 to 99999 each.

    Raises:
        ConfigError: for anything else.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if match is None:
        raise ConfigError(f"size: {text!r}, expected WIDTHxHEIGHT such as 640x480")
    return int(match[2]), int(match[1])
