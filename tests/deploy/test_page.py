"""The page of ``export --to web`` in a real browser, with a real photograph.

Needs Chromium (or what NASFACE_BROWSER names) and the npm package onnxruntime-web, which
NASFACE_ONNXRUNTIME_WEB names or the current folder has.
"""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasface
from nasface.cli.main import main
from nasface.data.images import read_image, write_image
from nasface.deploy.runtimes.web import PACKAGE_PLACE, runtime_package
from nasface.deploy.serving import PageHandler, make_server
from nasface.errors import ConfigError, MissingPackageError
from nasface.inference.predict import InferenceConfig

BROWSER = os.environ.get("NASFACE_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
#: put into the page, it gives the photograph to the page as a person would and sends what is listed
SCRIPT = """<script type="module">
const status = document.getElementById("status"), input = document.getElementById("file");
const until = (test) => new Promise((done) => {
  const look = setInterval(() => test(status.textContent) && (clearInterval(look), done()), 50);
});
const send = (found) => fetch("/found", { method: "POST", body: JSON.stringify(found) });
await until((text) => text === "Ready" || text.startsWith("Did not"));
const blob = await (await fetch("./photograph.jpg")).blob();
const transfer = new DataTransfer();
transfer.items.add(new File([blob], "photograph.jpg", { type: "image/jpeg" }));
input.files = transfer.files;
input.dispatchEvent(new Event("change"));
await until((text) => / ms$/.test(text) || text.startsWith("Did not"));
const threshold = document.getElementById("threshold");
const at = async (value) => {
  threshold.value = value;
  threshold.dispatchEvent(new Event("input"));
  return [...document.querySelectorAll("#faces li")].map((each) => each.dataset);
};
const low = (await at(0.05)).map((each) => [JSON.parse(each.box), Number(each.score)]);
const high = (await at(0.9)).length;
await at(0.5);
const canvas = document.getElementById("picture");
send({
  status: status.textContent, low, high, isolated: crossOriginIsolated,
  label: canvas.getAttribute("aria-label"), size: [canvas.width, canvas.height],
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  page: getComputedStyle(document.body).backgroundColor,
  unnamed: [...document.querySelectorAll("input, button, select")]
    .filter((each) => !each.labels?.length && !each.textContent).length,
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the released detector, with a photograph beside it."""
    if BROWSER is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    try:
        runtime_package(Path.cwd())
    except MissingPackageError as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("web") / "page"
    assert main(f"export --to web --out {folder}".split()) == 0
    write_image(folder / "photograph.jpg", data.astronaut())
    index = folder / "index.html"
    index.write_text(index.read_text().replace("</body>", f"{SCRIPT}</body>"))
    return folder


def visit(page: Path, tmp_path: Path, size: tuple[int, int], *, dark: bool) -> dict[str, Any]:
    """What the script sends from a screen of so many pixels."""
    sent: list[bytes] = []
    arrived = threading.Event()

    class Handler(PageHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            arrived.set()

    with make_server(page, port=0, handler=Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        command = [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu",
            "--remote-debugging-port=0",
            f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={size[0]},{size[1]}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"http://127.0.0.1:{server.server_address[1]}/",
        ]  # fmt: skip
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as browser:
            try:
                assert arrived.wait(150), "the page has sent nothing"
            finally:
                browser.terminate()
                server.shutdown()
                thread.join()
    found: dict[str, Any] = json.loads(sent[0])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("size", "dark"), [((1280, 800), False), ((500, 844), True)])
def test_boxes_are_those_of_python(
    page: Path, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    found = visit(page, tmp_path, size, dark=dark)
    photograph = read_image(page / "photograph.jpg")
    settings = InferenceConfig(score_threshold=0.05)
    (wanted,) = nasface.load_detector().detect(photograph, 0.05, inference=settings)
    assert found["size"] == [photograph.shape[1], photograph.shape[0]]
    assert len(found["low"]) == len(wanted) > 0
    boxes, scores = zip(*found["low"], strict=True)
    np.testing.assert_allclose(boxes, wanted.boxes, atol=0.01)
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)
    assert found["high"] == int((wanted.scores >= 0.9).sum())
    assert found["isolated"], "threads need the headers of nasface serve"
    faces = int((wanted.scores >= 0.5).sum())
    number = "1 face" if faces == 1 else f"{faces} faces"
    assert found["status"].startswith(f"{number}, ")
    assert found["label"] == f"The picture with {number} marked"
    assert found["wide"] <= 0, "the page is wider than the screen"
    assert found["unnamed"] == 0, "a control has no name for a screen reader"
    low, high = ("rgb(15, 19, 24)", "rgb(255, 255, 255)")
    assert found["page"] == (low if dark else high)


def test_the_package_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PACKAGE_PLACE, raising=False)
    with pytest.raises(MissingPackageError, match="expected: npm install onnxruntime-web"):
        runtime_package(tmp_path)
    dist = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    for name in ("ort.wasm.min.mjs", "ort.webgpu.min.mjs"):
        (dist / name).touch()
    for stem in ("ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"):
        (dist / f"{stem}.mjs").touch()
        (dist / f"{stem}.wasm").touch()
    (tmp_path / "below").mkdir()
    assert runtime_package(tmp_path / "below") == dist.parent
    monkeypatch.setenv(PACKAGE_PLACE, str(tmp_path / "elsewhere"))
    with pytest.raises(MissingPackageError):
        runtime_package(tmp_path)


def test_only_a_page_is_served(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no index\.html"):
        make_server(tmp_path)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("page")
    with make_server(tmp_path, port=0) as first, pytest.raises(ConfigError, match="cannot be had"):
        make_server(tmp_path, port=int(first.server_address[1]))
