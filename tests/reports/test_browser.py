"""Reports and drawings in a real browser: on a desktop, on a phone, in the dark.

Chromium is looked for on the PATH; the environment's NASFACE_BROWSER names another one.
"""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import nasface
from nasface.reports.html import Report, ReportPicture, ReportTable, RunSection, render_report
from nasface.reports.themed import picture_uri

BROWSER = os.environ.get("NASFACE_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is installed")
PHONE, DESKTOP = (390, 844), (1280, 800)
SCRIPT = """<script>
const right = document.documentElement.clientWidth + 1;
const shown = each => each.getClientRects().length > 0;
const cells = [...document.querySelectorAll("#overview th, #overview td")].filter(shown);
const picture = document.querySelector(".nasface-drawing > g");
document.title = JSON.stringify({
  width: document.documentElement.scrollWidth - right,
  cells: cells.map(each => each.textContent),
  cut: cells.filter(each => each.getBoundingClientRect().right > right).length,
  page: getComputedStyle(document.body).backgroundColor,
  filter: picture ? getComputedStyle(picture).filter : "",
  drawing: picture ? picture.parentElement.getBoundingClientRect().right - right : 0,
});
</script>"""
"""Put into the page, it writes what is to be looked at into the page's title."""


def look(html: str, folder: Path, size: tuple[int, int], *, dark: bool = False) -> dict[str, Any]:
    """What the script finds in a page of so many pixels, on a light or dark screen."""
    page = folder / "page.html"
    page.write_text(html.replace("</body>", f"{SCRIPT}</body>"), "utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None, done.stderr
    found: dict[str, Any] = json.loads(unescape(title[1]))
    return found


@pytest.fixture(scope="module")
def report() -> str:
    """A report of two runs with texts as long as they come."""
    genotype = nasface.load_genotype("autofem-quickstart")
    row = [
        "5 of 12, best AP 0.852 at step 12000",
        "3 h 12 min",
        "15024 MB",
        "AMD EPYC 9V84 96-Core",
    ]
    names = ["runs/2026-11-27-quickstart-search", "runs/2026-11-27-quickstart-train"]
    columns = ("run", "kind", "result", "time", "memory", "hardware")
    overview = ReportTable("", columns, [[name, "training", *row] for name in names])
    picture = ReportPicture("Cells", picture_uri(genotype.draw()), wide=True)
    runs = [RunSection(name, "training", pictures=[picture]) for name in names]
    settings = ReportTable("", ("setting", *names), [["data.folder", "/data/wider", "/data/wider"]])
    return render_report(Report("two runs", overview, {}, [], runs, settings))


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_the_overview_is_whole(report: str, size: tuple[int, int], tmp_path: Path) -> None:
    found = look(report, tmp_path, size)
    assert found["width"] <= 0, "the page is wider than the screen"
    assert found["cut"] == 0
    assert {"15024 MB", "AMD EPYC 9V84 96-Core"} <= set(found["cells"])


def test_a_dark_screen_has_a_dark_report(report: str, tmp_path: Path) -> None:
    light, dark = (look(report, tmp_path, DESKTOP, dark=dark)["page"] for dark in (False, True))
    assert light == "rgb(255, 255, 255)"
    assert max(map(int, re.findall(r"\d+", dark))) < 60


@pytest.mark.parametrize("dark", [False, True])
def test_a_drawing_fits_into_a_notebook_and_follows_the_screen(dark: bool, tmp_path: Path) -> None:
    shown = nasface.load_genotype("asfd-ref")._repr_svg_()
    html = f"<html><head><title></title></head><body>{shown}</body></html>"
    found = look(html, tmp_path, PHONE, dark=dark)
    assert found["drawing"] <= 0
    assert ("invert" in found["filter"]) == dark
