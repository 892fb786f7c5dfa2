"""A report as one HTML file that needs nothing else: the pictures are inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import jinja2

import nasface


@dataclass(frozen=True)
class ReportTable:
    """Rows of texts under a header; the first column names the row.

    ``marked``: positions of rows to point out.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ReportPicture:
    """A picture by its ``data:`` address; a ``wide`` one scrolls on a narrow screen."""

    title: str
    address: str
    wide: bool = False


@dataclass(frozen=True)
class RunSection:
    """The section of one run in a report; ``commands`` maps a word to a command line."""

    name: str
    kind: str
    notes: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    tables: Sequence[ReportTable] = ()
    pictures: Sequence[ReportPicture] = ()
    samples: Mapping[str, Sequence[ReportPicture]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All of a report: what concerns all runs, side by side, then run by run.

    ``charts`` are SVG elements by title.
    """

    title: str
    overview: ReportTable
    charts: Mapping[str, str]
    figures: Sequence[ReportTable]
    runs: Sequence[RunSection]
    settings: ReportTable


def render_report(report: Report) -> str:
    """Return the report as HTML; texts are escaped, the SVG of charts is not."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nasface.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    return template.render(report=report, version=nasface.__version__)
