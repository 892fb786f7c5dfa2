"""A server for folders of ``nasface export --to web``, of the standard library."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nasface.errors import ConfigError


class PageHandler(SimpleHTTPRequestHandler):
    """Files of a folder, with the headers without which a browser gives a page no threads."""

    # The standard library has a dict here, which it only reads.
    extensions_map = MappingProxyType(  # type: ignore[assignment]
        {
            **SimpleHTTPRequestHandler.extensions_map,
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
            ".json": "application/json",
        }
    )

    def end_headers(self) -> None:
        """Add the headers of cross-origin isolation."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


def make_server(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    handler: type[PageHandler] = PageHandler,
) -> ThreadingHTTPServer:
    """Return a server that is ready to run; port 0 takes a free one.

    Raises:
        ConfigError: if the folder holds no page, or the address cannot be used.
    """
    if not (folder / "index.html").is_file():
        raise ConfigError(f"{folder}: holds no index.html; expected a folder of export --to web")
    try:
        return ThreadingHTTPServer((host, port), partial(handler, directory=str(folder)))
    except (OSError, OverflowError) as problem:
        raise ConfigError(f"{host}, port {port}: cannot be used ({problem})") from None
