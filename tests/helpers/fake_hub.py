"""A Hugging Face Hub in one process: repositories in memory, the few requests of a client."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class FakeHub(ThreadingHTTPServer):
    """``repositories`` maps ``owner/name`` to file -> content; ``requests`` are those that came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        """What ``HF_ENDPOINT`` names."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A hub that answers until the end of the block."""
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """The head of a file."""
        self.do_GET()

    def do_GET(self) -> None:
        """A file, or what there is to know of a repository."""
        self.server.requests.append(f"{self.command} {self.path}")
        repository, _, rest = unquote(self.path).strip("/").partition("/resolve/")
        if not rest:
            self._answer(404, {"error": "not found"}, **{"X-Error-Code": "RepoNotFound"})
            return
        revision, _, name = rest.partition("/")
        files = self.server.repositories.get(repository)
        if files is None:
            self._answer(404, {"error": "none"}, **{"X-Error-Code": "RepoNotFound"})
        elif revision != "main":
            self._answer(404, {"error": "none"}, **{"X-Error-Code": "RevisionNotFound"})
        elif name not in files:
            self._answer(404, {"error": "none"}, **{"X-Error-Code": "EntryNotFound"})
        else:
            commit = hashlib.sha1(b"".join(files.values())).hexdigest()
            tag = hashlib.sha256(files[name]).hexdigest()
            self._send(200, files[name], **{"ETag": f'"{tag}"', "X-Repo-Commit": commit})

    def do_POST(self) -> None:
        """A new repository, the question how to send files, or a commit of them."""
        self.server.requests.append(f"POST {self.path}")
        body = self._body()
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else ""
            self.server.repositories.setdefault(name or asked["name"], {})
            self._answer(200, {"url": f"{self.server.address}/{name or asked['name']}"})
        elif self.path.endswith("/preupload/main"):
            files = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif self.path.endswith("/commit/main"):
            repository = self.path.removeprefix("/api/models/").removesuffix("/commit/main")
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.repositories[repository][line["value"]["path"]] = content
            url = f"{self.server.address}/{repository}/commit/{'0' * 40}"
            self._answer(200, {"commitUrl": url, "commitOid": "0" * 40, "success": True})
        else:
            self._answer(200, {"errors": [], "warnings": []})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _answer(self, code: int, value: Any, **headers: str) -> None:
        self._send(code, json.dumps(value).encode(), **headers)

    def _send(self, code: int, content: bytes, **headers: str) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
