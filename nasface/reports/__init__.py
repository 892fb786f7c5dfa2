"""HTML reports of run folders. Needs the extra ``report``."""

from nasface.optional import require

require("nasface[report]", "graphviz", "jinja2", "matplotlib", "pandas")
