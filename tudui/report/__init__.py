"""The report of a comparison: files that need nothing else, and tables for the terminal."""

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from tudui.comparison.outcome import Comparison
from tudui.comparison.problems import Problems
from tudui.files import disk_errors, json_text, opened, write_text, written_aside
from tudui.language import Language, say, speaking
from tudui.report.content import report_of, summary_of
from tudui.report.document import Document, Paragraph, pictures_of
from tudui.report.html import fragment, html
from tudui.report.markdown import PICTURES, markdown
from tudui.report.paper import latex, wide_csv
from tudui.report.problems import report_of_problems, summary_of_problems
from tudui.report.spreadsheet import csv_text
from tudui.report.terminal import WIDE, side_by_side, terminal
from tudui.sinks.printable import printable_console

__all__ = [
    "FORMS", "ProblemsReport", "Report", "side_by_side", "terminal", "where", "write_report",
]  # fmt: skip

HTML = "report.html"
FORMS = {"latex": latex, "wide": wide_csv, "long": csv_text}  # of a comparison as one text


def write_report(found: Comparison | Problems, language: Language = "en") -> None:
    """Write report.md and report.html with their pictures beside the runs, and all values as JSON.

    These are comparison.json and comparison.csv, or problems.json for a grid.
    """
    name = "problems" if isinstance(found, Problems) else "comparison"
    write_text(found.folder / f"{name}.json", json_text(found.values, indent=2) + "\n")
    if isinstance(found, Comparison):
        write_text(found.folder / f"{name}.csv", csv_text(found))
    with speaking(language):
        document = report_of_problems(found) if isinstance(found, Problems) else report_of(found)
        _write_document(found.folder, document)


def _write_document(folder: Path, document: Document) -> None:
    """Write a report as Markdown and as a page, and remove the pictures of an earlier one."""
    pictures = folder / PICTURES
    with disk_errors(pictures):
        pictures.mkdir(exist_ok=True)
    drawn = pictures_of(document)
    for picture in drawn:
        with written_aside(pictures / f"{picture.name}.png") as file:
            file.write(picture.png)
    text = folder / "report.md"
    old = ""
    if text.is_file():
        with opened(text) as file:
            old = file.read().decode("utf-8", "replace")
    before = re.findall(rf"\({PICTURES}/([\w.+-]+)\.png\)", old)
    write_text(text, markdown(document))
    write_text(folder / HTML, html(document))
    for name in {*before} - {picture.name for picture in drawn}:  # of an earlier report, for example by another metric
        (pictures / f"{name}.png").unlink(missing_ok=True)


def _text(found: "Report | ProblemsReport") -> str:
    """Return what the command prints."""
    console = printable_console(StringIO(), force_jupyter=False, width=WIDE, soft_wrap=False)
    with speaking(found.language):
        with console.capture() as shown:
            terminal(found, console)
        return f"{shown.get()}{where(found)}"


def _first_part(found: "Report | ProblemsReport") -> str:
    """Return the first part of the report as HTML."""
    with speaking(found.language):
        blocks = summary_of_problems(found) if isinstance(found, Problems) else summary_of(found)
        return fragment([*blocks, Paragraph(where(found))])


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Comparison):
    """A comparison that Python prints as the command does, and a notebook as the first part of its report."""

    language: Language = "en"

    __repr__ = _text
    _repr_html_ = _first_part

    def latex(self) -> str:
        """Return the table of losses by label noise in LaTeX; it needs the package booktabs."""
        with speaking(self.language):
            return latex(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class ProblemsReport(Problems):
    """The comparisons of a grid, which Python prints as the command does, and a notebook as its report begins."""

    language: Language = "en"

    __repr__ = _text
    _repr_html_ = _first_part


def where(report: Comparison | Problems) -> str:
    """Return the sentence that names the report's file."""
    return say("report: {file}", file=report.folder / HTML)
