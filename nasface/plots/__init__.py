"""Figures: curves and histories of a search. Needs the extra ``plots``."""

from nasface.optional import require

require("nasface[plots]", "matplotlib", "pandas")
