"""The fonts that Graphviz measures and draws text with: on Linux those that matplotlib brings.

So a drawing is the same on every machine, one without fonts included. macOS and Windows have fonts
and their own ways to them.
"""

import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import matplotlib as mpl

FONT = "DejaVu Sans,Verdana,sans-serif"
_SETTINGS = "<fontconfig><dir>{folder}</dir><rescan><int>0</int></rescan></fontconfig>"
_VARIABLE = "FONTCONFIG_FILE"


@cache
def prepare_fonts() -> None:
    """Have Graphviz look for fonts, once and for all; fonts that the environment names go first.

    Its fontconfig library warns of settings of the system that a newer version reads, which tells
    users nothing, so the error output is closed meanwhile: some ten milliseconds.
    """
    if sys.platform != "linux":
        return
    from pygraphviz import AGraph

    graph = AGraph()
    graph.add_node("text", fontname=FONT)
    named = os.environ.get(_VARIABLE)
    errors = os.dup(2)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "wb") as nowhere:
        settings = Path(folder) / "fonts.conf"
        fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
        settings.write_text(_SETTINGS.format(folder=fonts), "utf-8")
        os.environ.setdefault(_VARIABLE, str(settings))
        os.dup2(nowhere.fileno(), 2)
        try:
            graph.layout("dot")
        finally:
            os.dup2(errors, 2)
            os.close(errors)
            if named is None:
                del os.environ[_VARIABLE]
