"""``nasface serve``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import say
from nasface.cli.options import parse_line
from nasface.deploy.serving import make_server


@dataclass(kw_only=True)
class ServeCommand:
    """Serve a folder of nasface export --to web, until Ctrl-C.

    A browser shows the page at the address that is printed. The headers that threads need are sent.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder with the page."""
    host: str = "127.0.0.1"
    """Address to listen at: this machine alone, or 0.0.0.0 for the network. A camera needs https
    or this machine."""
    port: int = 8000
    """Port to listen at; 0 takes a free one."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(ServeCommand, arguments, "serve")
    with make_server(command.folder, command.host, command.port) as server:
        say(f"http://{command.host}:{server.server_address[1]}/  (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")
    return 0
