"""Lines of code that fit the width of a page."""

from collections.abc import Sequence

_WIDTH = 100


def fit(start: str, items: Sequence[str], end: str, indent: int = 8) -> list[str]:
    """Return the items between brackets: on one line if they fit behind ``indent``, else one on
    each."""
    line = f"{start}{', '.join(items)}{end}"
    if indent + len(line) <= _WIDTH:
        return [line]
    margin = " " * (len(start) - len(start.lstrip()))
    return [start, *(f"{margin}    {item}," for item in items), f"{margin}{end}"]


def fit_terms(start: str, terms: Sequence[str], sign: str, indent: int = 8) -> list[str]:
    """Return the terms with a sign between them; in brackets, one on each line, where they do not
    fit."""
    line = start + f" {sign} ".join(terms)
    if indent + len(line) <= _WIDTH:
        return [line]
    first, *others = terms
    return [f"{start}(", f"    {first}", *(f"    {sign} {each}" for each in others), ")"]


def fit_call(start: str, call: str, indent: int = 8) -> list[str]:
    """Return a call behind ``start``: on one line if it fits, else with its arguments on one
    below."""
    line = f"{start}{call}"
    if indent + len(line) <= _WIDTH:
        return [line]
    name, _, arguments = call.partition("(")
    return [f"{start}{name}(", f"    {arguments[:-1]}", ")"]
