"""JSON that every reader takes: numbers that JSON does not have become null, and the reason why
stands beside them.

Python's own ``json`` writes ``NaN`` and ``Infinity``, which JavaScript, jq and most other readers
refuse.
"""

import json
import math
from typing import Any

REASONS = "reasons"
"""Key of a map in which a path, such as ``by.pose.ap``, has the reason why its value is null."""


def to_json(value: Any, indent: int | None = 2) -> str:
    """Return the JSON text of plain values.

    In a map, or in each map of a list, that holds numbers which are infinite or not a number,
    ``reasons`` names them; what it says of a path already, it keeps.
    """
    if isinstance(value, list | tuple):
        plain: Any = [_with_reasons(each) for each in value]
    else:
        plain = _with_reasons(value)
    return json.dumps(plain, indent=indent, allow_nan=False)


def _with_reasons(value: Any) -> Any:
    found: dict[str, str] = {}
    plain = _plain(value, "", found)
    if found and isinstance(plain, dict):
        plain[REASONS] = found | plain.get(REASONS, {})
    return plain


def _plain(value: Any, path: str, found: dict[str, str]) -> Any:
    """Return a value with null instead of such numbers, whose paths and reasons go to ``found``."""
    if isinstance(value, float) and not math.isfinite(value):
        found[path] = "not a number" if math.isnan(value) else "infinite"
        return None
    before = f"{path}." if path else ""
    if isinstance(value, dict):
        return {key: _plain(each, f"{before}{key}", found) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{before}{at}", found) for at, each in enumerate(value)]
    return value
