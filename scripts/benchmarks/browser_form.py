"""onnxruntime-web in a headless Chromium, for scripts/benchmarks/runtimes.py.

Chromium is that of the system, or what NASFACE_BROWSER names; playwright drives it.
"""

import base64
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from nasface.deploy.runtimes.web import RUNTIME_FILES, runtime_package
from nasface.deploy.serving import make_server

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

BROWSER = os.environ.get("NASFACE_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
)
"""Flags with which Chromium has WebGPU without a graphics card."""

_PAGE = """<!DOCTYPE html><script type="module">
const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
const text = (array) => {
  const view = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let found = "";
  for (let at = 0; at < view.length; at += 32768)
    found += String.fromCharCode(...view.subarray(at, at + 32768));
  return btoa(found);
};
window.open_file = async (provider) => {
  const name = provider === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs";
  window.ort = await import("./" + name);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./", location.href).href;
  window.session = await ort.InferenceSession.create("./detector.onnx", {
    executionProviders: [provider],
  });
};
window.run_file = async (shape, images) => {
  const values = new Float32Array(bytes(images).buffer);
  const found = await session.run({ images: new ort.Tensor("float32", values, shape) });
  const answer = {};
  for (const name of ["logits", "deltas"])
    answer[name] = { shape: found[name].dims.map(Number), values: text(found[name].data) };
  return answer;
};
window.is_ready = true;
</script>"""


class Chromium:
    """An ONNX file in a page of its own; ``provider`` is wasm or webgpu."""

    def __init__(self, provider: str, path: Path) -> None:
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        for name in RUNTIME_FILES:
            shutil.copyfile(runtime_package(Path.cwd()) / "dist" / name, place / name)
        shutil.copyfile(path, place / "detector.onnx")
        (place / "index.html").write_text(_PAGE, "utf-8")
        server = make_server(place, port=0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = SOFTWARE_GPU if provider == "webgpu" else ()
        browser = _driver().chromium.launch(executable_path=BROWSER, args=["--no-sandbox", *flags])
        self.page = browser.new_page()
        self.page.set_default_timeout(0)
        self.page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        self.page.wait_for_function("window.is_ready")
        self.page.evaluate("open_file", provider)

    def run(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the heads of images."""
        text = base64.b64encode(images.numpy().tobytes()).decode()
        answer = self.page.evaluate("([s, t]) => run_file(s, t)", [list(images.shape), text])
        return _array(answer["logits"]), _array(answer["deltas"])


@cache
def _driver() -> "Playwright":
    """Start the driver, of which a process has one."""
    from playwright.sync_api import sync_playwright

    return sync_playwright().start()


def _array(answer: Mapping[str, Any]) -> Tensor:
    values = np.frombuffer(base64.b64decode(answer["values"]), np.float32)
    return torch.tensor(values.reshape(answer["shape"]))


def open_chromium(provider: str, path: Path) -> tuple[Any, None]:
    """Open a file in a browser of its own; it is not timed, as a browser is several processes."""
    return Chromium(provider, path).run, None
