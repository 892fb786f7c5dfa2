"""HTML reports of run folders. Needs the extra ``report``."""

from nasface.optional import require

require("nasface[report]", "jinja2", "matplotlib", "pandas", "pygraphviz")
