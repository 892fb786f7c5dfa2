import base64
from html.parser import HTMLParser

import numpy as np

from nasface.plots.figure import Plot
from nasface.reports.html import Report, ReportPicture, ReportTable, RunSection, render_report
from nasface.reports.themed import photograph_uri, picture_uri, themed_svg

VOID = {"meta", "img", "br", "input", "link", "hr"}


class Structure(HTMLParser):
    """The open elements, the texts, and every address that the page names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def plot() -> Plot:
    figure = Plot()
    figure.subplots().plot([0, 1], [0, 1], label="a < b")
    return figure


def report() -> Report:
    table = ReportTable("figures", ("", "one"), [["<b>AP</b>", "0.5"]], frozenset({0}))
    picture = ReportPicture("cells", picture_uri(plot()), wide=True)
    run = RunSection(
        "a & b", "training", ["note"], {"Made by": "nasface train"}, [table], [picture],
        {"Best": [ReportPicture("1 of 1", photograph_uri(np.zeros((600, 900, 3), np.uint8)))]},
    )  # fmt: skip
    return Report("t", table, {"loss": themed_svg(plot, "1")}, [table], [run], table)


def test_page_is_whole_and_needs_nothing_else() -> None:
    text = render_report(report())
    page = Structure(text)
    assert not page.open
    assert {"<b>AP</b>", "a & b", "nasface train", "1 of 1", "loss"} <= set(page.texts)
    for address in page.addresses:
        assert address.startswith(("data:", "#")), address
    assert "<script" not in text
    assert "url(http" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_contents_lead_to_sections() -> None:
    text = render_report(report())
    for address in Structure(text).addresses:
        if address.startswith("#") and len(address) > 1 and f'href="{address}"' in text:
            assert f'id="{address[1:]}"' in text, address


def test_charts_have_the_colour_of_the_text() -> None:
    svg = themed_svg(plot, "1")
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "#010203" not in svg


def test_photographs_are_made_smaller() -> None:
    address = photograph_uri(np.full((600, 900, 3), 128, np.uint8), longest=300)
    kind, data = address.split(",")
    assert kind == "data:image/jpeg;base64"
    assert len(base64.b64decode(data)) < 10_000
