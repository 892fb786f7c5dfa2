"""The page of ``export --to web`` in a real browser, with a real photograph.

Needs playwright, Chromium (or what NASFACE_BROWSER names) and the npm package onnxruntime-web,
which NASFACE_ONNXRUNTIME_WEB names or the current folder has.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

import nasface
from nasface.cli.main import main
from nasface.data.images import read_image, write_image
from nasface.deploy.runtimes.web import PACKAGE_PLACE, runtime_package
from nasface.deploy.serving import make_server
from nasface.errors import ConfigError, MissingPackageError
from nasface.inference.predict import InferenceConfig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

BROWSER = os.environ.get("NASFACE_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PHONE = {"width": 360, "height": 740}
SCREEN = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the released detector, with a photograph and a film of it beside it."""
    if BROWSER is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    pytest.importorskip("playwright", reason="playwright is not installed")
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    try:
        runtime_package(Path.cwd())
    except MissingPackageError as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("web") / "page"
    assert main(f"export --to web --out {folder}".split()) == 0
    write_image(folder / "photograph.jpg", data.astronaut())
    (folder / "film.mjpeg").write_bytes((folder / "photograph.jpg").read_bytes() * 3)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Where the page is served."""
    with make_server(folder, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def driver(folder: Path) -> Iterator["Playwright"]:
    """What starts browsers; there can be one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def chromium(driver: "Playwright", folder: Path) -> Iterator["Browser"]:
    """A browser whose camera shows the film."""
    flags = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={folder / 'film.mjpeg'}",
    ]
    with driver.chromium.launch(executable_path=BROWSER, args=flags) as made:
        yield made


@contextmanager
def opened(chromium: "Browser", address: str, **settings: Any) -> Iterator["Page"]:
    """The page once its detector is loaded."""
    with chromium.new_context(**settings) as context:
        page = context.new_page()
        page.set_default_timeout(150_000)
        page.goto(address)
        until(page, "text === 'Ready'")
        yield page


def until(page: "Page", test: str) -> str:
    """Wait until the page's status passes a test, and return it; what went wrong ends it, too."""
    page.wait_for_function(
        f"() => {{ const text = document.getElementById('status').textContent; "
        f"return {test} || text.startsWith('Did not'); }}"
    )
    text: str = page.locator("#status").inner_text()
    return text


def forget(page: "Page") -> None:
    """Empty the page's status, so that only a later one ends a wait: on a busy machine some pass
    between two looks at it."""
    page.evaluate("document.getElementById('status').textContent = ''")


def listed(page: "Page", threshold: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Boxes (N, 4) and scores (N,) of the page's list from a score on."""
    page.locator("#threshold").fill(str(threshold))
    found = page.evaluate(
        "[...document.querySelectorAll('#faces li')]"
        ".map((each) => [...JSON.parse(each.dataset.box), Number(each.dataset.score)])"
    )
    rows = np.array(found, np.float64).reshape(-1, 5)
    return rows[:, :4], rows[:, 4]


def check_faces(page: "Page", folder: Path) -> None:
    """Compare what the page lists of the photograph with what Python finds in it."""
    photograph = read_image(folder / "photograph.jpg")
    settings = InferenceConfig(score_threshold=0.05)
    (wanted,) = nasface.load_detector().detect(photograph, 0.05, inference=settings)
    boxes, scores = listed(page, 0.05)
    assert len(boxes) == len(wanted) > 0
    np.testing.assert_allclose(boxes, wanted.boxes, atol=0.01)
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)
    assert len(listed(page, 0.9)[0]) == int((wanted.scores >= 0.9).sum())
    faces = len(listed(page, 0.5)[0])
    assert faces == int((wanted.scores >= 0.5).sum())
    number = "1 face" if faces == 1 else f"{faces} faces"
    assert page.locator("#status").inner_text().startswith(f"{number}, ")
    assert page.locator("#picture").get_attribute("aria-label") == (
        f"The picture with {number} marked"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), [(SCREEN, "light"), (PHONE, "dark")])
def test_boxes_are_those_of_python(
    chromium: "Browser", address: str, folder: Path, size: dict[str, int], scheme: str
) -> None:
    with opened(chromium, address, viewport=size, color_scheme=scheme) as page:
        page.locator("#file").set_input_files(folder / "photograph.jpg")
        until(page, "/ ms$/.test(text)")
        check_faces(page, folder)
        assert page.evaluate("crossOriginIsolated"), "threads need the headers of nasface serve"
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0, "the page is wider than the screen"
        unnamed = """[...document.querySelectorAll("input, button, select")]
            .filter((each) => !each.labels?.length && !each.textContent).length"""
        assert page.evaluate(unnamed) == 0, "a control has no name for a screen reader"
        low, high = "rgb(15, 19, 24)", "rgb(255, 255, 255)"
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == (low if scheme == "dark" else high)


@pytest.mark.slow
def test_a_face_that_fills_a_large_photograph(
    chromium: "Browser", address: str, folder: Path
) -> None:
    photograph = read_image(folder / "photograph.jpg")
    near = np.asarray(cv2.resize(photograph, (2048, 2048)), np.uint8)
    write_image(folder / "near.png", near)
    settings = {"score_threshold": 0.05}
    (wanted,) = nasface.load_detector().detect(near, 0.05, inference=settings)
    with opened(chromium, address, viewport=SCREEN) as page:
        page.locator("#file").set_input_files(folder / "near.png")
        until(page, "/ ms$/.test(text)")
        boxes, scores = listed(page, 0.5)
    assert len(boxes) == int((wanted.scores >= 0.5).sum()) == 1
    # Canvas and OpenCV halve a picture in slightly different ways.
    np.testing.assert_allclose(boxes, wanted.boxes[:1], atol=4)
    np.testing.assert_allclose(scores, wanted.scores[:1], atol=0.02)


@pytest.mark.slow
def test_all_is_done_with_the_keyboard(chromium: "Browser", address: str, folder: Path) -> None:
    with opened(chromium, address, viewport=SCREEN) as page:
        focused = "document.activeElement.id"
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == "file"
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        chooser.value.set_files(folder / "photograph.jpg")
        until(page, "/ ms$/.test(text)")
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == "camera"
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == "threshold"
        page.keyboard.press("End")
        few = page.locator("#faces li").count()
        page.keyboard.press("Home")
        assert page.locator("#shown-threshold").inner_text() == "0.05"
        assert page.locator("#faces li").count() > few


@pytest.mark.slow
def test_the_camera_is_looked_at_until_it_is_stopped(chromium: "Browser", address: str) -> None:
    with opened(chromium, address, viewport=PHONE, permissions=["camera"]) as page:
        camera = page.get_by_role("button", name="Camera")
        camera.click()
        assert until(page, "/^[1-9].* ms$/.test(text)").split(",")[0] in ("1 face", "2 faces")
        stop = page.get_by_role("button", name="Stop the camera")
        assert stop.get_attribute("aria-pressed") == "true"
        assert page.locator("#picture").is_visible()
        stop.click()
        assert camera.get_attribute("aria-pressed") == "false"
        boxes, scores = listed(page, 0.05)
        forget(page)
        page.locator("#engine").dispatch_event("change")  # the same engine once more
        until(page, "/ ms$/.test(text)")
        again = listed(page, 0.05)
    assert len(boxes)
    np.testing.assert_allclose(again[0], boxes, atol=0.01)
    np.testing.assert_allclose(again[1], scores, atol=1e-4)


@pytest.mark.slow
def test_a_camera_that_is_not_allowed_is_said(chromium: "Browser", address: str) -> None:
    with opened(chromium, address, viewport=SCREEN) as page:
        page.get_by_role("button", name="Camera").click()
        until(page, "text.startsWith('No camera: ')")
        assert page.get_by_role("button", name="Camera").get_attribute("aria-pressed") == "false"


@pytest.mark.slow
def test_webgpu_finds_the_same_faces(driver: "Playwright", folder: Path, address: str) -> None:
    """On a graphics card that Chromium computes, in a small picture, as that takes a minute."""
    write_image(folder / "small.png", read_image(folder / "photograph.jpg")[40:200, 150:310])
    flags = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    flags += ["--enable-features=Vulkan", "--use-vulkan=swiftshader"]
    with (
        driver.chromium.launch(executable_path=BROWSER, args=flags) as browser,
        opened(browser, address) as page,
    ):
        adapter = "navigator.gpu?.requestAdapter().then((found) => found?.info.architecture ?? '')"
        if not page.evaluate(adapter):
            pytest.skip("this Chromium has no WebGPU without a graphics card")
        page.set_default_timeout(600_000)
        page.locator("#file").set_input_files(folder / "small.png")
        until(page, "/ ms$/.test(text)")
        wanted = listed(page, 0.05)
        forget(page)
        page.locator("#engine").select_option("webgpu")
        until(page, "/ ms$/.test(text)")
        found = listed(page, 0.05)
    assert len(wanted[0]) == len(found[0]) > 0
    np.testing.assert_allclose(found[0], wanted[0], atol=0.01)
    np.testing.assert_allclose(found[1], wanted[1], atol=1e-4)


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
    with make_server(tmp_path, port=0) as first, pytest.raises(ConfigError, match="cannot be used"):
        make_server(tmp_path, port=int(first.server_address[1]))
